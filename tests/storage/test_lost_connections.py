"""A connection the server ends: nobody notices between two operations; within one a sentence says what was kept."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.databases import Postgres
from tract import Session, Tract
from tract.errors import BusyError, ConnectionLostError, ReadOnlyError, StorageError
from tract.operations.stats import stats

Cut = Callable[[], None]


@pytest.fixture
def cut(postgres: Postgres, postgres_url: str) -> Cut:
    """Return what ends all connections to the store, and waits until they are gone."""
    name = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]

    def end() -> None:
        postgres.run(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'")

    return end


@pytest.fixture
def t(postgres_url: str) -> Iterator[Tract]:
    """Return a handle with one message."""
    with Tract.open(postgres_url) as t:
        t.user("one")
        yield t


def texts(t: Tract) -> list[str]:
    """Return what each compiled message says."""
    return [message.text for message in t.compile(verify=True).messages]


READS: dict[str, Callable[[Tract], object]] = {
    "compile": texts,
    "log": lambda t: t.log(),
    "graph": lambda t: t.log(graph=True),
    "fsck": lambda t: t.fsck(),
    "status": lambda t: t.status(),
    "head": lambda t: t.head,
    "operations": lambda t: list(t.operations),
    "branches": lambda t: list(t.branches),
    "stats": lambda t: stats(t._store).commits,
}
WRITES: dict[str, Callable[[Tract], object]] = {
    "user": lambda t: t.user("two"),
    "pin": lambda t: t.pin("HEAD"),
    "branch": lambda t: t.branch("side"),
    "undo": lambda t: t.undo(),
    "usage": lambda t: t.record_usage({"input_tokens": 1, "output_tokens": 1}),
    "configure": lambda t: t.configure(cached_states=7),
    "spawn": lambda t: t.spawn("work"),
    "gc": lambda t: t.gc(),
}


@pytest.mark.parametrize("read", READS)
def test_a_read_after_the_cut_takes_a_new_connection(t: Tract, cut: Cut, read: str) -> None:
    """And says what it would have said."""
    before = READS[read](t)
    cut()
    assert READS[read](t) == before


@pytest.mark.parametrize("write", WRITES)
def test_a_write_after_the_cut_takes_a_new_connection(t: Tract, cut: Cut, write: str) -> None:
    """It is written once."""
    count = len(t.operations)
    cut()
    WRITES[write](t)
    assert len(t.operations) == count + (write != "gc")
    assert t.fsck() == []


def test_a_cut_between_reading_and_swapping_is_not_noticed(t: Tract, cut: Cut) -> None:
    """No transaction is open there."""
    t._store.on_pause = lambda _: cut()
    t.edit("HEAD", "two")
    assert texts(t) == ["two"]


def test_a_cut_in_a_batch_keeps_nothing_of_it(t: Tract, cut: Cut) -> None:
    """The handle works afterwards."""
    with pytest.raises(ConnectionLostError, match="nothing of the operation") as caught, t.batch():  # noqa: PT012 - the block is the batch
        t.user("two")
        cut()
        t.user("three")
    assert not caught.value.is_unknown
    assert texts(t) == ["one"]
    t.user("four")
    assert texts(t) == ["one", "four"]
    assert t.fsck() == []


def test_a_batch_does_not_go_on_after_a_cut(t: Tract, cut: Cut) -> None:
    """Half of it would be kept."""
    with pytest.raises(StorageError, match="dropped"), t.batch():  # noqa: PT012 - the block is the batch
        t.user("two")
        cut()
        with pytest.raises(ConnectionLostError):
            t.user("three")
        t.user("four")
    assert texts(t) == ["one"]


def test_a_cut_while_committing_says_that_nobody_knows(t: Tract, cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last statement is on its way when the connection breaks."""
    database = t._store.database
    control = database._control

    def cutting(sql: str) -> None:
        if sql == "COMMIT":
            cut()
        control(sql)

    with monkeypatch.context() as patched:
        patched.setattr(database, "_control", cutting)
        with pytest.raises(ConnectionLostError, match="unknown") as caught:
            t.user("two")
    assert caught.value.is_unknown
    assert texts(t) == ["one"]
    t.user("three")
    assert texts(t) == ["one", "three"]


def test_a_cut_in_a_held_moment_is_told(t: Tract, cut: Cut) -> None:
    """Half of a read would be of another moment."""
    with pytest.raises(ConnectionLostError), t._store.reading():  # noqa: PT012 - the block is the moment
        cut()
        texts(t)
    assert texts(t) == ["one"]


def test_all_tracts_of_a_session_go_on(postgres_url: str, cut: Cut) -> None:
    """They share the connection."""
    with Session.open(postgres_url) as session:
        parent = session.create_tract("parent")
        parent.user("one")
        child = parent.spawn("work")
        cut()
        child.user("two")
        parent.user("three")
        assert (texts(child), texts(parent)) == (["one", "two"], ["one", "three"])


def test_the_new_connection_is_as_the_old_one(t: Tract, postgres_url: str, cut: Cut) -> None:
    """It waits as long, writes as safely, and one that only reads goes on reading only."""
    with Tract.open(postgres_url, durability="off", read_only=True) as reader, t.batch():
        t.configure(busy_timeout_seconds=0.3)
        assert texts(reader) == ["one"]
    t._store.use_config(t.config.model_copy(update={"busy_timeout_seconds": 0.3}))
    with Tract.open(postgres_url, durability="off", read_only=True) as reader:
        cut()
        assert texts(reader) == ["one"]
        assert reader._store.database.run_text("SHOW synchronous_commit") == [("off",)]
        with pytest.raises(ReadOnlyError):
            reader.user("no")
        cut()
        with Tract.open(postgres_url) as holder, holder.batch():
            holder.user("held")
            with pytest.raises(BusyError):
                t.user("too soon")


def test_a_server_that_refuses_is_a_sentence(postgres: Postgres, postgres_url: str) -> None:
    """Where no new connection can be had the call fails, and the next one tries again."""
    name = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    with Tract.open(postgres_url) as t:
        t.user("one")
        postgres.run(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'")
        postgres.run(f"ALTER DATABASE {name} RENAME TO {name}_away")
        for call in (lambda: t.user("two"), lambda: texts(t)):
            with pytest.raises(StorageError, match="Cannot connect"):
                call()
        postgres.run(f"ALTER DATABASE {name}_away RENAME TO {name}")
        assert texts(t) == ["one"]


def test_batches_with_equal_contents_in_opposite_order(postgres_url: str) -> None:
    """The server ends one of two that wait for each other: it is told to try again, and nothing of it was kept."""
    together = threading.Barrier(2)
    lost: list[Exception] = []

    def write(name: str, contents: list[str]) -> None:
        with Tract.open(postgres_url, tract=name) as t:
            while True:
                try:
                    with t.batch():
                        t.user(contents[0])
                        if not lost:
                            together.wait(20)
                        t.user(contents[1])
                except (BusyError, threading.BrokenBarrierError) as error:
                    lost.append(error)
                    time.sleep(0.1)
                else:
                    return

    threads = [
        threading.Thread(target=write, args=(name, order)) for name, order in (("a", ["x", "y"]), ("b", ["y", "x"]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (error,) = lost
    assert isinstance(error, BusyError)
    assert "waited for each other" in (error.hint or "")
    with Tract.open(postgres_url, tract="a") as a, Tract.open(postgres_url, tract="b") as b:
        assert (texts(a), texts(b)) == (["x", "y"], ["y", "x"])
        assert a.fsck() == []
