"""Answers how a merge is written down: what was done, or its conflicts with base, ours and theirs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from tract.cli._describe import message_text
from tract.cli._render import Block, Cell, Heading, Line, Table, columns, page_width
from tract.cli._text import visible

if TYPE_CHECKING:
    from tract.operations.merge_result import Conflict, MergeResult, Version

_SIDES: Final = (("base", "dim"), ("ours", "green"), ("theirs", "cyan"))
_GAP: Final = " | "
_NARROWEST: Final = 8


def merge_json(result: MergeResult) -> dict[str, Any]:
    """Return everything known of a merge, as JSON."""
    return {
        "kind": result.kind,
        "into": result.into,
        "name": result.name,
        "head": result.head,
        "bases": list(result.bases),
        "commits": list(result.commits),
        "message": result.message,
        "conflicts": [_conflict_json(result, number) for number in range(1, len(result.conflicts) + 1)],
        "undecided": len(result.unresolved),
        "concerns": [{"kind": one.kind, "text": one.text, "commits": list(one.commits)} for one in result.concerns],
    }


def merge_blocks(result: MergeResult) -> list[Block]:
    """Return what was done, or while it waits its conflicts and concerns."""
    if result.head is not None:
        row: list[Cell] = [(result.kind, "bold"), (result.into, "green"), result.name, (result.head[:8], "yellow")]
        return [Table([row])]
    width = page_width()
    blocks: list[Block] = []
    for number, conflict in enumerate(result.conflicts, 1):
        facts: list[Cell] = [
            str(number),
            (conflict.kind, "bold"),
            (conflict.target[:8], "yellow"),
            _decision(result, conflict),
        ]
        if width is None:
            blocks.append(Table([[*facts, *_states(conflict), *[_text(one) for one in _versions(conflict)]]]))
        else:
            blocks.append(Heading([part for fact in facts for part in (fact, "  ")]))
            blocks += [Line(cells) for cells in _side_by_side(conflict, width)]
        made = result.resolutions.get(conflict.key)
        if made is not None and made.reason:
            blocks.append(Table([["reason", str(number), made.reason]]))
        if width is not None:
            blocks.append(Heading([""]))
    for one in result.concerns:
        commits = " ".join(commit[:8] for commit in one.commits)
        blocks.append(Table([["concern", (one.kind, "bold"), (commits, "yellow"), one.text]]))
    return blocks


def _conflict_json(result: MergeResult, number: int) -> dict[str, Any]:
    conflict = result.conflicts[number - 1]
    made = result.resolutions.get(conflict.key)
    sides = zip(_SIDES, _versions(conflict), strict=True)
    return {
        "number": number,
        "kind": conflict.kind,
        "target": conflict.target,
        **{name: _version_json(version) for (name, _), version in sides},
        "our_commits": list(conflict.our_commits),
        "their_commits": list(conflict.their_commits),
        "decision": None if made is None else made.action,
        "content": made.content if made is not None and isinstance(made.content, str) else None,
        "reason": None if made is None else made.reason,
    }


def _version_json(version: Version) -> dict[str, Any]:
    message = version.message
    return {
        "commit": version.commit,
        "role": None if message is None else message.role,
        "text": None if message is None else message_text(message),
        "priority": version.priority,
        "is_compressed": version.is_compressed,
    }


def _versions(conflict: Conflict) -> tuple[Version, Version, Version]:
    return conflict.base, conflict.ours, conflict.theirs


def _decision(result: MergeResult, conflict: Conflict) -> Cell:
    made = result.resolutions.get(conflict.key)
    return ("undecided", "red") if made is None else (made.action, "green")


def _states(conflict: Conflict) -> list[Cell]:
    return [_state(version) for version in _versions(conflict)]


def _state(version: Version) -> str:
    """Return what is to know of a version besides its text, which the text cannot fake: it has a place of its own."""
    if version.message is None:
        return "erased"
    return "compressed" if version.is_compressed else version.priority


def _text(version: Version) -> str:
    return "" if version.message is None else message_text(version.message)


def _side_by_side(conflict: Conflict, width: int) -> Iterator[list[Cell]]:
    """Yield the lines of three columns: names and states, then the texts, wrapped."""
    each = max((width - 2 * len(_GAP)) // 3, _NARROWEST)
    styles = [style for _, style in _SIDES]
    heads = [f"{name}: {_state(version)}" for (name, _), version in zip(_SIDES, _versions(conflict), strict=True)]
    yield _joined([head[:each] for head in heads], styles, each)
    texts = [_wrapped(_text(version), each) for version in _versions(conflict)]
    for index in range(max(map(len, texts))):
        yield _joined([lines[index] if index < len(lines) else "" for lines in texts], styles, each)


def _joined(parts: list[str], styles: list[str], each: int) -> list[Cell]:
    cells: list[Cell] = []
    for part, style in zip(parts, styles, strict=True):
        is_last = len(cells) == 4
        cells += [(part, style)] if is_last else [(part, style), " " * (each - columns([part])) + _GAP]
    return cells


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines of *text* in columns of *width*; what cannot be seen is written out before it is measured."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=width, markup=False, emoji=False, highlight=False)
    lines = [visible(line) for line in text.split("\n")]
    return [str(part) for line in lines for part in Text(line).wrap(console, width)]
