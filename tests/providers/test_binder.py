"""Thinking is valid behind the exact prefix it was made from, and behind nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors, types

from tests.providers.server import Provider, Text, Thinking
from tests.providers.ways import ask_anthropic, ask_gemini, ask_responses

Request = dict[str, Any]
Change = Callable[[Request], Any]


class Anthropic:
    """Two turns with thinking, the first of them with a tool call."""

    refused = anthropic.BadRequestError
    name = "anthropic"

    @staticmethod
    def start() -> Request:
        return {
            "system": "Be short.",
            "tools": [{"name": name, "input_schema": {"type": "object"}} for name in "fg"],
            "messages": [{"role": "user", "content": "Go."}],
        }

    @staticmethod
    def ask(server: Provider, request: Request) -> Any:
        return ask_anthropic(server, "sync", request)

    @staticmethod
    def add(request: Request, reply: Any) -> None:
        content = [block.model_dump(exclude_none=True) for block in reply.content]
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}
            for block in content
            if block["type"] == "tool_use"
        ]
        request["messages"] += [
            {"role": "assistant", "content": content},
            {"role": "user", "content": results or "And?"},
        ]

    breaking: dict[str, Change] = {
        "system": lambda request: request.update(system="Be long."),
        "no system": lambda request: request.pop("system"),
        "a tool more": lambda request: request["tools"].append({"name": "h", "input_schema": {"type": "object"}}),
        "order of tools": lambda request: request["tools"].reverse(),
        "description of a tool": lambda request: request["tools"][0].update(description="new"),
        "first message": lambda request: request["messages"][0].update(content="Go!"),
        "white space": lambda request: request["messages"][0].update(content="Go. "),
        "a result": lambda request: request["messages"][2]["content"][0].update(content="changed"),
        "an earlier thought is gone": lambda request: request["messages"][1]["content"].pop(0),
        "an earlier call": lambda request: request["messages"][1]["content"][1].update(input={"a": 2}),
        "messages in front": lambda request: request.update(
            messages=[{"role": "user", "content": "0"}, {"role": "assistant", "content": "1"}, *request["messages"]]
        ),
        "the first turn is gone": lambda request: request.update(
            messages=[{"role": "user", "content": "Go."}, *request["messages"][3:]]
        ),
    }
    harmless: dict[str, Change] = {
        "nothing": lambda _request: None,
        "a breakpoint": lambda request: request["messages"][2]["content"][0].update(
            cache_control={"type": "ephemeral"}
        ),
        "system in a block": lambda request: request.update(system=[{"type": "text", "text": "Be short."}]),
        "text in a block": lambda request: request["messages"][0].update(content=[{"type": "text", "text": "Go."}]),
        "result in a block": lambda request: request["messages"][2]["content"][0].update(
            content=[{"type": "text", "text": "ok"}]
        ),
        "no error": lambda request: request["messages"][2]["content"][0].update(is_error=False),
        "the last message": lambda request: request["messages"][-1].update(content="Else?"),
        "the last turn is gone": lambda request: request["messages"].__delitem__(slice(3, None)),
        "max_tokens": lambda request: request.update(max_tokens=99),
        "only the last thought is gone": lambda request: request["messages"][3]["content"].pop(0),
    }

    @staticmethod
    def blocks(request: Request) -> list[Any]:
        return [block for i in (1, 3) for block in request["messages"][i]["content"] if block["type"] == "thinking"]

    @staticmethod
    def tampered(block: Any) -> None:
        block["thinking"] += "."

    @staticmethod
    def forged(block: Any) -> None:
        block["signature"] = "Zm9yZ2Vk"


class Responses:
    """The same conversation as Responses items."""

    refused = openai.BadRequestError
    name = "openai_responses"

    @staticmethod
    def start() -> Request:
        return {
            "instructions": "Be short.",
            "tools": [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in "fg"],
            "input": [{"role": "user", "content": "Go."}],
        }

    @staticmethod
    def ask(server: Provider, request: Request) -> Any:
        return ask_responses(server, "sync", request)

    @staticmethod
    def add(request: Request, reply: Any) -> None:
        items = [item.model_dump(exclude_none=True) for item in reply.output]
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "ok"}
            for item in items
            if item["type"] == "function_call"
        ]
        request["input"] += [*items, *(results or [{"role": "user", "content": "And?"}])]

    breaking: dict[str, Change] = {
        "instructions": lambda request: request.update(instructions="Be long."),
        "no instructions": lambda request: request.pop("instructions"),
        "a tool more": lambda request: request["tools"].append({"type": "function", "name": "h"}),
        "order of tools": lambda request: request["tools"].reverse(),
        "first message": lambda request: request["input"][0].update(content="Go!"),
        "a result": lambda request: request["input"][3].update(output="changed"),
        "an earlier call": lambda request: request["input"][2].update(arguments='{"a": 2}'),
        "messages in front": lambda request: request["input"].insert(0, {"role": "user", "content": "0"}),
        "an earlier thought is gone": lambda request: (request["input"].pop(1), request["input"][1].pop("id")),
    }
    harmless: dict[str, Change] = {
        "nothing": lambda _request: None,
        "text in a part": lambda request: request["input"][0].update(content=[{"type": "input_text", "text": "Go."}]),
        "a type that is the default": lambda request: request["input"][0].update(type="message"),
        "no status": lambda request: request["input"][2].pop("status"),
        "no id on a call": lambda request: request["input"][2].pop("id"),
        "the last message": lambda request: request["input"][-1].update(content="Else?"),
        "the last turn is gone": lambda request: request["input"].__delitem__(slice(4, None)),
        "max_output_tokens": lambda request: request.update(max_output_tokens=99),
    }

    @staticmethod
    def blocks(request: Request) -> list[Any]:
        return [item for item in request["input"] if item.get("type") == "reasoning"]

    @staticmethod
    def tampered(block: Any) -> None:
        # The encrypted content knows its item; what follows must go without its id, for it names the same item.
        block["id"] += "0"

    @staticmethod
    def forged(block: Any) -> None:
        block["encrypted_content"] = "Zm9yZ2Vk"


class Gemini:
    """The same conversation as Gemini contents; signatures are on the call and on the text."""

    refused = errors.ClientError
    name = "gemini"

    @staticmethod
    def start() -> Request:
        declared = [{"name": name, "description": name} for name in "fg"]
        config = {
            "system_instruction": "Be short.",
            "tools": [{"function_declarations": declared}],
            "automatic_function_calling": {"disable": True},
        }
        return {"config": config, "contents": [{"role": "user", "parts": [{"text": "Go."}]}]}

    @staticmethod
    def ask(server: Provider, request: Request) -> Any:
        return ask_gemini(server, "sync", request)[0]

    @staticmethod
    def add(request: Request, reply: Any) -> None:
        content: types.Content = reply.candidates[0].content
        parts = [part.model_dump(exclude_none=True) for part in content.parts or []]
        results: list[Any] = [
            {"function_response": {"id": part["function_call"]["id"], "name": "f", "response": {"result": "ok"}}}
            for part in parts
            if "function_call" in part
        ]
        request["contents"] += [
            {"role": "model", "parts": parts},
            {"role": "user", "parts": results or [{"text": "And?"}]},
        ]

    breaking: dict[str, Change] = {
        "system": lambda request: request["config"].update(system_instruction="Be long."),
        "no system": lambda request: request["config"].pop("system_instruction"),
        "order of tools": lambda request: request["config"]["tools"][0]["function_declarations"].reverse(),
        "first message": lambda request: request["contents"][0]["parts"][0].update(text="Go!"),
        "a result": lambda request: request["contents"][2]["parts"][0]["function_response"].update(response={"a": 1}),
        "an earlier thought is gone": lambda request: request["contents"][1]["parts"].pop(0),
        "another id": lambda request: (
            request["contents"][1]["parts"][1]["function_call"].update(id="1"),
            request["contents"][2]["parts"][0]["function_response"].update(id="1"),
        ),
        "messages in front": lambda request: request.update(
            contents=[
                {"role": "user", "parts": [{"text": "0"}]},
                {"role": "model", "parts": [{"text": "1"}]},
                *request["contents"],
            ]
        ),
    }
    harmless: dict[str, Change] = {
        "nothing": lambda _request: None,
        "the last message": lambda request: request["contents"][-1]["parts"][0].update(text="Else?"),
        "the last turn is gone": lambda request: request["contents"].__delitem__(slice(3, None)),
        "temperature": lambda request: request["config"].update(temperature=0.5),
    }

    @staticmethod
    def blocks(request: Request) -> list[Any]:
        return [part for i in (1, 3) for part in request["contents"][i]["parts"] if "thought_signature" in part]

    @staticmethod
    def tampered(block: Any) -> None:
        if "text" in block:
            block["text"] += "."
        else:
            block["function_call"]["args"] = {"a": 3}

    @staticmethod
    def forged(block: Any) -> None:
        block["thought_signature"] = b"forged"


FORMATS: dict[str, Any] = {each.name: each for each in (Anthropic, Responses, Gemini)}
BREAKING = [(name, change) for name, each in FORMATS.items() for change in each.breaking]
HARMLESS = [(name, change) for name, each in FORMATS.items() for change in each.harmless]


def conversation(server: Provider, name: str) -> Request:
    """Return a request with two turns that hold thinking, made by the server."""
    spoken: Any = FORMATS[name]
    request: Request = spoken.start()
    server.script.call_tools([{"name": "f", "arguments": {"a": 1}, "id": "call_1"}], thinking="first")
    server.script.say("So.", thinking="second")
    for _ in range(2):
        spoken.add(request, spoken.ask(server, request))
    return request


@pytest.mark.parametrize(("name", "change"), BREAKING)
def test_a_changed_prefix_kills_thinking(provider_server: Provider, name: str, change: str) -> None:
    """Refused where thinking is bound, taken where it is free."""
    request = conversation(provider_server, name)
    FORMATS[name].breaking[change](request)

    with pytest.raises(FORMATS[name].refused):
        FORMATS[name].ask(provider_server, request)
    assert provider_server.requests[-1].status == 400

    provider_server.bind("free", name)
    assert FORMATS[name].ask(provider_server, request)


@pytest.mark.parametrize(("name", "change"), HARMLESS)
def test_thinking_lives_behind_the_same_prefix(provider_server: Provider, name: str, change: str) -> None:
    """Other words for the same prefix, and whatever comes after the thinking, do no harm."""
    request = conversation(provider_server, name)
    FORMATS[name].harmless[change](request)

    assert FORMATS[name].ask(provider_server, request)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("how", ["tampered", "forged"])
@pytest.mark.parametrize("mode", ["bound", "free"])
def test_thinking_itself_cannot_be_changed(
    provider_server: Provider, name: str, which: int, how: str, mode: Any
) -> None:
    """Neither its text nor its signature, bound or not."""
    request = conversation(provider_server, name)
    provider_server.bind(mode)
    for item in request.get("input", []):
        if item.get("type") in ("message", "function_call"):
            item.pop("id", None)
    block = FORMATS[name].blocks(request)[which]
    getattr(FORMATS[name], how)(block)

    with pytest.raises(FORMATS[name].refused, match=r"(?i)signature|thinking|encrypted"):
        FORMATS[name].ask(provider_server, request)

    provider_server.bind("off")
    assert FORMATS[name].ask(provider_server, request)


@pytest.mark.parametrize("name", FORMATS)
def test_thinking_of_another_conversation_is_dead(provider_server: Provider, name: str) -> None:
    """A reply moved behind another beginning takes nothing of its validity along."""
    request = conversation(provider_server, name)
    other = copy.deepcopy(request)
    provider_server.bind("free")
    assert FORMATS[name].ask(provider_server, other)
    provider_server.bind("bound")
    field = next(field for field in ("messages", "input", "contents") if field in request)
    swapped = {**request, field: [request[field][0], *request[field][-2:]]}
    if name == "openai_responses":
        swapped[field] = [request[field][0], *request[field][4:]]

    with pytest.raises(FORMATS[name].refused):
        FORMATS[name].ask(provider_server, swapped)


def test_redacted_thinking_is_bound_as_well(provider_server: Provider) -> None:
    """Its data is its signature."""
    provider_server.script.answer(Thinking("", redacted=True), Thinking("hm"), Text("So."))
    request = Anthropic.start()
    Anthropic.add(request, Anthropic.ask(provider_server, request))

    assert Anthropic.ask(provider_server, request)
    request["system"] = "Else."
    with pytest.raises(anthropic.BadRequestError, match="Invalid `data` in `redacted_thinking` block"):
        Anthropic.ask(provider_server, request)


@pytest.mark.parametrize("name", FORMATS)
def test_another_server_knows_nothing_of_it(provider_server: Provider, name: str) -> None:
    """A signature of another organisation is a forged one."""
    request = conversation(provider_server, name)
    provider_server.binder = type(provider_server.binder)()

    with pytest.raises(FORMATS[name].refused):
        FORMATS[name].ask(provider_server, request)
