"""Imports conversations from a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tract.cli._context import App, json_option
from tract.cli._render import Cell, Table

if TYPE_CHECKING:
    from tract.importers import Format, Imported


@click.command(name="import")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["auto", "openai", "openai_responses", "anthropic", "gemini"]),
    default="auto",
    show_default=True,
    help="Whose messages they are.",
)
@click.option("--branch", metavar="NAME", help="Put them on a new branch, several on NAME/id.")
@json_option
@click.pass_obj
def command(app: App, file: str, kind: Format, branch: str | None) -> None:
    """Commit the conversations of FILE, all or none.

    FILE (`-` for stdin) holds messages of OpenAI, Anthropic or Gemini as JSON or JSONL. One conversation goes to the
    end of the current branch; several get a branch each, named by their `id`.
    """
    from tract import importers

    with app.write() as t:
        if file == "-":
            found = importers.read_text(sys.stdin.buffer.read(), format=kind)
            done = importers.import_conversations(t, found, branch=branch)
        else:
            done = importers.import_file(t, file, format=kind, branch=branch)
        document = {"head": t.head, "branch": t.current_branch, "imported": [_as_json(one) for one in done]}
    rows: list[list[Cell]] = [
        [(one.branch, "green"), str(len(one.commits)), str(one.head.context_tokens), one.format] for one in done
    ]
    app.emit(document, [Table(rows, ("branch", ">commits", ">tokens", "format"))])


def _as_json(one: Imported) -> dict[str, object]:
    return {
        "branch": one.branch,
        "id": one.id,
        "format": one.format,
        "head": one.head.hash,
        "commits": len(one.commits),
        "context_tokens": one.head.context_tokens,
    }
