"""Brings a child's work home."""

from __future__ import annotations

import sys
from typing import Any

import click

import tract
from tract.cli._compressed import PROPOSAL_HEADER, proposal_json, proposal_row
from tract.cli._context import CHILD, App, json_option
from tract.cli._errors import say
from tract.cli._render import Table
from tract.cli._tracts import COLLAPSE_HEADER, collapse_json, collapse_row
from tract.errors import InvalidContentError


@click.command()
@click.argument("child", type=CHILD)
@click.option("--content", metavar="TEXT", help="The summary itself; - reads stdin.")
@click.option("--target", "target_tokens", type=click.IntRange(min=1), metavar="N", help="Most tokens it may have.")
@click.option("--instructions", metavar="TEXT", help="What to tell the summarizer besides.")
@click.option("--must-keep", metavar="TEXT", multiple=True, help="Text that has to be in the summary.")
@click.option("--propose", "is_proposal", is_flag=True, help="Write a draft to be approved instead.")
@json_option
@click.pass_obj
def command(app: App, /, *, child: str, content: str | None, is_proposal: bool, **options: Any) -> None:
    """Append a summary of what CHILD has done since the last time; the child stays as it is.

    `tract expand` opens it, `tract undo` takes it back. Sentences are picked without a model.
    """
    options["autonomy"] = "collaborative" if is_proposal else None
    with app.write() as t:
        result: Any = t.collapse(child, content=_text(content), **options)
    if isinstance(result, tract.Proposal):
        app.emit({"proposal": proposal_json(result)}, [Table([proposal_row(result)], PROPOSAL_HEADER)])
        say("hint", f"Look at it with `tract proposals show {result.number}`; approve, edit or reject it there.")
    else:
        app.emit(collapse_json(result), [Table([collapse_row(result)], COLLAPSE_HEADER)])


def _text(content: str | None) -> str | None:
    try:
        return sys.stdin.buffer.read().decode() if content == "-" else content
    except UnicodeDecodeError as error:
        raise InvalidContentError("The text is not UTF-8.", hint="Convert it first, as with iconv.") from error
