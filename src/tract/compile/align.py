"""Answers which message of one context is which of another. Pure; knows no database.

First by the commit that placed a message, which survives edits and moves; then, between messages
found so, by likeness: what was committed again elsewhere with the same or a similar text.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, NamedTuple

from tract.compile.text import readable
from tract.objects.message import Message


class Named(NamedTuple):
    """A message and what names it across contexts."""

    name: Hashable
    message: Message


class Pair(NamedTuple):
    """A message's index before and after; `None` where it is absent."""

    before: int | None
    after: int | None
    is_moved: bool = False


ALIKE: Final = 0.6
"""Texts this alike are one message, changed: the ratio that `difflib` documents as a close match."""
_MOST_COMPARED: Final = 400
_COMPARED_CHARACTERS: Final = 2_000


def align(before: Sequence[Named], after: Sequence[Named]) -> list[Pair]:
    """Return what became of each message, in the order of *after*; removed ones stand where they were.

    No name may occur twice on one side.

    Cost:
        O(n log n), and at most 400 comparisons of texts by likeness.
    """
    place = {one.name: i for i, one in enumerate(before)}
    found = {j: place[one.name] for j, one in enumerate(after) if one.name in place}
    steady = longest_in_order(found)
    alike: dict[int, int] = {}
    budget = _MOST_COMPARED
    for olds, news in _gaps((len(before), len(after)), found, steady):
        same = _same(olds, news, before, after)
        alike |= same
        others = [i for i in olds if i not in same.values()] if same else olds
        rest = [j for j in news if j not in same]
        if len(others) * len(rest) <= budget:
            budget -= len(others) * len(rest)
            alike |= _similar(others, rest, before, after)
    found |= alike
    return list(_in_reading_order(len(before), len(after), found))


def longest_in_order(found: dict[int, int]) -> set[int]:
    """Return the most keys whose values ascend with them: what did not move."""
    tails: list[int] = []
    ends: list[int] = []
    came_from: dict[int, int | None] = {}
    for key in sorted(found):
        place = bisect_left(tails, found[key])
        came_from[key] = ends[place - 1] if place else None
        tails[place : place + 1] = [found[key]]
        ends[place : place + 1] = [key]
    kept: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        kept.add(last)
        last = came_from[last]
    return kept


def _gaps(lengths: tuple[int, int], found: dict[int, int], steady: set[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the indices that have no partner between two messages that did not move, before and after."""
    taken = set(found.values())
    low, high = 0, 0
    for stop_after, stop_before in [*((j, found[j]) for j in sorted(steady)), (lengths[1], lengths[0])]:
        olds = [i for i in range(low, stop_before) if i not in taken]
        news = [j for j in range(high, stop_after) if j not in found]
        if olds and news:
            yield olds, news
        low, high = stop_before + 1, stop_after + 1


def _same(olds: list[int], news: list[int], before: Sequence[Named], after: Sequence[Named]) -> dict[int, int]:
    """Pair messages that say exactly the same, first with first."""
    by_text: dict[tuple[str, str], list[int]] = {}
    for i in reversed(olds):
        by_text.setdefault(_said(before[i].message), []).append(i)
    pairs = {}
    for j in news:
        same = by_text.get(_said(after[j].message))
        if same:
            pairs[j] = same.pop()
    return pairs


def _said(message: Message) -> tuple[str, str]:
    return message.role, readable(message)


def _similar(olds: list[int], news: list[int], before: Sequence[Named], after: Sequence[Named]) -> dict[int, int]:
    """Pair messages of one role whose texts are alike, the most alike first."""
    found = []
    for j in news:
        matcher = difflib.SequenceMatcher(None, autojunk=False)
        matcher.set_seq2(readable(after[j].message)[:_COMPARED_CHARACTERS])
        for i in olds:
            if before[i].message.role == after[j].message.role:
                matcher.set_seq1(readable(before[i].message)[:_COMPARED_CHARACTERS])
                found.append((-_ratio(matcher), i, j))
    pairs: dict[int, int] = {}
    claimed: set[int] = set()
    for ratio, i, j in sorted(found):
        if -ratio >= ALIKE and j not in pairs and i not in claimed:
            pairs[j] = i
            claimed.add(i)
    return pairs


def _ratio(matcher: difflib.SequenceMatcher[str]) -> float:
    """Return how alike the two texts are; 0 as soon as a cheap upper bound says they are not."""
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    return matcher.ratio()


def _in_reading_order(old_count: int, new_count: int, found: dict[int, int]) -> Iterator[Pair]:
    gone = set(range(old_count)) - set(found.values())
    steady = longest_in_order(found)
    low = 0
    for j in range(new_count):
        i = found.get(j)
        if i is not None and j in steady:
            yield from [Pair(old, None) for old in range(low, i) if old in gone]
            low = i + 1
        yield Pair(i, j, is_moved=i is not None and j not in steady)
    yield from [Pair(old, None) for old in range(low, old_count) if old in gone]
