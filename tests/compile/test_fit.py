"""What to keep so that the rest fits: decided over groups of tokens, without a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.build import assistant, call, result, user
from tract import MessageGroup
from tract.compile.fit import STEPS, decide, importance, newest, points, strategy_named, window
from tract.errors import BudgetExceededError, InvalidInputError
from tract.objects.message import Message
from tract.tokens.message import REPLY_PRIMING_TOKENS

Chooses = Callable[[Sequence[MessageGroup], int], list[int]]

BUILT_IN: list[Chooses] = [newest, window, importance]
SAID = [user("where is order 66?"), assistant("hm"), assistant("", call("a")), result("a", "GATE B12")]


def group(tokens: int, said: Message = SAID[0], **is_what: bool) -> MessageGroup:
    return MessageGroup((said,), ("00" * 32,), tokens, **is_what)


LOOSE = st.builds(
    group,
    st.integers(0, 60),
    st.sampled_from(SAID),
    is_pinned=st.integers(0, 7).map(lambda n: n == 0),
    is_summary=st.booleans(),
    is_edited=st.booleans(),
    is_answered=st.booleans(),
)


@st.composite
def groups(draw: st.DrawFn) -> list[MessageGroup]:
    """Any groups of which one near the end, as a rule the last, is the newest."""
    found = draw(st.lists(LOOSE, min_size=1, max_size=14))
    for back in draw(st.sampled_from([[1], [1], [1, 3], [2, 4]])):
        if back <= len(found):
            found[-back] = replace(found[-back], is_newest=True)
    return found


def size(found: Sequence[MessageGroup], indexes: Any) -> int:
    return sum(found[index].tokens for index in indexes)


def anyway(found: Sequence[MessageGroup]) -> set[int]:
    return {index for index, one in enumerate(found) if one.is_pinned or one.is_newest}


# --- what holds for every strategy ---------------------------------------------------------------


@pytest.mark.parametrize("strategy", BUILT_IN)
@given(found=groups(), budget=st.integers(0, 300))
def test_what_is_kept_fits_with_all_that_must_be_kept(
    strategy: Chooses, found: list[MessageGroup], budget: int
) -> None:
    """Never more than the budget; an error, with both numbers, exactly when what must be kept is larger."""
    least = size(found, anyway(found)) + (REPLY_PRIMING_TOKENS if anyway(found) else 0)
    if least > budget:
        with pytest.raises(BudgetExceededError) as caught:
            decide(found, budget, strategy)
        assert (caught.value.tokens, caught.value.limit_tokens) == (least, budget)
        return

    kept = decide(found, budget, strategy)

    assert anyway(found) <= kept
    assert not kept or size(found, kept) + REPLY_PRIMING_TOKENS <= budget
    assert decide(found, budget, strategy) == kept


@pytest.mark.parametrize("strategy", BUILT_IN)
@given(found=groups())
def test_everything_is_kept_if_it_fits(strategy: Chooses, found: list[MessageGroup]) -> None:
    """With room for all, each strategy chooses all."""
    budget = size(found, range(len(found))) + REPLY_PRIMING_TOKENS

    assert decide(found, budget, strategy) == set(range(len(found)))


# --- each strategy against the plainest way to say it ---------------------------------------------


@given(groups(), st.integers(0, 300))
def test_newest_keeps_the_longest_end_that_fits(found: list[MessageGroup], room: int) -> None:
    """Of all ends, the longest for which there is room beside what must be kept."""
    must = anyway(found)
    if size(found, must) > room:
        return
    ends = [set(range(start, len(found))) | must for start in range(len(found) + 1)]

    assert set(newest(found, room)) | must == next(end for end in ends if size(found, end) <= room)


@given(groups(), st.integers(0, 300))
def test_importance_prefers_points_then_the_newer(found: list[MessageGroup], room: int) -> None:
    """Nothing left out could be put in, and nothing it could replace alone has fewer points."""
    must = anyway(found)
    if size(found, must) > room:
        return

    kept = set(importance(found, room)) | must

    left = room - size(found, kept)
    rank = {index: (points(one, room) + index, index) for index, one in enumerate(found)}
    for index in set(range(len(found))) - kept:
        assert found[index].tokens > left
        for other in kept - must:
            if rank[other] < rank[index]:
                above = {one for one in kept - must if rank[one] > rank[index]}
                assert size(found, above | must) + found[index].tokens > room


def test_points_are_what_the_page_says() -> None:
    """Role, summary, edits, replies, facts and size, each on its own."""
    room = 1_000
    assert points(group(1, user("so it is")), room) == 30
    assert points(group(1, assistant("so it is")), room) == 20
    assert points(group(1, assistant("so it is", call("a"))), room) == 10
    assert points(group(1, result("a", "so it is")), room) == 10
    assert points(group(1, assistant("so it is"), is_summary=True), room) == 60
    assert points(group(1, user("so it is"), is_edited=True), room) == 50
    assert points(group(1, user("so it is"), is_answered=True), room) == 50
    assert points(group(1, user("from B12 to a/b now")), room) == 30 + 20
    assert points(group(1, user("from B12 to the gate of this airport with my seven bags please")), room) == 30 + 3
    assert points(group(1, user("B12 B12 B12 B12 B12 B12 B12 B12 B12 B12")), room) == 30 + 5
    assert points(group(1, user("")), room) == 30
    assert points(group(50, user("so it is")), room) == 25
    assert points(group(900, user("so it is")), room) == 10


# --- the window ----------------------------------------------------------------------------------


@given(st.lists(LOOSE, min_size=2, max_size=40), st.integers(4, 400))
def test_the_window_moves_in_steps(found: list[MessageGroup], room: int) -> None:
    """Message by message, its beginning never goes back, and moves at most once per step of new tokens."""
    found = [replace(one, is_pinned=False) for one in found]
    starts = []
    for count in range(1, len(found) + 1):
        said = [*found[: count - 1], replace(found[count - 1], is_newest=True)]
        if size(said, range(count)) > room >= said[-1].tokens:
            starts.append(min({*window(said, room), count - 1}))

    # One that begins with the newest message alone stands for no choice: a message larger than a step is there.
    small = all(one.tokens <= room // STEPS for one in found)
    assert not small or starts == sorted(starts)
    assert not small or len(set(starts)) <= size(found, range(len(found))) // max(1, room // STEPS) + 1


@given(st.lists(LOOSE, min_size=1, max_size=40), st.integers(40, 400))
def test_the_window_is_at_least_half_full(found: list[MessageGroup], room: int) -> None:
    """Where no message is larger than a step, at most two steps and one message stay empty."""
    step = room // STEPS
    found = [replace(one, is_pinned=False, tokens=min(one.tokens, step)) for one in found]
    found[-1] = replace(found[-1], is_newest=True)
    if size(found, range(len(found))) <= room:
        return

    kept = {*window(found, room), len(found) - 1}

    assert room - 3 * step <= size(found, kept) <= room
    assert kept == set(range(min(kept), len(found)))


def test_the_window_keeps_its_beginning_while_it_fills() -> None:
    """Room for forty messages: the beginning stays for ten messages, then ten go at once."""
    found = [group(10, assistant("hm")) for _ in range(100)]

    starts = [min(window(found[:count], 400)) for count in range(41, 101)]

    assert starts == [start for start in range(10, 70, 10) for _ in range(10)]


def test_the_window_begins_with_a_turn_where_one_is_near() -> None:
    """A user's message within a quarter of the room is where it begins; one farther away is not."""
    found = [group(10, user("so") if index in {13, 35} else assistant("hm")) for index in range(60)]

    assert min(window(found[:41], 400)) == 13
    assert min(window(found[:55], 400)) == 20


def test_the_window_makes_room_for_an_earlier_message_that_must_stay() -> None:
    """What was said last before a message without any text stands before the window, and counts."""
    found = [group(30, is_newest=True), *[group(20) for _ in range(9)], group(5, is_newest=True)]

    kept = decide(found, 100 + REPLY_PRIMING_TOKENS, window)

    assert {0, 10} < kept
    assert size(found, kept) <= 100


# --- strategies of one's own ---------------------------------------------------------------------

FOUND = [group(10) for _ in range(5)]


def test_a_strategy_of_ones_own_is_obeyed() -> None:
    """What it names is kept beside what is kept anyway."""
    found = [*FOUND, group(10, is_newest=True)]
    seen: list[int] = []

    def even(given: Sequence[MessageGroup], room_tokens: int) -> range:
        seen.append(room_tokens)
        return range(0, len(given), 4)

    assert decide(found, 53, even) == {0, 4, 5}
    assert seen == [50]


def test_a_strategy_that_keeps_too_much_is_refused() -> None:
    """The budget holds whatever a strategy says."""
    with pytest.raises(BudgetExceededError, match="What the strategy keeps would hold 53 tokens; the budget is 52"):
        decide(FOUND, 52, lambda found, _room: range(len(found)))


@pytest.mark.parametrize("chosen", [None, 3, [5], [-1], ["0"], [True], [1.0], FOUND])
def test_a_strategy_that_returns_no_indexes_is_refused(chosen: Any) -> None:
    """Nothing is guessed from what it returned."""
    with pytest.raises(InvalidInputError, match="something else than indexes"):
        decide(FOUND, 40, lambda _found, _room: chosen)


@pytest.mark.parametrize("strategy", ["", "oldest", 1, len, object, lambda groups: groups, ["newest"]])
def test_what_is_no_strategy_is_refused(strategy: Any) -> None:
    """Unknown names, and callables that take something else."""
    with pytest.raises(InvalidInputError, match="is no strategy"):
        strategy_named(strategy)


def test_a_callable_without_signature_is_tried() -> None:
    """Some written in C say nothing of what they take."""
    found: object = strategy_named(max)[1]

    assert found is max


def test_groups_and_what_was_left_out_show_no_content() -> None:
    """A `repr` ends up in logs."""
    assert "order" not in repr(group(5))
