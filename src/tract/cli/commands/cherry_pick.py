"""Makes commits of other branches again on this one."""

from __future__ import annotations

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._moved import Asked, copied_rows, decision_options, warnings_json
from tract.cli._render import Table


@click.command("cherry-pick")
@click.argument("revisions", nargs=-1, required=True, type=REVISION, metavar="REVISION...")
@decision_options
@json_option
@click.pass_obj
def command(app: App, *, revisions: tuple[str, ...], allow: tuple[str, ...], resolved: tuple[str, ...]) -> None:
    """Make the REVISIONs again, in this order, at the end of the current branch.

    A range `a..b` stands for what b has and a has not. A tool call takes its results with it. Printed is a line for
    each commit: the old one, the new one, what it says.
    """
    with app.write() as t:
        asked = Asked(t, t.cherry_pick(revisions, allow=allow, autonomy="manual"), resolved)
        result = asked.result
        rows = copied_rows(t, result.mapping, result.skipped)
    document = {
        "head": result.head,
        "commits": list(result.commits),
        "mapping": dict(result.mapping),
        "added": list(result.added),
        "skipped": list(result.skipped),
        "warnings": warnings_json(result.warnings),
    }
    asked.emit(app, document, [Table(rows)])
