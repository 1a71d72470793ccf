"""Real conversations with tool calls, cut, reordered, picked and rebased: both providers take every result."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.formats.build import conversations
from tests.formats.every import refused
from tract import Resolution, Tract
from tract.errors import SafetyError

NUMBERS = range(0, 40, 4)


def go_on(_: object) -> Resolution:
    return Resolution("use")


def assert_valid(t: Tract) -> None:
    assert refused(t.compile(verify=True)) == []


def said(number: int) -> list[dict[str, Any]]:
    return list(conversations()[number][:16])


@pytest.mark.parametrize("number", NUMBERS)
def test_cut_anywhere_and_put_on_another_conversation(number: int) -> None:
    """The second part on top of another one says what it said, in its order; a cut in an exchange is told."""
    with Tract.open(durability="off") as t:
        commits = [t.commit(message) for message in said(number)]
        t.branch("other", orphan=True)
        for message in said((number + 1) % 40)[:6]:
            t.commit(message)
        for cut in range(1, len(commits)):
            tail = t.compile(commits[-1]).messages[cut:]
            t.branch(f"cut-{cut}", at=commits[cut - 1], switch=False)
            t.branch(f"base-{cut}", at="other")
            picked = t.cherry_pick(commits[cut:], autonomy="autonomous", resolver=go_on)
            assert t.compile().messages[-len(tail) :] == tail
            assert_valid(t)
            is_cut = said(number)[cut]["role"] == "tool"
            assert is_cut == any(warning.kind == "exchange_split" for warning in picked.warnings)
        t.branch("whole", at=commits[-1])
        t.rebase("other", autonomy="autonomous", resolver=go_on)
        assert list(t.compile().messages)[6:] == list(t.compile(commits[-1]).messages)
        assert_valid(t)
        assert t.fsck() == []


@pytest.mark.parametrize("number", NUMBERS)
def test_neighbours_trade_places(number: int) -> None:
    """Any two may, but a rule, a call, and a result with what is no other result of its call."""
    with Tract.open(durability="off") as t:
        messages = said(number)
        commits = [t.commit(message) for message in messages]
        for at, (one, two) in enumerate(itertools.pairwise(commits)):
            first, second = messages[at : at + 2]
            results = [first["role"], second["role"]].count("tool")
            breaks = first["role"] == "system" or results == 1 or bool(second.get("tool_calls"))
            head = t.head
            try:
                t.reorder([two, one])
            except SafetyError as error:
                assert breaks
                t.reorder([two, one], allow={warning.kind for warning in error.warnings})
            else:
                assert not breaks
            assert_valid(t)
            t.reset(head or "", mode="hard")
