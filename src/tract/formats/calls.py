"""Answers what a tool call is, whichever shape the caller's SDK gave it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tract.errors import FormatError
from tract.formats.anthropic_read import read_tool_use
from tract.formats.gemini_names import as_read
from tract.formats.gemini_read import read_function_call as read_gemini_call
from tract.formats.openai_chat import read_call
from tract.formats.responses_read import read_function_call
from tract.objects.message import ToolCall


def read_tool_calls(calls: Iterable[Any]) -> tuple[ToolCall, ...]:
    """Return *calls* as `ToolCall` values, argument text kept exactly where it is text.

    Args:
        calls: Each a `ToolCall`, a mapping with `id`, `name` and `arguments`, OpenAI's
            `{"id", "type", "function": {...}}` or `function_call` item, Anthropic's `tool_use` block, Gemini's
            part with a `function_call` or that call, or an SDK's object for one of these.

    Raises:
        FormatError: None of these.
    """
    if isinstance(calls, (str, Mapping)) or not isinstance(calls, Iterable):
        raise FormatError("Tool calls are a list.", path="tool_calls")
    return tuple(_read(call, f"tool_calls[{index}]", is_first=not index) for index, call in enumerate(calls))


def _read(call: Any, path: str, *, is_first: bool) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    dump = getattr(call, "model_dump", None)
    fields = dump(exclude_unset=True) if callable(dump) else call
    if not isinstance(fields, Mapping):
        raise FormatError(f"A tool call is a mapping or a ToolCall, not `{type(call).__name__}`.", path=path)
    if "function" in fields or "custom" in fields:
        return read_call(fields, path)
    if "call_id" in fields:
        return read_function_call(fields, path)
    if "function_call" in fields or "functionCall" in fields:
        return read_gemini_call(as_read(fields), path, is_first=is_first)
    if "args" in fields:
        # A signature is on the part around a call, so a call alone does not say that it has none.
        return read_gemini_call({"function_call": as_read(fields)}, path, is_first=False)
    if "input" in fields:
        return read_tool_use(fields, path)
    return _plain(fields, path)


def _plain(fields: Mapping[str, Any], path: str) -> ToolCall:
    arguments = fields.get("arguments", "{}")
    if isinstance(arguments, Mapping):
        arguments = json.dumps(arguments, ensure_ascii=False)
    call_id, name = fields.get("id"), fields.get("name")
    if not (isinstance(call_id, str) and isinstance(name, str) and isinstance(arguments, str)):
        raise FormatError("A tool call has `id`, `name` and `arguments`, all text.", path=path)
    return ToolCall(call_id, name, arguments, extra=fields.get("extra", {}))
