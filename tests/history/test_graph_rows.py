"""What a row of the branch graph shows where it is printed."""

from __future__ import annotations

from tract import Tract


def test_rows_draw_the_branches_with_names_and_messages() -> None:
    """`*` stands in the commit's column, `|` where another line passes."""
    with Tract.open() as t:
        first = t.user("Hello.")
        t.branch("other")
        theirs = t.user("There.")
        t.switch("main")
        ours = t.user("Here.")
        t.merge("other")
        rows = t.log(graph=True, all_branches=True)

        assert [str(row) for row in rows] == [
            f"* {rows[0].commit.short_hash} (HEAD, main) merge",
            f"* | {ours.short_hash} Here.",
            f"| * {theirs.short_hash} (other) There.",
            f"* {first.short_hash} Hello.",
        ]


def test_a_row_is_one_line_that_controls_no_terminal() -> None:
    """What a message says to a terminal is left out."""
    with Tract.open() as t:
        t.user("Hello.", message="one\ntwo\x1b[2J\u202eeerht")

        (row,) = t.log(graph=True)

    assert str(row).endswith("one two [2J eerht")


def test_a_row_in_a_list_is_short() -> None:
    """Its name in a debugger is the commit and what points to it."""
    with Tract.open() as t:
        said = t.user("Hello.")

        assert repr(t.log(graph=True)) == f"[<GraphRow {said.short_hash} HEAD main>]"
