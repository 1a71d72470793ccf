"""Answers where a handle stands, how full its context is, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tract.objects.commit import CommitInfo
from tract.objects.config import ModelChoice
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
        operation: Number of the last operation.
        next_step: What to do next, where something stands in the way; else `None`.
        recent: The last commits, newest first.
        merge: The merge that waits for decisions, in words, or `None`.
        models: What each operation will ask, and where each value comes from.
    """

    tract: str
    branch: str | None
    head: str | None
    context_tokens: int
    limit_tokens: int | None
    operation: int
    next_step: str | None
    recent: tuple[CommitInfo, ...] = field(repr=False)
    merge: str | None = None
    models: Mapping[str, ModelChoice] = field(default_factory=dict, repr=False)

    @property
    def is_detached(self) -> bool:
        """Whether HEAD names a commit and no branch."""
        return self.branch is None


def status(store: Store, recent: Sequence[CommitInfo], merge: str | None, models: Mapping[str, ModelChoice]) -> Status:
    """Return where *store*'s handle stands.

    Args:
        store: The open store.
        recent: The last commits of HEAD, newest first.
        merge: A merge that waits, in words.
        models: What each operation will ask.
    """
    budget = store.config.budget
    limit = None if budget is None else budget.usable_tokens
    head = store.head_hash()
    tokens = recent[0].context_tokens if recent else 0
    return Status(
        tract=store.tract,
        branch=store.head.branch,
        head=None if head is None else head.hex(),
        context_tokens=tokens,
        limit_tokens=limit,
        operation=store.last_operation(),
        next_step=_merge_step(merge) or _next_step(store, head, tokens, limit),
        recent=tuple(recent),
        merge=merge,
        models=models,
    )


def _merge_step(merge: str | None) -> str | None:
    if merge is None:
        return None
    return "A merge waits: decide `t.merge_in_progress`, then `t.commit_merge(result)`; or `t.abort_merge()`."


def _next_step(store: Store, head: bytes | None, tokens: int, limit: int | None) -> str | None:
    if store.head.branch is None:
        return "HEAD is detached: keep work with `t.branch(name)`, go back with `t.checkout('-')`."
    if head is None:
        return "Nothing is committed yet: begin with `t.system(text)` or `t.user(text)`."
    if limit is not None and tokens > limit:
        return "The context is over its budget: leave something out with `t.skip(commit)`."
    return None
