"""A merge that waits for decisions: who may finish it, where, and what happens when something fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operations.pending import keep_merge, waiting
from tests.reliability.dump import dump
from tract import Concern, Conflict, Resolution, Review, Tract
from tract.errors import (
    InvalidInputError,
    MergeConflictError,
    MergeInProgressError,
    NoMergeError,
    PolicyDeniedError,
    RefConflictError,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two branches that edited the same two messages, and one that skipped the second."""
    path = tmp_path / "a.db"
    with Tract.open(path, durability="off") as t:
        one, two = t.user("one"), t.user("two")
        t.branch("dev")
        t.edit(one, "one by dev")
        t.edit(two, "two by dev")
        t.assistant("from dev")
        t.branch("third", at=two)
        t.edit(one, "one by third")
        t.switch("main")
        t.edit(one, "one by main")
        t.edit(two, "two by main")
    return path


@pytest.fixture
def t(path: Path) -> Iterator[Tract]:
    with Tract.open(path, durability="off") as t:
        yield t


def texts(t: Tract) -> list[str]:
    return [message.text for message in t.compile(verify=True).messages]


def test_decisions_survive_a_restart_and_land_once(path: Path, t: Tract) -> None:
    """Kept by one handle, counted by status, finished by another; then nothing waits."""
    result = t.merge("dev", message="both", delete_branch=True)
    keep_merge(t, result.resolve(0, "use", {"content_type": "dialogue", "role": "user", "text": "one by both"}))
    assert t.status().merge == "merging dev into main: 1 of 2 conflicts decided"
    assert "t.commit_merge" in (t.status().next_step or "")

    with Tract.open(path, durability="off") as later:
        done = later.commit_merge(waiting(later).resolve(1, "theirs"))

    assert texts(t) == ["one by both", "two by dev", "from dev"]
    assert t.get(done.commits[0]).message == "both"
    assert "dev" not in t.branches
    assert t.merge_in_progress is None
    assert t.status().merge is None
    with pytest.raises(NoMergeError):
        t.commit_merge(done)
    with pytest.raises(NoMergeError):
        keep_merge(t, done)
    assert t.fsck() == []


def test_undecided_conflicts_keep_a_merge_from_being_written(path: Path, t: Tract) -> None:
    """The error counts them; the store is unchanged."""
    result = t.merge("dev").resolve(0, "ours")
    before = dump(path)

    with pytest.raises(MergeConflictError) as caught:
        t.commit_merge(result)

    assert (caught.value.conflicts, caught.value.reason) == (1, "undecided")
    assert "has 1 undecided conflict; nothing was written" in str(caught.value)
    assert dump(path) == before


def test_the_error_says_why_a_merge_is_not_written() -> None:
    """Undecided, given up by a resolver, or decided in a way no commit can show."""
    said = {reason: MergeConflictError("dev", 2, reason) for reason in ("undecided", "aborted", "impossible")}

    assert [(reason, str(error)) for reason, error in said.items()] == [
        ("undecided", "The merge of `dev` has 2 undecided conflicts; nothing was written."),
        ("aborted", "The merge of `dev` was aborted by its resolver; nothing was written."),
        ("impossible", "The merge of `dev` cannot show 2 messages as it was decided; nothing was written."),
    ]
    assert "in another way" in (said["impossible"].hint or "")


def test_it_lands_only_on_its_branch(path: Path, t: Tract) -> None:
    """From another branch it is refused and still waits."""
    result = t.merge("dev").resolve(0, "ours").resolve(1, "ours")
    t.switch("third")
    before = dump(path)

    with pytest.raises(RefConflictError):
        t.commit_merge(result)

    assert dump(path) == before
    t.switch("main")
    assert t.commit_merge(result).kind == "merged"


def test_appends_meanwhile_stay_before_theirs(path: Path, t: Tract) -> None:
    """Somebody else's new messages do not stop a merge that waits."""
    result = t.merge("dev").resolve(0, "ours").resolve(1, "theirs")
    with Tract.open(path, durability="off") as other:
        other.user("meanwhile")

    t.commit_merge(result)

    assert texts(t) == ["one by main", "two by dev", "meanwhile", "from dev"]


CHANGES: dict[str, Callable[[Tract], object]] = {
    "edit": lambda t: t.edit(t.compile().commit_hashes[0], "again"),
    "skip": lambda t: t.skip(t.compile().commit_hashes[0]),
    "reset": lambda t: t.reset("HEAD~1", mode="hard"),
    "merge": lambda t: t.merge("third", strategy="ours"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_other_change_meanwhile_is_a_conflict(path: Path, t: Tract, change: str) -> None:
    """The decisions were made about something else, so they are not applied; the merge still waits."""
    result = t.merge("dev").resolve(0, "ours").resolve(1, "theirs")
    with Tract.open(path, durability="off") as other:
        CHANGES[change](other)
    before = dump(path)

    with pytest.raises(RefConflictError):
        t.commit_merge(result)

    assert dump(path) == before
    assert waiting(t).name == "dev"
    t.abort_merge()
    assert t.merge("dev", strategy="ours").kind == "merged"


def test_a_second_merge_never_overwrites_one_that_waits(t: Tract) -> None:
    """Its conflicts would take the place of decisions made; beginning the same one again is fine."""
    keep_merge(t, t.merge("dev").resolve(0, "ours"))

    with pytest.raises(MergeInProgressError) as caught:
        t.merge("third")

    assert (caught.value.name, caught.value.into) == ("dev", "main")
    assert len(waiting(t).unresolved) == 1
    assert t.merge("dev").kind == "conflicts"


def test_decisions_of_two_processes_add_up(path: Path, t: Tract) -> None:
    """Neither loses what the other kept."""
    t.merge("dev")
    mine = waiting(t)
    with Tract.open(path, durability="off") as other:
        keep_merge(other, waiting(other).resolve(1, "theirs"))

    keep_merge(t, mine.resolve(0, "ours"))

    assert not waiting(t).unresolved


def test_what_was_given_up_elsewhere_does_not_come_back(path: Path, t: Tract) -> None:
    """Keeping decisions of a merge that was aborted is an error."""
    result = t.merge("dev")
    with Tract.open(path, durability="off") as other:
        other.abort_merge()

    with pytest.raises(NoMergeError):
        keep_merge(t, result)
    with pytest.raises(NoMergeError):
        t.abort_merge()
    assert t.merge_in_progress is None


def _raises(error: BaseException) -> Callable[[Conflict], Resolution]:
    def resolver(_: Conflict) -> Resolution:
        raise error

    return resolver


@pytest.mark.parametrize(
    ("resolver", "error"),
    [
        (_raises(ValueError("no")), ValueError),
        (_raises(KeyboardInterrupt()), KeyboardInterrupt),
        (lambda _: "ours", InvalidInputError),
        (lambda _: Resolution("abort"), MergeConflictError),
        (lambda _: Resolution("use"), InvalidInputError),
        (lambda _: Resolution("use", {"content_type": "unknown"}), InvalidInputError),
    ],
)
@pytest.mark.parametrize("autonomy", ["collaborative", "autonomous"])
def test_a_resolver_that_fails_changes_nothing(
    path: Path, t: Tract, resolver: Callable[[Conflict], Resolution], error: type[BaseException], autonomy: str
) -> None:
    """Its error comes out, and the next call works."""
    before = dump(path)

    if autonomy == "autonomous" or error is not InvalidInputError:
        with pytest.raises(error):
            t.merge("dev", resolver=resolver, autonomy=autonomy)
        assert dump(path) == before
    assert t.merge("dev", strategy="theirs").kind == "merged"


def test_autonomy_says_who_lands_it(t: Tract) -> None:
    """Manual asks no resolver, collaborative waits with its decisions, autonomous carries them out."""
    asked: list[str] = []

    def resolver(conflict: Conflict) -> Resolution:
        asked.append(conflict.kind)
        return Resolution("theirs", reason="newer")

    assert len(t.merge("dev", resolver=resolver, autonomy="manual").unresolved) == 2
    assert asked == []
    assert t.merge("dev", resolver=resolver).kind == "conflicts"
    assert asked == ["both_edited"] * 2
    assert not waiting(t).unresolved
    assert t.merge("dev", resolver=resolver, autonomy="autonomous").kind == "merged"
    assert t.merge_in_progress is None
    assert texts(t) == ["one by dev", "two by dev", "from dev"]


def test_concerns_wait_for_a_look_and_survive_a_restart(path: Path, t: Tract) -> None:
    """Rules find them; an autonomous merge lands with them; a reviewer of one's own replaces the rules."""
    t.branch("talk", at="main~2")
    t.system("Answer in French.")
    t.user("hello")
    t.switch("main")
    t.system("Answer in German.")
    t.user("hello")

    result = t.merge("talk", strategy="semantic")

    assert result.kind == "concerns"
    assert t.status().merge == "merging talk into main: 2 concerns to look at"
    assert {one.kind for one in result.concerns} == {"instructions_on_both_sides", "same_content"}
    with Tract.open(path, durability="off") as later:
        assert (waiting(later).kind, waiting(later).concerns) == ("concerns", result.concerns)
    t.abort_merge()
    with pytest.raises(InvalidInputError):
        t.merge("talk", strategy="semantic", reviewer=lambda _: ["odd"])  # type: ignore[list-item]
    seen: list[Review] = []
    landed = t.merge(
        "talk",
        strategy="semantic",
        autonomy="autonomous",
        reviewer=lambda review: [seen.append(review) or Concern("mine", "Look here.")],  # type: ignore[func-returns-value]
    )
    assert landed.kind == "merged"
    assert [one.kind for one in landed.concerns] == ["mine"]
    assert [one.message.text for one in seen[0].theirs] == ["Answer in French.", "hello"]


def test_a_changed_instruction_and_a_repeated_call_are_concerns(t: Tract) -> None:
    """New messages were written under the old instruction; the same call on both sides may act twice."""
    rule = t.system("Be brief.")
    t.branch("talk")
    t.assistant(tool_calls=[{"id": "a", "name": "pay", "arguments": '{"sum": 5}'}])
    t.tool_result("a", "paid")
    t.switch("main")
    t.edit(rule, "Be long.")
    t.assistant(tool_calls=[{"id": "b", "name": "pay", "arguments": '{"sum": 5}'}])
    t.tool_result("b", "paid")

    concerns = t.merge("talk", strategy="semantic").concerns

    assert {one.kind for one in concerns} >= {"instruction_changed", "same_call"}


@pytest.mark.parametrize("on_found", ["reject", "redact"])
def test_what_a_policy_keeps_out_of_commits_is_in_no_merge_that_waits(tmp_path: Path, on_found: str) -> None:
    """What was decided is kept in the store like any commit."""
    path, key = tmp_path / "a.db", "AKIA" + "IOSFODNN7EXAMPLE"
    with Tract.open(path) as t:
        asked = t.user("asked")
        t.branch("dev")
        t.edit(asked, "asked on dev")
        t.switch("main")
        t.edit(asked, "asked on main")
        t.policies.add("secret_guard", on_found=on_found)
        result = t.merge("dev").resolve(0, "use", f"with {key}")
        if on_found == "reject":
            with pytest.raises(PolicyDeniedError):
                t.merge_in_progress = result
        else:
            t.merge_in_progress = result
            waiting = t.merge_in_progress
            assert waiting is not None
            t.commit_merge(waiting)
            assert t.compile().messages[0].text.startswith("with ")
    assert key.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


@pytest.mark.parametrize("other", [None, 0, "merge", {}, object()])
def test_only_a_result_of_a_merge_can_be_kept(t: Tract, other: Any) -> None:
    """Anything else is refused, and what was kept stays."""
    with pytest.raises(InvalidInputError):
        t.merge_in_progress = other

    assert t.merge_in_progress is None
