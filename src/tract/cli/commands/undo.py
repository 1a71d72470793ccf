"""Takes operations back."""

from __future__ import annotations

import click

from tract.cli._context import App, json_option
from tract.cli._operations import emit_steps


@click.command()
@click.option("-n", "--steps", type=click.IntRange(min=1), metavar="N", help="How many operations.  [default: 1]")
@click.option("--op", "operation", type=click.IntRange(min=1), metavar="N", help="Just the operation of this number.")
@json_option
@click.pass_obj
def command(app: App, *, steps: int | None, operation: int | None) -> None:
    """Take back the last operation, whoever did it; `tract redo` does it again.

    Printed is a line for each one taken back: number, verb, actor, when, and the refs put back.
    """
    if steps is not None and operation is not None:
        raise click.UsageError("Give one of -n and --op.")
    with app.write() as t:
        emit_steps(app, t.undo(steps or 1, operation=operation))
