"""A key is sent to its provider and is nowhere else."""

from __future__ import annotations

import copy
import dataclasses
import gc
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.llm.worlds import FORMATS, MODELS, ONCE, WAYS, ask, url_of
from tests.providers.server import Provider
from tract import Tract
from tract.errors import AuthenticationError, InvalidInputError, ModelError, StreamBrokenError
from tract.llm.cached import CachedLLM
from tract.llm.fallback import FallbackLLM
from tract.llm.http import HttpLLM
from tract.llm.providers import endpoint
from tract.llm.refused import model_error
from tract.llm.secret import Secret

CANARY = "sk-canary-7f3a9b2c4d5e6f"


def everywhere(value: Any, seen: set[int] | None = None) -> str:
    """Return the text of *value* and of all it holds, but for a `Secret`, whose one way out is `reveal`."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, Secret):
        return ""
    seen.add(id(value))
    children: list[Any] = []
    if isinstance(value, dict):
        children += [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set)):
        children += list(value)
    elif isinstance(value, BaseException):
        children += [*value.args, value.__cause__, value.__context__, *vars(value).values()]
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        children += list(vars(value).values())
    return "\n".join([repr(value), str(value), *(everywhere(child, seen) for child in children)])


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("failure", ["", "wrong key", "timeout", "closed", "echo"])
def test_no_key_in_errors_replies_and_logs(  # each is a dimension of the matrix
    provider_server: Provider, wire: Any, way: Any, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens, the key is in no message, attribute, cause, traceback, log or reply."""
    caplog.set_level(logging.DEBUG)
    provider_server._wanted_key = "another" if failure == "wrong key" else CANARY
    if failure == "timeout":
        provider_server.fail("slow", seconds=2)
    if failure == "closed":
        provider_server.fail("close_before")
    if failure == "echo":
        provider_server.fail(status=400, message=f"You sent {CANARY} as your key.")
    options: dict[str, Any] = {"timeout_seconds": 0.3} if failure == "timeout" else {}
    llm = HttpLLM(
        wire, api_key=CANARY, model=MODELS[wire], base_url=url_of(provider_server, wire), retry=ONCE, **options
    )

    try:
        shown = everywhere(way(llm, ask("hi")))
    except ModelError as error:
        shown = everywhere(error) + "".join(traceback.format_exception(error))
        assert failure

    assert "canary" not in shown
    assert "canary" not in caplog.text
    sent = provider_server.requests[0]
    assert CANARY in "".join(sent.headers.values())
    assert "canary" not in sent.path + sent.raw.decode()


class BreakingOff(httpx.SyncByteStream):
    """The beginning of an answer with a call nobody can read, and then a broken connection."""

    def __iter__(self) -> Iterator[bytes]:
        delta = {"content": "Hello", "tool_calls": [{"index": 0, "id": "c", "function": {"arguments": "{}"}}]}
        yield b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
        raise httpx.ReadError("gone")


def test_a_stream_that_broke_with_an_unreadable_call_is_a_broken_stream() -> None:
    """What cannot be read is not what went wrong; the library's error, which holds the key, is in no chain."""
    headers = {"content-type": "text/event-stream"}
    answering = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=BreakingOff()))
    with httpx.Client(transport=answering) as http:
        llm = HttpLLM("openai", api_key=CANARY, model="m", http_client=http, retry=ONCE)

        with pytest.raises(StreamBrokenError) as caught:
            list(llm.stream(ask("hi")))
        with Tract.open(llm=llm) as t:
            with pytest.raises(StreamBrokenError):
                list(t.stream("Hi!", keep_partial=True))
            assert t.compile().messages[-1].text == "Hello"
    assert "canary" not in everywhere(caught.value)
    assert caught.value.__context__ is None


def test_no_key_in_what_a_client_shows(provider_server: Provider) -> None:
    """Neither it nor what is built on it shows the key: repr, str, fields, format and copies."""
    llm = HttpLLM("openai", api_key=CANARY, model="m")
    for value in (llm, FallbackLLM([llm]), CachedLLM(llm), endpoint("openai", api_key=CANARY), Secret(CANARY)):
        assert "canary" not in f"{value} {value!r}"
    assert "canary" not in everywhere(llm)
    assert "canary" not in str(dataclasses.asdict(llm.retry)) + str(dataclasses.fields(llm))
    assert copy.copy(llm.api_key) is copy.deepcopy(llm.api_key) is llm.api_key


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_not_pickled(protocol: int) -> None:
    """Neither alone nor as part of something."""
    with pytest.raises(InvalidInputError):
        pickle.dumps({"key": Secret(CANARY)}, protocol)


def test_vendors_that_repeat_a_part_of_the_key_are_not_quoted() -> None:
    """OpenAI's sentence shows the key's ends; it is left out, and what looks like a key is masked elsewhere."""
    body = '{"error": {"message": "Incorrect API key provided: sk-cana**********5e6f."}}'

    assert "cana" not in str(model_error("openai", 401, {}, body))
    assert "cana" not in str(model_error("openai", 400, {}, body))


# --- where the key comes from --------------------------------------------------------------------

VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "openai_responses": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "acme": "ACME_API_KEY",
    "my-server": "MY_SERVER_API_KEY",
}


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "GOOGLE_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("provider", VARIABLES)
def test_the_key_of_the_usual_variable(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each provider's own variable is read, and no other provider's."""
    own = VARIABLES[provider]
    url = "http://127.0.0.1:9" if provider in {"acme", "my-server"} else None
    for name in VARIABLES.values():
        monkeypatch.setenv(name, "another-key")
    monkeypatch.setenv(own, f" {CANARY}\n")

    key = endpoint(provider, base_url=url).key

    assert key is not None
    assert key.reveal() == CANARY


def test_a_server_of_ones_own_gets_no_other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OPENAI_API_KEY` is not sent to a server that only speaks OpenAI's format."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)

    assert endpoint("acme", base_url="http://127.0.0.1:9").key is None
    assert endpoint("ollama").key is None


@pytest.mark.parametrize("provider", ["openai", "openai_responses", "anthropic", "gemini"])
def test_a_missing_key_names_its_variable(provider: str) -> None:
    """The hint says what to set."""
    with pytest.raises(AuthenticationError) as caught:
        HttpLLM(provider, model="m")

    assert VARIABLES[provider] in (caught.value.hint or "")


def test_the_base_url_of_the_usual_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the SDKs read it; an argument goes before it."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")

    assert endpoint("openai").base_url == "http://127.0.0.1:9/v1"
    assert endpoint("openai", base_url="http://127.0.0.1:8/v1").base_url == "http://127.0.0.1:8/v1"


def test_a_dropped_client_closes_its_sockets(provider_server: Provider) -> None:
    """Nobody has to call `close`; the sockets go with the client, or pytest would report them."""
    llm = HttpLLM("openai", api_key="test-key", model="m", base_url=provider_server.openai_url)
    llm.send(ask("hi"))

    del llm
    gc.collect()


def test_a_closed_client_of_ones_own_is_told(provider_server: Provider) -> None:
    """An injected HTTP client that is closed is no raw error; one that is open is not closed by us."""
    with httpx.Client() as http:
        llm = HttpLLM("openai", api_key="test-key", model="m", base_url=provider_server.openai_url, http_client=http)
        llm.send(ask("hi"))
        llm.close()
        assert not http.is_closed
    with pytest.raises(InvalidInputError, match="closed"):
        llm.send(ask("hi"))
