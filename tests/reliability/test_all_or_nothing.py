"""G3 and G16: a write that fails at any statement changes nothing, and the handle goes on working."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.reliability.dump import connected, dump, held, rows_of
from tests.reliability.faults import Fault
from tests.reliability.verbs import MERGES, WRITES, Write, make_history, make_merges
from tract import Tract
from tract.errors import BusyError, DiskFullError, StorageError, TractError
from tract.sessions.opening import open_tract

_MOST_STATEMENTS = 150
_ALL = WRITES | MERGES
_ON_SIZES = ("PRAGMA page_", "PRAGMA freelist", "SELECT pg_total_relation_size")
_AFTERWARDS = ("ROLLBACK", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)", *_ON_SIZES)
"""What follows once a write is durable, or was dropped: it cannot fail the write."""


def _view(t: Tract) -> tuple[object, ...]:
    return (t.head, t.current_branch, t.config, [c.hash for c in t.log(99)], t.compile().to_openai())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a small history, and merges to be made."""
    path = tmp_path / "a.db"
    make_history(path)
    make_merges(path)
    return path


@pytest.mark.parametrize("verb", _ALL)
def test_each_statement_of_each_verb_may_fail(path: Path, verb: str) -> None:
    """Whichever statement fails, the call raises a TractError and the store and the handle are as before."""
    write = _ALL[verb]
    with Tract.open(path) as t, connected(path) as beside:
        before = rows_of(beside)
        view = _view(t)
        for number in range(1, _MOST_STATEMENTS):
            with Fault(t, number) as fault:
                is_done = _returned(write, t)
            if not fault.happened:
                assert is_done
                break
            if is_done:
                # A rollback that fails is tried again; space that was not given back is given back later.
                assert fault.sql.startswith(_AFTERWARDS)
                before, view = rows_of(beside), _view(t)
            assert _view(t) == view, fault.sql
            assert rows_of(beside) == before, fault.sql
        assert 3 < number < _MOST_STATEMENTS - 1
        assert t.fsck() == []
        t.compile(verify=True)


def _returned(write: Write, t: Tract) -> bool:
    try:
        write(t)
    except StorageError:
        return False
    return True


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("verb", _ALL)
def test_each_statement_of_each_verb_may_be_interrupted(path: Path, verb: str, *, after: bool) -> None:
    """Ctrl-C before or after any statement keeps all of the write or nothing, and the next call works."""
    with Tract.open(path) as t, connected(path) as beside:
        before = rows_of(beside)
        view = _view(t)
        for number in range(1, _MOST_STATEMENTS):
            with Fault(t, number, KeyboardInterrupt(), after=after) as fault:
                if _was_not_interrupted(_ALL[verb], t):
                    break
            t.compile(verify=True)
            if (fault.sql == "COMMIT" and after) or fault.sql.startswith("VACUUM"):
                # It was durable already; only the answer was lost.
                assert rows_of(beside) != before
                break
            assert _view(t) == view, fault.sql
            assert rows_of(beside) == before, fault.sql
        assert 3 < number < _MOST_STATEMENTS - 1
        assert t.user("Still here.").op == "append"
        assert t.fsck() == []


def _was_not_interrupted(write: Write, t: Tract) -> bool:
    try:
        write(t)
    except KeyboardInterrupt:
        return False
    return True


def test_each_statement_of_an_opening_may_fail(tmp_path: Path) -> None:
    """A tract is created whole or not at all, so the next opening never finds a half."""
    path = tmp_path / "a.db"
    make_history(path)
    before = dump(path)

    with Tract.open(path) as t:
        for number in range(1, _MOST_STATEMENTS):
            t._store.tract, t._store.tract_id = "second", -1
            with Fault(t, number) as fault:
                try:
                    open_tract(t._store, create=True)
                except StorageError:
                    assert _is_whole(path) if "second" in str(dump(path)["tracts"]) else dump(path) == before
                    continue
            if not fault.happened:
                break
        assert number > 5
    with Tract.open(path, tract="second") as t:
        t.user("Hello.")
        assert t.fsck() == []


def _is_whole(path: Path) -> bool:
    with Tract.open(path, tract="second", create=False) as t:
        return t.fsck() == []


# --- faults of the real database -----------------------------------------------------------------------


@contextmanager
def _full(t: Tract) -> Iterator[None]:
    """Let the file grow no further."""
    raw = t._store.database.raw
    pages = raw.execute("PRAGMA page_count").fetchone()[0]
    raw.execute(f"PRAGMA max_page_count={pages}")
    try:
        yield
    finally:
        raw.execute("PRAGMA max_page_count=1073741823")


@pytest.mark.about_files
def test_a_full_disk_is_a_typed_error_and_costs_nothing(path: Path) -> None:
    """Out of room: `DiskFullError`, an unchanged store, and the same call succeeds once there is room."""
    before = dump(path)
    with Tract.open(path) as t:
        view = _view(t)
        for _ in range(3):
            with _full(t), pytest.raises(DiskFullError):
                t.user("x" * 500_000)
            assert _view(t) == view
            assert dump(path) == before
        t.user("x" * 500_000)
        assert t.fsck() == []


@pytest.mark.about_files
def test_a_full_disk_in_a_batch_drops_the_batch(path: Path) -> None:
    """A part that finds no room takes nothing else with it when caught, and the batch stays one operation."""
    with Tract.open(path) as t:
        before = dump(path)["operations"]
        with t.batch():
            kept = t.user("small")
            with _full(t), pytest.raises(DiskFullError):
                t.user("x" * 500_000)
        assert t.head == kept.hash
        assert len(dump(path)["operations"]) == len(before) + 1
        assert t.fsck() == []


def test_a_batch_whose_transaction_sqlite_dropped_keeps_nothing(path: Path) -> None:
    """After SQLite rolled back by itself in a part, the rest of the batch is refused, not written piecemeal."""
    before = dump(path)
    with Tract.open(path) as t:
        view = _view(t)
        with pytest.raises(TractError), t.batch():  # noqa: PT012 - the whole batch is what raises
            t.user("first")
            # What SQLite does on its own after some I/O errors and interrupts.
            t._store.database.raw.execute("ROLLBACK")
            _try(lambda: t.user("second"))
            _try(lambda: t.pin("HEAD"))
        assert dump(path) == before
        assert _view(t) == view
        t.user("third")
        assert t.fsck() == []


def _try(call: Callable[[], object]) -> None:
    try:
        call()
    except TractError:
        return


@pytest.mark.parametrize("verb", _ALL)
def test_a_lock_held_past_the_deadline_is_busy(path: Path, verb: str) -> None:
    """Another writer that does not let go: `BusyError` after the deadline, and the call works once it has."""
    with Tract.open(path) as t:
        t.configure(busy_timeout_seconds=0.05)
        before = dump(path)
        view = _view(t)
        with held(path), pytest.raises(BusyError) as caught:
            _ALL[verb](t)
        assert caught.value.waited_seconds >= 0.05
        assert dump(path) == before
        assert _view(t) == view
        _ALL[verb](t)
        assert t.fsck() == []


@pytest.mark.about_files
def test_an_interrupted_statement_is_an_error_and_leaves_the_handle(path: Path) -> None:
    """SQLite's own interrupt, from another thread, ends a write as a `StorageError`."""
    before = dump(path)
    with Tract.open(path) as t:
        raw = t._store.database.raw
        for steps in (1, 3, 10, 30):
            raw.set_progress_handler(lambda: 1, steps)
            with pytest.raises(StorageError):
                t.user("Hello.")
            raw.set_progress_handler(None, 0)
            assert dump(path) == before
        t.user("Hello.")
        assert t.fsck() == []
