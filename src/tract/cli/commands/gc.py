"""Collects what nothing reaches any more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from tract.cli._context import App, json_option
from tract.cli._decide import decision_options, require_yes
from tract.cli._errors import say
from tract.cli._render import Cell, Table
from tract.cli._sizes import bytes_in_words
from tract.cli._steps import step

if TYPE_CHECKING:
    from tract.operations.gc import GCResult


@click.command()
@click.option(
    "--keep-days", type=click.FloatRange(min=0), default=30, show_default=True, metavar="DAYS",
    help="How long to keep what became unreachable; undo works as long.",
)  # fmt: skip
@click.option("--drop-pinned", is_flag=True, help="Do not keep what was pinned.")
@click.option(
    "--archived-days", type=click.FloatRange(min=0), metavar="DAYS",
    help="Also drop originals that summaries have covered for longer.",
)  # fmt: skip
@decision_options
@json_option
@click.pass_obj
def command(
    app: App,
    *,
    keep_days: float,
    drop_pinned: bool,
    archived_days: float | None,
    is_confirmed: bool,
    is_dry_run: bool,
) -> None:
    """Drop the contents of commits nothing has reached for some time, in all tracts, and shrink the file.

    It cannot be undone. Printed is a line for each commit: what it is (`collected`, `archived`, or `pinned` and kept)
    and its hash; then the bytes dropped, and the size of the store before and after.
    """
    with app.read() if is_dry_run else app.write() as t:
        collect = partial(t.gc, keep_days=keep_days, keep_pinned=not drop_pinned, archived_days=archived_days)
        with step("Looking for what nothing reaches"):
            found = collect(dry_run=True)
        if not is_dry_run:
            count = len(found.collected) + len(found.archived)
            what = f"This drops the content of {count} commit{'' if count == 1 else 's'} for good"
            require_yes(f"{what}, {bytes_in_words(found.bytes)}", is_confirmed=is_confirmed or not count)
            with step(f"Dropping {bytes_in_words(found.bytes)} and giving the space back"):
                found = collect()
    _show(app, found)


def _show(app: App, found: GCResult) -> None:
    rows: list[list[Cell]] = [
        [(kind, colour), (commit, "yellow")]
        for kind, colour, commits in (
            ("collected", "red", found.collected),
            ("archived", "red", found.archived),
            ("pinned", "green", found.pinned),
        )
        for commit in commits
    ]
    sizes: list[list[Cell]] = [
        ["dropped", bytes_in_words(found.bytes)],
        ["before", bytes_in_words(found.size_before)],
        ["after", bytes_in_words(found.size_after)],
    ]
    names = ("collected", "archived", "pinned")
    document = {name: list(getattr(found, name)) for name in names} | {
        name: getattr(found, name)
        for name in ("blob_count", "bytes", "size_before", "size_after", "operation", "is_dry_run", "unfinished")
    }
    app.emit(document, [Table(rows), Table(sizes)])
    if found.unfinished:
        say("warning", f"The space was not given back yet: {found.unfinished}")
