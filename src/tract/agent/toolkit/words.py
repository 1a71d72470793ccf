"""Answers how a result reads to a model: compact lines with short hashes, and errors in a sentence or two.

Stored text may come from anybody. On a line of its own kind it is one line without control characters, so that it can
look neither like a second line nor like something this package says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tract.errors import TractError
from tract.objects.commit import SHORT_HASH, CommitInfo

MOST_HEADLINE_CHARACTERS: Final = 100

_PYTHON: Final = re.compile(r"`t\.|Tract|`result\.|`resolver`|`datetime|\bhelp`|reload|list\(")
"""A hint that shows a Python call is of no use to a model."""

_HINTS: Final = {
    "revision_not_found": "Use a hash as `log` or `search` prints it, a branch, a tag, HEAD or HEAD~2.",
    "invalid_target": "Use a hash as `context` prints it.",
    "branch_not_found": "`branches` lists them.",
    "nothing_to_undo": "`operations` shows what was done.",
    "operation_conflict": "Something was built on it; `operations` shows what.",
    "detached_head": "Stand on a branch first, with `switch`.",
    "budget_exceeded": "Leave something out with `annotate` and the priority `skip`.",
    "missing_target": "Name the commit it acts on as well.",
    "irreversible": "What was removed for good cannot come back.",
}


def one_line(text: str, most: int = MOST_HEADLINE_CHARACTERS) -> str:
    """Return *text* as one line of at most *most* characters, all of them printable."""
    line = " ".join("".join([char if char.isprintable() else " " for char in text[: 4 * most]]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def short(hash_: str | bytes) -> str:
    """Return the short form of a hash."""
    return (hash_.hex() if isinstance(hash_, bytes) else hash_)[:SHORT_HASH]


def commit_line(info: CommitInfo) -> str:
    """Return one line about a commit: short hash, what it did, who said it, tokens, and what it says."""
    return f"{info.short_hash} {info.op} {info.origin} {info.tokens}t | {one_line(info.message)}"


def counted(number: int, thing: str) -> str:
    """Return a number and what it counts, as in `2 commits`."""
    return f"{number:,} {thing}{'' if number == 1 else 'es' if thing.endswith('ch') else 's'}"


def listing(lines: Sequence[str], *, none: str, more: str = "") -> str:
    """Return *lines*, or *none* if there are none, with a note *more* behind them."""
    return "\n".join([*lines, *([more] if more else [])]) if lines else none


def shorts(hashes: Iterable[str]) -> str:
    """Return short hashes in a row."""
    return " ".join(short(one) for one in hashes)


def said_of(error: TractError) -> str:
    """Return what a model is told of *error*: what is wrong, and what a tool can do about it."""
    hint = _HINTS.get(error.code, error.hint or "")
    hint = "" if _PYTHON.search(hint) else hint
    return f"{error.message} {hint}".strip()


def cut(text: str, most: int) -> str:
    """Return *text*, of which at most *most* characters are kept, with a note if that is not all."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n[cut here: {len(text) - most:,} more characters; ask for less at once]"
