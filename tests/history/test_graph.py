"""Random graphs and small exact ones: which column each commit of a branch graph stands in."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given

from tests.history.dags import Parents, dags
from tract.history.graph import Row, draw


def drawn(parents: Parents) -> list[Row[int]]:
    """Draw a graph newest first; the numbers grow from the roots to the tips."""
    return list(draw((number, parents[number]) for number in sorted(parents, reverse=True)))


def lines(parents: Parents) -> list[str]:
    """Draw a graph as text: `*` for the commit, `|` for a line beside it, then the row's bent edges."""
    found = []
    for row in drawn(parents):
        marks = ["*" if at == row.column else "|" if at in row.above else " " for at in range(row.width)]
        bent = [f"{start}-{end}" for start, end in row.edges if start != end]
        found.append(" ".join(["".join(marks).rstrip(), *bent]))
    return found


@given(dags())
def test_the_lines_into_a_row_are_the_lines_out_of_the_row_above(parents: Parents) -> None:
    """No line begins or ends between two rows."""
    rows = drawn(parents)

    assert rows[0].above == ()
    for before, after in itertools.pairwise(rows):
        assert sorted({edge.end for edge in before.edges}) == list(after.above)


@given(dags())
def test_every_line_arrives_at_its_parent_and_no_two_share_a_column(parents: Parents) -> None:
    """Each column carries the lines to one commit; followed down, they end at that commit."""
    waits: dict[int, int] = {}
    for row in drawn(parents):
        assert tuple(sorted(waits)) == row.above
        assert waits.get(row.column, row.commit) == row.commit
        assert [at for at, commit in waits.items() if commit == row.commit] in ([], [row.column])
        targets: dict[int, set[int]] = {}
        own = sorted({edge.end for edge in row.edges if edge.start == row.column})
        for edge in row.edges:
            if edge.start != row.column:
                targets.setdefault(edge.end, set()).add(waits[edge.start])
        for parent in parents[row.commit]:
            fits = [end for end in own if targets.get(end, {parent}) == {parent}]
            assert fits
        after = {end: next(iter(keys)) for end, keys in targets.items()}
        assert all(len(keys) == 1 for keys in targets.values())
        free = [end for end in own if end not in after]
        missing = [parent for parent in parents[row.commit] if parent not in after.values()]
        # The first parent stays in the commit's column unless its line meets another one.
        if missing and missing[0] == parents[row.commit][0]:
            assert row.column in free
            free.remove(row.column)
            after[row.column] = missing.pop(0)
        assert len(free) == len(missing)
        after.update(zip(free, missing, strict=True))
        waits = after
        assert row.width == 1 + max([row.column, *row.above, *(at for edge in row.edges for at in edge)])
    assert waits == {}


@given(dags())
def test_a_line_of_first_parents_keeps_its_column_or_moves_left_where_it_meets_another(parents: Parents) -> None:
    """A parent stands no further right than a child it is the first parent of; straight below an only child."""
    columns = {row.commit: row.column for row in drawn(parents)}
    children = Counter(parent for behind in parents.values() for parent in behind)

    for commit, behind in parents.items():
        if behind:
            assert columns[behind[0]] <= columns[commit]
            if children[behind[0]] == 1:
                assert columns[behind[0]] == columns[commit]


def test_a_straight_history_is_one_column() -> None:
    """No line bends."""
    assert lines({0: (), 1: (0,), 2: (1,)}) == ["*", "*", "*"]


def test_a_merged_branch_is_a_second_column_until_it_meets_the_first() -> None:
    """The main line stays on the left although the branch's line reached the fork first."""
    assert lines({0: (), 1: (0,), 2: (0,), 3: (1, 2)}) == ["* 0-1", "|*", "*| 1-0", "*"]


def test_two_tips_stand_side_by_side() -> None:
    """The newer tip is on the left, and the fork below it."""
    assert lines({0: (), 1: (0,), 2: (0,)}) == ["*", "|* 1-0", "*"]


def test_criss_cross_merges_cross_their_lines() -> None:
    """Each side merges the other's commit of before; lines are never lost."""
    assert lines({0: (), 1: (0,), 2: (0,), 3: (1, 2), 4: (2, 1)}) == ["* 0-1", "||* 2-0 2-1", "*|", "|* 1-0", "*"]


def test_a_parent_that_is_not_shown_keeps_its_line_open() -> None:
    """A log cut off by its limit leaves the line at the bottom."""
    row = next(iter(draw([(5, (4,))])))

    assert row.edges == ((0, 0),)
