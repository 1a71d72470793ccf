"""What undo does where there is a choice: by number, in batches, detached, on unborn and vanished branches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.test_undo_stateful import state
from tract import Tract
from tract.errors import (
    BranchNotFoundError,
    DetachedHeadError,
    InvalidInputError,
    NothingToUndoError,
    OperationConflictError,
    OperationOpenError,
)

USAGE = {"prompt_tokens": 40, "completion_tokens": 7}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.db"


def open_two(path: Path) -> tuple[Tract, Tract]:
    return Tract.open(path, durability="off"), Tract.open(path, durability="off")


def test_undo_after_undo_goes_further_back() -> None:
    """An undo is not what the next undo takes back."""
    with Tract.open() as t:
        first = t.user("one")
        t.user("two")
        t.user("three")

        t.undo()
        t.undo()

        assert t.head == first.hash
        assert [done.verb for done in t.operations][:2] == ["undo", "undo"]


def test_a_new_write_ends_redo() -> None:
    """What was undone can still be found in the operation log, but not redone over the new write."""
    with Tract.open() as t:
        t.user("one")
        lost = t.user("two")
        t.undo()
        t.user("instead")

        with pytest.raises(NothingToUndoError):
            t.redo()
        assert t.get(lost.hash).message == "two"


def test_an_operation_others_built_on_is_not_undone_by_number() -> None:
    """The error names the branch that has moved, and nothing is written."""
    with Tract.open() as t:
        t.user("one")
        number = len(t.operations)
        t.user("two")

        with pytest.raises(OperationConflictError, match="`main` has moved since") as caught:
            t.undo(operation=number)

        assert (caught.value.number, caught.value.name) == (number, "heads/main")
        assert len(t.operations) == number + 1


def test_an_operation_nothing_built_on_is_undone_by_number_and_only_once() -> None:
    """A tag goes while later commits stay; a second time is refused; redo brings it back."""
    with Tract.open() as t:
        t.user("one")
        t.tag("v1")
        number = len(t.operations)
        later = t.user("two")

        t.undo(operation=number)

        assert "v1" not in t.tags
        assert t.head == later.hash
        with pytest.raises(InvalidInputError, match="is undone already"):
            t.undo(operation=number)
        t.redo()
        assert "v1" in t.tags
        t.undo(operation=number)
        assert "v1" not in t.tags


@pytest.mark.parametrize("number", [1, 3, 4])
def test_the_first_operation_and_undo_itself_have_no_undo_by_number(number: int) -> None:
    """What made the tract, an undo and a redo are taken back in order only."""
    with Tract.open() as t:
        t.user("one")
        t.undo()
        t.redo()

        with pytest.raises(InvalidInputError, match="cannot be undone by number"):
            t.undo(operation=number)


def test_a_switch_that_was_followed_by_another_is_not_undone_by_number() -> None:
    """New handles start where the later switch says."""
    with Tract.open() as t:
        t.user("one")
        t.branch("a")
        t.switch("main")
        number = len(t.operations)
        t.branch("b")

        with pytest.raises(OperationConflictError) as caught:
            t.undo(operation=number)
        assert caught.value.name == "HEAD"


def test_a_branch_is_undone_by_number_without_moving_head_back_and_redone_as_it_was() -> None:
    """A later switch wins over the branch's own; redo does not switch again either."""
    with Tract.open() as t:
        t.user("one")
        t.branch("a")
        number = len(t.operations)
        t.switch("main")
        before = state(t)

        t.undo(operation=number)
        assert list(t.branches) == ["main"]
        assert t.current_branch == "main"
        t.redo()

        assert state(t) == before
        assert t.current_branch == "main"


def test_a_branch_new_handles_start_on_is_not_undone_by_number() -> None:
    """Else they would start on a branch that is gone."""
    with Tract.open() as t:
        t.user("one")
        t.branch("a", switch=False)
        number = len(t.operations)
        t.switch("a")

        with pytest.raises(OperationConflictError) as caught:
            t.undo(operation=number)
        assert caught.value.name == "HEAD"


def test_undo_inside_a_batch_is_refused() -> None:
    """The log could not say what was undone; the rest of the batch goes on."""
    with Tract.open() as t:
        t.user("one")
        with t.batch():
            t.user("two")
            with pytest.raises(OperationOpenError):
                t.undo()
        assert [message.text for message in t.compile().messages] == ["one", "two"]


def test_a_batch_is_undone_whole() -> None:
    """Commits, branches, settings set twice, usage: all of it, in one step; and redone."""
    with Tract.open() as t:
        reply = t.assistant("one")
        t.record_usage({"prompt_tokens": 5, "completion_tokens": 1})
        before = state(t)
        with t.batch():
            t.configure(max_content_bytes=2000)
            t.configure(max_content_bytes=3000)
            t.record_usage(USAGE, commit=reply)
            t.user("two")
            t.branch("side")
            t.user("three")
            t.branches.describe("side", "a")
        after = state(t)

        t.undo()
        assert state(t) == before
        assert t.config == before["settings"]
        t.redo()
        assert state(t) == after
        assert t.config.max_content_bytes == 3000


def test_a_part_of_a_batch_that_fails_leaves_nothing_to_undo_behind() -> None:
    """Settings a failed part noted are not in the operation."""
    with Tract.open() as t:
        t.user("one")
        with t.batch():
            t.user("two")
            with pytest.raises(OperationOpenError):
                t.redo()
            with pytest.raises(KeyError):
                _fail_after_noting(t)
        assert t.operations[-1].args == {"verbs": {"commit": 1}}


def _fail_after_noting(t: Tract) -> None:
    with t._store.operation("configure") as operation:
        operation.set_meta("config:default", "{}")
        raise KeyError


def test_undo_of_a_switch_moves_only_a_handle_that_stood_there(path: Path) -> None:
    """Where new handles start goes back; the other handle stays where it is."""
    t, other = open_two(path)
    with t, other:
        t.user("one")
        t.branch("side", switch=False)
        t.switch("side")

        other.undo()

        assert other.current_branch == "main"
        assert t.current_branch == "side"
        assert [done.verb for done in t.operations][:2] == ["undo", "switch"]
        with Tract.open(path) as fresh:
            assert fresh.current_branch == "main"
        t.redo()
        assert t.current_branch == "side"
        with Tract.open(path) as fresh:
            assert fresh.current_branch == "side"


def test_undo_works_on_a_detached_handle_which_stays_where_it_is() -> None:
    """It is a way to look: the branch moves, the detached HEAD does not."""
    with Tract.open() as t:
        first = t.user("one")
        t.user("two")
        t.checkout(first)
        with pytest.raises(DetachedHeadError):
            t.user("no")

        result = t.undo()

        assert t.branches["main"].head == first.hash
        assert t.head == result.head == first.hash
        assert t.current_branch is None


def test_the_first_commit_is_undone_to_an_empty_branch_that_takes_commits_again() -> None:
    """The branch is unborn as it was at first; what is committed then is a new root."""
    with Tract.open() as t:
        first = t.user("one")
        t.undo()
        assert t.head is None
        assert len(t.compile().messages) == 0
        assert list(t.branches) == []
        with pytest.raises(NothingToUndoError):
            t.undo()
        t.redo()
        assert t.head == first.hash
        t.undo()

        second = t.user("two")

        assert second.parents == ()
        assert t.fsck() == []


def test_undo_of_a_branch_one_stands_on_goes_back_to_where_one_came_from() -> None:
    """And redo stands on it again."""
    with Tract.open() as t:
        t.user("one")
        t.branch("side")
        t.undo()
        assert t.current_branch == "main"
        t.redo()
        assert t.current_branch == "side"


VANISH: dict[str, Callable[[Tract], object]] = {
    "deleted": lambda t: t.branches.delete("side", force=True),
    "renamed": lambda t: t.branches.rename("side", "other"),
    "undone": lambda t: t.undo(2),
}


@pytest.mark.parametrize("how", VANISH)
def test_a_branch_that_vanishes_under_a_handle_is_an_error_and_never_an_empty_context(how: str, path: Path) -> None:
    """Reading and writing say so; the handle can switch, or undo, and goes on."""
    t, other = open_two(path)
    with t, other:
        t.user("one")
        t.branch("side", switch=False)
        t.switch("side")
        VANISH[how](other)
        for call in (t.compile, t.log, t.status, lambda: t.user("lost"), lambda: t.get("HEAD"), lambda: t.head):
            with pytest.raises(BranchNotFoundError):
                call()
        count = len(t.operations)

        t.switch("main")

        assert [message.text for message in t.compile().messages] == ["one"]
        t.user("two")
        assert len(t.operations) in {count + 1, count + 2}
        assert t.fsck() == []


def test_a_handle_on_a_vanished_branch_can_go_to_the_unborn_one(path: Path) -> None:
    """After everything was undone by somebody else there is only the empty branch."""
    t, other = open_two(path)
    with t, other:
        t.user("one")
        t.branch("side")
        other.undo(2)

        t.switch("main")

        assert t.user("two").parents == ()


def test_an_orphan_branch_waits_for_its_first_commit_while_others_switch(path: Path) -> None:
    """It was never there, so it is not gone."""
    t, other = open_two(path)
    with t, other:
        t.user("one")
        t.branch("fresh", orphan=True)
        other.branch("side")

        assert len(t.compile().messages) == 0
        assert t.user("two").parents == ()
        t.undo()
        assert t.current_branch in {"fresh", "side"}
        assert t.fsck() == []


def test_settings_and_usage_go_back_to_what_was_known_before() -> None:
    """Not to nothing: an earlier usage of the same or an earlier commit counts again."""
    with Tract.open() as t:
        t.assistant("one")
        t.record_usage({"prompt_tokens": 5, "completion_tokens": 1})
        counted = t.compile().token_count
        t.record_usage(USAGE)
        t.undo()
        assert t.compile().token_count == counted
        t.assistant("two")
        before = (t.compile().token_count, t.compile().token_source)
        t.record_usage(USAGE)
        t.undo()
        assert (t.compile().token_count, t.compile().token_source) == before
        t.configure(max_content_bytes=2000)
        t.configure(max_content_bytes=3000)
        with pytest.raises(OperationConflictError, match="has moved since"):
            t.undo(operation=len(t.operations) - 1)
        t.undo()
        assert t.config.max_content_bytes == 2000


def test_a_usage_is_not_undone_by_number_when_a_later_one_replaced_it() -> None:
    """The later one stays in force."""
    with Tract.open() as t:
        t.assistant("one")
        t.record_usage({"prompt_tokens": 5, "completion_tokens": 1})
        number = len(t.operations)
        t.record_usage(USAGE)
        before = state(t)

        with pytest.raises(OperationConflictError):
            t.undo(operation=number)
        assert state(t) == before


def test_a_new_branch_does_not_inherit_the_description_of_an_undone_one() -> None:
    """Descriptions belong to a branch, not to a name."""
    with Tract.open() as t:
        t.user("one")
        t.branch("side", switch=False)
        number = len(t.operations)
        t.branches.describe("side", "old")
        t.undo(operation=number)

        assert t.branch("side", switch=False).description == ""
        t.branches.describe("side", "new")
        t.branches.delete("side", force=True)
        assert t.branch("side", switch=False).description == ""
        t.undo(2)
        assert t.branches["side"].description == "new"


DESTRUCTIVE: dict[str, Callable[[Tract], object]] = {
    "edit": lambda t: t.edit("HEAD", "changed"),
    "skip": lambda t: t.skip("HEAD"),
    "reset soft": lambda t: t.reset("HEAD~2"),
    "reset hard": lambda t: t.reset("HEAD~2", mode="hard"),
    "branch delete": lambda t: t.branches.delete("side", force=True),
    "branch rename": lambda t: t.branches.rename("side", "other"),
    "branch describe": lambda t: t.branches.describe("side", ""),
    "tag delete": lambda t: t.tags.delete("v1"),
    "configure": lambda t: t.configure(max_content_bytes=2000),
    "usage": lambda t: t.record_usage({"prompt_tokens": 9, "completion_tokens": 9}),
}


@pytest.mark.parametrize("verb", DESTRUCTIVE)
def test_every_destructive_verb_can_be_undone_after_reopening(verb: str, path: Path) -> None:
    """By another handle, later: refs, messages, counts, descriptions and settings are what they were (G9)."""
    with Tract.open(path, durability="off") as t:
        for number in range(4):
            t.user(f"message {number}")
        t.branch("side")
        t.user("only here")
        t.branches.describe("side", "kept")
        t.switch("main")
        t.tag("v1", at="HEAD~1")
        t.record_usage(USAGE)
        before = state(t)
        DESTRUCTIVE[verb](t)
        after = state(t)
        assert after != before

    with Tract.open(path, durability="off") as t:
        t.undo()
        assert state(t) == before
    with Tract.open(path, durability="off") as t:
        t.redo()
        assert state(t) == after
        assert t.fsck() == []
