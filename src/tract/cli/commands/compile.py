"""Compiles the messages to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tract.cli._compiled import FORMATS, context_blocks, context_json
from tract.cli._context import REVISION, App, json_option
from tract.cli._errors import say
from tract.cli._render import print_json

if TYPE_CHECKING:
    from tract.compile.context import CompiledContext
    from tract.compile.fit import StrategyName
    from tract.formats.report import Loss, Repair


@click.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", *FORMATS]),
    default="text",
    show_default=True,
    help="`dicts` belong to no provider; the others, but for `text`, are ready to send.",
)
@click.option("--at", "revision", type=REVISION, metavar="REV", help="Compile this commit instead of HEAD.")
@click.option("--budget", type=click.IntRange(min=1), metavar="N", help="Leave out what N tokens have no room for.")
@click.option(
    "--strategy",
    type=click.Choice(["newest", "window", "importance", "relevant"]),
    help="What to keep; without --budget, of the tract's own.",
)
@click.option("--query", metavar="TEXT", help="With --strategy relevant: what to keep has to do with this.")
@click.option("--mark-erased", is_flag=True, help="Show `[erased]` where a content was erased or collected.")
@json_option
@click.pass_obj
def command(
    app: App,
    /,
    *,
    kind: str,
    revision: str | None,
    budget: int | None,
    strategy: StrategyName | None,
    query: str | None,
    mark_erased: bool,
) -> None:
    """Print the messages to send next.

    As `text`, when piped, one line each: commit, role and what it says. What a provider's format cannot
    carry, or had to change, is said on stderr, and so is what was left out to fit a budget.
    """
    with app.read() as t:
        context = t.compile(at=revision, budget=budget, strategy=strategy, query=query, mark_erased=mark_erased)
    for warning in context.warnings:
        say("warning", warning)
    for one in context.left_out:
        say("note", f"left out {one.commit[:8]} {one.role}, {one.tokens:,} tokens ({one.why})")
    if kind not in {"text", "dicts"}:
        _tell_changes(context, kind)
    if app.is_json:
        app.emit(context_json(context, "dicts" if kind == "text" else kind), [])
    elif kind == "text":
        app.emit({}, context_blocks(context), is_paged=True)
    else:
        print_json(FORMATS[kind](context))


def _tell_changes(context: CompiledContext, kind: str) -> None:
    report = context.report(kind)
    for repair in report.repairs:
        _tell("repaired", repair)
    for loss in report.losses:
        _tell("lost", loss)


def _tell(verb: str, change: Loss | Repair) -> None:
    place = "" if change.message_index is None else f" in message {change.message_index}"
    say("note", f"{verb} {change.kind}{place}" + (f": {change.detail}" if change.detail else ""))
