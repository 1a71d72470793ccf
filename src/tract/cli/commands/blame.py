"""Shows where each line of the context came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._render import Cell, Table, page_width

if TYPE_CHECKING:
    from tract.compile.blame import BlameLine, BlameMessage


@click.command()
@click.argument("revision", type=REVISION, required=False)
@json_option
@click.pass_obj
def command(app: App, *, revision: str | None) -> None:
    """Show for each line of the context of REVISION (HEAD if not given) where it came from.

    The columns are commit, operation, who (the model, else the actor, the author or the origin), when, role, message
    and line, and the line.
    """
    with app.read() as t:
        result = t.blame(revision)
    is_piped = page_width() is None
    rows = [_row(message, line, is_piped=is_piped) for message in result.messages for line in message.lines]
    header = ("commit", ">op", "who", "when", "role", ">line", "text")
    document = {"head": result.head, "messages": [_as_json(message) for message in result.messages]}
    app.emit(document, [Table(rows, header)], is_paged=True)


def _row(message: BlameMessage, line: BlameLine, *, is_piped: bool) -> list[Cell]:
    when = line.created_at.isoformat(timespec="seconds") if is_piped else line.created_at.strftime("%m-%d %H:%M")
    return [
        (line.commit[:8], "yellow"),
        "" if line.operation is None else str(line.operation),
        (line.model or line.actor or line.author or line.origin, "cyan"),
        (when, "dim"),
        (message.role, "green"),
        f"{line.message}:{line.number}",
        line.text,
    ]


def _as_json(message: BlameMessage) -> dict[str, Any]:
    return {
        "index": message.index,
        "role": message.role,
        "commit": message.commit,
        "covers": list(message.covers),
        "lines": [_line(line) for line in message.lines],
    }


def _line(line: BlameLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "text": line.text,
        "commit": line.commit,
        "op": line.op,
        "operation": line.operation,
        "actor": line.actor,
        "author": line.author,
        "origin": line.origin,
        "model": line.model,
        "created_at": line.created_at.isoformat(),
        "source": line.source,
    }
