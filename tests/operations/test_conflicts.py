"""What a conflict tells whoever decides it, and where the decision shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.operations.merging import write
from tract import Conflict, Resolution, Tract
from tract.errors import InvalidInputError


@pytest.fixture
def t() -> Iterator[Tract]:
    """On main and on dev the question was edited; on both something was said after it."""
    with Tract.open(durability="off") as t:
        t.system("rule")
        hidden = t.user("hidden")
        t.user("question")
        t.user("after")
        t.skip(hidden)
        t.branch("dev")
        t.edit("HEAD~2", "question of dev")
        t.assistant("said on dev")
        t.switch("main")
        t.assistant("said on main")
        t.edit("HEAD~3", "question of main")
        yield t


def texts(t: Tract) -> list[str]:
    return [message.text for message in t.compile(verify=True).messages]


def test_a_conflict_tells_both_sides_the_base_and_what_came_before(t: Tract) -> None:
    """All three versions, the commits each branch made since the base, and the context up to the message."""
    mine = [info.hash for info in t.log(2)][::-1]
    theirs = [info.hash for info in t.log(2, branch="dev")][::-1]
    question = t.get("HEAD").targets[0]

    (conflict,) = t.merge("dev").conflicts

    assert (conflict.kind, conflict.target) == ("both_edited", question)
    versions = [conflict.base, conflict.ours, conflict.theirs]
    assert [one.message.text for one in versions if one.message] == ["question", "question of main", "question of dev"]
    assert [one.commit for one in versions] == [question, mine[1], theirs[0]]
    assert [one.priority for one in versions] == ["normal"] * 3
    assert list(conflict.our_commits) == mine
    assert list(conflict.their_commits) == theirs
    assert [message.text for message in conflict.context] == ["rule"]
    assert conflict.context[-1:] == (conflict.context[0],)


def test_after_a_merge_only_what_came_since_is_told(t: Tract) -> None:
    """With several bases too: a commit both sides have is none of either."""
    t.merge("dev", strategy="ours")
    t.switch("dev")
    t.merge("main~1", strategy="theirs")
    edits = []
    for branch in ("dev", "main"):
        t.switch(branch)
        t.user(f"more on {branch}")
        question = t.compile().commit_hashes[1]
        edits.append([t.head, t.edit(question, f"question of {branch} again").hash])

    (conflict,) = t.merge("dev").conflicts

    assert list(conflict.our_commits)[-2:] == edits[1]
    assert list(conflict.their_commits)[-2:] == edits[0]
    assert not {*conflict.our_commits} & {*conflict.their_commits}


def test_a_context_ends_at_the_place_of_a_message_both_sides_hid() -> None:
    """Two summaries of the same message: what came before it is told, nothing behind it."""
    with Tract.open(durability="off") as t:
        first, middle, last = (t.user(text) for text in ("first", "middle", "last"))
        t.branch("dev")
        write(t, "compress", [middle.hash], "summary of dev")
        t.switch("main")
        write(t, "compress", [middle.hash, last.hash], "summary of main")

        (conflict, *_) = t.merge("dev").conflicts

        assert (conflict.kind, conflict.target) == ("overlapping_compressions", middle.hash)
        assert [message.text for message in conflict.context][:1] == ["first"]
        assert "last" not in [message.text for message in conflict.context]
        assert first.hash not in conflict.our_commits


def test_the_same_conflict_found_twice_is_equal(t: Tract) -> None:
    """So one taken from an earlier result of the same merge may be decided on a later one."""
    (earlier,) = t.merge("dev").conflicts

    t.commit_merge(t.merge("dev").resolve(earlier, "theirs"))

    assert texts(t)[1] == "question of dev"


@pytest.mark.parametrize("wrong", [1, -2, True, None, "x", [], 0.0])
def test_what_is_no_conflict_of_the_merge_is_refused(t: Tract, wrong: Any) -> None:
    """An index counts from either end; nothing is decided by mistake."""
    result = t.merge("dev")

    with pytest.raises(InvalidInputError, match="not one of the result"):
        result.resolve(wrong, "ours")

    assert result.unresolved == result.conflicts
    assert result.resolve(-1, "ours").unresolved == ()


@pytest.mark.parametrize(
    ("decision", "shown"),
    [
        (Resolution("ours"), ["question of main"]),
        (Resolution("theirs"), ["question of dev"]),
        (Resolution("use", "question of both"), ["question of both"]),
        (Resolution("skip"), []),
    ],
    ids=lambda one: one.action if isinstance(one, Resolution) else "",
)
def test_what_is_decided_shows_once_in_place_and_in_the_preview(
    t: Tract, decision: Resolution, shown: list[str]
) -> None:
    """Preview and merge say the same; edits and annotations follow the merge commit in one operation."""
    result = t.merge("dev")
    before = len(t.operations)
    result.resolve(0, decision)
    expected = ["rule", *shown, "after", "said on main", "said on dev"]
    assert [message.text for message in result.preview] == expected

    t.commit_merge(result)

    assert texts(t) == expected
    assert len(t.operations) == before + 1
    added = [info.op for info in t.log(10)]
    assert {*added[: added.index("merge")]} <= {"edit", "annotate"}
    t.undo()
    assert texts(t) == ["rule", "question of main", "after", "said on main"]


EQUAL: dict[str, Callable[[Tract, list[str]], object]] = {
    "edit": lambda t, old: t.edit(old[0], "the same"),
    "skip": lambda t, old: t.skip(old[0]),
    "pin": lambda t, old: t.pin(old[0]),
    "reorder": lambda t, old: t.reorder([old[1], old[0]]),
    "edit and edit back": lambda t, old: (t.edit(old[0], "other"), t.edit(old[0], "message 0")),
    "revert": lambda t, _: t.revert(t.edit("HEAD~1", "for a moment")),
}


@pytest.mark.parametrize("change", EQUAL)
def test_equal_changes_are_no_conflict(change: str) -> None:
    """Whatever both branches did alike stays as both wanted it, and every message is there once."""
    with Tract.open(durability="off") as t:
        t._store.clock = iter(range(2_000_000_000_000_000, 2_000_000_000_001_000)).__next__
        old = [t.user(f"message {number}").hash for number in range(3)]
        t.branch("dev")
        EQUAL[change](t, old)
        t.user("on dev")
        t.switch("main")
        t.user("on main")
        EQUAL[change](t, [*old])
        ours = texts(t)

        result = t.merge("dev")

        assert (result.kind, result.conflicts) == ("merged", ())
        assert texts(t) == [*ours, "on dev"]


def test_a_resolver_is_shown_the_conflict_itself(t: Tract) -> None:
    """It decides by what it is given, and never sees the tract."""
    seen: list[Conflict] = []

    def newest(conflict: Conflict) -> Resolution:
        seen.append(conflict)
        assert conflict.theirs.message is not None
        return Resolution("use", f"{len(conflict.context)} before: {conflict.theirs.message.text}", "both matter")

    t.merge("dev", resolver=newest, autonomy="autonomous")

    assert len(seen) == 1
    assert texts(t)[1] == "1 before: question of dev"
