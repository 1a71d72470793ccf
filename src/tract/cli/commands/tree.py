"""Draws who spawned whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from tract.cli._context import App, json_option
from tract.cli._render import Block, Cell, Line, Table, page_width
from tract.cli._tracts import HEADER, tract_json, tract_row

if TYPE_CHECKING:
    from tract.sessions.tracts import TractTree


@click.command()
@json_option
@click.pass_obj
def command(app: App) -> None:
    """Draw the tracts of the store, each below the one that spawned it.

    When piped, one line each: its depth, then what `tract session list` prints.
    """
    with app.session(read_only=True) as session:
        trees = session.trees()
    document = [{"depth": depth, **tract_json(info)} for tree in trees for depth, info in tree.walk()]
    app.emit({"tracts": document}, list(_blocks(trees)), is_paged=True)


def _blocks(trees: list[TractTree]) -> Iterator[Block]:
    if page_width() is None:
        rows: list[list[Cell]] = [[str(depth), *tract_row(info)] for tree in trees for depth, info in tree.walk()]
        yield Table(rows, (">depth", *HEADER))
        return
    for tree in trees:
        for line in str(tree).split("\n"):
            yield Line([line])
