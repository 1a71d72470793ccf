"""What does the model answer next, and what goes wrong on the way?"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.providers.server.refusal import Json

# What breaks readers of streams: separators that end a line for `str.splitlines` and not for an event stream, both real
# line ends, a family joined by U+200D (pieces of three characters cut it), a flag, a combining accent, a false end.
AWKWARD_TEXT = (
    "a\u2028b\u2029c\r\nd\n\ne \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea e\u0301\u00a0\u0085"
    "data: [DONE]\n\n."
)

Stop = Literal["stop", "length", "filter"]


@dataclass(frozen=True, slots=True)
class Text:
    """Text said; *deltas* says how a stream cuts it, else it comes in pieces of three characters."""

    text: str
    deltas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thinking:
    """Thinking shown as text, or hidden (`redacted`)."""

    text: str
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; *arguments* is JSON text that is sent exactly so where the format has text there."""

    name: str
    arguments: str = "{}"
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model will not."""

    text: str


Part = Text | Thinking | Call | Refusal


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply of the model, before a vendor gives it its shape."""

    parts: tuple[Part, ...]
    stop: Stop = "stop"
    model: str | None = None

    def of(self, kind: type[Any]) -> list[Any]:
        return [part for part in self.parts if isinstance(part, kind)]

    def cuts(self) -> dict[str, tuple[str, ...]]:
        """Return how the texts are cut in a stream."""
        return {part.text: part.deltas for part in self.of(Text) if part.deltas}


Responder = Callable[[Json], Answer]


def echo(request: Json) -> Answer:
    """Answer with how many messages were received, as JSON if a schema asks for it."""
    schema = _schema_of(request)
    if schema is not None:
        return Answer((Text(json.dumps(sample(schema))),))
    said = request.get("messages") or request.get("contents") or request.get("input") or []
    return Answer((Text(f"Got {1 if isinstance(said, str) else len(said)}."),))


def _schema_of(request: Json) -> Json | None:
    """Return the schema of the answer that was asked for, in any of the four formats."""
    wanted = [
        ((request.get("response_format") or {}).get("json_schema") or {}).get("schema"),
        ((request.get("text") or {}).get("format") or {}).get("schema"),
        ((request.get("output_config") or {}).get("format") or {}).get("schema"),
        (request.get("generationConfig") or {}).get("responseSchema"),
        (request.get("generationConfig") or {}).get("responseJsonSchema"),
    ]
    return next((schema for schema in wanted if isinstance(schema, dict)), None)


def sample(schema: Json) -> Any:
    """Return some value that *schema* allows."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = str(schema.get("type", "object")).lower()
    if kind == "object":
        return {name: sample(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {"type": "string"}))]
    return {"string": "text", "integer": 1, "number": 0.5, "boolean": True}.get(kind)


class Script:
    """The answers to come, in order; when there is none, `default` answers."""

    def __init__(self) -> None:
        self.default: Responder = echo
        self._answers: deque[Answer | Responder] = deque()

    def answer(self, *parts: Part, stop: Stop = "stop", model: str | None = None) -> None:
        """Answer next with these parts in this order."""
        self._answers.append(Answer(tuple(parts), stop, model))

    def say(
        self,
        text: str,
        *,
        deltas: Sequence[str] = (),
        thinking: str | None = None,
        stop: Stop = "stop",
        model: str | None = None,
    ) -> None:
        """Answer next with *text*."""
        if deltas and "".join(deltas) != text:
            raise ValueError("The deltas must join to the text.")
        self.answer(*_thoughts(thinking), Text(text, tuple(deltas)), stop=stop, model=model)

    def call_tools(
        self, calls: Iterable[Call | Mapping[str, Any]], *, text: str | None = None, thinking: str | None = None
    ) -> None:
        """Answer next with these calls: `{"name": ..., "arguments": {...}, "id": ...}` or `Call`."""
        said = (Text(text),) if text else ()
        self.answer(*_thoughts(thinking), *said, *map(_call, calls))

    def refuse(self, text: str) -> None:
        """Answer next with a refusal, as far as the format has one."""
        self.answer(Refusal(text))

    def reply_with(self, responder: Responder) -> None:
        """Answer next with what *responder* makes of the request."""
        self._answers.append(responder)

    def peek(self, request: Json) -> Answer:
        """Return the next answer and leave it where it is, for a reply that will not arrive whole."""
        first = self._answers[0] if self._answers else self.default
        return first if isinstance(first, Answer) else first(request)

    def drop(self) -> None:
        """Forget the answer that was given."""
        if self._answers:
            self._answers.popleft()

    def __len__(self) -> int:
        return len(self._answers)


def _thoughts(thinking: str | None) -> tuple[Thinking, ...]:
    return () if thinking is None else (Thinking(thinking),)


def _call(call: Call | Mapping[str, Any]) -> Call:
    if isinstance(call, Call):
        return call
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return Call(call["name"], text, call.get("id"))


FaultKind = Literal[
    "status",
    "context",
    "quota",
    "slow",
    "close_before",
    "close_in_body",
    "close_in_stream",
    "end_stream_early",
    "error_in_stream",
    "bad_event_in_stream",
    "invalid_json",
    "html",
    "empty",
]
# The reply is made and does not arrive whole.
BREAKING = ("close_in_body", "close_in_stream", "end_stream_early", "error_in_stream", "bad_event_in_stream")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request.

    `status` and `context` (too long for the model) and `quota` (429 that no waiting cures) are answers of the vendor;
    `close_*` ends the connection, `end_stream_early` ends the answer in good order but too soon; the rest are answers
    that are late or broken. `after` counts the events of a stream that arrive before the fault; `seconds` is how late a
    slow answer is. What does not arrive whole leaves the script where it was.
    """

    kind: FaultKind
    status: int = 500
    message: str | None = None
    headers: Mapping[str, str] | None = None
    after: int = 3
    seconds: float = 0.0

    def breaks_answer(self) -> bool:
        """Say if the reply, though made, does not arrive whole."""
        return self.kind in BREAKING
