"""What does a search cost, and does it matter how much other tracts of the store say?"""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Row, interleave
from benchmarks.figures.registry import figure
from benchmarks.systems.tract_ import NullCounter, TractHandle

_LIMIT = 1.5
_WORDS = 5_000
_LENGTH = 30
_IN_A_BATCH = 1_000
_REPEATS = 5

# A word of one message; of two that hold one each; the name all messages begin with and one number.
_QUERIES = ("note417", "note42 note4217 -nothing", "role:user note3141")


def _vocabulary() -> list[str]:
    rng = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(_WORDS)]


def _fill(t: Any, count: int) -> None:
    """Commit *count* messages of about 200 bytes; every tract says the same."""
    rng, words = random.Random(2), _vocabulary()
    for start in range(0, count, _IN_A_BATCH):
        with t.batch():
            for number in range(start, min(count, start + _IN_A_BATCH)):
                t.user(f"note{number} {' '.join(rng.choices(words, k=_LENGTH))}")


def _open(directory: Path, name: str) -> Any:
    from tract import Tract

    return Tract.open(directory / "tract.db", tract=name, tokenizer=NullCounter(), durability="off")


def _searching(t: Any) -> Callable[[], float]:
    def block() -> float:
        begun = time.perf_counter()
        for _ in range(_REPEATS):
            for query in _QUERIES:
                t.search(query)
        return (time.perf_counter() - begun) / (_REPEATS * len(_QUERIES))

    return block


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


@figure("search")
def search(bench: Bench) -> Iterator[Row]:
    """Time searches of a tract alone in its store, and beside one that holds as much with the same words."""
    if "tract" not in bench.systems:
        return
    for n in bench.ns:
        with ExitStack() as stack:
            alone, beside = (stack.enter_context(bench.empty_directory()) for _ in range(2))
            handle = _open(alone, "own")
            _fill(handle, n)
            first = _seconds(lambda t=handle: t.search("note417"))
            handle.close()
            shutil.copytree(alone, beside, dirs_exist_ok=True)
            other = _open(beside, "unrelated")
            stack.callback(other.close)
            _fill(other, n)
            other.search("note417")
            handles = {"alone": _open(alone, "own"), "beside": _open(beside, "own")}
            for t in handles.values():
                stack.callback(t.close)
                t.search("note417")
            found = interleave({name: _searching(t) for name, t in handles.items()}, rounds=bench.rounds)
            append = interleave(
                {name: lambda t=t: _seconds(lambda: TractHandle(t).append({"role": "user", "content": "x"}))
                 for name, t in handles.items()}, rounds=bench.rounds,
            )  # fmt: skip
        yield _row("first search, per commit", n, first / n * 1e6, "us")
        yield _row("search", n, found["alone"].median * 1e3, "ms")
        ratio = found["beside"].ratio(found["alone"])
        yield Row(
            figure="search", system="tract", n=n, value=found["beside"].median * 1e3, unit="ms",
            against="alone in the store", ratio=ratio, target=f"<= {_LIMIT}", is_met=ratio <= _LIMIT,
            note=f"beside {n:,} unrelated commits",
        )  # fmt: skip
        yield _row("append after a search", n, append["alone"].median * 1e6, "us")


def _row(note: str, n: int, value: float, unit: str) -> Row:
    return Row(figure="search", system="tract", n=n, value=value, unit=unit, note=note)
