"""Children as durable workflows of the real DBOS: what was paid for is not paid again, whoever was killed when."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Postgres
from tests.gates import source
from tests.sessions.coordinator import CHILDREN
from tract import DurableExecutor, Session, Tract
from tract.errors import InvalidInputError, StateError
from tract.testing import ScriptedLLM

ASKED = [f"Find {name}." for name in CHILDREN]


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Return where a store and its workflows are: two files, or two databases of a server."""
    if request.param == "sqlite":
        yield str(tmp_path / "store.db"), f"sqlite:///{tmp_path / 'flows.db'}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    names = [postgres.new_database() for _ in range(2)]
    yield postgres.url(names[0]), postgres.url(names[1])
    for name in names:
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


def coordinate(places: tuple[str, str], notes: Path, stop: str) -> None:
    """Run the coordinator; kill it where it stops."""
    script = source.ROOT / "tests" / "sessions" / "coordinator.py"
    child = subprocess.Popen(
        [sys.executable, str(script), *places, str(notes), stop],
        stdout=subprocess.PIPE,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
        text=True,
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    if stop == "never":
        assert (line, child.wait(60)) == ("done\n", 0)
    else:
        assert line == "stopped\n"
        child.kill()
        assert child.wait(60) == -signal.SIGKILL
    child.stdout.close()


def asked(notes: Path) -> list[str]:
    """Return what the model was asked, sorted."""
    return sorted(notes.read_text().splitlines())


def require_home(store: str) -> None:
    """Each child's answer is in the planner's context once."""
    with Session.open(store, create=False) as session:
        planner = session.get("planner")
        texts = [message.text for message in planner.compile(verify=True).messages]
        assert [sum(f"Answer to: {one}" in text for text in texts) for one in ASKED] == [1] * len(ASKED)
        assert planner.fsck() == []


@pytest.mark.slow
def test_nothing_is_called_twice_after_a_kill_before_the_collapse(places: tuple[str, str], tmp_path: Path) -> None:
    """All children had finished; the next process collapses their work and asks no model."""
    notes = tmp_path / "notes"
    coordinate(places, notes, "before")
    assert asked(notes) == sorted(ASKED)

    coordinate(places, notes, "never")

    assert asked(notes) == sorted(ASKED)
    require_home(places[0])
    coordinate(places, notes, "never")
    assert asked(notes) == sorted(ASKED)


@pytest.mark.slow
def test_a_kill_while_children_work_repeats_the_unfinished_one_alone(places: tuple[str, str], tmp_path: Path) -> None:
    """Two had their answers; the third was waiting for its own."""
    notes = tmp_path / "notes"
    coordinate(places, notes, "during")
    assert asked(notes) == ["Find food.", "Find trains."]

    coordinate(places, notes, "never")

    assert asked(notes) == sorted(ASKED)
    require_home(places[0])


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Return a session with one child that was given a task."""
    with Session.open(tmp_path / "a.db", llm=ScriptedLLM(["One.", "Two.", "Three."])) as session:
        parent = session.create_tract("parent")
        parent.user("Start.")
        parent.spawn("work", name="child").user("Work.")
        yield session


@pytest.mark.slow
def test_rounds_of_one_child(session: Session, tmp_path: Path) -> None:
    """What it was told after a round is a new round; one that failed is followed by another; errors are told."""
    child, url = session.get("child"), f"sqlite:///{tmp_path / 'flows.db'}"
    ran: list[str] = []

    def work(t: Tract) -> None:
        ran.append(t.compile().messages[-1].text)
        if len(ran) == 2:
            raise LookupError("not today")
        t.generate()

    with DurableExecutor(url) as executor:
        first = session.run_children(["child"], work, executor=executor)
        assert session.run_children(["child"], work, executor=executor) == first
        assert ran == ["Work."]
        child.user("And more.")
        (failed,) = session.run_children(["child"], work, executor=executor)
        assert isinstance(failed.error, LookupError)
        (second,) = session.run_children(["child"], work, executor=executor)
        assert (second.head, second.error) == (child.head, None)
        with DurableExecutor(url) as other, pytest.raises(StateError, match="already"):
            session.run_children(["child"], work, executor=other)
        executor.close()
    with DurableExecutor(url) as again:
        assert session.run_children(["child"], work, executor=again) == [second]
    assert ran == ["Work.", "And more.", "And more."]


@pytest.mark.parametrize("wrong", ["", 5, None, b"sqlite://"])
def test_where_workflows_are_kept_is_text(wrong: object) -> None:
    """As is the name."""
    with pytest.raises(InvalidInputError, match="url"):
        DurableExecutor(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="name"):
        DurableExecutor("sqlite:///flows.db", name=wrong)  # type: ignore[arg-type]


def test_without_dbos_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else needs it."""
    monkeypatch.setitem(sys.modules, "dbos", None)
    with pytest.raises(InvalidInputError) as caught:
        DurableExecutor("sqlite:///flows.db")
    assert "tract-sdk[dbos]" in (caught.value.hint or "")
