"""What does one durable commit cost, and how does that grow?"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from benchmarks import workload
from benchmarks.bench import Bench, Row, Samples, append_seconds, interleave
from benchmarks.figures.registry import figure
from benchmarks.statements import recorded_statements
from benchmarks.systems import Handle, System

_LONG = 100_000
_SHORT = 1_000
# Against which system, the largest ratio allowed.
_LIMITS = {"tract": ("kernel-tokens", 1.4), "tract-no-tokens": ("kernel", 2.0)}


class _Appending:
    """Appends blocks to a copy of one store, which grows from *n* by a block each time."""

    def __init__(self, handle: Handle, n: int, count: int) -> None:
        self._handle = handle
        self._next = n
        self._count = count
        self.cpu_seconds: list[float] = []

    def block(self) -> float:
        """Append one block; return the mean seconds of one append."""
        warm_up = 4
        append_seconds(self._handle, self._next, warm_up)
        count = self._count
        # Messages are made before the clock of `append_seconds` starts but would be charged
        # to the processor's, so that one is read again around making them alone.
        cpu = time.process_time()
        seconds = append_seconds(self._handle, self._next + warm_up, count)
        cpu = time.process_time() - cpu - _cpu_of_making(self._next + warm_up, count)
        self.cpu_seconds.append(cpu / count)
        self._next += warm_up + count
        return seconds


def _appending(bench: Bench, system: System, n: int, stack: ExitStack) -> _Appending:
    return _Appending(stack.enter_context(bench.opened(system, n)), n, bench.appends)


def _cpu_of_making(start: int, count: int) -> float:
    from_processor = time.process_time()
    for index in range(start, start + count):
        workload.message(index)
    return time.process_time() - from_processor


def _contest(bench: Bench, systems: Mapping[str, System], n: int) -> tuple[dict[str, Samples], dict[str, Samples]]:
    """Return wall and processor seconds per append of each system at length *n*."""
    with ExitStack() as stack:
        appending = {name: _appending(bench, system, n, stack) for name, system in systems.items()}
        blocks = {name: found.block for name, found in appending.items()}
        wall = interleave(blocks, rounds=bench.rounds)
        cpu = {name: Samples(tuple(found.cpu_seconds)) for name, found in appending.items()}
    return wall, cpu


@figure("commit")
def commit(bench: Bench) -> Iterator[Row]:
    """Time one durable commit at each length, against the kernel."""
    for n in bench.ns:
        systems = bench.everyone(n)
        systems.pop("kernel-verified", None)  # It differs in reading only.
        wall, cpu = _contest(bench, systems, n)
        for name, samples in wall.items():
            against, limit = _LIMITS.get(name, ("kernel", None))
            ratio = samples.ratio(wall[against]) if against in wall else None
            yield Row(
                figure="commit",
                system=name,
                n=n,
                value=samples.median * 1e6,
                unit="us",
                against=against,
                ratio=ratio,
                target=f"<= {limit}x {against}" if limit else "",
                is_met=ratio <= limit if limit and ratio is not None else None,
                note=f"cpu {cpu[name].median * 1e6:.0f} us",
            )


@figure("commit-against-session")
def commit_against_session(bench: Bench) -> Iterator[Row]:
    """Time one commit against one `SQLiteSession.add_items`, at the default settings of both."""
    n = max((n for n in bench.ns if n <= _SHORT), default=min(bench.ns))
    systems = bench.taking_part(["tract", "openai-session"], n)
    if len(systems) < 2:
        return
    wall, _ = _contest(bench, systems, n)
    ratio = wall["tract"].ratio(wall["openai-session"])
    yield Row(
        figure="commit-against-session",
        system="tract",
        n=n,
        value=wall["tract"].median * 1e6,
        unit="us",
        against="openai-session",
        ratio=ratio,
        target="< 1x",
        is_met=ratio < 1,
    )


@figure("commit-growth")
def commit_growth(bench: Bench) -> Iterator[Row]:
    """Time an append to a long history against one to a short history, in the same rounds."""
    long, short = max(bench.ns), _SHORT
    if long <= short:
        return
    wanted = ["kernel", "tract", "openai-session-inline"]
    for name, system in bench.taking_part(wanted, long).items():
        with ExitStack() as stack:
            blocks = {
                "long": _appending(bench, system, long, stack).block,
                "short": _appending(bench, system, short, stack).block,
            }
            wall = interleave(blocks, rounds=bench.rounds)
        ratio = wall["long"].ratio(wall["short"])
        is_judged = name == "tract" and long == _LONG
        yield Row(
            figure="commit-growth",
            system=name,
            n=long,
            value=wall["long"].median * 1e6,
            unit="us",
            against=f"n={short:,}",
            ratio=ratio,
            target="<= 1.3x" if is_judged else "",
            is_met=ratio <= 1.3 if is_judged else None,
        )


@figure("statements")
def statements(bench: Bench) -> Iterator[Row]:
    """Count SQL statements per commit, BEGIN and COMMIT aside."""
    wanted = ["kernel", "tract", "openai-session", "openai-advanced", "langgraph"]
    for n in bench.ns:
        for name, system in bench.taking_part(wanted, n).items():
            with recorded_statements() as log, bench.opened(system, n) as handle:
                append_seconds(handle, n, 4)
                log.clear()
                append_seconds(handle, n + 4, 4)
                count = len(log.statements) / 4
            is_judged = name == "tract"
            yield Row(
                figure="statements",
                system=name,
                n=n,
                value=count,
                unit="statements",
                target="<= 6" if is_judged else "",
                is_met=count <= 6 if is_judged else None,
            )
