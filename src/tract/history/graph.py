"""Answers how a branch graph is drawn: which column each commit stands in and where its lines go.

Pure: takes commits newest first with their parents, gives rows. A terminal turns rows into
characters; nothing here knows one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)


class Edge(NamedTuple):
    """A line from a column of one row to a column of the next."""

    start: int
    end: int


class Row(NamedTuple, Generic[K]):
    """One commit in the graph.

    Attributes:
        commit: Its key.
        column: The column it stands in, from 0.
        above: Columns in which a line comes in from the row above (its own included, unless it is a tip).
        edges: Lines to the next row; those of this commit start in `column`.
        width: How many columns this row and its lines take.
    """

    commit: K
    column: int
    above: tuple[int, ...]
    edges: tuple[Edge, ...]
    width: int


def draw(commits: Iterable[tuple[K, Sequence[K]]]) -> Iterator[Row[K]]:
    """Yield a row for each of *commits*, which come children before parents.

    A commit stands in the column that waits for it, else in the first free one. Its first parent goes
    on in the same column, so a branch stays a straight line; where several lines lead to one parent,
    they meet in the leftmost of their columns.

    Args:
        commits: Key and parents of each commit, first parent first. A parent that never comes keeps
            its line open to the end.

    Cost:
        O(columns) per row.
    """
    waiting: list[K | None] = []
    for commit, parents in commits:
        above = tuple(index for index, key in enumerate(waiting) if key is not None)
        column = _column_of(waiting, commit)
        before = list(waiting)
        if column == len(before):
            before.append(None)
        after: list[K | None] = [None if key == commit else key for key in before]
        if parents:
            _meet(after, parents[0], column)
        edges = [Edge(column, _place(after, parent)) for parent in parents]
        # Each other line goes straight on, or over to the column where it now meets this commit's.
        edges += [
            Edge(index, after.index(key)) for index, key in enumerate(before) if key is not None and key != commit
        ]
        while after and after[-1] is None:
            after.pop()
        waiting = after
        width = max([column, *above, *(end for edge in edges for end in edge)], default=0) + 1
        yield Row(commit, column, above, tuple(sorted(set(edges))), width)


def _column_of(waiting: list[K | None], commit: K) -> int:
    for index, key in enumerate(waiting):
        if key == commit:
            return index
    return _free(waiting)


def _free(columns: list[K | None]) -> int:
    for index, key in enumerate(columns):
        if key is None:
            return index
    return len(columns)


def _meet(columns: list[K | None], parent: K, column: int) -> None:
    """Let the free *column* wait for *parent*, unless one further left does already."""
    if parent in columns[:column]:
        return
    if parent in columns:
        columns[columns.index(parent)] = None
    columns[column] = parent


def _place(columns: list[K | None], parent: K) -> int:
    """Return the column that waits for *parent*, making one if none does."""
    if parent in columns:
        return columns.index(parent)
    column = _free(columns)
    if column == len(columns):
        columns.append(parent)
    else:
        columns[column] = parent
    return column
