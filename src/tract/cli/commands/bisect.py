"""Finds the commit that broke something."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._describe import commit_json
from tract.cli._errors import FAILURE, fail, say
from tract.cli._render import SCHEMA_VERSION, Heading, Table
from tract.objects.commit import SHORT_HASH

if TYPE_CHECKING:
    from tract.compile.bisect import BisectResult
    from tract.compile.context import CompiledContext

CANNOT_TELL: Final = 125
"""Exit code of a test that cannot tell good from bad, as for `git bisect run`."""
LAST_BAD: Final = 127


@click.group(name="bisect")
def command() -> None:
    """Find the commit that broke something."""


@command.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--good", required=True, type=REVISION, metavar="REV", help="A commit where the test passes.")
@click.option("--bad", default="HEAD", show_default=True, type=REVISION, metavar="REV", help="One where it fails.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@json_option
@click.pass_context
def run(ctx: click.Context, *, good: str, bad: str, words: tuple[str, ...]) -> None:
    """Find the first commit after which COMMAND fails, in a logarithmic number of runs.

    COMMAND gets the context of a commit on stdin, as `tract compile --json` prints it, and its hash in the variable
    TRACT_COMMIT. It exits with 0 if that is good, 125 if it cannot tell, another code up to 127 if it is bad; any
    higher code, or a signal, ends the search. What it prints goes to stderr.

    Printed is the commit found. If untestable commits hide it, those that may be it are, and the exit code is 1.
    """
    app: App = ctx.obj
    with app.read() as t:
        result = t.bisect(good, bad, lambda context: _is_good(words, context))
    rows = [[(info.short_hash, "yellow"), info.op, info.origin, info.message] for info in result.candidates]
    found = "The first bad commit" if result.first_bad is not None else "The first bad commit is one of these"
    app.emit(_document(result), [Heading([(f"{found}, after {result.runs} runs", "dim")]), Table(rows)])
    if result.first_bad is None:
        ctx.exit(FAILURE)


def _is_good(words: Sequence[str], context: CompiledContext) -> bool | None:
    """Return what COMMAND says of *context*; leave if it says stop."""
    import os

    document = {
        "schema_version": SCHEMA_VERSION,
        "head": context.head,
        "token_count": context.token_count,
        "messages": context.to_dicts(),
    }
    head = context.head or ""
    done = subprocess.run(  # noqa: S603 - the user's own command
        words,
        input=json.dumps(document).encode(),
        stdout=2,
        env={**os.environ, "TRACT_COMMIT": head},
        check=False,
    )
    code = done.returncode
    if not 0 <= code <= LAST_BAD:
        what = f"signal {-code}" if code < 0 else f"exit code {code}"
        fail(f"The search ended: the command left with {what} at {head[:SHORT_HASH]}.", hint=None, code=FAILURE)
    verdict = {0: True, CANNOT_TELL: None}.get(code, False)
    say("note", f"{head[:SHORT_HASH]} {'cannot be tested' if verdict is None else 'is good' if verdict else 'is bad'}")
    return verdict


def _document(result: BisectResult) -> dict[str, Any]:
    return {
        "first_bad": None if result.first_bad is None else commit_json(result.first_bad),
        "candidates": [commit_json(info) for info in result.candidates],
        "runs": result.runs,
        "steps": [
            {"commit": step.commit, "verdict": step.verdict, "remaining": step.remaining} for step in result.steps
        ],
    }
