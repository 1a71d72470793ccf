"""Brings another branch in, and finishes a merge that waits for decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import click

from tract.cli._conflicts import merge_blocks, merge_json
from tract.cli._context import REVISION, App, json_option
from tract.cli._errors import DECISION_NEEDED, fail, say
from tract.cli._render import Cell, Table
from tract.cli._resolve import SIDES, decisions
from tract.errors import NoMergeError

if TYPE_CHECKING:
    from tract.objects.decision import Action
    from tract.operations.merge_result import MergeResult
    from tract.porcelain.tract import Tract

# Written out, so that `tract --help` need not load the database; a test compares them.
_STRATEGIES: Final = ("auto", "ours", "theirs", "squash", "semantic")


@click.command()
@click.argument("branch", type=REVISION, required=False)
@click.option("--strategy", type=click.Choice(_STRATEGIES), default="auto", show_default=True, help="How to merge.")
@click.option("--no-ff", is_flag=True, help="Write a merge commit even where the branch could just move.")
@click.option("-m", "--message", metavar="MSG", help="What to show in the log.")
@click.option("--delete-branch", is_flag=True, help="Drop BRANCH once it is merged.")
@click.option(
    "--resolve", "resolved", metavar="N=HOW", multiple=True, help="Decide conflict N: ours, theirs, skip or a text."
)
@click.option("--continue", "action", flag_value="continue", help="Write the merge that waits.")
@click.option("--abort", "action", flag_value="abort", help="Give up the merge that waits.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    branch: str | None,
    resolved: tuple[str, ...],
    action: str | None,
    **options: Any,
) -> None:
    """Bring BRANCH into the current one: base, then ours, then theirs. Without BRANCH, show the merge that waits.

    A conflict is shown with its number, what was before, ours and theirs; nothing is merged until each is decided
    with --resolve and the merge is written with --continue. `N=-` reads the text from stdin.
    """
    app: App = ctx.obj
    _check(branch, resolved, action, options)
    if action == "abort":
        _abort(app)
        return
    with app.write() if branch is not None or resolved or action else app.read() as t:
        if branch is not None:
            result = t.merge(branch, **options)
        else:
            result = _waiting(t)
            _resolve(result, resolved)
            if action == "continue" and not result.unresolved:
                _require_branch(t, result)
                result = t.commit_merge(result)
            elif resolved:
                t.merge_in_progress = result
                result = _waiting(t)
        document, blocks = merge_json(result), merge_blocks(result)
    app.emit(document, blocks, is_paged=True)
    if result.head is None:
        _say_next(result)
        # With the last --resolve everything asked for was done; only --continue is left.
        ctx.exit(0 if resolved and not result.unresolved else DECISION_NEEDED)


def _check(branch: str | None, resolved: tuple[str, ...], action: str | None, options: Mapping[str, Any]) -> None:
    """Refuse what does not go together."""
    if branch is not None and (resolved or action):
        raise click.UsageError(
            "BRANCH begins a merge; --resolve, --continue and --abort go on with the one that waits."
        )
    if branch is None and any(value not in {None, False, "auto"} for value in options.values()):
        raise click.UsageError("Name the branch to merge.")
    if action == "abort" and resolved:
        raise click.UsageError("Give one of --resolve and --abort.")


def _waiting(t: Tract) -> MergeResult:
    result = t.merge_in_progress
    if result is None:
        raise NoMergeError
    return result


def _abort(app: App) -> None:
    with app.write() as t:
        result = _waiting(t)
        t.abort_merge()
    document = {**merge_json(result), "kind": "aborted"}
    row: list[Cell] = [("aborted", "bold"), (result.into, "green"), result.name]
    app.emit(document, [Table([row])])


def _require_branch(t: Tract, result: MergeResult) -> None:
    """Say where to go if HEAD is on another branch than the merge was begun on."""
    if t.current_branch != result.into:
        fail(
            f"The merge was begun on `{result.into}`, not on `{t.current_branch or 'a commit'}`.",
            hint="Stand there first, with `tract switch NAME`.",
            code=DECISION_NEEDED,
        )


def _resolve(result: MergeResult, resolved: tuple[str, ...]) -> None:
    """Decide the conflicts as `N=HOW` says, the last of several for one conflict."""
    for index, action, text in decisions(resolved, SIDES):
        if index >= len(result.conflicts):
            raise click.UsageError(f"There is no conflict {index + 1}; the merge has {len(result.conflicts)}.")
        result.resolve(index, cast("Action", action), text)


def _say_next(result: MergeResult) -> None:
    """Say on stderr what is left to do."""
    if result.unresolved:
        count = len(result.unresolved)
        say("note", f"{count} conflict{'' if count == 1 else 's'} undecided; nothing was merged yet.")
        say("hint", "Decide with `tract merge --resolve N=ours|theirs|skip|TEXT`, or give up with `--abort`.")
    else:
        say("note", "Nothing was merged yet.")
        say("hint", "Write it with `tract merge --continue`, or give up with `tract merge --abort`.")
