"""Asks through a client of an official SDK: `openai`, `anthropic` or `google-genai`, sync or async.

The SDKs are never imported; a client is known by its methods. What is sent and what the answer means is said by the
same codecs as over HTTP; keys, retries and connections stay the client's own.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from tract.errors import (
    InvalidInputError,
    ModelConnectionError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    StreamBrokenError,
    TractError,
)
from tract.llm.protocol import Delta, Format, Reply, Request, StreamItem
from tract.llm.providers import codec_for
from tract.llm.secret import Secret
from tract.llm.wire import Accumulator, Codec, Outgoing, arrived

Value = TypeVar("Value")

_END: Final = object()


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one SDK is asked.

    Attributes:
        format: The wire format it speaks.
        path: The method that asks; another one that streams, if there is one.
        required: What of a body the method wants by name; the rest goes into the body as it is.
    """

    format: Format
    path: str
    required: tuple[str, ...] = ()


_CHAT: Final = _Shape("openai", "chat.completions.create", ("model", "messages"))
_MESSAGES: Final = _Shape("anthropic", "messages.create", ("model", "messages", "max_tokens"))
_CONTENTS: Final = _Shape("gemini", "models.generate_content")
_SHAPES: Final = (_CHAT, _CONTENTS, _MESSAGES)


def from_sdk(client: object, *, model: str | None = None) -> SdkLLM | None:
    """Return the client of an official SDK as one of ours, or `None` if it is none."""
    if isinstance(client, type):
        return None
    shape = next((shape for shape in _SHAPES if callable(_method(client, shape.path))), None)
    return None if shape is None else SdkLLM(client, shape, model)


def _method(client: object, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name, None)
    return client


@dataclass(eq=False, slots=True)
class SdkLLM:
    """A client of an official SDK as an `LLM`.

    A sync client asked by an async call runs in a thread of its own; an async client cannot be asked by a sync call.

    Attributes:
        client: The SDK's client.
        model: The model asked when the request names none.
    """

    client: Any
    shape: _Shape
    model: str | None = None

    @property
    def format(self) -> Format:
        """The wire format the SDK speaks."""
        return self.shape.format

    @property
    def provider(self) -> str:
        """`openai`, `anthropic` or `gemini`."""
        return self.shape.format

    @property
    def base_url(self) -> str | None:
        """Where the client sends, if it says."""
        url = getattr(self.client, "base_url", None)
        return str(url).rstrip("/") if url is not None else None

    def __repr__(self) -> str:
        return f"<SdkLLM {type(self.client).__name__} {self.model or '?'}>"

    def prepare(self, request: Request, *, stream: bool = False) -> Outgoing:
        """Return what would be sent.

        Raises:
            InvalidInputError: No model is named, or a setting is none.
        """
        model = request.model or self.model
        if not isinstance(model, str) or not model:
            raise InvalidInputError("No model is named.", hint="Give `model` with the call or to the client.")
        return self._codec.body(request, model=model, stream=stream)

    # --- sync

    def send(self, request: Request) -> Reply:
        """Ask, and return the answer.

        Raises:
            InvalidInputError: The client is async.
            ModelError: The provider refused, failed, or answered what cannot be read.
        """
        outgoing = self.prepare(request)
        ask = self._asked(outgoing, stream=False, is_async=False)
        return self._reply(self._guarded(ask), outgoing)

    def stream(self, request: Request) -> Iterator[StreamItem]:
        """Ask, and yield the answer as it comes; the last item is the `Reply`.

        Raises:
            StreamBrokenError: It broke off; what arrived is in `partial`.
            ModelError: As for `send`.
        """
        outgoing = self.prepare(request, stream=True)
        ask = self._asked(outgoing, stream=True, is_async=False)
        source = self._guarded(ask)
        events = iter(source)
        received = self._codec.stream(outgoing)
        try:
            while (event := self._next(lambda: next(events, _END), received)) is not _END:
                yield from self._fed(received, event)
            yield self._finished(received)
        finally:
            _close(source)

    # --- async

    async def asend(self, request: Request) -> Reply:
        """As `send`."""
        outgoing = self.prepare(request)
        ask = self._asked(outgoing, stream=False, is_async=True)
        return self._reply(await self._aguarded(ask), outgoing)

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        """As `stream`."""
        outgoing = self.prepare(request, stream=True)
        ask = self._asked(outgoing, stream=True, is_async=True)
        source = await self._aguarded(ask)
        received = self._codec.stream(outgoing)
        try:
            following = _following(source)
            while (event := await self._anext(following, received)) is not _END:
                for delta in self._fed(received, event):
                    yield delta
            yield self._finished(received)
        finally:
            await _aclose(source)

    # --- asking

    @property
    def _codec(self) -> Codec:
        return codec_for(self.shape.format, self.provider, base_url=self.base_url)

    def _asked(self, outgoing: Outgoing, *, stream: bool, is_async: bool) -> Callable[[], Any]:
        """Return what asks; an awaitable comes of it where the client is async."""
        if self.shape is _CONTENTS:
            # The SDK would read bytes and names its own way; so it is given only what it must have.
            options = {"http_options": {"extra_body": outgoing.body}}
            owner = self.client.aio.models if is_async else self.client.models
            ask = owner.generate_content_stream if stream else owner.generate_content
            return lambda: ask(model=outgoing.model, contents="-", config=options)
        create = _method(self.client, self.shape.path)
        if _is_async(self.client) and not is_async:
            raise InvalidInputError(
                f"{type(self.client).__name__} is async only.", hint="Await the async call, or give a sync client."
            )
        named = {name: outgoing.body[name] for name in self.shape.required}
        rest = {name: value for name, value in outgoing.body.items() if name not in {*named, "stream"}}
        return lambda: create(**named, stream=stream, extra_body=rest)

    def _guarded(self, ask: Callable[[], Value]) -> Value:
        """Return what *ask* returns; whatever an SDK raises becomes an error of ours, without its request."""
        try:
            return ask()
        except Exception as error:  # noqa: BLE001  # an SDK may raise anything, and its errors hold the key
            problem = self._translated(error)
        raise problem

    async def _aguarded(self, ask: Callable[[], Any]) -> Any:
        try:
            # A client whose answer is awaitable does its work when awaited; a sync one does it in the call.
            if self.shape is _CONTENTS or _is_async(self.client):
                answer = ask()
                return await answer if inspect.isawaitable(answer) else answer
            return await asyncio.to_thread(ask)
        except Exception as error:  # noqa: BLE001  # as above
            problem = self._translated(error)
        raise problem

    # --- reading

    def _reply(self, answer: Any, outgoing: Outgoing) -> Reply:
        return replace(self._codec.read(_json(answer), outgoing), provider=self.provider)

    def _next(self, step: Callable[[], Any], received: Accumulator) -> Any:
        try:
            return step()
        except Exception as error:  # noqa: BLE001  # as above
            problem = self._broken(self._translated(error), received)
        if received.is_whole and isinstance(problem, ModelConnectionError):
            return _END
        raise problem

    async def _anext(self, following: Callable[[], Any], received: Accumulator) -> Any:
        try:
            return await following()
        except Exception as error:  # noqa: BLE001  # as above
            problem = self._broken(self._translated(error), received)
        if received.is_whole and isinstance(problem, ModelConnectionError):
            return _END
        raise problem

    def _fed(self, received: Accumulator, event: Any) -> list[Delta]:
        try:
            return received.feed("", _json(event))
        except ModelError as error:
            problem = self._broken(error, received)
        raise problem

    def _finished(self, received: Accumulator) -> Reply:
        return replace(received.finish(), provider=self.provider)

    def _broken(self, error: Exception, received: Accumulator) -> Exception:
        partial = arrived(received)
        if not isinstance(error, ModelError) or not error.is_transient or isinstance(error, StreamBrokenError):
            return error
        if partial is None:
            return error
        return StreamBrokenError(
            f"The answer of {self.provider} broke off. {error.message}",
            partial=partial,
            provider=self.provider,
            status=error.status,
        )

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, TractError):
            return error
        status = _status(error)
        if status is not None:
            response = getattr(error, "response", None)
            headers = getattr(response, "headers", None)
            return self._codec.error(status, dict(headers) if isinstance(headers, Mapping) else {}, self._body(error))
        kinds = {kind.__name__ for kind in type(error).__mro__}
        name = type(error).__name__
        if kinds & {"APITimeoutError", "TimeoutException", "TimeoutError"}:
            return ModelTimeoutError(f"{self.provider} did not answer in time ({name}).", provider=self.provider)
        if kinds & {"APIConnectionError", "TransportError", "ConnectionError"}:
            return ModelConnectionError(f"{self.provider} could not be reached ({name}).", provider=self.provider)
        if kinds & {"APIError", "ValidationError", "JSONDecodeError", "UnknownApiResponseError", "DecodingError"}:
            return ModelResponseError(f"The answer of {self.provider} cannot be read ({name}).", provider=self.provider)
        return ModelError(f"The client of {self.provider} failed ({name}).", provider=self.provider)

    def _body(self, error: Exception) -> str:
        """Return the body of the answer that *error* stands for, without the client's key."""
        given = getattr(error, "body", None) or getattr(error, "details", None)
        if isinstance(given, (dict, list)):
            # OpenAI's SDK takes the error out of its envelope.
            text = json.dumps(given if not isinstance(given, dict) or "error" in given else {"error": given})
        else:
            text = str(getattr(error, "message", ""))
        key = getattr(self.client, "api_key", None)
        return Secret(key).hide_in(text) if isinstance(key, str) and key.strip() else text


def _is_async(client: object) -> bool:
    # The methods of async clients are wrapped, so only the name of the class tells.
    return any(kind.__name__.startswith("Async") for kind in type(client).__mro__)


def _status(error: Exception) -> int | None:
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if type(value) is int and 100 <= value < 600:
            return value
    return None


# --- answers as JSON -----------------------------------------------------------------------------


def _json(answer: Any) -> Any:
    """Return an SDK's object as the JSON it was made of."""
    dump = getattr(answer, "model_dump", None)
    if not callable(dump) or isinstance(answer, type):
        return answer
    is_gemini = hasattr(answer, "sdk_http_response")
    value = dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
    return _gemini_json(value) if is_gemini else value


# Not part of the answer: added by the SDK to what came.
_ADDED: Final = frozenset({"sdkHttpResponse", "automaticFunctionCallingHistory", "parsed"})
_BYTES: Final = frozenset({"thoughtSignature", "data"})


def _gemini_json(value: Any) -> Any:
    """Return *value* with bytes in the base64 of the API, which the SDK writes in the alphabet for URLs."""
    if isinstance(value, dict):
        return {name: _gemini_field(name, child) for name, child in value.items() if _is_said(name, child)}
    return [_gemini_json(child) for child in value] if isinstance(value, list) else value


def _is_said(name: str, child: Any) -> bool:
    return child is not None and name not in _ADDED


def _gemini_field(name: str, child: Any) -> Any:
    if name in _BYTES and isinstance(child, str):
        return child.replace("-", "+").replace("_", "/")
    # What the model wrote is nobody's to change.
    return child if name == "args" else _gemini_json(child)


# --- streams -------------------------------------------------------------------------------------


def _following(source: Any) -> Callable[[], Any]:
    """Return what gives the next event of a sync or an async stream, in async code."""
    if hasattr(source, "__aiter__"):
        events = source.__aiter__()

        async def following() -> Any:
            return await anext(events, _END)

        return following
    waiting = iter(source)

    async def threaded() -> Any:
        return await asyncio.to_thread(next, waiting, _END)

    return threaded


def _close(source: Any) -> None:
    close = getattr(source, "close", None)
    if callable(close):
        close()


async def _aclose(source: Any) -> None:
    close = getattr(source, "aclose", None) or getattr(source, "close", None)
    if callable(close):
        closed = close()
        if inspect.isawaitable(closed):
            await closed
