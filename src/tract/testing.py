"""Answers for tests: a model that says what a script says, without a network.

Part of the public API: agents built on tract are tested with it as tract itself is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from pydantic import ValidationError

from tract.errors import InvalidInputError, ModelError
from tract.llm.adapt import completion_of
from tract.llm.openai_chat import OpenAIChat
from tract.llm.protocol import FinishReason, Format, Reply, Request, StreamItem
from tract.llm.providers import codec_for
from tract.llm.replay import replayed
from tract.llm.wire import Outgoing
from tract.objects.content import DialogueContent, invalid_content
from tract.objects.message import ToolCall
from tract.objects.usage import Usage

__all__ = ["ScriptedLLM"]

Answer: TypeAlias = (
    str
    | ToolCall
    | Sequence[ToolCall]
    | Mapping[str, Any]
    | DialogueContent
    | Reply
    | BaseException
    | Callable[..., Any]
)


class ScriptedLLM:
    """A model that answers from a script, in order, and remembers what it was asked.

    Safe to share between threads: each call takes the next answer.

    Attributes:
        requests: Every request it got, in order.
        format: The wire format its requests are rendered in.
        model: The model it says it is.
        provider: `scripted`.

    Example:
        >>> llm = ScriptedLLM(["Hello."])
        >>> llm.send(Request(messages=())).text
        'Hello.'
    """

    provider = "scripted"

    def __init__(
        self,
        script: Iterable[Answer] = (),
        *,
        model: str = "scripted",
        format: Format = "openai",  # noqa: A002  # the field's name
        usage: Usage | None = None,
        piece_characters: int = 4,
    ) -> None:
        """Take the answers.

        Args:
            script: Each a text, a `ToolCall` or several, a Chat Completions message, a `DialogueContent`, a `Reply`,
                an exception to raise, or a function of the `Request` that returns one of these.
            model: The model it says it is.
            format: The wire format its requests are rendered in.
            usage: What each call is said to have cost.
            piece_characters: How long the pieces of a stream are.
        """
        if isinstance(script, str) or not isinstance(script, Iterable):
            raise InvalidInputError("A script is a list of answers.", hint='Such as `ScriptedLLM(["Hello."])`.')
        self.format: Format = format
        self.model: str | None = model
        self.requests: list[Request] = []
        self._codec = codec_for(format, self.provider)
        self._script: list[Answer] = list(script)
        self._usage = usage
        self._piece_characters = piece_characters
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        """How often it was asked."""
        return len(self.requests)

    @property
    def remaining(self) -> int:
        """How many answers are left."""
        return len(self._script)

    def add(self, *answers: Answer) -> None:
        """Put further *answers* at the end of the script."""
        with self._lock:
            self._script.extend(answers)

    def __repr__(self) -> str:
        return f"<ScriptedLLM {self.model} calls={self.calls} remaining={self.remaining}>"

    def send(self, request: Request) -> Reply:
        """Return the next answer.

        Raises:
            ModelError: The script is at its end, or says so.
        """
        with self._lock:
            self.requests.append(request)
            if not self._script:
                raise ModelError(
                    f"The script has no answer for call {len(self.requests)}.",
                    provider=self.provider,
                    hint="Give the scripted model one answer for each call.",
                )
            answer = self._script.pop(0)
        return self._reply(answer, request)

    def stream(self, request: Request) -> Iterator[StreamItem]:
        """As `send`, in small pieces."""
        yield from replayed(self.send(request), piece_characters=self._piece_characters)

    async def asend(self, request: Request) -> Reply:
        """As `send`."""
        # A real call gives others their turn, so this one does as well.
        await asyncio.sleep(0)
        return self.send(request)

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        """As `stream`."""
        for item in self.stream(request):
            await asyncio.sleep(0)
            yield item

    def prepare(self, request: Request, *, stream: bool = False) -> Outgoing:
        """Return what a client of this format would send."""
        return self._codec.body(request, model=request.model or self.model or "scripted", stream=stream)

    def _reply(self, answer: Any, request: Request) -> Reply:
        if isinstance(answer, BaseException) or (isinstance(answer, type) and issubclass(answer, BaseException)):
            raise answer
        if callable(answer) and not isinstance(answer, (DialogueContent, Reply)):
            return self._reply(answer(request), request)
        if isinstance(answer, Reply):
            return answer
        outgoing = self.prepare(request)
        content, raw = _turn(answer, outgoing)
        calls = (*content.tool_calls, *(part for part in content.parts if isinstance(part, ToolCall)))
        finish: FinishReason = "tool_calls" if calls else "stop"
        return Reply(
            content=content,
            model=outgoing.model,
            format=self.format,
            settings={**outgoing.settings, "model": outgoing.model},
            usage=None if self._usage is None else replace(self._usage, model=outgoing.model),
            finish_reason=finish,
            sent=outgoing.body,
            raw=raw,
            losses=outgoing.losses,
            repairs=outgoing.repairs,
            provider=self.provider,
        )


def _turn(answer: Any, outgoing: Outgoing) -> tuple[DialogueContent, Mapping[str, Any]]:
    if isinstance(answer, DialogueContent):
        return answer, {}
    if isinstance(answer, ToolCall):
        answer = [answer]
    if isinstance(answer, (list, tuple)) and answer and all(isinstance(call, ToolCall) for call in answer):
        return _calling(tuple(answer)), {}
    completion = completion_of(answer)
    if completion is None:
        raise InvalidInputError(f"A value of type {type(answer).__name__} is no answer of a script.")
    reply = OpenAIChat("scripted").read(completion, outgoing)
    return reply.content, reply.raw


def _calling(calls: tuple[ToolCall, ...]) -> DialogueContent:
    try:
        return DialogueContent(role="assistant", tool_calls=calls)
    except ValidationError as error:
        raise invalid_content("dialogue", error) from error
