"""Answers how a branch graph looks in a terminal: characters for the rows of `tract.history.graph`.

A commit is `@` where HEAD stands, `◆` with a tag on it, `○` otherwise. Under a commit where lines meet or
part comes a line of connectors for each of the two. A line that passes another without meeting it goes
behind it (`─│─`); one that meets it has a joint (`├`, `┤`, `┼`). `~` stands for parents that are not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tract.cli._render import Cell, columns, fit
from tract.history.graph import Row

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8

LINES: Final[Mapping[int, str]] = {
    0: " ",
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    UP | LEFT: "╯",
    UP | RIGHT: "╰",
    DOWN | LEFT: "╮",
    DOWN | RIGHT: "╭",
    UP | DOWN | RIGHT: "├",
    UP | DOWN | LEFT: "┤",
    UP | LEFT | RIGHT: "┴",
    DOWN | LEFT | RIGHT: "┬",
    UP | DOWN | LEFT | RIGHT: "┼",
}
"""The character of each set of directions a line leaves a place in."""

_ASCII: Final = str.maketrans("○◆│─╯╰╮╭├┤┴┬┼…", "o*|-'`.,+++++.")
_COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "red")
_MIN_TEXT: Final = 24
"""Columns the texts beside a graph keep, however wide the graph is."""


class Glyphs(NamedTuple):
    """The characters of one commit and its lines, two columns of the terminal for each of the graph's.

    Attributes:
        lines: Cells of the line with the commit, then of its connectors if it has any.
        below: Cells of any further line before the next commit.
    """

    lines: Sequence[Sequence[Cell]]
    below: Sequence[Cell]


def glyphs(row: Row[Any], symbol: str, *, is_cut: bool = False, is_ascii: bool = False) -> Glyphs:
    """Return the characters of *row*.

    Args:
        row: The commit and its lines.
        symbol: What stands for the commit.
        is_cut: Some of its parents are not shown.
        is_ascii: Use no characters beyond ASCII.
    """
    ends = {edge.end for edge in row.edges if edge.start == row.column}
    straight = {edge.start for edge in row.edges if edge.start == edge.end} - {row.column}
    moved = {edge.start for edge in row.edges if edge.start != edge.end} - {row.column}
    above = dict.fromkeys(straight | moved, UP | DOWN)
    lines = [[*_columns(row, above, {row.column: symbol})]]
    # One after the other: a column that a line has left may be where another one begins.
    if moved:
        lines.append([*_connectors(row, _Bend({row.column, *moved}, {row.column}), straight)])
    if ends - {row.column}:
        lines.append([*_connectors(row, _Bend({row.column}, ends), straight)])
    if is_cut and not ends:
        lines.append([*_columns(row, above, {row.column: "~"})])
    below = [*_columns(row, dict.fromkeys(straight | ends, UP | DOWN), {})]
    if is_ascii:
        lines, below = [_in_ascii(line) for line in lines], _in_ascii(below)
    return Glyphs(lines, below)


class _Bend(NamedTuple):
    """Lines that meet or part in the commit's column: those from above, and those that go on below."""

    above: set[int]
    below: set[int]


def _columns(row: Row[Any], dots: Mapping[int, int], symbols: Mapping[int, str]) -> Iterator[Cell]:
    for column in range(row.width):
        yield symbols.get(column) or LINES[dots.get(column, 0)], _colour(column)
        yield " ", ""


def _connectors(row: Row[Any], bend: _Bend, straight: set[int]) -> Iterator[Cell]:
    joined = bend.above | bend.below
    low, high = min(joined), max(joined)
    for column in range(row.width):
        dots = UP | DOWN if column in straight else 0
        dots |= (UP if column in bend.above else 0) | (DOWN if column in bend.below else 0)
        if column in joined:
            dots |= (LEFT if column > low else 0) | (RIGHT if column < high else 0)
        elif low < column < high and not dots:
            dots = LEFT | RIGHT
        yield LINES[dots], _colour(_owner(row, bend, column) if dots == LEFT | RIGHT else column)
        after = ("─", _colour(_owner(row, bend, column + (column >= row.column))))
        yield after if low <= column < high else (" ", "")


def _owner(row: Row[Any], bend: _Bend, column: int) -> int:
    """Return the column whose line the horizontal piece at *column* belongs to."""
    if row.column not in bend.below:
        return row.column  # the commit's own line goes over to another column
    others = bend.above | bend.below
    beyond = [end for end in others if (end >= column if column > row.column else end <= column)]
    return min(beyond, key=lambda end: abs(end - column), default=row.column)


def _colour(column: int) -> str:
    return _COLOURS[column % len(_COLOURS)]


def _in_ascii(line: Sequence[Cell]) -> list[Cell]:
    return [cell.translate(_ASCII) if isinstance(cell, str) else (cell[0].translate(_ASCII), cell[1]) for cell in line]


def plain(line: Sequence[Cell]) -> str:
    """Return the characters of *line* without colour and without spaces at the end."""
    return "".join(cell if isinstance(cell, str) else cell[0] for cell in line).rstrip()


# --- texts beside the graph -------------------------------------------------------------------------


class Beside(NamedTuple):
    """One line of text beside a graph: *left* is cut where it would meet *right*."""

    left: Sequence[Cell]
    right: Sequence[Cell] = ()


def page(rows: Sequence[tuple[Glyphs, Sequence[Beside]]], width: int, *, is_ascii: bool = False) -> list[list[Cell]]:
    """Return the lines of a graph with texts beside it, none wider than *width* columns."""
    lines = []
    for drawn, texts in rows:
        count = max(len(drawn.lines), len(texts))
        for index in range(count):
            graph = drawn.lines[index] if index < len(drawn.lines) else drawn.below
            text = texts[index] if index < len(texts) else Beside(())
            lines.append(_line(graph, text, width, "." if is_ascii else "…"))
    return lines


def _line(graph: Sequence[Cell], text: Beside, width: int, mark: str) -> list[Cell]:
    if not text.left and not text.right:
        return fit([*graph[:-1]], width, mark)
    graph = fit([*graph, " "], min(width, max(2, width - _MIN_TEXT)), mark)
    room = width - columns(graph)
    right = fit(text.right, room, mark)
    left = fit(text.left, max(0, room - columns(right) - bool(right)), mark)
    if not right:
        return [*graph, *left]
    gap = " " * (room - columns(left) - columns(right))
    return [*graph, *left, gap, *right]
