"""G17 for what moves messages: whatever is merged, picked, rebased, reordered or reverted, providers take the result."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from tract import Resolution, Tract
from tract.compile.safety import WARNING_KINDS
from tract.errors import InvalidTargetError, SafetyError
from tract.formats.validate import validate_anthropic, validate_openai

SEEDS = st.integers(0, 2**32)


def assert_valid(t: Tract) -> None:
    """Both providers take what HEAD compiles to, which is what a full fold gives."""
    context = t.compile(verify=True)
    request = context.to_anthropic()
    found = validate_openai(context.to_openai()) + validate_anthropic(request.get("system"), request["messages"])
    # A context with nothing to send is refused by both, and nothing can be made up for it.
    assert [one for one in found if not one.rule.endswith("messages.empty")] == []


def speak(t: Tract, chance: random.Random, turns: int) -> None:
    """Say *turns* turns: questions, answers, and parallel calls of which the last may stay open."""
    for turn in range(turns):
        kind = chance.choice(["ask", "answer", "call", "call"])
        if kind == "call":
            calls = [f"call_{chance.randrange(10**9)}" for _ in range(chance.randint(1, 3))]
            t.assistant("I look.", tool_calls=[{"id": one, "name": "f", "arguments": "{}"} for one in calls])
            answered = calls if turn < turns - 1 else calls[: chance.randint(0, len(calls))]
            for one in chance.sample(answered, len(answered)):
                t.tool_result(one, f"found for {one}")
        else:
            t.user(f"Why {turn}?") if kind == "ask" else t.assistant(f"So {turn}.")


def placed(t: Tract) -> list[str]:
    return list(t.compile().commit_hashes)


def go_on(_: object) -> Resolution:
    return Resolution("use")


def tried(t: Tract, move: Callable[[frozenset[str]], object]) -> None:
    """Do *move* as it is, which is done or refused as a whole, then with all it breaks allowed; put all back."""
    head = t.head
    for allow in (frozenset[str](), WARNING_KINDS):
        try:
            move(allow)
        except SafetyError:
            assert not allow
            assert t.head == head
        except InvalidTargetError:
            assert t.head == head
        assert_valid(t)
        t.reset(head or "", mode="hard")


def moves(t: Tract) -> Iterator[Callable[[frozenset[str]], object]]:
    """Each message of the other branch picked, any two of this one's messages traded, each commit reverted."""
    for commit in [info.hash for info in t.log(100, branch="other") if info.op != "merge"]:
        yield lambda allow, commit=commit: t.cherry_pick(commit, allow=allow, autonomy="autonomous", resolver=go_on)
    for one, two in itertools.combinations(placed(t), 2):
        yield lambda allow, pair=(two, one): t.reorder(pair, allow=allow)
    for commit in [info.hash for info in t.log(100)]:
        yield lambda _, commit=commit: t.revert(commit)


@settings(max_examples=8)
@given(SEEDS)
def test_picked_traded_and_reverted_at_every_place(seed: int) -> None:
    """Every single commit and every pair, one after the other, refused or allowed."""
    chance = random.Random(seed)
    with Tract.open(durability="off", config={"cached_states": 16}) as t:
        t.system("Be brief.")
        speak(t, chance, 4)
        t.branch("other", at=chance.choice([info.hash for info in t.log(100)]))
        speak(t, chance, 3)
        t.switch("main")
        speak(t, chance, 1)
        for move in moves(t):
            tried(t, move)
        assert t.fsck() == []


@settings(max_examples=8)
@given(SEEDS)
def test_cut_at_every_place_and_put_together_again(seed: int) -> None:
    """Cut behind each commit and continued, then merged in both directions, rebased, and the merge reverted."""
    chance = random.Random(seed)
    with Tract.open(durability="off", config={"cached_states": 16}) as t:
        t.system("Be brief.")
        speak(t, chance, 5)
        whole = [info.hash for info in t.log(100)]
        for number, cut in enumerate(whole):
            t.branch(f"left-{number}", at=cut)
            speak(t, chance, 2)
            t.branch(f"right-{number}", at=chance.choice(whole[: number + 1]))
            speak(t, chance, 2)
            for ours, theirs in ((f"left-{number}", f"right-{number}"), (f"right-{number}", f"left-{number}")):
                t.switch(ours)
                head = t.head
                t.merge(theirs, strategy="theirs", no_ff=True)
                assert_valid(t)
                with suppress(InvalidTargetError):
                    t.revert("HEAD")
                assert_valid(t)
                t.reset(head or "", mode="hard")
                tried(t, lambda allow, theirs=theirs: t.rebase(theirs, allow=allow))
        assert t.fsck() == []
