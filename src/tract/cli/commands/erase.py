"""Erases contents for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._decide import decision_options, require_yes
from tract.cli._errors import BUSY, say
from tract.cli._render import Cell, Table

if TYPE_CHECKING:
    from tract.operations.erase import EraseResult


@click.command()
@click.argument("commits", metavar="[REVISION]...", type=REVISION, nargs=-1)
@click.option("--text", metavar="TEXT", help="Erase wherever this stands, instead of what some commits say.")
@click.option("--reason", required=True, metavar="WHY", help="Why; it is kept.")
@click.option("--include-derived", is_flag=True, help="Also erase edits, summaries and quotes of it.")
@decision_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    commits: tuple[str, ...],
    text: str | None,
    reason: str,
    include_derived: bool,
    is_confirmed: bool,
    is_dry_run: bool,
) -> None:
    """Erase what commits say, in every branch and tract, the log and the file's free pages.

    It cannot be undone. The commits stay as tombstones. Printed is a receipt: a line for each commit erased, for what
    was made of it and stays, for each note or file that others use and that stays, and for each place outside. The
    exit code is 5 if others kept the file in use, so that old pages could not be overwritten: run it again then.
    """
    app: App = ctx.obj
    if bool(commits) == (text is not None):
        raise click.UsageError("Give either revisions or --text.")
    given = {"text": text, "reason": reason, "include_derived": include_derived}
    with app.read() if is_dry_run else app.write() as t:
        found = t.erase(list(commits) or None, dry_run=True, **given)  # type: ignore[arg-type]
        if not is_dry_run:
            count = len(found.commits)
            what = f"This erases what {count} commit{'' if count == 1 else 's'} said for good"
            require_yes(what, is_confirmed=is_confirmed)
            found = t.erase(list(commits) or None, **given)  # type: ignore[arg-type]
    _show(app, found)
    if found.unfinished:
        say("error", f"Old pages may still hold it: {found.unfinished}")
        say("hint", "Close what uses the store and run the same command again.")
        ctx.exit(BUSY)


def _show(app: App, found: EraseResult) -> None:
    lines: list[tuple[str, str, str, str]] = [
        *[("erased", "red", commit, "") for commit in found.commits],
        *[("derived", "cyan", one.commit, one.kind) for one in found.derived],
        *[("kept", "cyan", blob, "other commits use it") for blob in found.kept],
        *[("outside", "cyan", "", said) for said in found.remains],
    ]
    rows: list[list[Cell]] = [[(kind, colour), (hash_, "yellow"), said] for kind, colour, hash_, said in lines]
    document = {
        "commits": list(found.commits),
        "blobs": list(found.blobs),
        "bytes": found.bytes,
        "derived": [{"commit": one.commit, "kind": one.kind} for one in found.derived],
        "kept": list(found.kept),
        "redacted": found.redacted,
        "remains": list(found.remains),
        "reason": found.reason,
        "actor": found.actor,
        "erased_at": found.erased_at.isoformat(),
        "operation": found.operation,
        "is_dry_run": found.is_dry_run,
        "unfinished": found.unfinished,
    }
    app.emit(document, [Table(rows)])
