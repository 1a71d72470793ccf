"""Answers how Gemini's fields are spelled: `snake_case` in its Python SDK and here, `camelCase` in its REST API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from tract.formats import media

# What stands under these is the caller's own JSON, whose keys are nobody's to change.
_FREE: Final = frozenset(
    {"args", "response", "part_metadata", "parameters", "parameters_json_schema", "response_schema"}
    | {"response_json_schema", "labels"}
)
# Parts of the SDK's `config` that the REST body holds beside `generationConfig`.
_BESIDE: Final = frozenset(
    {"system_instruction", "tools", "tool_config", "safety_settings", "cached_content", "labels", "service_tier"}
    | {"store"}
)
_CLIENT_ONLY: Final = frozenset({"http_options", "should_return_http_response", "automatic_function_calling"})


def snake(name: str) -> str:
    """Return *name* as the SDK spells it."""
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


def camel(name: str) -> str:
    """Return *name* as the REST API spells it."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def as_read(value: Any) -> Any:
    """Return *value* in the SDK's spelling, bytes as base64 text, and without fields that are unset (null)."""
    return _spelled(value, snake)


def gemini_body(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a REST call of `generateContent` for *request*; the model stands in its URL.

    Args:
        request: What `to_gemini` or `CompiledContext.to_gemini_params` gives: `contents` and perhaps
            `system_instruction`, `config`, `model`.
    """
    config = dict(request.get("config") or {})
    top = {name: value for name, value in request.items() if name not in {"config", "model"}}
    top |= {name: config.pop(name) for name in sorted(_BESIDE & config.keys())}
    if isinstance(top.get("system_instruction"), str):
        top["system_instruction"] = {"parts": [{"text": top["system_instruction"]}]}
    kept = {name: value for name, value in config.items() if name not in _CLIENT_ONLY}
    if kept:
        top["generation_config"] = kept
    body: dict[str, Any] = _spelled(top, camel)
    return body


def _spelled(value: Any, spell: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        out = {}
        for name, field in value.items():
            key = spell(name) if isinstance(name, str) else name
            if field is not None:
                out[key] = field if name in _FREE or key in _FREE else _spelled(field, spell)
        return out
    if isinstance(value, (list, tuple)):
        return [_spelled(item, spell) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return media.encode(bytes(value))
    # The SDK's words for a language or an outcome are enums, which no JSON holds.
    return value.value if isinstance(value, Enum) else value
