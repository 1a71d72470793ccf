"""Answers what a function takes: a JSON schema from its annotations and docstring, and its arguments checked.

pydantic does the work; each parameter is a field under an alias, so that any name a function may use will do.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from tract.errors import InvalidInputError, NotCanonicalError
from tract.objects.hashing import parse_json

_SECTION: Final = re.compile(r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?|Attributes):\s*$")
_ARGUMENT: Final = re.compile(r"^\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
_MOST_PROBLEMS: Final = 5


class ArgumentsError(ValueError):
    """The arguments a model gave do not fit; the message is for the model."""


class _Schema(GenerateJsonSchema):
    # A default that has no JSON form is left out of the schema; the function still has it.
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes, as a model is told.

    Attributes:
        description: What the function does: its docstring up to the first section.
        parameters: JSON schema of the arguments.
    """

    description: str
    parameters: Mapping[str, Any]
    _model: type[BaseModel]
    _names: Mapping[str, tuple[str, bool]]

    def arguments(self, text: str) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and named arguments that JSON *text* stands for.

        Raises:
            ArgumentsError: It is no JSON object, or does not fit.
        """
        try:
            checked = self._model.model_validate(read_arguments(text))
        except ValidationError as error:
            raise ArgumentsError(_told(error)) from error
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for field, (name, is_positional) in self._names.items():
            if is_positional:
                positional.append(getattr(checked, field))
            elif field in checked.model_fields_set:
                named[name] = getattr(checked, field)
        return positional, named


def read_arguments(text: str) -> dict[str, Any]:
    """Return the JSON object in *text*; nothing at all stands for no arguments.

    Raises:
        ArgumentsError: It holds something else.
    """
    try:
        value = parse_json(text) if text.strip() else {}
    except NotCanonicalError as error:
        raise ArgumentsError(f"The arguments are not valid JSON: {error.message}") from error
    if not isinstance(value, dict):
        raise ArgumentsError("The arguments are not a JSON object.")
    return value


def _told(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"`{'.'.join(str(step) for step in one['loc']) or 'arguments'}`: {one['msg']}." for one in found]
    more = [f"And {len(lines) - _MOST_PROBLEMS} more."] if len(lines) > _MOST_PROBLEMS else []
    return " ".join(["The arguments do not fit.", *lines[:_MOST_PROBLEMS], *more])


def signature_of(function: Callable[..., Any]) -> Signature:
    """Return what *function* takes.

    Raises:
        InvalidInputError: A parameter has no annotation, an annotation has no schema, or it takes `*args`.
    """
    name = getattr(function, "__name__", type(function).__name__)
    hints, own = _hints(function, name), inspect.signature(function).parameters
    description, documented = read_docstring(inspect.getdoc(_documented(function)) or "")
    fields: dict[str, Any] = {}
    names: dict[str, tuple[str, bool]] = {}
    for index, parameter in enumerate(own.values()):
        _refuse(parameter, hints, name)
        field = f"argument_{index}"
        default = ... if parameter.default is parameter.empty else parameter.default
        # Only where the docstring says something: the annotation may have a description of its own.
        about: dict[str, Any] = {"description": documented[parameter.name]} if parameter.name in documented else {}
        fields[field] = (hints[parameter.name], Field(default, alias=parameter.name, **about))
        names[field] = (parameter.name, parameter.kind is parameter.POSITIONAL_ONLY)
    try:
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        schema = model.model_json_schema(by_alias=True, schema_generator=_Schema)
    except (PydanticUserError, TypeError) as error:
        raise InvalidInputError(
            f"The arguments of `{name}` have no JSON schema.", hint="Annotate them with types JSON can carry."
        ) from error
    return Signature(description, plain_schema(schema), model, names)


def _refuse(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> None:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        raise InvalidInputError(
            f"`{name}` takes `*{parameter.name}`, which no schema can say.", hint="Name each argument."
        )
    if parameter.name not in hints:
        raise InvalidInputError(
            f"The argument `{parameter.name}` of `{name}` has no type.",
            hint=f"Annotate it, as in `{parameter.name}: str`, or give a schema.",
        )


def _documented(function: Callable[..., Any]) -> Any:
    """Return what of *function* holds its annotations and its docstring."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    found = _documented(function)
    if inspect.isclass(found):
        raise InvalidInputError(f"`{name}` is a class.", hint="Give a function.")
    try:
        return typing.get_type_hints(inspect.unwrap(found), include_extras=True)
    except Exception as error:
        raise InvalidInputError(
            f"An annotation of `{name}` cannot be read: {type(error).__name__}.",
            hint="Use types that are known where the function is defined.",
        ) from error


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return what comes before the first section of a Google-style docstring, and what it says of each argument."""
    before: list[str] = []
    about: dict[str, list[str]] = {}
    section, depth, current = "", 0, None
    for line in text.splitlines():
        if (found := _SECTION.match(line)) is not None:
            section, depth, current = found[1], 0, None
        elif not section:
            before.append(line)
        elif section in {"Args", "Arguments", "Parameters"} and line.strip():
            indent = len(line) - len(line.lstrip())
            depth = depth or indent
            named = _ARGUMENT.match(line.strip()) if indent == depth else None
            if named is not None:
                current = about.setdefault(named[1], [])
                current.append(named[2])
            elif current is not None:
                current.append(line.strip())
    return "\n".join(before).strip(), {name: " ".join(filter(None, lines)) for name, lines in about.items()}


def plain_schema(schema: Any) -> dict[str, Any]:
    """Return *schema* without titles, with definitions put where they are named: not every provider follows `$ref`.

    A type that contains itself stays a reference.
    """
    definitions = schema.get("$defs", {})
    recursive: set[str] = set()
    plain: dict[str, Any] = _plain(schema, definitions, (), recursive)
    plain.pop("$defs", None)
    if recursive:
        plain["$defs"] = {name: _untitled(definitions[name]) for name in definitions}
    return plain


def _plain(value: Any, definitions: Mapping[str, Any], within: tuple[str, ...], recursive: set[str]) -> Any:
    if isinstance(value, list):
        return [_plain(item, definitions, within, recursive) for item in value]
    if not isinstance(value, dict):
        return value
    name = str(value.get("$ref", "")).removeprefix("#/$defs/")
    if name in within:
        recursive.add(name)
        return value
    if name in definitions:
        beside = {key: inner for key, inner in value.items() if key != "$ref"}
        return _plain({**definitions[name], **beside}, definitions, (*within, name), recursive)
    return {
        key: _properties(inner, definitions, within, recursive)
        if key == "properties"
        else _plain(inner, definitions, within, recursive)
        for key, inner in value.items()
        if key != "$defs" and not (key == "title" and isinstance(inner, str))
    }


def _properties(value: Any, definitions: Mapping[str, Any], within: tuple[str, ...], recursive: set[str]) -> Any:
    # Below `properties` the keys are the user's own names, of which one may be `title`.
    return {key: _plain(inner, definitions, within, recursive) for key, inner in value.items()}


def _untitled(value: Any) -> Any:
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _untitled(inner) for key, inner in value.items() if not (key == "title" and isinstance(inner, str))}
