"""The real clients talk to a server that enforces the providers' rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.formats.build import conversations, messages_of, tools_of
from tests.providers.broken import ANTHROPIC, OPENAI
from tests.providers.server import running
from tract.formats.anthropic import to_anthropic
from tract.formats.openai_chat import from_openai, to_openai
from tract.formats.validate import RULE_BOOKS, validate_anthropic, validate_openai

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


def ask_openai(client: openai.OpenAI, messages: Any) -> str:
    reply = client.chat.completions.create(model="gpt", messages=messages)
    return reply.choices[0].message.content or ""


def ask_anthropic(client: anthropic.Anthropic, request: dict[str, Any]) -> str:
    reply: Any = client.messages.create(model="claude", max_tokens=16, **request)
    return str(reply.content[0].text)


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

    assert {rule.id for rule in rules} == {rule for rule, _ in (*OPENAI.values(), *ANTHROPIC.values())}
    assert all(len(rule.vendor_error) > 20 for rule in rules)


def test_violations_show_no_content() -> None:
    """What is printed names the rule and the place only."""
    (violation,) = validate_openai([{"role": "secret", "content": "secret"}])

    assert repr(violation) == "<Violation openai.message.role at messages[0].role>"
    assert "secret" not in violation.message
