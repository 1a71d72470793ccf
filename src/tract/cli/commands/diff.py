"""Shows what is different between two contexts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._errors import FAILURE
from tract.cli._render import Block, Line, Table, page_width

if TYPE_CHECKING:
    from tract.compile.diff import DiffResult, DiffSide, LineTag, MessageChange

_STYLES: Final[Mapping[LineTag, str]] = {
    "message": "bold",
    "field": "yellow",
    "hunk": "cyan",
    "added": "green",
    "removed": "red",
    "context": "",
    "stat": "dim",
}


@click.command()
@click.argument("a", type=REVISION, required=False)
@click.argument("b", type=REVISION, required=False)
@click.option("--stat", "is_stat", is_flag=True, help="Only the numbers, and a line for each message.")
@click.option("--exit-code", "has_code", is_flag=True, help="Leave with 1 if there is a difference.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, a: str | None, b: str | None, is_stat: bool, has_code: bool) -> None:
    """Show what is different in the context of B (HEAD if not given) compared with that of A; A may be A..B.

    Without A, what the last commit changed: an edit against the text it replaced. Each message that is not the
    same has a line with what happened to it and the tokens that makes, then its text as a unified diff.
    """
    app: App = ctx.obj
    with app.read() as t:
        result = t.diff(a, b)
        document, blocks = _document(result), _blocks(result, is_stat=is_stat)
    app.emit(document, blocks, is_paged=True)
    if has_code and result.changes:
        ctx.exit(FAILURE)


def _blocks(result: DiffResult, *, is_stat: bool) -> list[Block]:
    if not is_stat:
        return [Line([(text, _STYLES[tag])]) for tag, text in result.lines()]
    rows: list[Block] = []
    if page_width() is not None:
        rows += [Line([change.headline()]) for change in result.changes]
        return [*rows, Line([(str(result.stat), "dim")])]
    stat = result.stat
    cells = [
        [change.kind, change.side.role, change.side.commit[:8], f"{change.token_delta:+}"] for change in result.changes
    ]
    total = [["total", str(stat.added), str(stat.removed), str(stat.changed), f"{stat.token_delta:+}"]]
    return [Table([*cells, *total])]


def _document(result: DiffResult) -> dict[str, Any]:
    stat = result.stat
    return {
        "before": result.before,
        "after": result.after,
        "tokens": list(result.tokens),
        "token_delta": result.token_delta,
        "priming_delta": result.priming_delta,
        "unchanged": result.unchanged,
        "stat": {"added": stat.added, "removed": stat.removed, "changed": stat.changed},
        "changes": [_change(change) for change in result.changes],
    }


def _change(change: MessageChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "is_moved": change.is_moved,
        "token_delta": change.token_delta,
        "priority": list(change.priority),
        "reason": change.reason,
        "before": _side(change.before),
        "after": _side(change.after),
        "fields": [{"name": name, "before": before, "after": after} for name, before, after in change.fields],
        "lines": [{"tag": tag, "text": text} for tag, text in change.line_changes()],
    }


def _side(side: DiffSide | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "index": side.index,
        "role": side.role,
        "commit": side.commit,
        "shown": side.shown,
        "content_type": side.content_type,
        "priority": side.priority,
        "tokens": side.tokens,
    }
