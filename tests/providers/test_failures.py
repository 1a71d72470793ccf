"""What goes wrong reaches each vendor's own client as the error it has for that."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google.genai import errors, types

from tests.providers.server import Provider
from tests.providers.ways import WAYS, Way, ask_anthropic, ask_chat, ask_gemini, ask_responses

USER = {"messages": [{"role": "user", "content": "x"}]}
ASKS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "openai_chat": (ask_chat, USER),
    "openai_responses": (ask_responses, {"input": "x"}),
    "anthropic": (ask_anthropic, USER),
    "gemini": (ask_gemini, {"contents": "x"}),
}
STATUSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "APIStatusError",
    409: "ConflictError",
    413: "APIStatusError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    502: "InternalServerError",
    503: "InternalServerError",
    529: "InternalServerError",
}
SDKS = {"openai_chat": openai, "openai_responses": openai, "anthropic": anthropic}


def ask(server: Provider, vendor: str, way: Way = "sync", **options: Any) -> Any:
    function, request = ASKS[vendor]
    return function(server, way, request, **options)


def error_of(vendor: str, name: str) -> Any:
    return getattr(SDKS[vendor], name)


@pytest.mark.parametrize("vendor", SDKS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_the_error_the_client_has_for_it(provider_server: Provider, vendor: str, status: int) -> None:
    """Status, sentence and request id arrive, and the next request is answered."""
    provider_server.fail(status=status, headers={"retry-after": "7"})

    with pytest.raises(error_of(vendor, STATUSES[status])) as caught:
        ask(provider_server, vendor)

    assert caught.value.status_code == status
    assert caught.value.request_id == "req_000001"
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.body is not None
    assert ask(provider_server, vendor).model in ("gpt", "claude")
    assert [request.status for request in provider_server.requests] == [status, 200]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("way", WAYS)
def test_a_status_is_an_error_for_gemini(provider_server: Provider, status: int, way: Way) -> None:
    """Client errors below 500, server errors above, with Google's name for the status."""
    provider_server.fail(status=status, headers={"retry-after": "7"})

    with pytest.raises(errors.ClientError if status < 500 else errors.ServerError) as caught:
        ask(provider_server, "gemini", way)

    assert caught.value.code == status
    if status == 429:
        assert caught.value.status == "RESOURCE_EXHAUSTED"
        assert caught.value.details["error"]["details"][0]["retryDelay"] == "7s"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("vendor", SDKS)
def test_a_refused_request_is_an_error_in_each_way(provider_server: Provider, vendor: str, way: Way) -> None:
    """A stream that is refused is answered with a status as well."""
    provider_server.fail(status=429)

    with pytest.raises(error_of(vendor, "RateLimitError")):
        ask(provider_server, vendor, way)


@pytest.mark.parametrize(
    ("vendor", "says"),
    [
        ("openai_chat", "maximum context length is 128000 tokens"),
        ("openai_responses", "exceeds the context window"),
        ("anthropic", "prompt is too long: 205108 tokens > 200000 maximum"),
        ("gemini", "exceeds the maximum number of tokens allowed"),
    ],
)
def test_a_context_that_is_too_long_is_said_in_the_vendors_words(
    provider_server: Provider, vendor: str, says: str
) -> None:
    """It is a bad request everywhere; OpenAI has a code for it."""
    provider_server.fail("context")
    wanted = errors.ClientError if vendor == "gemini" else error_of(vendor, "BadRequestError")

    with pytest.raises(wanted, match=says) as caught:
        ask(provider_server, vendor)

    if SDKS.get(vendor) is openai:
        assert caught.value.code == "context_length_exceeded"


def test_a_spent_quota_is_a_429_that_no_waiting_cures(provider_server: Provider) -> None:
    """OpenAI says so by its code only."""
    provider_server.fail("quota")

    with pytest.raises(openai.RateLimitError) as caught:
        ask(provider_server, "openai_chat")

    assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")


@pytest.mark.parametrize("vendor", ["openai_chat", "anthropic"])
@pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
def test_clients_wait_as_told_and_try_again(provider_server: Provider, vendor: str, form: str) -> None:
    """`retry-after` as seconds or as a date, and `retry-after-ms`."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    headers = {
        "seconds": {"retry-after": "1"},
        "date": {"retry-after": email.utils.format_datetime(soon, usegmt=True)},
        "milliseconds": {"retry-after-ms": "600"},
    }[form]
    provider_server.fail(status=429, headers=headers)
    begun = time.monotonic()

    assert ask(provider_server, vendor, max_retries=1)

    assert time.monotonic() - begun > 0.5
    assert [request.status for request in provider_server.requests] == [429, 200]


@pytest.mark.parametrize("vendor", SDKS)
@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_ends_without_an_answer(provider_server: Provider, vendor: str, way: Way) -> None:
    """The client says so, and leaves the script where it was."""
    provider_server.script.say("first")
    provider_server.fail("close_before")

    with pytest.raises(error_of(vendor, "APIConnectionError")):
        ask(provider_server, vendor, way)

    assert len(provider_server.script) == 1
    assert provider_server.requests[0].status == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["close_before", "close_in_body"])
def test_a_connection_that_ends_for_gemini(provider_server: Provider, kind: Any, way: Way) -> None:
    """Google's client lets the error of its transport through."""
    if kind == "close_in_body" and "stream" in way:
        kind = "close_in_stream"
    provider_server.fail(kind, after=1)

    with pytest.raises(Exception, match=r"(?i)disconnect|closed|complete message body"):
        ask(provider_server, "gemini", way)


@pytest.mark.parametrize("vendor", SDKS)
@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_ends_in_the_middle(provider_server: Provider, vendor: str, way: Way) -> None:
    """Half a body and half a stream are errors, never short answers."""
    provider_server.script.say("a long answer, of which some has arrived")
    provider_server.fail("close_in_stream" if "stream" in way else "close_in_body", after=4)

    with pytest.raises(Exception, match=r"(?i)connection|incomplete|closed") as caught:
        ask(provider_server, vendor, way)

    assert not isinstance(caught.value, AssertionError)
    assert ask(provider_server, vendor, way)


@pytest.mark.parametrize("way", ["stream", "async stream"])
def test_an_error_in_a_stream(provider_server: Provider, way: Way) -> None:
    """Each vendor has its own event for it."""
    provider_server.fail("error_in_stream", status=529, times=2)

    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        ask(provider_server, "anthropic", way)
    with pytest.raises(openai.APIError, match="Something went wrong"):
        ask(provider_server, "openai_chat", way)


def test_a_response_that_fails_in_a_stream(provider_server: Provider) -> None:
    """OpenAI sends `response.failed` and nothing more; what came before it is there."""
    provider_server.fail("error_in_stream", status=500, after=5)

    with openai.OpenAI(base_url=provider_server.openai_url, api_key=provider_server.key) as client:
        events: list[Any] = list(client.responses.create(model="gpt", input="x", stream=True))

    assert [event.type for event in events[:-1]][-1] == "response.output_text.delta"
    assert events[-1].type == "response.failed"
    assert events[-1].response.status == "failed"
    assert events[-1].response.error.code == "server_error"
    assert [event.sequence_number for event in events] == list(range(6))


def test_an_error_in_a_stream_of_gemini(provider_server: Provider) -> None:
    """The client that Google has reads it as a chunk without a candidate; the bytes say what happened."""
    provider_server.fail("error_in_stream", status=503, after=2)
    url = f"{provider_server.gemini_url}/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"

    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    reply = httpx.post(url, json=body, headers={"x-goog-api-key": provider_server.key})

    *_, last = reply.text.strip().split("\r\n\r\n")
    assert reply.status_code == 200
    assert last.startswith('data: {"error":{"code":503,')
    assert '"status":"UNAVAILABLE"' in last


@pytest.mark.parametrize("vendor", SDKS)
@pytest.mark.parametrize("way", ["sync", "async", "stream"])
def test_a_slow_answer_is_a_timeout(provider_server: Provider, vendor: str, way: Way) -> None:
    """The client gives up first, and the server ends without waiting for what nobody reads."""
    provider_server.fail("slow", seconds=60)

    with pytest.raises(error_of(vendor, "APITimeoutError")):
        ask(provider_server, vendor, way, timeout=0.2)


def test_a_slow_answer_arrives_for_those_who_wait(provider_server: Provider) -> None:
    """It is the answer of the script, only later."""
    provider_server.script.say("late")
    provider_server.fail("slow", seconds=0.2)

    reply = ask(provider_server, "openai_chat")

    assert reply.choices[0].message.content == "late"


@pytest.mark.parametrize("vendor", SDKS)
@pytest.mark.parametrize("kind", ["invalid_json", "empty"])
def test_a_body_that_is_no_json(provider_server: Provider, vendor: str, kind: Any) -> None:
    """Status 200 and a body that cannot be read: the clients let the error of the JSON reader through."""
    provider_server.fail(kind)

    with pytest.raises(json.JSONDecodeError):
        ask(provider_server, vendor)


@pytest.mark.parametrize("vendor", SDKS)
def test_a_page_under_status_200(provider_server: Provider, vendor: str) -> None:
    """The clients return the page as text, which is no answer."""
    provider_server.fail("html", status=200)

    assert str(ask(provider_server, vendor)).startswith("<html>")


def test_bodies_that_gemini_did_not_send(provider_server: Provider) -> None:
    """Google's client takes an empty body for an answer without candidates."""
    provider_server.fail("empty")
    provider_server.fail("invalid_json")

    assert ask(provider_server, "gemini")[0].candidates is None
    with pytest.raises(json.JSONDecodeError):
        ask(provider_server, "gemini")


@pytest.mark.parametrize("way", ["stream", "async stream"])
def test_a_stream_that_ends_too_soon(provider_server: Provider, way: Way) -> None:
    """It ends in good order; what is missing is the last event, and only OpenAI's Responses client notices."""
    provider_server.script.say("abcdef")
    provider_server.fail("end_stream_early", times=2, after=5)
    provider_server.fail("end_stream_early", after=1)

    with pytest.raises(RuntimeError, match=r"response\.completed"):
        ask(provider_server, "openai_responses", way)
    assert ask(provider_server, "anthropic", way).stop_reason is None
    replies = ask(provider_server, "gemini", way)
    assert len(provider_server.script) == 1
    assert [reply.text for reply in replies] == ["abc"]


@pytest.mark.parametrize("vendor", ["openai_chat", "openai_responses", "anthropic"])
def test_an_event_that_is_no_json(provider_server: Provider, vendor: str) -> None:
    """The clients let the error of the JSON reader through."""
    provider_server.fail("bad_event_in_stream", after=2)

    with pytest.raises(json.JSONDecodeError):
        ask(provider_server, vendor, "stream")


@pytest.mark.parametrize("vendor", SDKS)
def test_a_page_of_a_gateway(provider_server: Provider, vendor: str) -> None:
    """HTML under a status of its own is an error with the page as its body."""
    provider_server.fail("html", status=502)

    with pytest.raises(error_of(vendor, "InternalServerError")) as caught:
        ask(provider_server, vendor)

    assert "<h1>502 Bad Gateway</h1>" in str(caught.value.body or caught.value.message)


@pytest.mark.parametrize("vendor", SDKS)
@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_key_is_refused(provider_server: Provider, vendor: str, way: Way) -> None:
    """Before anything of the request is looked at."""
    with pytest.raises(error_of(vendor, "AuthenticationError")):
        ask(provider_server, vendor, way, api_key="wrong")

    assert provider_server.requests[0].status == 401


def test_keys_go_in_the_header_of_the_vendor(provider_server: Provider) -> None:
    """No key, a key in another vendor's header and a missing version are refused; Anthropic takes both its headers."""
    key, body = provider_server.key, {"model": "claude", "max_tokens": 9, **USER}
    bearer = {"authorization": f"Bearer {key}"}
    version = {"anthropic-version": "2023-06-01"}
    gemini = f"{provider_server.gemini_url}/v1beta/models/gemini-2.5-pro:generateContent"

    def status(url: str, **headers: Any) -> int:
        sent = {"contents": [{"parts": [{"text": "x"}]}]} if "gemini" in url else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(url, json=sent, headers=named).status_code

    messages = f"{provider_server.anthropic_url}/v1/messages"
    assert status(f"{provider_server.openai_url}/chat/completions") == 401
    assert status(f"{provider_server.openai_url}/responses", x_api_key=key) == 401
    assert status(messages, **version) == 401
    assert status(messages, x_api_key="wrong", **version) == 401
    assert status(messages, x_api_key=key) == 400
    assert status(messages, x_api_key=key, **version) == 200
    assert status(messages, **bearer, **version) == 200
    assert status(gemini) == 403
    assert status(gemini, **bearer) == 403
    assert status(gemini, x_goog_api_key=key) == 200


@pytest.mark.parametrize("way", WAYS)
def test_gemini_calls_a_wrong_key_a_bad_request(provider_server: Provider, way: Way) -> None:
    """Google answers 400 and names the reason in the details."""
    with pytest.raises(errors.ClientError, match="API key not valid") as caught:
        ask(provider_server, "gemini", way, api_key="wrong")

    assert caught.value.code == 400
    assert caught.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


def test_what_no_vendor_has_is_not_found(provider_server: Provider) -> None:
    """Other paths, other methods and bodies that are no JSON."""
    bearer = {"authorization": f"Bearer {provider_server.key}"}

    assert httpx.post(f"{provider_server.url}/v1/completions", json={}).status_code == 404
    assert httpx.get(f"{provider_server.url}/v1/responses").status_code == 405
    for path in ("chat/completions", "responses"):
        for content in (b"", b"{", b"[]", b'"x"'):
            reply = httpx.post(f"{provider_server.openai_url}/{path}", content=content, headers=bearer)
            assert reply.status_code == 400
            assert "could not parse the JSON body" in reply.json()["error"]["message"]


def test_a_gemini_stream_without_sse_is_one_list(provider_server: Provider) -> None:
    """`alt=sse` is asked for by the client; without it Google sends a JSON array."""
    url = f"{provider_server.gemini_url}/v1beta/models/gemini-2.5-pro:streamGenerateContent"
    contents = [{"role": "user", "parts": [{"text": "x"}]}]

    reply = httpx.post(url, json={"contents": contents}, headers={"x-goog-api-key": provider_server.key})

    (only,) = reply.json()
    assert types.GenerateContentResponse.model_validate(only).text == "Got 1."
