"""Answers which JSON object a tool call's arguments are, for providers that take no text."""

from __future__ import annotations

import json
from typing import Any

from tract.formats.report import Notes
from tract.objects.message import ToolCall


def object_arguments(call: ToolCall, source: int | None, notes: Notes) -> dict[str, Any]:
    """Return the arguments of *call* as an object; text that is none is sent as `{"arguments": text}`."""
    if not call.arguments.strip():
        notes.repair("tool_input", source, "no arguments sent as an empty object")
        return {}
    parsed = _object(call.arguments)
    if parsed is None:
        notes.repair("tool_input", source, "arguments that are no JSON object sent as text")
        return {"arguments": call.arguments}
    return parsed


def _object(text: str) -> dict[str, Any] | None:
    """Return the object *text* says, or `None` if it is none that can be sent."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
        # What JSON text can say and a request cannot: NaN, infinities, lone surrogates, depth without end.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found
