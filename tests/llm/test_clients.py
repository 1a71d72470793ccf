"""Our clients ask each provider, sync, async and streamed, and read the same answer."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from tests.llm.worlds import FORMATS, TOOL, WAYS, ask, client, collect, last, said
from tests.providers.server import AWKWARD_TEXT, Provider
from tract.llm.protocol import LLM, Format, ReasoningDelta, Reply, Request, TextDelta, ToolCallDelta
from tract.objects.message import Message, TextPart

Way = Callable[[LLM, Request], Reply]


@pytest.fixture(params=FORMATS)
def wire(request: pytest.FixtureRequest) -> Format:
    return request.param  # type: ignore[no-any-return]  # one of FORMATS


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]  # one of WAYS


def test_the_answer_arrives_as_it_is(provider_server: Provider, wire: Format, way: Way) -> None:
    """Separators, split characters and false ends arrive as they were said, with model, usage and settings."""
    provider_server.script.say(AWKWARD_TEXT, model="answered-by")

    reply = way(client(provider_server, wire), ask("hi", settings={"temperature": 0.5, "max_tokens": 100}))

    assert reply.text == AWKWARD_TEXT
    assert reply.content.text == AWKWARD_TEXT or wire == "openai_responses"
    assert reply.model == reply.settings["model"] == "answered-by"
    assert (reply.settings["temperature"], reply.settings["max_tokens"]) == (0.5, 100)
    assert reply.usage is not None
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert reply.usage.model == "answered-by"
    assert (reply.format, reply.provider, reply.finish_reason) == (wire, wire, "stop")
    assert reply.sent == {**provider_server.requests[0].body}


def turn_with_everything(provider: Provider) -> None:
    provider.script.call_tools(
        [{"name": "weather", "arguments": {"city": "Köln"}}, {"name": "weather", "arguments": {"city": "Rom"}}],
        text="Let me look.",
        thinking="Two cities.",
    )


def test_the_stream_joins_to_the_answer(provider_server: Provider, wire: Format) -> None:
    """The deltas of text, reasoning and calls join to what the reply holds."""
    turn_with_everything(provider_server)
    settings = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
    request = ask("hi", tools=[TOOL], settings=settings if wire == "anthropic" else {})

    items = list(client(provider_server, wire).stream(request))

    reply = last(items)
    assert "".join(item.text for item in items if isinstance(item, TextDelta)) == reply.text == "Let me look."
    thought = "".join(item.text for item in items if isinstance(item, ReasoningDelta))
    assert thought == ("" if wire == "openai" else "Two cities.")
    calls: dict[int, list[str]] = {}
    for item in items:
        if isinstance(item, ToolCallDelta):
            call = calls.setdefault(item.index, ["", ""])
            call[0] += item.name
            call[1] += item.arguments
    assert [name for name, _ in calls.values()] == ["weather", "weather"]
    assert [call.name for call in reply.tool_calls] == ["weather", "weather"]
    assert [call.arguments.replace(" ", "") for call in reply.tool_calls] == ['{"city":"Köln"}', '{"city":"Rom"}']
    assert [text.replace(" ", "") for _, text in calls.values()] == ['{"city":"Köln"}', '{"city":"Rom"}']
    assert reply.finish_reason == "tool_calls"


def test_streamed_or_not_the_turn_is_the_same(provider_server: Provider, wire: Format) -> None:
    """Whichever way the answer comes, the turn to commit is the same to the byte but for ids and signatures."""
    provider_server.binder.sign = lambda *_: "c2lnbmVk"  # type: ignore[method-assign]  # the same in both answers
    turns = []
    for way in WAYS:
        provider_server.script.call_tools(
            [{"name": "weather", "arguments": {"city": "Rom"}, "id": "call_1"}], text="Well.", thinking="Hm."
        )
        settings = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
        request = ask("hi", tools=[TOOL], settings=settings if wire == "anthropic" else {})
        turns.append(way(client(provider_server, wire), request).content.payload())

    assert without_ids(turns[0]) == without_ids(turns[1]) == without_ids(turns[2]) == without_ids(turns[3])


def without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_ids(child) for name, child in value.items() if name not in {"id", "encrypted_content"}}
    return [without_ids(child) for child in value] if isinstance(value, list) else value


def test_a_conversation_with_parallel_tools_goes_on(provider_server: Provider, wire: Format, way: Way) -> None:
    """Thinking, parallel calls and their results are sent back as the provider wants them, for three turns."""
    settings: dict[str, Any] = {"max_tokens": 2048}
    if wire == "anthropic":
        settings["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    llm = client(provider_server, wire)
    messages = list(ask("hi").messages)
    for _ in range(2):
        turn_with_everything(provider_server)
        reply = way(llm, Request(messages=messages, tools=[TOOL], settings=settings))
        messages.append(said(reply.content))
        messages += [Message("tool", (TextPart("sunny"),), call_id=call.id) for call in reply.tool_calls]
    provider_server.script.say("Sunny in both.", thinking="So it is.")

    reply = way(llm, Request(messages=messages, tools=[TOOL], settings=settings))

    assert reply.text == "Sunny in both."
    assert [request.status for request in provider_server.requests] == [200, 200, 200]
    assert [loss for loss in reply.losses if loss.kind == "reasoning"] == []
    ids = [call.id for message in messages for call in message.tool_calls]
    assert len(set(ids)) == len(ids)


def test_a_refusal_and_a_cut_are_told(provider_server: Provider, wire: Format, way: Way) -> None:
    """Why the answer ended is said in one word for all providers."""
    provider_server.script.say("To be cont", stop="length")
    provider_server.script.refuse("I will not.")
    llm = client(provider_server, wire)

    assert way(llm, ask("hi")).finish_reason == "length"
    assert way(llm, ask("hi")).finish_reason == "refusal"


class Weather(BaseModel):
    city: str
    degrees: int


def test_an_answer_of_a_given_shape(provider_server: Provider, wire: Format, way: Way) -> None:
    """A pydantic model as `response_format` reaches each provider in its own words."""
    reply = way(client(provider_server, wire), ask("hi", settings={"response_format": Weather}))

    assert Weather.model_validate_json(reply.text) == Weather(city="text", degrees=1)


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "tool", "name": "weather"}])
def test_the_choice_of_tools_in_the_providers_words(provider_server: Provider, wire: Format, choice: Any) -> None:
    """OpenAI's or Anthropic's `tool_choice` is taken by every provider."""
    client(provider_server, wire).send(ask("hi", tools=[TOOL], settings={"tool_choice": choice}))

    (received,) = provider_server.requests
    named = "weather" in str({**received.body, "tools": None})
    assert received.status == 200
    assert named == isinstance(choice, dict)


def test_one_client_for_many_threads(provider_server: Provider, wire: Format) -> None:
    """Eight threads ask at once and each gets its own answer."""
    answers: list[str] = []
    with client(provider_server, wire) as llm:
        threads = [threading.Thread(target=lambda: answers.append(llm.send(ask("hi")).text)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == ["Got 1."] * 8


def test_one_client_for_many_loops(provider_server: Provider, wire: Format) -> None:
    """The same client works in one `asyncio.run` after the other, and leaves no open socket behind."""
    llm = client(provider_server, wire)

    async def both() -> list[str]:
        replies = await asyncio.gather(*(llm.asend(ask("hi")) for _ in range(3)))
        return [reply.text for reply in replies] + [last(await collect(llm, ask("hi"))).text]

    assert asyncio.run(both()) == asyncio.run(both()) == ["Got 1."] * 4


def test_a_stream_left_early_is_closed(provider_server: Provider, wire: Format) -> None:
    """Who stops listening gets no error, and the client goes on to be of use."""
    provider_server.script.say("a long answer " * 50)
    llm = client(provider_server, wire)

    items = llm.stream(ask("hi"))
    first = next(items)
    items.close()  # type: ignore[attr-defined]  # it is a generator

    assert isinstance(first, TextDelta)
    assert llm.send(ask("hi")).text == "Got 1."


def test_a_conversation_moves_between_providers(provider_server: Provider) -> None:
    """Each next turn is another provider's: calls and results go along, and thinking bound to a prefix stays valid."""
    messages = list(ask("hi").messages)
    for wire in (*FORMATS, *reversed(FORMATS)):
        settings: dict[str, Any] = {"max_tokens": 2048}
        if wire == "anthropic":
            settings["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        llm = client(provider_server, wire)
        turn_with_everything(provider_server)
        reply = llm.send(Request(messages=messages, tools=[TOOL], settings=settings))
        messages.append(said(reply.content))
        messages += [Message("tool", (TextPart("sunny"),), call_id=call.id) for call in reply.tool_calls]
        messages.append(said(llm.send(Request(messages=messages, tools=[TOOL], settings=settings)).content))
        messages.append(Message("user", (TextPart("And now?"),)))

    assert {request.status for request in provider_server.requests} == {200}
    assert len(provider_server.requests) == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(provider_server: Provider) -> None:
    """Parent and child never speak on one connection: both get their own answer, and the child closes nothing."""
    llm = client(provider_server, "openai")
    assert llm.send(ask("hi")).text == "Got 1."

    child = os.fork()
    if child == 0:
        fine = llm._client() is not None and llm._process == os.getpid()
        fine = fine and llm.send(ask("a", "b", "c")).text == "Got 3."
        os._exit(0 if fine else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert llm.send(ask("hi")).text == "Got 1."
