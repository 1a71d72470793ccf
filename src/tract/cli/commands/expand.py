"""Shows what a summary, merge or squash stands for."""

from __future__ import annotations

import click

from tract.cli._compressed import expansion_rows
from tract.cli._context import REVISION, App, json_option
from tract.cli._render import Table


@click.command()
@click.argument("revision", type=REVISION, default="HEAD")
@json_option
@click.pass_obj
def command(app: App, *, revision: str) -> None:
    """Show what the summary, merge or squash REVISION stands for, down to the original messages."""
    with app.read() as t:
        expansion = t.expand(revision)
    header = (">level", "commit", "op", "role", ">tokens", "text")
    app.emit({"expansion": expansion.to_dicts()}, [Table(list(expansion_rows(expansion)), header)], is_paged=True)
