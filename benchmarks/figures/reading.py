"""What does it cost to have the messages for the next model call?"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks import workload
from benchmarks.bench import Bench, Row, interleave
from benchmarks.cold import cold_seconds
from benchmarks.figures.registry import figure
from benchmarks.systems import Handle
from benchmarks.systems.kernel import KernelHandle

_COLD_LENGTH = 10_000
# These differ from a sibling in writing only.
_WRITERS = ("kernel-tokens", "tract-no-tokens", "openai-session-inline", "pygit2-fsync")


class _AfterAppend:
    """Appends one message outside the clock, then times what `read` does."""

    def __init__(self, handle: Handle, n: int) -> None:
        self._handle = handle
        self._next = n
        handle.compile()

    def seconds(self) -> float:
        """Return the seconds of one compile with one new message."""
        self._handle.append(workload.message(self._next))
        self._next += 1
        begun = time.perf_counter()
        self._handle.compile()
        return time.perf_counter() - begun


def _mean_seconds(call: Callable[[], object], repeats: int) -> float:
    begun = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begun) / repeats


@figure("compile-after-append")
def compile_after_append(bench: Bench) -> Iterator[Row]:
    """Time a compile on a warm handle when one message is new."""
    for n in bench.ns:
        systems = bench.everyone(n)
        for name in _WRITERS:
            systems.pop(name, None)
        for name, system in systems.items():
            with bench.opened(system, n) as handle:
                after = _AfterAppend(handle, n)
                after.seconds()
                rounds = bench.rounds * 3 if name == "tract" else min(bench.rounds, 5)
                seconds = interleave({name: after.seconds}, rounds=rounds)[name].median
            is_judged = name == "tract"
            yield Row(
                figure="compile-after-append",
                system=name,
                n=n,
                value=seconds * 1e6,
                unit="us",
                target="< 100 us" if is_judged else "",
                is_met=seconds < 100e-6 if is_judged else None,
            )


@figure("compile-warm")
def compile_warm(bench: Bench) -> Iterator[Row]:
    """Time a compile on a warm handle with nothing new, and the kernel's look at the tip."""
    for n in bench.ns:
        systems = bench.taking_part(["kernel", "tract"], n)
        with ExitStack() as stack:
            handles = {name: stack.enter_context(bench.opened(system, n)) for name, system in systems.items()}
            contestants: dict[str, Callable[[], float]] = {}
            kernel, tract = handles.get("kernel"), handles.get("tract")
            if isinstance(kernel, KernelHandle):
                contestants["kernel"] = partial(_mean_seconds, kernel.find_head, 200)
            if tract is not None:
                tract.compile()
                contestants["tract"] = partial(_mean_seconds, tract.compile, 200)
            found = interleave(contestants, rounds=bench.rounds)
        if "kernel" not in found:
            continue
        check = found["kernel"].median
        yield Row("compile-warm", "kernel", n, check * 1e6, "us", note="one look at the tip")
        if "tract" in found:
            seconds = found["tract"].median
            yield Row(
                figure="compile-warm",
                system="tract",
                n=n,
                value=seconds * 1e6,
                unit="us",
                against="kernel",
                ratio=found["tract"].ratio(found["kernel"]),
                target="< 20 us + the kernel's look",
                is_met=seconds < 20e-6 + check,
            )


@figure("cold")
def cold(bench: Bench) -> Iterator[Row]:
    """Time open and read in a new process, against the kernel's read of the same messages."""
    for n in bench.ns:
        systems = bench.everyone(n)
        for name in _WRITERS:
            systems.pop(name, None)
        contestants: dict[str, Callable[[], float]] = {}
        for name, system in systems.items():
            run = partial(cold_seconds, name, bench.store(system, n), n=n)
            contestants[name] = partial(run, method="compile")
            if name == "tract":
                contestants["tract to_openai"] = partial(run, method="read_all")
        found = interleave(contestants, rounds=max(3, bench.rounds // 2))
        for name, samples in found.items():
            ratio = samples.ratio(found["kernel"]) if "kernel" in found else None
            is_judged = name == "tract" and n == _COLD_LENGTH
            verified = found.get("kernel-verified")
            yield Row(
                figure="cold",
                system=name,
                n=n,
                value=samples.median * 1e3,
                unit="ms",
                against="kernel",
                ratio=ratio,
                target="<= 1.5x kernel" if is_judged else "",
                is_met=ratio <= 1.5 if is_judged and ratio is not None else None,
                note=f"{samples.ratio(verified):.2f}x kernel-verified" if verified else "",
            )
