"""Anthropic's own client finds the server to speak as Anthropic does."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.providers.server import AWKWARD_TEXT, Call, Provider, Text, Thinking
from tests.providers.ways import WAYS, Way, ask_anthropic

TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in "fg"]
THINK = {"type": "enabled", "budget_tokens": 1024}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def blocks(message: Any) -> list[dict[str, Any]]:
    return [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in message.content]


def results(*ids: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": each, "content": "ok"} for each in ids]}


@pytest.mark.parametrize("way", WAYS)
def test_parallel_tools_with_thinking_over_turns(provider_server: Provider, way: Way) -> None:
    """Thinking goes back byte for byte with its calls, all results in one message, and the reply follows."""
    provider_server.script.answer(
        Thinking(AWKWARD_TEXT),
        Thinking("", redacted=True),
        Text("Looking."),
        Call("f", '{"b": 1, "a": "\u2028"}', "toolu_1"),
        Call("g", "{}", "toolu_2"),
    )
    provider_server.script.say("Done.", thinking="more")
    request: dict[str, Any] = {"system": "Be short.", "tools": TOOLS, "thinking": THINK}
    messages: list[Any] = [{"role": "user", "content": "Go."}]

    first = ask_anthropic(provider_server, way, {**request, "messages": messages})
    messages += [{"role": "assistant", "content": blocks(first)}, results("toolu_1", "toolu_2")]
    second = ask_anthropic(provider_server, way, {**request, "messages": messages})
    messages += [{"role": "assistant", "content": blocks(second)}, {"role": "user", "content": "And?"}]
    third = ask_anthropic(provider_server, way, {**request, "messages": messages})

    kinds = ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    assert [block.type for block in first.content] == kinds
    assert first.stop_reason == "tool_use"
    assert first.content[0].thinking == AWKWARD_TEXT
    assert [block.input for block in first.content[3:]] == [{"b": 1, "a": "\u2028"}, {}]
    assert (second.stop_reason, second.content[1].text) == ("end_turn", "Done.")
    assert third.content[0].text == "Got 5."


def test_each_way_says_the_same(provider_server: Provider) -> None:
    """A stream put together is the answer that comes in one piece, signature and usage included."""
    said = []
    for way in WAYS:
        provider_server.script.answer(Thinking("hm\u2028"), Text(AWKWARD_TEXT), Call("f", '{"a": [1.5]}', "toolu_1"))
        reply = ask_anthropic(provider_server, way, {"messages": [{"role": "user", "content": "x"}], "tools": TOOLS})
        said.append((blocks(reply), reply.stop_reason, reply.usage.input_tokens, reply.usage.output_tokens))

    assert said[0][0][1]["text"] == AWKWARD_TEXT
    assert said == [said[0]] * 4


def test_a_stream_has_the_events_in_their_order(provider_server: Provider) -> None:
    """Blocks open, grow and close one after the other, with a ping and the signature as the last delta of thinking."""
    provider_server.script.answer(Thinking("hm"), Text("hi"), Call("f", '{"a":1}'))

    with anthropic.Anthropic(base_url=provider_server.anthropic_url, api_key=provider_server.key) as client:
        events: list[Any] = list(
            client.messages.create(
                model="claude",
                max_tokens=9,
                tools=[{"name": "f", "input_schema": {"type": "object"}}],
                messages=[{"role": "user", "content": "x"}],
                stream=True,
            )
        )

    kinds = [event.delta.type if event.type == "content_block_delta" else event.type for event in events]
    assert kinds == [
        "message_start",
        *("content_block_start", "thinking_delta", "signature_delta", "content_block_stop"),
        *("content_block_start", "text_delta", "content_block_stop"),
        *("content_block_start", "input_json_delta", "input_json_delta", "input_json_delta", "input_json_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    assert [event.delta.partial_json for event in events[9:13]] == ["", '{"a', '": ', "1}"]
    assert events[0].message.stop_reason is None
    assert events[0].message.content == []


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_ends_for_each_reason(provider_server: Provider, way: Way) -> None:
    """Length, filter and refusal have their own stop reasons."""
    provider_server.script.say("cut", stop="length")
    provider_server.script.say("cut", stop="filter")
    provider_server.script.refuse("I will not.")
    request = {"messages": [{"role": "user", "content": "x"}]}

    replies = [ask_anthropic(provider_server, way, request) for _ in range(3)]

    assert [reply.stop_reason for reply in replies] == ["max_tokens", "refusal", "refusal"]
    assert replies[2].content == []
    assert replies[2].stop_details.explanation == "I will not."


def test_thinking_can_be_left_out_of_the_answer(provider_server: Provider) -> None:
    """With `display: omitted` a block has no text, still its signature, and goes back so."""
    provider_server.script.say("hi", thinking="secret")
    thinking = {"type": "adaptive", "display": "omitted"}
    messages: list[Any] = [{"role": "user", "content": "x"}]

    reply = ask_anthropic(provider_server, "stream", {"messages": messages, "thinking": thinking})
    messages += [{"role": "assistant", "content": blocks(reply)}, {"role": "user", "content": "y"}]
    again = ask_anthropic(provider_server, "sync", {"messages": messages, "thinking": thinking})

    assert reply.content[0].thinking == ""
    assert len(reply.content[0].signature) == 128
    assert again.content[0].text == "Got 3."


def test_images_and_documents_are_taken(provider_server: Provider) -> None:
    """In a message and as a tool's result."""
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "What?"}, PNG, pdf]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [PNG]}]},
    ]

    reply = ask_anthropic(provider_server, "sync", {"messages": messages, "tools": TOOLS})

    assert reply.content[0].text == "Got 3."


def test_structured_output_fits_its_schema(provider_server: Provider) -> None:
    """A closed schema is taken and answered; an open one is refused."""
    schema: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    request = {"messages": [{"role": "user", "content": "x"}]}

    def asked(**more: Any) -> dict[str, Any]:
        return {**request, "output_config": {"format": {"type": "json_schema", "schema": {**schema, **more}}}}

    reply = ask_anthropic(provider_server, "sync", asked(additionalProperties=False))

    assert reply.content[0].text == '{"n": 1}'
    with pytest.raises(anthropic.BadRequestError, match="additionalProperties"):
        ask_anthropic(provider_server, "sync", asked())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
        ({"thinking": THINK, "max_tokens": 1024}, "must be greater than `thinking.budget_tokens`"),
        ({"thinking": THINK, "tools": TOOLS, "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "h"}}, "not found in provided tools"),
        ({"tools": [{"name": "f"}]}, "input_schema: Field required"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, "must be unique"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"extra_body": {"temperature": 2}}, "temperature"),
        ({"extra_body": {"seed": 2}}, "seed: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_parameter_is_refused(provider_server: Provider, wrong: dict[str, Any], says: str) -> None:
    """Parameters that do not go together get the vendor's sentence."""
    with pytest.raises(anthropic.BadRequestError, match=says):
        ask_anthropic(provider_server, "sync", {"messages": [{"role": "user", "content": "x"}], **wrong})


def test_a_tool_loop_with_thinking_enabled_must_begin_with_thinking(provider_server: Provider) -> None:
    """Calls another model made cannot be continued with thinking on, unless it is adaptive or a new turn begins."""
    messages: list[Any] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]},
        results("toolu_1"),
    ]
    request = {"messages": messages, "tools": TOOLS}

    with pytest.raises(anthropic.BadRequestError, match="must start with a thinking block"):
        ask_anthropic(provider_server, "sync", {**request, "thinking": THINK})
    assert ask_anthropic(provider_server, "sync", {**request, "thinking": {"type": "adaptive"}}).content
    messages += [{"role": "assistant", "content": "So."}, {"role": "user", "content": "y"}]
    assert ask_anthropic(provider_server, "sync", {**request, "thinking": THINK}).content
