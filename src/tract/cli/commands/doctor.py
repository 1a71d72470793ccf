"""Examines the installation and a store."""

from __future__ import annotations

import click

from tract.cli._context import App, json_option
from tract.cli._errors import FAILURE
from tract.cli._render import Cell, Table


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context) -> None:
    """Examine the installation and the store.

    The exit code is 1 if something is not in order. Each line is a thing examined, `ok` or `bad`, and what was found.
    """
    from tract.porcelain.checkup import checkup

    app: App = ctx.obj
    checks = checkup(app.find(), tract=app.tract)
    rows: list[list[Cell]] = [
        [one.name, ("ok", "green") if one.is_ok else ("bad", "red"), one.detail] for one in checks
    ]
    document = [{"name": one.name, "is_ok": one.is_ok, "detail": one.detail} for one in checks]
    is_ok = all(one.is_ok for one in checks)
    app.emit({"is_ok": is_ok, "checks": document}, [Table(rows)])
    if not is_ok:
        ctx.exit(FAILURE)
