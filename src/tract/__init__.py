"""Version control for LLM context: commit, compile, branch, merge, undo."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tract.agent.conversation import ChatResponse
    from tract.agent.events import ToolFinished, ToolStarted, TurnFinished, TurnStarted
    from tract.agent.limits import Price, RunBudget
    from tract.agent.orchestrator.callbacks import auto_approve, cli_prompt, log_and_approve, reject_all
    from tract.agent.orchestrator.orchestrator import Orchestrator
    from tract.agent.orchestrator.requests import Alternative, CallDecision, CallRequest
    from tract.agent.orchestrator.steps import OrchestratedCall, OrchestrateResult, OrchestratorStep
    from tract.agent.orchestrator.triggers import Triggers
    from tract.agent.policies.auto_compress import AutoCompress
    from tract.agent.policies.auto_pin import AutoPin
    from tract.agent.policies.decider import PolicyWarning
    from tract.agent.policies.log import PolicyRecord
    from tract.agent.policies.policy import Policy
    from tract.agent.policies.secret_guard import SecretGuard
    from tract.agent.policies.tool_rules import ToolRules
    from tract.agent.policies.view import PolicyView
    from tract.agent.run import RunResult
    from tract.agent.streams import AsyncTextStream, TextStream
    from tract.agent.toolkit.kit import ToolExecutor, Toolkit, ToolLimits
    from tract.agent.tools import Tool
    from tract.compile.bisect import BisectResult, BisectStep
    from tract.compile.blame import BlameLine, BlameMessage, BlameResult
    from tract.compile.compiler import Compiler
    from tract.compile.context import CompiledContext, Provenance
    from tract.compile.diff import DiffResult, DiffSide, DiffStat, FieldChange, MessageChange
    from tract.compile.fit import FitStrategy, LeftOut, MessageGroup
    from tract.compile.fold import Entry
    from tract.compile.preview import Preview, Prices
    from tract.compile.proof import PrefixProof, ReasoningLife
    from tract.compile.safety import SafetyWarning
    from tract.errors import TractError
    from tract.history.log import GraphRow
    from tract.history.status import Status
    from tract.llm.cached import Cache, CachedLLM, MemoryCache
    from tract.llm.fallback import FallbackLLM
    from tract.llm.http import HttpLLM
    from tract.llm.protocol import LLM, ReasoningDelta, Reply, Request, TextDelta, ToolCallDelta
    from tract.llm.retry import RetryPolicy
    from tract.objects.commit import CommitInfo
    from tract.objects.config import (
        Chosen,
        GenerationConfig,
        LLMConfig,
        ModelChoice,
        TokenBudget,
        TokenBudgetWarning,
        TractConfig,
    )
    from tract.objects.content import (
        ArtifactContent,
        DialogueContent,
        FreeformContent,
        InstructionContent,
        OutputContent,
        ReasoningContent,
        SessionContent,
        SpawnContent,
        SummaryContent,
        ToolResultContent,
    )
    from tract.objects.decision import AutonomyLevel, ModelCall, Resolution, Resolver
    from tract.objects.message import FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall, ToolResultPart
    from tract.objects.operation import OperationInfo
    from tract.objects.policy import Event, PolicyAction, Verdict
    from tract.objects.usage import Usage
    from tract.operations.branch import Branch, Divergence
    from tract.operations.cherry_pick import CherryPickResult
    from tract.operations.choices import MissingTarget
    from tract.operations.compress import CompressResult, GroupSummary
    from tract.operations.compress_plan import CompressPlan
    from tract.operations.erase import EraseResult
    from tract.operations.erasure import Derived
    from tract.operations.expand import Expansion
    from tract.operations.fsck import Finding
    from tract.operations.gc import GCResult
    from tract.operations.merge_result import Conflict, MergeResult
    from tract.operations.moving import MoveResult
    from tract.operations.proposal import Proposal
    from tract.operations.rebase import RebaseResult
    from tract.operations.reorder import ReorderResult
    from tract.operations.review import Brought, Concern, Review
    from tract.operations.search import SearchHit
    from tract.operations.stats import AgeStats, KindStats, Stats
    from tract.operations.summary import SourceMessage, Summarizer, Summary, SummaryRequest, extractive
    from tract.operations.tag import Tag
    from tract.operations.undo import UndoResult
    from tract.porcelain.session import Session
    from tract.porcelain.tract import Tract
    from tract.porcelain.tract import Tract as Repo
    from tract.sessions.collapse import CollapseResult
    from tract.sessions.durable import DurableExecutor
    from tract.sessions.executor import ChildResult, ChildTask, Executor, InlineExecutor, ThreadExecutor
    from tract.sessions.timeline import TimelineEntry
    from tract.sessions.tracts import TractInfo, TractTree
    from tract.tokens.counter import TokenCounter

__version__ = "0.1.0"

_HOME = {
    "AgeStats": "tract.operations.stats",
    "Alternative": "tract.agent.orchestrator.requests",
    "ArtifactContent": "tract.objects.content",
    "AsyncTextStream": "tract.agent.streams",
    "AutoCompress": "tract.agent.policies.auto_compress",
    "AutoPin": "tract.agent.policies.auto_pin",
    "AutonomyLevel": "tract.objects.decision",
    "BisectResult": "tract.compile.bisect",
    "BisectStep": "tract.compile.bisect",
    "BlameLine": "tract.compile.blame",
    "BlameMessage": "tract.compile.blame",
    "BlameResult": "tract.compile.blame",
    "Branch": "tract.operations.branch",
    "Brought": "tract.operations.review",
    "Cache": "tract.llm.cached",
    "CachedLLM": "tract.llm.cached",
    "CallDecision": "tract.agent.orchestrator.requests",
    "CallRequest": "tract.agent.orchestrator.requests",
    "ChatResponse": "tract.agent.conversation",
    "CherryPickResult": "tract.operations.cherry_pick",
    "ChildResult": "tract.sessions.executor",
    "ChildTask": "tract.sessions.executor",
    "Chosen": "tract.objects.config",
    "CollapseResult": "tract.sessions.collapse",
    "CommitInfo": "tract.objects.commit",
    "CompiledContext": "tract.compile.context",
    "Compiler": "tract.compile.compiler",
    "CompressPlan": "tract.operations.compress_plan",
    "CompressResult": "tract.operations.compress",
    "Concern": "tract.operations.review",
    "Conflict": "tract.operations.merge_result",
    "Derived": "tract.operations.erasure",
    "DialogueContent": "tract.objects.content",
    "DiffResult": "tract.compile.diff",
    "DiffSide": "tract.compile.diff",
    "DiffStat": "tract.compile.diff",
    "Divergence": "tract.operations.branch",
    "DurableExecutor": "tract.sessions.durable",
    "Entry": "tract.compile.fold",
    "EraseResult": "tract.operations.erase",
    "Event": "tract.objects.policy",
    "Executor": "tract.sessions.executor",
    "Expansion": "tract.operations.expand",
    "FallbackLLM": "tract.llm.fallback",
    "FieldChange": "tract.compile.diff",
    "FilePart": "tract.objects.message",
    "Finding": "tract.operations.fsck",
    "FitStrategy": "tract.compile.fit",
    "FreeformContent": "tract.objects.content",
    "GCResult": "tract.operations.gc",
    "GenerationConfig": "tract.objects.config",
    "GraphRow": "tract.history.log",
    "GroupSummary": "tract.operations.compress",
    "HttpLLM": "tract.llm.http",
    "ImagePart": "tract.objects.message",
    "InlineExecutor": "tract.sessions.executor",
    "InstructionContent": "tract.objects.content",
    "KindStats": "tract.operations.stats",
    "LLM": "tract.llm.protocol",
    "LLMConfig": "tract.objects.config",
    "LeftOut": "tract.compile.fit",
    "MemoryCache": "tract.llm.cached",
    "MergeResult": "tract.operations.merge_result",
    "Message": "tract.objects.message",
    "MessageChange": "tract.compile.diff",
    "MessageGroup": "tract.compile.fit",
    "MissingTarget": "tract.operations.choices",
    "ModelCall": "tract.objects.decision",
    "ModelChoice": "tract.objects.config",
    "MoveResult": "tract.operations.moving",
    "OperationInfo": "tract.objects.operation",
    "OrchestrateResult": "tract.agent.orchestrator.steps",
    "OrchestratedCall": "tract.agent.orchestrator.steps",
    "Orchestrator": "tract.agent.orchestrator.orchestrator",
    "OrchestratorStep": "tract.agent.orchestrator.steps",
    "OutputContent": "tract.objects.content",
    "Policy": "tract.agent.policies.policy",
    "PolicyAction": "tract.objects.policy",
    "PolicyRecord": "tract.agent.policies.log",
    "PolicyView": "tract.agent.policies.view",
    "PolicyWarning": "tract.agent.policies.decider",
    "PrefixProof": "tract.compile.proof",
    "Preview": "tract.compile.preview",
    "Price": "tract.agent.limits",
    "Prices": "tract.compile.preview",
    "Proposal": "tract.operations.proposal",
    "Provenance": "tract.compile.context",
    "Reasoning": "tract.objects.message",
    "ReasoningContent": "tract.objects.content",
    "ReasoningDelta": "tract.llm.protocol",
    "ReasoningLife": "tract.compile.proof",
    "RebaseResult": "tract.operations.rebase",
    "ReorderResult": "tract.operations.reorder",
    "Reply": "tract.llm.protocol",
    "Repo": "tract.porcelain.tract:Tract",
    "Request": "tract.llm.protocol",
    "Resolution": "tract.objects.decision",
    "Resolver": "tract.objects.decision",
    "RetryPolicy": "tract.llm.retry",
    "Review": "tract.operations.review",
    "RunBudget": "tract.agent.limits",
    "RunResult": "tract.agent.run",
    "SafetyWarning": "tract.compile.safety",
    "SearchHit": "tract.operations.search",
    "SecretGuard": "tract.agent.policies.secret_guard",
    "Session": "tract.porcelain.session",
    "SessionContent": "tract.objects.content",
    "SourceMessage": "tract.operations.summary",
    "SpawnContent": "tract.objects.content",
    "Stats": "tract.operations.stats",
    "Status": "tract.history.status",
    "Summarizer": "tract.operations.summary",
    "Summary": "tract.operations.summary",
    "SummaryContent": "tract.objects.content",
    "SummaryRequest": "tract.operations.summary",
    "Tag": "tract.operations.tag",
    "TextDelta": "tract.llm.protocol",
    "TextPart": "tract.objects.message",
    "TextStream": "tract.agent.streams",
    "ThreadExecutor": "tract.sessions.executor",
    "TimelineEntry": "tract.sessions.timeline",
    "TokenBudget": "tract.objects.config",
    "TokenBudgetWarning": "tract.objects.config",
    "TokenCounter": "tract.tokens.counter",
    "Tool": "tract.agent.tools",
    "ToolCall": "tract.objects.message",
    "ToolCallDelta": "tract.llm.protocol",
    "ToolExecutor": "tract.agent.toolkit.kit",
    "ToolFinished": "tract.agent.events",
    "ToolLimits": "tract.agent.toolkit.kit",
    "ToolResultContent": "tract.objects.content",
    "ToolResultPart": "tract.objects.message",
    "ToolRules": "tract.agent.policies.tool_rules",
    "ToolStarted": "tract.agent.events",
    "Toolkit": "tract.agent.toolkit.kit",
    "Tract": "tract.porcelain.tract",
    "TractConfig": "tract.objects.config",
    "TractError": "tract.errors",
    "TractInfo": "tract.sessions.tracts",
    "TractTree": "tract.sessions.tracts",
    "Triggers": "tract.agent.orchestrator.triggers",
    "TurnFinished": "tract.agent.events",
    "TurnStarted": "tract.agent.events",
    "UndoResult": "tract.operations.undo",
    "Usage": "tract.objects.usage",
    "Verdict": "tract.objects.policy",
    "auto_approve": "tract.agent.orchestrator.callbacks",
    "cli_prompt": "tract.agent.orchestrator.callbacks",
    "extractive": "tract.operations.summary",
    "log_and_approve": "tract.agent.orchestrator.callbacks",
    "reject_all": "tract.agent.orchestrator.callbacks",
}

__all__ = [
    "AgeStats",
    "Alternative",
    "ArtifactContent",
    "AsyncTextStream",
    "AutoCompress",
    "AutoPin",
    "AutonomyLevel",
    "BisectResult",
    "BisectStep",
    "BlameLine",
    "BlameMessage",
    "BlameResult",
    "Branch",
    "Brought",
    "Cache",
    "CachedLLM",
    "CallDecision",
    "CallRequest",
    "ChatResponse",
    "CherryPickResult",
    "ChildResult",
    "ChildTask",
    "Chosen",
    "CollapseResult",
    "CommitInfo",
    "CompiledContext",
    "Compiler",
    "CompressPlan",
    "CompressResult",
    "Concern",
    "Conflict",
    "Derived",
    "DialogueContent",
    "DiffResult",
    "DiffSide",
    "DiffStat",
    "Divergence",
    "DurableExecutor",
    "Entry",
    "EraseResult",
    "Event",
    "Executor",
    "Expansion",
    "FallbackLLM",
    "FieldChange",
    "FilePart",
    "Finding",
    "FitStrategy",
    "FreeformContent",
    "GCResult",
    "GenerationConfig",
    "GraphRow",
    "GroupSummary",
    "HttpLLM",
    "ImagePart",
    "InlineExecutor",
    "InstructionContent",
    "KindStats",
    "LLM",
    "LLMConfig",
    "LeftOut",
    "MemoryCache",
    "MergeResult",
    "Message",
    "MessageChange",
    "MessageGroup",
    "MissingTarget",
    "ModelCall",
    "ModelChoice",
    "MoveResult",
    "OperationInfo",
    "OrchestrateResult",
    "OrchestratedCall",
    "Orchestrator",
    "OrchestratorStep",
    "OutputContent",
    "Policy",
    "PolicyAction",
    "PolicyRecord",
    "PolicyView",
    "PolicyWarning",
    "PrefixProof",
    "Preview",
    "Price",
    "Prices",
    "Proposal",
    "Provenance",
    "Reasoning",
    "ReasoningContent",
    "ReasoningDelta",
    "ReasoningLife",
    "RebaseResult",
    "ReorderResult",
    "Reply",
    "Repo",
    "Request",
    "Resolution",
    "Resolver",
    "RetryPolicy",
    "Review",
    "RunBudget",
    "RunResult",
    "SafetyWarning",
    "SearchHit",
    "SecretGuard",
    "Session",
    "SessionContent",
    "SourceMessage",
    "SpawnContent",
    "Stats",
    "Status",
    "Summarizer",
    "Summary",
    "SummaryContent",
    "SummaryRequest",
    "Tag",
    "TextDelta",
    "TextPart",
    "TextStream",
    "ThreadExecutor",
    "TimelineEntry",
    "TokenBudget",
    "TokenBudgetWarning",
    "TokenCounter",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolExecutor",
    "ToolFinished",
    "ToolLimits",
    "ToolResultContent",
    "ToolResultPart",
    "ToolRules",
    "ToolStarted",
    "Toolkit",
    "Tract",
    "TractConfig",
    "TractError",
    "TractInfo",
    "TractTree",
    "Triggers",
    "TurnFinished",
    "TurnStarted",
    "UndoResult",
    "Usage",
    "Verdict",
    "auto_approve",
    "cli_prompt",
    "extractive",
    "log_and_approve",
    "reject_all",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import tract` stays light."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'tract' has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    value = globals()[name] = getattr(importlib.import_module(module), attribute or name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
