"""How are the figures shown? As plain tables, one per figure, with targets and growth."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.bench import Row, growth_exponent
from benchmarks.systems import System

_HEADINGS = ("system", "n", "value", "unit", "ratio", "against", "target", "met", "note")


def _cells(row: Row) -> tuple[str, ...]:
    value = f"{row.value:,.2f}" if row.value < 10 else f"{row.value:,.0f}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    met = {True: "yes", False: "NO", None: ""}[row.is_met]
    length = f"{row.n:,}" if row.n else ""
    against = row.against if row.ratio is not None else ""
    return (row.system, length, value, row.unit, ratio, against, row.target, met, row.note)


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def exponents(rows: Iterable[Row]) -> dict[str, float]:
    """Return the growth exponent of each system measured at two lengths or more."""
    points: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        points.setdefault(row.system, []).append((row.n, row.value))
    found = {name: growth_exponent(values) for name, values in points.items()}
    return {name: exponent for name, exponent in found.items() if exponent is not None}


def figure_table(name: str, rows: Sequence[Row]) -> str:
    """Return one figure as text."""
    lines = [f"== {name}"]
    if not rows:
        return f"{lines[0]}\n(nothing to measure in this run)\n"
    lines.extend(_aligned([_HEADINGS, *(_cells(row) for row in rows)]))
    growth = exponents(rows)
    if growth:
        parts = (f"{system} {exponent:+.2f}" for system, exponent in growth.items())
        lines.append(f"growth exponent in n: {', '.join(parts)}")
    return "\n".join(lines) + "\n"


def systems_table(systems: Mapping[str, System], missing: Mapping[str, str]) -> str:
    """Return who takes part, on what terms, and who does not."""
    lines = [(name, f"n <= {system.max_n:,}", missing.get(name, system.note)) for name, system in systems.items()]
    return "== systems\n" + "\n".join(_aligned(lines)) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """Return how many targets are met and which are not."""
    judged = [row for row in rows if row.is_met is not None]
    failed = [row for row in judged if not row.is_met]
    lines = [f"{len(judged) - len(failed)} of {len(judged)} targets met"]
    lines.extend(f"  missed: {row.figure}, {row.system}, n={row.n:,}" for row in failed)
    return "\n".join(lines) + "\n"


def as_document(rows: Sequence[Row], missing: Mapping[str, str]) -> dict[str, Any]:
    """Return everything as one JSON document."""
    by_figure: dict[str, list[Row]] = {}
    for row in rows:
        by_figure.setdefault(row.figure, []).append(row)
    return {
        "schema_version": 1,
        "rows": [asdict(row) for row in rows],
        "growth_exponents": {name: exponents(found) for name, found in by_figure.items()},
        "missing": dict(missing),
    }
