"""Processes that commit, switch, branch, reset, tag, delete and undo on one file at once: nothing is lost (G4)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gates import source
from tract import Tract

ALLOWED = {
    "branch_not_found",
    "current_branch",
    "operation_conflict",
    "ref_conflict",
    "ref_exists",
    "revision_not_found",
    "tag_not_found",
}


def race(path: Path, *, processes: int, count: int, seed: int) -> list[dict[str, dict[str, int] | list[str]]]:
    """Let the processes write at once; return what each reports."""
    script = source.ROOT / "tests" / "operations" / "moving.py"
    command = [sys.executable, str(script), str(path)]
    started = [
        subprocess.Popen(
            [*command, f"p{number}", str(seed), str(count)], stdout=subprocess.PIPE, env={**os.environ}, text=True
        )
        for number in range(processes)
    ]
    outputs = [one.communicate(timeout=600)[0] for one in started]
    assert [one.returncode for one in started] == [0] * processes
    return [json.loads(output) for output in outputs]


def check(path: Path, reports: list[dict[str, dict[str, int] | list[str]]]) -> None:
    """Each commit that returned moved its branch from its parent, once; the log replays to the refs."""
    with Tract.open(path) as t:
        moved: dict[str, list[tuple[str, str | None]]] = {}
        for done in t.operations:
            if done.verb == "commit":
                for name, old, new in done.changes:
                    moved.setdefault(new or "", []).append((name, old))
        for report in reports:
            assert set(report["errors"]) <= ALLOWED
            for commit in report["commits"]:
                assert len(moved.pop(commit)) == 1
                assert t.get(commit).hash == commit
        # What is left was made before the race.
        assert len(moved) == 1
        for done in t.operations:
            if done.verb == "commit":
                parents = t.get(done.changes[0][2] or "").parents
                assert done.changes[0][1] == (parents[0] if parents else None)
        assert t.fsck() == []


@pytest.mark.slow
def test_processes_that_move_refs_at_once_lose_no_commit(tmp_path: Path) -> None:
    """Four processes, 60 writes each: every error is one of the expected ones, fsck is clean."""
    path = tmp_path / "agent.db"
    with Tract.open(path) as t:
        t.user("first")

    check(path, race(path, processes=4, count=60, seed=1))


@pytest.mark.torture
def test_many_processes_that_move_refs_at_once_lose_no_commit(tmp_path: Path) -> None:
    """Eight processes, 500 writes each."""
    path = tmp_path / "agent.db"
    with Tract.open(path) as t:
        t.user("first")

    check(path, race(path, processes=8, count=500, seed=int(os.environ.get("TRACT_TORTURE_SEED", "0"))))
