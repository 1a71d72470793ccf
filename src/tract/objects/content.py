"""Answers what can be committed: the content types, their stored payload, and how a message reads them.

A payload is plain canonical JSON holding the fields that differ from their defaults, so adding a
field later leaves old hashes as they are. Reading a payload for a message goes straight from JSON
to `Message`; validation happens once, when it is committed.
"""

from __future__ import annotations

import functools
import math
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator
from pydantic_core import PydanticSerializationError

from tract.errors import InvalidContentError, UnknownContentTypeError, shown
from tract.objects.commit import Origin, Priority
from tract.objects.hashing import canonical_json
from tract.objects.message import (
    AnyPart,
    Extra,
    Message,
    Part,
    Reasoning,
    TextPart,
    ToolCall,
    part_from_json,
    part_to_json,
)


class Content(BaseModel):
    """Base of the built-in content types.

    Attributes:
        sensitive: Mix a random nonce into the stored bytes, so that the hash that remains after the
            content is erased cannot be matched against guesses.
    """

    # Parts are dataclasses, which check nothing themselves, so they are checked here.
    model_config = ConfigDict(frozen=True, extra="forbid", revalidate_instances="always")
    content_type: ClassVar[str]
    default_priority: ClassVar[Priority] = "normal"
    default_origin: ClassVar[Origin] = "developer"

    sensitive: bool = False

    @property
    def origin(self) -> Origin:
        """Who said it, when the caller does not say."""
        return self.default_origin

    def payload(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, as plain JSON values."""
        out: dict[str, Any] = {}
        for name, default in _defaults(type(self)):
            value = getattr(self, name)
            if value != default:
                out[name] = value if type(value) is str else _plain(value)
        return out

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


_REQUIRED = object()  # equal to no value, so a required field is always stored


@functools.cache
def _defaults(kind: type[Content]) -> tuple[tuple[str, Any], ...]:
    """Return each field of *kind* with its default; asked of pydantic once, since it is slow to answer."""
    fields = kind.model_fields.items()
    return tuple(
        (name, _REQUIRED if info.is_required() else info.get_default(call_default_factory=True))
        for name, info in fields
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [part_to_json(item) if isinstance(item, AnyPart) else item for item in value]
    return dict(value) if isinstance(value, Mapping) else value


class _Spoken(Content):
    """What text-or-parts contents share."""

    text: str | None = None
    parts: tuple[Part, ...] = ()
    extra: Extra = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of(self) -> _Spoken:
        if self.text is not None and self.parts:
            raise ValueError("give text or parts, not both")
        return self


class InstructionContent(_Spoken):
    """A system (or developer) instruction; pinned by default."""

    content_type: ClassVar[str] = "instruction"
    default_priority: ClassVar[Priority] = "pinned"
    default_origin: ClassVar[Origin] = "system"

    role: Literal["system", "developer"] = "system"
    name: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> InstructionContent:
        if self.text is None and not self.parts:
            raise ValueError("an instruction needs text or parts")
        return self


class DialogueContent(_Spoken):
    """What a user or the model said: text or parts, tool calls, reasoning blocks.

    Attributes:
        role: `user` or `assistant`.
        text: The text, when it is only text.
        parts: Everything in order, when it is more than text.
        tool_calls: Calls the model made, argument text kept exactly.
        reasoning: Reasoning blocks, byte for byte; sent before the text.
        name: Name of the speaker.
        interrupted: The model was cut off; what arrived is kept.
    """

    content_type: ClassVar[str] = "dialogue"

    role: Literal["user", "assistant"]
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: tuple[Reasoning, ...] = ()
    name: str | None = None
    interrupted: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> DialogueContent:
        if self.text is None and not (self.parts or self.tool_calls or self.reasoning):
            raise ValueError("a dialogue turn needs text, parts, tool calls or reasoning")
        if self.role == "user" and (self.tool_calls or self.reasoning):
            raise ValueError("only an assistant turn holds tool calls or reasoning")
        return self

    @property
    def origin(self) -> Origin:
        """`user` or `model`, by role."""
        return "user" if self.role == "user" else "model"


class ToolResultContent(_Spoken):
    """What a tool answered to the call `call_id`."""

    content_type: ClassVar[str] = "tool_result"
    default_origin: ClassVar[Origin] = "tool"

    call_id: str = Field(min_length=1)
    name: str | None = None
    is_error: bool = False


class ReasoningContent(Content):
    """Reasoning kept on its own; skipped by default, so it is not sent."""

    content_type: ClassVar[str] = "reasoning"
    default_priority: ClassVar[Priority] = "skip"
    default_origin: ClassVar[Origin] = "model"

    text: str


class ArtifactContent(Content):
    """Something that was made: a file, a plan, a piece of code."""

    content_type: ClassVar[str] = "artifact"
    default_origin: ClassVar[Origin] = "model"

    text: str
    kind: str = "text"
    title: str | None = None


class OutputContent(Content):
    """A result to hand on, such as a final answer or report."""

    content_type: ClassVar[str] = "output"
    default_origin: ClassVar[Origin] = "model"

    text: str
    format: str = "text"


class FreeformContent(Content):
    """Any JSON; compiled as its JSON text."""

    content_type: ClassVar[str] = "freeform"

    data: Any = None


class SessionContent(Content):
    """A mark in the life of a session: where it stands and what comes next."""

    content_type: ClassVar[str] = "session"

    kind: Literal["start", "end", "handoff", "checkpoint"]
    summary: str = ""
    decisions: tuple[str, ...] = ()
    failed_approaches: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()


class SpawnContent(Content):
    """A mark in a parent's history: here a child tract was started. Skipped by default, so it is not sent.

    Attributes:
        tract: Name of the child.
        purpose: What it is for.
        mode: What it was given: `fork`, `snapshot` or `select`.
    """

    content_type: ClassVar[str] = "spawn"
    default_priority: ClassVar[Priority] = "skip"

    tract: str
    purpose: str
    mode: Literal["fork", "snapshot", "select"]


class SummaryContent(Content):
    """What stands in the place of the messages a compression covers.

    Sent as a user message marked `[summary]`: every provider takes one anywhere, and it never gains
    the standing of an instruction or of the model's own words.
    """

    content_type: ClassVar[str] = "summary"
    default_origin: ClassVar[Origin] = "model"

    text: str = Field(min_length=1)


BUILT_IN: Mapping[str, type[Content]] = {
    kind.content_type: kind
    for kind in (
        InstructionContent,
        DialogueContent,
        ToolResultContent,
        ReasoningContent,
        ArtifactContent,
        OutputContent,
        FreeformContent,
        SessionContent,
        SpawnContent,
        SummaryContent,
    )
}

ANNOTATION = "annotation"
"""Content type of an annotate commit: `{"priority": ..., "reason": ...}`. Not for callers to commit."""


class ContentTypes:
    """The content types one handle knows: the built-in ones and those the application registered."""

    def __init__(self) -> None:
        self._models: dict[str, type[BaseModel]] = dict(BUILT_IN)
        self._names: dict[type[BaseModel], str] = {model: name for name, model in BUILT_IN.items()}

    def copy(self) -> ContentTypes:
        """Return the same types; what is registered later is known to one alone."""
        types = ContentTypes()
        types._models, types._names = dict(self._models), dict(self._names)
        return types

    def register(self, name: str, model: type[BaseModel]) -> None:
        """Let contents of *model* be committed under *name*.

        Raises:
            InvalidContentError: The name is taken by another model, reserved or not a lower-case identifier.
        """
        if not (
            isinstance(name, str) and name.isascii() and name.replace("-", "_").isidentifier() and name == name.lower()
        ):
            raise InvalidContentError(
                f"{shown(name)} cannot name a content type.", hint="Use letters, digits, `_`, `-`."
            )
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or issubclass(model, RootModel):
            raise InvalidContentError("A content type is a pydantic model class with named fields.")
        if name == ANNOTATION or self._models.get(name, model) is not model:
            raise InvalidContentError(f"The content type `{name}` exists already.", hint="Choose another name.")
        self._models[name] = model
        self._names[model] = name

    def name_of(self, content: BaseModel) -> str:
        """Return the name *content*'s type is registered under."""
        try:
            return self._names[type(content)]
        except KeyError:
            raise UnknownContentTypeError(type(content).__name__, self._models) from None

    def parse(self, name: str, fields: Mapping[str, Any]) -> BaseModel:
        """Return the validated content of type *name*.

        Raises:
            UnknownContentTypeError: No such type here.
            InvalidContentError: The fields do not fit it.
        """
        model = self._models.get(name)
        if model is None:
            raise UnknownContentTypeError(name, self._models)
        try:
            return model.model_validate(_without_nonce(fields))
        except ValidationError as error:
            raise invalid_content(name, error) from error

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def __iter__(self) -> Any:
        return iter(self._models)


def invalid_content(name: str, error: ValidationError) -> InvalidContentError:
    """Return pydantic's first finding as one sentence, without echoing the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(step) for step in first["loc"])
    where = f"`{field}` of {name}" if field else name
    return InvalidContentError(f"{where}: {first['msg']}.", field=field or None)


def payload_of(content: BaseModel) -> dict[str, Any]:
    """Return the fields to store of *content*, as JSON values.

    Raises:
        InvalidContentError: A field of a custom content has no JSON form.
    """
    if isinstance(content, Content):
        return content.payload()
    try:
        _refuse_not_finite(content.model_dump())
        # By alias, since that is how pydantic reads them back.
        return content.model_dump(mode="json", by_alias=True)
    except (PydanticSerializationError, UnicodeDecodeError) as error:
        name = type(content).__name__
        raise InvalidContentError(f"A field of `{name}` has no JSON form.", hint="Give it a serializer.") from error


def _refuse_not_finite(value: Any) -> None:
    """Refuse NaN and infinity before pydantic makes them null without a word."""
    if isinstance(value, float) and not math.isfinite(value):
        canonical_json(value)
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Collection) and not isinstance(value, (str, bytes, bytearray)):
        for child in value:
            _refuse_not_finite(child)


def encode_payload(fields: dict[str, Any]) -> bytes:
    """Return the bytes stored for a payload's *fields*; sensitive ones get a random nonce."""
    if fields.get("sensitive") is True:
        fields["nonce"] = secrets.token_hex(16)
    return canonical_json(fields)


def _without_nonce(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    if payload.get("sensitive") is not True:
        return payload
    return {key: value for key, value in payload.items() if key != "nonce"}


# --- reading a payload as a message --------------------------------------------------------------


def to_message(content_type: str, payload: Mapping[str, Any]) -> Message:
    """Return the message a stored payload stands for.

    The same for every handle: what a type is registered as does not change what is compiled.
    A custom type gives a user message of its `text` field, or of its JSON.
    """
    return _READERS.get(content_type, _custom)(payload)


def _spoken(payload: Mapping[str, Any]) -> tuple[AnyPart, ...]:
    if "parts" in payload:
        return tuple([part_from_json(part) for part in payload["parts"]])
    text = payload.get("text")
    return () if text is None else (TextPart(text),)


def _instruction(payload: Mapping[str, Any]) -> Message:
    role = payload.get("role", "system")
    return Message(role, _spoken(payload), payload.get("name"), extra=payload.get("extra", _NOTHING))


def _dialogue(payload: Mapping[str, Any]) -> Message:
    parts = _spoken(payload)
    if "reasoning" in payload:
        parts = (*[part_from_json(part) for part in payload["reasoning"]], *parts)
    if "tool_calls" in payload:
        parts = (*parts, *[part_from_json(part) for part in payload["tool_calls"]])
    return Message(payload["role"], parts, payload.get("name"), extra=payload.get("extra", _NOTHING))


def _tool_result(payload: Mapping[str, Any]) -> Message:
    return Message(
        "tool",
        _spoken(payload),
        payload.get("name"),
        payload["call_id"],
        payload.get("is_error", False),
        payload.get("extra", _NOTHING),
    )


def _plain_text(payload: Mapping[str, Any]) -> Message:
    return Message("assistant", (TextPart(payload["text"]),))


def _freeform(payload: Mapping[str, Any]) -> Message:
    return Message("user", (TextPart(_json_text(payload.get("data"))),))


def _session(payload: Mapping[str, Any]) -> Message:
    lines = [f"Session {payload['kind']}."]
    if payload.get("summary"):
        lines.append(payload["summary"])
    for title in ("decisions", "failed_approaches", "next_steps"):
        if payload.get(title):
            lines.append(f"{title.replace('_', ' ').capitalize()}:")
            lines.extend(f"- {item}" for item in payload[title])
    return Message("user", (TextPart("\n".join(lines)),))


def _spawn(payload: Mapping[str, Any]) -> Message:
    return Message("user", (TextPart(f"Spawned {payload['tract']}: {payload['purpose']}"),))


SUMMARY_MARK = "[summary] "
"""How the message of a summary begins."""


def _summary(payload: Mapping[str, Any]) -> Message:
    return Message("user", (TextPart(SUMMARY_MARK + payload["text"]),))


def _custom(payload: Mapping[str, Any]) -> Message:
    text = payload.get("text")
    return Message("user", (TextPart(text if isinstance(text, str) else _json_text(_without_nonce(payload))),))


def _json_text(value: Any) -> str:
    return canonical_json(value).decode()


_NOTHING: Mapping[str, Any] = {}

_READERS: Mapping[str, Callable[[Mapping[str, Any]], Message]] = {
    "instruction": _instruction,
    "dialogue": _dialogue,
    "tool_result": _tool_result,
    "reasoning": _plain_text,
    "artifact": _plain_text,
    "output": _plain_text,
    "freeform": _freeform,
    "session": _session,
    "spawn": _spawn,
    "summary": _summary,
}


# --- one line for people -------------------------------------------------------------------------

HEADLINE_CHARACTERS = 72


def headline(content_type: str, payload: Mapping[str, Any]) -> str:
    """Return what a payload says in at most 72 characters: its first line, or its tool calls."""
    message = to_message(content_type, payload)
    for part in message.parts:
        if isinstance(part, TextPart) and (line := shorten(part.text)):
            return line
    if message.tool_calls:
        return shorten(", ".join(f"{call.name}({call.arguments})" for call in message.tool_calls))
    return shorten(", ".join(part.type for part in message.parts)) or "(empty)"


def shorten(text: str) -> str:
    """Return the first line of *text* that says something, cut to 72 characters."""
    # Looking at the beginning only keeps this cheap for a text of megabytes.
    line = next((line for line in text[:2000].splitlines() if line.strip()), "").strip()
    return line if len(line) <= HEADLINE_CHARACTERS else line[: HEADLINE_CHARACTERS - 1] + "…"
