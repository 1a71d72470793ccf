"""Answers what of a conversation to keep in few words, without a model: whole sentences, in their order. Pure.

Sentences are ranked by how much of the conversation's vocabulary they hold, by facts (numbers,
identifiers, paths) nothing ranked before them has, by words that announce a decision, and by how
recent they are. The same messages always give the same text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

Count: TypeAlias = Callable[[str], int]

NAME: Final = "extractive"
"""What a summary commit calls it."""

_HEAD_LINES: Final = 12
_TAIL_LINES: Final = 6
_LONGEST_UNIT: Final = 240
_RECENT_UNITS: Final = 3
_FACT_WEIGHT: Final = 4.0
_MUST_SHARE: Final = 0.6
"""The part of the budget sentences that must be kept may take; beyond it only the literals are kept."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]?[A-Z0-9])|\n+")
_CLAUSE_END: Final = re.compile(r"(?<=[,;}\]])\s+|(?<=[,;}\]])(?=[\"{\[])")
_WORD: Final = re.compile(r"\w(?:[\w./:@#$%+-]*\w)?")
_FACT: Final = re.compile(r"\d|[_@/\\]|\w\.\w|[a-z][A-Z]|^[A-Z]{2,}$")
_CUE: Final = re.compile(
    r"\b(?:decid|agree|must|never|always|because|prefer|require|confirm|deadline|error|fail|fix|root cause|"
    r"conclu|result|important|note|remember|instead|cannot|can't|won't|todo|next step|do not|don't)",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(r"^(user|assistant|tool|system|developer): ")
_ROLE_WEIGHT: Final = {"user": 1.3, "assistant": 1.0, "tool": 0.8, "system": 1.3, "developer": 1.3}
_COMMON: Final = frozenset(
    {
        "about", "all", "and", "any", "are", "but", "can", "could", "for", "from", "had", "has", "have", "her", "him",
        "his", "how", "i'd", "i'll", "i'm", "into", "it's", "its", "not", "our", "out", "than", "that", "the", "their",
        "them", "then", "there", "they", "this", "was", "were", "what", "when", "where", "which", "who", "will", "with",
        "would", "you", "your",
    }
)  # fmt: skip


class Said(NamedTuple):
    """One message to shorten.

    Attributes:
        role: Who said it.
        text: What was said, as text.
        is_summary: Whether it is a summary itself, whose lines name their roles.
    """

    role: str
    text: str
    is_summary: bool = False


@dataclass(slots=True)
class _Unit:
    """A sentence, or a part of one that is too long."""

    place: int
    message: int
    role: str
    text: str
    tokens: int
    facts: frozenset[str]
    words: frozenset[str]
    is_must: bool
    score: float = 0.0


def extract(messages: Sequence[Said], *, limit_tokens: int, count: Count, must_keep: Sequence[str] = ()) -> str:
    """Return sentences of *messages* in at most *limit_tokens*: `role: ...`, a line for each message kept.

    Args:
        messages: The conversation, in order.
        limit_tokens: Most tokens of the text returned.
        count: Counts the tokens of a text.
        must_keep: Literals that have to be in it; if sentences with all of them take too much room,
            the literals alone end the text.

    Returns:
        The text; empty if not even a word fits.

    Cost:
        O(text), one count for each sentence, and one for each try to fit.
    """
    units = _units(messages, count, must_keep)
    must = [unit for unit in units if unit.is_must]
    tail = ""
    if sum(unit.tokens for unit in must) > limit_tokens * _MUST_SHARE:
        tail = "\n" + kept_line(must_keep)
        for unit in must:
            unit.is_must = False
    ranked = _ranked(units)
    chosen = _chosen(ranked, limit_tokens - (count(tail) if tail else 0))
    while chosen and count(_joined(chosen) + tail) > limit_tokens:
        chosen.pop()
    text = (_joined(chosen) + tail).strip()
    return text or _cut(ranked, limit_tokens, count)


def kept_line(literals: Iterable[str]) -> str:
    """Return the line that carries *literals* verbatim."""
    return "Kept verbatim: " + "; ".join(dict.fromkeys(literals))


def shortened(text: str, keep: Sequence[str] = ()) -> str:
    """Return the first and last lines of a long *text*, and those between that hold one of *keep*."""
    lines = text.split("\n")
    if len(lines) <= _HEAD_LINES + _TAIL_LINES + 1:
        return text
    middle = lines[_HEAD_LINES:-_TAIL_LINES]
    kept = [line for line in middle if any(literal in line for literal in keep)]
    said = f"({len(middle) - len(kept)} lines left out)"
    return "\n".join([*lines[:_HEAD_LINES], *kept, said, *lines[-_TAIL_LINES:]])


def sentences(text: str) -> list[str]:
    """Return the sentences of *text*; a line ends one, and a very long one is cut at its clauses."""
    return [part for piece in _SENTENCE_END.split(text) if piece.strip() for part in _cut_long(piece.strip())]


def without_label(line: str) -> str:
    """Return *line* of an extracted text without the role it begins with."""
    return _LABEL.sub("", line)


def _cut_long(sentence: str) -> Iterator[str]:
    if len(sentence) <= _LONGEST_UNIT:
        yield sentence
        return
    held = ""
    for clause in _CLAUSE_END.split(sentence):
        if held and len(held) + len(clause) > _LONGEST_UNIT:
            yield held
            held = ""
        held = f"{held} {clause}" if held else clause
        while len(held) > 2 * _LONGEST_UNIT:
            space = held.rfind(" ", 0, _LONGEST_UNIT)
            at = space if space > 0 else _LONGEST_UNIT
            yield held[:at]
            held = held[at:].lstrip()
    if held.strip():
        yield held.strip()


def _units(messages: Sequence[Said], count: Count, must_keep: Sequence[str]) -> list[_Unit]:
    """Return every sentence once, the first time it is said."""
    units: list[_Unit] = []
    seen: set[str] = set()
    for index, (role, said) in enumerate(_lines(messages, must_keep)):
        for sentence in sentences(said):
            key = " ".join(_WORD.findall(sentence.casefold()))
            if not key or key in seen:
                continue
            seen.add(key)
            words = frozenset(_WORD.findall(sentence))
            facts = frozenset(word for word in words if _FACT.search(word))
            is_must = any(literal in sentence for literal in must_keep)
            tokens = count(f"\n{role}: {sentence}")
            units.append(_Unit(len(units), index, role, sentence, tokens, facts, words, is_must))
    return units


def _lines(messages: Sequence[Said], must_keep: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the role and text of each message; of a summary, those of each of its lines."""
    for message in messages:
        if not message.is_summary:
            is_tool = message.role == "tool"
            yield message.role, shortened(message.text, must_keep) if is_tool else message.text
            continue
        for line in message.text.split("\n"):
            label = _LABEL.match(line)
            yield (label.group(1) if label else "summary"), without_label(line)


def _ranked(units: list[_Unit]) -> list[_Unit]:
    """Return *units*, the best first."""
    spoken = Counter(word for unit in units for word in {one.casefold() for one in unit.words} - _COMMON)
    known: set[str] = set()
    for unit in units:
        central = sum(math.log1p(spoken[word]) for word in {one.casefold() for one in unit.words} - _COMMON)
        central /= math.sqrt(len(unit.words) + 4)
        new = unit.facts - known
        known |= new
        cue = 1.5 if _CUE.search(unit.text) else 0.0
        recency = 1 + unit.place / len(units) + (0.5 if unit.place >= len(units) - _RECENT_UNITS else 0.0)
        weight = _ROLE_WEIGHT.get(unit.role, 1.0) * recency
        unit.score = (central + _FACT_WEIGHT * len(new) + cue) * weight / math.sqrt(unit.tokens + 4)
    return sorted(units, key=lambda unit: (not unit.is_must, -unit.score, unit.place))


def _chosen(ranked: Sequence[_Unit], limit_tokens: int) -> list[_Unit]:
    """Return the best units that fit, the best first."""
    chosen: list[_Unit] = []
    left = limit_tokens
    for unit in ranked:
        if unit.tokens <= left:
            chosen.append(unit)
            left -= unit.tokens
    return chosen


def _joined(units: Sequence[_Unit]) -> str:
    lines: list[str] = []
    last = -1
    for unit in sorted(units, key=lambda unit: unit.place):
        if unit.message == last:
            lines[-1] += f" {unit.text}"
        else:
            lines.append(unit.text if unit.role == "summary" else f"{unit.role}: {unit.text}")
        last = unit.message
    return "\n".join(lines)


def _cut(ranked: Sequence[_Unit], limit_tokens: int, count: Count) -> str:
    """Return the beginning of the best unit, as many words as fit."""
    words = ranked[0].text.split() if ranked else []
    while words and count(" ".join(words)) > limit_tokens:
        words.pop()
    return " ".join(words)
