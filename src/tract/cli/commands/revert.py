"""Switches off what a commit did."""

from __future__ import annotations

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import LOG_HEADER, commit_json, commit_row
from tract.cli._render import Table


@click.command()
@click.argument("revision", type=REVISION)
@click.option("-m", "--message", metavar="MSG", help="What to show in the log.")
@json_option
@click.pass_obj
def command(app: App, *, revision: str, message: str | None) -> None:
    """Switch off what REVISION did, by a new commit: of a message a skip, of a merge what it brought.

    Printed is the commit written, as in the log; the last one if there are several.
    """
    with app.write() as t:
        reverted = t.get(revision)
        info = t.revert(reverted, message=message)
    app.emit({"reverted": reverted.hash, "commit": commit_json(info)}, [Table([commit_row(info)], LOG_HEADER)])
