"""Shows what a tract knew at a moment."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from tract.cli._compiled import context_blocks, context_json
from tract.cli._context import App, json_option
from tract.cli._errors import say
from tract.cli._moment import moment
from tract.errors import InvalidInputError, RevisionNotFoundError


@click.command()
@click.argument("when")
@json_option
@click.pass_obj
def command(app: App, *, when: str) -> None:
    """Print the messages the tract knew at WHEN: a time, or the moment a commit of any tract was made.

    A commit is named by its hash, or as `tract:revision`; a time as 2026-01-31T12:00, 2h or yesterday. What
    agent-2 knew when agent-1 decided: `tract --tract agent-2 at agent-1:HEAD`.
    """
    with app.session(read_only=True) as session:
        try:
            context = session.at(app.tract, when)
        except RevisionNotFoundError as error:
            context = session.at(app.tract, _time(when, error))
    for warning in context.warnings:
        say("warning", warning)
    app.emit(context_json(context, "dicts"), context_blocks(context), is_paged=True)


def _time(when: str, error: RevisionNotFoundError) -> datetime:
    try:
        return moment(when, datetime.now(UTC).astimezone())
    except InvalidInputError:
        raise error from None
