"""Where are figures kept? In one dict, in the order they were defined."""

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench, Row

Figure = Callable[[Bench], Iterator[Row]]

FIGURES: dict[str, Figure] = {}


def figure(name: str) -> Callable[[Figure], Figure]:
    """Register the function below as the figure *name*."""

    def register(function: Figure) -> Figure:
        FIGURES[name] = function
        return function

    return register
