"""Shows where a tract stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from tract.cli._context import App, json_option
from tract.cli._describe import commit_json, commit_row, model_json, model_text
from tract.cli._moment import age
from tract.cli._render import Block, Cell, Heading, Table, page_width

if TYPE_CHECKING:
    from tract.history.status import Status
    from tract.objects.commit import CommitInfo

_BAR_CELLS: Final = 30


@click.command()
@json_option
@click.pass_obj
def command(app: App) -> None:
    """Show where the tract stands.

    The branch, how full the context is, the last operation, what to do next, and the last commits.
    """
    with app.read() as t:
        status = t.status()
    document = {
        "tract": status.tract,
        "branch": status.branch,
        "is_detached": status.is_detached,
        "head": status.head,
        "context_tokens": status.context_tokens,
        "limit_tokens": status.limit_tokens,
        "operation": status.operation,
        "merge": status.merge,
        "models": {name: model_json(choice) for name, choice in status.models.items()},
        "next_step": next_step(status),
        "recent": [commit_json(info) for info in status.recent],
    }
    app.emit(document, _blocks(status))


def _blocks(status: Status) -> list[Block]:
    place = status.branch or "detached"
    limit = "" if status.limit_tokens is None else str(status.limit_tokens)
    facts: list[list[Cell]] = [
        ["tract", (status.tract, "bold")],
        ["branch", (place, "green")],
        ["head", ((status.head or "")[:8] or "no commit yet", "yellow")],
        ["tokens", str(status.context_tokens)],
        ["limit", limit or "none"],
        ["operation", (str(status.operation), "cyan")],
    ]
    if status.merge is not None:
        facts.append(["merge", (status.merge, "yellow")])
    facts += [[name, model_text(choice)] for name, choice in status.models.items() if choice.is_configured]
    step = next_step(status)
    if step is not None:
        facts.append(["next", step])
    blocks: list[Block] = [Table(facts)]
    if status.limit_tokens is not None:
        blocks.append(Heading(bar(status.context_tokens, status.limit_tokens)))
    if status.recent:
        blocks += [Heading([""]), Heading([("Last commits", "dim")])]
        blocks.append(Table([_recent(info) for info in status.recent]))
    return blocks


def _recent(info: CommitInfo) -> list[Cell]:
    if page_width() is None:
        return ["recent", *commit_row(info)]
    return [(info.short_hash, "yellow"), info.op, (age(info.created_at, datetime.now(UTC)), "dim"), info.message]


def next_step(status: Status) -> str | None:
    """Return what to do next in commands, where something stands in the way; the status says it in Python."""
    if status.next_step is None:
        return None
    if status.merge is not None:
        return (
            "Decide what `tract merge` shows, then `tract merge --continue`, or give it up with `tract merge --abort`."
        )
    if status.is_detached:
        return "Keep work with `tract switch -c NAME`, go back with `tract checkout -`."
    if status.head is None:
        return "Begin with `tract commit TEXT` or `tract import FILE`."
    return "Go back with `tract reset REVISION`, or raise `tract config set budget.limit_tokens NUMBER`."


def bar(tokens: int, limit_tokens: int) -> list[Cell]:
    """Return a bar that shows how much of the budget is used: green, from 75 % yellow, from 90 % red."""
    share = tokens / limit_tokens if limit_tokens else 1.0
    full = min(_BAR_CELLS, round(share * _BAR_CELLS))
    style = "red" if share >= 0.9 else "yellow" if share >= 0.75 else "green"
    return [
        ("█" * full, style),
        ("░" * (_BAR_CELLS - full), "dim"),
        f" {share:.0%} of {limit_tokens:,} tokens",
    ]
