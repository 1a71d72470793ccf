"""Answers how a request becomes a provider's JSON and its answer a `Reply`, without any network.

A `Codec` is pure: what it returns depends on its arguments alone. Sending is left to `http`, to an SDK's
client or to a test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pydantic import ValidationError

from tract.errors import FormatError, InvalidInputError, ModelError, ModelResponseError, TractError, shown
from tract.formats.report import Loss, Repair
from tract.llm.protocol import Delta, FinishReason, Format, Reply, Request
from tract.objects.config import GenerationConfig
from tract.objects.content import Content, DialogueContent
from tract.objects.hashing import canonical_json
from tract.objects.message import TextPart, copied
from tract.objects.refs import check_label
from tract.objects.usage import Usage, read_usage

Json = Mapping[str, Any]

STANDARD: Final = frozenset(GenerationConfig.model_fields)
"""Settings every provider is told in its own words; any other is passed on as it is."""

_HALF_PAIR: Final = re.compile(r"[\ud800-\udfff]")
_DEEPEST_JSON: Final = 100
_MOST_PARTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request in a provider's words.

    Attributes:
        path: Where it goes, below the provider's base URL.
        body: What is sent.
        model: The model asked.
        settings: What of it are settings, by the names of `GenerationConfig`; `model` is left out.
        losses: What the format could not carry: of the messages, and settings the provider does not know.
        repairs: What was changed so that the provider takes the messages.
    """

    path: str
    body: dict[str, Any]
    model: str
    settings: Json = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    repairs: tuple[Repair, ...] = ()

    def __repr__(self) -> str:
        return f"<Outgoing {self.path} {self.model}>"


class Accumulator(Protocol):
    """A streamed answer while it arrives."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether the answer is complete, though more may come, such as its usage."""
        ...

    def feed(self, event: str, data: Any) -> list[Delta]:
        """Take one event and return what it adds.

        Raises:
            ModelError: The provider reported a failure, or the event is not what it documents.
        """
        ...

    def finish(self) -> Reply:
        """Return the whole answer, equal to what it would have been without streaming.

        Raises:
            StreamBrokenError: The answer is not complete.
        """
        ...

    def partial(self) -> DialogueContent | None:
        """Return what arrived, marked `interrupted`, or `None` if nothing did."""
        ...


class Codec(Protocol):
    """One provider's wire format."""

    @property
    def format(self) -> Format:
        """Its name."""
        ...

    def body(self, request: Request, *, model: str, stream: bool = False) -> Outgoing:
        """Return what to send.

        Raises:
            InvalidInputError: A setting or a tool is no such thing.
        """
        ...

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers that carry *key* and the version of the API."""
        ...

    def read(self, answer: Any, outgoing: Outgoing) -> Reply:
        """Return the reply in *answer*, the JSON of a complete answer to *outgoing*.

        Raises:
            ModelResponseError: It is not what the provider documents.
        """
        ...

    def stream(self, outgoing: Outgoing) -> Accumulator:
        """Return what takes the events of a streamed answer to *outgoing*."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: str) -> ModelError:
        """Return the error an answer with this *status* stands for."""
        ...


# --- settings ------------------------------------------------------------------------------------


def settings_of(request: Request) -> dict[str, Any]:
    """Return the settings of *request* that are set, without the model, free to change.

    Raises:
        InvalidInputError: They are no mapping with text keys.
    """
    given = request.settings
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidInputError("Settings are a mapping by name.", hint='Such as `{"temperature": 0.2}`.')
    return {name: copied(value) for name, value in given.items() if value is not None and name != "model"}


def stop_list(settings: dict[str, Any]) -> None:
    """Write `stop`, which may be one text, as a list of texts.

    Raises:
        InvalidInputError: It is neither.
    """
    stop = settings.get("stop")
    if stop is None:
        return
    if not isinstance(stop, (str, list)):
        raise InvalidInputError(f"`stop` is a text or several, not {shown(stop)}.")
    settings["stop"] = [stop] if isinstance(stop, str) else stop


def object_in(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the setting *name*, an object; none is an empty one.

    Raises:
        InvalidInputError: It is neither.
    """
    value = settings.get(name)
    if not isinstance(value, (dict, type(None))):
        raise InvalidInputError(f"`{name}` is an object, not {shown(value)}.")
    return value or {}


# --- JSON ----------------------------------------------------------------------------------------


def parse_json(text: str, provider: str) -> Any:
    """Return the JSON value in *text*.

    Raises:
        ModelResponseError: It is none, or nests deeper than any answer does.
    """
    problem = "what is no JSON"
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if not _is_deeper(value, _DEEPEST_JSON):
            return value
        problem = "JSON nested too deeply"
    except RecursionError:
        problem = "JSON nested too deeply"
    except ValueError:
        pass
    raise ModelResponseError(f"{provider} answered {problem}.", provider=provider)


def encoded(body: Any, *, sort_keys: bool = False) -> bytes:
    """Return the JSON *body* as it is sent.

    Raises:
        InvalidInputError: Something in it has no JSON form.
    """
    try:
        return json.dumps(
            body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys
        ).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    raise InvalidInputError("A setting, a tool or a message has no JSON form.")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _is_deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def healed(value: Any) -> Any:
    """Return the JSON *value* with surrogate pairs joined and a half of one shown as U+FFFD.

    Two pieces of a stream can hold one half each, and a model that is cut off can end with one.
    """
    if isinstance(value, str):
        if not _HALF_PAIR.search(value):
            return value
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {healed(name): healed(child) for name, child in value.items()}
    return [healed(child) for child in value] if isinstance(value, list) else value


@contextmanager
def reading(provider: str) -> Iterator[None]:
    """Turn what is found wrong inside into a `ModelResponseError` that shows nothing of the answer."""
    problem = None
    try:
        yield
    except ModelError:
        raise
    except ValidationError:
        problem = "It holds values no message can."
    except TractError as error:
        problem = error.message
    if problem is not None:
        raise ModelResponseError(f"The answer of {provider} cannot be read. {problem}", provider=provider)


def object_at(value: Any, path: str) -> dict[str, Any]:
    """Return *value* if it is a JSON object.

    Raises:
        FormatError: It is not.
    """
    if not isinstance(value, dict):
        raise FormatError("An object is expected.", path=path)
    return value


def list_at(value: Any, path: str) -> list[Any]:
    """Return *value* if it is a JSON list; none is an empty one.

    Raises:
        FormatError: It is neither.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError("A list is expected.", path=path)
    return value


def text_at(value: Any, path: str) -> str:
    """Return *value* if it is text; none is an empty one.

    Raises:
        FormatError: It is neither.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FormatError("Text is expected.", path=path)
    return value


def index_at(value: Any, path: str) -> int:
    """Return *value* if it can be the place of something in an answer.

    Raises:
        FormatError: It cannot.
    """
    if type(value) is not int or not 0 <= value < _MOST_PARTS:
        raise FormatError("An index is expected.", path=path)
    return value


# --- replies -------------------------------------------------------------------------------------


def turn_of(contents: Sequence[Content]) -> DialogueContent:
    """Return the assistant's turn among *contents* in its simplest form: one plain text is `text`.

    Raises:
        FormatError: There is not exactly one.
    """
    if len(contents) != 1 or not isinstance(contents[0], DialogueContent) or contents[0].role != "assistant":
        raise FormatError("One turn of the assistant is expected.")
    turn = contents[0]
    if len(turn.parts) == 1 and isinstance(turn.parts[0], TextPart) and not turn.parts[0].extra:
        extra = {owner: _unmarked(fields) for owner, fields in turn.extra.items()}
        extra = {owner: fields for owner, fields in extra.items() if fields}
        return turn.model_copy(update={"text": turn.parts[0].text, "parts": (), "extra": extra})
    return turn


def _unmarked(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if (name, value) != ("content", "list")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a codec found in an answer.

    Attributes:
        content: The assistant's turn.
        model: The model as the provider names it, `""` if it does not.
        usage: The usage object as the provider sent it.
        finish_reason: Why it ended.
    """

    content: DialogueContent
    model: str
    usage: Any
    finish_reason: FinishReason


def reply_of(found: Found, answer: Json, outgoing: Outgoing, *, format: Format) -> Reply:  # noqa: A002  # the field's name
    """Return the reply that holds what was *found* in *answer*.

    Raises:
        TractError: Something in it could not be committed.
    """
    model = found.model or outgoing.model
    check_label(model, "model")
    usage: Usage | None = None
    if found.usage:
        usage = read_usage({**object_at(found.usage, "usage"), "model": model})
    # Refused here, where nothing is written yet, and not by the commit.
    canonical_json(found.content.payload())
    return Reply(
        content=found.content,
        model=model,
        format=format,
        settings={**outgoing.settings, "model": model},
        usage=usage,
        finish_reason=found.finish_reason,
        sent=outgoing.body,
        raw=answer,
        losses=outgoing.losses,
        repairs=outgoing.repairs,
    )


def is_complete(arguments: Any) -> bool:
    """Say whether *arguments* are the whole text of a JSON object."""
    try:
        return isinstance(arguments, str) and isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False


def stream_error(codec: Codec, error: Any) -> ModelError:
    """Return what the *error* object of an event stands for, as if it had come with its HTTP status."""
    fields = error if isinstance(error, dict) else {}
    words = [word for name in ("type", "code", "status") if isinstance(word := fields.get(name), str)]
    known = [_STATUS[word] for word in words if word in _STATUS]
    code = fields.get("code")
    if type(code) is int and 400 <= code < 600:
        known.append(code)
    problem = codec.error(known[0] if known else 500, {}, json.dumps({"error": error}))
    if not known:
        problem.status = None
    return problem


# Which status each provider sends with these words.
_STATUS: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "RESOURCE_EXHAUSTED": 429,
    "api_error": 500,
    "server_error": 500,
    "UNAVAILABLE": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def arrived(received: Accumulator) -> DialogueContent | None:
    """Return what arrived of a stream that broke; `None` if that is nothing, or nothing that can be read."""
    try:
        return received.partial()
    except ModelResponseError:
        return None


def interrupted(content: DialogueContent) -> DialogueContent | None:
    """Return *content* marked as cut off, or `None` if it says nothing."""
    says = content.text or content.parts or content.tool_calls or content.reasoning
    return content.model_copy(update={"interrupted": True}) if says else None
