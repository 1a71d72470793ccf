"""Answers where a handle stands and how full its context is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tract.objects.commit import CommitInfo
from tract.store import Store

RECENT: Final = 3
"""How many of the last commits a status shows."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a handle stands.

    Attributes:
        tract: Name of the tract.
        branch: Current branch, `None` when detached.
        head: Hash HEAD stands on, `None` before the first commit.
        context_tokens: Size of the compiled context by the tokenizer.
        limit_tokens: Tokens the budget leaves for it, or `None` without a budget.
        recent: The last commits, newest first.
    """

    tract: str
    branch: str | None
    head: str | None
    context_tokens: int
    limit_tokens: int | None
    recent: tuple[CommitInfo, ...] = field(repr=False)

    @property
    def is_detached(self) -> bool:
        """Whether HEAD names a commit and no branch."""
        return self.branch is None


def status(store: Store, recent: Sequence[CommitInfo]) -> Status:
    """Return where *store*'s handle stands, given the last commits of HEAD, newest first."""
    budget = store.config.budget
    return Status(
        store.tract,
        store.head.branch,
        recent[0].hash if recent else None,
        recent[0].context_tokens if recent else 0,
        None if budget is None else budget.usable_tokens,
        tuple(recent),
    )
