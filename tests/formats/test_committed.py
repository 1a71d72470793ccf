"""What was read, committed and compiled is sent as it came."""

from __future__ import annotations

import pytest

from tests.formats import test_anthropic, test_openai_chat
from tract import Tract
from tract.formats.anthropic import from_anthropic
from tract.formats.openai_chat import from_openai


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
