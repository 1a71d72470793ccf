"""Shows who decides about a cherry-pick, rebase or reorder at each level of autonomy, and what waits for a look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.dump import dump
from tract import AutonomyLevel, MissingTarget, MoveResult, Resolution, SafetyWarning, Tract
from tract.errors import AbortedError, InvalidInputError, MissingTargetError, RefConflictError, SafetyError, TractError

Verb = Callable[..., MoveResult]
Scene = tuple[Verb, list[str], type[TractError]]


def picking(t: Tract) -> Scene:
    """An edit of a message that is not on `main`."""
    t.branch("side", at="HEAD")
    tea = t.user("tea")
    edit = t.edit(tea, "coffee")
    t.switch("main")
    return lambda **how: t.cherry_pick(edit, **how), ["rule", "shared", "coffee"], MissingTargetError


def rebasing(t: Tract) -> Scene:
    """Both branches said the same."""
    t.branch("side")
    t.user("same")
    t.switch("main")
    said = t.user("same", metadata={"ours": 1})
    t.pin(said)
    t.unpin(said)
    return lambda **how: t.rebase("side", **how), ["rule", "shared", "same", "same"], SafetyError


def reordering(t: Tract) -> Scene:
    """An instruction behind what it governed."""
    return lambda **how: t.reorder(["HEAD", "HEAD~1"], **how), ["shared", "rule"], SafetyError


SCENES = [picking, rebasing, reordering]
use: dict[str, Any] = {"resolver": lambda _: Resolution("use", reason="as told")}


@pytest.fixture(params=SCENES, ids=lambda scene: scene.__name__)
def scene(t: Tract, request: pytest.FixtureRequest) -> Scene:
    """One verb that meets an issue, what shows when it goes on, and what it raises where nobody may decide."""
    made: Scene = request.param(t)
    return made


@pytest.fixture
def t(tmp_path: Path) -> Iterator[Tract]:
    with Tract.open(tmp_path / "a.db", durability="off") as t:
        t.system("rule")
        t.user("shared")
        yield t


def texts(t: Tract) -> list[str]:
    assert t.fsck() == []
    return [message.text for message in t.compile(verify=True).messages]


def stored(t: Tract) -> object:
    return dump(t._store.database.location)


def said(result: MoveResult) -> list[str]:
    return [message.text for message in result.preview]


def test_by_default_a_resolver_s_decisions_come_back_for_review(t: Tract, scene: Scene) -> None:
    """Nothing is written; the result tells issues, decisions with reasons and a preview; `apply` does just that."""
    verb, after, _ = scene
    before, text = stored(t), texts(t)

    result = verb(**use)
    same = verb(autonomy=AutonomyLevel.COLLABORATIVE, **use)
    assert result == same
    assert (result.is_waiting, result.head, result.unresolved) == (True, None, ())
    assert [made.reason for made in result.decisions.values()] == ["as told"] * len(result.issues) != []
    assert said(result) == after
    assert stored(t) == before
    assert texts(t) == text
    count = len(t.operations)

    done = t.apply(result)
    assert texts(t) == after
    assert len(t.operations) == count + 1
    assert (done.is_waiting, done.head, done.preview) == (False, t.head, [])
    assert (done.issues, done.decisions) == (result.issues, result.decisions)
    assert type(done) is type(result)
    t.undo()
    assert texts(t) == text


def test_autonomous_carries_out_what_the_resolver_decides(t: Tract, scene: Scene) -> None:
    """At once, as one operation; the result says what was decided."""
    verb, after, _ = scene

    done = verb(autonomy="autonomous", **use)

    assert texts(t) == after
    assert (done.is_waiting, done.head) == (False, t.head)
    assert [made.reason for made in done.decisions.values()] == ["as told"] * len(done.issues) != []


def test_manual_calls_no_resolver_and_waits_for_every_decision(t: Tract, scene: Scene) -> None:
    """What is undecided cannot be applied; what is decided by hand can; deciding leaves the first result as it was."""
    verb, after, error = scene

    def never(issue: object) -> Resolution:
        raise AssertionError(issue)

    before = stored(t)
    result = verb(autonomy="manual", resolver=never)
    assert result.unresolved == result.issues != ()
    with pytest.raises(error):
        t.apply(result)
    decided = result
    while decided.unresolved:
        decided = decided.resolve(decided.unresolved[0], "use")
    assert stored(t) == before
    assert result.decisions == {}

    t.apply(decided)
    assert texts(t) == after


@pytest.mark.parametrize("autonomy", [None, "collaborative", "autonomous"])
def test_without_a_resolver_an_issue_is_an_error(t: Tract, scene: Scene, autonomy: str | None) -> None:
    """And nothing changes."""
    verb, _, error = scene
    before = stored(t)

    with pytest.raises(error):
        verb(autonomy=autonomy)

    assert stored(t) == before


@pytest.mark.parametrize("autonomy", AutonomyLevel)
def test_what_needs_no_decision_is_done_at_every_level(t: Tract, autonomy: AutonomyLevel) -> None:
    """Nobody is asked, nothing waits; what is allowed needs no decision."""
    t.branch("side")
    picked = t.user("side")
    t.switch("main")
    t.user("main")

    def never(issue: object) -> Resolution:
        raise AssertionError(issue)

    how: dict[str, Any] = {"autonomy": autonomy, "resolver": never}
    results = [
        t.cherry_pick(picked, **how),
        t.reorder(["HEAD", "HEAD~1"], **how),
        t.reorder(["HEAD~1", "HEAD~4"], allow=["instruction_moved"], **how),
    ]
    t.switch("side")
    results.append(t.rebase("main~3", **how))

    assert [result.is_waiting for result in results] == [False] * 4
    assert [result.issues for result in results] == [()] * 4


def test_a_result_lands_only_where_it_was_made(t: Tract, scene: Scene) -> None:
    """If the tip moved or HEAD is on another branch the error says so, and a second time is no different."""
    verb, after, _ = scene
    result = verb(**use)
    moved = t.user("meanwhile")
    before = stored(t)
    with pytest.raises(RefConflictError, match="`main` is at") as caught:
        t.apply(result)
    assert (caught.value.actual, caught.value.expected) == (moved.hash, moved.parents[0])
    assert stored(t) == before
    t.reset(moved.parents[0], mode="hard")
    t.branch("elsewhere")
    with pytest.raises(RefConflictError):
        t.apply(result)
    t.switch("main")
    assert texts(t) != after

    done = t.apply(result)
    assert texts(t) == after
    with pytest.raises(RefConflictError):
        t.apply(result)
    with pytest.raises(InvalidInputError, match="done already"):
        t.apply(done)
    with pytest.raises(InvalidInputError, match="done already"):
        done.resolve(0, "use")


def test_a_commit_of_another_process_while_it_is_applied_is_a_conflict(tmp_path: Path) -> None:
    """What was decided was decided about the tip as it was: the newcomer stays, and nothing else is written."""
    for scene in SCENES:
        path = tmp_path / f"{scene.__name__}.db"
        with Tract.open(path) as t, Tract.open(path) as other:
            t.system("rule")
            t.user("shared")
            verb, _, _ = scene(t)
            other.switch("main")
            result = verb(**use)
            t._store.on_pause = lambda _, other=other: other.user("meanwhile")

            with pytest.raises(RefConflictError):
                t.apply(result)

            t._store.on_pause = None
            assert texts(t)[-1] == "meanwhile"
            assert t.log(1)[0].message == "meanwhile"
            with pytest.raises(InvalidInputError, match="another handle"):
                other.apply(result)


def test_leaving_a_commit_out_raises_and_settles_issues(t: Tract) -> None:
    """The preview follows each decision; a decision may be changed until it is applied."""
    rebasing(t)
    result = t.rebase("side", autonomy="manual")
    (duplicate,) = result.issues
    assert isinstance(duplicate, SafetyWarning)
    assert said(result) == ["rule", "shared", "same", "same"]

    left = result.resolve(0, "skip")
    assert said(left) == ["rule", "shared", "same"]
    assert [type(issue) for issue in left.issues] == [SafetyWarning, MissingTarget, MissingTarget]
    assert len(left.unresolved) == 2
    told = left.resolve(1, "use", "coffee").resolve(left.issues[2], Resolution("skip", reason="twice"))
    assert said(told) == ["rule", "shared", "same", "coffee"]
    assert [made.reason for made in told.decisions.values()] == [None, None, "twice"]
    back = left.resolve(0, "use")
    assert (back.issues, said(back)) == (result.issues, said(result))
    none = told.resolve(1, "skip")
    assert len(none.skipped) == 3

    done = t.apply(told)
    assert texts(t) == said(told)
    assert len(done.skipped) == 2


@pytest.mark.parametrize(
    ("issue", "how", "problem"),
    [
        (1, "use", "not one of the result"),
        (-2, "use", "not one of the result"),
        (True, "use", "not one of the result"),
        ("x", "use", "not one of the result"),
        ([], "use", "not one of the result"),
        (0, "skip", "no copy to leave out"),
        (0, "ours", "no copy to leave out"),
        (0, "abort", "resolves nothing"),
        (0, "later", "no action"),
        (0, None, "no action"),
    ],
)
def test_what_decides_nothing_is_refused(t: Tract, issue: Any, how: Any, problem: str) -> None:
    """A wrong issue, a wrong action, and leaving out what is no copy."""
    result = t.reorder(["HEAD", "HEAD~1"], autonomy="manual")

    with pytest.raises(InvalidInputError, match=problem):
        result.resolve(issue, how)

    assert result.resolve(-1, "theirs").unresolved == ()


def test_an_abort_is_one_at_every_level_that_asks(t: Tract, scene: Scene) -> None:
    """Nothing is written and nothing waits."""
    verb, _, _ = scene
    before = stored(t)

    for autonomy in (None, "collaborative", "autonomous"):
        with pytest.raises(AbortedError, match="enough"):
            verb(autonomy=autonomy, resolver=lambda _: Resolution("abort", reason="enough"))

    assert stored(t) == before


@pytest.mark.parametrize("autonomy", ["bold", 1, b"manual", object()])
def test_a_level_that_is_none_is_refused(t: Tract, scene: Scene, autonomy: Any) -> None:
    """Before anything is looked at."""
    verb, _, _ = scene

    with pytest.raises(InvalidInputError, match="autonomy level"):
        verb(autonomy=autonomy)


def test_a_result_is_shown_without_content_and_cannot_be_changed(t: Tract, scene: Scene) -> None:
    """Its `repr` counts; its `_repr_html_` is escaped."""
    verb, _, _ = scene

    result = verb(autonomy="manual")

    assert f"waiting issues={len(result.issues)} undecided={len(result.issues)}" in repr(result)
    assert "rule" not in repr(result)
    assert result._repr_html_().startswith("<pre>&lt;")
    with pytest.raises(AttributeError):
        result.head = "x"  # type: ignore[misc]  # that is what is shown


def test_apply_takes_every_result_that_waits(t: Tract) -> None:
    """A merge too, as `commit_merge` does; anything else is refused."""
    asked = t.user("asked")
    t.branch("side")
    t.edit(asked, "theirs")
    t.switch("main")
    t.edit(asked, "ours")
    merge = t.merge("side")

    done = t.apply(merge.resolve(0, "theirs"))

    assert (done.kind, texts(t)[-1]) == ("merged", "theirs")
    wrong: Any
    for wrong in (None, "main", {}, t.get("HEAD")):
        with pytest.raises(InvalidInputError, match="nothing to apply"):
            t.apply(wrong)
