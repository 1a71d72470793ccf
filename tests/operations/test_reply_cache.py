"""Answers of models are kept in the store, beside the history and no part of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tract import CachedLLM, Message, Request, TextPart, Tract
from tract.errors import InvalidInputError, ReadOnlyError
from tract.testing import ScriptedLLM


def ask(text: str) -> Request:
    return Request(messages=[Message("user", (TextPart(text),))])


def test_an_answer_is_kept_for_the_next_process(tmp_path: Path) -> None:
    """Opened again, the store still has it; nothing was committed and no operation was recorded for it."""
    path = tmp_path / "agent.db"
    with Tract.open(path) as t:
        t.user("before")
        before = (t.head, len(t.operations))
        assert CachedLLM(ScriptedLLM(["Here."]), t.reply_cache).send(ask("hi")).text == "Here."
        assert (t.head, len(t.operations)) == before
        assert len(t.reply_cache) == 1
    with Tract.open(path, tract="another") as t:
        llm = CachedLLM(ScriptedLLM([]), t.reply_cache)
        assert llm.send(ask("hi")).text == "Here."
        assert llm.hits == 1
        assert repr(t.reply_cache) == "<ReplyCache replies=1>"


def test_on_postgresql(postgres_url: str) -> None:
    """The same on the other database."""
    with Tract.open(postgres_url) as t:
        t.reply_cache.put("key", b"\x00value")
        t.reply_cache.put("key", b"\x00other")
        assert (t.reply_cache.get("key"), len(t.reply_cache)) == (b"\x00other", 1)
        assert t.reply_cache.clear() == 1
        assert t.reply_cache.get("key") is None


def test_it_can_be_emptied() -> None:
    """`clear` says how many there were."""
    t = Tract.open()
    t.reply_cache.put("a", b"1")
    t.reply_cache.put("b", b"2")

    assert t.reply_cache.clear() == 2
    assert (len(t.reply_cache), t.reply_cache.get("a")) == (0, None)


@pytest.mark.about_files
@pytest.mark.parametrize("on_found", ["reject", "redact"])
def test_what_a_policy_keeps_out_of_commits_is_not_kept(tmp_path: Path, on_found: str) -> None:
    """Such an answer is given, and asked for again the next time; no byte of it is in the file."""
    key = "ghp_" + "a1B2" * 9
    with Tract.open(tmp_path / "agent.db") as t:
        t.policies.add("secret_guard", on_found=on_found)
        llm = CachedLLM(ScriptedLLM([f"It is {key}.", f"It is {key}.", "Here."]), t.reply_cache)

        assert llm.send(ask("hi")).text == llm.send(ask("hi")).text == f"It is {key}."
        assert llm.send(ask("other")).text == llm.send(ask("other")).text == "Here."
        assert len(t.reply_cache) == 1
    assert not [path for path in tmp_path.iterdir() if key.encode() in path.read_bytes()]


@pytest.mark.about_files
def test_a_damaged_answer_is_none(tmp_path: Path) -> None:
    """A flipped bit costs a call."""
    path = tmp_path / "agent.db"
    with Tract.open(path) as t:
        t.reply_cache.put("a", b"an answer")
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE replies SET data = CAST(substr(data, 1, 40) || x'00' AS BLOB)")
    raw.close()
    with Tract.open(path) as t:
        assert t.reply_cache.get("a") is None


def test_inside_a_batch_nothing_is_kept() -> None:
    """What a rollback would take back is not kept in the first place."""
    t = Tract.open()
    before = len(t.operations)
    with t.batch():
        t.user("one")
        t.reply_cache.put("a", b"1")

    assert t.reply_cache.get("a") is None
    assert len(t.operations) == before + 1


def test_a_reader_only_reads(tmp_path: Path) -> None:
    """A read-only handle answers from the cache and keeps nothing."""
    path = tmp_path / "agent.db"
    with Tract.open(path) as t:
        t.user("one")
        t.reply_cache.put("a", b"1")
    with Tract.open(path, read_only=True) as t:
        assert t.reply_cache.get("a") == b"1"
        with pytest.raises(ReadOnlyError):
            t.reply_cache.put("b", b"2")
        assert CachedLLM(ScriptedLLM(["Here."]), t.reply_cache).send(ask("hi")).text == "Here."


def test_what_is_too_large_is_not_kept() -> None:
    """The limit is the store's own."""
    t = Tract.open(config={"max_content_bytes": 100})
    t.reply_cache.put("a", b"1" * 101)

    assert t.reply_cache.get("a") is None


@pytest.mark.parametrize(("key", "value"), [(7, b""), (None, b""), ("a", "text"), ("a", None)])
def test_wrong_types(key: Any, value: Any) -> None:
    """Each is an error of ours."""
    with pytest.raises(InvalidInputError):
        Tract.open().reply_cache.put(key, value)
