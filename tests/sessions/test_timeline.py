"""What happened in several tracts is told causes first, and anyone can ask what somebody knew at a moment."""

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tract import CommitInfo, Session, TimelineEntry, Tract
from tract.errors import InvalidInputError, InvalidTargetError, RevisionNotFoundError, TractNotFoundError
from tract.objects.commit import from_microseconds
from tract.storage.writing import Draft

START = 2_000_000_000_000_000


@pytest.fixture
def session(store_url: str) -> Iterator[Session]:
    """A session of an empty store."""
    with Session.open(store_url) as opened:
        yield opened


def steps(entries: list[TimelineEntry]) -> list[tuple[str, int]]:
    """Return tract and number of each operation."""
    return [entry.step for entry in entries]


def require_causal(session: Session, entries: list[TimelineEntry]) -> None:
    """Assert that numbers ascend in each tract, and every tract begins after its spawn."""
    place = {entry.step: index for index, entry in enumerate(entries)}
    assert len(place) == len(entries)
    for (tract, number), index in place.items():
        if number > 1:
            assert place[tract, number - 1] < index
    for info in session.tracts.values():
        if info.parent is not None:
            spawn = next(e for e in entries if e.tract == info.parent and e.operation.args.get("child") == info.name)
            assert place[spawn.step] < place[info.name, 1]


class _Clock:
    """A clock that stands still, goes on or goes back, as clocks of several machines seem to."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.now = START

    def __call__(self) -> int:
        self.now += self._chance.choice([0, 0, 0, 1, 3, -2])
        return self.now


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_random_spawns_are_told_in_causal_order_whatever_the_clocks_say(seed: int) -> None:
    """Every operation once; any limit gives the end of the same order."""
    chance = random.Random(seed)
    with Session.open() as session:
        session._store.clock = _Clock(chance)
        tracts = [session.create_tract("root")]
        for _ in range(chance.randrange(25)):
            t = chance.choice(tracts)
            if chance.random() < 0.35:
                tracts.append(t.spawn("work", mode=chance.choice(["fork", "snapshot"])))
                tracts[-1]._store.clock = _Clock(chance)
            else:
                t.user(f"text {chance.random()}")

        entries = session.timeline()

        require_causal(session, entries)
        assert len(entries) == sum(len(session.get(name).operations) for name in session.tracts)
        times = [entry.operation.created_at for entry in entries]
        assert times == sorted(times)
        for limit in (0, 1, 5, len(entries) + 1):
            assert steps(session.timeline(limit)) == steps(entries)[max(0, len(entries) - limit) :]
        name = chance.choice(tracts).name
        assert steps(session.timeline(tracts=name)) == [step for step in steps(entries) if step[0] == name]


def test_what_has_nothing_to_do_with_each_other_is_ordered_by_time(session: Session) -> None:
    """And told with the commit it made, and what it followed from."""
    one, two = session.create_tract("one"), session.create_tract("two")
    first = two.user("first")
    one.user("second")
    child = one.spawn("work", name="child")

    entries = session.timeline()

    assert steps(entries) == [("one", 1), ("two", 1), ("two", 2), ("one", 2), ("one", 3), ("child", 1)]
    assert entries[2].commit == first.hash
    assert entries[0].commit is None
    assert entries[-1].causes == (("one", 3),)
    assert entries[-1].commit == child.head
    assert entries[-1].operation.verb == "init"
    assert steps(session.timeline(tracts=["two", "child"])) == [("two", 1), ("two", 2), ("child", 1)]
    assert session.timeline(tracts=[]) == []


def test_wrong_questions_are_refused(session: Session) -> None:
    """Of the timeline and of a moment."""
    t = session.create_tract("one")
    t.user("Hello.")
    for limit in (-1, True, "all", 1.5):
        with pytest.raises(InvalidInputError):
            session.timeline(limit)  # type: ignore[arg-type]
    for tracts in ("two", ["one", "two"], 5, [5]):
        with pytest.raises(TractNotFoundError):
            session.timeline(tracts=tracts)  # type: ignore[arg-type]
    with pytest.raises(TractNotFoundError):
        session.at("two", datetime.now(UTC))
    with pytest.raises(RevisionNotFoundError):
        session.at("one", "one:other")
    with pytest.raises(RevisionNotFoundError):
        session.at("one", "main")
    wrong: list[Any] = [datetime.now(), 5, None]  # noqa: DTZ005 - without a zone
    for when in wrong:
        with pytest.raises(InvalidInputError):
            session.at("one", when)


# --- what somebody knew ----------------------------------------------------------------------------------


def test_what_one_agent_knew_when_another_decided(session: Session) -> None:
    """By the commit, by its revision and by time; before a tract began it knew nothing."""
    parent = session.create_tract("parent")
    parent.user("Begin.")
    early = parent.log(1)[0]
    one, two = parent.spawn("a", name="one"), parent.spawn("b", name="two")
    two.user("two reads")
    decision = one.assistant("one decides")
    two.user("two reads more")

    assert [m.text for m in session.at("two", decision).messages] == ["Begin.", "two reads"]
    assert session.at(two, "one:HEAD").messages == session.at("two", decision.hash).messages
    assert (
        session.at("two", session.get("one").operations[-1].created_at).messages == session.at("two", decision).messages
    )
    assert [m.text for m in session.at("one", decision).messages] == ["Begin.", "one decides"]
    assert session.at("two", early).messages == ()
    assert session.at("two", early).head is None
    assert session.at("parent", early).commit_hashes == (early.hash,)
    assert session.at("two", datetime.now(UTC) + timedelta(days=1)).messages == two.compile().messages


def test_a_moment_looks_at_the_branch_the_tract_stood_on_then(session: Session) -> None:
    """Not at the one it stands on now, nor at what undo has put back since."""
    t, other = session.create_tract("one"), session.create_tract("other")
    t.user("root")
    t.branch("side")
    t.user("on the side")
    then = other.user("then")
    t.undo()
    t.switch("main")

    assert [m.text for m in session.at("one", then).messages] == ["root", "on the side"]
    assert [m.text for m in session.at("one", datetime.now(UTC)).messages] == ["root"]


def test_a_commit_no_branch_ever_held_tells_no_moment(session: Session) -> None:
    """It was never anybody's knowledge."""
    t = session.create_tract("one")
    t.user("Hello.")
    store = t._store
    with store.operation("test") as operation:
        assert operation.tip is not None
        lost = operation.add(Draft("append", None, None, "user", "", 5, 0, 0), (operation.tip,))
        operation.set_meta("description:one:x", '"x"')

    with pytest.raises(InvalidTargetError):
        session.at("one", lost.hash.hex())


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_at_gives_what_a_compile_gave_at_that_moment(seed: int) -> None:
    """Whatever each tract compiled to after each commit is what `at` says for that commit later, ties included."""
    chance = random.Random(seed)
    clock = itertools.count(START).__next__
    with Session.open() as session:
        session._store.clock = clock if chance.random() < 0.5 else lambda: START
        tracts = {"root": session.create_tract("root")}
        known: list[tuple[CommitInfo, dict[str, list[str]]]] = []
        for _ in range(chance.randrange(14)):
            t = chance.choice(list(tracts.values()))
            made = _step(chance, t, tracts)
            if made is not None:
                now = {name: [m.text for m in one.compile().messages] for name, one in tracts.items()}
                known.append((made, now))
        is_total = session._store.clock is clock
        for made, then in known:
            for name, expected in then.items():
                if is_total or name == _maker(session, made):
                    assert [m.text for m in session.at(name, made).messages] == expected


def _maker(session: Session, made: CommitInfo) -> str:
    """Return the name of the tract whose operation made the commit: the first of the timeline that left it behind."""
    return next(entry.tract for entry in session.timeline() if entry.commit == made.hash)


def _step(chance: random.Random, t: Tract, tracts: dict[str, Tract]) -> CommitInfo | None:
    steps: list[Callable[[], CommitInfo | None]] = [
        lambda: t.user(f"text {chance.random()}"),
        lambda: t.user(f"text {chance.random()}"),
        lambda: _edited(chance, t),
        lambda: _spawned(t, tracts),
        lambda: _undone(t),
    ]
    return chance.choice(steps)()


def _edited(chance: random.Random, t: Tract) -> CommitInfo | None:
    commits = t.compile().commit_hashes
    return t.edit(chance.choice(commits), f"edited {chance.random()}") if commits else None


def _spawned(t: Tract, tracts: dict[str, Tract]) -> None:
    child = t.spawn("work")
    tracts[child.name] = child


def _undone(t: Tract) -> None:
    if len(t.operations) > 1 and t.operations[-1].verb == "commit":
        t.undo()


def test_times_never_go_back_from_a_parent_to_its_child(session: Session) -> None:
    """However wrong the clock of whoever spawns."""
    parent = session.create_tract("parent")
    parent.user("Begin.")
    child = parent.spawn("work")
    child._store.clock = lambda: 1000

    said = child.user("Hello.")

    assert said.created_at == from_microseconds(1000)
    assert child.operations[-1].created_at >= parent.operations[-1].created_at
