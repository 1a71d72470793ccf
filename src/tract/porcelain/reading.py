"""The part of `Tract` that reads: what to send, what happened, and what is where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, overload

from pydantic import BaseModel

from tract.agent.tools import offered
from tract.compile.bisect import BisectResult, ContextTest, bisect
from tract.compile.blame import BlameResult, blame
from tract.compile.compare import diff, diff_commit
from tract.compile.compiler import Marks, compile_head
from tract.compile.context import CompiledContext
from tract.compile.counts import counted
from tract.compile.diff import DiffResult
from tract.compile.find import Wanted, find, query_by_config
from tract.compile.fit import FitStrategy, StrategyName
from tract.compile.fitted import fitted
from tract.compile.preview import Preview, Prices, preview
from tract.errors import InvalidInputError
from tract.history import info as history_info
from tract.history.log import GraphRow, LogFilter, log, with_graph
from tract.history.revision import head_at
from tract.history.status import RECENT, Status, status
from tract.objects.commit import CommitInfo, to_microseconds
from tract.objects.config import TokenBudget
from tract.operations.merge import (
    merge_in_words,
)
from tract.operations.reorder import compile_in_order
from tract.operations.search import SearchHit, search
from tract.porcelain.arguments import (
    diff_ends,
    log_ends,
    resolve_some,
)
from tract.porcelain.handle import TractHandle
from tract.search.scope import Scope, Where


class Reading(TractHandle):
    """What is read of the history; nothing here writes."""

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
            >>> from tract import Tract
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
            >>> from tract import Tract
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
            >>> from tract import Tract
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

    # --- inside ------------------------------------------------------------------------------------

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
