"""Answers which groups of messages have to do with a question: a strategy to fit a budget. Pure.

Ranked by BM25: a word says more the fewer groups hold it, and the shorter the group. A text without spaces,
such as Chinese, is taken in pairs of characters. What holds no word of the question goes first, the oldest of
it before the newer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from tract.compile.fit import FitStrategy, MessageGroup
from tract.objects.folding import fold
from tract.objects.message import searchable

RELEVANT: Final = "relevant"

_WORD: Final = re.compile(r"\w+")
_UNSPACED: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_SATURATION: Final = 1.2
_LENGTH_WEIGHT: Final = 0.75


def relevant(query: str) -> FitStrategy:
    """Return the strategy that keeps what has most to do with *query*, and fills what room is left with what fits."""
    terms = terms_of(query)

    def choose(groups: Sequence[MessageGroup], room_tokens: int, /) -> list[int]:
        left = room_tokens - sum(group.tokens for group in groups if group.is_kept_anyway)
        points = relevance(groups, terms)
        ranked = sorted(
            ((points[index], index) for index, group in enumerate(groups) if not group.is_kept_anyway), reverse=True
        )
        kept: list[int] = []
        for _, index in ranked:
            if groups[index].tokens <= left:
                left -= groups[index].tokens
                kept.append(index)
        return kept

    return choose


def terms_of(query: str) -> tuple[str, ...]:
    """Return the words to look for, folded, each once."""
    found: dict[str, None] = {}
    for word in _WORD.findall(fold(query)):
        start = 0
        for run in _UNSPACED.finditer(word):
            found.update(dict.fromkeys(filter(None, [word[start : run.start()]])))
            pairs = [run[0][at : at + 2] for at in range(max(1, len(run[0]) - 1))]
            found.update(dict.fromkeys(pairs))
            start = run.end()
        found.update(dict.fromkeys(filter(None, [word[start:]])))
    return tuple(found)


def relevance(groups: Sequence[MessageGroup], terms: Sequence[str]) -> list[float]:
    """Return how much each group has to do with *terms*; 0 for nothing.

    Cost:
        O(texts of the groups · terms).
    """
    texts = [fold("\n".join([text for message in group.messages for text in searchable(message)])) for group in groups]
    usual = max(1.0, sum(map(len, texts)) / max(1, len(texts)))
    points = [0.0] * len(texts)
    for term in terms:
        counts = [text.count(term) for text in texts]
        holding = sum(count > 0 for count in counts)
        rareness = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
        for index, count in enumerate(counts):
            damping = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(texts[index]) / usual)
            points[index] += rareness * count / (count + damping)
    return points
