"""Random histories rebased and cherry-picked: what is shown is what the model says of the commits as they were.

The model folds the commits of the new base and then the copied ones, under their old names; nothing
of the code that copies is in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.fold_model import places
from tests.formats.every import NOTHING_TO_SEND, refused
from tests.operations.histories import History, merged, state_of
from tract import MissingTarget, RebaseResult, Resolution, Tract
from tract.compile.fold import Event, State
from tract.errors import AbortedError

# Shrinking a history takes minutes; the drawn verbs of a failure tell enough.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@contextmanager
def forked(data: st.DataObject) -> Iterator[tuple[Tract, list[Event]]]:
    """Make a random history that forks, stand on `side`, and return what only `side` has; some merges are in it."""
    with Tract.open(config={"cached_states": 3}) as t:
        t._store.clock = itertools.count(2_000_000_000_000_000).__next__
        history = History(t, data.draw)
        t.user("root")
        history.some(5)
        t.branch("side")
        t.branch("third", switch=False)
        history.some(6)
        if data.draw(st.booleans(), label="merge"):
            t.switch("third")
            history.some(3)
            t.switch("side")
            merged(t, "third")
            history.some(3)
        t.switch("main")
        history.some(5)
        if data.draw(st.integers(0, 3), label="merge into main") == 0:
            merged(t, "third")
        theirs = {event.hash for event in state_of(t).events}
        t.switch("side")
        own = [event for event in state_of(t).events if event.hash not in theirs and event.op != "merge"]
        yield t, own


def assert_shows(state: State, expected: Sequence[Event], mapping: Mapping[str, str]) -> None:
    """The places of *state* are those the model finds in *expected*, each commit under its new name."""
    old_names = {new: old for old, new in mapping.items()}
    by_id = {event.id: event.hash.hex() for event in expected}
    model = [
        (by_id[one.placed], by_id[one.shown], one.priority, [by_id[cover] for cover in one.covers], one.is_off)
        for one in places(expected)
    ]

    def name(event: Event) -> str:
        return old_names.get(event.hash.hex(), event.hash.hex())

    covers = {event.id: event for event in state.events}
    assert [
        (name(e.placed), name(e.shown), e.priority, [name(covers[one]) for one in e.covers], e.is_off)
        for e in state.order
    ] == model


def assert_sound(t: Tract) -> None:
    """What is compiled is what a full fold gives, counted right, and what every provider takes."""
    context = t.compile(verify=True)
    assert t.get("HEAD").context_tokens == context.token_count or t.get("HEAD").op == "merge"
    # A context with nothing to send is refused by all, and nothing can be made up for it.
    assert [one for one in refused(context) if one.rule not in NOTHING_TO_SEND] == []
    assert t.fsck() == []


def go_on(_: object) -> Resolution:
    return Resolution("use")


@settings(phases=PHASES)
@given(st.data())
def test_a_rebased_history_says_what_it_said(data: st.DataObject) -> None:
    """Each edit, annotation, summary, order and revert acts on the moved commit; undo brings all back."""
    with forked(data) as (t, own):
        before, head = state_of(t), t.head
        base = list(state_of(t, "main").events)
        result = t.rebase("main", autonomy="autonomous", resolver=go_on)
        if result.kind == "up_to_date":
            assert own == [] or state_of(t, "main").position(base[-1].id) is not None
            assert t.head == head
            return

        assert list(result.mapping) == [event.hash.hex() for event in own]
        assert_shows(state_of(t), [*base, *own], result.mapping)
        assert_moved_unchanged(before, state_of(t), own, result)
        assert_sound(t)
        assert t.get("ORIG_HEAD").hash == head
        assert t.undo().head == head


def assert_moved_unchanged(before: State, after: State, own: Sequence[Event], result: RebaseResult) -> None:
    """Each moved message says what it said, or is left out as it was."""
    old_names = {new: old for old, new in result.mapping.items()}
    now = {old_names.get(entry.placed.hash.hex(), ""): entry for entry in after.entries}
    for event in own:
        old = before.entry(event.id)
        if old is not None:
            new = now[event.hash.hex()]
            assert (new.shown.message, new.priority, new.is_off) == (old.shown.message, old.priority, old.is_off)
            assert (new.placed.origin, new.placed.author, new.placed.created_at, new.placed.content) == (
                old.placed.origin,
                old.placed.author,
                old.placed.created_at,
                old.placed.content,
            )
            assert new.is_visible == old.is_visible


@settings(phases=PHASES)
@given(st.data())
def test_picked_commits_say_what_they_said(data: st.DataObject) -> None:
    """Any of them, in their order; a commit whose target was not picked is skipped."""
    with forked(data) as (t, own):
        if not own:
            return
        picked = data.draw(st.lists(st.sampled_from(own), min_size=1, unique_by=lambda event: event.id))
        picked.sort(key=own.index)
        t.switch("main")
        head, base = t.head, list(state_of(t).events)

        result = t.cherry_pick(
            [event.hash.hex() for event in picked],
            autonomy="autonomous",
            resolver=lambda issue: Resolution("skip" if isinstance(issue, MissingTarget) else "use"),
        )
        by_name = {event.hash.hex(): event for event in [*own, *picked]}
        copied = [by_name[old] if old in by_name else _stored(t, old) for old in result.mapping]
        assert {event.hash.hex() for event in picked} | set(result.added) == set(result.mapping) | set(result.skipped)
        assert_shows(state_of(t), [*base, *copied], result.mapping)
        assert_sound(t)
        if result.mapping:
            assert t.undo().head == head


def _stored(t: Tract, commit: str) -> Event:
    return state_of(t, commit).events[-1]


@settings(phases=PHASES)
@given(st.data())
def test_a_rebase_is_done_without_a_word_or_refused(data: st.DataObject) -> None:
    """A resolver that aborts is asked only where something would break, and then nothing is written."""
    with forked(data) as (t, _):
        head, operations = t.head, len(t.operations)
        asked: list[object] = []

        def abort(issue: object) -> Resolution:
            asked.append(issue)
            return Resolution("abort")

        try:
            result = t.rebase("main", autonomy="autonomous", resolver=abort)
        except AbortedError:
            assert len(asked) == 1
            assert (t.head, len(t.operations)) == (head, operations)
        else:
            assert (result.warnings, asked) == ((), [])
