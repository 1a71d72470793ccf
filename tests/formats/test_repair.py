"""Exchange repairs: each kind once, with what is sent in the end."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.build import assistant, call, histories, result, user
from tract.formats.repair import INTERRUPTED, derived_id, exchanges, repair_exchanges
from tract.objects.message import Message, TextPart, ToolResultPart

A, B = call("a"), call("b")


def shape(messages: Sequence[Message]) -> list[str]:
    """Write messages as short words: what was said, calls, and results by id."""
    words = []
    for message in messages:
        calls = "".join(f"+{part.id}" for part in message.tool_calls)
        words.append(f"{message.call_id}={message.text}" if message.role == "tool" else message.text + calls)
    return words


def both() -> Message:
    return assistant("look", A, B)


@pytest.mark.parametrize(
    ("history", "expected", "kinds"),
    [
        ([both(), result("a", "1")], ["look+a+b", "a=1", "b=interrupted"], ["interrupted_result"]),
        ([both(), user("hi")], ["look+a+b", "a=interrupted", "b=interrupted", "hi"], ["interrupted_result"] * 2),
        ([user("hi"), result("a", "1")], ["hi"], ["orphan_result"]),
        ([user("hi"), result(None, "1")], ["hi"], ["orphan_result"]),
        (
            [assistant("x", A), result("a", "1"), result("a", "2")],
            ["x+a", "a=1"],
            ["duplicate_result"],
        ),
        (
            [both(), result("b", "2"), user("hi"), result("a", "1")],
            ["look+a+b", "b=2", "a=1", "hi"],
            ["result_moved"],
        ),
        ([result("a", "1"), user("hi"), assistant("x", A)], ["hi", "x+a", "a=1"], ["result_moved"]),
        (
            [assistant("x", A), result("a", "1"), assistant("y", A), result("a", "2")],
            ["x+a", "a=1", "y+a", "a=2"],
            [],
        ),
        (
            [assistant("x", A), user("hi"), assistant("y", A), result("a", "2")],
            ["x+a", "a=interrupted", "hi", "y+a", "a=2"],
            ["interrupted_result"],
        ),
        (
            [Message("user", (TextPart("so"), ToolResultPart("a", "1"))), assistant("x", A)],
            ["so", "x+a", "a=1"],
            ["result_split", "result_moved"],
        ),
        (
            [assistant("x", A), Message("user", (TextPart("so"), ToolResultPart("a", "1")))],
            ["x+a", "a=1", "so"],
            ["result_split"],
        ),
        (
            [assistant("x", A), Message("user", (ToolResultPart("a", parts=(TextPart("1"), TextPart("2"))),))],
            ["x+a", "a=1\n2"],
            ["result_split"],
        ),
        ([Message("user", (TextPart("hi"), A))], ["hi"], ["misplaced_call"]),
        ([Message("user", (A,)), user("hi")], ["hi"], ["misplaced_call"]),
    ],
)
def test_each_repair(history: list[Message], expected: list[str], kinds: list[str]) -> None:
    """The exchange is whole afterwards, and each repair is reported once."""
    repaired = repair_exchanges(history)

    assert shape(repaired.messages) == expected
    assert [repair.kind for repair in repaired.repairs] == kinds
    assert repr(repaired) == f"<Repaired messages={len(expected)} repairs={len(kinds)}>"


def test_missing_and_repeated_ids_are_derived_from_the_commit() -> None:
    """Calls without ids and equal ids in one message are told apart by order, and so are their results."""
    history = [assistant("x", call(""), call("d"), call("d")), result("d", "2"), result(None, "1"), result("d", "3")]
    hashes = [f"{number:064x}" for number in range(4)]

    repaired = repair_exchanges(history, hashes=hashes)

    first, third = derived_id(hashes[0], 0), derived_id(hashes[0], 2)
    assert shape(repaired.messages) == [f"x+{first}+d+{third}", "d=2", f"{first}=1", f"{third}=3"]
    assert [repair.kind for repair in repaired.repairs] == ["call_id", "call_id"]
    assert repaired.sources == [0, 1, 2, 3]


def test_an_interrupted_result_came_from_no_message() -> None:
    """What was inserted has no source and says that the call failed."""
    repaired = repair_exchanges([assistant("x", A), user("hi")])

    assert repaired.sources == [0, None, 1]
    assert repaired.messages[1] == Message("tool", (TextPart(INTERRUPTED),), call_id="a", is_error=True)


def test_ten_thousand_whole_messages_are_looked_at_once() -> None:
    """The check that runs on every compile takes milliseconds; the bound leaves room for slow machines."""
    history = [user("a"), assistant("b", A), result("a"), assistant("c")] * 2500

    best = min(_seconds(history) for _ in range(5))

    assert best < 0.1


def _seconds(history: list[Message]) -> float:
    start = time.perf_counter()
    assert repair_exchanges(history).messages is history
    return time.perf_counter() - start


def test_repairing_ten_thousand_messages_is_linear() -> None:
    """Ten thousand calls with one id and no result in place are paired without comparing each with each."""
    history = [assistant("x", call(""))] * 5000 + [result(None)] * 5000

    repaired = repair_exchanges(history)

    assert len(repaired.messages) == 10_000
    assert {repair.kind for repair in repaired.repairs} == {"call_id", "result_moved"}


# --- what stands or falls together ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([user("hi"), both(), result("b"), result("a"), user("so")], [(0,), (1, 2, 3), (4,)]),
        ([both(), user("hi"), result("a"), assistant("x"), result("b")], [(1,), (3,), (0, 2, 4)]),
        ([assistant("x", A), result("a"), assistant("y", A), result("a")], [(0, 1), (2, 3)]),
        ([result("a"), user("hi"), assistant("x", A)], [(1,), (0, 2)]),
        ([assistant("x", A), Message("user", (TextPart("so"), ToolResultPart("a", "1")))], [(0, 1)]),
        ([assistant("x", A), result("b"), result(None)], [(0,), (1,), (2,)]),
    ],
)
def test_a_call_and_its_results_are_one_group(history: list[Message], expected: list[tuple[int, ...]]) -> None:
    """Wherever the results stand; every message is in one group, in the order in which they end."""
    assert exchanges(history) == expected


def test_messages_can_be_joined_for_other_reasons() -> None:
    """Such as reasoning with what it led to; a chain is one group."""
    history = [assistant("hm"), assistant("x", A), user("hi"), result("a"), user("so")]

    assert exchanges(history, [(0, 1), (2, 2)]) == [(2,), (0, 1, 3), (4,)]


def answers(messages: Sequence[Message], places: Sequence[int]) -> dict[int, list[int | None]]:
    """Return for each message that calls the places of the results sent behind it, by the place it had."""
    repaired = repair_exchanges(messages)
    found: dict[int, list[int | None]] = {}
    caller = -1
    for message, source in zip(repaired.messages, repaired.sources, strict=True):
        place = None if source is None else places[source]
        if message.role == "tool":
            found[caller].append(place)
        else:
            caller = -1 if place is None else place
            found[caller] = []
    return {caller: results for caller, results in found.items() if results}


@given(histories(), st.data())
def test_leaving_groups_out_changes_no_other_exchange(history: list[Message], data: st.DataObject) -> None:
    """Whichever groups go, each call that stays is sent with the very results it had."""
    groups = exchanges(history)
    assert sorted(index for group in groups for index in group) == list(range(len(history)))
    kept = data.draw(st.sets(st.sampled_from(range(len(groups)))))
    places = sorted(index for number in kept for index in groups[number])

    before = answers(history, range(len(history)))

    assert answers([history[place] for place in places], places) == {
        caller: results for caller, results in before.items() if caller in places
    }
