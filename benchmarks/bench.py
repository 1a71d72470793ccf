"""How is a figure measured? Stores built once and copied, contestants interleaved, medians.

The machine is shared and its noise comes in waves, so contestants take turns in short blocks
(A B C, B C A, ...) and ratios are taken within a round before their median is taken.
"""

import math
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks import workload
from benchmarks.systems import Handle, System


@dataclass(frozen=True)
class Row:
    """One measured figure of one system at one length of history.

    `value` is in `unit`; `ratio` compares it with `against` in the same rounds; `is_met` says
    whether `target` is reached and is None where there is no target.
    """

    figure: str
    system: str
    n: int
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    target: str = ""
    is_met: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Samples:
    """What one contestant measured, one value per round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def ratio(self, other: "Samples") -> float:
        """Return the median over rounds of this value by the other's."""
        pairs = zip(self.values, other.values, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


def interleave(contestants: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, Samples]:
    """Run every contestant once per round, starting with another one each time."""
    names = list(contestants)
    values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % max(1, len(names))
        for name in names[shift:] + names[:shift]:
            values[name].append(contestants[name]())
    return {name: Samples(tuple(found)) for name, found in values.items()}


def growth_exponent(points: Sequence[tuple[int, float]]) -> float | None:
    """Return the slope of log(value) over log(n): 0 is flat, 1 linear, 2 square.

    Needs two lengths and values above zero, else there is no slope to tell.
    """
    usable = [(math.log(n), math.log(value)) for n, value in points if n > 0 and value > 0]
    if len({x for x, _ in usable}) < 2:
        return None
    return statistics.linear_regression(*zip(*usable, strict=True)).slope


def tree_bytes(directory: Path) -> int:
    """Return the bytes of all files below *directory*."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def append_seconds(handle: Handle, start: int, count: int) -> float:
    """Append messages made beforehand; return the mean seconds of one.

    The mean of a block, not its median: a checkpoint of the log is part of the price.
    """
    items = list(workload.messages(start, start + count))
    begun = time.perf_counter()
    for item in items:
        handle.append(item)
    return (time.perf_counter() - begun) / count


@dataclass
class Bench:
    """One run: the lengths and systems asked for, and the stores built so far."""

    ns: Sequence[int]
    systems: Mapping[str, System]
    rounds: int = 9
    appends: int = 50
    progress: Callable[[str], None] = lambda _line: None
    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="tract-bench-")))
    _built: dict[tuple[str, int], Path] = field(default_factory=dict)
    _lent: int = 0

    def __enter__(self) -> Self:
        """Start with an empty directory for the stores."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove every store."""
        shutil.rmtree(self.root, ignore_errors=True)

    def taking_part(self, names: Sequence[str], n: int) -> dict[str, System]:
        """Return those of *names* that take part in this run and hold *n* messages."""
        found = {name: self.systems[name] for name in names if name in self.systems}
        return {name: system for name, system in found.items() if n <= system.max_n}

    def everyone(self, n: int) -> dict[str, System]:
        """Return every system of this run that holds *n* messages."""
        return self.taking_part(list(self.systems), n)

    def store(self, system: System, n: int) -> Path:
        """Return the directory of a store with *n* messages; only read it."""
        if (system.store, n) not in self._built:
            self._build(system, n)
        return self._built[system.store, n]

    def _build(self, system: System, n: int) -> None:
        """Extend the longest shorter store, so a series of lengths costs the last one only."""
        shorter = [size for name, size in self._built if name == system.store and size < n]
        start = max(shorter, default=0)
        self.progress(f"building {system.store} with {n:,} messages")
        directory = self.root / f"{system.store}-{n}"
        if start:
            shutil.copytree(self._built[system.store, start], directory)
        else:
            directory.mkdir()
        handle = system.open(directory, is_durable=False)
        try:
            for item in workload.messages(start, n):
                handle.append(item)
        finally:
            handle.close()
        self._built[system.store, n] = directory

    @contextmanager
    def empty_directory(self) -> Iterator[Path]:
        """Lend a new directory."""
        self._lent += 1
        directory = self.root / f"lent-{self._lent}"
        directory.mkdir()
        try:
            yield directory
        finally:
            shutil.rmtree(directory)

    @contextmanager
    def copy(self, system: System, n: int) -> Iterator[Path]:
        """Lend a copy of the store with *n* messages, to write to."""
        with self.empty_directory() as directory:
            shutil.copytree(self.store(system, n), directory, dirs_exist_ok=True)
            # Else the first durable append would wait for the copied pages too.
            os.sync()
            yield directory

    @contextmanager
    def opened(self, system: System, n: int) -> Iterator[Handle]:
        """Lend an open handle on a copy of the store with *n* messages."""
        with self.copy(system, n) as directory:
            handle = system.open(directory)
            try:
                yield handle
            finally:
                handle.close()
