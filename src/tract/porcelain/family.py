"""The part of `Tract` that knows other agents: children, and what they bring home."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from re import Pattern
from typing import Any, Self

from tract.agent.summarizer import summarizer_for
from tract.objects.commit import CommitInfo
from tract.objects.config import TokenBudget, TractConfig
from tract.objects.decision import AutonomyLevel
from tract.operations.proposal import Proposal
from tract.operations.summary import Summarizer
from tract.porcelain.collections import Children
from tract.porcelain.handle import TractHandle
from tract.sessions.collapse import CollapseRequest, CollapseResult, collapse
from tract.sessions.selection import Selection
from tract.sessions.spawn import SpawnMode, SpawnRequest, spawn
from tract.sessions.tracts import parent_of


class Family(TractHandle):
    """What a tract has to do with those it spawned, and with the one that spawned it."""

    def spawn(
        self,
        purpose: str,
        *,
        name: str | None = None,
        mode: SpawnMode = "fork",
        select: Selection | None = None,
        at: str | CommitInfo | None = None,
        budget: int | TokenBudget | None = None,
        config: TractConfig | Mapping[str, Any] | None = None,
    ) -> Self:
        """Start a child tract for another agent in the same store, and return a handle on it.

        The spawn is recorded here by a commit that is not sent. Settings, tokenizer, content types, models and
        tools are this tract's unless given. The handle shares this one's connection and ends with it; any other
        thread or process opens the child by its name.

        Args:
            purpose: What the child is for.
            name: Its name; `<this tract>/<number>` by default.
            mode: `fork` gives it the whole history, nothing copied; a tool call that waits for its result is left
                out. `snapshot` gives it the compiled context as one instruction, `select` only what is selected.
            select: Commits, a range `a..b`, a predicate of a `CommitInfo`, or a mapping with `commits`, `types`,
                `tags` and `where`, which all must hold. A tool call comes with its results.
            at: Start from this commit instead of HEAD.
            budget: Largest size in tokens of a snapshot; by default half of the child's own budget.
            config: Settings of the child, or those that differ.

        Raises:
            TractExistsError: There is a tract of that name.
            DetachedHeadError: HEAD is on no branch.
            OperationOpenError: A batch is open.
            BudgetExceededError: What a snapshot cannot leave out is larger than its budget.
            InvalidInputError: There is no such mode, or the selection means no message.

        Cost:
            O(1) for a fork; else that of compiling.
        """
        start = None if at is None else self._resolve(at)
        wanted = SpawnRequest(
            purpose=purpose, name=name, mode=mode, select=select, at=start, budget=budget, config=config
        )
        # The child has this tract's rules; reading them again could fail once it is there.
        return self._on(spawn(self._store, wanted), self._decider.kept)

    def collapse(
        self,
        child: str | Family,
        *,
        content: str | None = None,
        target_tokens: int | None = None,
        summarizer: Summarizer | None = None,
        instructions: str | None = None,
        must_keep: str | Pattern[str] | Iterable[str | Pattern[str]] = (),
        autonomy: AutonomyLevel | str | None = None,
    ) -> CollapseResult | Proposal:
        """Bring home what *child* has done since the last time, as one summary; the child stays and may go on.

        `expand` opens the summary, `blame` says which of the child's messages a line comes from, `undo` takes it back.

        Args:
            child: A child of this tract: its name, or a handle standing on the branch that is meant.
            content: The summary, written by you.
            target_tokens: Most tokens the summary may have.
            summarizer: Called with a `SummaryRequest`, returns a text or a `Summary`; by default the model
                configured for `compress`, else `extractive`, which picks sentences and needs none.
            instructions: What to tell the summarizer besides.
            must_keep: Texts, and compiled patterns whose matches have to be in the summary.
            autonomy: `autonomous` (the default) writes; `collaborative` returns a `Proposal` to approve,
                also after a restart; `manual` needs *content*.

        Raises:
            InvalidInputError: It is no child of this tract, or has done nothing new.
            SummaryError: The summary is empty, too long or a refusal, also when asked for again.
            BudgetExceededError: The context would be over a budget that rejects.
            RefConflictError: Somebody else brought the same work home meanwhile.
            OperationOpenError: A batch is open.

        Cost:
            O(the child's messages), and a call of the summarizer; no transaction is open meanwhile.
        """
        wanted = CollapseRequest(
            content=content,
            target_tokens=target_tokens,
            summarizer=summarizer_for(self._store, self._models, summarizer, content),
            instructions=instructions,
            must_keep=must_keep,
            autonomy=self._level(autonomy),
        )
        name, branch = (child.name, child.current_branch) if isinstance(child, Family) else (child, None)
        return collapse(self._store, name, branch, wanted)

    @property
    def parent(self) -> Self | None:
        """The tract this one was spawned from, on a handle that shares the connection; `None` if nobody spawned it."""
        name = parent_of(self._store)
        return None if name is None else self._beside(name)

    @property
    def children(self) -> Children[Self]:
        """The tracts spawned from this one: a mapping by name, with `tree`."""
        return Children(self)
