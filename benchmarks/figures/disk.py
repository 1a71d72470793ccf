"""How many bytes does a commit take beyond the message itself?"""

from collections.abc import Iterator

from benchmarks import workload
from benchmarks.bench import Bench, Row, tree_bytes
from benchmarks.figures.registry import figure


@figure("disk")
def disk(bench: Bench) -> Iterator[Row]:
    """Divide what the closed files take beyond the messages as compact JSON."""
    for n in bench.ns:
        content = sum(workload.content_bytes(item) for item in workload.messages(0, n))
        seen: set[str] = set()
        for system in bench.everyone(n).values():
            if system.store in seen:
                continue
            seen.add(system.store)
            beyond = (tree_bytes(bench.store(system, n)) - content) / n
            is_judged = system.store == "tract" and n >= 1_000
            yield Row(
                figure="disk",
                system=system.store,
                n=n,
                value=beyond,
                unit="bytes",
                target="<= 450 bytes" if is_judged else "",
                is_met=beyond <= 450 if is_judged else None,
                note=f"content {content / n:.0f} bytes",
            )
