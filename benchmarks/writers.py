"""What happens when several processes append to one file? Errors, lost messages, throughput."""

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks import workload
from benchmarks.systems import SYSTEMS
from benchmarks.systems.tract_ import TractHandle

_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class WritersResult:
    """What all writers did together."""

    appends_per_second: float
    errors: int
    lost: int
    first_error: str


def _write(
    name: str, directory: Path, items: list[workload.Message], *, barrier: Barrier, results: "Queue[object]"
) -> None:
    """Append *items* once every writer is ready; runs in a child."""
    system = SYSTEMS[name]
    system.missing()
    handle = system.open(directory)
    errors: list[str] = []
    barrier.wait(_PATIENCE_SECONDS)
    begun = time.perf_counter()
    for item in items:
        try:
            handle.append(item)
        # Whatever a system raises is what is being counted.
        except Exception as error:  # noqa: BLE001
            errors.append(f"{type(error).__name__}: {error}")
    ended = time.perf_counter()
    handle.close()
    results.put((begun, ended, errors))


def run_writers(name: str, directory: Path, *, processes: int, count: int) -> WritersResult:
    """Let *processes* append *count* messages each to the store in *directory*."""
    SYSTEMS[name].open(directory).close()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    results: Queue[tuple[float, float, list[str]]] = context.Queue()
    children = [
        context.Process(
            target=_write,
            args=(name, directory, list(workload.messages(0, count, seed=seed))),
            kwargs={"barrier": barrier, "results": results},
        )
        for seed in range(2, processes + 2)
    ]
    for child in children:
        child.start()
    found = [results.get(timeout=_PATIENCE_SECONDS) for _ in children]
    for child in children:
        child.join()
    handle = SYSTEMS[name].open(directory)
    stored = handle.count() if isinstance(handle, TractHandle) else len(handle.read_all())
    handle.close()
    errors = [line for _, _, lines in found for line in lines]
    # The clock is the system's monotonic one, shared by all processes.
    seconds = max(ended for _, ended, _ in found) - min(begun for begun, _, _ in found)
    appended = processes * count - len(errors)
    return WritersResult(
        appends_per_second=appended / seconds,
        errors=len(errors),
        lost=appended - stored,
        first_error=errors[0] if errors else "",
    )
