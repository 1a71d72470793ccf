"""Answers which tools a model may call: typed functions with a schema, and what their results become.

A tool that fails tells the model so in one sentence; nothing of a traceback is sent, and no known secret.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, overload

import pydantic_core

from tract.agent.schemas import ArgumentsError, Signature, read_arguments, signature_of
from tract.errors import InvalidInputError, ToolNotFoundError, shown
from tract.objects.content import ToolResultContent
from tract.objects.hashing import canonical_json
from tract.objects.message import FilePart, ImagePart, TextPart, ToolCall, copied

F = TypeVar("F")
ResultPart = TextPart | ImagePart | FilePart

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What every provider takes as the name of a tool."""

_EXAMPLE: Final = "Such as `@t.tool` above a function with annotated arguments."
_MOST_CHARACTERS: Final = 2_000
"""How long a tool's error may be that the model is told."""

_SECRET_NAME: Final = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function a model may call.

    Attributes:
        name: What the model calls it by.
        description: What it does, for the model.
        parameters: JSON schema of its arguments.
        function: The function, sync or async.
        idempotent: Running it twice does no harm, so a call that was cut off may be run again.
    """

    name: str
    description: str
    parameters: Mapping[str, Any] = field(repr=False)
    function: Callable[..., Any] = field(repr=False)
    idempotent: bool = False
    signature: Signature | None = field(default=None, repr=False, compare=False)

    def definition(self) -> dict[str, Any]:
        """Return what a model is told of it, in OpenAI's shape."""
        about = {"description": self.description} if self.description else {}
        return {"type": "function", "function": {"name": self.name, **about, "parameters": copied(self.parameters)}}

    def call(self, arguments: str) -> Any:
        """Run the function with JSON *arguments*; of an async one, return what is to be awaited.

        Raises:
            ArgumentsError: They do not fit.
        """
        if self.signature is None:
            return self.function(**read_arguments(arguments))
        positional, named = self.signature.arguments(arguments)
        return self.function(*positional, **named)


def as_tool(
    value: object,
    *,
    name: str | None = None,
    description: str | None = None,
    schema: Mapping[str, Any] | None = None,
    idempotent: bool = False,
) -> Tool:
    """Return *value* as a tool.

    Args:
        value: A function, or a tool.
        name: What the model calls it by; the function's own name if not given.
        description: What it does; the docstring up to its first section if not given.
        schema: JSON schema of its arguments, or a whole definition in OpenAI's or Anthropic's shape; the arguments
            are then handed on as the model wrote them, by name.
        idempotent: Running it twice does no harm.

    Raises:
        InvalidInputError: It is no function, its name is one some provider refuses, or there is no schema for it.
    """
    if isinstance(value, Tool):
        return value
    if not callable(value) or isinstance(value, type):
        raise InvalidInputError(f"A tool is a function, not {shown(value)}.", hint=_EXAMPLE)
    said = _from_schema(schema)
    signature = signature_of(value) if schema is None else None
    own = getattr(value, "__name__", None)
    given = name if name is not None else said.get("name") or own
    given = tool_name(given)
    about = description if description is not None else said.get("description")
    if about is None:
        about = signature.description if signature is not None else inspect.getdoc(value) or ""
    if not isinstance(about, str):
        raise InvalidInputError(f"`description` is text, not {shown(about)}.", hint=_EXAMPLE)
    parameters = signature.parameters if signature is not None else said["parameters"]
    return Tool(given, about, parameters, value, bool(idempotent), signature)


def tool_name(name: object) -> str:
    """Return *name*, which every provider takes as the name of a tool.

    Raises:
        InvalidInputError: One does not.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidInputError(
            f"{shown(name)} cannot name a tool.", hint="Use letters, digits, `_` and `-`, at most 64."
        )
    return name


def _from_schema(schema: object) -> dict[str, Any]:
    """Return name, description and parameters that a schema or a definition says."""
    if schema is None:
        return {}
    if not isinstance(schema, Mapping):
        raise InvalidInputError(f"`schema` is a JSON schema, not {shown(schema)}.", hint=_EXAMPLE)
    inner = schema.get("function", schema)
    if not isinstance(inner, Mapping):
        raise InvalidInputError("The definition holds no function.", hint=_EXAMPLE)
    for name in ("input_schema", "parameters"):
        if isinstance(inner.get(name), Mapping):
            found = {"name": inner.get("name"), "description": inner.get("description"), "parameters": inner[name]}
            break
    else:
        found = {"parameters": inner if inner is schema else {"type": "object", "properties": {}}}
    canonical_json(found["parameters"])  # refuses what has no JSON form
    return {**found, "parameters": copied(found["parameters"])}


class AddsTool(Protocol):
    """What `t.tool` is: `Toolbox.add`."""

    @overload
    def __call__(self, function: None = None, **options: Any) -> Callable[[F], F]: ...
    @overload
    def __call__(self, function: F, **options: Any) -> F: ...


class Toolbox(Mapping[str, Tool]):
    """Tools by name: `"search" in t.tools`, `len`, iteration, `t.tools["search"]`."""

    def __init__(self, tools: Iterable[object] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools.values() if isinstance(tools, Toolbox) else tools:
            self.add(tool)

    def __getitem__(self, name: str) -> Tool:
        if name not in self:
            raise ToolNotFoundError(shown(name))
        return self._tools[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._tools

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._tools))

    def __len__(self) -> int:
        return len(self._tools)

    def __repr__(self) -> str:
        return f"<Toolbox {', '.join(self)}>"

    @overload
    def add(self, function: None = None, **options: Any) -> Callable[[F], F]: ...
    @overload
    def add(self, function: F, **options: Any) -> F: ...
    def add(self, function: F | None = None, **options: Any) -> F | Callable[[F], F]:
        """Let the model call *function*, which stays as it is; a decorator, with or without options.

        One of the same name is replaced. The schema comes from its annotations, the descriptions from its docstring.

        Args:
            function: The function, sync or async, or a `Tool`.
            **options: `name` and `description` for the model; `schema`, JSON schema of the arguments or a whole
                definition; `idempotent=True` if running it twice does no harm.

        Raises:
            InvalidInputError: It is no function, or its arguments have no schema.

        Example:
            >>> from tract import Tract
            >>> with Tract.open() as t:
            ...     @t.tools.add
            ...     def add(a: int, b: int) -> int:
            ...         '''Add two numbers.'''
            ...         return a + b
            ...     t.tools["add"].description
            'Add two numbers.'
        """
        if function is None:
            return lambda given: self.add(given, **options)
        try:
            tool = as_tool(function, **options)
        except TypeError as error:
            raise InvalidInputError(f"A tool has no such option: {error}.", hint=_EXAMPLE) from error
        self._tools[tool.name] = tool
        return function

    def remove(self, name: str) -> Tool:
        """Take the tool *name* out and return it.

        Raises:
            ToolNotFoundError: There is none.
        """
        tool = self[name]
        del self._tools[name]
        return tool

    def definitions(self) -> list[dict[str, Any]]:
        """Return what a model is told of each, in OpenAI's shape."""
        return [tool.definition() for tool in tuple(self._tools.values())]


def _listed(tools: object) -> list[object]:
    if isinstance(tools, (str, bytes, Mapping)) and not isinstance(tools, Toolbox):
        raise InvalidInputError(f"`tools` is a list of functions, not {shown(tools)}.", hint=_EXAMPLE)
    if isinstance(tools, Toolbox):
        return list(tools.values())
    if not isinstance(tools, Iterable):
        raise InvalidInputError(f"`tools` is a list of functions, not {shown(tools)}.", hint=_EXAMPLE)
    return list(tools)


def offered(own: Toolbox, tools: object) -> list[dict[str, Any]]:
    """Return the definitions a call offers: of *tools*, functions or definitions, or of *own* for `None`.

    Raises:
        InvalidInputError: One is neither.
    """
    if tools is None:
        return own.definitions()
    found: list[dict[str, Any]] = []
    for tool in _listed(tools):
        if isinstance(tool, Mapping):
            canonical_json(dict(tool))  # refuses what has no JSON form
            found.append(copied(tool))
        else:
            found.append(as_tool(tool).definition())
    return found


def runnable(own: Toolbox, tools: object) -> Toolbox:
    """Return the functions a run may call: of *tools*, or *own* for `None`; a definition alone has none.

    Raises:
        InvalidInputError: One is neither function nor definition.
    """
    if tools is None:
        return Toolbox(own)
    return Toolbox(tool for tool in _listed(tools) if not isinstance(tool, Mapping))


# --- results -------------------------------------------------------------------------------------


def result_of(call: ToolCall, value: object) -> ToolResultContent:
    """Return what a tool gave as the result of *call*: text and parts as they are, anything else as JSON.

    Raises:
        ArgumentsError: It has no JSON form.
    """
    if isinstance(value, ToolResultContent):
        return value.model_copy(update={"call_id": call.id, "name": value.name or call.name})
    fields: dict[str, Any] = {"call_id": call.id, "name": call.name}
    if isinstance(value, ResultPart):
        return ToolResultContent(**fields, parts=(value,))
    if _are_parts(value):
        assert isinstance(value, Sequence)
        parts = tuple(TextPart(_clean(one)) if isinstance(one, str) else one for one in value)
        return ToolResultContent(**fields, parts=parts)
    return ToolResultContent(**fields, text=_clean(value if isinstance(value, str) else _as_json(value)))


def _are_parts(value: object) -> bool:
    is_list = isinstance(value, (list, tuple)) and all(isinstance(one, (str, ResultPart)) for one in value)
    return is_list and any(isinstance(one, ResultPart) for one in value)  # type: ignore[attr-defined]  # a list


def _as_json(value: object) -> str:
    try:
        return pydantic_core.to_json(value, inf_nan_mode="constants").decode()
    except (pydantic_core.PydanticSerializationError, UnicodeDecodeError, ValueError) as error:
        raise ArgumentsError(f"The tool returned a {type(value).__name__}, which has no JSON form.") from error


def failed(call: ToolCall, said: str) -> ToolResultContent:
    """Return the result of a *call* that failed, as the model is told it."""
    text = _clean(hide_secrets(said))
    if len(text) > _MOST_CHARACTERS:
        text = text[:_MOST_CHARACTERS] + "…"
    return ToolResultContent(call_id=call.id, name=call.name, text=text, is_error=True)


def said_by(error: BaseException) -> str:
    """Return what the model is told of *error*: its kind and message, no traceback."""
    if isinstance(error, ArgumentsError):
        return str(error)
    try:
        said = str(error).strip()
    except Exception:  # noqa: BLE001 - an error of somebody's own, which has its own way of saying
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def hide_secrets(text: str) -> str:
    """Return *text* with every secret this process has in its environment replaced."""
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET_NAME.search(name.upper()) and value in text:
            text = text.replace(value, "***")
    return text


def _clean(text: str) -> str:
    # Half a surrogate pair has no UTF-8, and a tool that read bytes loosely may well return one.
    return text.encode("utf-8", "replace").decode()
