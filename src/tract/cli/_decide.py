"""Asks before something is lost: on a terminal in person, elsewhere by demanding `--yes`."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

import click

from tract.cli._errors import DECISION_NEEDED, FAILURE, fail
from tract.cli._text import visible

F = TypeVar("F", bound=Any)


def decision_options(function: F) -> F:
    """Let a command take `--yes` and `--dry-run`."""
    yes = click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
    dry_run = click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be done, and do nothing.")
    decorated: F = yes(dry_run(function))
    return decorated


def require_yes(what: str, *, is_confirmed: bool) -> None:
    """Go on if the user agrees to *what*, a sentence without its end; else leave.

    The exit code is 3 where nobody can be asked, and 1 after a no.
    """
    if is_confirmed:
        return
    if not _is_answered():
        fail(f"{what}: that needs a yes.", hint="Pass `--yes`, or look first with `--dry-run`.", code=DECISION_NEEDED)
    if not click.confirm(visible(f"{what}. Go on?"), err=True):
        fail("Nothing was changed.", hint=None, code=FAILURE)


def is_wanted(question: str, *, is_confirmed: bool) -> bool:
    """Ask on a terminal for something more; nobody there, or no questions wanted, is a no."""
    return not is_confirmed and _is_answered() and click.confirm(visible(question), err=True)


def _is_answered() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
