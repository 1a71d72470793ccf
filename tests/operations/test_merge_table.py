"""For each pair of change kinds on the two sides of a merge: conflict or not; the table in the docs is this one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

import pytest

from tests.gates import source
from tests.operations.merging import write
from tract import Tract

PAGE: Final = source.ROOT / "docs" / "explanation" / "merging.md"

Change = Callable[[Tract, list[str], str], object]

CHANGES: Final[dict[str, Change]] = {
    "append": lambda t, _, side: t.user(f"new from {side}"),
    "edit": lambda t, old, side: t.edit(old[0], f"edited by {side}"),
    "skip": lambda t, old, _: t.skip(old[0]),
    "pin": lambda t, old, _: t.pin(old[0]),
    "compress": lambda t, old, side: write(t, "compress", old[:2], f"summary by {side}"),
    "reorder": lambda t, old, side: t.reorder([old[1], old[0]] if side == "ours" else [old[2], old[0]]),
}


def merged(ours: str, theirs: str) -> tuple[str, list[str]]:
    """Return the kinds of conflict of a merge, or what it shows, when each side does one thing to the first message."""
    with Tract.open(durability="off") as t:
        old = [t.user(f"message {number}").hash for number in range(3)]
        t.branch("dev")
        CHANGES[theirs](t, old, "theirs")
        t.switch("main")
        CHANGES[ours](t, old, "ours")
        result = t.merge("dev", no_ff=True)
        kinds = sorted({one.kind for one in result.conflicts})
        assert (result.kind == "merged") == (not kinds)
        return ", ".join(kinds) or "-", [message.text for message in t.compile(verify=True).messages]


def table() -> list[str]:
    """Return the lines of the table: ours down, theirs across."""
    head = ["ours \\ theirs", *CHANGES]
    rows = [[ours, *[merged(ours, theirs)[0] for theirs in CHANGES]] for ours in CHANGES]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def test_the_table_in_the_docs_is_what_merges_do() -> None:
    """All 36 pairs."""
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]

    assert shown[: len(CHANGES) + 2] == table()


@pytest.mark.parametrize(("ours", "theirs"), list(itertools.combinations_with_replacement(CHANGES, 2)))
def test_conflict_or_not_is_the_same_in_either_direction(ours: str, theirs: str) -> None:
    """And where there is none, both directions show the same messages."""
    one, other = merged(ours, theirs), merged(theirs, ours)

    assert one[0] == other[0]
    if one[0] == "-":
        assert sorted(one[1]) == sorted(
            text.replace("theirs", "*").replace("ours", "theirs").replace("*", "ours") for text in other[1]
        )
