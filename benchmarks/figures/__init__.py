"""Which figures are measured? Every file here adds rows; to add one, write one function.

A figure is a function from a `Bench` to rows, under a name for `--only`:

    @figure("log")
    def log(bench: Bench) -> Iterator[Row]:
        ...

A file that is new needs a line in `_FILES`.
"""

import importlib

from benchmarks.figures.registry import FIGURES, Figure, figure

__all__ = ["FIGURES", "Figure", "figure"]

_FILES = ("commit", "reading", "disk", "processes", "imports", "policies", "refs", "forks", "search")

for _name in _FILES:
    importlib.import_module(f"{__name__}.{_name}")
