"""Answers how tools and settings are written in a request: in OpenAI's words or in Anthropic's.

A tool may come in either shape; one of neither shape (a provider's own tool) is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tract.errors import InvalidInputError
from tract.objects.message import copied

DEFAULT_MAX_TOKENS: Final = 4096
"""Longest reply asked of Anthropic, which requires a limit, where none is set."""


def openai_tools(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *tools* as Chat Completions takes them: `{"type": "function", "function": {...}}`."""
    return [_as_openai(tool) for tool in _own(tools)]


def anthropic_tools(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *tools* as Anthropic Messages takes them: `{"name", "description", "input_schema"}`."""
    return [_as_anthropic(tool) for tool in _own(tools)]


def _own(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = list(tools) if isinstance(tools, Iterable) else [None]
    if not all(isinstance(tool, Mapping) for tool in found):
        raise InvalidInputError(
            "`tools` is a list of tool definitions.", hint='Each is like `{"type": "function", ...}`.'
        )
    return [copied(tool) for tool in found]


def _as_openai(tool: dict[str, Any]) -> dict[str, Any]:
    if "input_schema" not in tool:
        return tool
    function = {name: tool[name] for name in ("name", "description") if name in tool}
    return {"type": "function", "function": {**function, "parameters": tool["input_schema"]}}


def _as_anthropic(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        return tool
    # OpenAI takes a function without parameters; Anthropic requires a schema, and this is the one for none.
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    described = {name: function[name] for name in ("name", "description") if name in function}
    return {**described, "input_schema": schema}


def anthropic_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return generation *settings* in Anthropic's words; a `seed` is left out, since it has none."""
    out = {name: value for name, value in settings.items() if name not in {"stop", "seed"}}
    stop = settings.get("stop")
    if stop is not None:
        out["stop_sequences"] = list(stop)
    return {"max_tokens": DEFAULT_MAX_TOKENS, **out}
