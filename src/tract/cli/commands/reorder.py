"""Lets messages trade places."""

from __future__ import annotations

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import LOG_HEADER, commit_json, commit_row
from tract.cli._moved import allow_option, say_warnings, warnings_json
from tract.cli._render import Table


@click.command()
@click.argument("revisions", nargs=-1, required=True, type=REVISION, metavar="REVISION...")
@click.option("-m", "--message", metavar="MSG", help="What to show in the log.")
@allow_option
@json_option
@click.pass_obj
def command(app: App, *, revisions: tuple[str, ...], message: str | None, allow: tuple[str, ...]) -> None:
    """Let the messages of the REVISIONs stand in this order, in the places they hold among themselves.

    Nothing else moves. Printed is the commit written, as in the log.
    """
    with app.write() as t:
        result = t.reorder(revisions, allow=allow, message=message)
    say_warnings(result.warnings)
    app.emit(
        {"commit": commit_json(result.commit), "warnings": warnings_json(result.warnings)},
        [Table([commit_row(result.commit)], LOG_HEADER)],
    )
