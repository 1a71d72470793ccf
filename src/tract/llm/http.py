"""Sends requests over HTTP: one client for every provider, sync, async and streamed.

The only module that knows `httpx`. What is sent and what an answer means is said by a `Codec`; whether to try
again by a `RetryPolicy`. The sync and the async driver differ in nothing but `await`.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Self

from tract.errors import (
    InvalidInputError,
    ModelConnectionError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    StreamBrokenError,
)
from tract.llm.protocol import Delta, Format, Reply, Request, StreamItem
from tract.llm.providers import Endpoint, endpoint, is_ready
from tract.llm.replay import replayed
from tract.llm.retry import RetryPolicy
from tract.llm.secret import Secret
from tract.llm.wire import Accumulator, Outgoing, arrived, encoded, parse_json

_CONNECT_SECONDS: Final = 10.0
_END: Final = "[DONE]"


@dataclass(eq=False)
class HttpLLM:
    """A client of a model API.

    Safe to share between threads; its async calls may run in any event loop, one after another or at once.
    The key is kept where neither `repr` nor a log, an error or a pickle shows it.

    Attributes:
        provider: `openai`, `openai_responses`, `anthropic`, `gemini`, `ollama`, or a name of one's own with the
            `base_url` of a server that speaks Chat Completions.
        model: The model asked when the request names none.
        api_key: The key; else the provider's usual environment variable.
        base_url: Where the provider is, if not at its usual address.
        timeout_seconds: How long to wait for the next bytes of an answer.
        headers: Further headers sent with each request.
        retry: When to try again.
        http_client: An `httpx.Client` to use; it is not closed with this client.
        async_http_client: An `httpx.AsyncClient` to use; it belongs to one event loop, as `httpx` says.

    Raises:
        AuthenticationError: There is no key, or one no header can hold.
        InvalidInputError: The provider or its URL is none.

    Example:
        >>> HttpLLM("ollama", model="llama3.2")
        <HttpLLM ollama llama3.2>
    """

    provider: str = "openai"
    _: KW_ONLY
    model: str | None = None
    api_key: str | Secret | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout_seconds: float = 600.0
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    http_client: Any = None
    async_http_client: Any = None

    def __post_init__(self) -> None:
        self._endpoint: Endpoint = endpoint(self.provider, api_key=self.api_key, base_url=self.base_url)
        # From here on the key is only where it is hidden.
        self.api_key = self._endpoint.key
        self.base_url = self._endpoint.base_url
        _check_options(self)
        self._lock = threading.Lock()
        self._own_client: Any = None
        self._process = os.getpid()
        self._own_async: weakref.WeakKeyDictionary[Any, _Lifetime] = weakref.WeakKeyDictionary()

    @classmethod
    def from_environment(cls, **models: str) -> Self | None:
        """Return a client of the first of these providers whose key is in the environment; `None` if no key is.

        Args:
            **models: The model to ask of each provider, the one liked best first. One that needs no key is ready as
                it is.

        Raises:
            AuthenticationError: The key is one no header can hold.
            InvalidInputError: A provider is unknown, or its model is no text.

        Example:
            >>> HttpLLM.from_environment(ollama="llama3.2")
            <HttpLLM ollama llama3.2>
        """
        if not models or not all(isinstance(model, str) and model for model in models.values()):
            raise InvalidInputError(
                "Each provider is named with its model.", hint="Such as `HttpLLM.from_environment(openai='gpt-5')`."
            )
        ready = [provider for provider in models if is_ready(provider)]
        return cls(ready[0], model=models[ready[0]]) if ready else None

    @property
    def format(self) -> Format:
        """The wire format it speaks."""
        return self._endpoint.codec.format

    def __repr__(self) -> str:
        return f"<HttpLLM {self.provider} {self.model or '?'}>"

    def prepare(self, request: Request, *, stream: bool = False) -> Outgoing:
        """Return what would be sent.

        Raises:
            InvalidInputError: Neither the request nor the client names a model, or a setting is none.
        """
        model = request.model or self.model
        if not isinstance(model, str) or not model:
            raise InvalidInputError("No model is named.", hint="Give `model` with the call or to the client.")
        return self._endpoint.codec.body(request, model=model, stream=stream)

    # --- sync

    def send(self, request: Request) -> Reply:
        """Ask, and return the answer.

        Raises:
            ModelError: The provider refused, failed, or answered what cannot be read.
        """
        call = self._call(request, stream=False)
        client = self._client()
        return self.retry.run(lambda left: _send(client, call, left))

    def stream(self, request: Request) -> Iterator[StreamItem]:
        """Ask, and yield the answer as it comes; the last item is the `Reply`.

        Raises:
            StreamBrokenError: It broke off; what arrived is in `partial`.
            ModelError: As for `send`.
        """
        call = self._call(request, stream=True)
        client = self._client()
        opened = self.retry.run(lambda left: _open(client, call, left))
        try:
            yield from _items(call, opened)
        finally:
            opened.response.close()

    def close(self) -> None:
        """Close the connections of sync calls; the next call opens new ones."""
        with self._lock:
            client, self._own_client = self._own_client, None
        if client is not None:
            _close_in(self._process, client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # --- async

    async def asend(self, request: Request) -> Reply:
        """As `send`."""
        call = self._call(request, stream=False)
        client = await self._async_client()
        return await self.retry.arun(lambda left: _asend(client, call, left))

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        """As `stream`."""
        call = self._call(request, stream=True)
        client = await self._async_client()
        opened = await self.retry.arun(lambda left: _aopen(client, call, left))
        try:
            async with aclosing(_aitems(call, opened)) as items:
                async for item in items:
                    yield item
        finally:
            await opened.aclose()

    async def aclose(self) -> None:
        """Close the connections of async calls in this event loop, and those of sync calls."""
        lifetime = self._own_async.pop(asyncio.get_running_loop(), None)
        if lifetime is not None:
            await lifetime.end()
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- what both need

    def _call(self, request: Request, *, stream: bool) -> _Call:
        outgoing = self.prepare(request, stream=stream)
        key = self._endpoint.key
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if stream else "application/json",
            **self.headers,
            **self._endpoint.codec.headers(key.reveal() if key else None),
        }
        return _Call(self._endpoint, outgoing, headers, encoded(outgoing.body), self.timeout_seconds)

    def _client(self) -> Any:
        if self.http_client is not None:
            return _still_open(self.http_client)
        import httpx

        with self._lock:
            # A forked child must not speak on its parent's connections, nor close them.
            if self._own_client is None or self._process != os.getpid():
                self._own_client, self._process = httpx.Client(), os.getpid()
                # Nobody has to close this client: its sockets go with it.
                weakref.finalize(self, _close_in, self._process, self._own_client)
            return self._own_client

    async def _async_client(self) -> Any:
        if self.async_http_client is not None:
            return _still_open(self.async_http_client)
        loop = asyncio.get_running_loop()
        with self._lock:
            lifetime = self._own_async.get(loop)
            if lifetime is None:
                lifetime = self._own_async[loop] = _Lifetime()
        await lifetime.begin()
        return lifetime.client


def _close_in(process: int, client: Any) -> None:
    if process == os.getpid():
        client.close()


def _check_options(client: HttpLLM) -> None:
    seconds = client.timeout_seconds
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds < float("inf"):
        raise InvalidInputError("`timeout_seconds` is a positive number.")
    if not isinstance(client.retry, RetryPolicy):
        raise InvalidInputError("`retry` is a RetryPolicy.")
    headers = client.headers
    pairs = headers.items() if isinstance(headers, Mapping) else [(None, None)]
    if not all(isinstance(text, str) and text.isascii() and text.isprintable() for pair in pairs for text in pair):
        raise InvalidInputError("`headers` maps names to values, both printable ASCII.")
    for name, is_async in (("http_client", False), ("async_http_client", True)):
        given = getattr(client, name)
        sends = getattr(given, "send", None)
        if given is not None and not (callable(sends) and inspect.iscoroutinefunction(sends) is is_async):
            raise InvalidInputError(f"`{name}` is an `httpx.{'AsyncClient' if is_async else 'Client'}`.")


def _still_open(client: Any) -> Any:
    if getattr(client, "is_closed", False):
        raise InvalidInputError("The HTTP client given is closed.")
    return client


class _Lifetime:
    """An async HTTP client that is closed with its event loop.

    A loop closes the async generators it knows before it ends, and nothing else of ours; so a suspended one
    holds the client. Without it each `asyncio.run` would leave open sockets behind.
    """

    def __init__(self) -> None:
        import httpx

        self.client = httpx.AsyncClient()
        self._holder = self._hold()
        self._is_begun = False

    async def begin(self) -> None:
        if not self._is_begun:
            self._is_begun = True
            await anext(self._holder)

    async def end(self) -> None:
        await self._holder.aclose()
        await self.client.aclose()

    async def _hold(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.client.aclose()


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """One request, ready to send, as often as it takes. It holds the key and is never shown."""

    endpoint: Endpoint
    outgoing: Outgoing
    headers: Mapping[str, str]
    content: bytes
    timeout_seconds: float

    @property
    def provider(self) -> str:
        return self.endpoint.provider

    def options(self, left: float | None) -> dict[str, Any]:
        """Return the arguments of the HTTP client, waiting no longer than *left* seconds."""
        import httpx

        seconds = self.timeout_seconds if left is None else min(self.timeout_seconds, left)
        return {
            "method": "POST",
            "url": f"{self.endpoint.base_url}/{self.outgoing.path}",
            "headers": self.headers,
            "content": self.content,
            "timeout": httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
        }

    def unsent(self, error: Exception) -> ModelError:
        """Return the error of this package for one of the HTTP client's."""
        import httpx

        name = type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            return ModelTimeoutError(f"{self.provider} did not answer in time ({name}).", provider=self.provider)
        if isinstance(error, httpx.DecodingError):
            return ModelResponseError(f"{self.provider} answered damaged bytes.", provider=self.provider)
        said = self._clean(" ".join(str(error).split()))
        return ModelConnectionError(
            f"{self.provider} could not be reached ({name}: {said[:200]}).", provider=self.provider
        )

    def refused(self, response: Any) -> ModelError:
        """Return the error for an answer whose status is no success; its body is read."""
        return self.endpoint.codec.error(response.status_code, response.headers, self._clean(response.text))

    def reply(self, response: Any) -> Reply:
        """Return the reply in a complete answer; its body is read."""
        answer = parse_json(self._clean(response.text), self.provider)
        return self.named(self.endpoint.codec.read(answer, self.outgoing))

    def named(self, reply: Reply) -> Reply:
        return replace(reply, provider=self.provider)

    def event(self, received: Accumulator, sse: Any) -> list[Delta]:
        """Return what one server-sent event adds; one without data is a sign of life only."""
        if not sse.data:
            return []
        data = None if sse.data.strip() == _END else parse_json(self._clean(sse.data), self.provider)
        return received.feed(sse.event, data)

    def broken(self, error: ModelError, received: Accumulator) -> ModelError:
        """Return the error for a stream that failed after it had begun, with what arrived."""
        if not error.is_transient or isinstance(error, StreamBrokenError):
            return error
        return StreamBrokenError(
            f"The answer of {self.provider} broke off. {error.message}",
            partial=arrived(received),
            provider=self.provider,
            status=error.status,
        )

    def empty(self) -> ModelError:
        """Return the error for a stream that ended before it began."""
        return StreamBrokenError(f"{self.provider} ended the stream before it began.", provider=self.provider)

    def _clean(self, text: str) -> str:
        key = self.endpoint.key
        return key.hide_in(text) if key else text


@dataclass(slots=True, repr=False)
class _Opened:
    """A stream whose first event has arrived.

    `whole` is the reply where the server answered in one piece instead.
    """

    response: Any
    events: Any = None
    received: Any = None
    first: list[Delta] = field(default_factory=list)
    whole: Reply | None = None

    async def aclose(self) -> None:
        if self.events is not None:
            await self.events.aclose()
        await self.response.aclose()


# --- the sync driver -----------------------------------------------------------------------------
# An error of httpx holds the request and so the key. It must not be the context of the one raised, so each
# is raised only after the `except` that caught its cause.


def _send(client: Any, call: _Call, left: float | None) -> Reply:
    import httpx

    try:
        response = client.request(**call.options(left))
    except httpx.HTTPError as error:
        problem = call.unsent(error)
    else:
        if response.is_success:
            return call.reply(response)
        problem = call.refused(response)
    raise problem


def _open(client: Any, call: _Call, left: float | None) -> _Opened:
    import httpx

    response = None
    try:
        response = client.send(client.build_request(**call.options(left)), stream=True)
        opened = _begin(call, response)
    except httpx.HTTPError as error:
        problem: ModelError = call.unsent(error)
    except BaseException:
        if response is not None:
            response.close()
        raise
    else:
        return opened
    if response is not None:
        response.close()
    raise problem


def _begin(call: _Call, response: Any) -> _Opened:
    import httpx_sse

    if not response.is_success:
        response.read()
        raise call.refused(response)
    if not _is_stream(response):
        response.read()
        return _Opened(response, whole=call.reply(response))
    opened = _Opened(response, httpx_sse.EventSource(response).iter_sse(), call.endpoint.codec.stream(call.outgoing))
    sse = next(opened.events, None)
    if sse is None:
        raise call.empty()
    opened.first = call.event(opened.received, sse)
    return opened


def _items(call: _Call, opened: _Opened) -> Iterator[StreamItem]:
    import httpx

    if opened.whole is not None:
        yield from replayed(opened.whole)
        return
    received = opened.received
    yield from opened.first
    problem: ModelError | None = None
    try:
        while not received.is_done and (sse := next(opened.events, None)) is not None:
            yield from call.event(received, sse)
    except httpx.HTTPError as error:
        problem = None if received.is_whole else call.broken(call.unsent(error), received)
    except ModelError as error:
        problem = call.broken(error, received)
    if problem is not None:
        raise problem
    yield call.named(received.finish())


def _is_stream(response: Any) -> bool:
    # Without a charset httpx guesses; server-sent events are UTF-8 by definition.
    response.encoding = "utf-8"
    return "text/event-stream" in response.headers.get("content-type", "")


# --- the async driver ----------------------------------------------------------------------------


async def _asend(client: Any, call: _Call, left: float | None) -> Reply:
    import httpx

    try:
        response = await client.request(**call.options(left))
    except httpx.HTTPError as error:
        problem = call.unsent(error)
    else:
        if response.is_success:
            return call.reply(response)
        problem = call.refused(response)
    raise problem


async def _aopen(client: Any, call: _Call, left: float | None) -> _Opened:
    import httpx

    response = None
    try:
        response = await client.send(client.build_request(**call.options(left)), stream=True)
        opened = await _abegin(call, response)
    except httpx.HTTPError as error:
        problem: ModelError = call.unsent(error)
    except BaseException:
        if response is not None:
            await response.aclose()
        raise
    else:
        return opened
    if response is not None:
        await response.aclose()
    raise problem


async def _abegin(call: _Call, response: Any) -> _Opened:
    import httpx_sse

    if not response.is_success:
        await response.aread()
        raise call.refused(response)
    if not _is_stream(response):
        await response.aread()
        return _Opened(response, whole=call.reply(response))
    opened = _Opened(response, httpx_sse.EventSource(response).aiter_sse(), call.endpoint.codec.stream(call.outgoing))
    sse = await anext(opened.events, None)
    if sse is None:
        raise call.empty()
    opened.first = call.event(opened.received, sse)
    return opened


async def _aitems(call: _Call, opened: _Opened) -> AsyncGenerator[StreamItem]:
    import httpx

    if opened.whole is not None:
        for item in replayed(opened.whole):
            yield item
        return
    received = opened.received
    for delta in opened.first:
        yield delta
    problem: ModelError | None = None
    try:
        while not received.is_done and (sse := await anext(opened.events, None)) is not None:
            for delta in call.event(received, sse):
                yield delta
    except httpx.HTTPError as error:
        problem = None if received.is_whole else call.broken(call.unsent(error), received)
    except ModelError as error:
        problem = call.broken(error, received)
    if problem is not None:
        raise problem
    yield call.named(received.finish())
