"""Conversations with the four providers, over HTTP, through a server that refuses what they refuse."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.agent.talking import require_valid, said
from tests.providers.server import Provider
from tests.providers.server.script import FaultKind
from tract import ImagePart, TextPart, Tract
from tract.errors import ModelUnavailableError, RateLimitedError, StreamBrokenError, TractError
from tract.objects.message import AnyPart

_MODELS = {"openai": "gpt", "openai_responses": "gpt", "anthropic": "claude", "gemini": "gemini-3-pro"}
_PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


@pytest.fixture(params=_MODELS)
def provider(request: pytest.FixtureRequest) -> str:
    """Name one of the four."""
    return str(request.param)


def where(server: Provider, provider: str) -> dict[str, Any]:
    """Return what `Tract.open` is told to talk to *provider* at the server."""
    urls = {"anthropic": server.anthropic_url, "gemini": server.gemini_url}
    return {
        "provider": provider,
        "model": _MODELS[provider],
        "api_key": server.key,
        "base_url": urls.get(provider, server.openai_url),
    }


def weather(city: str) -> str:
    """Say the weather.

    Args:
        city: Where.
    """
    return f"Sunny in {city}."


def test_a_conversation_with_tools_thinking_and_an_image(provider_server: Provider, provider: str) -> None:
    """Sync, streamed and async turns of one history; usage is recorded, the model as the provider names it."""
    script = provider_server.script
    script.call_tools(
        [{"name": "weather", "arguments": {"city": city}} for city in ("Rome", "Oslo")], thinking="Two cities."
    )
    script.say("Sunny everywhere.", thinking="So it is.")
    script.say("A picture.")
    script.say("You are welcome.")
    parts: list[AnyPart] = [TextPart("What is this?"), ImagePart("image/png", _PNG)]
    with Tract.open(**where(provider_server, provider)) as t:
        t.system("Be brief.")
        t.tools.add(weather)
        result = t.run("The weather in Rome and Oslo?")
        streamed = t.stream(parts)
        text = "".join(streamed)
        last = asyncio.run(t.achat("Thanks!"))

        assert (result.state, result.text, text, last.text) == (
            "finished",
            "Sunny everywhere.",
            "A picture.",
            "You are welcome.",
        )
        assert sorted(text for role, text in said(t) if role == "tool") == ["Sunny in Oslo.", "Sunny in Rome."]
        assert all(response.usage for response in (*result.responses, streamed.response, last))
        assert t.compile().token_source.startswith("api:")
        assert [request.status for request in provider_server.requests] == [200] * 4
        require_valid(t)


def test_the_same_history_goes_on_with_another_provider(provider_server: Provider, tmp_path: Path) -> None:
    """Each takes what the others said, tool calls included."""
    for number, provider in enumerate((*_MODELS, *_MODELS)):
        provider_server.script.call_tools([{"name": "weather", "arguments": {"city": f"city {number}"}}])
        provider_server.script.say(f"Reply {number}.")
        with Tract.open(tmp_path / "a.db", **where(provider_server, provider)) as t:
            t.tools.add(weather)
            assert t.run(f"Question {number}?").text == f"Reply {number}."
            require_valid(t)

    assert {request.status for request in provider_server.requests} == {200}
    with Tract.open(tmp_path / "a.db") as t:
        assert len(said(t)) == 4 * 8


def test_a_provider_that_is_down_leaves_the_question_once(provider_server: Provider, provider: str) -> None:
    """Whether it is asked for a whole reply or a stream."""
    provider_server.fail(times=40, status=503, headers={"retry-after": "0"})
    with Tract.open(**where(provider_server, provider)) as t:
        for _ in range(2):
            with pytest.raises(ModelUnavailableError):
                t.chat("Hi!")
        with pytest.raises(ModelUnavailableError):
            list(t.stream("Hi!"))

        assert said(t) == [("user", "Hi!")]


def test_a_stream_that_breaks_over_http(provider_server: Provider, provider: str) -> None:
    """What arrived is kept if asked, and the next question finds a valid history."""
    provider_server.script.say("A long answer, of which some has arrived.")
    provider_server.fail("close_in_stream", after=9)
    with Tract.open(**where(provider_server, provider)) as t:
        with pytest.raises(StreamBrokenError):
            list(t.stream("Hi!", keep_partial=True))
        provider_server.script.drop()
        provider_server.script.say("Here I am.")

        assert t.chat("Go on.").text == "Here I am."
        assert "A long answer, of which some has arrived.".startswith(said(t)[1][1])
        require_valid(t)


def test_keys_leave_no_trace(provider_server: Provider, provider: str, tmp_path: Path) -> None:
    """Not in the store, nor in an error."""
    provider_server.fail(status=429, headers={"retry-after": "9999"})
    with Tract.open(tmp_path / "a.db", **where(provider_server, provider)) as t:
        with pytest.raises(RateLimitedError) as caught:
            t.chat("Hi!")
        t.chat("Hi!")
        shown = f"{t!r} {t.status()!r} {caught.value!r} {caught.value.__dict__!r} {t.get('HEAD').sent!r}"
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert provider_server.key not in shown
    assert provider_server.key.encode() not in files


def test_two_providers_that_fail_say_so_in_our_words(provider_server: Provider, provider: str) -> None:
    """Whatever the body of the answer."""
    with Tract.open(**where(provider_server, provider)) as t:
        kinds: tuple[FaultKind, ...] = ("html", "empty", "invalid_json")
        for kind in kinds:
            provider_server.fail(kind, status=200)
            with pytest.raises(TractError):
                t.chat("Hi!")

        assert said(t) == [("user", "Hi!")]
