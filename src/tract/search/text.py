"""Answers what of a content is searched, whether a query's words occur in it, and how well. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tract.objects.content import ANNOTATION, to_message
from tract.objects.folding import find_folded
from tract.objects.message import searchable

SNIPPET_CHARACTERS: Final = 160
_LEAD: Final = 40
_SATURATION: Final = 1.2
_LENGTH_WEIGHT: Final = 0.75
_USUAL_LENGTH: Final = 1000
_MOST_MARKED: Final = 50


@dataclass(frozen=True, slots=True)
class Said:
    """What a content says.

    Attributes:
        role: Whose message it is; `None` for an annotation, which is none.
        text: Its texts, reasoning, tool calls with arguments and tool results, one after the other.
    """

    role: str | None
    text: str


def said(content_type: str, payload: Mapping[str, Any]) -> Said:
    """Return what the stored *payload* says; the reason, for an annotation."""
    if content_type == ANNOTATION:
        return Said(None, payload.get("reason") or "")
    message = to_message(content_type, payload)
    return Said(message.role, "\n".join([text for text in searchable(message) if text]))


def score(folded: str, terms: Sequence[str]) -> float:
    """Return from 0 to 1 how well a folded text that holds all *terms* answers them.

    More occurrences are better, each counting less than the one before; whole words count twice; the shorter
    text is better. What else is stored plays no part, so the same commit has the same score everywhere.
    """
    if not terms:
        return 0.0
    damping = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(folded) / _USUAL_LENGTH)
    total = 0.0
    for term in terms:
        found = folded.count(term) + len(re.findall(rf"(?<!\w){re.escape(term)}(?!\w)", folded))
        total += found / (found + damping)
    return round(total / len(terms), 6)


def snippet(text: str, terms: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the piece of *text* that holds most of *terms*, and where in it they stand.

    `…` stands for what was cut off.
    """
    marks = sorted({mark for term in terms for mark in find_folded(text, term, _MOST_MARKED)})
    start, end = _window(text, _best(text, marks, terms))
    before, after = "…" if start else "", "…" if end < len(text) else ""
    shift = len(before) - start
    inside = [(low + shift, min(high, end) + shift) for low, high in _merged(marks) if start <= low < end]
    return before + text[start:end] + after, tuple(inside)


def _best(text: str, marks: Sequence[tuple[int, int]], terms: Sequence[str]) -> int:
    """Return the mark from which on a snippet shows the most different terms, then the most marks; 0 for none."""
    places = {mark: term for term in terms for mark in find_folded(text, term, _MOST_MARKED)}
    best, found = (0, 0), 0
    for low, _ in marks:
        inside = [mark for mark in marks if low <= mark[0] and mark[1] <= low + SNIPPET_CHARACTERS - _LEAD]
        worth = len({places[mark] for mark in inside}), len(inside)
        if worth > best:
            best, found = worth, low
    return found


def _window(text: str, mark: int) -> tuple[int, int]:
    """Return start and end of the snippet around *mark*, at white space where that is near."""
    start = max(0, min(mark - _LEAD, len(text) - SNIPPET_CHARACTERS))
    end = min(len(text), start + SNIPPET_CHARACTERS)
    if start:
        space = re.compile(r"\s").search(text, start, mark)
        start = space.end() if space is not None else start
    if end < len(text):
        cut = max(text.rfind(" ", mark, end), text.rfind("\n", mark, end))
        end = cut if cut > end - _LEAD else end
    return start, end


def _merged(marks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return *marks* in order, with those that touch made one."""
    merged: list[tuple[int, int]] = []
    for low, high in marks:
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
