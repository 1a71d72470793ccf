"""What was read, committed and compiled is sent as it came."""

from __future__ import annotations

import pytest

from tests.formats import test_anthropic, test_gemini, test_openai_chat, test_responses
from tract import Tract
from tract.formats.anthropic import from_anthropic
from tract.formats.gemini import from_gemini
from tract.formats.openai_chat import from_openai
from tract.formats.responses import from_openai_responses


@pytest.mark.parametrize("name", test_openai_chat.VALID)
def test_openai_messages_survive_being_stored(name: str) -> None:
    """The compiled context gives the input, key for key, bytes of images and files included."""
    messages = test_openai_chat.VALID[name]

    with Tract.open() as t:
        for content in from_openai(messages):
            t.commit(content)

        assert t.compile().to_openai() == messages


@pytest.mark.parametrize("name", test_anthropic.VALID)
def test_anthropic_requests_survive_being_stored(name: str) -> None:
    """The compiled context gives the input, byte for byte, reasoning included."""
    system, messages = test_anthropic.VALID[name]

    with Tract.open() as t:
        for content in from_anthropic(messages, system=system):
            t.commit(content)
        request = t.compile().to_anthropic()

    assert request["messages"] == messages
    assert request.get("system") == system


@pytest.mark.parametrize("name", test_responses.VALID)
def test_responses_items_survive_being_stored(name: str) -> None:
    """The compiled context gives the input, byte for byte, reasoning and item ids included."""
    _, items = test_responses.VALID[name]

    with Tract.open() as t:
        for content in from_openai_responses(items, instructions="be brief"):
            t.commit(content)
        context = t.compile()

    assert context.to_openai_responses() == {"instructions": "be brief", "input": items}
    assert context.report("openai_responses").losses == ()


@pytest.mark.parametrize("name", test_gemini.VALID)
def test_gemini_contents_survive_being_stored(name: str) -> None:
    """The compiled context gives the input, byte for byte, signatures included."""
    system, contents = test_gemini.VALID[name]

    with Tract.open() as t:
        for content in from_gemini(contents, system_instruction=system):
            t.commit(content)
        context = t.compile()

    assert context.to_gemini()["contents"] == contents
    assert context.to_gemini().get("system_instruction") == system
    assert context.report("gemini").losses == ()
