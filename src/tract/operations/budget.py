"""Answers whether a write may make the context as large as it would: warns, refuses, or asks."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tract.compile.compiler import size_of, states_of
from tract.errors import BudgetExceededError
from tract.objects.config import TokenBudgetWarning
from tract.storage.writing import Tip
from tract.store import Store


class Sizes(NamedTuple):
    """Compiled size in tokens after a write, and before it."""

    after: int
    before: int


def announce(store: Store, sizes_at: Callable[[Tip | None], Sizes], *, may_compress: bool = False) -> None:
    """Let a callback of the budget decide before anything is locked, or with *may_compress* make room."""
    budget = store.config.budget
    # What only warns or refuses waits for the sizes the write really leads to.
    if budget is None or not (callable(budget.on_exceed) or (budget.on_exceed == "compress" and may_compress)):
        return
    head = store.head_hash()
    sizes = sizes_at(None if head is None else store.tip(head))
    if not _exceeds(sizes, budget.usable_tokens):
        return
    if callable(budget.on_exceed):
        budget.on_exceed(sizes.after, budget.usable_tokens)
    else:
        _make_room(store, sizes.after - budget.usable_tokens)


def _make_room(store: Store, needed_tokens: int) -> None:
    # In a batch others wait, and a model may take long.
    if store.make_room is not None and not store.is_writing:
        store.make_room(store, needed_tokens)


def check_budget(store: Store, sizes: Sizes) -> None:
    """Refuse or warn, as the budget says, where the context would grow over it.

    Raises:
        BudgetExceededError: The budget rejects.
    """
    budget = store.config.budget
    if budget is None or callable(budget.on_exceed) or not _exceeds(sizes, budget.usable_tokens):
        return
    _WHILE_WRITING[budget.on_exceed](sizes.after, budget.usable_tokens)


def report_budget(store: Store, sizes: Sizes) -> None:
    """Say that what was committed took the context over its budget: by the budget's callback, else by a warning."""
    budget = store.config.budget
    if budget is None or not _exceeds(sizes, budget.usable_tokens):
        return
    after = sizes.after
    if callable(budget.on_exceed):
        budget.on_exceed(after, budget.usable_tokens)
        return
    if budget.on_exceed == "compress":
        before = store.head_hash()
        _make_room(store, after - budget.usable_tokens)
        after = after if store.head_hash() == before else _size_now(store)
    if after > budget.usable_tokens:
        _warn(after, budget.usable_tokens)


def _size_now(store: Store) -> int:
    head = store.head_hash()
    return 0 if head is None else size_of(states_of(store).get(head))


def _exceeds(sizes: Sizes, limit_tokens: int) -> bool:
    # What does not grow the context is never refused: an edit or a pin may be the way out.
    return sizes.after > max(limit_tokens, sizes.before)


def _warn(tokens: int, limit_tokens: int) -> None:
    text = f"The context holds {tokens:,} tokens; the budget is {limit_tokens:,}."
    warnings.warn(text, TokenBudgetWarning, stacklevel=caller_level())


def _reject(tokens: int, limit_tokens: int) -> None:
    raise BudgetExceededError(tokens, limit_tokens)


_WHILE_WRITING: Final[Mapping[str, Callable[[int, int], None]]] = {"warn": _warn, "reject": _reject, "compress": _warn}
"""What each `on_exceed` does while the write is open; one that has to write itself acts before it, in `announce`."""


def caller_level() -> int:
    """Return the `stacklevel` of the application's line: the first frame outside this package, seen from the caller."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in {"tract", "contextlib"}:
        level, frame = level + 1, frame.f_back
    return level
