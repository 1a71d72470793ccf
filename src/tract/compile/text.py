"""Answers how a message reads: as lines for people, the same lines for the same message always.

JSON is pretty-printed with sorted keys, so that a change of one field is a change of one line. What
is read is for looking at and comparing; what is sent to a model never passes through here.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from tract.objects.message import (
    AnyPart,
    FilePart,
    ImagePart,
    Message,
    Reasoning,
    TextPart,
    ToolCall,
    part_to_json,
)

_SHOWN_HASH = 12

Block: TypeAlias = tuple[int, int, int]
"""Equal lines: where they start in the old list, where in the new, and how many they are."""


def readable(message: Message) -> str:
    """Return *message* as text for people: text and JSON, tool calls with their arguments, names of files."""
    return "\n".join([_part(part) for part in message.parts])


def lines_of(message: Message) -> list[str]:
    """Return the lines of `readable`; only a line feed ends one, and there is at least one."""
    return readable(message).split("\n")


def stored_lines(message: Message) -> list[str]:
    """Return the lines of *message*'s stored form, which tells apart whatever `readable` does not."""
    return json.dumps([part_to_json(part) for part in message.parts], indent=2, ensure_ascii=False).split("\n")


def _part(part: AnyPart) -> str:
    if isinstance(part, TextPart):
        return _pretty(part.text)
    if isinstance(part, ToolCall):
        return f"[tool call {part.name} {part.id}]\n{_pretty(part.arguments)}"
    if isinstance(part, Reasoning):
        return f"[reasoning {part.provider}]\n{part.text}"
    if isinstance(part, (ImagePart, FilePart)):
        return f"[{' '.join(_file_words(part))}]"
    children = [_pretty(part.text) if part.text else "", *[_part(child) for child in part.parts]]
    status = "tool error" if part.is_error else "tool result"
    return "\n".join([f"[{status} {part.call_id}]", *[child for child in children if child]])


def _file_words(part: ImagePart | FilePart) -> Iterator[str]:
    yield part.type
    name = part.name if isinstance(part, FilePart) else None
    for word in (name, part.media_type, part.url, part.hash and part.hash[:_SHOWN_HASH]):
        if word:
            yield word


def _pretty(text: str) -> str:
    """Return JSON text of an object or array with sorted keys and one value per line; other text as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def equal_blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """Return the runs of equal lines of two texts, in order.

    Cost:
        O(lines) for what both begin and end with; at worst their product in between.
    """
    start = 0
    shorter = min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    middle = difflib.SequenceMatcher(None, old[start : len(old) - end], new[start : len(new) - end])
    blocks = [(0, 0, start)] if start else []
    blocks += [(start + a, start + b, size) for a, b, size in middle.get_matching_blocks() if size]
    if end:
        blocks.append((len(old) - end, len(new) - end, end))
    return blocks
