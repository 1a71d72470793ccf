"""Which commit broke it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract import CommitInfo, CompiledContext, Tract
from tract.compile.bisect import ContextTest
from tract.errors import InvalidInputError


def _lines(t: Tract, count: int) -> list[CommitInfo]:
    return [t.user(str(number)) for number in range(count)]


def _without(text: str) -> ContextTest:
    return lambda context: all(message.text != text for message in context.messages)


@pytest.fixture(scope="module")
def line() -> Tract:
    """Twenty commits in a line."""
    t = Tract.open()
    _lines(t, 20)
    return t


@pytest.mark.parametrize("planted", range(1, 20))
def test_the_planted_commit_is_found_wherever_it_is(line: Tract, planted: int) -> None:
    """In at most ceil(log2(n)) + 2 runs."""
    found = line.bisect("HEAD~19", "HEAD", _without(str(planted)))

    assert found.first_bad == line.get(f"HEAD~{19 - planted}")
    assert found.candidates == (found.first_bad,)
    assert found.runs <= math.ceil(math.log2(19)) + 2


@given(st.integers(1, 14), st.data())
def test_runs_are_logarithmic_between_any_two_commits(length: int, data: st.DataObject) -> None:
    """Whatever lies between good and bad."""
    with Tract.open() as t:
        commits = _lines(t, length + 1)
        planted = data.draw(st.integers(1, length))
        found = t.bisect(commits[0], commits[-1], _without(str(planted)))

        assert found.first_bad == commits[planted]
        assert found.runs <= math.ceil(math.log2(length)) + 2


def test_an_edit_can_be_the_first_bad_commit() -> None:
    """Every commit counts, not only appends."""
    with Tract.open() as t:
        said = t.user("good")
        _lines(t, 3)
        edit = t.edit(said, "bad")
        _lines(t, 3)

        assert t.bisect(said, "HEAD", _without("bad")).first_bad == edit


def test_commits_that_cannot_be_tested_are_skipped(line: Tract) -> None:
    """With the ones beside them tested, the answer is still one commit."""

    def test(context: CompiledContext) -> bool | None:
        count = len(context)
        return None if count in {6, 9, 10, 11, 14} else count < 13

    found = line.bisect("HEAD~19", "HEAD", test)

    assert found.first_bad == line.get("HEAD~7")
    assert "skipped" in [step.verdict for step in found.steps]


def test_adjacent_commits_that_cannot_be_tested_remain_candidates(line: Tract) -> None:
    """One of them, or the first bad one after them, is it."""

    def test(context: CompiledContext) -> bool | None:
        return None if len(context) in {11, 12} else len(context) < 11

    found = line.bisect("HEAD~19", "HEAD", test)

    assert found.first_bad is None
    assert list(found.candidates) == [line.get(f"HEAD~{n}") for n in (9, 8, 7)]
    assert repr(found) == f"<BisectResult first_bad=unknown candidates=3 runs={found.runs}>"


def test_only_what_good_has_not_can_be_bad() -> None:
    """Good on the same line, at the fork and above it; other branches do not come in."""
    with Tract.open() as t:
        fork = t.user("fork")
        t.branch("side")
        culprit = t.user("bad")
        last = t.user("after")
        t.switch("main")
        t.user("bad")

        assert t.bisect(fork, "side", _without("bad")).first_bad == culprit
        with pytest.raises(InvalidInputError, match="is not an ancestor of"):
            t.bisect(last, "main", _without("bad"))


def _passes(_: CompiledContext) -> bool:
    return True


def _fails(_: CompiledContext) -> bool:
    return False


def _cannot_tell(_: CompiledContext) -> None:
    return None


@pytest.mark.parametrize(
    ("good", "bad", "test", "said"),
    [
        ("HEAD", "HEAD", _passes, "is not an ancestor of"),
        ("HEAD", "HEAD~1", _passes, "is not an ancestor of"),
        ("HEAD~1", "HEAD", _fails, "The test fails at .* given as good"),
        ("HEAD~1", "HEAD", _passes, "The test passes at .* given as bad"),
        ("HEAD~1", "HEAD", _cannot_tell, "The good commit .* cannot be tested"),
    ],
)
def test_ends_that_are_not_good_and_bad_are_refused(
    line: Tract, good: str, bad: str, test: ContextTest, said: str
) -> None:
    """The error says which end, and what the test said of it."""
    with pytest.raises(InvalidInputError, match=said):
        line.bisect(good, bad, test)


def test_a_test_that_is_no_function_is_refused(line: Tract) -> None:
    """Before anything is run."""
    with pytest.raises(InvalidInputError, match="is a function"):
        line.bisect("HEAD~1", "HEAD", "make test")  # type: ignore[arg-type]


def test_what_the_test_raises_comes_out_and_nothing_is_written(line: Tract) -> None:
    """HEAD and the operation log stay as they are."""
    before = (line.head, line.status())

    def broken(_: CompiledContext) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        line.bisect("HEAD~19", "HEAD", broken)
    line.bisect("HEAD~19", "HEAD", _without("9"))

    assert (line.head, line.status()) == before


def test_a_test_may_use_the_tract() -> None:
    """No transaction is open while it runs, so it may even commit."""
    with Tract.open() as t:
        first, *_, last = _lines(t, 5)

        def test(context: CompiledContext) -> bool:
            t.user("noted")
            return len(context) < 3

        assert t.bisect(first, last, test).first_bad == t.get(f"{last.hash}~2")


def test_steps_tell_the_whole_search(line: Tract) -> None:
    """Both ends first, then ever fewer candidates; html is escaped."""
    found = line.bisect("HEAD~3", "HEAD", _without("18"))

    assert [step.verdict for step in found.steps[:2]] == ["good", "bad"]
    assert [step.remaining for step in found.steps] == [3, 3, 3, 2][: found.runs]
    assert repr(found.steps[0]) == f"<BisectStep {line.get('HEAD~3').short_hash} good remaining=3>"
    with Tract.open() as t:
        t.user("good")
        t.user("<b>")
        assert "&lt;b&gt;" in t.bisect("HEAD~1", "HEAD", _without("<b>"))._repr_html_()


def test_a_custom_compiler_makes_the_contexts(line: Tract) -> None:
    """What is tested is what would be sent."""
    with Tract.open(compiler=lambda entries: [(e.shown.message, e) for e in entries[-1:] if e.shown.message]) as t:
        commits = _lines(t, 4)

        found = t.bisect(commits[0], commits[3], lambda context: len(context) == 1 and context.messages[0].text < "2")
        assert found.first_bad == commits[2]
