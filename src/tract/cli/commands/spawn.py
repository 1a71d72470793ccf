"""Starts a child tract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._render import Cell, Table

if TYPE_CHECKING:
    from tract.sessions.spawn import SpawnMode


@click.command()
@click.argument("purpose")
@click.option("--name", metavar="NAME", help="Name of the child; made from this tract's if not given.")
@click.option(
    "--mode",
    type=click.Choice(["fork", "snapshot", "select"]),
    help="What it is given: the whole history (default), the context as one instruction, or what is selected.",
)
@click.option("--at", "revision", type=REVISION, metavar="REV", help="Start from this commit instead of HEAD.")
@click.option("--select", "commits", type=REVISION, metavar="REV", multiple=True, help="Give it this commit, or a..b.")
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Give it messages of this content type.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Give it the commit with this tag.")
@click.option("--budget", type=click.IntRange(min=1), metavar="N", help="Largest size of a snapshot in tokens.")
@json_option
@click.pass_obj
def command(
    app: App, /, *, purpose: str, name: str | None, mode: SpawnMode | None, revision: str | None, **given: Any
) -> None:
    """Start a tract for another agent, for PURPOSE, with what it needs of this one's context.

    With --select, --type or --tag the mode is `select`. Printed are the child's name, its mode and the
    commit that records the spawn.
    """
    budget = given.pop("budget")
    select = {key: list(value) for key, value in given.items() if value}
    if select and mode not in {None, "select"}:
        raise click.UsageError("--select, --type and --tag go with --mode select.")
    with app.write() as t:
        child = t.spawn(
            purpose, name=name, mode="select" if select else mode or "fork", select=select or None, at=revision,
            budget=budget,
        )  # fmt: skip
        info = next(tree.info for tree in t.children.tree.children if tree.info.name == child.name)
    row: list[Cell] = ["spawned", (info.name, "bold"), str(info.mode), ((info.spawn or "")[:8], "yellow")]
    app.emit({"child": info.name, "mode": info.mode, "spawn": info.spawn, "head": info.head}, [Table([row])])
