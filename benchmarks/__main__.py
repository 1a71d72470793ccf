"""Runs the benchmark: which lengths, systems and figures, and where the results go."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import Bench, Row
from benchmarks.figures import FIGURES
from benchmarks.report import as_document, figure_table, summary, systems_table
from benchmarks.systems import SYSTEMS, System

_LENGTHS = (100, 1_000, 10_000, 100_000)
_QUICK_LENGTHS = (100, 1_000)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", help=f"lengths of history {_LENGTHS}")
    parser.add_argument("--only", nargs="+", choices=list(FIGURES), help="these figures")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), help="these systems")
    parser.add_argument("--rounds", type=int, help="rounds per figure (9)")
    parser.add_argument("--quick", action="store_true", help="short histories, few rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    return parser


def _divide(names: Sequence[str]) -> tuple[dict[str, System], dict[str, str]]:
    """Return the systems that can take part, and why the others cannot."""
    missing: dict[str, str] = {}
    systems: dict[str, System] = {}
    for name in names:
        reason = SYSTEMS[name].missing()
        if reason is None:
            systems[name] = SYSTEMS[name]
        else:
            missing[name] = reason
    return systems, missing


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 0 whether targets are met or not."""
    options = _parser().parse_args(argv)
    lengths = sorted(options.n or (_QUICK_LENGTHS if options.quick else _LENGTHS))
    names = options.systems or list(SYSTEMS)
    systems, missing = _divide(names)
    out = sys.stdout
    out.write(systems_table({name: SYSTEMS[name] for name in names}, missing) + "\n")
    rounds = options.rounds or (3 if options.quick else 9)

    def progress(line: str) -> None:
        sys.stderr.write(f"... {line}\n")

    rows: list[Row] = []
    with Bench(ns=lengths, systems=systems, rounds=rounds, progress=progress) as bench:
        for name in options.only or FIGURES:
            progress(name)
            found = list(FIGURES[name](bench))
            rows.extend(found)
            out.write(figure_table(name, found) + "\n")
            out.flush()
    out.write(summary(rows))
    if options.json:
        document = as_document(rows, missing)
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
