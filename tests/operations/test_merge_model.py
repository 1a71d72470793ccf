"""Random DAGs of every kind of change, merged and merged again: what a merge shows is what a naive model says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.merge_model import Clash
from tests.operations.merging import History, histories, resolved
from tract import MergeResult

SEEDS = st.integers(0, 2**32)
STEPS = [
    "append",
    "append",
    "edit",
    "edit",
    "annotate",
    "annotate",
    "revert",
    "reorder",
    "compress",
    "switch",
    "switch",
    "branch",
    "merge",
    "merge",
]
SIDES = ["ours", "theirs"]


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
    result = t.merge(other, strategy=side, no_ff=history.chance.random() < 0.3) if by_strategy else t.merge(other)  # type: ignore[arg-type]
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
    after = len(t.operations)
    t.undo(after - before[2])
    assert (t._store.refs(), t.compile().to_dicts()) == before[:2]
    t.redo()
    while now and t.head == ours:
        t.redo()


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
