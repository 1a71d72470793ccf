"""Shows that a drawn branch graph says exactly what its rows say, and fits its page."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tract.cli._graph import DOWN, LEFT, LINES, RIGHT, UP, Beside, Glyphs, glyphs, page, plain
from tract.cli._text import visible
from tract.history.graph import Edge, Row, draw

_ARMS = {glyph: arms for arms, glyph in LINES.items()}


@st.composite
def graphs(draw_: st.DrawFn) -> list[tuple[int, list[int]]]:
    """Commits newest first, 0 to n-1, each with up to four parents among the older ones."""
    count = draw_(st.integers(1, 14))
    older = [st.lists(st.integers(key + 1, count - 1), unique=True, max_size=4) for key in range(count - 1)]
    return [*enumerate(draw_(st.tuples(*older))), (count - 1, [])]


def drawing(commits: Sequence[tuple[int, list[int]]], *, is_ascii: bool = False) -> list[tuple[Row[int], Glyphs]]:
    """Return each row with its characters."""
    return [(row, glyphs(row, "@" if row.column == 1 else "○", is_ascii=is_ascii)) for row in draw(commits)]


def read_edges(lines: Sequence[str]) -> tuple[int, set[Edge]]:
    """Return the column of the commit and the lines to the next row, read from the characters alone.

    Without connectors it cannot be told whether the commit's own line goes on: it is left out.
    """
    column = next(at // 2 for at, char in enumerate(lines[0]) if char in "○@")
    edges: set[Edge] = set()
    for line in lines[1:] or lines:
        arms = {at // 2: 0 if char in "○@" else _ARMS[char] for at, char in enumerate(line) if at % 2 == 0}
        own = {at for at, arm in arms.items() if arm & (LEFT | RIGHT) and arm & DOWN}
        moved = {at for at, arm in arms.items() if arm & (LEFT | RIGHT) and arm & UP and not arm & DOWN} - {column}
        straight = {at for at, arm in arms.items() if arm & UP and arm & DOWN} - {column}
        edges = {edge for edge in edges if edge.start != edge.end}
        edges |= {Edge(column, at) for at in own} | {Edge(at, column) for at in moved}
        edges |= {Edge(at, at) for at in straight}
    return column, edges


@given(graphs())
def test_the_drawing_reads_back_as_its_rows(commits: list[tuple[int, list[int]]]) -> None:
    """Every line that leaves a commit and every one that passes it can be read from the characters, and no other."""
    for row, drawn in drawing(commits):
        column, edges = read_edges([plain(line) for line in drawn.lines])

        own = {edge for edge in row.edges if edge.start == row.column}
        if len(drawn.lines) == 1:
            assert own <= {Edge(row.column, row.column)}
            edges |= own
        assert column == row.column
        assert edges == set(row.edges)


@given(graphs())
def test_lines_meet_from_one_row_to_the_next(commits: list[tuple[int, list[int]]]) -> None:
    """What leaves a line downwards arrives in the next one, and nothing begins in the air but a tip."""
    lines: list[tuple[str, bool]] = []
    drawn = drawing(commits)
    for (row, shown), (after, _) in zip(drawn, [*drawn[1:], (None, None)], strict=True):
        lines += [(plain(line), index == 0) for index, line in enumerate(shown.lines)]
        ends = {edge.end for edge in row.edges}
        assert ends == (set() if after is None else set(after.above))
        below = plain(shown.below)
        assert {at // 2 for at, char in enumerate(below) if char == "│"} == ends
    for (line, _), (under, is_row) in itertools.pairwise(lines):
        for at, char in enumerate(under):
            arrives = bool(_ARMS.get(char, 0) & UP)
            above = line[at] if at < len(line) else " "
            if arrives:
                assert above in "○@" or _ARMS[above] & DOWN
            elif above not in "○@" and _ARMS[above] & DOWN:
                assert is_row
                assert char in "○@"


@given(graphs())
def test_horizontal_pieces_touch_both_ways(commits: list[tuple[int, list[int]]]) -> None:
    """A piece that goes right meets one that comes from the left, or goes behind a line that passes."""
    for _, drawn in drawing(commits):
        for line in map(plain, drawn.lines[1:]):
            for left, right in zip(line, line[1:] + " ", strict=True):
                assert bool(_ARMS[left] & RIGHT) <= bool(_ARMS[right] & LEFT or right == "│")
                assert bool(_ARMS[right] & LEFT) <= bool(_ARMS[left] & RIGHT or left == "│")


@given(
    graphs(),
    st.integers(1, 160),
    st.lists(st.text(st.characters(codec="utf-8")), min_size=14, max_size=14),
    st.booleans(),
)
def test_no_line_is_wider_than_the_page(
    commits: list[tuple[int, list[int]]],
    width: int,
    messages: list[str],
    is_ascii: bool,  # noqa: FBT001
) -> None:
    """Whatever the texts and however many branches, no line takes more columns than there are."""
    drawn = [shown for _, shown in drawing(commits, is_ascii=is_ascii)]
    texts = [[Beside([(message, "dim"), " ", message], ["+1,234"]), Beside([message])] for message in messages]

    lines = page(list(zip(drawn, texts, strict=False)), width, is_ascii=is_ascii)

    assert len(lines) >= 2 * len(commits)
    assert max(cell_len(visible("".join(c if isinstance(c, str) else c[0] for c in line))) for line in lines) <= width


@given(graphs())
def test_ascii_has_the_same_shape(commits: list[tuple[int, list[int]]]) -> None:
    """Without Unicode every line is ASCII and has its characters in the same places."""
    for (_, usual), (_, simple) in zip(drawing(commits), drawing(commits, is_ascii=True), strict=True):
        for one, other in zip(usual.lines, simple.lines, strict=True):
            assert plain(other).isascii()
            assert [char == " " for char in plain(one)] == [char == " " for char in plain(other)]


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ([("c", ["b"]), ("b", ["a"]), ("a", [])], ["○", "○", "○"]),
        ([("m", ["a", "b"]), ("b", ["r"]), ("a", ["r"]), ("r", [])], ["○", "├─╮", "│ ○", "○ │", "├─╯", "○"]),
        (
            [("x", ["r"]), ("y", ["r"]), ("z", ["r"]), ("r", [])],
            ["○", "│ ○", "├─╯", "│ ○", "├─╯", "○"],
        ),
        (
            [("x", ["p"]), ("y", ["q"]), ("z", ["p"]), ("q", ["p"]), ("p", [])],
            ["○", "│ ○", "│ │ ○", "├─│─╯", "│ ○", "├─╯", "○"],
        ),
        ([("m", ["a", "b", "c"]), ("c", []), ("b", []), ("a", [])], ["○", "├─┬─╮", "│ │ ○", "│ ○", "○"]),
    ],
)
def test_what_some_graphs_look_like(commits: list[tuple[str, list[str]]], expected: list[str]) -> None:
    """A line, a merge, branches from one root, a line that goes behind another, a merge of three."""
    assert [plain(line) for row in draw(commits) for line in glyphs(row, "○").lines] == expected


def test_parents_that_are_not_shown_are_a_tilde() -> None:
    """`~` stands under a commit whose parents are left out."""
    (row,) = draw([("a", [])])

    assert [plain(line) for line in glyphs(row, "○", is_cut=True).lines] == ["○", "~"]
