"""Shows how much a store holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tract.cli._context import App, json_option
from tract.cli._render import Cell, Table
from tract.cli._sizes import bytes_in_words
from tract.cli._steps import step

if TYPE_CHECKING:
    from tract.operations.stats import Stats


@click.command()
@json_option
@click.pass_obj
def command(app: App) -> None:
    """Show how much the store holds, of what, and how much of it nothing reaches.

    Printed are lines of a name and a value; for each kind its name, how many there are, the bytes stored, and the
    bytes they would take if each commit kept its own; for each age (`7 d`: up to 7 days, but more than the one
    before) how many there are and the bytes stored.
    """
    with app.session(read_only=True) as session, step("Counting"):
        found = session.stats()
    document = asdict(found) | {
        "dedup_ratio": found.dedup_ratio,
        "first_at": None if found.first_at is None else found.first_at.isoformat(),
        "last_at": None if found.last_at is None else found.last_at.isoformat(),
    }
    kinds: list[list[Cell]] = [
        [(one.kind, "cyan"), str(one.count), str(one.stored_bytes), str(one.logical_bytes)] for one in found.kinds
    ]
    ages: list[list[Cell]] = [
        [("older" if one.most_days is None else f"{one.most_days} d", "cyan"), str(one.count), str(one.stored_bytes)]
        for one in found.ages
    ]
    tables = [
        Table(_rows(found)),
        Table(kinds, ("kind", ">count", ">stored", ">without dedup")),
        Table(ages, ("age", ">count", ">stored")),
    ]
    app.emit({"stats": document}, tables)


def _rows(found: Stats) -> list[list[Cell]]:
    numbers = {
        "commits": found.commits,
        "unreachable": found.unreachable_commits,
        "collected": found.collected_commits,
        "tombstones": found.tombstones,
        "tracts": found.tracts,
        "branches": found.branches,
        "tags": found.tags,
        "operations": found.operations,
        "cached replies": found.cached_replies,
    }
    sizes = {
        "stored": found.stored_bytes,
        "only for unreachable": found.unreachable_bytes,
        "in cached replies": found.cached_reply_bytes,
        "on disk": found.file_bytes,
        "free": found.free_bytes,
    }
    times = {"first": found.first_at, "last": found.last_at}
    said = {
        **{name: str(value) for name, value in numbers.items()},
        **{name: bytes_in_words(value) for name, value in sizes.items()},
        "used": f"{found.dedup_ratio:.2f} times",
        **{name: value.isoformat(timespec="seconds") for name, value in times.items() if value is not None},
    }
    return [[name, value] for name, value in said.items()]
