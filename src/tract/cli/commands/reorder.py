"""Lets messages trade places."""

from __future__ import annotations

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import LOG_HEADER, commit_json, commit_row
from tract.cli._moved import Asked, decision_options, warnings_json
from tract.cli._render import Table


@click.command()
@click.argument("revisions", nargs=-1, required=True, type=REVISION, metavar="REVISION...")
@click.option("-m", "--message", metavar="MSG", help="What to show in the log.")
@decision_options
@json_option
@click.pass_obj
def command(
    app: App, *, revisions: tuple[str, ...], message: str | None, allow: tuple[str, ...], resolved: tuple[str, ...]
) -> None:
    """Let the messages of the REVISIONs stand in this order, in the places they hold among themselves.

    Nothing else moves. Printed is the commit written, as in the log.
    """
    with app.write() as t:
        asked = Asked(t, t.reorder(revisions, allow=allow, message=message, autonomy="manual"), resolved)
    commit = asked.result.commit
    document = {
        "commit": None if commit is None else commit_json(commit),
        "warnings": warnings_json(asked.result.warnings),
    }
    asked.emit(app, document, [] if commit is None else [Table([commit_row(commit)], LOG_HEADER)])
