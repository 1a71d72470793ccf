"""Translates every error into one sentence, a hint and an exit code; the one place that does."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import click

from tract.cli._text import visible
from tract.errors import (
    BusyError,
    CorruptStoreError,
    MergeConflictError,
    MergeInProgressError,
    MissingTargetError,
    ProposalStaleError,
    RefConflictError,
    SafetyError,
    TractError,
)

FAILURE: Final = 1
USAGE: Final = 2
DECISION_NEEDED: Final = 3
CORRUPT: Final = 4
BUSY: Final = 5
INTERRUPTED: Final = 130

_CODES: Final[tuple[tuple[type[TractError], int], ...]] = (
    (CorruptStoreError, CORRUPT),
    (BusyError, BUSY),
    (RefConflictError, DECISION_NEEDED),
    (MergeConflictError, DECISION_NEEDED),
    (MergeInProgressError, DECISION_NEEDED),
    (MissingTargetError, DECISION_NEEDED),
    (SafetyError, DECISION_NEEDED),
    (ProposalStaleError, DECISION_NEEDED),
)

# What click raises for `tract config` alone, with the help page as its message; click 8.1 prints the page itself.
_HELP_WANTED: Final[Any] = getattr(click.exceptions, "NoArgsIsHelpError", ())

# A hint that shows a Python call is of no use in a shell; these say the same for the command line.
_PYTHON: Final = re.compile(r"`t\.|Tract|`result\.|`resolver`")

_COMMANDS: Final = {
    "revision_not_found": "List recent commits with `tract log`.",
    "invalid_target": "List recent commits with `tract log`.",
    "store_not_found": "Create one with `tract init`.",
    "not_a_store": "Name another file with `--db PATH`, or make a store with `tract init`.",
    "tract_not_found": "Create it with `tract --tract NAME init`.",
    "branch_not_found": "List the branches with `tract branch`.",
    "tag_not_found": "List the tags with `tract tag`.",
    "operation_not_found": "List the operations with `tract op log`.",
    "nothing_to_undo": "Look at what was done with `tract op log`.",
    "operation_conflict": "Undo the later ones first with `tract undo -n NUMBER`, or go back with `tract reset`.",
    "detached_head": "Keep working here with `tract switch -c NAME`, or go back with `tract checkout -`.",
    "current_branch": "Stand on another one first, with `tract switch NAME`.",
    "unmerged_branch": "Delete it all the same with `tract branch -D NAME`; `tract undo` brings it back.",
    "merge_conflict": "Show the conflicts with `tract merge`, decide them with `tract merge --resolve N=ours`.",
    "merge_in_progress": "Look at it with `tract merge`, then `tract merge --continue` or `tract merge --abort`.",
    "no_model": (
        "Name one with `tract config set chat.provider NAME` and `tract config set chat.model NAME`;"
        " for others than chat `compress.model`, `orchestrate.model` and so on."
    ),
    "unanswered_calls": "Their results come from the program that offers the tools.",
    "nothing_to_answer": "Ask something: `tract chat TEXT`.",
    "no_merge": "Begin one with `tract merge BRANCH`.",
    "missing_target": "Name what it acts on as well: `tract cherry-pick TARGET REVISION`.",
    "proposal_not_found": "List them with `tract proposals list --all`.",
    "proposal_decided": "Look at it again with `tract proposals list --all`.",
    "proposal_stale": "Drop it with `tract proposals reject NUMBER`, and compress again with `tract compress`.",
    "summary": "Raise `--target`, or write the summary yourself: `tract compress --content TEXT`.",
    "safety": "Do it all the same with `--allow KIND`.",
    "ref_conflict": "Look at what came in with `tract log`, then try again.",
    "content_too_large": "Split it, or raise the limit with `tract config set max_content_bytes NUMBER`.",
    "budget_exceeded": "Raise the budget with `tract config set budget.limit_tokens NUMBER`.",
    "irreversible": "Undo one before it by its number with `tract undo --op NUMBER`; `tract op log` lists them.",
    "commit_collected": "Keep others for longer with `tract gc --keep-days DAYS`, or name them with `tract tag NAME`.",
    "busy": "Try again, or look for a process that holds the store.",
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the block raises into a message on stderr and `SystemExit`."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", UserWarning)
            yield
    except TractError as error:
        fail(error.message, hint=_hint(error), code=exit_code(error))
    except _HELP_WANTED as error:
        click.echo(error.format_message(), err=True)
        raise SystemExit(USAGE) from None
    except click.UsageError as error:
        name = error.ctx.command_path if error.ctx is not None else "tract"
        fail(error.format_message(), hint=f"Read `{name} --help`.", code=USAGE)
    except click.ClickException as error:
        fail(error.format_message(), hint=None, code=FAILURE)
    except (KeyboardInterrupt, click.Abort):
        fail("Interrupted.", hint=None, code=INTERRUPTED)
    except OSError as error:
        fail(f"{error.strerror or error}.", hint=None, code=FAILURE)


def exit_code(error: TractError) -> int:
    """Return the exit code of *error*."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILURE)


def fail(message: str, *, hint: str | None, code: int) -> NoReturn:
    """Say what went wrong on stderr and leave with *code*."""
    say("error", message)
    if hint:
        say("hint", hint)
    raise SystemExit(code)


def say(kind: str, text: str) -> None:
    """Write one line to stderr: `error: ...`, `hint: ...` or `warning: ...`."""
    click.echo(f"{kind}: {visible(text)}", err=True)


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """Leave without a word when the reader of stdout is gone, as `tract log | head` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit; there must be somewhere for it to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _hint(error: TractError) -> str | None:
    if error.hint is None or not _PYTHON.search(error.hint):
        return error.hint
    return _COMMANDS.get(error.code)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say("warning", str(message))
