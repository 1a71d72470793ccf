"""Shows all tracts of a store, finds what is unfinished, and hands work over."""

from __future__ import annotations

import click

from tract.cli._context import TRACT, App, json_option
from tract.cli._render import Cell, Table
from tract.cli._tracts import HEADER, tract_json, tract_row


@click.group(name="session")
def command() -> None:
    """See all tracts of a store together."""


@command.command("list")
@json_option
@click.pass_obj
def list_(app: App) -> None:
    """List the tracts: name, state, parent, mode, commits, tokens, last activity, purpose.

    A tract is `new` while nothing was said in it, `ended` when the last thing said marks its end, else `active`.
    """
    with app.session(read_only=True) as session:
        infos = list(session.tracts.values())
    app.emit({"tracts": [tract_json(info) for info in infos]}, [Table([tract_row(info) for info in infos], HEADER)])


@command.command()
@click.argument("name")
@click.option("--purpose", default="", metavar="TEXT", help="What it is for.")
@json_option
@click.pass_obj
def create(app: App, *, name: str, purpose: str) -> None:
    """Create the tract NAME, which knows nothing."""
    with app.session(read_only=False) as session:
        session.create_tract(name, purpose=purpose)
        info = session.tracts[name]
    app.emit({"tract": tract_json(info)}, [Table([tract_row(info)], HEADER)])


@command.command()
@json_option
@click.pass_obj
def resume(app: App) -> None:
    """Show the unfinished tract that was written to last; nothing if all are at their end.

    Go on with it: `tract --tract NAME ...`.
    """
    with app.session(read_only=True) as session:
        t = session.resume()
        info = None if t is None else session.tracts[t.name]
    rows = [] if info is None else [tract_row(info)]
    app.emit({"tract": None if info is None else tract_json(info)}, [Table(rows, HEADER)])


@command.command()
@click.argument("source", type=TRACT)
@click.argument("target", type=TRACT)
@click.option("--summary", required=True, metavar="TEXT", help="Where it stands.")
@click.option("--decision", "decisions", metavar="TEXT", multiple=True, help="What was decided.")
@click.option("--failed", "failed_approaches", metavar="TEXT", multiple=True, help="What need not be tried again.")
@click.option("--next", "next_steps", metavar="TEXT", multiple=True, help="What comes next.")
@json_option
@click.pass_obj
def handoff(app: App, /, *, source: str, target: str, summary: str, **lists: tuple[str, ...]) -> None:
    """Tell TARGET where SOURCE stands, and end SOURCE."""
    with app.session(read_only=False) as session:
        info = session.handoff(source, target, summary=summary, **lists)
    row: list[Cell] = ["handed over", (source, "bold"), (target, "bold"), (info.short_hash, "yellow")]
    app.emit({"source": source, "target": target, "commit": info.hash}, [Table([row])])
