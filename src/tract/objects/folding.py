"""Answers when two texts read the same whatever their case, and where in a text such a match stands. Pure.

Folded is what Unicode calls canonical caseless: `É`, `é` and `e` with a combining accent are one text. Nothing
else is made equal: no accents are dropped, no width or style of a letter is ignored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_JAMO = (("\u1160", "\u11ff"), ("\ud7b0", "\ud7ff"))
"""Medial vowels and final consonants, which grow together with what stands before them."""


def fold(text: str) -> str:
    """Return what *text* is compared by."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def find_folded(text: str, term: str, limit: int) -> list[tuple[int, int]]:
    """Return where in *text*, not folded, the folded *term* stands: at most *limit* starts and ends, in order.

    A match within one character (`s` in `ß`) covers that character.
    """
    folded = fold(text)
    found: list[tuple[int, int]] = []
    at = folded.find(term) if term else -1
    while at >= 0 and len(found) < limit:
        found.append((at, at + len(term)))
        at = folded.find(term, at + len(term))
    if text.isascii() or not found:
        return found
    places = _places(text)
    return [(places[start][0], places[end - 1][1]) for start, end in found]


def _places(text: str) -> list[tuple[int, int]]:
    """Return, for each character of the folded *text*, the start and end of what it came from."""
    places: list[tuple[int, int]] = []
    for start, end in _clusters(text):
        places += [(start, end)] * len(fold(text[start:end]))
    return places


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Yield the pieces of *text* that fold on their own: a character with all that may grow together with it."""
    start = 0
    for at in range(1, len(text)):
        if not _extends(text[at]):
            yield start, at
            start = at
    if text:
        yield start, len(text)


def _extends(char: str) -> bool:
    return not char.isascii() and (
        unicodedata.category(char).startswith("M") or any(low <= char <= high for low, high in _JAMO)
    )
