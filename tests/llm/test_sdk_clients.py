"""Clients of the official SDKs are asked like ours, and their errors become ours."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from tests.llm.worlds import KEY, MODELS, TOOL, ask, client, collect, last, said
from tests.providers.server import AWKWARD_TEXT, Provider
from tract.errors import (
    AuthenticationError,
    ContextTooLongError,
    InvalidInputError,
    ModelConnectionError,
    ModelError,
    ModelResponseError,
    ModelUnavailableError,
    RateLimitedError,
    StreamBrokenError,
)
from tract.llm.adapt import as_llm
from tract.llm.protocol import LLM, Reply, Request
from tract.objects.message import Message, TextPart

SDKS = ("openai", "anthropic", "gemini")


def sync_client(provider: Provider, sdk: str, key: str = KEY) -> Any:
    if sdk == "openai":
        return openai.OpenAI(base_url=provider.openai_url, api_key=key, max_retries=0)
    if sdk == "anthropic":
        return anthropic.Anthropic(base_url=provider.url, api_key=key, max_retries=0)
    return genai.Client(api_key=key, http_options={"base_url": provider.url})


def async_client(provider: Provider, sdk: str) -> Any:
    if sdk == "openai":
        return openai.AsyncOpenAI(base_url=provider.openai_url, api_key=KEY, max_retries=0)
    if sdk == "anthropic":
        return anthropic.AsyncAnthropic(base_url=provider.url, api_key=KEY, max_retries=0)
    return genai.Client(api_key=KEY, http_options={"base_url": provider.url})


async def closed(value: Any) -> None:
    if isinstance(value, genai.Client):
        await value.aio.aclose()
        value.close()
    elif inspect.isawaitable(ending := value.close()):
        await ending


def send(provider: Provider, sdk: str, request: Request) -> Reply:
    asked = sync_client(provider, sdk)
    try:
        return as_llm(asked, model=MODELS[sdk]).send(request)
    finally:
        asyncio.run(closed(asked))


def stream(provider: Provider, sdk: str, request: Request) -> Reply:
    asked = sync_client(provider, sdk)
    try:
        return last(list(as_llm(asked, model=MODELS[sdk]).stream(request)))
    finally:
        asyncio.run(closed(asked))


def in_loop(make: Callable[[Provider, str], Any], call: Callable[[LLM, Request], Any]) -> Any:
    def way(provider: Provider, sdk: str, request: Request) -> Reply:
        async def run() -> Reply:
            asked = make(provider, sdk)
            try:
                reply: Reply = await call(as_llm(asked, model=MODELS[sdk]), request)
                return reply
            finally:
                await closed(asked)

        return asyncio.run(run())

    return way


async def collected(llm: LLM, request: Request) -> Reply:
    return last(await collect(llm, request))


WAYS: dict[str, Callable[[Provider, str, Request], Reply]] = {
    "sync": send,
    "sync stream": stream,
    "async": in_loop(async_client, lambda llm, request: llm.asend(request)),
    "async stream": in_loop(async_client, collected),
    "sync in a thread": in_loop(sync_client, lambda llm, request: llm.asend(request)),
    "sync stream in a thread": in_loop(sync_client, collected),
}


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]  # one of SDKS


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[Provider, str, Request], Reply]:
    return WAYS[request.param]


def test_an_sdk_answers_as_our_client_does(provider_server: Provider, sdk: Any, way: Any) -> None:
    """The turn is the same whoever carried it, thinking and calls included."""
    provider_server.binder.sign = lambda *_: "c2lnbmVk+/8="  # type: ignore[method-assign]  # the same in both answers
    settings: dict[str, Any] = {"max_tokens": 2048, "temperature": 1.0}
    if sdk == "anthropic":
        settings["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    request = ask("hi", tools=[TOOL], settings=settings)
    replies = []
    for ask_it in (lambda: client(provider_server, sdk).send(request), lambda: way(provider_server, sdk, request)):
        provider_server.script.call_tools(
            [{"name": "weather", "arguments": {"city": "Rom"}, "id": "call_1"}], text=AWKWARD_TEXT, thinking="Hm."
        )
        replies.append(ask_it())

    ours, theirs = replies
    assert theirs.content == ours.content
    assert theirs.usage is not None
    assert ours.usage is not None
    assert theirs.usage.input_tokens == ours.usage.input_tokens
    assert theirs.usage.output_tokens == ours.usage.output_tokens
    assert theirs.settings == ours.settings
    assert (theirs.provider, theirs.format, theirs.finish_reason) == (sdk, sdk, "tool_calls")
    ours_sent, theirs_sent = (received.body for received in provider_server.requests)
    streaming = {"stream": None, "stream_options": None}
    assert theirs_sent | streaming == ours_sent | streaming


def test_a_conversation_goes_on(provider_server: Provider, sdk: str, way: Any) -> None:
    """What an SDK brought is sent back through it as the provider wants it."""
    settings: dict[str, Any] = {"max_tokens": 2048}
    if sdk == "anthropic":
        settings["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    provider_server.script.call_tools([{"name": "weather", "arguments": {"city": "Rom"}}], thinking="Hm.")
    messages = list(ask("hi").messages)
    first = way(provider_server, sdk, Request(messages=messages, tools=[TOOL], settings=settings))
    messages.append(said(first.content))
    messages += [Message("tool", (TextPart("sunny"),), call_id=call.id) for call in first.tool_calls]

    reply = way(provider_server, sdk, Request(messages=messages, tools=[TOOL], settings=settings))

    assert reply.text == "Got 3."


FAILURES: dict[str, tuple[dict[str, Any], type[ModelError]]] = {
    "quota": ({"kind": "quota"}, RateLimitedError),
    "limit": ({"kind": "status", "status": 429, "headers": {"retry-after": "7"}}, RateLimitedError),
    "unavailable": ({"kind": "status", "status": 503}, ModelUnavailableError),
    "too long": ({"kind": "context"}, ContextTooLongError),
    "html": ({"kind": "html", "status": 502}, ModelUnavailableError),
    "invalid JSON": ({"kind": "invalid_json"}, ModelResponseError),
    "closed": ({"kind": "close_before"}, ModelConnectionError),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_errors_of_an_sdk_become_ours(provider_server: Provider, sdk: str, failure: str) -> None:
    """Each failure is the error our own client raises, and holds nothing of the SDK's request."""
    given, kind = FAILURES[failure]
    provider_server.fail(**given, times=1)

    with pytest.raises(kind) as caught:
        send(provider_server, sdk, ask("hi"))

    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY.encode() not in pickle.dumps(caught.value.__dict__)
    if failure == "limit":
        assert caught.value.retry_after == 7  # type: ignore[attr-defined]  # a RateLimitedError


def test_a_wrong_key_is_told(provider_server: Provider, sdk: str) -> None:
    """A key that is refused is an `AuthenticationError` that does not show it."""
    asked = sync_client(provider_server, sdk, key="sk-wrong-key-0123456789")

    with pytest.raises(AuthenticationError) as caught:
        as_llm(asked, model="m").send(ask("hi"))
    asyncio.run(closed(asked))

    assert "0123" not in str(caught.value)


def test_a_broken_stream_keeps_what_arrived(provider_server: Provider, sdk: str, way: Any) -> None:
    """The pieces that arrived before the connection broke are in `partial`."""
    provider_server.script.say("one two three four five six seven")
    provider_server.fail("close_in_stream", after=6)
    if way in (WAYS["sync"], WAYS["async"], WAYS["sync in a thread"]):
        provider_server._faults.clear()
        assert way(provider_server, sdk, ask("hi")).text.startswith("one two")
        return

    with pytest.raises(StreamBrokenError) as caught:
        way(provider_server, sdk, ask("hi"))

    assert caught.value.partial.interrupted
    assert "one two three four five".startswith(caught.value.partial.text)


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_async_client_cannot_be_asked_by_a_sync_call(provider_server: Provider, sdk: str) -> None:
    """The error says what to do instead."""

    async def make() -> None:
        asked = async_client(provider_server, sdk)
        with pytest.raises(InvalidInputError, match="async only"):
            as_llm(asked, model="m").send(ask("hi"))
        await closed(asked)

    asyncio.run(make())


def test_an_sdk_client_needs_a_model(provider_server: Provider, sdk: str) -> None:
    """No provider has a model of its own choice."""
    asked = sync_client(provider_server, sdk)

    with pytest.raises(InvalidInputError, match="model"):
        as_llm(asked).send(ask("hi"))
    asyncio.run(closed(asked))


def test_what_is_no_client_is_refused() -> None:
    """Anything else is told so, classes included."""
    for value in (None, 7, "gpt-5", object(), openai.OpenAI, LLM):
        with pytest.raises(InvalidInputError, match="cannot be asked"):
            as_llm(value)
