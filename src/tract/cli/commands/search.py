"""Finds commits by their full text, in everything that was ever committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import commit_json
from tract.cli._render import Cell, Heading, Prose, Table, page_width
from tract.errors import BusyError, ReadOnlyError

if TYPE_CHECKING:
    from tract.cli._render import Block
    from tract.operations.search import SearchHit
    from tract.porcelain.tract import Tract
    from tract.search.scope import Scope

_SPACE = {ord(char): " " for char in "\n\t\r"}


@click.command()
@click.argument("query", nargs=-1)
@click.option(
    "--scope",
    type=click.Choice(["tract", "branch", "ancestry", "store"]),
    default="tract",
    show_default=True,
    help="Where to look: all this tract ever held, the current branch, HEAD's history, or all tracts.",
)
@click.option("--at", type=REVISION, metavar="REV", help="Look in the history of this commit.")
@click.option("-n", "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Only the best few.")
@click.option("--rebuild", is_flag=True, help="Make the index anew first, after damage to the file.")
@json_option
@click.pass_obj
def command(app: App, /, *, query: tuple[str, ...], scope: Scope, at: str | None, limit: int, rebuild: bool) -> None:
    """Show the commits whose texts hold what QUERY asks for, best first; what was undone or covered as well.

    Words and "phrases" must all occur, in any case and within words; -word must not (with `--` before QUERY).
    role: type: branch: tract: tag: before: after: narrow it down, as in
    `tract search -- retry -timeout role:assistant after:7d`. The columns are commit, tract, score, whether a branch
    or tag leads to it, and a piece of the text. The exit code is 0 as well if nothing is found.
    """
    where: dict[str, Any] = {"scope": scope if at is None else "ancestry", "at": at}
    with _opened(app) as t:
        hits = t.search(" ".join(query), limit=limit, rebuild=rebuild, **where)
    app.emit({"hits": [_json(hit) for hit in hits]}, _blocks(hits), is_paged=True)


def _opened(app: App) -> Tract:
    """Open the tract for writing where that is possible, so that the next search finds the index up to date."""
    if app.at_operation is not None:
        return app.read()
    try:
        return app.write()
    except (ReadOnlyError, BusyError):
        return app.read()


def _json(hit: SearchHit) -> dict[str, Any]:
    return {
        "commit": commit_json(hit.commit),
        "tract": hit.tract,
        "score": hit.score,
        "snippet": hit.snippet,
        "matches": [list(match) for match in hit.matches],
        "is_reachable": hit.is_reachable,
    }


def _blocks(hits: list[SearchHit]) -> list[Block]:
    if page_width() is None:
        return [Table([[*_head(hit), hit.snippet.translate(_SPACE)] for hit in hits])]
    blocks: list[Block] = []
    for hit in hits:
        when = (hit.commit.created_at.strftime("%Y-%m-%d %H:%M:%S"), "dim")
        commit, *others = _head(hit)
        cells: list[Cell] = [commit]
        for cell in (*others, when):
            cells += ["  ", cell]
        blocks += [Heading(cells), Prose(_marked(hit))]
    return blocks


def _head(hit: SearchHit) -> list[Cell]:
    reachable: Cell = ("reachable", "dim") if hit.is_reachable else ("unreachable", "red")
    return [(hit.commit.short_hash, "yellow"), hit.tract, f"{hit.score:.3f}", reachable]


def _marked(hit: SearchHit) -> list[Cell]:
    """Return the snippet in one line, with what was looked for in bold."""
    text, at = hit.snippet.translate(_SPACE), 0
    cells: list[Cell] = []
    for start, end in hit.matches:
        cells += [text[at:start], (text[start:end], "bold")]
        at = end
    return [*cells, text[at:]]
