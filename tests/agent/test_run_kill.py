"""A run whose process is killed while tools run goes on without making a finished call again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.agent.talking import model, require_valid, said
from tract import RunResult, ToolCall, Tract

# The tool notes each call in a file before and after it works; the slow one works until it is killed.
_CHILD = """
import sys, time
from tract import ToolCall, Tract
from tract.testing import ScriptedLLM

store, notes = sys.argv[1], sys.argv[2]
quick = ToolCall("a", "note", '{"name": "quick", "seconds": 0}')
slow = ToolCall("b", "note", '{"name": "slow", "seconds": 600}')

def note(name: str, seconds: float) -> str:
    with open(notes, "a") as file:
        file.write(f"{name}\\n")
    time.sleep(seconds)
    return name

def told(event):
    print(type(event).__name__, flush=True)

with Tract.open(store, llm=ScriptedLLM([ToolCall("0", "note", '{"name": "first", "seconds": 0}'), [quick, slow]])) as t:
    t.run("Go.", tools=[note], on_event=told)
"""


def _kill_while_slow_runs(store: Path, notes: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(store), str(notes)],
        stdout=subprocess.PIPE,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
        text=True,
    )
    assert child.stdout is not None
    finished = 0
    while finished < 2:
        line = child.stdout.readline()
        assert line, "the child ended by itself"
        finished += line.strip() == "ToolFinished"
    deadline = time.monotonic() + 60
    while "slow" not in _noted(notes) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(timeout=60) == -signal.SIGKILL
    child.stdout.close()


def _noted(notes: Path) -> list[str]:
    return notes.read_text().split() if notes.exists() else []


def _go_on(store: Path, notes: Path, *, idempotent: bool) -> RunResult:
    def note(name: str, seconds: float) -> str:
        del seconds
        with notes.open("a") as file:
            file.write(f"{name}\n")
        return name

    with Tract.open(store, llm=model(ToolCall("z", "note", '{"name": "last", "seconds": 0}'), "Done.")) as t:
        require_valid(t)
        t.tools.add(note, idempotent=idempotent)
        result = t.run()
        require_valid(t)
        return result


@pytest.mark.parametrize("idempotent", [False, True])
def test_a_killed_run_goes_on_and_repeats_no_finished_call(tmp_path: Path, *, idempotent: bool) -> None:
    """The call under way is reported as interrupted, or made again if its tool is idempotent."""
    store, notes = tmp_path / "a.db", tmp_path / "notes"
    _kill_while_slow_runs(store, notes)
    assert _noted(notes) == ["first", "quick", "slow"] or _noted(notes) == ["first", "slow", "quick"]

    result = _go_on(store, notes, idempotent=idempotent)

    assert (result.state, result.text) == ("finished", "Done.")
    counts = {name: _noted(notes).count(name) for name in ("first", "quick", "slow", "last")}
    assert counts == {"first": 1, "quick": 1, "slow": 2 if idempotent else 1, "last": 1}
    with Tract.open(store) as t:
        results = [text.partition(":")[0] for role, text in said(t) if role == "tool"]
        assert results == ["first", "quick", "slow" if idempotent else "Interrupted", "last"]
        assert [text for _, text in said(t)].count("Go.") == 1
