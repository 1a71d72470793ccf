"""Shows that the fold of any list of events, however it is reached, is what a naive model says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fold_model import Place, event, event_lists, places
from tract.compile.fold import Entry, Event, State, extend, rewind, switched_off


@pytest.fixture(autouse=True, scope="module")
def _blocks() -> Iterator[None]:
    """Short histories span several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tract.compile.fold.BLOCK", 3)
        yield


def place(entry: Entry) -> Place:
    annotated = None if entry.annotated is None else entry.annotated.id
    return Place(entry.placed.id, entry.shown.id, annotated, entry.priority, entry.covers, entry.is_off)


def assert_is(state: State, events: list[Event]) -> None:
    """Compare *state* with the model, and what it knows of itself with what it shows."""
    expected = places(events)
    visible = [one for one in expected if one.is_visible]
    assert [place(entry) for entry in state.order] == expected
    assert [place(entry) for entry in state.shown] == visible
    assert {entry.placed.id for entry in state.entries} == {one.placed for one in expected}
    assert state.tokens == sum(one.shown for one in visible)  # an event counts as many tokens as its number
    assert list(state.events) == events
    assert state.head == events[-1]
    changes = [one for one in events if one.op != "append"]
    assert state.changes() == changes
    assert state.changed_at == (events.index(changes[-1]) if changes else -1)
    for one in events:
        assert state.event(one.id) == one
        assert (state.entry(one.id) is not None) == (one.op in {"append", "compress"})


@given(event_lists())
def test_one_fold_is_what_the_model_says(events: list[Event]) -> None:
    """Order, content, priority, cover and counts, for every op."""
    assert_is(extend(None, events), events)


@given(event_lists(), st.data())
def test_a_fold_in_steps_is_what_the_model_says(events: list[Event], data: st.DataObject) -> None:
    """However the events are cut into steps, and each earlier state stays as it was."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(events)))) | {len(events)})
    states: list[tuple[int, State]] = []
    state = None
    for start, end in zip([0, *cuts], cuts, strict=False):
        state = extend(state, events[start:end])
        states.append((end, state))

    for end, reached in states:
        assert_is(reached, events[:end])


@given(event_lists(), st.data())
def test_going_back_is_what_the_model_says(events: list[Event], data: st.DataObject) -> None:
    """From any event to any earlier one, and on from there; the state left behind stays as it was."""
    state = extend(None, events)
    for position in range(len(events)):
        assert_is(rewind(state, position), events[: position + 1])
    position = data.draw(st.integers(0, len(events) - 1))
    back = rewind(state, position)

    other = event(99)
    assert_is(extend(back, [other]), [*events[: position + 1], other])
    assert_is(extend(back, events[position + 1 :]), events)
    assert_is(back, events[: position + 1])
    assert_is(state, events)


@given(event_lists())
def test_reverting_the_last_change_takes_just_it_back(events: list[Event]) -> None:
    """With it switched off the fold shows what it showed without it; reverting the revert shows it again."""
    last = next((one for one in reversed(events) if one.op not in {"append", "merge"}), None)
    if last is None or last.id in switched_off(events):
        return
    without = [one for one in events if one.id != last.id]
    reverted = [*events, event(98, "revert", [last.id])]

    def shown(of: list[Event]) -> list[tuple[int, int]]:
        return [(entry.placed.id, entry.shown.id) for entry in extend(None, of).shown]

    if all(last.id not in one.targets for one in without):
        assert shown(reverted) == shown(without)
    assert shown([*reverted, event(99, "revert", [98])]) == shown(events)
