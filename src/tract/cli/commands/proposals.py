"""Lists what waits for a yes, and decides it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

import click

import tract
from tract.cli._compressed import PROPOSAL_HEADER, compress_blocks, compress_json, proposal_json, proposal_row
from tract.cli._context import App, json_option
from tract.cli._errors import FAILURE, fail
from tract.cli._render import Block, Body, Heading, Table

if TYPE_CHECKING:
    from tract.operations.proposal import Proposal

_RULE: Final = "# ---- draft {number} of {count}: change the text below; lines like this one part the drafts ----"
_RULE_LINE: Final = re.compile(r"^# ---- draft \d+ of \d+: .*----$\n?", re.MULTILINE)


@click.group(name="proposals", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List what waits for a yes, approve, edit or reject it."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(listed)


@command.command(name="list")
@click.option("--all", "is_all", is_flag=True, help="Show decided ones too.")
@json_option
@click.pass_obj
def listed(app: App, *, is_all: bool = False) -> None:
    """List the open proposals: number, state, verb, branch, commit it was made on, drafts, text."""
    with app.read() as t:
        found = list(t.proposals.values()) if is_all else list(t.proposals.open)
    rows = [proposal_row(one) for one in found]
    app.emit({"proposals": [proposal_json(one) for one in found]}, [Table(rows, PROPOSAL_HEADER)], is_paged=True)


@command.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def show(app: App, *, number: int) -> None:
    """Show the drafts of the proposal NUMBER."""
    with app.read() as t:
        proposal = t.proposals[number]
    _emit(app, proposal)


@command.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def approve(app: App, *, number: int) -> None:
    """Carry out the proposal NUMBER; what was committed meanwhile stays after it."""
    with app.write() as t:
        result = t.proposals.approve(number)
    document = compress_json(result) if isinstance(result, tract.CompressResult) else {}
    blocks = compress_blocks(result) if isinstance(result, tract.CompressResult) else []
    app.emit({"approved": number, **document}, blocks)


@command.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def reject(app: App, *, number: int) -> None:
    """Drop the proposal NUMBER; nothing else changes."""
    with app.write() as t:
        proposal = t.proposals.reject(number)
    app.emit({"proposal": proposal_json(proposal)}, [Table([proposal_row(proposal)], PROPOSAL_HEADER)])


@command.command()
@click.argument("number", type=int)
@click.option("--text", "texts", metavar="TEXT", multiple=True, help="The new drafts, instead of an editor.")
@json_option
@click.pass_obj
def edit(app: App, *, number: int, texts: tuple[str, ...]) -> None:
    """Change the drafts of the proposal NUMBER, in $EDITOR unless --text gives them."""
    with app.write() as t:
        drafts = texts or _edited(t.proposals[number])
        proposal = t.proposals.edit(number, drafts)
    _emit(app, proposal)


def _edited(proposal: Proposal) -> tuple[str, ...]:
    """Return the drafts as the user left them in the editor."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("There is no terminal for an editor: give each draft with --text.")
    count = len(proposal.drafts)
    parts = [f"{_RULE.format(number=at, count=count)}\n{text}\n" for at, text in enumerate(proposal.drafts, 1)]
    changed = click.edit("".join(parts), extension=".md")
    if changed is None:
        fail("Nothing was changed.", hint="Save the text in the editor to change the drafts.", code=FAILURE)
    texts = tuple(text.strip() for text in _RULE_LINE.split(changed))[1:]
    return texts or (changed.strip(),)


def _emit(app: App, proposal: Proposal) -> None:
    blocks: list[Block] = [Table([proposal_row(proposal)], PROPOSAL_HEADER)]
    for number, text in enumerate(proposal.drafts, 1):
        blocks += [Heading([""]), Heading([(f"draft {number}", "bold")]), Body(text)]
    app.emit({"proposal": proposal_json(proposal)}, blocks, is_paged=True)
