"""G1: what a call returned is there after `kill -9`."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reliability.verbs import make_history
from tract import Tract
from tract.errors import ContentErasedError

# The child writes with every verb without end and names each result on its standard output once the call returned.
_CHILD = """
import random, sys
from tract import Tract
path, seed, durability = sys.argv[1], int(sys.argv[2]), sys.argv[3]
chance = random.Random(seed)
t = Tract.open(path, durability=durability)

def said(kind, value):
    sys.stdout.write(f"{kind} {value}\\n")
    sys.stdout.flush()

said("open", t.current_branch)
count = 0
while True:
    count += 1
    label = f"{seed}-{count}"
    verbs = "user assistant edit pin skip batch branch switch usage configure gc erase spawn collapse"
    verb = chance.choice(verbs.split())
    contents = [c.hash for c in t.log(8) if c.op == "append"]
    if verb == "user" or not contents:
        said("commit", t.user(f"user {label} " + "x" * chance.randrange(5000)).hash)
    elif verb == "assistant":
        call = {"id": label, "name": "f", "arguments": "{}"}
        said("commit", t.assistant(label, tool_calls=[call], generation_config={"seed": count}).hash)
    elif verb == "edit":
        said("commit", t.edit(chance.choice(contents), {"role": "user", "content": label}).hash)
    elif verb == "pin":
        said("commit", t.pin(chance.choice(contents), reason=label).hash)
    elif verb == "skip":
        said("commit", t.skip(chance.choice(contents)).hash)
    elif verb == "batch":
        with t.batch():
            made = [t.user(f"batch {label}").hash, t.assistant(f"batch {label}").hash]
        for one in made:
            said("commit", one)
    elif verb == "branch":
        said("branch", t.branch(f"b-{label}").name)
    elif verb == "switch":
        said("head", t.switch("main"))
    elif verb == "gc":
        t.branch(f"lost-{label}")
        lost = t.user(f"lost {label} " + "x" * chance.randrange(5000))
        said("head", t.switch("main"))
        t.branches.delete(f"lost-{label}", force=True)
        t.gc(keep_days=0, keep_pinned=False)
        said("gone", lost.hash)
    elif verb == "erase":
        gone = chance.choice(contents)
        t.erase(gone, reason=label)
        said("gone", gone)
    elif verb == "spawn":
        child = t.spawn(label, mode=chance.choice(["fork", "snapshot"]))
        said("tract", child.name)
        said("commit", child.user(f"work {label}").hash)
    elif verb == "collapse":
        child = t.spawn(label)
        child.user(f"work {label}")
        said("commit", t.collapse(child, content=f"done {label}").commit)
    elif verb == "usage":
        t.record_usage({"input_tokens": count, "output_tokens": seed})
        said("usage", f"{count},{seed}")
    else:
        t.configure(cached_states=count)
        said("config", count)
"""


def _run_and_kill(path: Path, seed: int, wait: tuple[int, float], durability: str) -> list[tuple[str, str]]:
    """Let a child write, kill it, and return what it had said.

    It is killed some seconds after it has said so many results: a loaded machine may take long for the first.
    """
    results, seconds = wait
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(path), str(seed), durability],
        stdout=subprocess.PIPE,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    assert first.startswith(b"open"), "the store did not open after the kill before"
    begun = b"".join(child.stdout.readline() for _ in range(results))
    time.sleep(seconds)
    child.kill()
    rest = begun + child.stdout.read()
    child.stdout.close()
    child.wait()
    # A line cut short by the kill was not said.
    lines = rest.decode().split("\n")[:-1]
    return [(kind, value) for kind, _, value in (line.partition(" ") for line in lines)]


def _require_kept(t: Tract, said: list[tuple[str, str]]) -> None:
    for kind, value in said:
        if kind == "commit":
            assert t.get(value).hash == value
        elif kind == "gone":
            with pytest.raises(ContentErasedError):
                t.show(value)
        elif kind == "branch":
            assert t.switch(value) == value
        elif kind == "tract":
            t.children[value].compile(verify=True)
    heads = [value for kind, value in said if kind in {"branch", "head"}]
    settings = [int(value) for kind, value in said if kind == "config"]
    if settings:
        # The child may have been killed between writing the next value and saying so.
        assert t.config.cached_states >= settings[-1]
    if heads:
        t.switch(heads[-1])
        t.compile(verify=True)


def _kill_many(path: Path, chance: random.Random, kills: int, durability: str) -> int:
    make_history(path)
    kept = 0
    for number in range(kills):
        wait = (number % 5, chance.uniform(0, 0.12))
        said = _run_and_kill(path, chance.randrange(2**31), wait, durability)
        with Tract.open(path) as t:
            _require_kept(t, said)
            assert t.fsck() == []
            t.switch("main")
        kept += len(said)
    return kept


@pytest.mark.slow
def test_what_a_call_returned_survives_kill_9(tmp_path: Path, seeded: Callable[[], random.Random]) -> None:
    """25 children are killed at random moments; every result they named is in the store, which is whole."""
    kept = _kill_many(tmp_path / "a.db", seeded(), 25, "full")

    assert kept > 25, "the children were killed before they wrote anything"


@pytest.mark.torture
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_what_a_call_returned_survives_1000_kills(
    tmp_path: Path, seeded: Callable[[], random.Random], durability: str
) -> None:
    """The same 500 times for each durability, in files of 25 kills each."""
    chance = seeded()
    kept = sum(_kill_many(tmp_path / f"{number}.db", chance, 25, durability) for number in range(20))

    assert kept > 500


@pytest.mark.slow
def test_a_kill_while_a_store_is_created_leaves_one_that_opens(
    tmp_path: Path, seeded: Callable[[], random.Random]
) -> None:
    """Killed at any moment of its first opening, the path opens next time: as nothing yet or as a whole store."""
    chance = seeded()
    for number in range(6):
        path = tmp_path / f"{number}.db"
        child = subprocess.Popen([sys.executable, "-c", f"from tract import Tract; Tract.open({str(path)!r})"])
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(f"{number}.db*")) and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.03))
        child.kill()
        child.wait()

        with Tract.open(path) as t:
            t.user("Hello.")
            assert t.fsck() == []
