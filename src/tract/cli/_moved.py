"""Answers how verbs that may break something are allowed to, how what they moved is written down, and what they ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import click

from tract.cli._errors import DECISION_NEEDED, say
from tract.cli._render import Block, Cell, Table
from tract.cli._resolve import SIDES, decisions
from tract.compile.safety import WARNING_KINDS, SafetyWarning

if TYPE_CHECKING:
    from tract.cli._context import App
    from tract.objects.decision import Action
    from tract.operations.choices import Issue
    from tract.operations.moving import MoveResult
    from tract.porcelain.tract import Tract

F = TypeVar("F", bound=Any)
R = TypeVar("R", bound="MoveResult")

_WORDS: Final = ("use", *SIDES)


def decision_options(function: F) -> F:
    """Let a command take `--allow KIND` and `--resolve N=HOW`, several times."""
    allow = click.option(
        "--allow",
        type=click.Choice(WARNING_KINDS),
        metavar="KIND",
        multiple=True,
        help=f"Go on in spite of this: {', '.join(WARNING_KINDS)}.",
    )
    resolve = click.option(
        "--resolve", "resolved", metavar="N=HOW", multiple=True, help="Decide question N: use, skip or a text."
    )
    decorated: F = allow(resolve(function))
    return decorated


class Asked(Generic[R]):
    """What a verb came to once `--resolve` was heard; it is done if nothing is left to decide.

    Questions are numbered as they come up, decisions taken in the order given: so a number stays that of
    its question while more decisions are added behind the ones before.
    """

    def __init__(self, t: Tract, result: R, resolved: tuple[str, ...]) -> None:
        self._known = list(result.issues)
        if result.is_waiting:
            for index, action, text in decisions(resolved, _WORDS, name="question"):
                result = self._decided(result, index, cast("Action", action), text)
            if not result.unresolved:
                result = t.apply(result)
        elif resolved:
            say("note", "There was nothing to decide.")
        self.result: R = result

    def _decided(self, result: R, index: int, action: Action, text: str | None) -> R:
        if index >= len(self._known):
            raise click.UsageError(f"There is no question {index + 1}; there are {len(self._known)}.")
        # Leaving a commit out may have settled what else there was to say about it.
        if self._known[index] in result.issues:
            result = result.resolve(self._known[index], action, text)
            self._known += [issue for issue in result.issues if issue not in self._known]
        return result

    def emit(self, app: App, document: Mapping[str, Any], blocks: Sequence[Block]) -> None:
        """Print *document* or *blocks* of what was done; else the questions, and leave with 3."""
        said = {**document, "issues": [self._json(issue) for issue in self.result.issues]}
        if not self.result.is_waiting:
            say_warnings(self.result.warnings)
            app.emit(said, blocks)
            return
        app.emit(said, [Table([self._row(issue) for issue in self.result.issues])])
        count = len(self.result.unresolved)
        say("note", f"{count} question{'' if count == 1 else 's'} undecided; nothing was written.")
        kinds = [one.kind for one in self.result.unresolved if isinstance(one, SafetyWarning)]
        allowed = " ".join(f"--allow {kind}" for kind in dict.fromkeys(kinds))
        say("hint", f"Add `--resolve N=use|skip|TEXT` for each{f', or `{allowed}`' if allowed else ''}.")
        raise SystemExit(DECISION_NEEDED)

    def _number(self, issue: Issue) -> int:
        return self._known.index(issue) + 1

    def _action(self, issue: Issue) -> str | None:
        made = self.result.decisions.get(issue)
        return None if made is None else made.action

    def _row(self, issue: Issue) -> list[Cell]:
        action = self._action(issue)
        decision: Cell = ("undecided", "red") if action is None else (action, "green")
        return [str(self._number(issue)), (issue.kind, "bold"), decision, issue.message]

    def _json(self, issue: Issue) -> dict[str, Any]:
        commits = issue.commits if isinstance(issue, SafetyWarning) else (issue.commit, *issue.missing)
        return {
            "number": self._number(issue),
            "kind": issue.kind,
            "commits": list(commits),
            "message": issue.message,
            "decision": self._action(issue),
        }


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
