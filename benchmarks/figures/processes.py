"""What happens when eight processes append to one file?"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, Row, interleave
from benchmarks.figures.registry import figure
from benchmarks.writers import WritersResult, run_writers

_PROCESSES = 8


class _Writing:
    """Runs the writers on a new store each round and keeps every result."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench = bench
        self._name = name
        self.results: list[WritersResult] = []

    def appends_per_second(self) -> float:
        """Run one round."""
        with self._bench.empty_directory() as directory:
            result = self._run(directory)
        self.results.append(result)
        return result.appends_per_second

    def _run(self, directory: Path) -> WritersResult:
        count = self._bench.appends
        return run_writers(self._name, directory, processes=_PROCESSES, count=count)


@figure("processes")
def processes(bench: Bench) -> Iterator[Row]:
    """Let eight processes append at once; nothing may fail or be lost."""
    n = _PROCESSES * bench.appends
    wanted = ["kernel", "tract-no-tokens", "tract", "openai-session", "openai-advanced"]
    writing = {name: _Writing(bench, name) for name in bench.taking_part(wanted, n)}
    contestants = {name: partial(_Writing.appends_per_second, w) for name, w in writing.items()}
    found = interleave(contestants, rounds=max(2, bench.rounds // 3))
    for name, samples in found.items():
        errors = sum(result.errors for result in writing[name].results)
        lost = sum(result.lost for result in writing[name].results)
        first = next((r.first_error for r in writing[name].results if r.first_error), "")
        ratio = samples.ratio(found["kernel"]) if "kernel" in found else None
        is_judged = name == "tract-no-tokens" and ratio is not None
        yield Row(
            figure="processes",
            system=name,
            n=n,
            value=samples.median,
            unit="appends/s",
            against="kernel",
            ratio=ratio,
            target=">= 0.8x kernel, 0 errors, 0 lost" if is_judged else "",
            is_met=(ratio or 0) >= 0.8 and not errors and not lost if is_judged else None,
            note=f"{errors} errors, {lost} lost {first}"[:90].strip(),
        )
