"""Shows one commit and its content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import commit_json
from tract.cli._errors import say
from tract.cli._render import Block, Body, Cell, Heading, Table
from tract.errors import ContentErasedError, InvalidTargetError, UnknownContentTypeError

if TYPE_CHECKING:
    from tract.objects.commit import CommitInfo
    from tract.porcelain.tract import Tract


@click.command()
@click.argument("revision", type=REVISION, default="HEAD")
@json_option
@click.pass_obj
def command(app: App, revision: str) -> None:
    """Show the commit REVISION and its content."""
    with app.read() as t:
        info = t.get(revision)
        fields = _content(t, info)
    app.emit({"commit": commit_json(info), "content": fields}, [*_facts(info), *_said(fields)], is_paged=True)


def _content(t: Tract, info: CommitInfo) -> dict[str, Any] | None:
    """Return the fields of the content, or `None` when it has none that can be shown."""
    try:
        content = t.show(info.hash)
    except InvalidTargetError:
        return None
    except (ContentErasedError, UnknownContentTypeError) as error:
        say("note", error.message)
        return None
    fields: dict[str, Any] = content.model_dump(mode="json", exclude_defaults=True)
    return fields


def _facts(info: CommitInfo) -> list[Block]:
    rows: list[list[Cell]] = [
        ["commit", (info.hash, "yellow")],
        ["parents", " ".join(info.parents)],
        ["op", info.op],
        ["targets", " ".join(info.targets)],
        ["type", info.content_type or ""],
        ["origin", info.origin],
        ["author", info.author],
        ["date", info.created_at.isoformat()],
        ["tokens", str(info.tokens)],
        ["context", str(info.context_tokens)],
        ["message", info.message],
        ["metadata", json.dumps(dict(info.metadata), ensure_ascii=False) if info.metadata else ""],
        ["config", json.dumps(dict(info.generation_config), ensure_ascii=False) if info.generation_config else ""],
    ]
    return [Table([row for row in rows if row[1]])]


def _said(fields: dict[str, Any] | None) -> list[Block]:
    if fields is None:
        return []
    text = fields.get("text")
    others = {name: value for name, value in fields.items() if name not in {"text", "role"}}
    blocks: list[Block] = [Body(""), Body(text)] if isinstance(text, str) else []
    if others:
        blocks += [Heading([""]), Body(json.dumps(others, ensure_ascii=False, indent=2))]
    return blocks
