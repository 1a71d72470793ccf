"""Answers where a conversation turned to another topic, by the words of its turns alone. Pure; knows no store."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

RECENT: Final = 3
"""How many turns are compared with those before them."""

_BEFORE: Final = 5
LEAST_BEFORE: Final = 3
_LEAST_RECENT_WORDS: Final = 8
_LEAST_WORDS_BEFORE: Final = 60
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_ENDINGS: Final = ("ing", "ies", "es", "ed", "s")
_SHORTEST_STEM: Final = 4
_LONGEST_WORD: Final = 20
# Words that say nothing about the topic. In other languages theirs stay, which makes a change harder to see.
_COMMON: Final = frozenset(
    """about after again all also and any are because been before being both but can could did does doing done don down
    each else for from further get going good got had has have having hello her here hers him his how into its just let
    like make may might mine more most must need nor not now off okay once one only other our out over own please same
    see she should some still such sure take than thank thanks that the their them then there these they thing this
    those through too two until very want was well were what when where which while who why will with would yes yet you
    your""".split()  # noqa: SIM905 - a list of so many would be a page
)


class Turn(NamedTuple):
    """What a user said, and what was replied until the user spoke again.

    Attributes:
        said: The words of the user, with how often each.
        every: Those of the replies as well.
    """

    said: Counter[str]
    every: Counter[str]


def words_of(text: str) -> Iterator[str]:
    """Yield the words of *text* that may tell its topic, in their short form."""
    for word in _WORD.findall(unicodedata.normalize("NFC", text).lower()):
        if word not in _COMMON:
            yield _stem(word)[:_LONGEST_WORD]


def _stem(word: str) -> str:
    ending = next((one for one in _ENDINGS if word.endswith(one) and len(word) - len(one) >= _SHORTEST_STEM), "")
    return word.removesuffix(ending)


def turn_of(said: str, replies: Sequence[str] = ()) -> Turn:
    """Return the turn of these texts."""
    own = Counter(words_of(said))
    return Turn(own, own + Counter(word for text in replies for word in words_of(text)))


def shift(turns: Sequence[Turn], first: int) -> float | None:
    """Return how much the vocabulary changes at the turn *first*, at most 1; `None` where too little was said.

    It is the share of the words of `RECENT` turns from there on that were not used in the turns before, less half
    the share of those that the turn right before used: who goes on takes up what was just said.
    """
    if first < LEAST_BEFORE or first + RECENT > len(turns):
        return None
    recent = set[str]().union(*(turn.every for turn in turns[first : first + RECENT]))
    before = set[str]().union(*(turn.every for turn in turns[max(0, first - _BEFORE) : first]))
    if len(recent) < _LEAST_RECENT_WORDS or len(before) < _LEAST_WORDS_BEFORE:
        return None
    taken_up = recent & turns[first - 1].every.keys()
    return 1 - (len(recent & before) + len(taken_up) / 2) / len(recent)


def is_change(turns: Sequence[Turn], first: int, threshold: float) -> bool:
    """Tell whether another topic begins with the turn *first*: the words change so much, and no more one turn later."""
    score, later = shift(turns, first), shift(turns, first + 1)
    return score is not None and score >= threshold and (later is None or score >= later)


def changes(turns: Sequence[Turn], threshold: float) -> list[int]:
    """Return the turns with which another topic begins, each at least `RECENT` after the last."""
    found: list[int] = []
    for first in range(len(turns)):
        if (not found or first - found[-1] >= RECENT) and is_change(turns, first, threshold):
            found.append(first)
    return found


def topic_words(turns: Sequence[Turn], first: int, count: int = 3) -> list[str]:
    """Return the words the turns before *first* say most, and those from there on do not."""
    later = set[str]().union(*(turn.every for turn in turns[first:]))
    said: Counter[str] = Counter()
    for turn in turns[max(0, first - _BEFORE) : first]:
        said += turn.every + turn.said  # those of the user count twice
    own = {word: times for word, times in said.items() if word not in later} or said
    return sorted(own, key=lambda word: (-own[word], word))[:count]
