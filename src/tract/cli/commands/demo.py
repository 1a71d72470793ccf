"""Shows the main job on a real conversation."""

from __future__ import annotations

import click

from tract.cli._context import App
from tract.cli._render import Body, Table, print_blocks


@click.command()
@click.pass_obj
def command(app: App) -> None:
    """Show the main job on a real conversation.

    It runs offline, in a temporary folder.
    """
    from tract import demo

    for line in demo.run():
        if line.kind == "title":
            print_blocks([Body(""), Table([[(line.text, "bold")]])], color=app.color)
        elif line.kind == "code":
            print_blocks([Table([[(f"  >>> {line.text}", "cyan")]])], color=app.color)
        else:
            print_blocks([Table([[f"      {line.text}"]])], color=app.color)
