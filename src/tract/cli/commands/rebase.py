"""Puts what only the current branch has on top of another commit."""

from __future__ import annotations

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._moved import Asked, copied_rows, decision_options, warnings_json
from tract.cli._render import Cell, Table


@click.command()
@click.argument("onto", type=REVISION)
@decision_options
@json_option
@click.pass_obj
def command(app: App, *, onto: str, allow: tuple[str, ...], resolved: tuple[str, ...]) -> None:
    """Make what only the current branch has again on top of ONTO; the old tip stays as ORIG_HEAD.

    Printed are what was done, the branch, its new tip and ONTO, then a line for each commit: the old one, the new
    one, what it says.
    """
    with app.write() as t:
        asked = Asked(t, t.rebase(onto, allow=allow, autonomy="manual"), resolved)
        result = asked.result
        branch, rows = t.current_branch, copied_rows(t, result.mapping, result.skipped)
    done: list[Cell] = [
        (result.kind, "bold"),
        (branch or "", "green"),
        ((result.head or "")[:8], "yellow"),
        (result.onto[:8], "yellow"),
    ]
    document = {
        "kind": result.kind,
        "branch": branch,
        "head": result.head,
        "onto": result.onto,
        "mapping": dict(result.mapping),
        "skipped": list(result.skipped),
        "warnings": warnings_json(result.warnings),
    }
    asked.emit(app, document, [Table([done]), Table(rows)])
