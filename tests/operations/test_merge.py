"""Shows what the simple merges do: nothing, forward, a merge commit, a squash."""

from __future__ import annotations

import pytest

from tract import Tract
from tract.errors import InvalidInputError


def two_branches() -> Tract:
    """Return a tract on main, with one message more than the branch dev has, which has one of its own."""
    t = Tract.open()
    t.system("Be kind.")
    t.branch("dev")
    t.user("on dev")
    t.switch("main")
    return t


@pytest.mark.parametrize("no_ff", [False, True])
def test_a_branch_at_the_same_commit_is_nothing_new(no_ff: bool) -> None:  # noqa: FBT001
    """Nothing is written, with or without a wish for a merge commit."""
    with Tract.open() as t:
        t.user("one")
        t.branch("dev", switch=False)
        before = len(t.operations)

        assert t.merge("dev", no_ff=no_ff).kind == "up_to_date"
        assert len(t.operations) == before


def test_a_merged_branch_can_be_dropped_afterwards() -> None:
    """`delete_branch` counts where there is nothing left to merge too; undo brings the branch back."""
    with two_branches() as t:
        t.merge("dev")

        assert t.merge("dev", delete_branch=True).kind == "up_to_date"
        assert list(t.branches) == ["main"]

        t.undo()
        assert "dev" in t.branches


def test_a_branch_behind_moves_forward_unless_asked_otherwise() -> None:
    """Forward the branch takes the other's tip; with `no_ff` a merge commit has both as parents."""
    with two_branches() as t:
        ours, theirs = t.head, t.branches["dev"].head

        assert t.merge("dev").kind == "fast_forward"
        assert t.head == theirs

        t.undo()
        result = t.merge("dev", no_ff=True, message="bring dev in")
        merged = t.get("HEAD")
        assert (result.kind, merged.op, merged.parents, merged.message) == (
            "merged", "merge", (ours, theirs), "bring dev in",
        )  # fmt: skip


def test_a_squash_is_one_message_that_names_its_sources() -> None:
    """The summary's metadata lists the commits it stands for, which stay where they are."""
    with two_branches() as t:
        t.user("on main")
        result = t.merge("dev", strategy="squash")

        assert [m.text for m in t.compile().messages][-1] == ("Summary of the branch dev (1 messages):\n- user: on dev")
        assert t.get("HEAD").metadata["squashed"]["head"] == t.branches["dev"].head
        assert result.commits == (t.head,)


def test_a_squash_of_a_branch_that_is_ahead_is_one_message_too() -> None:
    """Nothing is moved forward; what is skipped or edited on the branch is told as it is shown there, in its order."""
    with two_branches() as t:
        t.switch("dev")
        first, second, hidden = t.user("first"), t.user("second"), t.user("hidden")
        t.reorder([second, first])
        t.skip(hidden)
        t.edit(first, "first, edited")
        t.switch("main")
        before = t.head
        commits = [info.hash for info in t.log(20, branch="dev")][::-1]

        result = t.merge("dev", strategy="squash")

        assert (result.kind, t.get("HEAD").parents) == ("squashed", (before,))
        assert [line[2:] for line in t.compile().messages[-1].text.splitlines()[1:]] == [
            "user: on dev",
            "user: second",
            "user: first, edited",
        ]
        assert t.get("HEAD").metadata["squashed"]["commits"] == commits[1:]
        assert t.merge("dev", strategy="squash").kind == "squashed"


def test_a_squash_keeps_the_branch_it_names() -> None:
    """Its commits are the source of the summary; dropping the branch with it is refused before anything is written."""
    with two_branches() as t:
        before = len(t.operations)

        with pytest.raises(InvalidInputError, match="not dropped"):
            t.merge("dev", strategy="squash", delete_branch=True)

        assert len(t.operations) == before
