"""Answers what an orchestrator did: each step, each call in it, and how the run ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tract.agent.limits import RunState
from tract.agent.orchestrator.requests import CallDecision, written
from tract.objects.message import Message
from tract.objects.usage import Usage

CallOutcome: TypeAlias = Literal["looked", "done", "said", "rejected", "denied", "failed", "skipped"]
SittingState: TypeAlias = RunState | Literal["max_steps", "stopped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratedCall:
    """One tool call of a step, and what became of it.

    Attributes:
        tool: Name of the tool that was called, or would have been.
        arguments: What it was called with.
        outcome: `looked` of a tool that writes nothing; `done`; `said` where it may only report; `rejected` by a
            person; `denied` by a policy; `failed` where the tool refused; `skipped` because it was stopped before.
        reason: Why, in the model's words.
        decision: What somebody decided about it, or `None` where nobody was asked.
        result: What the model was told.
        operations: Numbers of the operations it was.
    """

    tool: str
    arguments: Mapping[str, Any] = field(repr=False, hash=False)
    outcome: CallOutcome
    reason: str = field(default="", repr=False)
    decision: CallDecision | None = None
    result: str = field(default="", repr=False)
    operations: tuple[int, ...] = ()

    def __str__(self) -> str:
        return written(self.tool, self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorStep:
    """One answer of the model, and the calls in it.

    Attributes:
        number: From 1.
        text: What the model said.
        calls: In the order it made them.
    """

    number: int
    text: str = field(repr=False)
    calls: tuple[OrchestratedCall, ...] = ()

    @property
    def operations(self) -> tuple[int, ...]:
        """Numbers of the operations it was; none where it wrote nothing."""
        return tuple([number for call in self.calls for number in call.operations])


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestrateResult:
    """How a run of an orchestrator ended.

    Attributes:
        state: `finished`, a limit (`max_steps`, `tokens`, `cost`, `seconds`), `paused` or `stopped`, after which
            `resume()` goes on, or `failed`.
        reason: The same in a sentence.
        why: Why it ran.
        text: What the model said last.
        steps: What it did, in order, from before a pause too.
        tokens_before: Size of the context when it began.
        tokens_after: Size of the context when it ended.
        messages: What the model was sent and answered; none of it is committed.
        usage: Of all calls of the model together.
        cost: What they cost, or `None` where no price is known.
        seconds: Since it began.
    """

    state: SittingState
    reason: str
    why: str
    text: str = field(repr=False)
    steps: tuple[OrchestratorStep, ...] = field(repr=False)
    tokens_before: int
    tokens_after: int
    messages: tuple[Message, ...] = field(repr=False)
    usage: Usage = field(repr=False)
    cost: float | None = None
    seconds: float = field(default=0.0, repr=False)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<OrchestrateResult {self.state} steps={len(self.steps)} operations={len(self.operations)}>"

    @property
    def calls(self) -> tuple[OrchestratedCall, ...]:
        """The calls of all steps, in order."""
        return tuple([call for step in self.steps for call in step.calls])

    @property
    def operations(self) -> tuple[int, ...]:
        """Numbers of all operations it was."""
        return tuple([number for step in self.steps for number in step.operations])
