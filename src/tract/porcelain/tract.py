"""The facade: one handle on one agent's context. Each method resolves names and calls one operation."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from re import Pattern
from typing import Any, Literal, overload

from pydantic import BaseModel

from tract.agent.semantic import Deciders, Semantic, Verb, Wish, deciders
from tract.agent.settings import Defaults
from tract.agent.summarizer import summarizer_for
from tract.agent.tools import offered
from tract.compile.bisect import BisectResult, ContextTest, bisect
from tract.compile.blame import BlameResult, blame
from tract.compile.compare import diff, diff_commit
from tract.compile.compiler import Compiler, Marks, compile_head
from tract.compile.context import CompiledContext
from tract.compile.counts import counted
from tract.compile.diff import DiffResult
from tract.compile.find import Wanted, find, query_by_config
from tract.compile.fit import FitStrategy, StrategyName
from tract.compile.fitted import fitted
from tract.compile.preview import Preview, Prices, preview
from tract.errors import InvalidInputError
from tract.formats.calls import read_tool_calls
from tract.history import info as history_info
from tract.history.log import GraphRow, LogFilter, log, with_graph
from tract.history.revision import head_at, resolve
from tract.history.status import RECENT, Status, status
from tract.llm.protocol import LLM
from tract.objects.commit import CommitInfo, to_microseconds
from tract.objects.config import GenerationConfig, LLMConfig, TokenBudget, TractConfig
from tract.objects.content import (
    DialogueContent,
    InstructionContent,
    ToolResultContent,
)
from tract.objects.decision import AutonomyLevel, Resolver
from tract.objects.message import AnyPart, Reasoning
from tract.objects.usage import Usage
from tract.operations import branch as branching
from tract.operations.apply import R, apply
from tract.operations.branch import Branch
from tract.operations.cherry_pick import CherryPickResult, cherry_pick
from tract.operations.commit import Remarks, annotate, append, edit
from tract.operations.compress import CompressOptions, CompressResult, compress
from tract.operations.compress_plan import CompressPlan, Sending, compress_plan
from tract.operations.configure import configure
from tract.operations.erase import EraseResult, erase
from tract.operations.expand import Expansion, expand, lookup_tool
from tract.operations.fsck import Finding, fsck
from tract.operations.gc import GCOptions, GCResult, gc
from tract.operations.merge import (
    MergeOptions,
    Strategy,
    abort_merge,
    commit_merge,
    merge,
    merge_in_progress,
    merge_in_words,
    save_merge,
)
from tract.operations.merge_result import MergeResult
from tract.operations.moving import Terms
from tract.operations.prepare import as_content, with_text
from tract.operations.proposal import Proposal
from tract.operations.rebase import RebaseResult, rebase
from tract.operations.reorder import ReorderResult, compile_in_order, reorder
from tract.operations.reset import reset
from tract.operations.revert import revert
from tract.operations.review import Reviewer
from tract.operations.search import SearchHit, search
from tract.operations.stats import Stats, stats
from tract.operations.summary import Summarizer
from tract.operations.tag import Tag
from tract.operations.undo import UndoResult, redo, undo
from tract.operations.usage import record_usage
from tract.porcelain.arguments import (
    build,
    diff_ends,
    edited,
    erase_wanted,
    listed,
    log_ends,
    merge_result,
    picks,
    remarks,
    resolve_all,
    resolve_some,
    text_or_parts,
)
from tract.porcelain.collections import Branches, Operations, Proposals, Tags
from tract.porcelain.conversation import Conversation
from tract.porcelain.family import Family
from tract.porcelain.opening import Place, open_models, open_store
from tract.porcelain.policies import Policies
from tract.search.scope import Scope, Where
from tract.tokens import TokenCounter


class Tract(Conversation, Family):
    """One agent's context under version control.

    Open one with `Tract.open`; use it as a context manager or call `close`. Threads may share a
    handle; processes open their own on the same path.

    Example:
        >>> with Tract.open() as t:
        ...     _ = t.system("You are terse.")
        ...     _ = t.user("Hello!")
        ...     [m.role for m in t.compile().messages]
        ['system', 'user']
    """

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = ":memory:",
        *,
        tract: str = "default",
        create: bool = True,
        read_only: bool = False,
        durability: Literal["full", "normal", "off"] = "full",
        config: TractConfig | Mapping[str, Any] | None = None,
        tokenizer: str | TokenCounter | None = None,
        compiler: Compiler | None = None,
        llm: LLM | Callable[..., Any] | None = None,
        provider: str | None = None,
        api_key: str | None = None,
        model: str | None = None,
        base_url: str | None = None,
        operations: Mapping[str, LLMConfig | Mapping[str, Any] | None] | None = None,
        actor: str | None = None,
    ) -> Tract:
        """Open the tract kept at *path*, creating it if there is none.

        Args:
            path: A file, `":memory:"`, or a PostgreSQL URL (`postgresql+psycopg://user@host/db`).
            tract: Name of the agent's context within the store.
            create: Create the store and the tract if missing.
            read_only: Refuse every write.
            durability: `full` survives a power cut, `normal` may lose the last commits to one
                (never to a crash of the process), `off` waits for nothing.
            config: Settings to put in force and keep; those kept are used when not given.
            tokenizer: Name of a tokenizer or model, or a `TokenCounter`.
            compiler: Replaces how entries become messages.
            llm: What to ask: a client, or a function `(messages, **options)` that returns text or a message.
            provider: Or who to ask, such as `openai`, `anthropic` or `gemini`.
            api_key: The provider's key, if not in its usual environment variable; never stored.
            model: Name of the model.
            base_url: Where the provider is, if not at its usual address.
            operations: Model settings of single operations, as for `configure_operations`.
            actor: Who writes, for the operation log.

        Raises:
            StoreNotFoundError: Nothing at *path* and *create* is false.
            NotAStoreError: Something else is at *path*; it was not touched.
            SchemaTooNewError: A newer version wrote the store; it was not touched.
        """
        place = Place(path=path, tract=tract, create=create, read_only=read_only, durability=durability)
        defaults = Defaults(llm=llm, provider=provider, api_key=api_key, model=model, base_url=base_url).checked()
        store = open_store(place, config=config, tokenizer=tokenizer, actor=actor)
        return cls(store, compiler, open_models(store, defaults, operations))

    # --- writing -----------------------------------------------------------------------------------

    def commit(
        self,
        content: BaseModel | Mapping[str, Any] | str,
        *,
        message: str | None = None,
        op: Literal["append", "edit"] = "append",
        target: str | CommitInfo | None = None,
        metadata: Mapping[str, Any] | None = None,
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        origin: str | None = None,
        author: str = "",
        reply_to: str | CommitInfo | None = None,
        expected_head: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit *content* on the current branch.

        Args:
            content: A content model, a mapping (`content_type` and its fields, or an OpenAI chat
                message), or a user's text.
            message: What to show in the log; derived from the content if not given.
            op: `append`, or `edit` to replace the content of *target* in place.
            target: The commit to edit.
            metadata: Any JSON to keep beside the commit.
            generation_config: Settings the content was generated with.
            origin: Who it came from; by default what the content type says.
            author: Free text.
            reply_to: The commit this one answers.
            expected_head: Refuse if the branch has moved on from here.

        Raises:
            InvalidContentError: The content cannot be stored as it is.
            RefConflictError: The branch is not at *expected_head*.
            DetachedHeadError: HEAD is on no branch.
            BudgetExceededError: The context would be over a budget that rejects.
        """
        said = self._remarks(
            message=message,
            metadata=metadata,
            generation_config=generation_config,
            origin=origin,
            author=author,
            reply_to=reply_to,
            expected_head=expected_head,
        )
        return self._commit(as_content(self._store, content), op, target, said)

    def system(
        self,
        text: str,
        *,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit a system instruction; it is pinned. With *edit*, replace that commit's content."""
        return self._said(InstructionContent, {"text": text}, edit, message=message, metadata=metadata)

    def user(
        self,
        text: str | Sequence[AnyPart],
        *,
        name: str | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit what the user said: text, or parts. With *edit*, replace that commit's content."""
        fields = {"role": "user", "name": name, **text_or_parts(text)}
        return self._said(DialogueContent, fields, edit, message=message, metadata=metadata)

    def assistant(
        self,
        text: str | Sequence[AnyPart] | None = None,
        *,
        tool_calls: Iterable[Any] = (),
        reasoning: Iterable[Reasoning | Mapping[str, Any]] = (),
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit what the model said: text, tool calls, reasoning. With *edit*, replace that commit's content.

        Tool calls may be `ToolCall` values or come straight from a response of OpenAI, Anthropic or Gemini.
        """
        fields = {"role": "assistant", **text_or_parts(text)}
        fields |= {"tool_calls": read_tool_calls(tool_calls), "reasoning": listed(reasoning, "reasoning")}
        return self._said(
            DialogueContent, fields, edit, message=message, metadata=metadata, generation_config=generation_config
        )

    def tool_result(
        self,
        call_id: str,
        content: str | Sequence[AnyPart],
        *,
        name: str | None = None,
        is_error: bool = False,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        edit: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Commit what a tool answered to the call *call_id*. With *edit*, replace that commit's content."""
        fields = {"call_id": call_id, "name": name, "is_error": is_error, **text_or_parts(content)}
        return self._said(ToolResultContent, fields, edit, message=message, metadata=metadata)

    def edit(
        self,
        target: str | CommitInfo,
        content: BaseModel | Mapping[str, Any] | str,
        *,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        generation_config: GenerationConfig | Mapping[str, Any] | None = None,
        author: str = "",
    ) -> CommitInfo:
        """Replace the content of *target* in place; text replaces only its text.

        Raises:
            InvalidTargetError: *target* is not in the current history or holds no content.
        """
        commit = resolve(self._store, target)
        new = with_text(self._store, commit, content) if isinstance(content, str) else as_content(self._store, content)
        said = self._remarks(message=message, metadata=metadata, generation_config=generation_config, author=author)
        return edit(self._store, commit, new, said)

    def annotate(
        self,
        target: str | CommitInfo | Iterable[str | CommitInfo],
        priority: Literal["skip", "normal", "pinned"],
        *,
        reason: str | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CommitInfo:
        """Set the priority of one or several commits: `skip` (not sent), `normal`, `pinned` (never compressed).

        Raises:
            InvalidTargetError: A target is not in the current history or holds no content.
        """
        return self._annotate("annotate", target, priority, reason=reason, message=message, metadata=metadata)

    def pin(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Keep *target* as it is through every compression."""
        return self._annotate("pin", target, "pinned", reason=reason)

    def unpin(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Give *target* normal priority again."""
        return self._annotate("unpin", target, "normal", reason=reason)

    def skip(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Leave *target* out of the compiled context; it stays in the history."""
        return self._annotate("skip", target, "skip", reason=reason)

    def unskip(self, target: str | CommitInfo, *, reason: str | None = None) -> CommitInfo:
        """Show *target* again."""
        return self._annotate("unskip", target, "normal", reason=reason)

    def revert(self, commit: str | CommitInfo, *, message: str | None = None) -> CommitInfo:
        """Switch off what *commit* did, by a new commit: of a message a skip, of a merge what it brought.

        Raises:
            InvalidTargetError: It is not in the current history, or was reverted already.
        """
        return revert(self._store, self._resolve(commit), message=message)

    def reorder(
        self,
        commits: Iterable[str | CommitInfo],
        *,
        allow: Iterable[str] | str = (),
        resolver: Resolver | None = None,
        autonomy: AutonomyLevel | str | None = None,
        strategy: Semantic = "auto",
        model: str | None = None,
        message: str | None = None,
    ) -> ReorderResult:
        """Let the messages of *commits* trade the places they hold among themselves; nothing else moves.

        Args:
            commits: In the order they are to have.
            allow: Kinds of safety warnings to go on in spite of.
            resolver: Decides on the others.
            autonomy: Where a resolver decided something, `collaborative` (the default) returns that for
                review, `autonomous` carries it out; `manual` calls no resolver and returns what is open.
            strategy: `auto`, or `semantic`: a model decides, the one configured for `merge`.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`.
            message: What to show in the log.

        Returns:
            What was done; while it `is_waiting`, what would be: look at `preview`, give it to `apply`.

        Raises:
            SafetyError: It would split a tool exchange, invert a reply or move an instruction behind
                what it governed.
            InvalidInputError: A commit is named twice, or nothing would move.
        """
        named = resolve_all(self._store, commits)
        asked = self._deciders("reorder", strategy, model, self._level(autonomy), resolver=resolver)
        return reorder(
            self._store,
            named,
            Terms.of(allow, asked.resolver, self._level(autonomy), calls=asked.calls),
            message=message,
        )

    def cherry_pick(
        self,
        commits: str | CommitInfo | Iterable[str | CommitInfo],
        *,
        resolver: Resolver | None = None,
        allow: Iterable[str] | str = (),
        autonomy: AutonomyLevel | str | None = None,
        strategy: Semantic = "auto",
        model: str | None = None,
    ) -> CherryPickResult:
        """Make *commits* of other branches again at the end of this one; a tool call takes its results with it.

        Args:
            commits: One or several, in the order they are to have; a range `a..b` stands for what b has
                and a has not, without merges.
            resolver: Decides what to do where an edit's target is missing, and on safety warnings.
            allow: Kinds of safety warnings to go on in spite of.
            autonomy: Where a resolver decided something, `collaborative` (the default) returns that for
                review, `autonomous` carries it out; `manual` calls no resolver and returns what is open.
            strategy: `auto`, or `semantic`: a model decides, the one configured for `merge`, and looks at what comes
                together; see `merge`.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`.

        Returns:
            What was done; while it `is_waiting`, what would be: look at `preview`, give it to `apply`.

        Raises:
            MissingTargetError: One acts on a commit that is not here, and there is no resolver.
            SafetyError: It would break something that is neither allowed nor resolved.
            AbortedError: The resolver aborted.
            NoModelError: `semantic`, and no model is configured.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            RefConflictError: The branch moved while the call was on its way.
        """
        asked = self._deciders("cherry_pick", strategy, model, self._level(autonomy), resolver=resolver)
        terms = Terms.of(allow, asked.resolver, self._level(autonomy), reviewer=asked.reviewer, calls=asked.calls)
        return cherry_pick(self._store, picks(self._store, commits), terms)

    def rebase(
        self,
        onto: str | CommitInfo,
        *,
        resolver: Resolver | None = None,
        allow: Iterable[str] | str = (),
        autonomy: AutonomyLevel | str | None = None,
        strategy: Semantic = "auto",
        model: str | None = None,
    ) -> RebaseResult:
        """Make what only the current branch has again on top of *onto*, and move the branch there.

        Args:
            onto: The commit to stand on.
            resolver: Decides what to do where an edit's target is missing, and on safety warnings.
            allow: Kinds of safety warnings to go on in spite of.
            autonomy: Where a resolver decided something, `collaborative` (the default) returns that for
                review, `autonomous` carries it out; `manual` calls no resolver and returns what is open.
            strategy: `auto`, or `semantic`: a model decides, the one configured for `merge`, and looks at what comes
                together; see `merge`.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`.

        Returns:
            What was done; while it `is_waiting`, what would be: look at `preview`, give it to `apply`.

        Raises:
            MissingTargetError: A commit acts on one that is not there, and there is no resolver.
            SafetyError: It would break something that is neither allowed nor resolved.
            AbortedError: The resolver aborted.
            NoModelError: `semantic`, and no model is configured.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            RefConflictError: The branch moved while the call was on its way.
        """
        base = self._resolve(onto)
        asked = self._deciders("rebase", strategy, model, self._level(autonomy), resolver=resolver, onto=base)
        terms = Terms.of(allow, asked.resolver, self._level(autonomy), reviewer=asked.reviewer, calls=asked.calls)
        return rebase(self._store, base, terms)

    def apply(self, result: R) -> R:
        """Do what the *result* of a cherry-pick, rebase, reorder or merge that waits says, as it was decided.

        Returns:
            What was done.

        Raises:
            RefConflictError: The branch has moved since, or HEAD is on another one.
            MissingTargetError: A missing target is undecided.
            SafetyError: A safety warning is undecided.
            MergeConflictError: A conflict of a merge is undecided.

        Example:
            >>> with Tract.open() as t:
            ...     rule, asked = t.system("Be terse."), t.user("Why?")
            ...     result = t.reorder([asked, rule], autonomy="manual")
            ...     result.issues, [message.role for message in result.preview]
            ...     t.apply(result.resolve(0, "use"))
            ((<SafetyWarning instruction_moved ...>,), ['user', 'system'])
            <ReorderResult ...>
        """
        return apply(self._store, result)

    def batch(self) -> AbstractContextManager[None]:
        """Make all writes of a `with` block one operation; if the block raises, nothing is kept.

        Other writers of the store wait until the block ends.
        """
        return self._store.batch()

    def record_usage(self, usage: Any, *, commit: str | CommitInfo | None = None) -> Usage:
        """Keep what a provider said a call cost, for the reply *commit* (HEAD by default).

        Args:
            usage: The `usage` of an OpenAI or Anthropic response, `usage_metadata` of a Gemini one, or its dict.
            commit: The commit of the reply.
        """
        return record_usage(self._store, usage, self._store.head_hash() if commit is None else self._resolve(commit))

    def register_content_type(self, name: str, model: type[BaseModel]) -> None:
        """Let contents of the pydantic *model* be committed as *name*.

        A custom content compiles to a user message of its `text` field, or of its JSON.
        """
        self._store.types.register(name, model)

    def configure(self, config: TractConfig | None = None, **settings: Any) -> TractConfig:
        """Change settings of this tract and keep them in the store; returns those in force.

        Settings that are not named stay as they are kept, also if another handle has changed them since.

        Raises:
            InvalidInputError: No such setting, or not such a value.
        """
        return configure(self._store, config, settings)

    # --- reading -----------------------------------------------------------------------------------

    def compile(
        self,
        at: str | CommitInfo | None = None,
        *,
        as_of: datetime | None = None,
        order: Iterable[str | CommitInfo] | None = None,
        expand: str | CommitInfo | Iterable[str | CommitInfo] = (),
        strategy: StrategyName | FitStrategy | None = None,
        budget: int | TokenBudget | None = None,
        query: str | None = None,
        mark_edits: bool = False,
        mark_erased: bool = False,
        verify: bool = False,
    ) -> CompiledContext:
        """Return the messages to send next.

        Args:
            at: Compile this commit instead of HEAD.
            as_of: Compile where the branch pointed at this time (with a time zone).
            order: Commits whose messages trade the places they hold among themselves, as `t.reorder`
                would make them, for this call alone; nothing is left out, and `warnings` tells what it breaks.
            expand: Summaries, or messages behind one, to show in full for this call alone, through every level.
            strategy: What to keep if not everything fits: `newest` (the default), `window`, `importance`,
                `relevant` with a *query*, or a `FitStrategy` of your own. Instructions, pins and what was said
                last are always kept, and a tool call with its results or not at all. `left_out` tells what is
                missing.
            budget: Largest `token_count`, counted by the tokenizer; with *strategy* the tract's own by default.
            query: With the strategy `relevant`, what the messages to keep have to do with: a question, or words.
            mark_edits: Begin each edited message with `[edited] `.
            mark_erased: Put `[erased]` in the place of each message whose content was erased or collected; else
                nothing is there.
            verify: Fold the whole history once more and compare.

        Raises:
            BudgetExceededError: What is always kept is larger than the budget.
            CorruptObjectError: Stored data is damaged; nothing damaged is ever returned.
            InvalidInputError: A commit is named twice in *order*, or there is no such strategy, budget or query.
            InvalidTargetError: One is not in the history compiled.

        Cost:
            One small query when nothing is new; O(new commits) otherwise; with a budget O(messages) besides.
        """
        is_plain = at is None and as_of is None and order is None and self._compiler is None and expand == ()
        if is_plain and not (mark_edits or mark_erased or verify):
            return fitted(self._store, compile_head(self._store), budget, strategy, query=query)
        commit, named, full = self._moment(at, as_of), *[resolve_some(self._store, one) for one in (order, expand)]
        return fitted(
            self._store,
            compile_in_order(
                self._store,
                commit,
                named,
                expand=full,
                compiler=self._compiler,
                marks=Marks(mark_edits, mark_erased),
                verify=verify,
            ),
            budget,
            strategy,
            query=query,
        )

    def preview(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        tools: Iterable[Any] | None = None,
        prices: Prices | Mapping[str, float] | None = None,
        context: CompiledContext | None = None,
    ) -> Preview:
        """Return what sending the context will mean, before it is sent: what is cached, what changed, what it costs.

        Args:
            provider: The format: `openai`, `openai_responses`, `anthropic` or `gemini`; by default, as *model*, what
                `chat` asks.
            model: Compare with the last request to this model alone.
            tools: Functions or definitions that will be sent along instead of those in `t.tools`.
            prices: Per million tokens, to estimate the cost.
            context: Another context than that of HEAD.

        Raises:
            InvalidInputError: There is no such format, or prices are no numbers.

        Cost:
            O(bytes) of this request and the one before.
        """
        compiled = self.compile() if context is None else context
        wire, name = self._models.wire(provider, model)
        return preview(self._store, compiled, wire, model=name, tools=offered(self._tools, tools), prices=prices)

    def get(self, commit: str | CommitInfo) -> CommitInfo:
        """Return what is known of *commit*."""
        return counted(self._store, history_info.commit_info(self._store, self._resolve(commit)))

    def show(self, commit: str | CommitInfo) -> BaseModel:
        """Return the content committed in *commit*.

        Raises:
            InvalidTargetError: It has no content (an annotation, a merge).
        """
        return history_info.content_of(self._store, self._resolve(commit))

    @overload
    def log(
        self,
        limit: int = 20,
        *,
        branch: str | CommitInfo | None = None,
        op: str | Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        author: str | None = None,
        all_branches: bool = False,
        graph: Literal[False] = False,
    ) -> list[CommitInfo]: ...
    @overload
    def log(
        self,
        limit: int = 20,
        *,
        branch: str | CommitInfo | None = None,
        op: str | Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        author: str | None = None,
        all_branches: bool = False,
        graph: Literal[True],
    ) -> list[GraphRow]: ...
    def log(
        self,
        limit: int = 20,
        *,
        branch: str | CommitInfo | None = None,
        op: str | Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        author: str | None = None,
        all_branches: bool = False,
        graph: bool = False,
    ) -> list[CommitInfo] | list[GraphRow]:
        """Return the newest *limit* commits, newest first, over merges.

        Args:
            limit: How many at most.
            branch: A revision to begin from, or a range `a..b`; HEAD by default.
            op: Only this operation (`edit`), or these.
            since: Only commits made at or after this time.
            until: Only commits made before it.
            author: Only commits whose author contains this text.
            all_branches: Begin from every branch and tag.
            graph: Return rows of a branch graph instead.

        Cost:
            O(limit) where nothing is filtered out.
        """
        chosen = LogFilter(op, since, until, author)
        starts, without = log_ends(self._store, branch, all_branches=all_branches)
        found = log(self._store, starts, limit=limit, chosen=chosen, without=without)
        found = [counted(self._store, info) for info in found]
        return with_graph(self._store, found) if graph else found

    def diff(self, a: str | CommitInfo | None = None, b: str | CommitInfo | None = None) -> DiffResult:
        """Return what is different in the context of *b* compared with that of *a*, message by message.

        Without *a*, what the one commit *b* changed: an edit is compared with its target as it was
        shown before, any other commit with its first parent.

        Args:
            a: The commit to compare with, or a range `a..b`.
            b: The commit to look at; HEAD by default.

        Raises:
            RevisionNotFoundError: A name leads to no commit.

        Cost:
            O(messages) for what both begin and end with, O(n log n) for what lies between, and line
            diffs only when asked for. Messages committed anew are matched by likeness, 400 pairs at most.

        Example:
            >>> with Tract.open() as t:
            ...     _ = t.edit(t.user("Lisbon on Friday"), "Porto on Friday")
            ...     str(t.diff().stat)
            '0 added, 0 removed, 1 changed, +0 tokens'
        """
        before, after = diff_ends(self._store, a, b)
        if a is None:
            return diff_commit(self._store, after, compiler=self._compiler)
        return diff(self._store, before, after, compiler=self._compiler)

    def blame(self, at: str | CommitInfo | None = None) -> BlameResult:
        """Return where each line of each compiled message came from: commit, operation, actor, model, time.

        A line belongs to the last commit that changed it. The lines are those of the readable text,
        with JSON pretty-printed, of the messages as stored: a custom compiler is left out.

        Args:
            at: Look at this commit instead of HEAD.

        Cost:
            O(history + operations), and comparing the versions of each edited message.
        """
        return blame(self._store, self._moment(at, None))

    def find(
        self,
        text: str | None = None,
        *,
        tag: str | None = None,
        content_type: str | None = None,
        op: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        author: str | None = None,
        origin: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        at: str | CommitInfo | None = None,
        limit: int | None = None,
    ) -> list[CommitInfo]:
        """Return the commits of HEAD's history that are all of what is asked for, newest first.

        Args:
            text: Occurs in the content, whatever the case; taken literally, there are no wildcards.
            tag: This tag points to the commit.
            content_type: Type of the content, such as `dialogue`.
            op: What the commit does, such as `edit`.
            metadata: The commit's metadata has each of these keys with this value.
            author: Occurs in the author, whatever the case.
            origin: Who the content came from: `system user model tool import developer`.
            since: Committed at this time (with a time zone) or later.
            until: Committed before this time.
            at: Search the history of this commit instead of HEAD's.
            limit: Return the newest few.

        Raises:
            InvalidInputError: An op, origin, time or limit that cannot be.
            TagNotFoundError: There is no such tag.

        Cost:
            O(history).
        """
        wanted = Wanted(
            text=text,
            tag=tag,
            content_type=content_type,
            op=op,
            metadata=metadata,
            author=author,
            origin=origin,
            since=since,
            until=until,
        )
        return find(self._store, self._moment(at, None), wanted, limit)

    def search(
        self,
        query: str,
        *,
        scope: Scope = "tract",
        at: str | CommitInfo | None = None,
        limit: int = 20,
        rebuild: bool = False,
    ) -> list[SearchHit]:
        """Return the commits whose texts hold what is asked for, best first; also what was undone, covered or skipped.

        What was committed before the call is found, by whichever handle. Nothing erased or collected is.

        Args:
            query: Words and "phrases" that must all occur, in any case and within words; `-word` for what must
                not. `role: type: branch: tract: tag: before: after:` narrow it down, such as `role:user after:7d`.
                No text is a wrong query: what is no operator is looked for as it stands.
            scope: `tract` for everything this tract ever held, `branch` for what the current branch did,
                `ancestry` for HEAD's history, `store` for all tracts. `tract:name` looks in that tract instead.
            at: With `ancestry`, look in the history of this commit instead of HEAD's.
            limit: How many at most.
            rebuild: Make the index anew first; never needed unless the file was damaged.

        Raises:
            InvalidInputError: A query that is no text, another scope or limit, or *at* without `ancestry`.
            CorruptObjectError: A content that was looked at is damaged.

        Cost:
            O(commits that hold the rarest three letters asked for), whatever other tracts hold; O(scope)
            without a text. First, once, whatever was committed since the last search is indexed.

        Example:
            >>> with Tract.open() as t:
            ...     _ = t.user("Call retry_request() twice.")
            ...     [hit.snippet for hit in t.search("RETRY_req -never role:user")]
            ['Call retry_request() twice.']
        """
        return search(self._store, query, self._where(scope, at), limit=limit, is_anew=rebuild)

    def query_by_config(
        self, *conditions: Any, at: str | CommitInfo | None = None, limit: int | None = None
    ) -> list[CommitInfo]:
        """Return the commits of HEAD's history whose generation config meets every condition, newest first.

        Args:
            *conditions: A field, an operator and a value, or several such tuples. Operators are
                `= != < <= > >= in between`; `between` includes both ends. A dotted path names a
                nested field. A field that is missing or of another type meets nothing, not even `!=`.
            at: Search the history of this commit instead of HEAD's.
            limit: Return the newest few.

        Raises:
            InvalidInputError: An unknown operator, or no condition.

        Cost:
            O(distinct configs + commits that have a matching one): others are never read.

        Example:
            >>> with Tract.open() as t:
            ...     _ = t.assistant("Hi.", generation_config={"model": "gpt-4o", "temperature": 0.9})
            ...     len(t.query_by_config("temperature", ">", 0.5))
            ...     len(t.query_by_config(("model", "=", "gpt-4o"), ("temperature", "between", (0, 0.5))))
            1
            0
        """
        return query_by_config(self._store, self._moment(at, None), conditions, limit)

    def bisect(self, good: str | CommitInfo, bad: str | CommitInfo, test: ContextTest) -> BisectResult:
        """Find the first commit after which *test* fails, by halving what lies between.

        Nothing is written and HEAD stays where it is.

        Args:
            good: A commit where the test passes.
            bad: A later one where it fails.
            test: Called with the `CompiledContext` of a commit; returns whether it is good, `None`
                if it cannot be tested. What it raises comes out here.

        Raises:
            InvalidInputError: *good* is not an ancestor of *bad*, or the test says otherwise of one of them.

        Cost:
            At most `ceil(log2(n)) + 2` runs for n commits in a line, one more for each it cannot test.
        """
        return bisect(self._store, (self._resolve(good), self._resolve(bad)), test, compiler=self._compiler)

    def status(self) -> Status:
        """Return where HEAD stands, how full the context is, and which model each operation will ask."""
        return status(self._store, self.log(RECENT), merge_in_words(self._store), dict(self._models))

    def fsck(self) -> list[Finding]:
        """Check every object, ref and operation of the store; an empty list means all is well.

        Cost:
            O(everything stored): each byte is read and hashed.
        """
        return fsck(self._store)

    def stats(self) -> Stats:
        """Return how much the store holds, of all its tracts: bytes by kind, duplicates, age, what gc could take.

        Cost:
            O(commits), plus the bytes of all contents.
        """
        return stats(self._store)

    def gc(
        self,
        *,
        keep_days: float = 30,
        keep_pinned: bool = True,
        archived_days: float | None = None,
        dry_run: bool = False,
    ) -> GCResult:
        """Drop what nothing reaches any more, in all tracts of the store, and give its space back.

        A commit is kept for *keep_days* after the operation that took the last way to it; until then
        `undo` brings it back. Collected commits keep their headers and hashes.

        Args:
            keep_days: How long to keep what became unreachable.
            keep_pinned: Keep the contents that were pinned when their history became unreachable.
            archived_days: Also drop originals that summaries have covered for longer than this, and
                for longer than *keep_days*; `None` keeps them for ever.
            dry_run: Tell what would be dropped, and drop nothing.

        Raises:
            OperationOpenError: A batch is open.
            BusyError: Others held the store past the deadline; nothing was done.
        """
        return gc(self._store, GCOptions(keep_days, keep_pinned, archived_days), dry_run=dry_run)

    def erase(
        self,
        commit: str | CommitInfo | Iterable[str | CommitInfo] | None = None,
        *,
        reason: str,
        text: str | None = None,
        include_derived: bool = False,
        dry_run: bool = False,
    ) -> EraseResult:
        """Erase what commits say for good: in every branch and tract, the log, the write-ahead log and free pages.

        The commits stay as tombstones that say when, why and by whom; their hashes and all links verify.
        It cannot be undone. Compiling leaves the message out, and says so in `warnings`.

        Args:
            commit: One or several commits. The same content elsewhere goes too: it is stored once.
            reason: Why; it is kept.
            text: Instead of commits: every content, note and file in which this text stands.
            include_derived: Also erase the edits, summaries and quotes of it, which else are listed.
            dry_run: Tell what would be erased, and erase nothing.

        Raises:
            InvalidInputError: Neither commits nor a text, both, too short a text, or no reason.
            OperationOpenError: A batch is open.
            BusyError: Others held the store past the deadline; nothing was done.
        """
        wanted = erase_wanted(self._store, commit, text, include_derived=include_derived)
        return erase(self._store, wanted, reason, dry_run=dry_run)

    # --- branches ----------------------------------------------------------------------------------

    def branch(
        self, name: str, *, at: str | CommitInfo | None = None, switch: bool = True, orphan: bool = False
    ) -> Branch:
        """Create the branch *name* at *at* (HEAD by default) and stand on it. O(1): nothing is copied.

        With *orphan* it starts from nothing: the next commit is its first.
        """
        if orphan:
            return branching.start_branch(self._store, name, at)
        commit = self._store.head_hash() if at is None else self._resolve(at)
        return branching.create_branch(self._store, name, commit, switch=switch)

    def switch(self, name: str) -> str:
        """Stand on the branch *name*. Other open handles stay where they are."""
        return branching.switch(self._store, name)

    def checkout(self, revision: str | CommitInfo) -> str | None:
        """Stand on a branch, or detached (read-only) on any other revision; `-` goes back.

        Returns:
            The branch now stood on, `None` when detached.
        """
        return branching.checkout(self._store, revision).branch

    @property
    def branches(self) -> Branches:
        """The branches: a mapping by name, with `create`, `delete`, `rename`, `describe`, `compare`."""
        return Branches(self._store)

    def tag(self, name: str, at: str | CommitInfo | None = None) -> Tag:
        """Name the commit *at* (HEAD by default)."""
        return self.tags.create(name, at=at)

    @property
    def tags(self) -> Tags:
        """The tags: a mapping by name, with `create` and `delete`."""
        return Tags(self._store)

    def reset(
        self,
        revision: str | CommitInfo,
        mode: Literal["soft", "hard"] = "soft",
        *,
        expected_head: str | CommitInfo | None = None,
    ) -> CommitInfo:
        """Let the current branch point to *revision*; `undo` moves it back.

        Args:
            revision: Where to.
            mode: `soft` keeps the old tip as `ORIG_HEAD`; `hard` leaves it to the operation log.
            expected_head: Refuse if the branch has moved on from here.

        Raises:
            RefConflictError: The branch is not at *expected_head*, or moved while the call was on its way.
        """
        info = self.get(revision)
        before = self._store.head_hash() if expected_head is None else self._resolve(expected_head)
        reset(self._store, bytes.fromhex(info.hash), mode, before)
        return info

    # --- merging -----------------------------------------------------------------------------------

    def merge(
        self,
        branch: str | CommitInfo,
        *,
        strategy: Strategy = "auto",
        no_ff: bool = False,
        resolver: Resolver | None = None,
        reviewer: Reviewer | None = None,
        autonomy: AutonomyLevel | str | None = None,
        delete_branch: bool = False,
        message: str | None = None,
        model: str | None = None,
    ) -> MergeResult:
        """Bring the history of *branch* into the current one: base, then ours, then theirs; nothing is lost.

        Args:
            branch: The branch, or any other revision.
            strategy: `auto`; `ours` or `theirs` decide conflicts for one side; `squash` appends one
                summary of the other branch; `semantic` lets a model decide conflicts, where one is configured,
                and looks for concerns that are no conflict.
            no_ff: Write a merge commit even where the branch could simply move forward.
            resolver: Called with each `Conflict`; returns a `Resolution`.
            reviewer: Called with a `Review` by `semantic`; returns `Concern` values. By default rules, and the model
                where one is configured.
            autonomy: `manual` calls no resolver, reviewer or model, `collaborative` (the default) returns what was
                decided for review, `autonomous` carries it out.
            delete_branch: Drop *branch* once it is merged.
            message: What to show in the log.
            model: Name of the model `semantic` asks; else that of `configure_operations(merge=...)`, else that of
                `Tract.open`.

        Returns:
            What was done. With undecided conflicts nothing was merged yet: decide them with
            `result.resolve(conflict, "ours")` and call `commit_merge(result)`; also after a restart,
            through `merge_in_progress`.

        Raises:
            DetachedHeadError: HEAD is on no branch.
            MergeConflictError: The resolver aborted.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            MergeInProgressError: There are conflicts, and another merge waits for decisions already.

        Cost:
            O(commits since the merge base).
        """
        asked = self._deciders("merge", strategy, model, self._level(autonomy), resolver=resolver, reviewer=reviewer)
        options = MergeOptions(
            strategy, no_ff, asked.resolver, self._level(autonomy), delete_branch, message, asked.reviewer, asked.calls
        )
        name = branch.short_hash if isinstance(branch, CommitInfo) else branch
        return merge(self._store, self._resolve(branch), name, options)

    def commit_merge(self, result: MergeResult) -> MergeResult:
        """Write the merge *result* describes, with its resolutions.

        Raises:
            MergeConflictError: A conflict is undecided.
            RefConflictError: The branch has moved on by more than appends, or HEAD is on another branch.
        """
        return commit_merge(self._store, merge_result(result))

    def save_merge(self, result: MergeResult) -> MergeResult:
        """Keep *result* with the resolutions made so far, for later or for another process.

        Raises:
            MergeInProgressError: Another merge waits.
            NoMergeError: It was written or given up meanwhile.
        """
        return save_merge(self._store, merge_result(result))

    def abort_merge(self) -> None:
        """Forget the merge that waits for decisions; the branches are as they were.

        Raises:
            NoMergeError: None waits.
        """
        abort_merge(self._store)

    @property
    def merge_in_progress(self) -> MergeResult | None:
        """The merge that waits for decisions, or `None`."""
        return merge_in_progress(self._store)

    # --- compressing -------------------------------------------------------------------------------

    def compress(
        self,
        commits: str | CommitInfo | Iterable[str | CommitInfo] | None = None,
        *,
        start: str | CommitInfo | None = None,
        end: str | CommitInfo | None = None,
        target_tokens: int | None = None,
        content: str | Sequence[str] | None = None,
        summarizer: Summarizer | None = None,
        instructions: str | None = None,
        system_prompt: str | None = None,
        preserve: str | CommitInfo | Iterable[str | CommitInfo] = (),
        must_keep: str | Pattern[str] | Iterable[str | Pattern[str]] = (),
        autonomy: AutonomyLevel | str | None = None,
        dry_run: bool = False,
    ) -> CompressResult | Proposal:
        """Cover messages with summaries; what they say comes back with `revert`, and `expand` shows it.

        Pinned messages stay, and what stands between them gets one summary each. A tool call and its
        results are covered together or not at all. Nothing behind them moves.

        Args:
            commits: The messages to cover, summaries included; by default all that have normal priority.
            start: Cover from this message on, instead of naming each.
            end: Cover up to this message.
            target_tokens: Most tokens all summaries together may have; by default a quarter is aimed at.
            content: The summary, written by you; a text for each group if there are several.
            summarizer: Called with a `SummaryRequest`, returns a text or a `Summary`; by default the model
                configured for `compress`, else `extractive`, which picks sentences and needs none.
            instructions: What to tell the summarizer besides.
            system_prompt: Replaces the prompt a model gets.
            preserve: Messages that stay this time.
            must_keep: Texts, and compiled patterns whose matches have to be in the summaries.
            autonomy: `autonomous` (the default) writes; `collaborative` returns a `Proposal` to approve,
                also after a restart; `manual` needs *content*.
            dry_run: Say what would be written, and write nothing.

        Raises:
            InvalidInputError: There is nothing to compress, or *content* does not fit the groups.
            ModelError: The model could not be asked, or its answer cannot be used (`ModelAnswerError`).
            SummaryError: A summary is empty, too long or a refusal, also when asked for again.
            RefConflictError: What was to be covered changed while the summarizer ran.

        Cost:
            O(messages), and a call of the summarizer for each group; no transaction is open meanwhile.
        """
        options = CompressOptions(
            None if commits is None else resolve_all(self._store, commits),
            None if start is None else self._resolve(start),
            None if end is None else self._resolve(end),
            resolve_some(self._store, preserve),
            target_tokens=target_tokens,
            content=content,
            summarizer=summarizer_for(self._store, self._models, summarizer, content),
            instructions=instructions,
            system_prompt=system_prompt,
            must_keep=must_keep,
            autonomy=self._level(autonomy),
            dry_run=dry_run,
        )
        return compress(self._store, options)

    def compress_plan(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        target_tokens: int | None = None,
        preserve: str | CommitInfo | Iterable[str | CommitInfo] = (),
        tools: Iterable[Any] | None = None,
        prices: Prices | Mapping[str, float] | None = None,
    ) -> CompressPlan:
        """Return what compressing now would save with each turn and cost once, and after how many turns it pays.

        Summaries make every later request smaller, but what stands behind the first of them has to be cached anew.
        Nothing is summarized or written.

        Args:
            provider: The format the context is sent in; by default, as *model*, what `chat` asks.
            model: The model it is sent to.
            target_tokens: As for `compress`.
            preserve: As for `compress`.
            tools: Functions or definitions that are sent along instead of those in `t.tools`.
            prices: Per million tokens; without them the costs are told in tokens of input, see `CompressPlan`.

        Raises:
            InvalidInputError: There is nothing to compress.

        Cost:
            O(bytes) of this request and the one before.
        """
        sending = Sending(*self._models.wire(provider, model), offered(self._tools, tools))
        options = CompressOptions(preserve=resolve_some(self._store, preserve), target_tokens=target_tokens)
        asks_model = self._models["compress"].is_configured
        return compress_plan(self._store, self.compile(), options, sending, prices=prices, asks_model=asks_model)

    def expand(self, commit: str | CommitInfo) -> Expansion:
        """Return what a summary, merge or squash stands for, through every level, down to the original messages.

        Raises:
            InvalidTargetError: *commit* is an annotation, a reorder or a revert.
        """
        return expand(self._store, self._resolve(commit))

    def lookup_tool(self) -> Callable[..., list[dict[str, str]]]:
        """Return a function, to be called by a model, that looks up what was said and is only summarized now.

        Hand it to `t.run` or `t.tool`, or to any other loop: it is annotated and describes itself.

        Example:
            >>> with Tract.open() as t:
            ...     said = t.user("The booking code is RH-2041, for two nights, and breakfast is included in it.")
            ...     _ = t.compress(content="A room was booked.")
            ...     print(t.lookup_tool()("booking code")[0]["text"][:30])
            The booking code is RH-2041, f
        """
        return lookup_tool(self._store)

    @property
    def proposals(self) -> Proposals:
        """What waits to be approved or rejected, and what was: by number, the oldest first."""
        return Proposals(self._store)

    @property
    def policies(self) -> Policies:
        """The rules that look after this tract: a mapping by name, with `add`, `change`, `pause`, `test` and `log`."""
        return Policies(self._decider)

    # --- operations --------------------------------------------------------------------------------

    def undo(self, n: int = 1, *, operation: int | None = None) -> UndoResult:
        """Take back the last *n* operations of this tract, whoever did them, as one new operation.

        Args:
            n: How many.
            operation: Take back just this one, by number; refused if later ones built on it.

        Raises:
            NothingToUndoError: There are not that many.
            OperationConflictError: A ref has moved on since.
        """
        return undo(self._store, n, number=operation)

    def redo(self, n: int = 1) -> UndoResult:
        """Do the last *n* undone operations again.

        Raises:
            NothingToUndoError: There are not that many, or something else was done since.
        """
        return redo(self._store, n)

    @property
    def operations(self) -> Operations:
        """The operation log: `len`, iteration newest first, `[number]`, `for_ref(name)`."""
        return Operations(self._store)

    def at_operation(self, number: int) -> Tract:
        """Return a read-only view of the whole tract as it was after operation *number*.

        It shares this handle's connection and ends with it.

        Raises:
            OperationNotFoundError: There is no such operation.
        """
        return type(self)(self._store.view(self.operations[number].number), self._compiler, self._models)

    # --- inside ------------------------------------------------------------------------------------

    def _deciders(
        self, verb: Verb, strategy: str, model: str | None, autonomy: AutonomyLevel | str | None, **own: Any
    ) -> Deciders:
        return deciders(
            self._store, self._models, Wish(verb=verb, strategy=strategy, model=model, autonomy=autonomy, **own)
        )

    def _moment(self, at: str | CommitInfo | None, as_of: datetime | None) -> bytes | None:
        if as_of is None:
            return self._store.head_hash() if at is None else self._resolve(at)
        if at is not None or not isinstance(as_of, datetime) or as_of.tzinfo is None:
            raise InvalidInputError(
                "`as_of` is a time with a time zone, given without `at`.", hint="Use `datetime.now(UTC)`."
            )
        return head_at(self._store, to_microseconds(as_of))

    def _where(self, scope: Scope, at: str | CommitInfo | None) -> Where:
        return Where(scope, self._resolve(at) if at is not None else None)

    def _remarks(self, **said: Any) -> Remarks:
        return remarks(self._store, **said)

    def _commit(self, content: BaseModel, op: str, target: str | CommitInfo | None, remarks: Remarks) -> CommitInfo:
        if op == "append" and target is None:
            return append(self._store, content, remarks)
        return edit(self._store, self._resolve(edited(op, target)), content, remarks)

    def _said(
        self,
        kind: type[BaseModel],
        fields: Mapping[str, Any],
        target: str | CommitInfo | None,
        **said: Any,
    ) -> CommitInfo:
        op = "append" if target is None else "edit"
        return self._commit(build(kind, fields), op, target, self._remarks(**said))

    def _annotate(
        self,
        verb: str,
        target: str | CommitInfo | Iterable[str | CommitInfo],
        priority: str,
        **said: Any,
    ) -> CommitInfo:
        reason = said.pop("reason")
        targets = resolve_all(self._store, target)
        return annotate(self._store, targets, priority, reason=reason, remarks=self._remarks(**said), verb=verb)
