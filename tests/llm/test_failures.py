"""What a provider refuses, breaks off or gets wrong is one error of ours, tried again when that can help."""

from __future__ import annotations

import asyncio
import copy
import email.utils
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.llm.worlds import FORMATS, MODELS, ONCE, QUICK, TOOL, WAYS, ask, astream, client, stream
from tests.providers.server import Provider
from tract.errors import (
    AuthenticationError,
    ContextTooLongError,
    InvalidInputError,
    ModelConnectionError,
    ModelError,
    ModelRequestError,
    ModelResponseError,
    ModelTimeoutError,
    ModelUnavailableError,
    RateLimitedError,
    StreamBrokenError,
    TractError,
)
from tract.llm.http import HttpLLM
from tract.llm.protocol import Format, Reply, TextDelta
from tract.llm.providers import codec_for
from tract.llm.refused import model_error
from tract.llm.retry import RetryPolicy
from tract.llm.wire import parse_json

RETRIED = {408: ModelUnavailableError, 409: ModelUnavailableError, 429: RateLimitedError, 500: ModelUnavailableError,
           502: ModelUnavailableError, 503: ModelUnavailableError, 529: ModelUnavailableError}  # fmt: skip
REFUSED = {400: ModelRequestError, 401: AuthenticationError, 403: AuthenticationError, 404: ModelRequestError,
           413: ModelRequestError, 422: ModelRequestError}  # fmt: skip


@pytest.fixture(params=FORMATS)
def wire(request: pytest.FixtureRequest) -> Format:
    return request.param  # type: ignore[no-any-return]  # one of FORMATS


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


# --- the retry matrix ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", RETRIED)
@pytest.mark.parametrize("failures", [1, 3, 4])
def test_a_passing_failure_is_tried_again(provider_server: Provider, way: Any, status: int, failures: int) -> None:
    """Up to four attempts: three failures are survived, the fourth is raised and says how often it was tried."""
    provider_server.fail(status=status, times=failures, headers={"retry-after": "0"})
    told: list[tuple[type[ModelError], float]] = []
    retry = RetryPolicy(
        max_attempts=4, first_wait_seconds=0.001, on_retry=lambda error, wait: told.append((type(error), wait))
    )
    llm = client(provider_server, "openai", retry=retry)

    if failures < 4:
        assert way(llm, ask("hi")).text == "Got 1."
    else:
        with pytest.raises(RETRIED[status]) as caught:
            way(llm, ask("hi"))
        assert caught.value.attempts == 4
        assert caught.value.status == status
        assert caught.value.request_id is not None
    assert len(provider_server.requests) == min(failures + 1, 4)
    assert told == [(RETRIED[status], 0.0)] * min(failures, 3)


@pytest.mark.parametrize("status", REFUSED)
def test_a_refusal_is_final(provider_server: Provider, wire: Format, status: int) -> None:
    """A wrong key or request is never tried again."""
    provider_server.fail(status=status)

    with pytest.raises(REFUSED[status]) as caught:
        client(provider_server, wire, retry=QUICK).send(ask("hi"))

    assert (caught.value.status, caught.value.attempts, caught.value.provider) == (status, 1, wire)
    assert not caught.value.is_transient
    assert len(provider_server.requests) == 1


def test_a_used_up_quota_is_not_waited_for(provider_server: Provider, wire: Format) -> None:
    """OpenAI's `insufficient_quota` is a rate limit that no waiting ends."""
    provider_server.fail("quota")

    with pytest.raises(RateLimitedError) as caught:
        client(provider_server, wire, retry=ONCE).send(ask("hi"))

    assert caught.value.is_transient == (wire in {"gemini", "anthropic"})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9e99"}, 86_400.0),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds and dates are read; nonsense is no wait asked for."""
    error = model_error("openai", 429, headers, "{}")

    assert isinstance(error, RateLimitedError)
    assert error.retry_after_seconds == seconds


def test_a_date_to_wait_for() -> None:
    """`Retry-After` may be a date."""
    date = email.utils.formatdate(time.time() + 60, usegmt=True)

    error = model_error("openai", 503, {"retry-after": date}, "")

    assert isinstance(error, ModelUnavailableError)
    assert error.retry_after_seconds is not None
    assert 50 < error.retry_after_seconds <= 60


def test_the_wait_asked_for_is_waited(provider_server: Provider, way: Any) -> None:
    """What waits is told the provider's own number, in its header or in Gemini's body."""
    for wire in FORMATS:
        provider_server.fail(status=429, headers={"retry-after": "7"})
        waits: list[float] = []

        async def waited(seconds: float, waits: list[float] = waits) -> None:
            waits.append(seconds)

        retry = RetryPolicy(sleep=waits.append, async_sleep=waited)

        assert way(client(provider_server, wire, retry=retry), ask("hi")).text == "Got 1."
        assert waits == [7.0]


def test_a_wait_past_the_deadline_is_not_begun(provider_server: Provider, way: Any) -> None:
    """Whoever has ten seconds is told at once that the provider asks for sixty."""
    provider_server.fail(status=429, headers={"retry-after": "60"})
    waits: list[float] = []
    retry = RetryPolicy(deadline_seconds=10, sleep=waits.append)

    with pytest.raises(RateLimitedError) as caught:
        way(client(provider_server, "openai", retry=retry), ask("hi"))

    assert (caught.value.attempts, caught.value.retry_after, waits) == (1, 60.0, [])


def test_the_backoff_doubles_up_to_its_limit(provider_server: Provider) -> None:
    """Each wait is random up to twice the one before."""
    provider_server.fail(times=9)
    waits: list[float] = []
    retry = RetryPolicy(max_attempts=10, first_wait_seconds=1, longest_wait_seconds=5, sleep=waits.append)

    client(provider_server, "openai", retry=retry).send(ask("hi"))

    limits = [1, 2, 4, 5, 5, 5, 5, 5, 5]
    assert all(0 <= wait <= limit for wait, limit in zip(waits, limits, strict=True))


def test_a_server_may_say_whether_to_try_again(provider_server: Provider) -> None:
    """`x-should-retry` goes before the status."""
    provider_server.fail(status=500, headers={"x-should-retry": "false"})

    with pytest.raises(ModelUnavailableError) as caught:
        client(provider_server, "openai", retry=QUICK).send(ask("hi"))

    assert caught.value.attempts == 1


@pytest.mark.parametrize(
    "fields", [{"max_attempts": 0}, {"first_wait_seconds": -1}, {"max_attempts": "many"}, {"sleep": 5}, {"on_retry": 5}]
)
def test_a_policy_that_makes_no_sense(fields: dict[str, Any]) -> None:
    """Wrong values are refused when given."""
    with pytest.raises(InvalidInputError):
        RetryPolicy(**fields)


# --- connections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["close_before", "close_in_body"])
def test_a_broken_connection_is_tried_again(provider_server: Provider, wire: Format, kind: Any) -> None:
    """A connection that ends before the answer is whole is opened once more."""
    provider_server.fail(kind, times=3)

    assert client(provider_server, wire, retry=QUICK).send(ask("hi")).text == "Got 1."
    assert len(provider_server.requests) == 4


def test_nobody_there() -> None:
    """A refused connection names the provider and keeps no request."""
    llm = HttpLLM("acme", base_url="http://127.0.0.1:9", model="m", api_key="key-canary-1", retry=ONCE)

    for way in WAYS:
        with pytest.raises(ModelConnectionError) as caught:
            way(llm, ask("hi"))
        assert caught.value.__context__ is None
        assert "acme" in str(caught.value)


def test_a_slow_answer_is_a_timeout(provider_server: Provider, way: Any) -> None:
    """The client's patience ends when it says."""
    provider_server.fail("slow", seconds=5)

    with pytest.raises(ModelTimeoutError):
        way(client(provider_server, "anthropic", timeout_seconds=0.05), ask("hi"))


@pytest.mark.parametrize("stream_way", [stream, astream])
@pytest.mark.parametrize("kind", ["close_in_stream", "error_in_stream"])
def test_a_broken_stream_keeps_what_arrived(
    provider_server: Provider, wire: Format, stream_way: Any, kind: Any
) -> None:
    """`partial` holds the text so far, marked interrupted; what was shown is not asked for again."""
    provider_server.script.say("one two three four five")
    provider_server.fail(kind, after=7 if wire == "openai_responses" else 5)

    with pytest.raises(StreamBrokenError) as caught:
        stream_way(client(provider_server, wire, retry=QUICK), ask("hi"))

    partial = caught.value.partial
    assert partial.interrupted
    text = partial.text if partial.text is not None else "".join(part.text for part in partial.parts)
    assert text
    assert "one two three four five".startswith(text)
    assert text != "one two three four five"
    assert len(provider_server.requests) == 1


@pytest.mark.parametrize("stream_way", [stream, astream])
def test_a_stream_that_never_began_is_tried_again(provider_server: Provider, wire: Format, stream_way: Any) -> None:
    """Until its first event nothing was shown, so the request is sent again."""
    provider_server.fail("close_in_stream", after=0)
    provider_server.fail(status=503)

    assert stream_way(client(provider_server, wire, retry=QUICK), ask("hi")).text == "Got 1."
    assert len(provider_server.requests) == 3


def test_calls_that_did_not_arrive_whole_are_left_out(provider_server: Provider, wire: Format) -> None:
    """A cut call is not in `partial`, at whichever event the connection broke."""
    for after in range(1, 40):
        provider_server.script = type(provider_server.script)()
        provider_server.script.call_tools([{"name": "weather", "arguments": {"city": "Rom"}}], text="So.")
        provider_server.fail("close_in_stream", after=after)
        try:
            list(client(provider_server, wire).stream(ask("hi", tools=[TOOL])))
        except StreamBrokenError as error:
            calls = error.partial.tool_calls if error.partial else ()
            assert all(json.loads(call.arguments) == {"city": "Rom"} for call in calls)
        else:
            return
    raise AssertionError("the stream never ended")


# --- answers that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["invalid_json", "html", "empty"])
def test_an_answer_that_is_none(provider_server: Provider, wire: Format, way: Any, kind: Any) -> None:
    """Half JSON, a proxy's page and nothing at all are `ModelResponseError`, said without quoting them."""
    provider_server.fail(kind, status=200)

    with pytest.raises(ModelResponseError) as caught:
        way(client(provider_server, wire, retry=QUICK), ask("hi"))

    assert "<" not in str(caught.value)
    assert len(provider_server.requests) == 1


def everything(provider: Provider, wire: Format, *, streams: bool) -> tuple[Any, Any]:
    """Return the outgoing request and the answer of a turn with everything: one body, or the events of a stream."""
    provider.script.call_tools([{"name": "f", "arguments": {"a": 1}}], text="Hi.", thinking="Hm.")
    settings = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
    request = ask("hi", tools=[{"name": "f", "input_schema": {"type": "object"}}],
                  settings=settings if wire == "anthropic" else {})  # fmt: skip
    seen: list[bytes] = []
    with httpx.Client(event_hooks={"response": [lambda response: seen.append(response.read())]}) as http:
        llm = client(provider, wire, http_client=http)
        _ = list(llm.stream(request)) if streams else llm.send(request)
    outgoing = llm.prepare(request, stream=streams)
    text = seen[0].decode()
    if not streams:
        return outgoing, json.loads(text)
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return outgoing, [None if line == "[DONE]" else json.loads(line) for line in lines]


HOSTILE: tuple[Any, ...] = (None, True, -1, 2**70, 1.5, "", "x", "\ud800", [], [None], {}, {"type": "x"}, [[]] * 3)


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from ((name, *rest) for rest in places(child))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], other)
    return changed


def test_every_hostile_answer_is_an_error_of_ours_or_a_turn(provider_server: Provider, wire: Format) -> None:
    """Any value in any place of an answer gives a reply that can be committed, or a `ModelError`: nothing raw."""
    outgoing, answer = everything(provider_server, wire, streams=False)
    codec = codec_for(wire)
    refused = 0
    for path in places(answer):
        for other in HOSTILE:
            try:
                reply = codec.read(replaced(answer, path, other), outgoing)
            except ModelError:
                refused += 1
            else:
                assert isinstance(reply, Reply)
                reply.content.payload()
    assert refused > 100


def test_every_hostile_event_is_an_error_of_ours_or_a_turn(provider_server: Provider, wire: Format) -> None:
    """The same for each place of each event of a stream; `partial` never fails either."""
    outgoing, events = everything(provider_server, wire, streams=True)
    codec = codec_for(wire)
    refused = 0
    for number, event in enumerate(events):
        for path in places(event):
            for other in HOSTILE[::2]:
                received = codec.stream(outgoing)
                try:
                    for place, one in enumerate(events):
                        received.feed("", replaced(one, path, other) if place == number else one)
                    received.finish()
                except ModelError:
                    refused += 1
                    with_partial(received)
    assert refused > 50


def with_partial(received: Any) -> None:
    try:
        partial = received.partial()
    except ModelResponseError:
        return
    assert partial is None or partial.interrupted


@pytest.mark.parametrize(
    "text", ["", "nul", "NaN", '{"a": Infinity}', "[" * 100_000, "[" * 5_000 + "]" * 5_000, "1" * 5_000, "\ufeff{}"]
)
def test_text_that_is_no_json(text: str) -> None:
    """Deep, endless and special values are refused as text."""
    with pytest.raises(ModelResponseError):
        parse_json(text, "openai")


# --- errors in the vendors' own words ------------------------------------------------------------

TOO_LONG = [
    ("This model's maximum context length is 128000 tokens. However, your messages resulted in 140000 tokens.",
     128_000, 140_000),
    ("Your input exceeds the context window of this model. Please adjust your input and try again.", None, None),
    ("prompt is too long: 210000 tokens > 200000 maximum", 200_000, 210_000),
    ("input length and `max_tokens` exceed context limit: 195000 + 8192 > 200000, decrease it", 200_000, 195_000),
    ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576, 1_200_000),
    ("The input token count exceeds the maximum number of tokens allowed 1048576.", 1_048_576, None),
    ("the request exceeds the available context size, try increasing it", None, None),
    ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the messages).",
     4_096, 5_000),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "limit", "sent"), TOO_LONG)
def test_a_context_that_is_too_long(sentence: str, limit: int | None, sent: int | None) -> None:
    """Each vendor's sentence is known, with its numbers."""
    error = model_error("any", 400, {}, json.dumps({"error": {"message": sentence}}))

    assert isinstance(error, ContextTooLongError)
    assert (error.limit_tokens, error.sent_tokens) == (limit, sent)


def test_too_long_for_each_server(provider_server: Provider, wire: Format, way: Any) -> None:
    """The same over the wire."""
    provider_server.fail("context")

    with pytest.raises(ContextTooLongError):
        way(client(provider_server, wire), ask("hi"))


@pytest.mark.parametrize(
    "body", ["", "plain words", "<html>", "[]", "7", '"x"', '{"error": 7}', '{"error": {"message": []}}', "[" * 9_999]
)
@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 999])
def test_any_body_of_a_refusal(status: int, body: str) -> None:
    """Whatever the body is, there is an error with one line of sentence."""
    error = model_error("openai", status, {}, body)

    assert isinstance(error, ModelError)
    assert str(error).isprintable()
    assert len(str(error)) < 500


def test_a_refusal_cannot_control_a_terminal() -> None:
    """Control characters of a server do not reach people."""
    error = model_error("openai", 400, {}, json.dumps({"error": {"message": "a\x1b[31mb\r\nc\u202ed"}}))

    assert str(error).isprintable()


# --- cancelling ----------------------------------------------------------------------------------


def test_a_cancelled_call_leaves_a_usable_client(provider_server: Provider, wire: Format) -> None:
    """Cancelled at each of its awaits, a call raises nothing but that, and the next one is answered."""

    async def cancel_after(steps: int, llm: HttpLLM) -> bool:
        async def call() -> None:
            async for item in llm.astream(ask("hi")):
                assert isinstance(item, (TextDelta, Reply))

        task = asyncio.ensure_future(call())
        for _ in range(steps):
            if task.done():
                break
            await asyncio.sleep(0.0002)
        if task.done():
            await task
            return True
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await llm.asend(ask("hi"))).text == "Got 1."
        return False

    async def run() -> int:
        async with client(provider_server, wire) as llm:
            for steps in range(400):
                if await cancel_after(steps, llm):
                    return steps
        raise AssertionError("the call never ended")

    assert asyncio.run(run()) > 1


# --- wrong arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"provider": 7},
        {"provider": ""},
        {"provider": "acme"},
        {"base_url": "localhost"},
        {"base_url": "ftp://x"},
        {"base_url": "http://user:pass@x"},
        {"base_url": "http://x/?key=1"},
        {"base_url": 7},
        {"timeout_seconds": 0},
        {"timeout_seconds": "long"},
        {"retry": 3},
        {"headers": {"a": "b\nc"}},
        {"headers": 7},
        {"http_client": 7},
        {"api_key": ""},
        {"api_key": "key\nwith: header"},
        {"api_key": 7},
        {"api_key": "schlüssel"},
    ],
)
def test_wrong_options_of_a_client(options: dict[str, Any]) -> None:
    """Each is refused at once, and no key is quoted."""
    with pytest.raises(TractError) as caught:
        HttpLLM(**{"provider": "openai", "api_key": "key-canary-1", "model": "m", **options})

    assert "canary" not in str(caught.value)
    assert "header" not in str(caught.value) or "headers" in options


@pytest.mark.parametrize(
    "fields",
    [
        {"settings": {"temperature": object()}},
        {"settings": {"temperature": float("nan")}},
        {"settings": {"response_format": 7}},
        {"settings": {"response_format": {"type": "json_schema"}}},
        {"settings": 7},
        {"settings": {7: 7}},
        {"settings": {"stop": 7}},
        {"tools": 7},
        {"tools": [7]},
    ],
)
def test_wrong_fields_of_a_request(wire: Format, fields: dict[str, Any]) -> None:
    """Each is an `InvalidInputError` before anything is sent."""
    llm = HttpLLM(wire, api_key="key-canary-1", model=MODELS[wire], base_url="http://127.0.0.1:9")

    with pytest.raises(InvalidInputError):
        llm.send(ask("hi", **fields))


OBJECTS: dict[Format, dict[str, Any]] = {
    "openai_responses": {"text": "loud", "response_format": {"type": "json_object"}},
    "gemini": {"tool_config": "loud", "tool_choice": "auto"},
    "anthropic": {"output_config": "loud", "response_format": {"type": "object"}},
}


@pytest.mark.parametrize("wire", OBJECTS)
def test_what_is_to_be_added_to_is_an_object(wire: Format) -> None:
    """A setting in the provider's own words that another one belongs into."""
    with pytest.raises(InvalidInputError, match="is an object"):
        codec_for(wire).body(ask("hi", settings=OBJECTS[wire]), model="m")


def test_effort_is_added_to_an_object() -> None:
    """Of Responses."""
    with pytest.raises(InvalidInputError, match="`reasoning` is an object"):
        codec_for("openai_responses").body(
            ask("hi", settings={"reasoning": "high", "reasoning_effort": "low"}), model="m"
        )


def test_a_schema_without_a_sayable_name_is_named(wire: Format) -> None:
    """Whatever its title is."""
    outgoing = codec_for(wire).body(ask("hi", settings={"response_format": {"type": "object", "title": 7}}), model="m")

    assert "object" in str(outgoing.body)


def test_an_http_client_of_the_other_kind_is_refused() -> None:
    """A sync one cannot be awaited, nor the other way round."""
    with httpx.Client() as http, pytest.raises(InvalidInputError, match=r"httpx\.AsyncClient"):
        HttpLLM("openai", api_key="key-canary-1", async_http_client=http)

    async def other() -> None:
        async with httpx.AsyncClient() as http:
            with pytest.raises(InvalidInputError, match=r"httpx\.Client"):
                HttpLLM("openai", api_key="key-canary-1", http_client=http)

    asyncio.run(other())


def test_a_model_must_be_named(wire: Format) -> None:
    """Neither the client nor the request named one."""
    with pytest.raises(InvalidInputError, match="No model"):
        HttpLLM(wire, api_key="key-canary-1").send(ask("hi"))
