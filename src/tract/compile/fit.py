"""Answers which messages to keep so that the rest fits a token budget. Pure; knows no database.

Messages that only make sense together are one group: a tool call with all its results, reasoning with its
reply. A strategy is given the groups, oldest first, and the tokens there are for them. Instructions, pins
and what was said last are kept whatever it says; what was kept keeps its order.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias, cast, get_args

from tract.errors import BudgetExceededError, InvalidInputError, shown
from tract.objects.commit import SHORT_HASH
from tract.objects.message import Message
from tract.tokens.message import REPLY_PRIMING_TOKENS

StrategyName: TypeAlias = Literal["newest", "window", "importance", "relevant"]

Why: TypeAlias = Literal["older", "less_important", "less_relevant", "not_chosen", "too_large"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A message that was left out so that the others fit.

    Attributes:
        commit: Hash of the commit that placed it.
        role: Who says it.
        tokens: What it would have cost.
        why: `older` than what fits, `less_important` or `less_relevant` than what is kept, `not_chosen` by a
            strategy of your own, or `too_large`: beside what is always kept there is no room for it and what
            belongs to it.
    """

    commit: str
    role: str
    tokens: int
    why: Why

    def __repr__(self) -> str:
        return f"<LeftOut {self.commit[:SHORT_HASH]} {self.role} tokens={self.tokens} {self.why}>"


@dataclass(frozen=True, slots=True)
class MessageGroup:
    """Messages that are kept or left out together.

    Attributes:
        messages: In order. They need not be neighbours: a result may have come late.
        commits: Hash of the commit that placed each.
        tokens: Tokens of all of them.
        is_pinned: Holds an instruction or a pinned message; always kept.
        is_newest: What was said last; always kept.
        is_summary: Holds the summary of a compression.
        is_edited: Holds a message that was edited.
        is_answered: A later message names one of these in `reply_to`. Looked up for `importance` and for
            strategies of your own.
    """

    messages: tuple[Message, ...] = field(repr=False)
    commits: tuple[str, ...] = field(repr=False)
    tokens: int
    is_pinned: bool = False
    is_newest: bool = False
    is_summary: bool = False
    is_edited: bool = False
    is_answered: bool = False

    @property
    def is_kept_anyway(self) -> bool:
        """Whether no strategy can leave it out."""
        return self.is_pinned or self.is_newest

    @property
    def starts_turn(self) -> bool:
        """Whether it begins with what the user says."""
        return self.messages[0].role == "user"


class FitStrategy(Protocol):
    """Chooses what to keep.

    Called with the groups, oldest first, and the tokens all that is kept may take together; returns the
    indexes of groups to keep. Those that are kept anyway need not be named, but count. It is called only
    when something has to go, and must choose the same for the same groups.
    """

    def __call__(self, groups: Sequence[MessageGroup], room_tokens: int, /) -> Iterable[int]:
        """Return the indexes of the *groups* to keep."""


def decide(groups: Sequence[MessageGroup], budget_tokens: int, strategy: FitStrategy) -> frozenset[int]:
    """Return the indexes of the *groups* to keep, of *budget_tokens* at most with the priming of the reply.

    Raises:
        BudgetExceededError: What is kept anyway, or what a strategy of the caller's chose, is larger.
        InvalidInputError: The strategy returned something else than indexes of groups.
    """
    anyway = frozenset(index for index, group in enumerate(groups) if group.is_kept_anyway)
    _require(groups, anyway, budget_tokens, what="Instructions, pins and what was said last")
    chosen = strategy(groups, budget_tokens - REPLY_PRIMING_TOKENS)
    kept = anyway | _indexes(chosen, len(groups))
    _require(groups, kept, budget_tokens, what="What the strategy keeps")
    return kept


def _require(groups: Sequence[MessageGroup], kept: frozenset[int], budget_tokens: int, *, what: str) -> None:
    tokens = _tokens(groups, kept) + REPLY_PRIMING_TOKENS if kept else 0
    if tokens > budget_tokens:
        raise BudgetExceededError(tokens, budget_tokens, what=what)


def _tokens(groups: Sequence[MessageGroup], indexes: Iterable[int]) -> int:
    return sum(groups[index].tokens for index in indexes)


def _indexes(chosen: object, count: int) -> frozenset[int]:
    found = tuple(chosen) if isinstance(chosen, Iterable) else None
    if found is None or not all(type(index) is int and 0 <= index < count for index in found):
        raise InvalidInputError("The strategy returned something else than indexes of groups.")
    return cast("frozenset[int]", frozenset(found))


# --- strategies ----------------------------------------------------------------------------------


def newest(groups: Sequence[MessageGroup], room_tokens: int, /) -> list[int]:
    """Keep as much of the end as fits, without a hole."""
    left = room_tokens - sum(group.tokens for group in groups if group.is_kept_anyway)
    kept: list[int] = []
    for index in reversed(range(len(groups))):
        if groups[index].is_kept_anyway:
            continue
        left -= groups[index].tokens
        if left < 0:
            break
        kept.append(index)
    return kept


STEPS: Final = 4
"""The window moves by this part of its room at a time, so that what is sent keeps its beginning meanwhile."""


def window(groups: Sequence[MessageGroup], room_tokens: int, /) -> list[int]:
    """Keep the end, from a place that stays the same until a quarter of the room was filled behind it.

    The place is a number of tokens from the beginning of the history, rounded up to whole steps, so it
    depends on no earlier call. Where a turn begins within a step behind it, the window begins there.
    """
    room = room_tokens - sum(group.tokens for group in groups if group.is_pinned)
    step = max(1, room // STEPS)
    loose = [index for index, group in enumerate(groups) if not group.is_pinned]
    before: list[int] = []
    total = 0
    for index in loose:
        before.append(total)
        total += groups[index].tokens
    if total <= room:
        return loose
    cut = -((room - total) // step) * step
    inside = [index for index, tokens in zip(loose, before, strict=True) if tokens >= cut]
    # What was said last is behind the first three quarters, so a turn that begins in the first one began
    # before the window was cut: a later one never moves it.
    turns = (i for i, tokens in zip(loose, before, strict=True) if cut <= tokens < cut + step and groups[i].starts_turn)
    start = next(turns, inside[0] if inside else len(groups))
    kept = [index for index in inside if index >= start]
    # A newest message that says nothing keeps an earlier one, which may stand before the window.
    earlier = sum(group.tokens for group in groups[:start] if group.is_newest and not group.is_pinned)
    while earlier and kept and earlier + _tokens(groups, kept) > room:
        kept.pop(0)
    return kept


def importance(groups: Sequence[MessageGroup], room_tokens: int, /) -> list[int]:
    """Keep what has the most `points`, the newer of equals, and fill what room is left with what fits."""
    left = room_tokens - sum(group.tokens for group in groups if group.is_kept_anyway)
    ranked = sorted(
        ((points(group, room_tokens) + index, index) for index, group in enumerate(groups) if not group.is_kept_anyway),
        reverse=True,
    )
    kept: list[int] = []
    for _, index in ranked:
        if groups[index].tokens <= left:
            left -= groups[index].tokens
            kept.append(index)
    return kept


_ROLE_POINTS: Final[Mapping[str, int]] = {"user": 30, "assistant": 20, "tool": 10}
_FACT: Final = re.compile(r"[\d_/@]")


def points(group: MessageGroup, room_tokens: int) -> int:
    """Return how important *group* is, before one point for each group that is older.

    60 for a summary, 30 for what the user said, 20 for a reply, 10 for a tool exchange; 20 if it was edited,
    20 if something replies to it; up to 20 for facts (distinct words with a digit, `_`, `/` or `@`: one point
    for each 2 % of its words); less one for each 1 % of the room it takes, up to 20.

    So age never reorders what is there already, and a new message seldom changes what is kept.
    """
    has_calls = any(message.tool_calls or message.role == "tool" for message in group.messages)
    role = 10 if has_calls else _ROLE_POINTS.get(group.messages[0].role, 0)
    words = [word for message in group.messages for word in message.text.split()]
    facts = len({word for word in words if _FACT.search(word)})
    return (
        (60 if group.is_summary else role)
        + 20 * group.is_edited
        + 20 * group.is_answered
        + (min(20, 50 * facts // len(words)) if words else 0)
        - min(20, 100 * group.tokens // max(1, room_tokens))
    )


_STRATEGIES: Final[Mapping[str, tuple[Callable[[Sequence[MessageGroup], int], list[int]], Why]]] = {
    "newest": (newest, "older"),
    "window": (window, "older"),
    "importance": (importance, "less_important"),
}


def strategy_named(strategy: object) -> tuple[str, FitStrategy, Why]:
    """Return the name of *strategy*, the strategy itself, and why it leaves something out.

    Raises:
        InvalidInputError: It is neither a known name nor a callable that takes groups and a number.
    """
    if isinstance(strategy, str) and strategy in _STRATEGIES:
        return (strategy, *_STRATEGIES[strategy])
    if not isinstance(strategy, str) and _takes_two(strategy):
        return "a strategy of your own", cast("FitStrategy", strategy), "not_chosen"
    raise InvalidInputError(
        f"{shown(strategy)} is no strategy.",
        hint=f"Known are {', '.join(get_args(StrategyName))}; or give a callable that takes groups and tokens.",
    )


def _takes_two(strategy: object) -> bool:
    if not callable(strategy):
        return False
    try:
        inspect.signature(strategy).bind((), 0)
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature to look at
        return True
    return True
