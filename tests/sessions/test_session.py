"""A session shows the tracts of a store side by side, finds what is unfinished and hands work over."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.dump import connected
from tract import AutonomyLevel, Resolution, Session, SessionContent, ToolCall, Tract
from tract.errors import (
    ClosedHandleError,
    CorruptObjectError,
    InvalidContentError,
    InvalidInputError,
    InvalidRefNameError,
    ReadOnlyError,
    StoreNotFoundError,
    TractExistsError,
    TractNotFoundError,
)
from tract.testing import ScriptedLLM


@pytest.fixture
def session(store_url: str) -> Iterator[Session]:
    """A session of an empty store."""
    with Session.open(store_url) as opened:
        yield opened


def test_a_session_creates_finds_and_lists_tracts(session: Session) -> None:
    """Each with its purpose, parent, size, last activity and state; opening a session creates none."""
    assert list(session.tracts) == []
    planner = session.create_tract("planner", purpose="plan\0 the trip")
    planner.user("Where to?")
    planner.spawn("find trains", name="trains")
    session.create_tract("empty")

    infos = session.tracts
    assert list(infos) == ["planner", "trains", "empty"]
    assert [(info.parent, info.mode, info.purpose, info.state) for info in infos.values()] == [
        (None, None, "plan\0 the trip", "active"),
        ("planner", "fork", "find trains", "active"),
        (None, None, "", "new"),
    ]
    info = infos["planner"]
    assert (info.commits, info.tokens, info.operations) == (2, planner.compile().token_count, 3)
    assert info.head == planner.head
    assert info.branch == "main"
    assert info.last_activity == planner.operations[-1].created_at
    assert infos["trains"].spawn == planner.log(1)[0].hash
    assert session.get("planner").head == planner.head
    assert "planner" in session.tracts
    assert "5" not in session.tracts
    assert repr(session.tracts) == "<Tracts planner, trains, empty>"


def test_what_is_missing_taken_or_misnamed_says_so(session: Session) -> None:
    """By name, with the nearest one that exists."""
    session.create_tract("planner")

    with pytest.raises(TractExistsError):
        session.create_tract("planner")
    with pytest.raises(InvalidRefNameError):
        session.create_tract("a b")
    with pytest.raises(InvalidInputError):
        session.create_tract("other", purpose=5)  # type: ignore[arg-type]
    with pytest.raises(TractNotFoundError) as caught:
        session.get("planer")
    assert caught.value.hint == "Did you mean `planner`?"
    for wrong in (5, None, "a\0b", ""):
        with pytest.raises(TractNotFoundError):
            session.get(wrong)  # type: ignore[arg-type]
        with pytest.raises(TractNotFoundError):
            session.tracts[wrong]  # type: ignore[index]
    assert list(session.tracts) == ["planner"]


def test_tracts_share_the_sessions_connection_and_end_with_it(store_url: str) -> None:
    """And every other handle sees what they write."""
    with Session.open(store_url, actor="ann") as session:
        t = session.create_tract("planner")
        t.user("Hello.")
        with Tract.open(store_url, tract="planner") as own:
            assert own.compile().messages == t.compile().messages
            assert own.operations[-1].actor == "ann"
    with pytest.raises(ClosedHandleError):
        t.user("Late.")
    with pytest.raises(ClosedHandleError):
        session.get("planner")


def test_settings_of_a_session_are_those_of_the_tracts_it_creates(store_url: str) -> None:
    """Kept with each; a tract that exists keeps its own. Autonomy is also in force where a tract says nothing."""
    with Tract.open(store_url, tract="old", config={"max_content_bytes": 1000}) as t:
        t.user("Hello.")
    with Session.open(
        store_url, autonomy="manual", config={"max_content_bytes": 2000}, tokenizer="cl100k_base"
    ) as session:
        new = session.create_tract("new")
        own = session.create_tract("own", config={"autonomy": "autonomous"})
        old = session.get("old")

        assert session.autonomy is AutonomyLevel.MANUAL
        assert (new.config.max_content_bytes, new.config.tokenizer) == (2000, "cl100k_base")
        assert (old.config.max_content_bytes, old.config.tokenizer) == (1000, None)
        assert [t.config.autonomy for t in (new, own, old)] == ["manual", "autonomous", "manual"]
        assert old.compile().token_source == "tokenizer:o200k_base"
    with Tract.open(store_url, tract="new", create=False) as t:
        assert (t.config.max_content_bytes, t.config.autonomy) == (2000, "manual")
    with Tract.open(store_url, tract="old", create=False) as t:
        assert t.config.autonomy is None
    with pytest.raises(InvalidInputError):
        Session.open(store_url, autonomy="boss")


def test_autonomy_of_a_session_decides_where_a_call_does_not(session: Session) -> None:
    """A merge with a resolver waits for review by default; under an autonomous session it is written."""
    with Session.open(session._store.database.location, autonomy="autonomous") as autonomous:
        for name, opened in (("waits", session), ("goes", autonomous)):
            t = opened.create_tract(name)
            said = t.user("root")
            t.branch("other")
            t.edit(said, "theirs")
            t.switch("main")
            t.edit(said, "ours")
            result = t.merge("other", resolver=lambda _: Resolution("theirs"))
            assert result.kind == {"waits": "conflicts", "goes": "merged"}[name]


def test_a_session_may_only_read_or_find_nothing(tmp_path: Path) -> None:
    """Neither creates anything."""
    with pytest.raises(StoreNotFoundError):
        Session.open(tmp_path / "none.db", create=False)
    with Session.open(tmp_path / "a.db") as session:
        session.create_tract("planner").user("Hello.")
    with Session.open(tmp_path / "a.db", read_only=True) as session:
        assert session.get("planner").compile().messages[0].text == "Hello."
        assert session.resume() is not None
        with pytest.raises(ReadOnlyError):
            session.create_tract("other")
        with pytest.raises(ReadOnlyError):
            session.get("planner").user("More.")


def test_a_tract_whose_name_was_damaged_does_not_come_back_empty(tmp_path: Path) -> None:
    """As when one is opened by its name."""
    with Session.open(tmp_path / "a.db") as session:
        session.create_tract("planner").user("Hello.")
    with connected(tmp_path / "a.db") as connection:
        connection.execute("UPDATE tracts SET name = 'plannes'")
        connection.commit()

    with Session.open(tmp_path / "a.db") as session, pytest.raises(CorruptObjectError):
        session.create_tract("planner")


# --- resuming ----------------------------------------------------------------------------------------


def test_resume_gives_the_unfinished_tract_written_to_last(session: Session) -> None:
    """An end finishes a tract until something is said in it again; edits and annotations do not."""
    assert session.resume() is None
    one, two = session.create_tract("one"), session.create_tract("two")
    assert session.resume() is None
    one.user("one")
    two.user("two")
    one.user("one again")

    assert _resumed(session) == "one"
    end = one.commit(SessionContent(kind="end", summary="Done."))
    assert session.tracts["one"].state == "ended"
    one.pin(end)
    one.commit(SessionContent(kind="end", summary="Really."), op="edit", target=end)
    assert _resumed(session) == "two"
    two.commit(SessionContent(kind="checkpoint"))
    assert _resumed(session) == "two"
    one.user("Not yet.")
    assert _resumed(session) == "one"


def _resumed(session: Session) -> str | None:
    t = session.resume()
    return None if t is None else t.name


def test_an_erased_end_no_longer_says_what_it_was(session: Session) -> None:
    """So the tract counts as unfinished."""
    t = session.create_tract("one")
    end = t.commit(SessionContent(kind="end", summary="Done with everything."))

    t.erase(end, reason="a test")

    assert session.tracts["one"].state == "active"
    assert session.tracts["one"].tokens == 0


_AGENTS = """
import os, signal, sys
from tract import Session, ToolCall
from tract.testing import ScriptedLLM

path, dies = sys.argv[1], sys.argv[2]

def work(step: int) -> str:
    \"\"\"Work.\"\"\"
    if step == 2 and name == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{name} did step {step}"

calls = [ToolCall(str(step), "work", '{"step": %d}' % step) for step in (1, 2)]
with Session.open(path) as session:
    parent = session.create_tract("parent")
    parent.user("Begin.")
    for name in ("a", "b"):
        parent.spawn(f"task of {name}", name=name)
    for name in ("a", "b"):
        session.get(name).run(f"Work, {name}.", tools=[work], llm=ScriptedLLM([*calls, f"{name} is done."]))
"""


@pytest.mark.parametrize("dies", ["a", "b"])
def test_a_killed_agent_is_found_and_its_run_goes_on(store_url: str, dies: str) -> None:
    """What had finished is not done again; what was under way is reported to the model."""
    subprocess.run([sys.executable, "-c", _AGENTS, store_url, dies], check=False, timeout=120)
    done: list[int] = []

    def work(step: int) -> str:
        """Work."""
        done.append(step)
        return f"step {step}"

    with Session.open(store_url, llm=ScriptedLLM([f"{dies} is done after all."])) as session:
        t = session.resume()
        assert t is not None
        assert t.name == dies
        result = t.run(tools=[work])

        assert result.text == f"{dies} is done after all."
        assert done == []
        results = [message.text for message in t.compile().messages if message.role == "tool"]
        assert results[0] == f"{dies} did step 1"
        assert len(results) == 2
        assert t.fsck() == []
        assert list(session.tracts) == ["parent", "a", "b"]
    assert ToolCall("1", "work", "{}").name == "work"


# --- handing over --------------------------------------------------------------------------------------


def test_a_handoff_tells_one_tract_and_ends_the_other(session: Session) -> None:
    """The other one goes on with what it was told."""
    day, night = session.create_tract("day"), session.create_tract("night")
    day.user("Fix the bug.")

    info = session.handoff(
        "day", night, summary="Half fixed.", decisions=["keep the API"], failed_approaches=("guessing",),
        next_steps=["write the test"],
    )  # fmt: skip

    assert night.compile().messages[-1].text.split("\n") == [
        "Session handoff.", "Half fixed.", "Decisions:", "- keep the API", "Failed approaches:", "- guessing",
        "Next steps:", "- write the test",
    ]  # fmt: skip
    assert night.get(info).metadata == {"handoff": {"tract": "day", "commit": day.log(2)[1].hash}}
    assert session.tracts["day"].state == "ended"
    assert _resumed(session) == "night"


def test_a_handoff_that_was_cut_short_is_finished_by_the_next(session: Session) -> None:
    """The target was told once."""
    day, night = session.create_tract("day"), session.create_tract("night")
    day.user("Fix the bug.")
    content = SessionContent(kind="handoff", summary="Half fixed.")
    told = night.commit(content, metadata={"handoff": {"tract": "day", "commit": day.head}})

    info = session.handoff(day, night, summary="Half fixed.")

    assert info.hash == told.hash
    assert len(night.log()) == 1
    assert session.tracts["day"].state == "ended"
    assert session.handoff(night, "day", summary="Half fixed.").hash != told.hash


def test_what_cannot_be_handed_over_is_refused(session: Session) -> None:
    """To itself, to another store, to nobody, or what is no text."""
    day = session.create_tract("day")
    session.create_tract("night")
    with Session.open() as other:
        stranger = other.create_tract("day")
        wrong: list[tuple[Any, Any]] = [(day, "day"), (day, stranger), (stranger, "night")]
        for source, target in wrong:
            with pytest.raises(InvalidInputError):
                session.handoff(source, target, summary="x")
    with pytest.raises(TractNotFoundError):
        session.handoff(day, "nobody", summary="x")
    with pytest.raises(InvalidContentError):
        session.handoff(day, "night", summary=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidContentError):
        session.handoff(day, "night", summary="x", decisions=5)  # type: ignore[arg-type]
    assert len(session.get("night").operations) == 1


def test_trees_show_who_spawned_whom(session: Session) -> None:
    """One for each tract nobody spawned."""
    one = session.create_tract("one")
    session.create_tract("two").spawn("c", name="c")
    one.spawn("a", name="a").spawn("b", name="b")

    assert [[(depth, info.name) for depth, info in tree.walk()] for tree in session.trees()] == [
        [(0, "one"), (1, "a"), (2, "b")],
        [(0, "two"), (1, "c")],
    ]
    assert repr(session).startswith("<Session ")
