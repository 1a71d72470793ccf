"""Answers how tools and settings are written in a request, in the words of each of the four formats.

A tool may come in any of their shapes; one of no such shape (a provider's own tool) is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tract.errors import InvalidInputError
from tract.objects.message import copied

DEFAULT_MAX_TOKENS: Final = 4096
"""Longest reply asked of Anthropic, which requires a limit, where none is set."""

# Gemini's two words for a schema; the first takes JSON Schema as it is.
_SCHEMAS: Final = ("parameters_json_schema", "parametersJsonSchema", "parameters")


def openai_tools(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *tools* as Chat Completions takes them: `{"type": "function", "function": {...}}`."""
    return [_as_openai(tool) for tool in _own(tools)]


def responses_tools(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *tools* as Responses takes them: `{"type": "function", "name", "description", "parameters", "strict"}`.

    A tool that does not say `strict` is not, although Responses alone would take it as strict.
    """
    return [_as_responses(tool) for tool in _own(tools)]


def anthropic_tools(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *tools* as Anthropic Messages takes them: `{"name", "description", "input_schema"}`."""
    return [_as_anthropic(tool) for tool in _own(tools)]


def gemini_tools(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *tools* as Gemini takes them: all functions in one `{"function_declarations": [...]}`, then the others."""
    declared, others = [], []
    for tool in _own(tools):
        function = _function(tool)
        if function is None:
            others.append(tool)
            continue
        schema = {"parameters_json_schema": function["parameters"]} if "parameters" in function else {}
        declared.append({name: function[name] for name in ("name", "description") if name in function} | schema)
    return ([{"function_declarations": declared}] if declared else []) + others


def _own(tools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = list(tools) if isinstance(tools, Iterable) else [None]
    if not all(isinstance(tool, Mapping) for tool in found):
        raise InvalidInputError(
            "`tools` is a list of tool definitions.", hint='Each is like `{"type": "function", ...}`.'
        )
    return [one for tool in found for one in _single(copied(tool))]


def _single(tool: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tools in *tool*: Gemini's hold several functions, and may be of other kinds as well."""
    key = "function_declarations" if "function_declarations" in tool else "functionDeclarations"
    declared = tool.get(key)
    if not isinstance(declared, list) or not all(isinstance(one, dict) and "name" in one for one in declared):
        return [tool]
    rest = {name: value for name, value in tool.items() if name != key}
    return [_declared(one) for one in declared] + ([rest] if rest else [])


def _declared(one: dict[str, Any]) -> dict[str, Any]:
    function = {name: one[name] for name in ("name", "description") if name in one}
    schema = next((one[name] for name in _SCHEMAS if name in one), None)
    return {"type": "function", "function": function if schema is None else {**function, "parameters": schema}}


def _function(tool: dict[str, Any]) -> dict[str, Any] | None:
    """Return `name`, `description`, `parameters` and `strict` of a function tool, or `None` if it is none."""
    if "input_schema" in tool:
        described: dict[str, Any] = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
        return {**described, "parameters": tool["input_schema"]}
    if tool.get("type") != "function":
        return None
    function = tool.get("function", tool)
    if not isinstance(function, dict) or "name" not in function:
        return None
    named = ("name", "description", "parameters", "strict")
    return {name: function[name] for name in named if function.get(name) is not None}


def _as_openai(tool: dict[str, Any]) -> dict[str, Any]:
    function = _function(tool)
    if function is None or "function" in tool:
        return tool
    return {"type": "function", "function": function}


def _as_responses(tool: dict[str, Any]) -> dict[str, Any]:
    function = _function(tool)
    if function is None:
        return _as_custom(tool)
    if "function" not in tool and "input_schema" not in tool:
        return tool
    return {"type": "function", "strict": False, "parameters": _no_parameters(), **function}


def _as_custom(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a custom tool of Chat Completions as Responses writes it; any other as it is."""
    custom = tool.get("custom")
    if tool.get("type") != "custom" or not isinstance(custom, dict):
        return tool
    written = {"type": "custom", **custom}
    given = custom.get("format")
    if isinstance(given, dict) and isinstance(given.get("grammar"), dict):
        written["format"] = {"type": given.get("type"), **given["grammar"]}
    return written


def _as_anthropic(tool: dict[str, Any]) -> dict[str, Any]:
    function = None if "input_schema" in tool else _function(tool)
    if function is None:
        return tool
    # OpenAI takes a function without parameters; Anthropic requires a schema, and this is the one for none.
    schema = function.get("parameters") or _no_parameters()
    described: dict[str, Any] = {name: function[name] for name in ("name", "description") if name in function}
    return {**described, "input_schema": schema}


def _no_parameters() -> dict[str, Any]:
    return {"type": "object", "properties": {}}


def anthropic_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return generation *settings* in Anthropic's words; a `seed` is left out, since it has none."""
    out = {name: value for name, value in settings.items() if name not in {"stop", "seed"}}
    stop = settings.get("stop")
    if stop is not None:
        out["stop_sequences"] = list(stop)
    return {"max_tokens": DEFAULT_MAX_TOKENS, **out}


def responses_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return generation *settings* in the words of Responses; `stop` and `seed` are left out, since it has none."""
    words = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
    return {words.get(name, name): value for name, value in settings.items() if name not in {"stop", "seed"}}


def gemini_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return generation *settings* in the words of Gemini's config, which does not hold the `model`."""
    words = {"max_tokens": "max_output_tokens", "stop": "stop_sequences"}
    out = {words.get(name, name): value for name, value in settings.items() if name != "model"}
    if isinstance(out.get("stop_sequences"), (list, tuple)):
        out["stop_sequences"] = list(out["stop_sequences"])
    return out
