"""Conversations are the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tract import ToolCall, Tract, Usage
from tract.errors import RefConflictError
from tract.testing import ScriptedLLM


def double(n: int) -> int:
    """Double a number."""
    return 2 * n


def test_a_run_and_its_usage_are_kept_and_undone(open_tract: Callable[..., Tract]) -> None:
    """Replies, results, tools and usage, each in its operation."""
    llm = ScriptedLLM([ToolCall("a", "double", '{"n": 2}'), "Four."], usage=Usage(20, 5))
    t = open_tract(llm=llm)
    t.run("Double 2.", tools=[double])
    other = open_tract()

    assert [message.role for message in other.compile().messages] == ["user", "assistant", "tool", "assistant"]
    assert other.compile().token_source == "api:scripted"
    assert other.tools.sent_with("HEAD")[0]["function"]["name"] == "double"
    other.undo(2)
    assert t.run(llm=ScriptedLLM(["4"]), tools=[double]).state == "finished"
    assert t.fsck() == []


def test_the_loser_has_the_reply_in_the_error(open_tract: Callable[..., Tract]) -> None:
    """And a reply may land after what came in."""
    t, other = open_tract(), open_tract()

    def slowly(_: object) -> str:
        other.user("me too")
        return "Hello."

    with pytest.raises(RefConflictError) as caught:
        t.chat("Hi!", llm=ScriptedLLM([slowly]))
    landed = t.chat("Again.", llm=ScriptedLLM([slowly]), on_conflict="after")

    assert caught.value.reply.text == "Hello."
    assert [message.text for message in t.compile().messages] == ["Hi!", "me too", "Again.", "me too", "Hello."]
    assert landed.commit_info.hash == other.head


def test_model_settings_are_kept_for_each_tract(open_tract: Callable[..., Tract]) -> None:
    """Another tract of the store has its own."""
    t, other, apart = open_tract(), open_tract(), open_tract(tract="apart")
    t.configure_operations(chat={"provider": "ollama", "model": "m"})

    assert str(other.models["chat"].model) == "m (operation)"
    assert not apart.models["chat"].is_configured
