"""Does undone operations again."""

from __future__ import annotations

import click

from tract.cli._context import App, json_option
from tract.cli._operations import emit_steps


@click.command()
@click.option(
    "-n", "--steps", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="How many operations."
)
@json_option
@click.pass_obj
def command(app: App, *, steps: int) -> None:
    """Do the operation undone last again."""
    with app.write() as t:
        emit_steps(app, t.redo(steps))
