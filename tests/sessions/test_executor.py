"""Children run inline, in threads and by executors of one's own; each outcome is told, in order."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tract import ChildTask, Executor, InlineExecutor, Session, ThreadExecutor, Tract
from tract.errors import InvalidInputError, OperationOpenError, TractNotFoundError
from tract.testing import ScriptedLLM

NAMES = ["trains", "rooms", "food"]


@pytest.fixture
def session(store_url: str) -> Iterator[Session]:
    """Return a session with a planner and three children, who all ask one model."""
    with Session.open(store_url, llm=ScriptedLLM(["Found."] * 9)) as session:
        planner = session.create_tract("planner")
        planner.user("We want to go to Porto.")
        for name in NAMES:
            planner.spawn(f"find {name}", name=name).user(f"Find {name}.")
        yield session


def last(t: Tract) -> str:
    """Return what was said last."""
    return t.compile().messages[-1].text


@pytest.mark.parametrize("executor", [None, InlineExecutor(), ThreadExecutor(), ThreadExecutor(1)])
def test_every_child_is_run_once(session: Session, executor: Executor | None) -> None:
    """In any order; the results are in that of the call, and say where each child stands."""
    results = session.run_children(reversed(NAMES), executor=executor)

    assert [one.tract for one in results] == NAMES[::-1]
    assert [(one.head, one.error) for one in results] == [(session.get(name).head, None) for name in NAMES[::-1]]
    assert [one.spawn for one in results] == [session.tracts[name].spawn for name in NAMES[::-1]]
    assert [last(session.get(name)) for name in NAMES] == ["Found."] * 3
    assert [len(session.get(name).log()) for name in NAMES] == [3, 4, 5]


def test_threads_work_at_the_same_time(session: Session) -> None:
    """All three children wait for each other, which one after the other could not."""
    together = threading.Barrier(3)

    def work(child: Tract) -> None:
        together.wait(20)
        child.assistant(child.name)

    results = session.run_children(NAMES, work, executor=ThreadExecutor(3))
    assert [one.error for one in results] == [None] * 3
    assert [last(session.get(name)) for name in NAMES] == NAMES


@pytest.mark.parametrize("executor", [InlineExecutor(), ThreadExecutor()])
def test_one_that_fails_stops_no_other(session: Session, executor: Executor) -> None:
    """Its error is in its result."""

    def work(child: Tract) -> None:
        if child.name == "rooms":
            raise LookupError("full")
        child.assistant("Found.")

    results = session.run_children(NAMES, work, executor=executor)
    assert [type(one.error) for one in results] == [type(None), LookupError, type(None)]
    assert [one.head is None for one in results] == [False, True, False]


def test_handles_that_are_given_are_used(session: Session) -> None:
    """With the tools they have; one handle or name needs no list."""
    planner = session.get("planner")
    child = planner.children["trains"]
    seen: list[Tract] = []
    (result,) = session.run_children(child, seen.append)
    assert seen == [child]
    assert result.head == child.head
    assert [one.tract for one in session.run_children("rooms")] == ["rooms"]


def test_an_executor_gets_hashes(session: Session) -> None:
    """And gives them; one of one's own needs nothing but `run`."""
    got: list[ChildTask] = []

    class Backwards:
        def run(self, children: Sequence[ChildTask], work: Callable[[str], str | None]) -> list[str | None]:
            got.extend(children)
            return [work(child.spawn) for child in reversed(children)][::-1]

    before = [(session.tracts[name].spawn, session.tracts[name].head) for name in NAMES]
    results = session.run_children(NAMES, executor=Backwards())
    assert got == before
    assert [one.head for one in results] == [session.tracts[name].head for name in NAMES]


def test_what_cannot_be_is_refused(session: Session) -> None:
    """Before anything is run."""
    ran: list[Tract] = []
    with pytest.raises(TractNotFoundError, match="trams"):
        session.run_children(["trains", "trams"], ran.append)
    with pytest.raises(InvalidInputError, match="spawned by nobody"):
        session.run_children(["planner"], ran.append)
    with pytest.raises(InvalidInputError, match="twice"):
        session.run_children(["trains", "trains"], ran.append)
    wrongs: list[Any] = [[1], [None], [["trains"]], [b"trains"]]
    for wrong in wrongs:
        with pytest.raises(TractNotFoundError):
            session.run_children(wrong, ran.append)
    with Session.open() as other, pytest.raises(InvalidInputError):
        session.run_children(other.create_tract("trains"), ran.append)
    with session.get("planner").batch(), pytest.raises(OperationOpenError):
        session.run_children(NAMES, ran.append)
    assert ran == []


@pytest.mark.parametrize("wrong", [0, 1.5, "x", InlineExecutor, object(), [InlineExecutor()]])
def test_what_is_no_executor_is_refused(session: Session, wrong: Any) -> None:
    """Nor what is no work, nor no children."""
    with pytest.raises(InvalidInputError):
        session.run_children(NAMES, executor=wrong)
    with pytest.raises(InvalidInputError):
        session.run_children(NAMES, 5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        session.run_children(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True, None])
def test_threads_are_a_number(wrong: Any) -> None:
    """At least one."""
    with pytest.raises(InvalidInputError, match="threads"):
        ThreadExecutor(wrong)


def test_an_executor_that_loses_children_is_found_out(session: Session) -> None:
    """It has to give as many outcomes as it got children."""

    class Forgetful:
        def run(self, children: Sequence[ChildTask], work: Callable[[str], str | None]) -> list[str | None]:
            return [work(child.spawn) for child in children[1:]]

    with pytest.raises(InvalidInputError, match="2 outcomes for 3"):
        session.run_children(NAMES, executor=Forgetful())
