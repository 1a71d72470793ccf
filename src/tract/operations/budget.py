"""Answers whether a write may make the context as large as it would: warns, refuses, or asks."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import NamedTuple

from tract.errors import BudgetExceededError
from tract.objects.config import TokenBudget, TokenBudgetWarning
from tract.storage.writing import Tip
from tract.store import Store


class Sizes(NamedTuple):
    """Compiled size in tokens after a write, and before it."""

    after: int
    before: int


def announce(store: Store, sizes_at: Callable[[Tip | None], Sizes]) -> None:
    """Let a callback of the budget decide before anything is locked."""
    budget = store.config.budget
    if budget is None or not callable(budget.on_exceed):
        return
    head = store.head_hash()
    sizes = sizes_at(None if head is None else store.tip(head))
    if sizes.after > max(budget.usable_tokens, sizes.before):
        budget.on_exceed(sizes.after, budget.usable_tokens)


def check_budget(store: Store, sizes: Sizes) -> None:
    """Refuse or warn, as the budget says, where the context would grow over it.

    Raises:
        BudgetExceededError: The budget rejects.
    """
    budget = store.config.budget
    # What does not grow the context is never refused: an edit or a pin may be the way out.
    if budget is None or sizes.after <= max(budget.usable_tokens, sizes.before):
        return
    if budget.on_exceed == "reject":
        raise BudgetExceededError(sizes.after, budget.usable_tokens)
    if budget.on_exceed == "warn":
        _warn(sizes, budget)


def report_budget(store: Store, sizes: Sizes) -> None:
    """Say that what was committed took the context over its budget: by the budget's callback, else by a warning."""
    budget = store.config.budget
    if budget is None or sizes.after <= max(budget.usable_tokens, sizes.before):
        return
    if callable(budget.on_exceed):
        budget.on_exceed(sizes.after, budget.usable_tokens)
    else:
        _warn(sizes, budget)


def _warn(sizes: Sizes, budget: TokenBudget) -> None:
    text = f"The context holds {sizes.after:,} tokens; the budget is {budget.usable_tokens:,}."
    warnings.warn(text, TokenBudgetWarning, stacklevel=_caller_level())


def _caller_level() -> int:
    """Return the `stacklevel` of the application's line: the first frame outside this package, seen from the caller."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "tract":
        level, frame = level + 1, frame.f_back
    return level
