"""Usage says what a prompt cache would hold: all by itself at OpenAI and Google, up to breakpoints at Anthropic."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.providers.server import Provider
from tests.providers.ways import WAYS, Way, ask_anthropic, ask_chat, ask_gemini, ask_responses

FIVE = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
LONG = "A long text that is the same each time. " * 10


def text(said: str, **mark: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **mark}


def read_and_written(message: Any) -> tuple[int, int, int]:
    used = message.usage
    return used.cache_read_input_tokens, used.cache_creation_input_tokens, used.input_tokens


def turns(*contents: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant" if i % 2 else "user", "content": content} for i, content in enumerate(contents)]


@pytest.mark.parametrize("way", WAYS)
def test_openai_and_gemini_read_the_longest_known_prefix(provider_server: Provider, way: Way) -> None:
    """Nothing at first, all that was sent before when more is added, less when something in front changes."""
    said = [LONG, "Yes.", LONG + "2", "No."]

    def chat(*contents: str) -> tuple[int, int]:
        used = ask_chat(provider_server, way, {"messages": turns(*contents)}).usage
        return used.prompt_tokens_details.cached_tokens, used.prompt_tokens

    def responses(*contents: str) -> tuple[int, int]:
        used = ask_responses(provider_server, way, {"input": turns(*contents)}).usage
        return used.input_tokens_details.cached_tokens, used.input_tokens

    def gemini(*contents: str) -> tuple[int, int]:
        roles = ("user", "model")
        given = [{"role": roles[i % 2], "parts": [{"text": each}]} for i, each in enumerate(contents)]
        used: Any = ask_gemini(provider_server, way, {"contents": given})[-1].usage_metadata
        return used.cached_content_token_count or 0, used.prompt_token_count

    for ask in (chat, responses, gemini):
        first, longer, changed = ask(*said[:1]), ask(*said[:3]), ask("New.", *said[1:3])
        again = ask(*said[:3])
        assert first[0] == 0
        assert longer[0] == first[1]
        assert changed[0] == 0
        assert again == (longer[1], longer[1])


def test_another_model_knows_nothing(provider_server: Provider) -> None:
    """Caches are of one model."""
    request = {"messages": turns(LONG)}

    used = [ask_chat(provider_server, "sync", {**request, "model": model}).usage for model in ("a", "b", "a")]

    assert [each.prompt_tokens_details.cached_tokens > 0 for each in used] == [False, False, True]


@pytest.mark.parametrize("way", WAYS)
def test_anthropic_caches_up_to_the_breakpoint_only(provider_server: Provider, way: Way) -> None:
    """Written once, read next time; what is behind the breakpoint is input, and without one there is no cache."""
    marked: dict[str, Any] = {"system": [text(LONG, **FIVE)]}
    plain = {"system": LONG}

    nothing = [ask_anthropic(provider_server, way, {**plain, "messages": turns("x")}) for _ in range(2)]
    first = ask_anthropic(provider_server, way, {**marked, "messages": turns("x")})
    second = ask_anthropic(provider_server, way, {**marked, "messages": turns("another")})

    total = nothing[0].usage.input_tokens
    assert [read_and_written(each) for each in nothing] == [(0, 0, total)] * 2
    read, written, rest = read_and_written(first)
    assert (read, written + rest) == (0, total)
    assert written > rest > 0
    assert read_and_written(second)[:2] == (written, 0)


def test_a_breakpoint_that_moves_on_reads_what_the_last_one_wrote(provider_server: Provider) -> None:
    """At most 20 places are looked at, the breakpoint itself the first of them."""

    def ask(count: int, system: str) -> tuple[int, int, int]:
        contents = [[text(f"{i}")] for i in range(count)]
        contents[-1] = [text(f"{count - 1}", **FIVE)]
        reply = ask_anthropic(provider_server, "sync", {"system": system, "messages": turns(*contents)})
        return read_and_written(reply)

    first, near, farther = ask(1, "near"), ask(20, "near"), ask(39, "near")
    other, too_far = ask(1, "far"), ask(21, "far")

    assert (first[0], other[0]) == (0, 0)
    assert near[0] == first[1]
    assert farther[0] == near[0] + near[1]
    assert too_far[0] == 0


def test_a_change_in_front_of_a_breakpoint_loses_the_cache(provider_server: Provider) -> None:
    """Tools come before system, system before messages; a breakpoint in front of the change still holds."""
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    request: dict[str, Any] = {
        "tools": [{**tools[0], **FIVE}],
        "system": [text(LONG, **FIVE)],
        "messages": turns([text(LONG, **FIVE)]),
    }
    _, written, rest = read_and_written(ask_anthropic(provider_server, "sync", request))

    new_system = ask_anthropic(provider_server, "sync", {**request, "system": [text("New.", **FIVE)]})
    new_tool = ask_anthropic(
        provider_server, "sync", {**request, "tools": [{**tools[0], "description": "new", **FIVE}]}
    )
    same = ask_anthropic(provider_server, "sync", request)

    assert rest == 0
    assert 0 < read_and_written(new_system)[0] < written
    assert read_and_written(new_tool)[0] == 0
    assert read_and_written(same) == (written, 0, 0)


def test_marks_do_not_change_the_prefix(provider_server: Provider) -> None:
    """A breakpoint put elsewhere finds what was written, since marks are no content."""
    first = ask_anthropic(provider_server, "sync", {"system": [text("a", **FIVE)], "messages": turns("x")})
    system = [text("a"), text("b", **FIVE)]

    second = ask_anthropic(provider_server, "sync", {"system": system, "messages": turns("x")})

    assert read_and_written(second)[0] == read_and_written(first)[1]


def test_lifetimes_are_counted_apart(provider_server: Provider) -> None:
    """What is written for an hour and for five minutes has its own count."""
    request: dict[str, Any] = {"system": [text(LONG, **HOUR)], "messages": turns([text("hello", **FIVE)])}

    used = ask_anthropic(provider_server, "sync", request).usage

    assert used.cache_creation.ephemeral_1h_input_tokens > used.cache_creation.ephemeral_5m_input_tokens > 0
    assert used.cache_creation_input_tokens == (
        used.cache_creation.ephemeral_1h_input_tokens + used.cache_creation.ephemeral_5m_input_tokens
    )


def test_a_breakpoint_for_the_whole_request(provider_server: Provider) -> None:
    """Top-level `cache_control` marks the last block and counts as one of four."""
    request: dict[str, Any] = {"messages": turns(LONG), **FIVE}

    first = ask_anthropic(provider_server, "sync", request)
    second = ask_anthropic(provider_server, "sync", request)

    assert read_and_written(first)[2] == 0
    assert read_and_written(second) == (read_and_written(first)[1], 0, 0)
    four = turns([text(str(i), **FIVE) for i in range(4)])
    assert ask_anthropic(provider_server, "sync", {"messages": four}).content
    with pytest.raises(anthropic.BadRequestError, match=r"maximum of 4 blocks with cache_control .* Found 5"):
        ask_anthropic(provider_server, "sync", {"messages": four, **FIVE})
