"""Checks a store."""

from __future__ import annotations

import click

from tract.cli._context import App, json_option
from tract.cli._errors import CORRUPT, say
from tract.cli._render import Table


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check every byte of the store.

    Each is hashed again and every link is followed. The exit code is 4 if something is wrong.
    Each finding is an id, the object and a sentence.
    """
    app: App = ctx.obj
    with app.read() as t:
        findings = t.fsck()
    document = [{"id": one.id, "object": one.object, "message": one.message} for one in findings]
    app.emit(
        {"is_whole": not findings, "findings": document},
        [Table([[(one.id, "red"), one.object, one.message] for one in findings])],
    )
    if findings:
        say("error", f"{len(findings)} problems found.")
        ctx.exit(CORRUPT)
    say("note", "The store is whole.")
