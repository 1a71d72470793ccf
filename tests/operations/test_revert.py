"""Shows that reverting takes back what one commit did, of every kind, by new commits in one operation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.histories import compressed, merged
from tests.reliability.dump import dump
from tract import CommitInfo, Tract
from tract.errors import BudgetExceededError, DetachedHeadError, InvalidTargetError


@pytest.fixture
def t() -> Tract:
    """A tract with three messages and a clock that ticks."""
    t = Tract.open()
    t._store.clock = itertools.count(2_000_000_000_000_000).__next__
    for text in ("one", "two", "three"):
        t.user(text)
    return t


def texts(t: Tract) -> list[str]:
    """Return what is sent, after comparing it with a fold from the root and with what HEAD says of its size."""
    context = t.compile(verify=True)
    assert t.get("HEAD").context_tokens == context.token_count
    return [message.text for message in context.messages]


CHANGES: dict[str, Callable[[Tract], CommitInfo]] = {
    "edit": lambda t: t.edit("HEAD~1", "TWO"),
    "annotate": lambda t: t.annotate(["HEAD", "HEAD~2"], "skip"),
    "pin": lambda t: t.pin("HEAD"),
    "compress": lambda t: compressed(t, [t.get("HEAD"), t.get("HEAD~1")], "two and three"),
    "reorder": lambda t: t.get(t.reorder(["HEAD", "HEAD~2"]).head or ""),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_each_kind_of_change_is_taken_back_and_brought_back(t: Tract, kind: str) -> None:
    """A revert switches it off, a revert of the revert on again, and so on."""
    before = texts(t)
    done = CHANGES[kind](t)
    after = texts(t)
    assert (after == before) == (kind == "pin")

    first = t.revert(done)
    assert texts(t) == before
    assert (first.op, first.targets, first.tokens) == ("revert", (done.hash,), 0)
    second = t.revert(first)
    assert texts(t) == after
    t.revert(second)
    assert texts(t) == before
    assert t.operations[len(t.operations)].verb == "revert"
    assert t.fsck() == []


def test_a_message_is_skipped(t: Tract) -> None:
    """A message cannot be undone in place; a skip annotation leaves it out."""
    done = t.revert("HEAD~1", message="not that")

    assert texts(t) == ["one", "three"]
    assert (done.op, done.message) == ("annotate", "not that")
    t.unskip("HEAD~2")
    assert texts(t) == ["one", "two", "three"]


def test_what_has_no_effect_left_cannot_be_reverted(t: Tract) -> None:
    """The error names the commit to revert instead, or what shows a message again."""
    edit = t.edit("HEAD", "THREE")
    by = t.revert(edit)
    with pytest.raises(InvalidTargetError, match=f"was reverted already, by {by.short_hash}") as caught:
        t.revert(edit)
    assert caught.value.hint == f"To bring it back, revert that one: `t.revert('{by.short_hash}')`."
    t.skip("HEAD~2")

    with pytest.raises(InvalidTargetError, match="no effect left"):
        t.revert("HEAD~3")


def test_only_what_is_in_the_history_can_be_reverted(t: Tract) -> None:
    """A commit of another branch, a detached HEAD and an empty branch are told apart from it."""
    t.branch("other", at="HEAD~1")
    elsewhere = t.user("elsewhere")
    t.switch("main")
    with pytest.raises(InvalidTargetError, match="not in the history of HEAD"):
        t.revert(elsewhere)
    t.branch("empty", orphan=True)
    with pytest.raises(InvalidTargetError, match="not in the history of HEAD"):
        t.revert(elsewhere)
    t.checkout("main~1")
    with pytest.raises(DetachedHeadError):
        t.revert("HEAD")


def test_a_revert_that_grows_the_context_asks_the_budget(t: Tract) -> None:
    """Showing the originals of a summary again may be too much."""
    done = compressed(t, [t.get("HEAD"), t.get("HEAD~1")], "-")
    asked: list[tuple[int, int]] = []
    t.configure(budget={"limit_tokens": t.compile().token_count, "on_exceed": "reject"})
    head = t.head
    with pytest.raises(BudgetExceededError):
        t.revert(done)
    assert t.head == head
    t._store.config = t.config.model_copy(
        update={"budget": t.config.budget.model_copy(update={"on_exceed": lambda *sizes: asked.append(sizes)})}  # type: ignore[union-attr]
    )

    t.revert(done)
    assert len(asked) == 1


def test_a_merge_is_taken_back(t: Tract) -> None:
    """What only its second parent brought goes: messages, edits, annotations, summaries, orders; the rest stays."""
    one, two, three = t.get("HEAD~2"), t.get("HEAD~1"), t.get("HEAD")
    mine = t.edit(one, "ONE")
    t.branch("side", at=mine)
    t.user("side 1")
    t.edit("HEAD", "side 1, edited")
    t.edit(two, "TWO")
    t.skip(three)
    t.revert(mine)
    t.user("side 2")
    t.skip("HEAD")
    t.reorder([two, one])
    compressed(t, [t.get("HEAD~7")], "side summed up")
    t.switch("main")
    t.user("four")
    before = texts(t)
    merge = merged(t, "side")
    during = [message.text for message in t.compile(verify=True).messages]
    assert during == ["TWO", "one", "four", "side summed up"]
    operations = len(t.operations)

    last = t.revert(merge)
    assert texts(t) == before == ["ONE", "two", "three", "four"]
    assert last.hash == t.head
    assert len(t.operations) == operations + 1
    with pytest.raises(InvalidTargetError, match="no effect left"):
        t.revert(merge)
    t.undo()
    assert [message.text for message in t.compile(verify=True).messages] == during
    assert t.fsck() == []


def test_a_merge_that_brought_only_what_was_taken_back_has_nothing_to_revert(t: Tract) -> None:
    """An edit and its revert, made on the same branch, leave nothing."""
    t.branch("side")
    t.revert(t.edit("HEAD", "THREE"))
    t.switch("main")
    t.user("four")
    merge = merged(t, "side")

    with pytest.raises(InvalidTargetError, match="no effect left"):
        t.revert(merge)
    assert t.head == merge.hash


@pytest.mark.parametrize("moved", ["append", "revert"])
def test_what_lands_meanwhile_is_kept_or_seen(tmp_path: Path, moved: str) -> None:
    """A message lands before the revert; a revert of the same commit is noticed."""
    path = tmp_path / "a.db"
    with Tract.open(path) as t, Tract.open(path) as other:
        t.user("one")
        done = t.edit("HEAD", "ONE")

        def interleave(_: str) -> None:
            if moved == "append":
                other.user("two")
            else:
                other.revert(done)

        t._store.on_pause = interleave
        if moved == "append":
            t.revert(done)
            assert texts(t) == ["one", "two"]
        else:
            before = dump(path)
            with pytest.raises(InvalidTargetError, match="reverted already"):
                t.revert(done)
            assert len(dump(path)["operations"]) == len(before["operations"]) + 1
            assert texts(t) == ["one"]
        assert t.fsck() == []
