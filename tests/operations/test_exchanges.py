"""G17 for what moves messages: what is merged, picked, rebased, reordered or reverted, providers take."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from tract import MissingTarget, Resolution, Tract
from tract.compile.safety import WARNING_KINDS
from tract.errors import InvalidTargetError, MissingTargetError, SafetyError
from tract.formats.validate import validate_anthropic, validate_openai

Move = Callable[..., object]

SEEDS = st.integers(0, 2**32)


def assert_valid(t: Tract) -> None:
    """Both providers take what HEAD compiles to, which is what a full fold gives."""
    context = t.compile(verify=True)
    request = context.to_anthropic()
    found = validate_openai(context.to_openai()) + validate_anthropic(request.get("system"), request["messages"])
    # A context with nothing to send is refused by both, and nothing can be made up for it.
    assert [one for one in found if not one.rule.endswith("messages.empty")] == []


def speak(t: Tract, chance: random.Random, turns: int) -> None:
    """Say *turns* turns: questions, answers, changes, and parallel calls of which the last may stay open."""
    for turn in range(turns):
        kind = chance.choice(["ask", "answer", "call", "call", *(["change"] if placed(t) else [])])
        if kind == "call":
            calls = [f"call_{chance.randrange(10**9)}" for _ in range(chance.randint(1, 3))]
            t.assistant("I look.", tool_calls=[{"id": one, "name": "f", "arguments": "{}"} for one in calls])
            answered = calls if turn < turns - 1 else calls[: chance.randint(0, len(calls))]
            for one in chance.sample(answered, len(answered)):
                t.tool_result(one, f"found for {one}")
        elif kind == "change":
            t.edit(chance.choice(placed(t)), {"role": "user", "content": f"Changed {turn}."})
            t.skip(chance.choice(placed(t)))
        else:
            t.user(f"Why {turn}?") if kind == "ask" else t.assistant(f"So {turn}.")


def placed(t: Tract) -> list[str]:
    return list(t.compile().commit_hashes)


def go_on(issue: object) -> Resolution:
    """Allow what breaks; a change without its target becomes a message."""
    return Resolution("use", "Instead." if isinstance(issue, MissingTarget) else None)


def tried(t: Tract, move: Move) -> None:
    """Do *move* as it is, which is done or refused as a whole, then with all it breaks allowed; put all back."""
    head = t.head
    for allow in (frozenset[str](), frozenset(WARNING_KINDS)):
        try:
            move(allow=allow)
        except SafetyError:
            assert not allow
            assert t.head == head
        except (InvalidTargetError, MissingTargetError):
            assert t.head == head
        assert_valid(t)
        t.reset(head or "", mode="hard")


def moves(t: Tract) -> Iterator[Move]:
    """Each message of the other branch picked, any two of this one's messages traded, each commit reverted."""
    for commit in [info.hash for info in t.log(100, branch="other") if info.op != "merge"]:
        yield partial(t.cherry_pick, commit, autonomy="autonomous", resolver=go_on)
        yield partial(t.cherry_pick, commit)
    for one, two in itertools.combinations(placed(t), 2):
        yield partial(t.reorder, (two, one))
    for commit in [info.hash for info in t.log(100)]:
        yield partial(reverted, t, commit)


def reverted(t: Tract, commit: str, *, allow: frozenset[str]) -> object:
    return t.revert(commit)


@settings(max_examples=5)
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


@settings(max_examples=5)
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
                tried(t, partial(t.rebase, theirs))
        assert t.fsck() == []
