"""The real clients talk to a server that enforces the providers' rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.formats.build import conversations, messages_of, tools_of
from tests.providers.broken import ANTHROPIC, OPENAI
from tests.providers.broken_newer import BAD_INSTRUCTIONS, BAD_SYSTEM, GEMINI, RESPONSES
from tests.providers.server import answer_gemini, running
from tract.formats.anthropic import to_anthropic
from tract.formats.gemini import gemini_body, to_gemini
from tract.formats.openai_chat import from_openai, to_openai
from tract.formats.responses import to_openai_responses
from tract.formats.validate import (
    RULE_BOOKS,
    validate_anthropic,
    validate_gemini,
    validate_openai,
    validate_openai_responses,
)

TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as base_url:
        yield base_url


@pytest.fixture(scope="module")
def openai_client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def anthropic_client(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def gemini_client(url: str) -> Iterator[genai.Client]:
    with genai.Client(api_key="unused", http_options={"base_url": url}) as client:
        yield client


def ask_openai(client: openai.OpenAI, messages: Any) -> str:
    reply = client.chat.completions.create(model="gpt", messages=messages)
    return reply.choices[0].message.content or ""


def ask_anthropic(client: anthropic.Anthropic, request: dict[str, Any]) -> str:
    reply: Any = client.messages.create(model="claude", max_tokens=16, **request)
    return str(reply.content[0].text)


def ask_responses(client: openai.OpenAI, request: dict[str, Any]) -> str:
    reply: Any = client.responses.create(**{"model": "gpt", "store": False, **request})
    return str(reply.output_text)


def ask_gemini(client: genai.Client, request: dict[str, Any]) -> str:
    reply = client.models.generate_content(**{"model": "gemini", **request})
    return reply.text or ""


@pytest.mark.parametrize("number", range(40))
def test_responses_answers_every_real_conversation(openai_client: openai.OpenAI, number: int) -> None:
    """Each real conversation is sent by the real client and gets a reply."""
    value = to_openai_responses(messages_of(from_openai(conversations()[number]))).value

    assert ask_responses(openai_client, value) == f"Got {len(value['input'])}."


@pytest.mark.parametrize("number", range(40))
def test_gemini_answers_every_real_conversation(gemini_client: genai.Client, number: int) -> None:
    """Each real conversation is sent by the real client and gets a reply."""
    value = to_gemini(messages_of(from_openai(conversations()[number]))).value

    system = {"system_instruction": value["system_instruction"]}
    assert ask_gemini(gemini_client, {"contents": value["contents"], "config": system}) == (
        f"Got {len(value['contents'])}."
    )


def test_the_gemini_client_sends_the_bytes_that_were_given(gemini_client: genai.Client) -> None:
    """Signatures and images are base64 text here and arrive as the same bytes."""
    contents: Any = [
        {"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "+/8="}}]},
        {"role": "model", "parts": [{"text": "x", "thought_signature": "+/8="}]},
    ]

    read = [types.Content.model_validate(content) for content in contents]

    assert read[0].parts[0].inline_data.data == b"\xfb\xff"  # type: ignore[index,union-attr]  # both are there
    assert read[1].parts[0].thought_signature == b"\xfb\xff"  # type: ignore[index]  # it is there
    assert ask_gemini(gemini_client, {"contents": contents}) == "Got 2."


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_server_and_rules_refuse_the_same(openai_client: openai.OpenAI, name: str) -> None:
    """What the server refuses breaks the rule named, and the client raises its own error."""
    rule, items = RESPONSES[name]

    assert rule in [violation.rule for violation in validate_openai_responses(items)]
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)):
        ask_responses(openai_client, {"input": items})


def test_instructions_and_system_texts_are_checked(openai_client: openai.OpenAI) -> None:
    """What stands beside the messages is refused by server and rules alike."""
    instructions: Any = ["be brief"]
    request = {"input": [{"role": "user", "content": "hi"}], "instructions": instructions}
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    systems: list[Any] = [{"parts": [{"inline_data": {}}]}, {"parts": "x"}, {"text": "x"}, 7]

    assert [one.rule for one in validate_openai_responses(items=request["input"], instructions=instructions)] == [
        BAD_INSTRUCTIONS
    ]
    with pytest.raises(openai.BadRequestError):
        ask_responses(openai_client, request)
    for system in systems:
        assert [one.rule for one in validate_gemini(contents, system_instruction=system)] == [BAD_SYSTEM]
        assert answer_gemini({"contents": contents, "systemInstruction": system})[0] == 400


@pytest.mark.parametrize("name", GEMINI)
def test_gemini_server_and_rules_refuse_the_same(name: str) -> None:
    """What the server refuses breaks the rule named; the client would not even send some of it."""
    rule, contents = GEMINI[name]

    assert rule in [violation.rule for violation in validate_gemini(contents)]
    status, body = answer_gemini(gemini_body({"contents": contents}))
    assert status == 400, body


def test_gemini_refuses_what_the_client_sends(gemini_client: genai.Client) -> None:
    """The client raises its own error for what the server refuses."""
    contents = GEMINI["call without response"][1]

    with pytest.raises(genai.errors.ClientError):
        ask_gemini(gemini_client, {"contents": contents})


@pytest.mark.parametrize("number", range(40))
def test_openai_answers_every_real_conversation(openai_client: openai.OpenAI, number: int) -> None:
    """Each real conversation is sent by the real client and gets a reply."""
    messages = to_openai(messages_of(from_openai(conversations()[number]))).value

    assert ask_openai(openai_client, messages) == f"Got {len(messages)}."


@pytest.mark.parametrize("number", range(40))
def test_anthropic_answers_every_real_conversation(anthropic_client: anthropic.Anthropic, number: int) -> None:
    """Each real conversation is sent by the real client and gets a reply."""
    value = to_anthropic(messages_of(from_openai(conversations()[number]))).value

    reply = ask_anthropic(anthropic_client, {**value, "tools": tools_of(value["messages"])})

    assert reply == f"Got {len(value['messages'])}."


@pytest.mark.parametrize("name", OPENAI)
def test_openai_server_and_rules_refuse_the_same(openai_client: openai.OpenAI, name: str) -> None:
    """What the server refuses breaks the rule named, and the client raises its own error."""
    rule, messages = OPENAI[name]

    assert rule in [violation.rule for violation in validate_openai(messages)]
    with pytest.raises(openai.BadRequestError):
        ask_openai(openai_client, messages)


@pytest.mark.parametrize("name", ANTHROPIC)
def test_anthropic_server_and_rules_refuse_the_same(anthropic_client: anthropic.Anthropic, name: str) -> None:
    """What the server refuses breaks the rule named, and the client raises its own error."""
    rule, given = ANTHROPIC[name]
    request = {"tools": [TOOL], **given}

    found = validate_anthropic(request.get("system"), request["messages"], request["tools"])

    assert rule in [violation.rule for violation in found]
    with pytest.raises(anthropic.BadRequestError):
        ask_anthropic(anthropic_client, request)


def test_every_rule_is_broken_by_some_request() -> None:
    """No rule is there that nothing breaks, and each carries the provider's error."""
    rules = [rule for book in RULE_BOOKS.values() for rule in (*book.shape, *book.meaning)]

    broken = {rule for cases in (OPENAI, ANTHROPIC, RESPONSES, GEMINI) for rule, _ in cases.values()}
    assert {rule.id for rule in rules} == broken | {BAD_INSTRUCTIONS, BAD_SYSTEM}
    assert all(len(rule.vendor_error) > 20 for rule in rules)


def test_violations_show_no_content() -> None:
    """What is printed names the rule and the place only."""
    (violation,) = validate_openai([{"role": "secret", "content": "secret"}])

    assert repr(violation) == "<Violation openai.message.role at messages[0].role>"
    assert "secret" not in violation.message
