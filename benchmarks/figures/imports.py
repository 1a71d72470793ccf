"""How long does `import tract` take?"""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench, Row, interleave
from benchmarks.figures.registry import figure

_SOURCES = {
    "sqlalchemy + pydantic": "import sqlalchemy, pydantic; pydantic.BaseModel",
    "tract": "import tract",
    # Names load when first used, so the bare import alone would say little.
    "tract.Tract": "import tract; tract.Tract",
}
_ALLOWED_SECONDS = 0.030


def _import_seconds(source: str) -> float:
    """Return the seconds *source* takes in a new process, the start of Python aside."""
    script = f"import time; t = time.perf_counter()\n{source}\nprint(time.perf_counter() - t)"
    command = [sys.executable, "-c", script]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@figure("import")
def import_time(bench: Bench) -> Iterator[Row]:
    """Time imports in new processes."""
    sources = dict(_SOURCES)
    if "tract" not in bench.systems:
        sources = {name: source for name, source in sources.items() if "tract" not in name}
    contestants = {name: partial(_import_seconds, source) for name, source in sources.items()}
    found = interleave(contestants, rounds=bench.rounds)
    base = found["sqlalchemy + pydantic"]
    for name, samples in found.items():
        is_judged = name.startswith("tract")
        allowed = base.median + _ALLOWED_SECONDS
        yield Row(
            figure="import",
            system=name,
            n=0,
            value=samples.median * 1e3,
            unit="ms",
            against="sqlalchemy + pydantic" if is_judged else "",
            ratio=samples.ratio(base) if is_judged else None,
            target=f"<= {allowed * 1e3:.0f} ms" if is_judged else "",
            is_met=samples.median <= allowed if is_judged else None,
        )
