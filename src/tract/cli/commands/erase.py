"""Erases contents for good."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._decide import decision_options, is_wanted, require_yes
from tract.cli._errors import BUSY, say
from tract.cli._render import Cell, Table
from tract.cli._steps import step

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
    with app.read() if is_dry_run else app.write() as t:
        erase = partial(t.erase, list(commits) or None, text=text, reason=reason)
        with step("Looking where it is kept"):
            found = erase(include_derived=include_derived, dry_run=True)
        if not is_dry_run:
            more = len(found.derived) if found.derived and _wants(found, is_confirmed=is_confirmed) else 0
            count = len(found.commits) + more
            what = f"This erases what {count} commit{'' if count == 1 else 's'} said for good"
            require_yes(what, is_confirmed=is_confirmed)
            with step("Erasing it and overwriting what is left"):
                found = erase(include_derived=include_derived or more > 0)
    _show(app, found)
    if found.derived:
        given = "add `--include-derived`" if is_dry_run else "name the commits in another `tract erase`"
        say("hint", f"What was made of it stays; to erase that too, {given}.")
    if found.unfinished:
        say("error", f"Old pages may still hold it: {found.unfinished}")
        say("hint", "Close what uses the store and run the same command again.")
        ctx.exit(BUSY)


def _wants(found: EraseResult, *, is_confirmed: bool) -> bool:
    """Offer to erase what was made of it as well."""
    kinds = Counter(one.kind for one in found.derived)
    said = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    return is_wanted(f"What was made of it stays ({said}). Erase that too?", is_confirmed=is_confirmed)


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
