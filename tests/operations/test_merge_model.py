"""Random DAGs of every kind of change, merged and merged again: what a merge shows is what a naive model says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.every import refused
from tests.history.dags import Parents, ancestors, build, dags
from tests.merge_model import Clash
from tests.operations.merging import History, histories, resolved
from tract import MergeResult, Tract
from tract.errors import InvalidInputError
from tract.operations.merge_plan import bases_of

SEEDS = st.integers(0, 2**32)
STEPS = [
    "append", "append", "edit", "edit", "annotate", "annotate", "revert", "reorder", "compress", "switch", "switch",
    "branch", "merge", "merge",
]  # fmt: skip
SIDES: list[Literal["ours", "theirs"]] = ["ours", "theirs"]


@pytest.fixture(autouse=True, scope="module")
def _blocks() -> Iterator[None]:
    """Short histories span several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tract.compile.fold.BLOCK", 3)
        yield


def check(history: History) -> None:
    """What HEAD compiles to is the fold of its history, and its stored size is true."""
    t = history.t
    context = t.compile(verify=True)
    assert [message.text for message in context.messages] == history.model.visible(history.head)
    assert t.status().context_tokens == context.token_count


def merge(history: History) -> None:
    """Merge a branch and compare with the model, conflict by conflict and place by place."""
    t, model = history.t, history.model
    other = history.chance.choice(list(t.branches))
    ours, theirs, side = history.head, t.branches[other].head, history.chance.choice(SIDES)
    assert theirs is not None
    before = t._store.refs(), t.compile().to_dicts(), len(t.operations)
    by_strategy = history.chance.random() < 0.3
    result = t.merge(other, strategy=side, no_ff=history.chance.random() < 0.3) if by_strategy else t.merge(other)
    expected = model.merge(ours, theirs, side)
    if result.kind in {"up_to_date", "fast_forward"}:
        history.note()
        assert result.head == (ours if result.kind == "up_to_date" else theirs)
        return
    assert {one.hex() for one in map(bytes.fromhex, result.bases)} == set(model.bases(ours, theirs))
    if len(result.bases) == 1:
        assert found_clashes(result) == expected.clashes
    if result.kind == "conflicts":
        t.commit_merge(resolved(result, side))
    history.note()
    check_merged(history, result, (ours, theirs))
    now = {place.commit: (place.text, place.priority, model.cover(place)) for place in model.fold(history.head)}
    assert {commit: now[commit] for commit in expected.places} == expected.places
    if expected.order is not None:
        assert [one for one in now if one in expected.order] == expected.order
    assert t.merge(other).kind == "up_to_date"
    after, done = len(t.operations), t.head
    t.undo(after - before[2])
    assert (t._store.refs(), t.compile().to_dicts()) == before[:2]
    t.redo(after - before[2])
    assert t.head == done


def found_clashes(result: MergeResult) -> set[Clash]:
    return {Clash(one.kind, "" if one.kind == "reordered_differently" else one.target) for one in result.conflicts}


def check_merged(history: History, result: MergeResult, sides: tuple[str, str]) -> None:
    """Nothing is lost or doubled; what only one side had is as it had it."""
    model = history.model
    places = [place.commit for place in model.fold(history.head)]
    assert len(places) == len(set(places))
    known = [{place.commit: place for place in model.fold(side)} for side in sides]
    assert set(places) == known[0].keys() | known[1].keys()
    for place in model.fold(history.head):
        if (place.commit in known[0]) != (place.commit in known[1]):
            old = known[0].get(place.commit) or known[1][place.commit]
            assert (place.text, place.priority) == (old.text, old.priority)
    assert model.commits[result.commits[0]].parents == sides


def run(history: History, steps: int) -> None:
    for _ in range(steps):
        step = history.chance.choice(STEPS)
        if step == "merge":
            merge(history)
        else:
            getattr(history, step)()
        check(history)


@settings(max_examples=60)
@given(SEEDS)
def test_what_a_merge_shows_is_what_the_model_says(seed: int) -> None:
    """Nested and criss-cross merges, conflicts decided for a side, and every commit after them."""
    with histories(seed) as history:
        run(history, 18)
        assert history.t.fsck() == []


@settings(max_examples=40)
@given(SEEDS)
def test_merging_in_either_direction_gives_the_same_messages(seed: int) -> None:
    """Whichever branch is current, the same conflicts; without any, the same set of messages."""
    with histories(seed) as history:
        t, model = history.t, history.model
        t.branch("dev")
        for branch in ("dev", "main"):
            t.switch(branch)
            for _ in range(4):
                getattr(history, history.chance.choice(STEPS[:9]))()
        found = []
        for branch, other in (("main", "dev"), ("dev", "main")):
            t.switch(branch)
            result = t.merge(other, no_ff=True)
            history.note()
            found.append((found_clashes(result), sorted(model.visible(history.head))))
            if result.kind != "up_to_date":
                t.undo()
        assert {kind for kind, _ in found[0][0]} == {kind for kind, _ in found[1][0]}
        if not found[0][0]:
            assert found[0][1] == found[1][1]


@settings(max_examples=80)
@given(dags(), SEEDS)
def test_merge_bases_are_the_best_common_ancestors(parents: Parents, seed: int) -> None:
    """By number, on graphs with criss-cross merges and several roots."""
    chance = random.Random(seed)
    with Tract.open(durability="off") as t:
        hashes = build(t, parents)
        for _ in range(6):
            left, right = chance.choice(list(parents)), chance.choice(list(parents))
            common = ancestors(parents, left) & ancestors(parents, right)
            best = {one for one in common if not any(one != it and one in ancestors(parents, it) for it in common)}

            found = bases_of(t._store, bytes.fromhex(hashes[left]), bytes.fromhex(hashes[right]))

            assert sorted(one.hex() for one in found) == sorted(hashes[one] for one in best)


@settings(max_examples=60)
@given(SEEDS)
def test_merged_exchanges_are_valid_for_the_providers(seed: int) -> None:
    """Conversations with parallel tool calls, cut anywhere, continued on both sides and merged."""
    chance = random.Random(seed)
    with Tract.open(durability="off") as t:
        t.system("Be brief.")
        speak(t, chance, 8)
        t.branch("dev", at=f"HEAD~{chance.randrange(len(t.log(100)))}")
        speak(t, chance, 5)
        t.switch("main")
        speak(t, chance, 5)
        for branch, other in (("main", "dev"), ("dev", "main")):
            t.switch(branch)
            t.merge(other, strategy=chance.choice(SIDES), no_ff=chance.random() < 0.5)
            context = t.compile(verify=True)
            assert refused(context) == []


def speak(t: Tract, chance: random.Random, steps: int) -> None:
    """Go on with a conversation: questions, parallel calls, some of their results, skips and edits."""
    for _ in range(steps):
        step = chance.choice(["ask", "call", "call", "result", "result", "say", "skip", "edit", "compress"])
        calls = [call.id for message in t.compile().messages for call in message.tool_calls]
        if step == "call":
            names = [f"call_{chance.randrange(10**9)}" for _ in range(chance.randint(1, 3))]
            t.assistant("I look.", tool_calls=[{"id": name, "name": "f", "arguments": "{}"} for name in names])
        elif step == "result" and calls:
            t.tool_result(chance.choice(calls), "found")
        elif step == "compress":
            _compress(t)
        elif step == "skip":
            t.skip(chance.choice(t.compile().commit_hashes)) if t.compile().messages else t.user("Why?")
        elif step == "edit" and t.compile().messages:
            t.edit(chance.choice(t.compile().commit_hashes), {"role": "user", "content": "Changed."})
        else:
            t.user("Why?") if step == "ask" else t.assistant("So.")


def _compress(t: Tract) -> None:
    try:
        t.compress(summarizer=lambda _: "They spoke.")
    except InvalidInputError:
        t.user("Nothing to leave out yet, but for this, which is long enough.")
