"""Answers what a model is asked and what it answers, whichever provider it is.

Every client has the four calls of `LLM`. Conversation, merge and compress know nothing else of a provider.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

from tract.formats.report import Loss, Repair
from tract.objects.content import DialogueContent
from tract.objects.message import Message, ToolCall
from tract.objects.usage import Usage

Format: TypeAlias = Literal["openai", "openai_responses", "anthropic", "gemini"]
"""The wire format a client speaks; the names `CompiledContext.report` takes."""

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "refusal", "other"]

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a model is asked.

    Attributes:
        messages: The compiled messages, in order, already without what must not be sent.
        hashes: Commit hash of each message; ids that are missing are derived from it.
        model: Name of the model, or `None` for the client's own.
        tools: Definitions in OpenAI's or Anthropic's shape.
        settings: Generation settings by the names of `GenerationConfig`, and any option only the provider knows.
        breakpoints: Indexes of messages after which a stable prefix ends, at most 4; a provider that is told what
            to cache (Anthropic) is told there.
        proven: Returns the same question as it may be sent in another format, which may have to leave out other
            reasoning; `None` if the messages are all that is known.
    """

    messages: Sequence[Message]
    hashes: Sequence[str] | None = None
    model: str | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    breakpoints: Sequence[int] = ()
    proven: Callable[[Format], Request] | None = field(default=None, compare=False)

    def spoken(self, format: Format) -> Request:  # noqa: A002  # the field's name
        """Return the same question to the same model, as it is asked in *format*."""
        if self.proven is None:
            return self
        other = self.proven(format)
        return replace(self, messages=other.messages, hashes=other.hashes, breakpoints=other.breakpoints)

    def __repr__(self) -> str:
        return f"<Request {self.model or '?'} messages={len(self.messages)} tools={len(self.tools)}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered.

    Attributes:
        content: The assistant's turn, ready to commit; reasoning blocks are byte-exact.
        model: The model that answered, as the provider names it.
        settings: The settings that were really sent, by the names of `GenerationConfig`, `model` as answered.
        usage: What the call cost in tokens, or `None` if the provider did not say.
        finish_reason: Why it ended.
        sent: The body of the request as it was sent, without keys.
        raw: The answer as the provider sent it.
        losses: What of the messages the format could not carry.
        repairs: What was changed so that the provider takes the messages.
        format: The wire format spoken.
        provider: Who answered, such as `openai` or `ollama`.
    """

    content: DialogueContent
    model: str
    format: Format
    settings: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    finish_reason: FinishReason = "stop"
    sent: Mapping[str, Any] = field(default_factory=dict, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    losses: tuple[Loss, ...] = ()
    repairs: tuple[Repair, ...] = ()
    provider: str = ""

    @property
    def text(self) -> str:
        """The text of the turn; `""` if it has none."""
        content = self.content
        if content.text is not None:
            return content.text
        return "\n".join(part.text for part in content.parts if part.type == "text")

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls the model made, in order."""
        return self.content.tool_calls + tuple(part for part in self.content.parts if isinstance(part, ToolCall))

    def __repr__(self) -> str:
        return f"<Reply {self.model} {self.finish_reason}>"


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of readable reasoning; for display only, the block itself comes with the `Reply`."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call.

    Attributes:
        index: Which call of the turn, from 0.
        id: Id of the call, in its first piece.
        name: Name of the tool, in its first piece.
        arguments: The next piece of the argument text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta
StreamItem: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Reply
"""What a stream yields: deltas, and the whole `Reply` as its last item."""


@runtime_checkable
class LLM(Protocol):
    """A client of one model API. Safe to share between threads; async calls may run in any event loop."""

    @property
    def format(self) -> Format:
        """The wire format it speaks."""
        ...

    @property
    def model(self) -> str | None:
        """The model asked when the request names none."""
        ...

    @property
    def provider(self) -> str:
        """Who answers, for the log and for errors, such as `openai` or `ollama`."""
        ...

    def send(self, request: Request) -> Reply:
        """Ask, and return the answer.

        Raises:
            ModelError: The provider refused, failed, or answered what cannot be read.
        """
        ...

    def stream(self, request: Request) -> Iterator[StreamItem]:
        """Ask, and yield the answer as it comes; the last item is the `Reply`.

        Raises:
            StreamBrokenError: It broke off; what arrived is in `partial`.
            ModelError: As for `send`.
        """
        ...

    async def asend(self, request: Request) -> Reply:
        """As `send`."""
        ...

    def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        """As `stream`."""
        ...
