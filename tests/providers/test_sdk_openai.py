"""OpenAI's own client finds the server to speak as OpenAI does, in both formats."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel, ConfigDict

from tests.providers.server import AWKWARD_TEXT, Answer, Call, Provider, Refusal, Text, Thinking
from tests.providers.ways import WAYS, Way, ask_chat, ask_responses

PIXEL = "data:image/png;base64,iVBORw0KGgo="
CHAT_TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "fg"]
TOOLS = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in "fg"]
# Arguments as a model really writes them: spaces, order and escapes are its own.
ARGUMENTS = '{"b": 1,  "a": "\\u00e9 \u2028 \U0001f469\u200d\U0001f467"}'


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: str
    score: float
    tags: list[str]


@pytest.mark.parametrize("way", WAYS)
def test_chat_runs_parallel_tools_over_turns(provider_server: Provider, way: Way) -> None:
    """Calls come as the model wrote them, both results go back, and the reply follows."""
    provider_server.script.answer(Text("Looking."), Call("f", ARGUMENTS, "call_1"), Call("g", "{}", "call_2"))
    provider_server.script.say("Done.")
    messages: list[Any] = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Go."}]

    first = ask_chat(provider_server, way, {"messages": messages, "tools": CHAT_TOOLS})
    message = first.choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in message.tool_calls]
    messages += [{"role": "assistant", "content": message.content, "tool_calls": calls_of(message)}, *results]
    second = ask_chat(provider_server, way, {"messages": messages, "tools": CHAT_TOOLS})

    assert first.choices[0].finish_reason == "tool_calls"
    assert [call.function.arguments for call in message.tool_calls] == [ARGUMENTS, "{}"]
    assert [call.id for call in message.tool_calls] == ["call_1", "call_2"]
    assert second.choices[0].message.content == "Done."
    assert second.choices[0].finish_reason == "stop"
    assert provider_server.requests[1].body["messages"][2]["tool_calls"][0]["function"]["arguments"] == ARGUMENTS


def calls_of(message: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls
    ]


def test_chat_says_the_same_in_each_way(provider_server: Provider) -> None:
    """A stream put together is the answer that comes in one piece, also for texts that break readers of lines."""
    said = []
    for way in WAYS:
        provider_server.script.answer(Thinking("hm"), Text(AWKWARD_TEXT), Call("f", ARGUMENTS, "call_1"), Call("g"))
        reply = ask_chat(provider_server, way, {"messages": [{"role": "user", "content": "x"}], "tools": CHAT_TOOLS})
        message = reply.choices[0].message
        said.append(
            (message.content, calls_of(message)[0], reply.choices[0].finish_reason, reply.usage.completion_tokens)
        )

    assert said[0][0] == AWKWARD_TEXT
    assert said == [said[0]] * 4


def test_chat_stream_is_cut_as_scripted(provider_server: Provider) -> None:
    """The deltas arrive as the script cut them: through a family and between CR and LF."""
    deltas = ["\U0001f469\u200d", "\U0001f467\r", "\n\u2028", "end"]
    provider_server.script.say("".join(deltas), deltas=deltas)

    with openai.OpenAI(base_url=provider_server.openai_url, api_key=provider_server.key) as client:
        chunks = list(
            client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}], stream=True)
        )

    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", *deltas, None]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.usage for chunk in chunks] == [None] * 6


def test_chat_stream_counts_usage_only_if_asked(provider_server: Provider) -> None:
    """With `include_usage` a last chunk without choices has the usage."""
    with openai.OpenAI(base_url=provider_server.openai_url, api_key=provider_server.key) as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt",
                messages=[{"role": "user", "content": "x"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )

    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens
    assert {chunk.usage for chunk in chunks[:-1]} == {None}


@pytest.mark.parametrize("way", ["sync", "async"])
def test_chat_stops_for_length_filter_and_refusal(provider_server: Provider, way: Way) -> None:
    """Each way a reply can end has its own finish reason."""
    provider_server.script.say("cut", stop="length")
    provider_server.script.say("cut", stop="filter")
    provider_server.script.refuse("I will not.")
    request = {"messages": [{"role": "user", "content": "x"}]}

    replies = [ask_chat(provider_server, way, request).choices[0] for _ in range(3)]

    assert [reply.finish_reason for reply in replies] == ["length", "content_filter", "stop"]
    assert [reply.message.refusal for reply in replies] == [None, None, "I will not."]
    assert [reply.message.content for reply in replies] == ["cut", "cut", None]


@pytest.mark.parametrize("way", ["stream", "async stream"])
def test_chat_streams_end_as_the_client_expects(provider_server: Provider, way: Way) -> None:
    """The client recognises a stream that ended early, and puts a refusal together."""
    provider_server.script.say("cut", stop="length")
    provider_server.script.say("cut", stop="filter")
    provider_server.script.refuse("I will not.")
    request = {"messages": [{"role": "user", "content": "x"}]}

    with pytest.raises(openai.LengthFinishReasonError):
        ask_chat(provider_server, way, request)
    with pytest.raises(openai.ContentFilterFinishReasonError):
        ask_chat(provider_server, way, request)
    message = ask_chat(provider_server, way, request).choices[0].message

    assert (message.content, message.refusal) == (None, "I will not.")


def test_chat_parses_structured_output(provider_server: Provider) -> None:
    """A strict schema is taken, and what is not scripted fits it."""
    with openai.OpenAI(base_url=provider_server.openai_url, api_key=provider_server.key) as client:
        reply = client.chat.completions.parse(
            model="gpt", messages=[{"role": "user", "content": "x"}], response_format=Verdict
        )
        response = client.responses.parse(model="gpt", input="x", text_format=Verdict)

    assert reply.choices[0].message.parsed == Verdict(label="text", score=0.5, tags=["text"])
    assert response.output_parsed == Verdict(label="text", score=0.5, tags=["text"])


def test_images_and_files_are_taken(provider_server: Provider) -> None:
    """Both formats take images by URL and by data; Responses takes one as a tool's result."""
    chat = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    said = [
        {"type": "input_text", "text": "What?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    ]
    items = [
        {"role": "user", "content": said},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [said[1]]},
    ]

    assert ask_chat(provider_server, "sync", {"messages": [{"role": "user", "content": chat}]}).choices
    assert ask_responses(provider_server, "sync", {"input": items, "tools": TOOLS}).output_text == "Got 3."


@pytest.mark.parametrize("way", WAYS)
def test_responses_run_parallel_tools_with_reasoning(provider_server: Provider, way: Way) -> None:
    """Reasoning goes back byte for byte before the calls it led to, and the reply follows."""
    provider_server.script.answer(
        Thinking(AWKWARD_TEXT), Text("Looking."), Call("f", ARGUMENTS, "call_1"), Call("g", "{}", "call_2")
    )
    provider_server.script.say("Done.", thinking="more")
    request: dict[str, Any] = {
        "instructions": "Be short.",
        "tools": TOOLS,
        "input": [{"role": "user", "content": "Go."}],
    }

    first = ask_responses(provider_server, way, request)
    request["input"] += [sent_back(item) for item in first.output]
    request["input"] += [
        {"type": "function_call_output", "call_id": call_id, "output": "ok"} for call_id in ("call_1", "call_2")
    ]
    second = ask_responses(provider_server, way, request)
    request["input"] += [*(sent_back(item) for item in second.output), {"role": "user", "content": "And?"}]
    third = ask_responses(provider_server, way, request)

    assert [item.type for item in first.output] == ["reasoning", "message", "function_call", "function_call"]
    assert first.output[0].summary[0].text == AWKWARD_TEXT
    assert first.output[1].phase == "commentary"
    assert first.output[2].arguments == ARGUMENTS
    assert second.output_text == "Done."
    assert second.status == "completed"
    assert third.output_text == f"Got {len(request['input'])}."


def sent_back(item: Any) -> dict[str, Any]:
    dumped = item.model_dump(exclude_none=True)
    return {key: dumped[key] for key in dumped if key not in ("parsed_arguments", "status")}


def test_responses_say_the_same_in_each_way(provider_server: Provider) -> None:
    """A stream put together is the answer that comes in one piece; encrypted reasoning is that of the finished item."""
    said = []
    for way in WAYS:
        provider_server.script.answer(Thinking("hm\u2028"), Text(AWKWARD_TEXT), Call("f", ARGUMENTS, "call_1"))
        reply = ask_responses(provider_server, way, {"input": "x", "tools": TOOLS})
        assert len(reply.output[0].encrypted_content) == 128
        texts = (reply.output[0].summary[0].text, reply.output_text, reply.output[2].arguments)
        said.append((*texts, reply.usage.input_tokens, reply.usage.output_tokens))

    assert said[0][:3] == ("hm\u2028", AWKWARD_TEXT, ARGUMENTS)
    assert said == [said[0]] * 4


def test_responses_stream_opens_and_closes_each_item(provider_server: Provider) -> None:
    """The events are numbered, and what an item opens with is not all of it."""
    provider_server.script.answer(Thinking("hm"), Text("hi"), Call("f"), Refusal("no"))

    with openai.OpenAI(base_url=provider_server.openai_url, api_key=provider_server.key) as client:
        events: list[Any] = list(client.responses.create(model="gpt", input="x", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type.removeprefix("response.") for event in events] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        *("output_item.added", "content_part.added", "refusal.delta", "refusal.done", "content_part.done"),
        *("output_item.done", "completed"),
    ]
    assert events[2].item.encrypted_content != events[7].item.encrypted_content
    assert events[-1].response.output[0].encrypted_content == events[7].item.encrypted_content


@pytest.mark.parametrize("way", ["sync", "async"])
def test_responses_end_incomplete(provider_server: Provider, way: Way) -> None:
    """A reply that was cut says why."""
    provider_server.script.say("cut", stop="length")
    provider_server.script.say("cut", stop="filter")

    replies = [ask_responses(provider_server, way, {"input": "x"}) for _ in range(2)]

    assert [reply.status for reply in replies] == ["incomplete", "incomplete"]
    assert [reply.incomplete_details.reason for reply in replies] == ["max_output_tokens", "content_filter"]


def test_a_json_answer_is_sent_as_scripted(provider_server: Provider) -> None:
    """The script can answer from the request, so a test decides on what was really sent."""
    provider_server.script.reply_with(
        lambda request: Answer((Text(json.dumps({"model": request["model"]})),), model="gpt-2026-01-01")
    )

    reply = ask_chat(provider_server, "sync", {"messages": [{"role": "user", "content": "x"}]})

    assert json.loads(reply.choices[0].message.content) == {"model": "gpt"}
    assert reply.model == "gpt-2026-01-01"
