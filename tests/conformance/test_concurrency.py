"""Proves G4 and G5: no update is lost, and no writer fails because others write."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tract import Tract
from tract import errors as e

Open = Callable[..., Tract]
WRITERS = 4
COMMITS = 50


def write_together(url: str, folder: Path, tracts: list[str], commits: int) -> None:
    """Let one process per tract in *tracts* commit at the same time; each must end without an error."""
    start = folder / "start"
    command = [sys.executable, str(Path(__file__).with_name("writer.py")), url]
    writers = [
        subprocess.Popen([*command, tract, f"w{n}", str(commits), str(start)], stderr=subprocess.PIPE, text=True)
        for n, tract in enumerate(tracts)
    ]
    try:
        deadline = time.monotonic() + 60
        while not all(Path(f"{start}.w{n}").exists() for n in range(len(tracts))):
            assert all(writer.poll() is None for writer in writers), [w.communicate()[1] for w in writers if w.poll()]
            assert time.monotonic() < deadline
            time.sleep(0.005)
        start.touch()
        errors = [writer.communicate(timeout=100)[1] for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [writer.returncode for writer in writers] == [0] * len(writers), errors


def said(t: Tract) -> list[str]:
    """Return the texts of the compiled messages."""
    return [message.text for message in t.compile(verify=True).messages]


@pytest.mark.slow
def test_writers_of_one_branch_lose_nothing(open_tract: Open, store_url: str, tmp_path: Path) -> None:
    """4 processes x 50 commits on one branch: all land, each writer's in its order, and nobody saw an error."""
    t = open_tract()

    write_together(store_url, tmp_path, ["default"] * WRITERS, COMMITS)

    lines = said(t)
    assert len(lines) == WRITERS * COMMITS
    for n in range(WRITERS):
        assert [line for line in lines if line.startswith(f"w{n} ")] == [f"w{n} {i}" for i in range(COMMITS)]
    assert t.log()[0].generation == WRITERS * COMMITS
    assert t.fsck() == []


@pytest.mark.slow
def test_writers_of_several_tracts_do_not_meet(open_tract: Open, store_url: str, tmp_path: Path) -> None:
    """4 processes, each with its own tract of one store; the store and the tracts are created in the race as well."""
    names = [f"agent-{n}" for n in range(WRITERS)]

    write_together(store_url, tmp_path, names, COMMITS)

    for n, name in enumerate(names):
        assert said(open_tract(tract=name, create=False)) == [f"w{n} {i}" for i in range(COMMITS)]
    assert open_tract(tract=names[0]).fsck() == []


def test_tracts_of_one_database_do_not_wait_for_each_other(postgres_url: str) -> None:
    """On PostgreSQL a batch of one tract holds up no commit of another."""
    with Tract.open(postgres_url, tract="a") as a, Tract.open(postgres_url, tract="b") as b:
        b.configure(busy_timeout_seconds=0.2)
        with a.batch():
            a.user("slow")
            b.user("quick")
            assert said(b) == ["quick"]
        assert said(a) == ["slow"]


def test_each_handle_has_its_own_head(open_tract: Open) -> None:
    """One handle switches; the other stays, and its commits land on its own branch."""
    one, other = open_tract(), open_tract()
    one.user("start")
    one.branch("side")
    one.user("on side")
    other.user("on main")
    assert (one.current_branch, other.current_branch) == ("side", "main")
    assert (said(one), said(other)) == (["start", "on side"], ["start", "on main"])
    one.switch("main")
    assert said(one) == said(other)


def test_the_loser_of_a_race_is_told(open_tract: Open) -> None:
    """Of several writers that expect the same HEAD exactly one lands; the others learn where the branch is."""
    start = open_tract().user("start")
    handles = [open_tract() for _ in range(4)]
    gate = threading.Barrier(len(handles))
    won: list[str] = []
    lost: list[e.RefConflictError] = []

    def race(t: Tract) -> None:
        gate.wait(10)
        try:
            won.append(t.commit("mine", expected_head=start).hash)
        except e.RefConflictError as error:
            lost.append(error)

    threads = [threading.Thread(target=race, args=(t,)) for t in handles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(won) == 1
    assert [(error.expected, error.actual) for error in lost] == [(start.hash, won[0])] * 3
    assert handles[0].head == won[0]


@pytest.mark.parametrize("verb", ["append", "edit", "annotate", "branch"])
def test_a_write_between_reading_and_swapping(open_tract: Open, verb: str) -> None:
    """Another handle commits at the pause point: both writes are there, in either's view."""
    t, rival = open_tract(), open_tract()
    first = t.user("first")
    rival_hash: list[str] = []
    t._store.on_pause = lambda _: rival_hash.append(rival.user("rival").hash)
    calls: dict[str, Callable[[], Any]] = {
        "append": lambda: t.user("second"),
        "edit": lambda: t.edit(first, "FIRST"),
        "annotate": lambda: t.skip(first),
        "branch": lambda: t.branch("side", at=first),
    }
    calls[verb]()
    t._store.on_pause = None
    t.switch("main")
    expected = {
        "append": ["first", "rival", "second"],
        "edit": ["FIRST", "rival"],
        "annotate": ["rival"],
        "branch": ["first", "rival"],
    }
    assert said(t) == said(rival) == said(open_tract()) == expected[verb]
    assert t.fsck() == []


def test_two_handles_create_the_same_branch(open_tract: Open) -> None:
    """The second is told that it exists."""
    t, rival = open_tract(), open_tract()
    t.user("first")

    def pause(_: str) -> None:
        rival.branch("side", switch=False)

    t._store.on_pause = pause
    with pytest.raises(e.RefExistsError):
        t.branch("side")
    assert t.current_branch == "main"
    t._store.on_pause = None
    t.user("second")
    assert t.fsck() == []


def test_busy_only_after_the_deadline(open_tract: Open) -> None:
    """A writer waits for `busy_timeout_seconds`, then gets `BusyError`, and works again afterwards."""
    holder, waiter = open_tract(), open_tract()
    holder.user("start")
    waiter._store.use_config(waiter.config.model_copy(update={"busy_timeout_seconds": 0.3}))
    with holder.batch():
        holder.user("held")
        began = time.monotonic()
        with pytest.raises(e.BusyError) as caught:
            waiter.user("too soon")
        waited = time.monotonic() - began
        assert waited >= 0.28
        assert waited < 5
        assert caught.value.waited_seconds >= 0.28
        assert said(waiter) == ["start"]
    waiter.user("later")
    assert said(holder) == ["start", "held", "later"]


def test_a_very_short_deadline_is_a_deadline(open_tract: Open) -> None:
    """Less than a millisecond does not turn into "wait for ever"."""
    holder, waiter = open_tract(), open_tract()
    holder.user("start")
    waiter._store.use_config(waiter.config.model_copy(update={"busy_timeout_seconds": 0.0001}))
    with holder.batch():
        holder.user("held")
        with pytest.raises(e.BusyError):
            waiter.user("too soon")


def test_a_waiting_writer_goes_on_when_the_other_is_done(open_tract: Open) -> None:
    """Nobody fails before the deadline."""
    holder, waiter = open_tract(), open_tract()
    holder.user("start")
    thread = threading.Thread(target=lambda: waiter.user("waited"))
    with holder.batch():
        holder.user("held")
        thread.start()
        time.sleep(0.2)
        assert thread.is_alive()
    thread.join(20)
    assert said(holder) == ["start", "held", "waited"]


def test_equal_contents_of_two_tracts_meet_in_one_blob(open_tract: Open) -> None:
    """The second waits for the first, or takes what it left, whichever way that ended."""
    a, b = open_tract(tract="a"), open_tract(tract="b")
    done = threading.Event()

    def write() -> None:
        b.assistant("same", generation_config={"model": "m"}, metadata={"k": 1})
        done.set()

    thread = threading.Thread(target=write)
    with pytest.raises(LookupError), a.batch():  # noqa: PT012 - the block is the batch
        a.assistant("same", generation_config={"model": "m"}, metadata={"k": 1})
        thread.start()
        assert not done.wait(0.2)
        raise LookupError
    thread.join(20)
    assert done.is_set()
    assert (said(a), said(b)) == ([], ["same"])
    assert b.log()[0].generation_config == {"model": "m"}
    a.assistant("same", generation_config={"model": "m"}, metadata={"k": 1})
    assert a.fsck() == []


def test_a_reader_keeps_its_moment(open_tract: Open) -> None:
    """A snapshot does not see what lands while it is held, and holds nobody up."""
    t, writer = open_tract(), open_tract()
    writer.user("one")
    with t._store.reading():
        before = t.log()
        writer.user("two")
        assert t.log() == before
        assert len(t.compile(verify=True).messages) == 1
    assert len(t.log()) == 2


def test_a_second_handle_of_a_process_leaves_the_first_its_locks(tmp_path: Path) -> None:
    """Closing a file drops all POSIX locks of the process: opening must not let others delete the log in use."""
    path = str(tmp_path / "store.db")
    go = tmp_path / "go"
    go.touch()
    other = [sys.executable, str(Path(__file__).with_name("writer.py")), path, "default", "other", "1", str(go)]
    with Tract.open(path) as first:
        first.user("one")
        Tract.open(path, read_only=True).close()
        with Tract.open(path):
            subprocess.run(other, check=True)
            first.user("two")
            subprocess.run(other, check=True)
            first.user("three")
            with Tract.open(path) as third:
                assert said(third) == ["one", "other 0", "two", "other 0", "three"]
    with Tract.open(path) as again:
        assert said(again) == ["one", "other 0", "two", "other 0", "three"]
        assert again.fsck() == []
