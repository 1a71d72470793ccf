"""Covers messages with summaries."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import click

import tract
from tract.cli._compressed import PROPOSAL_HEADER, compress_blocks, compress_json, proposal_json, proposal_row
from tract.cli._context import REVISION, App, json_option
from tract.cli._errors import say
from tract.cli._render import Table
from tract.errors import InvalidContentError

if TYPE_CHECKING:
    from tract.operations.summary import Summary, SummaryRequest


@click.command()
@click.argument("revisions", nargs=-1, type=REVISION, metavar="[REVISION]...")
@click.option("--start", type=REVISION, metavar="REV", help="Cover from this message on.")
@click.option("--end", type=REVISION, metavar="REV", help="Cover up to this message.")
@click.option("--target", "target_tokens", type=click.IntRange(min=1), metavar="N", help="Most tokens they may have.")
@click.option("--content", metavar="TEXT", multiple=True, help="The summary itself, one for each group; - reads stdin.")
@click.option("--instructions", metavar="TEXT", help="What to tell the summarizer besides.")
@click.option("--preserve", type=REVISION, metavar="REV", multiple=True, help="Leave this message as it is.")
@click.option("--must-keep", metavar="TEXT", multiple=True, help="Text that has to be in the summaries.")
@click.option("--must-match", metavar="REGEX", multiple=True, help="Pattern whose matches have to be in them.")
@click.option("--offline", "is_offline", is_flag=True, help="Pick sentences, even where a model is configured.")
@click.option("--propose", "is_proposal", is_flag=True, help="Write drafts to be approved instead.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@json_option
@click.pass_obj
def command(
    app: App,
    /,
    *,
    revisions: tuple[str, ...],
    content: tuple[str, ...],
    must_match: tuple[str, ...],
    must_keep: tuple[str, ...],
    is_offline: bool,
    is_proposal: bool,
    **options: Any,
) -> None:
    """Cover the messages of the REVISIONs, or all that are not pinned, with summaries.

    The originals stay: `tract expand` shows them, `tract revert` brings them back. The model configured for
    `compress` writes them; without one sentences are picked.
    """
    options["content"] = _texts(content)
    options["must_keep"] = [*must_keep, *map(_pattern, must_match)]
    options["autonomy"] = "collaborative" if is_proposal else None
    with app.write() as t, _Progress() as progress:
        summarizer = None
        if is_offline or options["content"] is not None or not t.models["compress"].is_configured:
            summarizer = progress.watched(tract.extractive)
        else:
            progress.say("Waiting for the model")
        result: Any = t.compress(revisions or None, summarizer=summarizer, **options)
    if isinstance(result, tract.Proposal):
        app.emit({"proposal": proposal_json(result)}, [Table([proposal_row(result)], PROPOSAL_HEADER)])
        say("hint", f"Look at it with `tract proposals show {result.number}`; approve, edit or reject it there.")
    else:
        app.emit(compress_json(result), compress_blocks(result), is_paged=True)


def _texts(content: tuple[str, ...]) -> list[str] | None:
    try:
        return [sys.stdin.buffer.read().decode() if one == "-" else one for one in content] or None
    except UnicodeDecodeError as error:
        raise InvalidContentError("The text is not UTF-8.", hint="Convert it first, as with iconv.") from error


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise click.UsageError(f"--must-match takes a regular expression, not `{text}`: {error}.") from None


class _Progress:
    """Says on a terminal which group is being summarized; the line is gone in the end."""

    def __init__(self) -> None:
        self._count = 0
        self._is_terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._count and self._is_terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def watched(self, summarizer: Callable[[SummaryRequest], Summary]) -> Callable[[SummaryRequest], Summary]:
        """Return *summarizer*, which says so when it is called."""

        def call(request: SummaryRequest) -> Summary:
            self.say(f"Summarizing group {self._count + 1} ({len(request.messages)} messages)")
            return summarizer(request)

        return call

    def say(self, what: str) -> None:
        """Say *what* goes on, in the place of what was said before."""
        self._count += 1
        if self._is_terminal:
            click.echo(f"\r\x1b[K{what}", nl=False, err=True)
