"""Stands on a branch or on any commit."""

from __future__ import annotations

import click

from tract.cli import _standing
from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import emit_place


@click.command()
@click.argument("revision", type=REVISION)
@json_option
@click.pass_obj
def command(app: App, revision: str) -> None:
    """Stand on a branch, or look around at any other REVISION; `-` goes back.

    On a commit HEAD is detached: everything can be read there, and a commit needs a branch first.
    """
    with app.write() as t:
        if revision == "-":
            _standing.go_back(t)
        else:
            t.checkout(revision)
        _standing.remember(t, app.place())
        emit_place(app, t)
