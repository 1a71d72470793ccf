"""Shows where a rebase puts what, what it refuses, and that undo brings the branch back."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.operations.histories import merged
from tests.reliability.dump import dump
from tract import Resolution, Tract
from tract.errors import AbortedError, BudgetExceededError, DetachedHeadError, RefConflictError, SafetyError


@pytest.fixture
def t() -> Tract:
    """A tract whose branches `main` and `side` have gone apart, standing on `side`."""
    t = Tract.open()
    t._store.clock = itertools.count(2_000_000_000_000_000).__next__
    t.user("shared")
    t.branch("side")
    t.user("side 1")
    t.user("side 2")
    t.switch("main")
    t.user("main 1")
    t.switch("side")
    return t


def texts(t: Tract) -> list[str]:
    context = t.compile(verify=True)
    assert t.get("HEAD").context_tokens == context.token_count
    assert t.fsck() == []
    return [message.text for message in context.messages]


def test_own_commits_come_after_those_of_the_other_branch(t: Tract) -> None:
    """Only the current branch moves; its old tip stays as ORIG_HEAD; a second time there is nothing to do."""
    head, main = t.head, t.branches["main"].head

    result = t.rebase("main")
    assert texts(t) == ["shared", "main 1", "side 1", "side 2"]
    assert (result.kind, result.head, result.onto) == ("rebased", t.head, main)
    assert (t.get("HEAD~2").hash, t.branches["main"].head, t.get("ORIG_HEAD").hash) == (main, main, head)
    assert list(result.mapping.values()) == [t.get("HEAD~1").hash, t.head]
    assert t.rebase("main").kind == "up_to_date"
    assert t.undo().head == head
    assert texts(t) == ["shared", "side 1", "side 2"]


def test_with_nothing_of_its_own_a_branch_moves_forward(t: Tract) -> None:
    """So does one without any commit."""
    t.branch("behind", at="main~1")
    assert (t.rebase("main").kind, t.head) == ("fast_forward", t.branches["main"].head)
    t.branch("empty", orphan=True)
    assert (t.rebase("main").kind, t.head) == ("fast_forward", t.branches["main"].head)
    assert t.undo().head is None


def test_unrelated_histories_can_stand_on_each_other(t: Tract) -> None:
    """Everything the branch has is its own."""
    t.branch("apart", orphan=True)
    t.edit(t.user("apart"), "apart!")

    assert t.rebase("main").kind == "rebased"
    assert texts(t) == ["shared", "main 1", "apart!"]


def test_merges_are_laid_out_flat(t: Tract) -> None:
    """What they brought is copied in the order in which it is compiled; what the new base has is not repeated."""
    t.branch("third", at="main~1")
    t.user("third 1")
    t.switch("side")
    merged(t, "third")
    t.user("side 3")
    merged(t, "main")
    t.switch("main")
    t.user("main 2")
    t.switch("side")

    result = t.rebase("main")
    assert texts(t) == ["shared", "main 1", "main 2", "side 1", "side 2", "third 1", "side 3"]
    assert {t.get(new).op for new in result.mapping.values()} == {"append"}


def test_a_merge_with_nothing_of_its_own_is_dropped(t: Tract) -> None:
    """The branch then stands on the other one."""
    t.branch("copy", at="main~1")
    t.branch("other", at="main")
    t.user("other 1")
    t.switch("copy")
    merged(t, "main")

    result = t.rebase("other")
    assert (result.kind, dict(result.mapping), t.head) == ("fast_forward", {}, t.branches["other"].head)


def test_an_edit_of_what_changed_on_the_new_base_is_asked_about(t: Tract) -> None:
    """So are an annotation and a message that is there already; equal changes are not."""
    t.edit("main~1", "side's")
    t.switch("main")
    t.edit("main~1", "main's")
    t.user("side 1")
    t.switch("side")
    head = t.head

    with pytest.raises(SafetyError) as caught:
        t.rebase("main")
    assert sorted(warning.kind for warning in caught.value.warnings) == ["duplicate_content", "target_changed"]
    assert "2" not in caught.value.message
    assert "1 more warning" in caught.value.message
    with pytest.raises(AbortedError):
        t.rebase("main", autonomy="autonomous", resolver=lambda _: Resolution("abort"))
    assert t.head == head
    result = t.rebase("main", autonomy="autonomous", resolver=lambda _: Resolution("skip"))
    assert texts(t) == ["main's", "main 1", "side 1", "side 2"]
    assert len(result.skipped) == 2


def test_a_skip_of_what_was_pinned_on_the_new_base_is_asked_about(t: Tract) -> None:
    """A change of the same message to another priority; the same priority on both sides is no matter."""
    shared = t.get("main~1")
    t.skip(shared)
    t.switch("main")
    t.pin(shared)
    t.switch("side")
    with pytest.raises(SafetyError, match="was made for another version"):
        t.rebase("main")
    t.switch("main")
    t.skip(shared)
    t.switch("side")

    t.rebase("main")
    assert texts(t) == ["main 1", "side 1", "side 2"]


def test_results_that_would_be_cut_off_from_their_call_are_asked_about(t: Tract) -> None:
    """The call is shared and its result is not: the messages of the new base would stand between."""
    t.switch("main")
    t.assistant(tool_calls=[{"id": "1", "name": "look", "arguments": "{}"}])
    t.branch("answered")
    t.tool_result("1", "one")
    t.switch("main")
    t.user("never mind")
    t.switch("answered")

    with pytest.raises(SafetyError, match="would not stand together"):
        t.rebase("main")
    assert t.rebase("side").warnings == ()


def test_it_is_refused_where_nothing_can_be_written(t: Tract) -> None:
    """On a detached HEAD, and over a budget that rejects."""
    t.configure(budget={"limit_tokens": t.compile().token_count, "on_exceed": "reject"})
    head = t.head
    with pytest.raises(BudgetExceededError):
        t.rebase("main")
    assert t.head == head
    t.checkout(head or "")
    with pytest.raises(DetachedHeadError):
        t.rebase("main")


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_a_resolver_that_raises_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    """Nor does a commit that lands while it decides: that is a conflict."""
    path = tmp_path / "a.db"
    with Tract.open(path) as t, Tract.open(path) as other:
        t.user("shared")
        t.branch("side")
        t.user("same")
        t.switch("main")
        t.user("same")
        t.switch("side")
        before = dump(path)

        def broken(_: object) -> Resolution:
            assert not t._store.database.in_transaction
            raise error

        with pytest.raises(type(error)):
            t.rebase("main", autonomy="autonomous", resolver=broken)
        assert dump(path) == before

        def slow(_: object) -> Resolution:
            other.switch("side")
            other.user("meanwhile")
            return Resolution("use")

        with pytest.raises(RefConflictError):
            t.rebase("main", autonomy="autonomous", resolver=slow)
        assert texts(t) == ["shared", "same", "meanwhile"]
        t.rebase("main", allow="duplicate_content")
        assert texts(t) == ["shared", "same", "same", "meanwhile"]
