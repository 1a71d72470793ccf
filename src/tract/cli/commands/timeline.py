"""Shows what happened in all tracts of a store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from tract.cli._context import TRACT, App, json_option
from tract.cli._moment import age
from tract.cli._operations import moves, operation_json
from tract.cli._render import Cell, Table, page_width

if TYPE_CHECKING:
    from tract.sessions.timeline import TimelineEntry

_HEADER: Final = ("when", "tract", ">op", "verb", "actor", "follows", "refs")


@click.command()
@click.argument("tracts", nargs=-1, type=TRACT, metavar="[TRACT]...")
@click.option("-n", "--limit", type=click.IntRange(min=0), default=50, show_default=True, help="How many operations.")
@json_option
@click.pass_obj
def command(app: App, *, tracts: tuple[str, ...], limit: int) -> None:
    """Show the last operations of all tracts, or of the TRACTs, oldest first, causes before what they caused.

    Each is a time, the tract, its number there, verb and actor, what of another tract it follows from, and
    the refs it moved.
    """
    with app.session(read_only=True) as session:
        entries = session.timeline(limit, tracts=tracts or None)
    app.emit(
        {"timeline": [_as_json(entry) for entry in entries]},
        [Table([_row(entry) for entry in entries], _HEADER)],
        is_paged=True,
    )


def _as_json(entry: TimelineEntry) -> dict[str, Any]:
    causes = [{"tract": tract, "number": number} for tract, number in entry.causes]
    done = operation_json(entry.operation, None)
    del done["undone_by"]
    return {"tract": entry.tract, **done, "causes": causes, "commit": entry.commit}


def _row(entry: TimelineEntry) -> list[Cell]:
    done = entry.operation
    then = done.created_at
    when = then.isoformat(timespec="microseconds") if page_width() is None else age(then, datetime.now(UTC))
    follows = " ".join(f"{tract}@{number}" for tract, number in entry.causes)
    first: list[Cell] = [(when, "dim"), (entry.tract, "bold"), (str(done.number), "cyan"), done.verb, done.actor]
    return [*first, (follows, "magenta"), " ".join(moves(done))]
