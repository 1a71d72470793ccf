"""Lists, creates and deletes tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import REVISION, TAG, App, json_option
from tract.cli._render import Cell, Table

if TYPE_CHECKING:
    from tract.operations.tag import Tag


@click.command()
@click.argument("name", type=TAG, required=False)
@click.argument("revision", type=REVISION, required=False)
@click.option("-d", "--delete", "is_gone", is_flag=True, help="Delete the tag NAME; its commit stays.")
@json_option
@click.pass_obj
def command(app: App, *, name: str | None, revision: str | None, is_gone: bool) -> None:
    """List the tags, or name REVISION (HEAD if not given) NAME.

    Listed are the tag, its commit and what that says.
    """
    if name is None:
        if is_gone:
            raise click.UsageError("Name the tag to delete.")
        _list(app)
        return
    if is_gone and revision is not None:
        raise click.UsageError("Delete one tag at a time.")
    with app.write() as t:
        tag = t.tags.delete(name) if is_gone else t.tag(name, at=revision)
    verb = "deleted" if is_gone else "created"
    row: list[Cell] = [verb, (tag.name, "magenta"), (tag.commit[:8], "yellow")]
    app.emit({"done": verb, "tag": _as_json(tag)}, [Table([row])])


def _as_json(tag: Tag) -> dict[str, Any]:
    return {"name": tag.name, "commit": tag.commit}


def _list(app: App) -> None:
    with app.read() as t:
        tags = [t.tags[name] for name in t.tags]
        infos = [t.get(tag.commit) for tag in tags]
    rows: list[list[Cell]] = [
        [(tag.name, "magenta"), (info.short_hash, "yellow"), info.message]
        for tag, info in zip(tags, infos, strict=True)
    ]
    document = [{**_as_json(tag), "message": info.message} for tag, info in zip(tags, infos, strict=True)]
    app.emit({"tags": document}, [Table(rows, ("tag", "commit", "message"))])
