"""Makes an `LLM` of what people have: a client of ours, a plain function, or an instance of an official SDK's client.

SDKs are told by their shape, never imported.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tract.errors import (
    InvalidInputError,
    ModelConnectionError,
    ModelResponseError,
    ModelTimeoutError,
    TractError,
)
from tract.llm.openai_chat import OpenAIChat
from tract.llm.protocol import LLM, Format, Reply, Request, StreamItem
from tract.llm.replay import replayed
from tract.llm.sdk import from_sdk
from tract.llm.wire import Outgoing
from tract.objects.content import DialogueContent

ModelFunction: TypeAlias = Callable[..., Any]
"""`(messages, **options)` to a text, a chat message or a completion, sync or async."""


def as_llm(value: object, *, model: str | None = None) -> LLM:
    """Return *value* as a client.

    Args:
        value: An `LLM`; a client of the official `openai`, `anthropic` or `google-genai` SDK; or a function
            `(messages, **options)`, sync or async, that takes Chat Completions messages and returns text, a message
            or a completion.
        model: The model asked when a request names none, for a function or an SDK's client.

    Raises:
        InvalidInputError: It is none of these.
    """
    if isinstance(value, LLM) and not isinstance(value, type):
        return value
    found = from_sdk(value, model=model)
    if found is not None:
        return found
    if callable(value) and not isinstance(value, type):
        return FunctionLLM(value, model)
    raise InvalidInputError(
        f"A value of type {type(value).__name__} cannot be asked as a model.",
        hint="Give `HttpLLM(provider, model=...)`, a function `(messages, **options)`, or an SDK's client.",
    )


@dataclass(eq=False, slots=True)
class FunctionLLM:
    """A plain function as a client.

    It is called with Chat Completions messages and, of the model, the tools and the settings, what its signature takes.
    Its own exceptions come through as they are, but broken connections and timeouts as this package's errors.

    Attributes:
        function: The function, sync or async.
        model: The model it is told when the request names none.
    """

    function: ModelFunction
    model: str | None = None
    provider: str = "function"

    @property
    def format(self) -> Format:
        """`openai`: it is given Chat Completions messages."""
        return "openai"

    @property
    def base_url(self) -> str:
        """The name of the function with its module, which stands for an address: who answers, for a cache."""
        named = self.function if hasattr(self.function, "__qualname__") else type(self.function)
        return f"{named.__module__}.{named.__qualname__}"

    def __repr__(self) -> str:
        return f"<FunctionLLM {getattr(self.function, '__name__', type(self.function).__name__)}>"

    def prepare(self, request: Request, *, stream: bool = False) -> Outgoing:
        """Return what the function would be given."""
        del stream
        return _CODEC.body(request, model=request.model or self.model or "")

    def send(self, request: Request) -> Reply:
        """Call the function.

        Raises:
            InvalidInputError: It is async.
            ModelResponseError: It returned no answer.
        """
        outgoing = self.prepare(request)
        if _is_async(self.function):
            raise _async_only(self)
        answer = self._called(outgoing)
        if inspect.isawaitable(answer):
            close = getattr(answer, "close", None)
            if callable(close):
                close()
            raise _async_only(self)
        return self._reply(answer, outgoing)

    def stream(self, request: Request) -> Iterator[StreamItem]:
        """As `send`, in pieces."""
        yield from replayed(self.send(request))

    async def asend(self, request: Request) -> Reply:
        """As `send`; a sync function runs in a thread of its own."""
        outgoing = self.prepare(request)
        answer = self._called(outgoing) if _is_async(self.function) else await asyncio.to_thread(self._called, outgoing)
        if inspect.isawaitable(answer):
            answer = await self._awaited(answer)
        return self._reply(answer, outgoing)

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        """As `stream`."""
        for item in replayed(await self.asend(request)):
            yield item

    def _called(self, outgoing: Outgoing) -> Any:
        options = {name: value for name, value in outgoing.body.items() if name != "messages"}
        options = {**options, **outgoing.settings}
        options.pop("max_completion_tokens", None)
        if not outgoing.model:
            del options["model"]
        try:
            return self.function(outgoing.body["messages"], **_taken(self.function, options))
        except StopIteration as error:
            # Let out of a generator it would say nothing of where it came from.
            raise ModelResponseError("The function has nothing more to answer: it raised StopIteration.") from error
        except (ConnectionError, TimeoutError) as error:
            raise self._translated(error) from error

    async def _awaited(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except (ConnectionError, TimeoutError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, TractError):
            return error
        kind = ModelTimeoutError if isinstance(error, TimeoutError) else ModelConnectionError
        return kind(f"The model function failed ({type(error).__name__}).", provider=self.provider)

    def _reply(self, answer: Any, outgoing: Outgoing) -> Reply:
        if isinstance(answer, Reply):
            return answer
        completion = completion_of(answer)
        if completion is None:
            raise ModelResponseError(
                f"The model function returned a value of type {type(answer).__name__}.",
                provider=self.provider,
                hint='It returns text, or a message such as `{"role": "assistant", "content": "Hi."}`.',
            )
        reply = _CODEC.read(completion, outgoing)
        return replace(reply, provider=self.provider)


_CODEC = OpenAIChat("function", is_original=False)


def completion_of(answer: Any) -> dict[str, Any] | None:
    """Return *answer* as a `chat.completion`, or `None` if it is neither text nor message nor completion."""
    dump = getattr(answer, "model_dump", None)
    if callable(dump) and not isinstance(answer, (type, DialogueContent)):
        answer = dump(mode="json", exclude_unset=True)
    if isinstance(answer, str):
        answer = {"role": "assistant", "content": answer}
    if not isinstance(answer, Mapping):
        return None
    if "choices" in answer:
        return dict(answer)
    finish = "tool_calls" if answer.get("tool_calls") else "stop"
    return {"choices": [{"index": 0, "message": dict(answer), "finish_reason": finish}]}


def _is_async(function: ModelFunction) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _async_only(client: object) -> InvalidInputError:
    return InvalidInputError(f"{client!r} is async only.", hint="Await the async call, or give a sync client.")


def _taken(function: ModelFunction, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of *options* that *function* takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return options
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return options
    named = {p.name for p in list(parameters)[1:] if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}}
    return {name: value for name, value in options.items() if name in named}
