"""Functions, scripts, fallbacks and caches are asked as every model is."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.llm.worlds import FORMATS, QUICK, TOOL, WAYS, asend, ask, astream, client, send, stream
from tests.providers.server import Provider
from tract.errors import (
    AuthenticationError,
    BusyError,
    InvalidContentError,
    InvalidInputError,
    ModelConnectionError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    ModelUnavailableError,
    RateLimitedError,
    StreamBrokenError,
)
from tract.llm.adapt import as_llm
from tract.llm.cached import CachedLLM, MemoryCache
from tract.llm.fallback import FallbackLLM
from tract.llm.protocol import LLM, Reply, TextDelta
from tract.objects.content import DialogueContent
from tract.objects.message import ToolCall
from tract.objects.usage import Usage
from tract.testing import ScriptedLLM


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


# --- functions -----------------------------------------------------------------------------------

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    "answer",
    [
        "Hello.",
        {"role": "assistant", "content": "Hello."},
        {"content": "Hello."},
        {"choices": [{"message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}], "model": "m"},
        SimpleNamespace(model_dump=lambda **_: {"choices": [{"message": {"content": "Hello."}}]}),
    ],
)
def test_a_function_is_a_model(way: Any, answer: Any) -> None:
    """It is given Chat Completions messages and returns text, a message, a completion or an SDK's object."""
    got: list[Any] = []

    def function(messages: list[dict[str, Any]], **options: Any) -> Any:
        got.append((messages, options))
        return answer

    reply = way(as_llm(function, model="m"), ask("hi", tools=[TOOL], settings={"max_tokens": 5, "stop": "x"}))

    assert reply.text == "Hello."
    assert reply.settings == {"max_tokens": 5, "stop": ["x"], "model": "m"}
    assert reply.finish_reason == "stop"
    ((messages, options),) = got
    assert messages == [{"role": "user", "content": "hi"}]
    assert options == {"model": "m", "tools": [TOOL], "max_tokens": 5, "stop": ["x"]}


def test_a_function_that_runs_out_says_so(way: Any) -> None:
    """`StopIteration` would end a generator as if nothing were wrong."""
    answers = iter(["One."])
    model = as_llm(lambda _: next(answers))
    assert model is not None
    assert way(model, ask("Hi")).text == "One."
    with pytest.raises(ModelResponseError, match="nothing more to answer"):
        way(model, ask("And?"))


def test_a_function_takes_what_it_names() -> None:
    """A signature without `**options` gets only what it has names for."""
    assert as_llm(lambda _messages: f"{len(_messages)}").send(ask("hi", settings={"seed": 1})).text == "1"
    assert as_llm(lambda _messages, seed=0: f"{seed}").send(ask("hi", settings={"seed": 1, "top_p": 1})).text == "1"


def test_a_function_may_call_tools() -> None:
    """Calls in its message are calls of the turn."""
    reply = as_llm(lambda _messages: {"content": None, "tool_calls": [CALL]}).send(ask("hi"))

    assert reply.finish_reason == "tool_calls"
    assert reply.tool_calls == (ToolCall("c1", "weather", "{}"),)


class AsyncModel:
    async def __call__(self, messages: Any) -> str:
        return await async_function(messages)


async def async_function(messages: Any, **options: Any) -> str:
    await asyncio.sleep(0)
    return "Hello."


@pytest.mark.parametrize("function", [async_function, AsyncModel(), lambda messages: async_function(messages[:])])
def test_an_async_function_is_awaited(function: Any) -> None:
    """Async calls await it; a sync call says that it cannot, and leaves no coroutine behind."""
    llm = as_llm(function)

    assert asend(llm, ask("hi")).text == astream(llm, ask("hi")).text == "Hello."
    for sync in (send, stream):
        with pytest.raises(InvalidInputError, match="async only"):
            sync(llm, ask("hi"))


def test_a_sync_function_does_not_stop_the_loop() -> None:
    """It runs in a thread of its own: two that wait for each other both return."""
    barrier = threading.Barrier(2, timeout=20)
    llm = as_llm(lambda _messages: f"{barrier.wait() >= 0}")

    async def both() -> list[Reply]:
        return list(await asyncio.gather(llm.asend(ask("a")), llm.asend(ask("b"))))

    assert [reply.text for reply in asyncio.run(both())] == ["True", "True"]


@pytest.mark.parametrize("answer", [None, 7, object(), b"bytes", {"content": 7}, {"choices": []}, {"tool_calls": "x"}])
def test_a_function_that_returns_no_answer(way: Any, answer: Any) -> None:
    """Anything else is a `ModelResponseError`."""
    with pytest.raises(ModelResponseError):
        way(as_llm(lambda _messages: answer), ask("hi"))


@pytest.mark.parametrize(
    ("raised", "caught"),
    [
        (ConnectionResetError, ModelConnectionError),
        (TimeoutError, ModelTimeoutError),
        (RateLimitedError("Slow."), RateLimitedError),
        (ZeroDivisionError, ZeroDivisionError),
    ],
)
def test_what_a_function_raises(way: Any, raised: Any, caught: type[Exception]) -> None:
    """Broken connections become errors of ours; a mistake in the function is shown as it is."""

    def function(messages: Any) -> str:
        raise raised

    with pytest.raises(caught):
        way(as_llm(function), ask("hi"))


def test_a_client_of_ours_is_left_as_it_is() -> None:
    """What has the four calls is asked directly."""
    llm = ScriptedLLM()

    assert as_llm(llm) is llm
    assert isinstance(llm, LLM)


# --- scripts -------------------------------------------------------------------------------------


def test_a_script_is_said_in_order(way: Any) -> None:
    """Texts, calls, messages, turns, replies, functions: each in its turn, and every request is kept."""
    call = ToolCall("c1", "f", '{"a": 1}')
    turn = DialogueContent(role="assistant", text="Turn.")
    reply = Reply(content=turn, model="other", format="openai")
    llm = ScriptedLLM(
        ["Text.", call, [call, call], {"content": "Message."}, turn, reply, lambda request: request.messages[0].text],
        usage=Usage(10, 5),
    )

    got = [way(llm, ask("hi")) for _ in range(7)]

    assert [one.text for one in got] == ["Text.", "", "", "Message.", "Turn.", "Turn.", "hi"]
    assert [len(one.tool_calls) for one in got] == [0, 1, 2, 0, 0, 0, 0]
    assert got[1].finish_reason == "tool_calls"
    assert got[0].usage == Usage(10, 5, model="scripted")
    assert got[5].model == "other"
    assert (llm.calls, llm.remaining, len(llm.requests)) == (7, 0, 7)


def test_a_script_may_fail(way: Any) -> None:
    """An exception is raised in its turn; at the end of the script there is an error."""
    llm = ScriptedLLM([RateLimitedError("Slow."), KeyError])
    llm.add("Late.")

    with pytest.raises(RateLimitedError):
        way(llm, ask("hi"))
    with pytest.raises(KeyError):
        way(llm, ask("hi"))
    assert way(llm, ask("hi")).text == "Late."
    with pytest.raises(ModelError, match="no answer for call 4"):
        way(llm, ask("hi"))


@pytest.mark.parametrize("wire", FORMATS)
def test_a_script_renders_for_any_provider(wire: Any) -> None:
    """`sent` and the losses are those of the format asked for."""
    reply = ScriptedLLM(["Hi."], format=wire).send(ask("hi", settings={"seed": 1}))

    assert reply.format == wire
    assert any("seed" in loss.detail for loss in reply.losses) == (wire in {"anthropic", "openai_responses"})
    assert "hi" in str(reply.sent)


@pytest.mark.parametrize("script", ["text", [7], [[]], [object()]])
def test_a_script_of_what_is_no_answer(script: Any) -> None:
    """A text is no list of answers, and an answer is one of those listed."""
    with pytest.raises(InvalidInputError):
        ScriptedLLM(script).send(ask("hi"))


def test_a_script_with_a_call_that_cannot_be_says_what_is_wrong() -> None:
    """The arguments of a call are JSON text; what pydantic says of others is put in a sentence."""
    call = ToolCall("call_1", "weather", {"city": "Rome"})  # type: ignore[arg-type]  # what a test would try

    with pytest.raises(InvalidContentError, match=r"tool_calls\.0\.arguments"):
        ScriptedLLM([call]).send(ask("hi"))


def test_a_script_streams_in_small_pieces() -> None:
    """Pieces are small enough to show a display in a test."""
    items = list(ScriptedLLM(["Good bye then."], piece_characters=5).stream(ask("hi")))

    assert [item.text for item in items if isinstance(item, TextDelta)] == ["Good ", "bye t", "hen."]


# --- fallback ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ModelUnavailableError("Down."), RateLimitedError("Slow."), ModelConnectionError("x")]
)
def test_the_next_client_answers(way: Any, error: ModelError) -> None:
    """The reply says who answered; a model named in the request is for the first client alone."""
    first, second = ScriptedLLM([error], model="a"), ScriptedLLM(["Here."], model="b", format="anthropic")
    llm = FallbackLLM([first, second])

    reply = way(llm, ask("hi", model="named"))

    assert (reply.text, reply.model, reply.format) == ("Here.", "b", "anthropic")
    assert first.requests[0].model == "named"
    assert second.requests[0].model == "b"
    assert (llm.format, llm.model, llm.provider) == ("openai", "a", "scripted")


def test_a_mistake_is_not_hidden(way: Any) -> None:
    """A wrong key is raised, not worked around."""
    second = ScriptedLLM(["Here."])

    with pytest.raises(AuthenticationError):
        way(FallbackLLM([ScriptedLLM([AuthenticationError("No.")]), second]), ask("hi"))
    assert second.calls == 0


@pytest.mark.parametrize("on", [AuthenticationError, (AuthenticationError, BusyError), lambda _error: True])
def test_when_to_move_on_can_be_chosen(way: Any, on: Any) -> None:
    """By classes of errors, or by a function of the error."""
    llm = FallbackLLM([ScriptedLLM([AuthenticationError("No.")]), lambda _messages: "Here."], on=on)

    assert way(llm, ask("hi")).text == "Here."


def test_the_last_error_is_raised(way: Any) -> None:
    """When none can answer."""
    llm = FallbackLLM([ScriptedLLM([ModelUnavailableError("One.")]), ScriptedLLM([RateLimitedError("Two.")])])

    with pytest.raises(RateLimitedError, match="Two"):
        way(llm, ask("hi"))


@pytest.mark.parametrize("stream_way", [stream, astream])
def test_a_stream_that_has_begun_stays(provider_server: Provider, stream_way: Any) -> None:
    """What was shown cannot be taken back, so another client does not begin anew."""
    provider_server.script.say("one two three four")
    provider_server.fail("close_in_stream", after=4)
    second = ScriptedLLM(["Here."])

    with pytest.raises(StreamBrokenError):
        stream_way(FallbackLLM([client(provider_server, "openai"), second]), ask("hi"))
    assert second.calls == 0


@pytest.mark.parametrize("clients", [[], "ab", None, [7]])
def test_a_fallback_needs_clients(clients: Any) -> None:
    """At least one, and each one a client."""
    with pytest.raises(InvalidInputError):
        FallbackLLM(clients)
    with pytest.raises(InvalidInputError):
        FallbackLLM([ScriptedLLM()], on=7)  # type: ignore[arg-type]  # what a user may pass


# --- cache ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", FORMATS)
def test_a_request_is_asked_once(provider_server: Provider, wire: Any) -> None:
    """Sent, streamed, awaited: the second time the kept reply answers, thinking and calls to the byte."""
    provider_server.script.call_tools([{"name": "weather", "arguments": {"city": "Rom"}}], text="So.", thinking="Hm.")
    settings = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
    request = ask("hi", tools=[TOOL], settings=settings if wire == "anthropic" else {})
    llm = CachedLLM(client(provider_server, wire))

    first = stream(llm, request)
    again = [way(llm, request) for way in WAYS]

    assert len(provider_server.requests) == 1
    for reply in again:
        assert reply == first or (reply.content, reply.usage, reply.model) == (first.content, first.usage, first.model)
        assert reply.provider == wire
    assert (llm.hits, llm.misses) == (4, 1)


@pytest.mark.parametrize(
    "other", [ask("ho"), ask("hi", model="x"), ask("hi", settings={"seed": 2}), ask("hi", tools=[TOOL])]
)
def test_another_request_is_asked(provider_server: Provider, way: Any, other: Any) -> None:
    """A changed word, model, setting or tool is another request."""
    llm = CachedLLM(client(provider_server, "openai"))

    way(llm, ask("hi"))
    way(llm, other)

    assert len(provider_server.requests) == 2


def test_another_address_is_another_request(provider_server: Provider) -> None:
    """The same words to another provider or address are not answered from the cache."""
    cache = MemoryCache()
    for url in (provider_server.openai_url, provider_server.openai_url.replace("127.0.0.1", "localhost")):
        CachedLLM(client(provider_server, "openai", base_url=url), cache).send(ask("hi"))

    assert len(provider_server.requests) == len(cache) == 2


def test_another_function_is_another_request(provider_server: Provider) -> None:
    """It is told apart by its name, and a fallback by where its first client sends."""

    def one(_messages: Any) -> str:
        return "One."

    def two(_messages: Any) -> str:
        return "Two."

    class Three:
        def __call__(self, _messages: Any) -> str:
            return "Three."

    cache = MemoryCache()
    said = [CachedLLM(function, cache).send(ask("hi")).text for function in (one, two, Three(), one)]
    for url in (provider_server.openai_url, provider_server.openai_url.replace("127.0.0.1", "localhost")):
        CachedLLM(FallbackLLM([client(provider_server, "openai", base_url=url), one]), cache).send(ask("hi"))

    assert said == ["One.", "Two.", "Three.", "One."]
    assert len(provider_server.requests) == 2


def test_failures_are_not_kept(provider_server: Provider, way: Any) -> None:
    """The next call asks again."""
    provider_server.fail(status=400)
    cache = MemoryCache()
    llm = CachedLLM(client(provider_server, "openai", retry=QUICK), cache)

    with pytest.raises(ModelError):
        way(llm, ask("hi"))
    assert len(cache) == 0
    assert way(llm, ask("hi")).text == "Got 1."


class Broken:
    """A cache that is out of order."""

    def __init__(self, value: bytes | None) -> None:
        self.value = value

    def get(self, key: str) -> bytes | None:
        if self.value is None:
            raise BusyError(len(key))
        return self.value

    def put(self, key: str, value: bytes) -> None:
        raise BusyError(len(key) + len(value))


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{}", b"[]", b'{"format": 7, "provider": 7, "answer": 7}'])
def test_a_cache_out_of_order_costs_a_call(way: Any, value: Any) -> None:
    """What cannot be read is asked, what cannot be written is answered."""
    assert way(CachedLLM(ScriptedLLM(["Here."]), Broken(value)), ask("hi")).text == "Here."


def test_a_cache_is_checked_when_given() -> None:
    """It has `get` and `put`."""
    with pytest.raises(InvalidInputError):
        CachedLLM(ScriptedLLM(), 7)  # type: ignore[arg-type]  # what a user may pass


def test_what_is_shown_is_short() -> None:
    """Names and numbers only."""
    llm = ScriptedLLM(["secret"])
    for value in (llm, as_llm(async_function), FallbackLLM([llm]), CachedLLM(llm), MemoryCache(), llm.send(ask("hi"))):
        assert len(repr(value)) < 120
        assert "secret" not in repr(value)
