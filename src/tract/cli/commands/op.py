"""Shows the operation log."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._operations import HEADER, operation_json, operation_row, with_effect
from tract.cli._render import Cell, Table
from tract.objects.refs import BRANCH_PREFIX, HEAD, ORIG_HEAD, TAG_PREFIX

if TYPE_CHECKING:
    from tract.objects.operation import OperationInfo


@click.group(name="op")
def command() -> None:
    """Show what was done to the tract."""


@command.command()
@click.option("-n", "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many operations.")
@click.option("--ref", type=REVISION, metavar="NAME", help="Only those that moved this branch or tag.")
@json_option
@click.pass_obj
def log(app: App, *, limit: int, ref: str | None) -> None:
    """Show the operations, newest first.

    Each is a state (`current`, `done`, `undone`), its number, verb, actor, time, the refs it moved, and its
    arguments. On a terminal the state is a mark: `@` the last one, `✗` undone.
    """
    with app.read() as t:
        if ref is not None:
            t.operations.for_ref(ref)  # refuses a name nothing has
        last = len(t.operations)
        found = list(itertools.islice(((d, u) for d, u in with_effect(t.operations) if _moved(d, ref)), limit))
    rows = [operation_row(done, undone_by, is_last=done.number == last) for done, undone_by in found]
    app.emit({"operations": [operation_json(*one) for one in found]}, [Table(rows, HEADER)], is_paged=True)


def _moved(done: OperationInfo, ref: str | None) -> bool:
    if ref is None:
        return True
    names = (ref,) if ref in {HEAD, ORIG_HEAD} else (BRANCH_PREFIX + ref, TAG_PREFIX + ref)
    return any(change[0] in names for change in done.changes)


@command.command()
@click.argument("number", type=int, required=False)
@json_option
@click.pass_obj
def show(app: App, number: int | None) -> None:
    """Show the operation NUMBER, the last one if not given; -2 is the one before it."""
    with app.read() as t:
        wanted = t.operations[-1 if number is None else number].number
        done, undone_by = next((d, u) for d, u in with_effect(t.operations) if d.number == wanted)
    rows: list[list[Cell]] = [
        ["operation", (str(done.number), "cyan")],
        ["verb", (done.verb, "bold")],
        ["actor", done.actor],
        ["date", done.created_at.isoformat()],
        ["arguments", json.dumps(dict(done.args), ensure_ascii=False, sort_keys=True) if done.args else ""],
        ["undone by", "" if undone_by is None else str(undone_by)],
    ]
    rows += [["moved", f"{name} {old or '-'} {new or '-'}"] for name, old, new in done.changes]
    app.emit({"operation": operation_json(done, undone_by)}, [Table([row for row in rows if row[1]])])
