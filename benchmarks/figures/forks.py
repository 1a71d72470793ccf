"""What do branches and forks add to a store, beyond what is said on them?"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.bench import Bench, Row, interleave, tree_bytes
from benchmarks.figures.registry import figure
from benchmarks.systems.tract_ import NullCounter, TractHandle
from benchmarks.workload import Message

_BRANCHES = 20
_TURNS = 500
_LIMIT = 1.2
_ROWS_OF_A_SPAWN = 10
_REAL = Path(__file__).parents[2] / "tests" / "data" / "airline-conversations.jsonl"

Turn = list[Message]


# --- what a spawn writes, and what it spares the child ---------------------------------------------


def _rows(path: Path) -> dict[str, int]:
    """Return how many rows each table has."""
    with closing(sqlite3.connect(path)) as raw:
        kinds = raw.execute("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main'").fetchall()
        names = sorted(name for (name,) in kinds if not name.startswith("sqlite_"))
        return {name: raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


@figure("spawn rows")
def spawn_rows(bench: Bench) -> Iterator[Row]:
    """Count the rows of each table before and after a fork of all the history."""
    if "tract" not in bench.systems:
        return
    for n in bench.ns:
        with bench.opened(bench.systems["tract"], n) as handle:
            assert isinstance(handle, TractHandle)
            path = Path(handle.tract._store.database.location)
            before = _rows(path)
            handle.tract.spawn("work")
            after = _rows(path)
        added = sum(after.values()) - sum(before.values())
        changed = ", ".join(f"{name} {before[name]} -> {after[name]}" for name in after if after[name] != before[name])
        yield Row(
            figure="spawn rows", system="tract", n=n, value=added, unit="rows", target=f"= {_ROWS_OF_A_SPAWN}",
            is_met=added == _ROWS_OF_A_SPAWN, note=changed,
        )  # fmt: skip


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _first_context(t: Any) -> float:
    """Start a child of a parent that knows its context, and compile the child's first one inside the clock."""
    t.compile()
    child = t.spawn("work")
    child.user("On it.")
    return _seconds(child.compile)


def _read_again(t: Any, at: str) -> float:
    t._store.memo.clear()
    return _seconds(lambda: t.compile(at=at))


@figure("spawn, first context")
def first_context(bench: Bench) -> Iterator[Row]:
    """Time the first compile of a child against one that reads the same history."""
    if "tract" not in bench.systems:
        return
    for n in bench.ns:
        with ExitStack() as stack:
            handle = stack.enter_context(bench.opened(bench.systems["tract"], n))
            assert isinstance(handle, TractHandle)
            t, at = handle.tract, handle.tract.head
            contestants = {"child": partial(_first_context, t), "read": partial(_read_again, t, at)}
            found = interleave(contestants, rounds=bench.rounds)
        yield Row(
            figure="spawn, first context", system="tract", n=n, value=found["child"].median * 1e6, unit="us",
            against="read again", ratio=found["child"].ratio(found["read"]),
        )  # fmt: skip


# --- twenty branches of five hundred turns ---------------------------------------------------------


def _mixed_turns() -> Iterator[Turn]:
    """Yield turns of the benchmark's mix: a question, a call, its result, a reply."""
    for number in count():
        yield list(workload.messages(number * workload.CYCLE, (number + 1) * workload.CYCLE))


def real_turns() -> Iterator[Turn]:
    """Yield turns of recorded conversations, over and over; a number in front makes each text a new one."""
    conversations = [json.loads(line)["messages"] for line in _REAL.read_text(encoding="utf-8").splitlines()]
    number = 0
    while True:
        for messages in conversations:
            turn: Turn = []
            for item in messages:
                if item["role"] == "user" and turn:
                    yield turn
                    turn = []
                number += 1
                turn.append(item if item.get("content") is None else item | {"content": f"{number} {item['content']}"})
            yield turn


def store_bytes(directory: Path, turns: list[Turn], *, trunk: int, branches: int) -> int:
    """Say *trunk* turns, then the rest on *branches* that fork there; return the bytes of the closed store."""
    from tract import Tract

    with Tract.open(directory / "tract.db", durability="off", tokenizer=NullCounter()) as t:
        for turn in turns[:trunk]:
            _say(t, turn)
        fork = t.head
        own = (len(turns) - trunk) // branches
        for number in range(branches):
            if number and fork is not None:
                t.branch(f"branch-{number}", at=fork)
            for turn in turns[trunk + number * own : trunk + (number + 1) * own]:
                _say(t, turn)
    return tree_bytes(directory)


def _say(t: Any, turn: Turn) -> None:
    for item in turn:
        t.commit(item)


@figure("branches")
def branches(bench: Bench) -> Iterator[Row]:
    """Divide the bytes of a store with twenty branches of 500 turns by those of what was said, once each.

    What was said is every distinct message as compact JSON; the other rows divide by the bytes that the same
    messages take in one history without a branch, which shows what branching itself costs.
    """
    if "tract" not in bench.systems:
        return
    short = max(bench.ns) < 1_000
    turns_each = 10 if short else _TURNS
    for source, make in (("benchmark mix", _mixed_turns), ("real conversations", real_turns)):
        # Shared: all but the last 20 turns of each branch are those of the trunk.
        for shape, trunk in (("own turns", 1), ("shared turns", turns_each - turns_each // 25)):
            total = trunk + _BRANCHES * (turns_each - trunk)
            turns = list(islice(make(), total))
            said = sum(workload.content_bytes(item) for turn in turns for item in turn)
            messages = sum(map(len, turns))
            with bench.empty_directory() as first, bench.empty_directory() as second:
                forked = store_bytes(first, turns, trunk=trunk, branches=_BRANCHES)
                straight = store_bytes(second, turns, trunk=total, branches=1)
            note = f"{source}, {shape}: {messages:,} messages of {said / messages:.0f} bytes, {forked:,} bytes on disk"
            for against, other in (("what was said", said), ("one history", straight)):
                ratio = forked / other
                yield Row(
                    figure="branches", system="tract", n=_BRANCHES * turns_each, value=forked / messages,
                    unit="bytes", against=against, ratio=ratio, target=f"<= {_LIMIT}x", is_met=ratio <= _LIMIT,
                    note=note,
                )  # fmt: skip
