"""Answers how options that every provider has under another name are told apart from their spelling.

An option in a shape nobody here knows is left as it is, for the provider to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tract.errors import InvalidInputError
from tract.objects.message import copied


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tools a model may or must call.

    Attributes:
        mode: `auto`, `none`, `any` or `tool`.
        name: The tool, for `tool`.
    """

    mode: str
    name: str = ""


_MODES = {"auto": "auto", "none": "none", "required": "any", "any": "any"}


def read_tool_choice(value: Any) -> Choice | None:
    """Return the choice *value* stands for in OpenAI's or Anthropic's words, or `None` if in neither."""
    if isinstance(value, str):
        mode = _MODES.get(value)
        return Choice(mode) if mode else None
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        return None
    if value["type"] in {"auto", "none", "any"}:
        return Choice(value["type"])
    function = value.get("function", value)
    name = function.get("name") if isinstance(function, Mapping) else None
    if value["type"] in {"function", "tool"} and isinstance(name, str):
        return Choice("tool", name)
    return None


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The JSON an answer is to be.

    Attributes:
        schema: The JSON schema it fits, or `None` for any object.
        name: Name of the schema.
        is_strict: Whether the provider is to enforce every detail of it.
    """

    schema: dict[str, Any] | None
    name: str = "answer"
    is_strict: bool | None = None


def read_response_format(value: Any) -> JsonFormat | None:
    """Return the JSON format *value* asks for, or `None` if it asks for text.

    Args:
        value: OpenAI's `response_format`, a JSON schema, or a pydantic model class.

    Raises:
        InvalidInputError: None of these.
    """
    if isinstance(value, type) and issubclass(value, BaseModel):
        schema = closed(value.model_json_schema())
        return JsonFormat(schema, value.__name__, _names_all(schema))
    if isinstance(value, Mapping):
        kind, inner = value.get("type"), value.get("json_schema")
        if kind == "text":
            return None
        if kind == "json_object":
            return JsonFormat(None)
        if kind == "json_schema":
            return _written(inner if isinstance(inner, Mapping) else value)
        if {"type", "properties", "$ref", "anyOf"} & value.keys():
            schema = closed(copied(value))
            return JsonFormat(schema, _name(value.get("title")), _names_all(schema))
    raise InvalidInputError("`response_format` is a JSON schema or a pydantic model.")


def _written(fields: Mapping[str, Any]) -> JsonFormat:
    schema, strict = fields.get("schema"), fields.get("strict")
    if not isinstance(schema, Mapping):
        raise InvalidInputError("`response_format` holds no `schema`.")
    return JsonFormat(copied(schema), _name(fields.get("name")), strict if isinstance(strict, bool) else None)


def _name(title: Any) -> str:
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in str(title or ""))
    return name[:64] or "answer"


def closed(schema: Any) -> Any:
    """Return *schema* where every object that does not say otherwise takes no further properties, as providers want."""
    if isinstance(schema, list):
        return [closed(child) for child in schema]
    if not isinstance(schema, dict):
        return schema
    out = {name: closed(child) for name, child in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        out.setdefault("additionalProperties", False)
    return out


def _names_all(schema: Any) -> bool:
    """Say whether every object requires all its properties, which OpenAI asks of a strict schema."""
    if isinstance(schema, list):
        return all(_names_all(child) for child in schema)
    if not isinstance(schema, dict):
        return True
    properties, required = schema.get("properties"), schema.get("required", [])
    if isinstance(properties, dict) and set(properties) - set(required if isinstance(required, list) else ()):
        return False
    return all(_names_all(child) for child in schema.values())
