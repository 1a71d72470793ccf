"""G10: gc while others write: nothing they were told is lost, and nobody fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tract import Tract

# Commits texts that are said again and again, on branches that come and go; names each commit that must stay.
_WRITER = """
import random, sys
from pathlib import Path
from tract import Tract
from tract.errors import CommitCollectedError
path, tract, seed, stop = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
chance = random.Random(seed)
with Tract.open(path, tract=tract, durability="off") as t:
    print("ready", flush=True)
    kept, rounds = [], 0
    while not stop.exists():
        rounds += 1
        def text():
            return f"text {chance.randrange(chance.choice([12, 10**6]))}" + "x" * 3000
        kept.append(t.user(text()).hash)
        t.branch(f"aside-{len(kept)}")
        lost = [t.user(text()).hash for _ in range(3)]
        t.switch("main")
        t.branches.delete(f"aside-{len(kept)}", force=True)
        if len(kept) > 1 and chance.random() < 0.3:
            t.reset("HEAD~1", mode="hard")
            kept.pop()
        if chance.random() < 0.2:
            # Somebody comes back to what is about to be collected.
            try:
                t.tag(f"v{len(kept)}-{chance.randrange(10**9)}", at=chance.choice(lost))
            except CommitCollectedError:
                pass
    print(rounds, *kept, flush=True)
"""


@contextmanager
def _writing(path: str, tracts: list[str], stop: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Let a process write to each of *tracts* until the file *stop* exists."""
    code = [sys.executable, "-c", _WRITER, path]
    environment = {**os.environ, "COVERAGE_PROCESS_START": ""}
    running = [
        subprocess.Popen([*code, tract, str(seed), str(stop)], stdout=subprocess.PIPE, text=True, env=environment)
        for seed, tract in enumerate(tracts)
    ]
    try:
        for writer in running:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        yield running
    finally:
        for writer in running:
            writer.kill()
            writer.communicate()


def _load(path: str, seconds: float, tracts: list[str], stop: Path) -> tuple[int, int]:
    """Collect for *seconds* while others write; return how many rounds they wrote and how much was collected."""
    collected = total = 0
    with _writing(path, tracts, stop) as writers:
        deadline = time.monotonic() + seconds
        with Tract.open(path, durability="off") as t:
            while time.monotonic() < deadline:
                collected += t.gc(keep_days=0, keep_pinned=False).blob_count
        stop.touch()
        for writer, tract in zip(writers, tracts, strict=True):
            assert writer.stdout is not None
            rounds, *kept = writer.stdout.read().split()
            assert writer.wait(timeout=60) == 0
            total += int(rounds)
            _require_whole(path, tract, kept)
    return total, collected


def _require_whole(path: str, tract: str, kept: list[str]) -> None:
    with Tract.open(path, tract=tract) as t:
        assert len(t.compile(verify=True)) == len(kept)
        assert all(t.show(commit) for commit in [*kept, *t.tags])
        for name in ("main", *t.tags):
            assert t.compile(at=name).warnings == ()
        assert t.fsck() == []


@pytest.mark.slow
def test_gc_while_two_processes_write(tmp_path: Path) -> None:
    """10 seconds on one file: what the writers keep is whole, though they say what is being collected."""
    rounds, collected = _load(str(tmp_path / "a.db"), 10, ["one", "two"], tmp_path / "stop")

    assert rounds > 10
    assert collected > 10


@pytest.mark.slow
def test_gc_while_two_processes_write_to_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """The same where tracts do not wait for each other, for 5 seconds."""
    rounds, collected = _load(postgres_url, 5, ["one", "two"], tmp_path / "stop")

    assert rounds > 5
    assert collected > 5


@pytest.mark.torture
def test_gc_for_an_hour(tmp_path: Path) -> None:
    """The same with four writers."""
    rounds, collected = _load(str(tmp_path / "a.db"), 3600, ["one", "two", "three", "four"], tmp_path / "stop")

    assert rounds > 1000
    assert collected > 1000
