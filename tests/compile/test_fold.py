"""Shows how events fold into entries, on plain values without a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.compile.fold import Entry, Event, Prefix, State, extend
from tract.errors import CorruptStoreError
from tract.objects.message import Message, TextPart


@pytest.fixture(autouse=True, scope="module")
def _blocks() -> Iterator[None]:
    """Short histories span several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tract.compile.fold.BLOCK", 3)
        yield


def event(number: int, op: str = "append", targets: tuple[int, ...] = (), **fields: Any) -> Event:
    """Return the event of commit *number*, which says its number."""
    values: dict[str, Any] = {
        "content_type": "dialogue",
        "config": None,
        "message": None if op == "annotate" else Message("user", (TextPart(str(number)),)),
        "priority": "normal",
        "tokens": number,
        "origin": "user",
        "author": "",
        "created_at": 0,
        **fields,
    }
    return Event(number, hashlib.sha256(b"%d" % number).digest(), number, 1, op, targets, **values)


def texts(state: State) -> list[str]:
    return ["" if entry.shown.message is None else entry.shown.message.text for entry in state.shown]


# --- the naive model: a list of [place, shown, priority], folded anew for each state -------------------


def naive(history: list[Event]) -> list[tuple[int, int, str]]:
    places: list[list[Any]] = []
    for each in history:
        if each.op == "append":
            places.append([each.id, each.id, each.priority])
        for place in places:
            if place[0] in each.targets:
                place[1 if each.op == "edit" else 2] = each.id if each.op == "edit" else each.priority
    return [(place, shown, priority) for place, shown, priority in places]


def folded(state: State) -> list[tuple[int, int, str]]:
    return [(entry.placed.id, entry.shown.id, entry.priority) for entry in state.entries]


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[int, Event]]:
    """Commits in the order they are made: the index of the parent (-1 for a root) and the event."""
    made: list[tuple[int, Event]] = []
    for number in range(draw(st.integers(1, 20))):
        parent = draw(st.integers(max(-1, number - 3), number - 1))
        appends = [one.id for one in history_of(made, parent) if one.op == "append"]
        op = draw(st.sampled_from(["append", "append", "edit", "annotate"])) if appends else "append"
        targets: list[int] = []
        if op != "append":
            most = 1 if op == "edit" else 3
            targets = draw(st.lists(st.sampled_from(appends), min_size=1, max_size=most, unique=True))
        priority = draw(st.sampled_from(["skip", "normal", "pinned"]))
        made.append((parent, event(number, op, tuple(targets), priority=priority)))
    return made


def history_of(made: list[tuple[int, Event]], index: int) -> list[Event]:
    found: list[Event] = []
    while index >= 0:
        parent, one = made[index]
        found.insert(0, one)
        index = parent
    return found


@given(trees(), st.randoms(use_true_random=False))
def test_states_that_share_a_parent_never_disturb_each_other(made: list[tuple[int, Event]], random: Any) -> None:
    """Siblings extend one parent state in any order; each, and each older one, equals its own naive fold."""
    states: dict[int, State | None] = {-1: None}
    waiting = list(range(len(made)))
    while waiting:
        ready = [index for index in waiting if made[index][0] in states]
        index = random.choice(ready)
        waiting.remove(index)
        parent, one = made[index]
        states[index] = extend(states[parent], [one])

    for index, state in states.items():
        history = history_of(made, index)
        expected = naive(history)
        visible = [(place, shown) for place, shown, priority in expected if priority != "skip"]
        if state is None:
            continue
        assert folded(state) == expected
        assert [(entry.placed.id, entry.shown.id) for entry in state.shown] == visible
        assert state.tokens == sum(shown for _, shown in visible)
        assert list(state.events) == history
        for other in range(len(made)):
            place = state.position(other)
            assert (None if place is None else history[place].id) == (other if made[other][1] in history else None)
            found = state.entry(other)
            assert (found is not None) == (other in [placed for placed, _, _ in expected])
        changes = [place for place, one in enumerate(history) if one.op != "append"]
        assert state.changed_at == (changes[-1] if changes else -1)


@given(trees(), st.integers(0, 20))
def test_one_fold_equals_many(made: list[tuple[int, Event]], cut: int) -> None:
    """Folding all at once, one by one, or in two parts gives the same state."""
    history = history_of(made, len(made) - 1)
    whole = extend(None, history)
    parts = extend(extend(None, history[:cut]), history[cut:])
    steps: State | None = None
    for one in history:
        steps = extend(steps, [one])

    assert steps is not None
    for state in (parts, steps):
        assert state.entries == whole.entries
        assert state.shown == whole.shown
        assert (state.tokens, state.changed_at, state.head) == (whole.tokens, whole.changed_at, whole.head)


def test_an_edit_keeps_the_config_of_what_it_replaces() -> None:
    """Without a config of its own an edit has the target's; with one, its own."""
    state = extend(None, [event(1, config=7), event(2, "edit", (1,)), event(3), event(4, "edit", (3,), config=8)])

    assert [entry.shown.config for entry in state.entries] == [7, 8]


def test_an_annotation_outlives_an_edit() -> None:
    """Skipped stays skipped when edited, and shows the edit when shown again."""
    state = extend(None, [event(1), event(2, "annotate", (1,), priority="skip"), event(3, "edit", (1,))])
    assert texts(state) == []

    state = extend(state, [event(4, "annotate", (1,), priority="normal")])
    assert texts(state) == ["3"]
    assert state.entries[0].annotated is not None
    assert state.entries[0].annotated.id == 4


def test_an_edit_stands_for_the_entry_it_edited() -> None:
    """The original of an edit is the append; an annotation and a stranger have none."""
    state = extend(None, [event(1), event(2, "edit", (1,)), event(3, "annotate", (1,))])

    assert [state.original(number) for number in (1, 2, 3, 4)] == [1, 1, None, None]
    assert [event is not None for event in map(state.event, (1, 2, 3, 4))] == [True, True, True, False]


def test_what_was_erased_is_not_shown() -> None:
    """An entry whose content is gone keeps its place and gives no message."""
    state = extend(None, [event(1, message=None), event(2)])

    assert texts(state) == ["2"]
    assert [entry.is_visible for entry in state.entries] == [False, True]
    assert state.tokens == 2


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (event(9, "edit", (5,)), "not before it"),
        (event(9, "annotate", (1, 5)), "not before it"),
        (event(9, "annotate", (2,)), "not before it"),
        (event(9, "transmogrify"), "unknown operation `transmogrify`"),
    ],
    ids=["edit", "annotate", "of an edit", "op"],
)
def test_an_impossible_event_is_refused_and_changes_nothing(bad: Event, words: str) -> None:
    """The state it was to extend can still be read and extended."""
    state = extend(None, [event(1), event(2, "edit", (1,))])
    before = folded(state)

    with pytest.raises(CorruptStoreError, match=words):
        extend(state, [event(3), bad])

    assert folded(state) == before
    assert folded(extend(state, [event(4)])) == [*before, (4, 4, "normal")]


@given(st.lists(st.integers()), st.integers(0, 5), st.integers(-8, 8), st.slices(8))
def test_a_prefix_is_a_list_that_does_not_grow(items: list[int], more: int, index: int, part: slice) -> None:
    """Length, items, slices, iteration and comparison are those of the list it was made of."""
    shared = [*items]
    prefix: Prefix[int] = Prefix(shared, len(items))
    shared += range(more)

    assert prefix == items
    assert prefix == tuple(items)
    assert prefix == Prefix(shared, len(items))
    assert (prefix == [*items, 1]) is False
    assert prefix != "text"
    assert list(prefix) == items
    assert list(reversed(prefix)) == items[::-1]
    assert prefix[part] == items[part]
    assert repr(prefix) == f"<{len(items)} items>"
    if -len(items) <= index < len(items):
        assert prefix[index] == items[index]
    else:
        with pytest.raises(IndexError):
            prefix[index]
    with pytest.raises(TypeError):
        hash(prefix)


def test_entries_are_values() -> None:
    """Two entries of the same events are equal."""
    assert Entry(event(1), event(2), "normal") == Entry(event(1), event(2), "normal")
