"""Stands on another branch."""

from __future__ import annotations

import click

from tract.cli import _standing
from tract.cli._context import BRANCH, REVISION, App, json_option
from tract.cli._describe import emit_place


@click.command()
@click.argument("name", type=BRANCH)
@click.argument("revision", type=REVISION, required=False)
@click.option("-c", "--create", "is_new", is_flag=True, help="Create the branch, at REVISION or HEAD.")
@click.option("--orphan", "is_orphan", is_flag=True, help="Create a branch that starts from nothing.")
@json_option
@click.pass_obj
def command(app: App, *, name: str, revision: str | None, is_new: bool, is_orphan: bool) -> None:
    """Stand on the branch NAME; `-` goes back to the one before."""
    if revision is not None and not is_new:
        raise click.UsageError("A REVISION goes with -c. `tract checkout` stands on any commit.")
    with app.write() as t:
        if is_new or is_orphan:
            t.branch(name, at=revision, orphan=is_orphan)
        elif name == "-":
            _standing.go_back(t)
        else:
            t.switch(name)
        _standing.remember(t, app.place())
        emit_place(app, t)
