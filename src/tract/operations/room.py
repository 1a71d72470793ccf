"""Makes room where the budget says `compress`: covers what is old with summaries, so that what comes next fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from tract.compile.compiler import states_of
from tract.compile.fold import State
from tract.errors import InvalidInputError, ModelError, PolicyDeniedError, RefConflictError, SummaryError
from tract.operations.compress import CompressOptions, compress
from tract.operations.grouping import group_messages
from tract.operations.summary import LEAST_TOKENS, Summarizer, extractive, tokens_of_text
from tract.store import Store

Chooses: TypeAlias = Callable[[Store], Summarizer | None]
"""Gives who summarizes: a model that is configured, or nobody."""

_PART: Final = 4
"""Messages of this part of the budget stay as they are, the newest; summaries aim at this part of what they cover."""


def make_room(summarizer: Chooses, store: Store, needed_tokens: int) -> None:
    """Compress HEAD's branch so that its context loses at least *needed_tokens*; do nothing where that cannot be.

    Where the model that *summarizer* gives fails, sentences are picked instead; where a policy does not let it be
    compressed, nothing is done: nobody's message is lost for it.

    Cost:
        That of `compress`.
    """
    head = store.head_hash()
    budget = store.config.budget
    if head is None or budget is None:
        return
    state = states_of(store).get(head)
    # The newest messages are told in full, unless there is no room without them.
    for kept in (_newest(state, budget.usable_tokens // _PART), ()):
        target = _target(store, state, kept, needed_tokens)
        if target is not None and _compressed(store, summarizer, CompressOptions(preserve=kept, target_tokens=target)):
            return


def _newest(state: State, most_tokens: int) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for entry in reversed(state.shown):
        most_tokens -= entry.shown.tokens
        if most_tokens < 0:
            break
        found.append(entry.placed.hash)
    return tuple(found)


def _target(store: Store, state: State, kept: tuple[bytes, ...], needed_tokens: int) -> int | None:
    """Return how many tokens the summaries may have, `None` if they cannot win back enough."""
    least = tokens_of_text("", store.counter) + LEAST_TOKENS
    places = {entry.placed.id for entry in state.shown if entry.placed.hash in kept}
    groups = group_messages(state, wanted=None, preserved=places, least_tokens=least).groups
    total = sum(group.tokens for group in groups)
    target = min(total - needed_tokens, max(total // _PART, least * len(groups)))
    return target if groups and target >= least * len(groups) else None


def _compressed(store: Store, summarizer: Chooses, options: CompressOptions) -> bool:
    """Compress with the configured summarizer, else by picking sentences; tell whether it was done."""
    choices: tuple[Chooses, ...] = (summarizer, lambda _: extractive)
    for choose in choices:
        try:
            compress(store, replace(options, summarizer=choose(store)))
        except (ModelError, SummaryError):
            continue
        except (InvalidInputError, RefConflictError, PolicyDeniedError):
            return False
        return True
    return False
