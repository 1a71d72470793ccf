"""Shows the history."""

from __future__ import annotations

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import LOG_HEADER, commit_json, commit_row
from tract.cli._render import Table


@click.command()
@click.argument("revision", type=REVISION, default="HEAD")
@click.option("-n", "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many commits.")
@json_option
@click.pass_obj
def command(app: App, revision: str, limit: int) -> None:
    """Show the commits that led to REVISION, newest first.

    The columns are commit, what it does, who said it, its tokens, the tokens of the whole context after
    it, when, and what it says.
    """
    with app.read() as t:
        if revision != "HEAD":
            t.checkout(revision)
        head, commits = t.head, t.log(limit)
    app.emit(
        {"head": head, "commits": [commit_json(info) for info in commits]},
        [Table([commit_row(info) for info in commits], LOG_HEADER)],
        is_paged=True,
    )
