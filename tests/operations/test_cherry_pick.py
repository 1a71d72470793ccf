"""Shows what a cherry-pick takes along, what it asks about, and that whatever goes wrong leaves all as it was."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.operations.histories import compressed, merged
from tests.reliability.dump import dump
from tract import CommitInfo, DialogueContent, MissingTarget, Resolution, Tract
from tract.errors import (
    AbortedError,
    BudgetExceededError,
    DetachedHeadError,
    InvalidInputError,
    InvalidTargetError,
    MissingTargetError,
    RefConflictError,
    RevisionNotFoundError,
    SafetyError,
)


@pytest.fixture
def t() -> Tract:
    """A tract on `main`, with the branch `side` to pick from."""
    t = Tract.open()
    t._store.clock = itertools.count(2_000_000_000_000_000).__next__
    t.system("rule")
    t.user("shared")
    t.branch("side")
    return t


def texts(t: Tract) -> list[str]:
    context = t.compile(verify=True)
    assert t.get("HEAD").context_tokens == context.token_count
    assert t.fsck() == []
    return [message.text for message in context.messages]


def calling(t: Tract, *ids: str) -> CommitInfo:
    return t.assistant("call", tool_calls=[{"id": one, "name": "look", "arguments": "{}"} for one in ids])


def test_a_range_is_what_one_end_has_and_the_other_has_not(t: Tract) -> None:
    """Oldest first and without merges: what they brought is in it; ends left out are HEAD; mixed with commits."""
    one = t.user("one")
    t.branch("aside")
    t.user("aside")
    t.switch("side")
    t.user("two")
    t.merge("aside")
    edit = t.edit(one, "ONE")
    t.switch("main")
    last = t.user("main")
    t.branch("before", switch=False)
    expected = ["rule", "shared", "main", "ONE", "two", "aside"]

    result = t.cherry_pick("main..side")
    assert texts(t) == expected
    assert [t.get(commit).op for commit in result.commits] == ["append"] * 3 + ["edit"]
    assert result.mapping[edit.hash] == t.head
    ranges: list[str | list[str | CommitInfo]]
    ranges = ["..side", ["..side~1^2", "side~1^2..side~1", edit], [f"{last.short_hash}..side"]]
    for same in ranges:
        t.reset("before", mode="hard")
        t.cherry_pick(same)
        assert sorted(texts(t)) == sorted(expected)
    t.switch("side")
    t.cherry_pick("side..before")
    assert texts(t)[-1] == "main"


def test_a_range_that_holds_nothing_or_a_commit_twice_is_refused(t: Tract) -> None:
    """So is one whose end is not there, or that is a merge all by itself."""
    t.user("one")
    t.branch("aside", at="main")
    t.user("aside")
    t.switch("side")
    merge = t.merge("aside")
    t.switch("main")
    before = len(t.operations)

    for wrong, problem in (
        ("side..main", "'side\\.\\.main' holds no commits"),
        ("main..main", "holds no commits"),
        ("..", "holds no commits"),
        (["main..side", "side^1"], "named twice"),
        (["main..side", "aside..side"], "named twice"),
    ):
        with pytest.raises(InvalidInputError, match=problem):
            t.cherry_pick(wrong)
    for missing in ("main..nothing", "nothing..side", "main...side"):
        with pytest.raises(RevisionNotFoundError):
            t.cherry_pick(missing)
    with pytest.raises(InvalidTargetError) as caught:
        t.cherry_pick(merge.commits[0])
    assert caught.value.hint == "Name what it brought, as the range `MERGE^1..MERGE`."
    assert len(t.operations) == before

    t.cherry_pick(f"{merge.commits[0]}^1..{merge.commits[0]}")
    assert texts(t) == ["rule", "shared", "aside"]


def test_everything_a_commit_says_is_kept(t: Tract) -> None:
    """Content, settings, origin, author, metadata, message and time; what it answers is the copy, if there is one."""
    asked = t.commit("asked", message="a note", metadata={"n": 1}, author="Ada", origin="import")
    reply = t.commit(
        DialogueContent(role="assistant", text="reply"), reply_to=asked, generation_config={"temperature": 0.5}
    )
    t.switch("main")

    result = t.cherry_pick([asked, reply])
    for old, new in zip((asked, reply), map(t.get, result.commits), strict=True):
        for field in ("op", "content_type", "content_hash", "message", "metadata", "author", "origin", "created_at"):
            assert getattr(new, field) == getattr(old, field), field
        assert (new.generation_config, new.tokens) == (old.generation_config, old.tokens)
        assert result.mapping[old.hash] == new.hash
    assert t.get(result.commits[1]).reply_to == result.commits[0]
    assert t.compile().generation_configs[-1] == {"temperature": 0.5}
    assert texts(t) == ["rule", "shared", "asked", "reply"]


def test_a_commit_on_its_own_parent_is_the_same_commit(t: Tract) -> None:
    """Picking the next commit moves the branch to it."""
    next_one = t.user("next")
    t.switch("main")

    assert t.cherry_pick(next_one).commits == (next_one.hash,)
    assert t.head == next_one.hash


def test_a_call_takes_its_results_along(t: Tract) -> None:
    """Those that follow it, over annotations, up to another message; named ones keep their place."""
    call = calling(t, "1", "2", "3")
    one = t.tool_result("1", "one")
    t.pin(one)
    two = t.tool_result("2", "two")
    t.user("later")
    t.switch("main")

    result = t.cherry_pick(call)
    assert texts(t) == ["rule", "shared", "call", "one", "two"]
    assert result.added == (one.hash, two.hash)
    t.undo()
    assert t.cherry_pick([call, two, one]).added == ()
    assert texts(t)[2:] == ["call", "two", "one"]


def test_results_are_taken_from_the_branch_that_has_most(t: Tract) -> None:
    """A call answered on one of two branches that hold it is answered."""
    call = calling(t, "1", "2")
    t.branch("half")
    t.tool_result("1", "half")
    t.switch("side")
    t.tool_result("2", "two")
    t.tool_result("1", "one")
    t.switch("main")

    t.cherry_pick(call)
    assert texts(t)[2:] == ["call", "two", "one"]


def test_changes_act_on_what_is_picked_with_them_or_is_here(t: Tract) -> None:
    """An edit, a skip, a summary, an order and a revert of picked or shared messages."""
    one, two, three = (t.user(text) for text in ("one", "two", "three"))
    edit = t.edit(one, "ONE")
    gone = t.edit(two, "TWO")
    back = t.revert(gone)
    swap = t.get(t.reorder([two, one]).head or "")
    summary = compressed(t, [three], "in short")
    shared = t.edit("main", "SHARED")
    skip = t.skip("main~1")
    expected = texts(t)
    t.switch("main")

    result = t.cherry_pick([one, two, three, edit, gone, back, swap, summary, shared, skip])
    assert texts(t) == expected == ["SHARED", "two", "ONE", "in short"]
    assert result.warnings == ()
    assert t.get(result.mapping[back.hash]).targets == (result.mapping[gone.hash],)


def resolution(**fields: Any) -> Callable[[object], Resolution]:
    return lambda _: Resolution(**fields)


def test_an_edit_whose_target_is_missing_is_asked_about(t: Tract) -> None:
    """Its own content, another one, nothing at all, or no pick; later edits of the target act on what it became."""
    target = t.commit({"role": "assistant", "content": "one"}, generation_config={"top_p": 1})
    edit = t.edit(target, "ONE")
    later = t.edit(target, "ONE!")
    skip = t.skip(target)
    back = t.revert(later)
    t.switch("main")
    head = t.head

    with pytest.raises(MissingTargetError) as caught:
        t.cherry_pick(edit)
    assert caught.value.issue == MissingTarget(
        edit.hash, "edit", (target.hash,), f"The edit {edit.short_hash} acts on {target.short_hash}, which is not here."
    )
    with pytest.raises(AbortedError):
        t.cherry_pick(edit, autonomy="autonomous", resolver=resolution(action="abort"))
    skipped = t.cherry_pick([edit, skip], autonomy="autonomous", resolver=resolution(action="skip"))
    assert (skipped.mapping, skipped.skipped, t.head) == ({}, (edit.hash, skip.hash), head)

    used = t.cherry_pick([edit, later, back], autonomy="autonomous", resolver=resolution(action="use"))
    assert texts(t)[2:] == ["ONE"]
    assert t.get(used.commits[0]).op == "append"
    assert t.compile().generation_configs[-1] == {"top_p": 1}
    t.undo()
    given = t.cherry_pick([edit, later], autonomy="autonomous", resolver=resolution(action="use", content="given"))
    assert texts(t)[2:] == ["ONE!"]
    assert t.get(given.commits[0]).origin == "user"
    t.undo()
    with pytest.raises(InvalidInputError, match="has no content to append"):
        t.cherry_pick(skip, autonomy="autonomous", resolver=resolution(action="use"))
    assert t.head == head


def test_a_change_of_several_of_which_some_are_missing_can_act_on_the_others(t: Tract) -> None:
    """An annotation of two messages, one of them here; a summary of missing ones becomes a message."""
    there = t.user("there")
    skip = t.annotate(["main", there], "skip")
    summary = compressed(t, [there], "in short")
    revert_of_summary = t.revert(summary)
    t.switch("main")

    result = t.cherry_pick([skip, summary], autonomy="autonomous", resolver=resolution(action="use"))
    assert texts(t) == ["rule", "in short"]
    assert t.get(result.commits[0]).targets == (t.get("main~2").hash,)
    with pytest.raises(InvalidInputError, match="has no content"):
        t.cherry_pick(revert_of_summary, autonomy="autonomous", resolver=resolution(action="use"))


BREAKS: dict[str, Callable[[Tract], list[CommitInfo]]] = {
    "exchange_split": lambda t: [calling(t, "1"), t.tool_result("1", "one")][1:],
    "reply_inverted": lambda t: [asked := t.user("a"), t.commit("b", reply_to=asked)][::-1],
    "instruction_moved": lambda t: [t.system("a"), t.user("b")][::-1],
    "duplicate_content": lambda t: [t.user("shared")],
    "target_changed": lambda t: [t.edit("main", "from the side")],
}


@pytest.mark.parametrize("kind", BREAKS)
def test_what_would_break_is_refused_unless_allowed(t: Tract, kind: str) -> None:
    """Refused, left out by a resolver, accepted by one, or allowed; the warning names the commits."""
    picked = BREAKS[kind](t)
    t.switch("main")
    t.edit("main", "shared, edited here") if kind == "target_changed" else None
    head = t.head

    with pytest.raises(SafetyError) as caught:
        t.cherry_pick(picked)
    assert [warning.kind for warning in caught.value.warnings] == [kind]
    assert caught.value.warnings[0].commits[0] in {one.hash for one in picked}
    left = t.cherry_pick(picked, autonomy="autonomous", resolver=resolution(action="skip"))
    assert left.skipped
    assert left.warnings == ()
    t.reset(head or "", mode="hard")
    accepted = t.cherry_pick(picked, autonomy="autonomous", resolver=resolution(action="use"))
    t.reset(head or "", mode="hard")
    assert t.cherry_pick(picked, allow=kind).warnings == accepted.warnings == caught.value.warnings
    assert t.fsck() == []


def test_messages_behind_an_open_call_are_refused(t: Tract) -> None:
    """A message put between a call and its results would split them."""
    said = t.user("between")
    t.switch("main")
    calling(t, "1")

    with pytest.raises(SafetyError, match="would not stand together"):
        t.cherry_pick(said)


def test_what_cannot_be_picked_is_said(t: Tract) -> None:
    """Nothing, one twice, a merge, onto a detached HEAD, a resolver that is none or answers nonsense."""
    said = t.user("said")
    t.switch("main")
    t.user("mine")
    merge = merged(t, "side")
    t.switch("side")
    missing = t.edit("HEAD", "edited")
    t.branch("empty", orphan=True)
    for named, error, text in (
        ([], InvalidInputError, "nothing to pick"),
        ([said, said], InvalidInputError, "named twice"),
        ([merge], InvalidTargetError, "holds nothing to pick"),
    ):
        with pytest.raises(error, match=text):
            t.cherry_pick(named)
    for wrong, text in ((5, "`resolver` is a callable"), (lambda _: "use", "The resolver returned")):
        with pytest.raises(InvalidInputError, match=text):
            t.cherry_pick(missing, resolver=wrong)  # type: ignore[arg-type]
    assert t.cherry_pick(said).commits
    assert texts(t) == ["said"]
    t.checkout(said)
    with pytest.raises(DetachedHeadError):
        t.cherry_pick(said)


def test_the_budget_is_asked(t: Tract) -> None:
    """A pick that would take the context over a budget that rejects is refused."""
    said = t.user("more")
    t.switch("main")
    t.configure(budget={"limit_tokens": t.compile().token_count, "on_exceed": "reject"})

    with pytest.raises(BudgetExceededError):
        t.cherry_pick(said)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_a_resolver_that_raises_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    """What it raises comes out as it is; it runs with no transaction open."""
    path = tmp_path / "a.db"
    with Tract.open(path) as t:
        t.user("root")
        t.branch("side")
        edit = t.edit(t.user("one"), "ONE")
        t.switch("main")
        before = dump(path)

        def broken(_: object) -> Resolution:
            assert not t._store.database.in_transaction
            raise error

        with pytest.raises(type(error)):
            t.cherry_pick(edit, autonomy="autonomous", resolver=broken)
        assert dump(path) == before
        assert t.user("still here").op == "append"


def test_a_commit_that_lands_meanwhile_is_a_conflict(tmp_path: Path) -> None:
    """While the resolver decides or at the pause point: nothing is written, and the next call works."""
    path = tmp_path / "a.db"
    with Tract.open(path) as t, Tract.open(path) as other:
        t.user("root")
        t.branch("side")
        said = t.user("root")
        t.switch("main")

        def decide(_: object) -> Resolution:
            other.user("meanwhile")
            return Resolution("use")

        with pytest.raises(RefConflictError):
            t.cherry_pick(said, autonomy="autonomous", resolver=decide)
        assert texts(t) == ["root", "meanwhile"]
        t.cherry_pick(said, allow="duplicate_content")
        assert texts(t) == ["root", "meanwhile", "root"]
