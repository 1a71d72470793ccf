"""What breaks a rule of a format is refused with the vendor's own sentence, and nothing is taken from the script."""

from __future__ import annotations

import re
from typing import Any

import httpx
import openai
import pytest

from tests.providers.server import Provider
from tests.providers.ways import ask_chat, ask_responses

Json = dict[str, Any]
USER: Json = {"role": "user", "content": "x"}
OPEN: Json = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED: Json = {**OPEN, "additionalProperties": False}
STRICT: Json = {**CLOSED, "required": ["a"]}


def schema_format(schema: Json) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}


CHAT: dict[str, tuple[Json, str]] = {
    "unknown argument": ({"extra_body": {"max_output_tokens": 1}}, "Unrecognized request argument supplied"),
    "empty list of tools": ({"tools": []}, "Invalid 'tools': empty array"),
    "tool as Responses has it": (
        {"tools": [{"type": "function", "name": "f"}]},
        r"Missing required .*tools\[0\].function",
    ),
    "tool with a dot": ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "does not match pattern"),
    "tool with a list of parameters": (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]},
        "schema must be a JSON Schema of 'type: \"object\"'",
    ),
    "strict tool with open parameters": (
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": OPEN}}]},
        "'additionalProperties' is required to be supplied and to be false",
    ),
    "choice without tools": ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
    "choice of another tool": (
        {
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "tool_choice": {"type": "function", "function": {"name": "g"}},
        },
        "'g' not found in 'tools'",
    ),
    "JSON that is not spoken of": ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
    "open schema": ({"response_format": schema_format(OPEN)}, "'additionalProperties' is required"),
    "optional property": ({"response_format": schema_format(CLOSED)}, "Missing 'a'"),
    "schema without name": ({"response_format": {"type": "json_schema", "json_schema": {}}}, "json_schema.name"),
    "too hot": ({"temperature": 3}, "Invalid 'temperature'"),
    "true is no number": ({"temperature": True}, "Invalid 'temperature'"),
    "options without a stream": ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
    "image that is no address": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}]}]},
        "Expected a valid URL",
    ),
    "TIFF": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA"}}]}
            ]
        },
        "You uploaded an unsupported image",
    ),
}


def call(**fields: Any) -> Json:
    return {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", **fields}


def output(**fields: Any) -> Json:
    return {"type": "function_call_output", "call_id": "c1", "output": "ok", **fields}


def reasoning(**fields: Any) -> Json:
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x", **fields}


SAID: Json = {"role": "assistant", "content": "so"}
RESPONSES: dict[str, tuple[Json, str]] = {
    "no input": ({"input": None}, "Missing required parameter: 'input'"),
    "empty input": ({"input": []}, "Invalid 'input': empty array"),
    "stored conversation": ({"previous_response_id": "resp_1"}, "Previous response with id 'resp_1' not found"),
    "instructions in parts": ({"instructions": ["x"]}, "Invalid type for 'instructions'"),
    "unknown argument": ({"extra_body": {"messages": []}}, "Unrecognized request argument supplied: messages"),
    "unknown item": ({"input": [{"type": "tool_call"}]}, "Invalid value: 'tool_call'"),
    "tool role": ({"input": [{"role": "tool", "content": "x"}]}, "Invalid value: 'tool'"),
    "input text by the model": (
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}, USER]},
        r"Supported values are: \['output_text', 'refusal'\]",
    ),
    "output text by the user": (
        {"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]},
        "Invalid value: 'output_text'",
    ),
    "phase of the user": ({"input": [{**USER, "phase": "commentary"}]}, "Unknown parameter"),
    "unknown phase": ({"input": [{**SAID, "phase": "end"}, USER]}, "Invalid value: 'end'"),
    "call without output": ({"input": [USER, call()]}, "No tool output found for function call c1"),
    "output without call": ({"input": [USER, output()]}, "No tool call found for function call output"),
    "output before its call": ({"input": [output(), call()]}, "No tool call found for function call output"),
    "two outputs": ({"input": [call(), output(), output()]}, "No tool call found"),
    "id of Chat Completions": ({"input": [call(id="call_1"), output()]}, "Expected an ID that begins with 'fc'"),
    "id of a message": ({"input": [{"type": "message", "id": "x", **SAID}, USER]}, "begins with 'msg'"),
    "arguments as an object": ({"input": [call(arguments={}), output()]}, "expected a string"),
    "reasoning alone": ({"input": [USER, reasoning()]}, "without its required following item"),
    "reasoning before the user": ({"input": [reasoning(), USER]}, "without its required following item"),
    "reasoning without summary": ({"input": [reasoning(summary=None), SAID]}, r"input\[0\].summary"),
    "forged reasoning": ({"input": [USER, reasoning(), SAID, USER]}, "could not be verified"),
    "call whose reasoning is gone": (
        {"input": [USER, call(id="fc_00000100x1"), output()]},
        "without its required 'reasoning' item: 'rs_00000100'",
    ),
    "tool as Chat Completions has it": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        r"Missing required parameter: 'tools\[0\].name'",
    ),
    "choice of another tool": (
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "g"}},
        "not found in 'tools'",
    ),
    "open schema": (
        {"text": {"format": {"type": "json_schema", "name": "x", "strict": True, "schema": OPEN}}},
        "'additionalProperties' is required",
    ),
    "schema without name": ({"text": {"format": {"type": "json_schema", "schema": STRICT}}}, "text.format.name"),
    "few tokens": ({"max_output_tokens": 3}, "Invalid 'max_output_tokens'"),
}


def user(*parts: Any) -> Json:
    return {"role": "user", "parts": list(parts) or [{"text": "x"}]}


def model(*parts: Any) -> Json:
    return {"role": "model", "parts": list(parts) or [{"text": "so"}]}


def asks(**fields: Any) -> Json:
    return {"functionCall": {"name": "f", "args": {}, **fields}}


def answers(**fields: Any) -> Json:
    return {"functionResponse": {"name": "f", "response": {}, **fields}}


GEMINI: dict[str, tuple[Json, str]] = {
    "no contents": ({"contents": []}, "contents is not specified"),
    "role of the assistant": (
        {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]},
        "valid role: user, model",
    ),
    "no parts": ({"contents": [{"role": "user", "parts": []}]}, "parts must not be empty"),
    "empty text": ({"contents": [user({"text": ""})]}, "must have a text parameter"),
    "part of nothing": ({"contents": [user({"thought": True})]}, "one initialized field"),
    "part of two": ({"contents": [user({"text": "x", "inlineData": {}})]}, "already set"),
    "unknown part": ({"contents": [user({"type": "text", "text": "x"})]}, 'Unknown name "type"'),
    "unknown field": ({"messages": []}, 'Unknown name "messages"'),
    "unknown setting": ({"generationConfig": {"max_tokens": 3}}, 'Unknown name "maxTokens"'),
    "model first": ({"contents": [model(), user()]}, "First content should be with role 'user'"),
    "two users": ({"contents": [user(), user()]}, "alternate between user and model"),
    "ends in a call": ({"contents": [user(), model(asks())]}, "ends with a user role or a function response"),
    "call by the user": ({"contents": [user(asks())]}, "function call turns are from the model"),
    "response to nothing": ({"contents": [user(), model(), user(answers())]}, "immediately after a function call turn"),
    "text instead of a response": ({"contents": [user(), model(asks()), user()]}, "immediately after"),
    "one of two": ({"contents": [user(), model(asks(), asks()), user(answers())]}, "number of function response parts"),
    "text beside it": (
        {"contents": [user(), model(asks()), user(answers(), {"text": "x"})]},
        "number of function response parts",
    ),
    "another name": ({"contents": [user(), model(asks()), user(answers(name="g"))]}, "names and ids"),
    "another id": ({"contents": [user(), model(asks(id="1")), user(answers(id="2"))]}, "names and ids"),
    "response as text": ({"contents": [user(), model(asks()), user(answers(response="ok"))]}, "protobuf.Struct"),
    "args as text": ({"contents": [user(), model(asks(args="{}")), user(answers())]}, "protobuf.Struct"),
    "signature that is no base64": (
        {"contents": [user(), model({"text": "x", "thoughtSignature": "?"}), user()]},
        "Base64",
    ),
    "forged signature": ({"contents": [user(), model({"text": "x", "thoughtSignature": "eA=="}), user()]}, "Corrupted"),
    "TIFF": ({"contents": [user({"inlineData": {"mimeType": "image/tiff", "data": "AA=="}})]}, "unsupported MIME type"),
    "image of nothing": ({"contents": [user({"inlineData": {"mimeType": "image/png"}})]}, "data is required"),
    "image in the system": (
        {"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}},
        "only supports text",
    ),
    "tool with a space": ({"tools": [{"functionDeclarations": [{"name": "a b"}]}]}, "Invalid function name"),
    "tool twice": ({"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]}, "Duplicate function"),
    "JSON schema where Google's own is due": (
        {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object", "$schema": "x"}}]}]},
        r'Unknown name "\$schema"',
    ),
    "schema without its type": ({"generationConfig": {"responseSchema": {"type": "OBJECT"}}}, "response_mime_type"),
    "too hot": ({"generationConfig": {"temperature": 3}}, "temperature must be in the range"),
}


@pytest.mark.parametrize("name", CHAT)
def test_chat_refuses(provider_server: Provider, name: str) -> None:
    """The client raises its error for a bad request, with OpenAI's sentence."""
    wrong, says = CHAT[name]
    provider_server.script.say("never")

    with pytest.raises(openai.BadRequestError, match=says):
        ask_chat(provider_server, "sync", {"messages": [USER], **wrong})

    assert len(provider_server.script) == 1


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_refuses(provider_server: Provider, name: str) -> None:
    """The client raises its error for a bad request, with OpenAI's sentence."""
    wrong, says = RESPONSES[name]
    provider_server.script.say("never")

    with pytest.raises(openai.BadRequestError, match=says):
        ask_responses(provider_server, "sync", {"input": "x", **wrong})

    assert len(provider_server.script) == 1


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"type": "item_reference", "id": "rs_1"}, "Item with id 'rs_1' not found"),
        (reasoning(encrypted_content=None), "Items are not persisted when `store` is set to false"),
    ],
)
def test_what_was_not_stored_is_not_found(provider_server: Provider, item: Json, says: str) -> None:
    """OpenAI answers 404 for items it does not have."""
    with pytest.raises(openai.NotFoundError, match=says):
        ask_responses(provider_server, "sync", {"input": [USER, item, SAID]})


@pytest.mark.parametrize("name", GEMINI)
def test_gemini_refuses(provider_server: Provider, name: str) -> None:
    """Google's client would not send some of it, so it is posted as it is."""
    wrong, says = GEMINI[name]
    url = f"{provider_server.gemini_url}/v1beta/models/gemini-2.5-pro:generateContent"
    provider_server.script.say("never")

    reply = httpx.post(url, json={"contents": [user()], **wrong}, headers={"x-goog-api-key": provider_server.key})

    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert re.search(says, error["message"])
    assert len(provider_server.script) == 1


def test_gemini_takes_both_spellings(provider_server: Provider) -> None:
    """The JSON mapping takes `snake_case`, also within parts; what is the user's own keeps its keys."""
    contents = [
        user({"inline_data": {"mime_type": "image/png", "data": "AA=="}}),
        model({"function_call": {"name": "f", "args": {"snake_case": 1}}}),
        user({"function_response": {"name": "f", "response": {"snake_case": 1}}}),
    ]
    body = {"contents": contents, "system_instruction": {"parts": [{"text": "x"}]}, "generation_config": {"top_p": 0.5}}
    url = f"{provider_server.gemini_url}/v1beta/models/gemini-2.5-pro:generateContent"

    reply = httpx.post(url, json=body, headers={"x-goog-api-key": provider_server.key})

    assert reply.status_code == 200, reply.text
