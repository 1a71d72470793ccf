"""Answers how verbs that may break something are allowed to, and how what they moved is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tract.cli._errors import say
from tract.cli._render import Cell
from tract.compile.safety import WARNING_KINDS

if TYPE_CHECKING:
    from tract.compile.safety import SafetyWarning
    from tract.porcelain.tract import Tract

F = TypeVar("F", bound=Any)


def allow_option(function: F) -> F:
    """Let a command take `--allow KIND`, several times."""
    option = click.option(
        "--allow",
        type=click.Choice(WARNING_KINDS),
        metavar="KIND",
        multiple=True,
        help=f"Go on in spite of this: {', '.join(WARNING_KINDS)}.",
    )
    decorated: F = option(function)
    return decorated


def say_warnings(warnings: Iterable[SafetyWarning]) -> None:
    """Say on stderr what was broken because it was allowed."""
    for one in warnings:
        say("warning", f"{one.kind}: {one.message}")


def warnings_json(warnings: Iterable[SafetyWarning]) -> list[dict[str, Any]]:
    """Return safety warnings as JSON."""
    return [{"kind": one.kind, "commits": list(one.commits), "message": one.message} for one in warnings]


def copied_rows(t: Tract, mapping: Mapping[str, str], skipped: Iterable[str] = ()) -> list[list[Cell]]:
    """Return a line for each commit made again, old and new, and for each left out."""
    rows: list[list[Cell]] = [
        [("copied", "green"), (old[:8], "yellow"), (new[:8], "yellow"), t.get(new).message]
        for old, new in mapping.items()
    ]
    rows += [[("skipped", "red"), (old[:8], "yellow"), "", t.get(old).message] for old in skipped]
    return rows
