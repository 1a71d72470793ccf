"""Answers what one message to a model is, before any provider's format.

A `Message` is an ordered tuple of parts. `formats` turns messages into a provider's JSON and back;
nothing here knows a provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]

Extra: TypeAlias = Mapping[str, Any]
"""Fields only one provider knows, by provider: `{"openai": {"refusal": None}}`. Sent to that provider alone."""


def _short(part: AnyPart) -> str:
    """Return what kind of part it is and its name: what was said belongs in no log."""
    name = getattr(part, "name", None) or getattr(part, "media_type", None) or getattr(part, "provider", None)
    return f"<{type(part).__name__} {name}>" if name else f"<{type(part).__name__}>"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text."""

    text: str
    type: Literal["text"] = "text"
    extra: Extra = field(default_factory=dict)

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image: bytes (stored once, by hash) or a URL.

    Attributes:
        media_type: Such as `image/png`; `None` when only a URL is known.
        data: The bytes. Given when committing and present after compiling; stored apart, by hash.
        url: Where the provider fetches it.
        hash: SHA-256 of the stored bytes' blob, hex. Set by tract.
    """

    media_type: str | None = None
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    hash: str | None = None
    type: Literal["image"] = "image"
    extra: Extra = field(default_factory=dict)

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document: bytes (stored once, by hash) or a URL; fields as in `ImagePart`."""

    media_type: str | None = None
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    hash: str | None = None
    name: str | None = None
    type: Literal["file"] = "file"
    extra: Extra = field(default_factory=dict)

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's request to run a tool.

    Attributes:
        id: The provider's id of the call; the result names it.
        name: Name of the tool.
        arguments: JSON text exactly as the model sent it, valid or not.
    """

    id: str
    name: str
    arguments: str
    type: Literal["tool_call"] = "tool_call"
    extra: Extra = field(default_factory=dict)

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A reasoning block, kept byte for byte as its provider sent it.

    Attributes:
        provider: `anthropic`, `openai` or `gemini`: who can read it back.
        raw: The block as received.
        text: What of it people can read.
    """

    provider: str
    raw: Mapping[str, Any]
    text: str = ""
    type: Literal["reasoning"] = "reasoning"
    extra: Extra = field(default_factory=dict)

    def __repr__(self) -> str:
        return _short(self)


@dataclass(frozen=True, slots=True)
class ToolResultPart:
    """A tool's answer inside a list of parts; as a commit of its own it is a `ToolResultContent`."""

    call_id: str
    text: str = ""
    parts: tuple[TextPart | ImagePart | FilePart, ...] = ()
    name: str | None = None
    is_error: bool = False
    type: Literal["tool_result"] = "tool_result"
    extra: Extra = field(default_factory=dict)

    def __repr__(self) -> str:
        return _short(self)


AnyPart: TypeAlias = TextPart | ImagePart | FilePart | ToolCall | Reasoning | ToolResultPart

Part: TypeAlias = Annotated[AnyPart, Field(discriminator="type")]
"""Any part, told apart by its `type` when read from JSON."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the compiled context.

    Attributes:
        role: `system`, `developer`, `user`, `assistant` or `tool`.
        parts: Everything it says, in order.
        name: Name of the speaker, or of the tool in a tool message.
        call_id: The call a tool message answers.
        is_error: A tool message that reports a failure.
        extra: Provider-only fields of the message.
    """

    role: Role
    parts: tuple[AnyPart, ...]
    name: str | None = None
    call_id: str | None = None
    is_error: bool = False
    extra: Extra = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All text parts, joined by newlines."""
        return "\n".join([part.text for part in self.parts if isinstance(part, TextPart)])

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def reasoning(self) -> tuple[Reasoning, ...]:
        """The reasoning blocks, in order."""
        return tuple(part for part in self.parts if isinstance(part, Reasoning))

    def __repr__(self) -> str:
        return f"<Message {self.role} parts={len(self.parts)}>"


def known_to(provider: str, extra: Extra) -> dict[str, Any]:
    """Return a copy of the fields only *provider* knows, which the caller may change."""
    found: dict[str, Any] = copied(extra.get(provider) or {})
    return found


def copied(value: Any) -> Any:
    """Return the JSON *value* with new lists and objects throughout.

    What is handed out may be changed by whoever sends it; the cached messages must not change with it.
    """
    if isinstance(value, Mapping):
        return {name: copied(field) for name, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [copied(item) for item in value]
    return value


def searchable(message: Message) -> Iterator[str]:
    """Return every text of *message* as it was committed: texts, reasoning, names and arguments of tool calls."""
    return _texts(message.parts)


def _texts(parts: Iterable[AnyPart]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, ToolCall):
            yield part.name
            yield part.arguments
        elif not isinstance(part, (ImagePart, FilePart)):
            yield part.text
            yield from _texts(part.parts if isinstance(part, ToolResultPart) else ())


def part_to_json(part: AnyPart) -> dict[str, Any]:
    """Return the stored form of *part*: its type and the fields that differ from their defaults."""
    out: dict[str, Any] = {"type": part.type}
    for name in part.__slots__:
        value = getattr(part, name)
        is_default = value is None or value is False or name in {"type", "data"} or value in ((), {})
        if is_default and name not in _ALWAYS.get(part.type, ()):
            continue
        if name == "parts":
            value = [part_to_json(child) for child in value]
        out[name] = copied(value) if name in {"extra", "raw"} else value
    return out


# Required fields are stored even when empty, so that every stored part reads back.
_ALWAYS: Mapping[str, tuple[str, ...]] = {
    "reasoning": ("raw",),
}

_PARTS: Mapping[str, type[Any]] = {
    "text": TextPart,
    "image": ImagePart,
    "file": FilePart,
    "tool_call": ToolCall,
    "reasoning": Reasoning,
    "tool_result": ToolResultPart,
}


def part_from_json(stored: Mapping[str, Any]) -> AnyPart:
    """Return the part whose stored form is *stored*, as `part_to_json` wrote it."""
    fields = dict(stored)
    kind = _PARTS[fields.pop("type")]
    if "parts" in fields:
        fields["parts"] = tuple(part_from_json(child) for child in fields["parts"])
    part: AnyPart = kind(**fields)
    return part
