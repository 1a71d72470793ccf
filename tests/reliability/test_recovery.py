"""G5: a read or an opening waits for a process that puts the log in order, as a write waits for a writer."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tract import Tract
from tract.errors import BusyError

pytestmark = pytest.mark.about_files  # the log beside the file

# What SQLite does after a writer was killed in the middle of writing the index of the log: the header of the index
# is worthless, and whoever repairs it holds all its locks (https://sqlite.org/walformat.html#locks).
_RECOVERY = """
import fcntl, os, sys, time

index = os.open(sys.argv[1] + "-shm", os.O_RDWR)
fcntl.lockf(index, fcntl.LOCK_EX, 3, 120)
os.pwrite(index, bytes(96), 0)
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def _recovery(path: Path, seconds: float) -> Iterator[None]:
    """Let another process repair the log of *path* for some *seconds*."""
    child = subprocess.Popen([sys.executable, "-c", _RECOVERY, str(path), str(seconds)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def test_a_read_waits_for_the_recovery_of_another_process(path: Path) -> None:
    """Compiling, listing and checking go on when the log is in order again."""
    with Tract.open(path) as t:
        t.user("Hello.")
        for read in (t.compile, t.log, t.status, t.fsck, lambda: list(t.operations)):
            with _recovery(path, 0.3):
                started = time.monotonic()
                read()
                assert time.monotonic() - started > 0.1
        assert len(t.compile().messages) == 1


def test_an_opening_waits_for_the_recovery_of_another_process(path: Path) -> None:
    """So does a handle that is only being opened, for writing or not."""
    with Tract.open(path) as t:
        t.user("Hello.")
        for read_only in (False, True):
            with _recovery(path, 0.3), Tract.open(path, read_only=read_only) as other:
                assert other.head == t.head


def test_a_read_gives_up_at_the_deadline(path: Path) -> None:
    """After `busy_timeout_seconds` it is a `BusyError`, and the handle is as good as before."""
    with Tract.open(path, config={"busy_timeout_seconds": 0.3}) as t:
        t.user("Hello.")
        with _recovery(path, 20):
            started = time.monotonic()
            with pytest.raises(BusyError):
                t.log()
            assert 0.3 <= time.monotonic() - started < 5
        assert len(t.log()) == 1
