"""Compressing while other processes commit: all they said is in the context or behind a summary."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gates import source
from tests.operations.test_compress import LONG, said, texts
from tract import SummaryRequest, Tract

Open = Callable[..., Tract]

_COMMIT = """
import sys, time
from tract import Tract
with Tract.open(sys.argv[1], actor="other") as t:
    for number in range(int(sys.argv[3])):
        t.user(f"{sys.argv[2]} {number} and it is said at some length, so that there is something to leave out")
        time.sleep(0.005)
"""


def committing(url: str, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _COMMIT, url, name, str(count)])


@pytest.mark.slow
def test_what_another_process_commits_while_the_summarizer_runs_stays_behind_it(
    open_tract: Open, store_url: str
) -> None:
    """In the context afterwards, in order; the summarizer runs with no lock held."""
    t = open_tract()
    said(t, 4)
    seen: list[int] = []

    def summarizer(request: SummaryRequest) -> str:
        assert committing(store_url, "other", 3).wait(60) == 0
        seen.append(len(request.messages))
        return "told"

    t.compress(summarizer=summarizer)

    assert seen == [4]
    assert texts(t) == ["[summary] told", "other 0", "other 1", "other 2"]
    assert [done.actor for done in list(t.operations)[:4]] == ["", "other", "other", "other"]
    t.compress(summarizer=lambda _: "all")
    assert texts(t) == ["[summary] all"]
    assert t.fsck() == []


def race(path: Path, *, compressions: int, writers: int, commits: int) -> None:
    """Let one process compress and others commit; every message must be shown or behind a summary, once, in order."""
    with Tract.open(path, durability="off") as t:
        t.system("You are terse.")
    script = source.ROOT / "tests" / "operations" / "compressing.py"
    compressor = subprocess.Popen(
        [sys.executable, str(script), str(path), str(compressions)], stdout=subprocess.PIPE, text=True
    )
    others = [committing(str(path), f"w{number}", commits) for number in range(writers)]
    assert [one.wait(1_800) for one in others] == [0] * writers
    report = json.loads(compressor.communicate(timeout=1_800)[0])
    assert (compressor.returncode, report["done"]) == (0, compressions)
    assert set(report["errors"]) <= {"ref_conflict"}
    with Tract.open(path, durability="off") as t:
        check(t, [("own", report["said"]), *[(f"w{number}", commits) for number in range(writers)]])


def check(t: Tract, written: list[tuple[str, int]]) -> None:
    """Nothing was lost, doubled or put out of order: neither shown in full nor once all is reverted."""
    shown = t.compile(expand=[info.hash for info in t.log(100_000, op="compress")])
    while summaries := [one.commit for one in t.compile().provenance if one.content_type == "summary"]:
        t.revert(summaries[-1])
    for context in (shown, t.compile(verify=True)):
        lines = [message.text.removesuffix(f" {LONG}") for message in context.messages][1:]
        assert len(lines) == sum(count for _, count in written)
        for name, count in written:
            assert [line for line in lines if line.startswith(f"{name} ")] == [f"{name} {one}" for one in range(count)]
    assert t.fsck() == []


@pytest.mark.slow
def test_compressing_against_commits_loses_nothing(tmp_path: Path) -> None:
    """15 compressions against 2 x 30 commits on one file."""
    race(tmp_path / "a.db", compressions=15, writers=2, commits=30)


@pytest.mark.torture
def test_compressing_against_many_commits_loses_nothing(tmp_path: Path) -> None:
    """290 compressions against 3 x 150 commits on one file."""
    race(tmp_path / "a.db", compressions=290, writers=3, commits=150)
