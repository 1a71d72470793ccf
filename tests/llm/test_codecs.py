"""What is written into a body and read from an answer, without any server."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from tests.llm.worlds import FORMATS, MODELS, ONCE, TOOL, ask
from tract.errors import InvalidInputError, ModelConnectionError, ModelError, RateLimitedError, StreamBrokenError
from tract.llm.http import HttpLLM
from tract.llm.protocol import Format, Request
from tract.llm.providers import codec_for
from tract.llm.wire import Outgoing
from tract.objects.message import Message, Reasoning, TextPart, ToolCall

MARK = {"type": "ephemeral"}


def body(wire: Format, request: Request, *, model: str | None = None, url: str | None = None) -> dict[str, Any]:
    return codec_for(wire, base_url=url).body(request, model=model or MODELS[wire]).body


def test_breakpoints_are_marked_for_anthropic_alone() -> None:
    """The last part that can hold a mark does: a text, a call, a result; reasoning cannot."""
    messages = [
        Message("system", (TextPart("Be terse."),)),
        Message("user", (TextPart("hi"),)),
        Message(
            "assistant",
            (
                Reasoning("anthropic", {"type": "thinking", "thinking": "", "signature": "s"}),
                ToolCall("c1", "weather", "{}"),
            ),
        ),
        Message("tool", (TextPart("sunny"),), call_id="c1"),
        Message("user", (TextPart("so?"),)),
    ]
    request = Request(messages=messages, tools=[TOOL], breakpoints=[0, 2, 3, 4, 99])

    written = body("anthropic", request)

    assert written["system"][0]["cache_control"] == MARK
    (_, turn, answered) = written["messages"]
    assert [block.get("cache_control") for block in turn["content"]] == [None, MARK]
    assert [block.get("cache_control") for block in answered["content"]] == [MARK, MARK]
    for wire in FORMATS:
        if wire != "anthropic":
            assert "cache_control" not in json.dumps(body(wire, request))


@pytest.mark.parametrize(
    ("model", "url", "name"),
    [
        ("gpt-4o", "https://api.openai.com/v1", "max_completion_tokens"),
        ("gpt-4o", "http://localhost/v1", "max_tokens"),
        ("o3-mini", "http://localhost/v1", "max_completion_tokens"),
        ("gpt-5.1", None, "max_completion_tokens"),
        ("gpt-4.1", None, "max_tokens"),
    ],
)
def test_the_limit_has_the_name_its_server_knows(model: str, url: str | None, name: str) -> None:
    """OpenAI itself and its reasoning models want one name, older servers know the other."""
    written = body("openai", ask("hi", settings={"max_tokens": 5}), model=model, url=url)

    assert {key: value for key, value in written.items() if key.startswith("max_")} == {name: 5}


@pytest.mark.parametrize(("model", "asks"), [("gpt-5", True), ("o3", True), ("gpt-4o", False), ("gpt-5-chat", False)])
def test_encrypted_reasoning_is_asked_of_models_that_reason(model: str, asks: bool) -> None:  # noqa: FBT001  # a column
    """Others refuse it; `store` is false unless said otherwise."""
    written = body("openai_responses", ask("hi"), model=model)

    assert written["store"] is False
    assert ("include" in written) == asks
    assert "include" not in body("openai_responses", ask("hi", settings={"store": True}), model=model)


def test_one_call_at_a_time() -> None:
    """`parallel_tool_calls` is said in Anthropic's words, and given up where there are none."""
    request = ask("hi", tools=[TOOL], settings={"parallel_tool_calls": False})

    assert body("anthropic", request)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body("openai", request)["parallel_tool_calls"] is False
    assert body("openai_responses", request)["parallel_tool_calls"] is False
    (loss,) = codec_for("gemini").body(request, model="m").losses
    assert (loss.kind, loss.detail) == ("setting", "Gemini has no `parallel_tool_calls`")


class Strict(BaseModel):
    a: int


class Loose(BaseModel):
    a: int = 1


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("wanted", "strict"),
    [
        (Strict, True),
        (Loose, False),
        ({**SCHEMA, "title": "My answer!"}, True),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}, None),
        ({"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}, True),
    ],
)
def test_the_shape_of_an_answer(wanted: Any, strict: bool | None) -> None:  # noqa: FBT001  # a column
    """A model, a schema or OpenAI's object reach every provider as the same schema."""
    request = ask("hi", settings={"response_format": wanted})

    chat = body("openai", request)["response_format"]["json_schema"]
    responses = body("openai_responses", request)["text"]["format"]
    claude = body("anthropic", request)["output_config"]["format"]
    gemini = body("gemini", request)["generationConfig"]

    assert chat.get("strict") == responses.get("strict") == strict
    assert chat["schema"] == responses["schema"] == claude["schema"] == gemini["responseJsonSchema"]
    assert chat["name"] == responses["name"]
    assert chat["name"].replace("_", "").isalnum()


def test_any_json_and_plain_text() -> None:
    """`json_object` is given up where a provider has no such thing; `text` says nothing."""
    request = ask("hi", settings={"response_format": {"type": "json_object"}})

    assert body("openai", request)["response_format"] == {"type": "json_object"}
    assert body("openai_responses", request)["text"] == {"format": {"type": "json_object"}}
    assert body("gemini", request)["generationConfig"] == {"responseMimeType": "application/json"}
    assert [loss.detail for loss in codec_for("anthropic").body(request, model="m").losses] == [
        "Anthropic has no `response_format`"
    ]
    for wire in FORMATS:
        plain = body(wire, ask("hi", settings={"response_format": {"type": "text"}}))
        assert plain == body(wire, ask("hi"))


def test_options_of_one_provider_are_passed_on() -> None:
    """What nobody here knows is the provider's to judge; OpenAI's effort has two places."""
    odd = {"tool_choice": {"type": "web_search"}, "service_tier": "flex"}

    assert odd.items() <= body("openai", ask("hi", settings=odd)).items()
    assert body("openai_responses", ask("hi", settings={"reasoning_effort": "low"}))["reasoning"] == {"effort": "low"}
    assert body("gemini", ask("hi", settings={"thinking_config": {"thinking_budget": 5}}))["generationConfig"] == {
        "thinkingConfig": {"thinkingBudget": 5}
    }


def test_a_model_stands_in_geminis_url_as_one_word() -> None:
    """Nothing in its name leads elsewhere."""
    outgoing = codec_for("gemini").body(ask("hi"), model="models/../x?key=1#y")

    assert outgoing.path == "v1beta/models/..%2Fx%3Fkey%3D1%23y:generateContent"


def test_an_unknown_format() -> None:
    """Is refused by name."""
    with pytest.raises(InvalidInputError, match="cohere"):
        codec_for("cohere")  # type: ignore[arg-type]  # what a user may pass


# --- streams -------------------------------------------------------------------------------------


def outgoing_of(wire: Format) -> Outgoing:
    return codec_for(wire).body(ask("hi"), model="m", stream=True)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def test_halves_of_a_character_are_joined() -> None:
    """Two pieces that hold half a surrogate pair each are one character; a half that stays alone is U+FFFD."""
    received = codec_for("openai").stream(outgoing_of("openai"))
    for piece in ("\ud83d", "\ude00", "\ud83d"):
        received.feed("", chunk(content=piece))
    received.feed("", chunk("stop"))

    assert received.finish().text == "\U0001f600\ufffd"


def test_servers_that_leave_out_what_openai_sends() -> None:
    """No [DONE], no index of a call, an id in each piece, readable reasoning under two names, several choices."""
    received = codec_for("openai").stream(outgoing_of("openai"))
    call = {"id": "c1", "function": {"name": "f", "arguments": '{"a"'}}
    received.feed("", chunk(reasoning_content="Hm."))
    received.feed("", {"choices": [{"index": 1, "delta": {"content": "another choice"}}]})
    received.feed("", chunk(tool_calls=[call]))
    received.feed("", chunk(tool_calls=[{**call, "function": {"name": "f", "arguments": ": 1}"}}]))
    received.feed("", chunk("tool_calls"))

    reply = received.finish()

    assert reply.tool_calls == (ToolCall("c1", "f", '{"a": 1}'),)
    assert reply.content.reasoning[0].text == "Hm."
    assert reply.content.text is None


def test_a_call_cut_by_the_limit_keeps_its_text() -> None:
    """Anthropic's arguments that are no whole JSON are kept as the model sent them."""
    received = codec_for("anthropic").stream(outgoing_of("anthropic"))
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    events = [
        {"type": "message_start", "message": {"model": "m", "content": [], "usage": {"input_tokens": 1}}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": use},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": [1'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    for event in events:
        received.feed("", event)

    reply = received.finish()

    assert reply.tool_calls[0].arguments == '{"a": [1'
    assert reply.finish_reason == "length"
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (1, 2)


@pytest.mark.parametrize("wire", FORMATS)
def test_a_stream_that_just_ends_is_broken(wire: Format) -> None:
    """Without its end an answer is not whole, and nothing arrived."""
    received = codec_for(wire).stream(outgoing_of(wire))

    assert received.partial() is None
    with pytest.raises(StreamBrokenError) as caught:
        received.finish()
    assert caught.value.partial is None


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("error", [{"type": "rate_limit_error"}, {"code": 429}, {"code": "rate_limit_exceeded"}])
def test_an_error_inside_a_stream_has_its_kind(wire: Format, error: dict[str, Any]) -> None:
    """As if it had come with its status."""
    received = codec_for(wire).stream(outgoing_of(wire))

    event = {"type": "error", "error": error} if wire in {"anthropic", "openai_responses"} else {"error": error}

    with pytest.raises(RateLimitedError):
        received.feed("error", event)


@pytest.mark.parametrize("wire", FORMATS)
@pytest.mark.parametrize("error", [None, 7, [], {}, {"type": []}, {"code": True}, "text"])
def test_an_odd_error_inside_a_stream(wire: Format, error: Any) -> None:
    """Whatever stands there is an error of ours, or nothing."""
    received = codec_for(wire).stream(outgoing_of(wire))
    with contextlib.suppress(ModelError):
        assert received.feed("", {"type": "error", "error": error}) == []


def test_a_server_that_does_not_stream() -> None:
    """One that answers in one piece is read all the same, and replayed in pieces."""
    answer = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "Hello. " * 9}}]}
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=answer))
    with httpx.Client(transport=transport) as http:
        llm = HttpLLM("acme", model="m", base_url="http://acme.test/v1", http_client=http, retry=ONCE)
        *pieces, reply = llm.stream(ask("hi"))

    assert len(pieces) > 1
    assert reply.text == "Hello. " * 9  # type: ignore[union-attr]  # the last item is the reply


def test_damaged_bytes_and_redirects() -> None:
    """Neither a broken compression nor a redirect, which would carry the key elsewhere, is followed."""
    answers = [
        httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
        httpx.Response(307, headers={"location": "http://elsewhere.test"}),
    ]
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return answers.pop(0)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        llm = HttpLLM("acme", model="m", base_url="http://acme.test/v1", http_client=http, retry=ONCE)
        for _ in range(2):
            with pytest.raises(ModelError) as caught:
                llm.send(ask("hi"))
            assert not isinstance(caught.value, ModelConnectionError)
    assert asked == ["acme.test", "acme.test"]
