"""Shows the history, as a list or as a graph of the branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import LOG_HEADER, commit_json, commit_row
from tract.cli._moment import MOMENT
from tract.cli._render import Block, Table, page_width
from tract.objects.commit import OPS

if TYPE_CHECKING:
    from tract.history.log import GraphRow
    from tract.porcelain.tract import Tract

_FILTERS: Final = ("since", "until", "author")


@click.command()
@click.argument("revision", type=REVISION, required=False, metavar="[REVISION|A..B]")
@click.option("-n", "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many commits.")
@click.option("--oneline", "is_short", is_flag=True, help="One line each: commit, names, what it says.")
@click.option("--graph", "is_graph", is_flag=True, help="Draw the branches.")
@click.option("--ascii", "is_ascii", is_flag=True, help="Draw with ASCII only.")
@click.option("--all", "all_branches", is_flag=True, help="Begin from every branch and tag.")
@click.option("--since", type=MOMENT, metavar="TIME", help="Only commits at or after: 2026-01-31, 2h, 3d, yesterday.")
@click.option("--until", type=MOMENT, metavar="TIME", help="Only commits before.")
@click.option("--author", metavar="TEXT", help="Only commits whose author contains this.")
@click.option("--op", "ops", type=click.Choice(sorted(OPS)), multiple=True, help="Only commits that do this.")
@json_option
@click.pass_obj
def command(app: App, /, *, limit: int, is_short: bool, is_graph: bool, is_ascii: bool, **chosen: Any) -> None:
    """Show the commits that led to REVISION (HEAD if not given), or those of B and not of A, newest first.

    The columns are commit, what it does, who said it, its tokens, the tokens of the whole context after
    it, when, and what it says.
    """
    if chosen["all_branches"] and chosen["revision"] is not None:
        raise click.UsageError("Give either --all or a REVISION.")
    with app.read() as t:
        rows = _read(t, limit, chosen)
        document = {"head": t.head, "commits": [_as_json(row, is_graph=is_graph) for row in rows]}
        blocks: list[Block] = []
        if not app.is_json and (is_graph or is_short):
            from tract.cli._branches import graph_blocks, short_blocks

            width = page_width()
            blocks = (
                graph_blocks(t, rows, width, is_short=is_short, is_ascii=is_ascii)
                if is_graph
                else short_blocks(t, rows, width, is_ascii=is_ascii)
            )
        elif not app.is_json:
            blocks = [Table([commit_row(row.commit) for row in rows], LOG_HEADER)]
    app.emit(document, blocks, is_paged=True)


def _read(t: Tract, limit: int, chosen: dict[str, Any]) -> list[GraphRow]:
    if t.head is None and chosen["revision"] in {None, "HEAD"} and not chosen["all_branches"]:
        return []
    return t.log(
        limit,
        branch=chosen["revision"],
        op=chosen["ops"] or None,
        all_branches=chosen["all_branches"],
        graph=True,
        **{name: chosen[name] for name in _FILTERS},
    )


def _as_json(row: GraphRow, *, is_graph: bool) -> dict[str, Any]:
    found = {**commit_json(row.commit), "refs": list(row.refs)}
    if is_graph:
        found["graph"] = {"column": row.row.column, "edges": [list(edge) for edge in row.row.edges]}
    return found
