"""Makes a store."""

from __future__ import annotations

import click

import tract
from tract.cli._context import STORE_NAME, App, json_option
from tract.cli._errors import say
from tract.cli._render import Table
from tract.errors import StoreNotFoundError, TractNotFoundError


@click.command()
@json_option
@click.pass_obj
def command(app: App) -> None:
    """Create a store, or a further tract in it.

    The store is `.tract.db` here, unless --db or TRACT_DB names another place. Doing it twice changes nothing.
    """
    place = app.db or STORE_NAME
    is_new = not _exists(app, place)
    with tract.Tract.open(place, tract=app.tract, actor="cli") as t:
        if not is_new:
            say("note", f"The tract `{t.name}` was there already.")
        app.emit({"path": place, "tract": t.name, "created": is_new}, [Table([[place, t.name]])])


def _exists(app: App, place: str) -> bool:
    try:
        tract.Tract.open(place, tract=app.tract, create=False, read_only=True).close()
    except (StoreNotFoundError, TractNotFoundError):
        return False
    return True
