"""Lists, creates, deletes, renames and describes branches."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._decide import decision_options, require_yes
from tract.cli._render import Block, Cell, Heading, Table, page_width
from tract.errors import BranchNotFoundError

if TYPE_CHECKING:
    from tract.operations.branch import Branch
    from tract.porcelain.tract import Tract


@click.command()
@click.argument("names", nargs=-1, type=REVISION, metavar="[NAME] [REVISION]")
@click.option("-d", "--delete", "action", flag_value="delete", help="Delete branches whose commits others have too.")
@click.option("-D", "--force-delete", "action", flag_value="force-delete", help="Delete branches, merged or not.")
@click.option("-m", "--move", "action", flag_value="move", help="Rename a branch: [OLD] NEW.")
@click.option("--describe", "description", metavar="TEXT", help="Say what a branch is for; empty takes it back.")
@decision_options
@json_option
@click.pass_obj
# click passes by name.
def command(
    app: App,
    *,
    names: tuple[str, ...],
    action: str | None,
    description: str | None,
    is_confirmed: bool,
    is_dry_run: bool,
) -> None:
    """List the branches, or create NAME at REVISION (HEAD if not given) without standing on it.

    Listed are the branch, its commit, how many commits it is ahead of and behind the current one, `*` for
    the current one, and what it is for.
    """
    if action is not None and description is not None:
        raise click.UsageError("Give one of -d, -D, -m and --describe.")
    if action in {"delete", "force-delete"}:
        _delete(app, names, is_forced=action == "force-delete", is_confirmed=is_confirmed, is_dry_run=is_dry_run)
    elif is_dry_run:
        raise click.UsageError("--dry-run goes with -d and -D.")
    elif action == "move":
        _move(app, names)
    elif description is not None:
        _describe(app, names, description)
    elif names:
        _create(app, names)
    else:
        _list(app)


def branch_json(branch: Branch) -> dict[str, Any]:
    """Return a branch as JSON."""
    return {
        "name": branch.name,
        "head": branch.head,
        "is_current": branch.is_current,
        "description": branch.description,
    }


def _list(app: App) -> None:
    with app.read() as t:
        document, rows = _listed(t)
        current, head = t.current_branch, t.head
    blocks: list[Block] = []
    if current is None and head is not None:
        blocks.append(Heading([("* ", "green"), ("(detached)", "red"), "  ", (head[:8], "yellow")]))
    if page_width() is not None:
        header = ("", "branch", "head", ">ahead", ">behind", "description")
        blocks.append(Table([[row[4], *row[:4], row[5]] for row in rows], header))
    else:
        blocks.append(Table(rows))
    app.emit({"current": current, "branches": document}, blocks)


def _listed(t: Tract) -> tuple[list[dict[str, Any]], list[list[Cell]]]:
    document: list[dict[str, Any]] = []
    rows: list[list[Cell]] = []
    head = t.head
    for name in t.branches:
        branch = t.branches[name]
        # Beside a current branch not born yet, none is ahead or behind.
        ahead, behind = 0, 0
        if head is not None:
            apart = t.branches.compare(name, head)
            ahead, behind = apart.ahead, apart.behind
        document.append({**branch_json(branch), "ahead": ahead, "behind": behind})
        rows.append(
            [
                (name, "green" if branch.is_current else ""),
                ((branch.head or "")[:8], "yellow"),
                str(ahead),
                str(behind),
                ("*" if branch.is_current else "", "green"),
                branch.description,
            ]
        )
    return document, rows


def _create(app: App, names: tuple[str, ...]) -> None:
    if len(names) > 2:
        raise click.UsageError("Give a name and, if it is not HEAD, a revision.")
    with app.write() as t:
        branch = t.branches.create(names[0], at=names[1] if len(names) == 2 else None)
    _emit(app, branch, "created")


def _move(app: App, names: tuple[str, ...]) -> None:
    if not 1 <= len(names) <= 2:
        raise click.UsageError("Give the new name, with the old one before it if it is not the current branch.")
    with app.write() as t:
        branch = t.branches.rename(_named(t, names[:-1]), names[-1])
    _emit(app, branch, "renamed")


def _describe(app: App, names: tuple[str, ...], description: str) -> None:
    if len(names) > 1:
        raise click.UsageError("Describe one branch at a time.")
    with app.write() as t:
        branch = t.branches.describe(_named(t, names), description)
    _emit(app, branch, "described")


def _named(t: Tract, names: tuple[str, ...]) -> str:
    """Return the branch named, else the current one."""
    if names:
        return names[0]
    if t.current_branch is None:
        raise click.UsageError("HEAD is on no branch: name one.")
    return t.current_branch


def _emit(app: App, branch: Branch, verb: str) -> None:
    head = (branch.head or "")[:8]
    row: list[Cell] = [verb, (branch.name, "green"), (head, "yellow")]
    app.emit({"done": verb, "branch": branch_json(branch)}, [Table([row])])


def _delete(app: App, names: tuple[str, ...], *, is_forced: bool, is_confirmed: bool, is_dry_run: bool) -> None:
    if not names:
        raise click.UsageError("Name the branches to delete.")
    with app.write() as t:
        for name in names:
            if name not in t.branches:
                raise BranchNotFoundError(name, list(t.branches))
        if is_dry_run:
            gone = [t.branches[name] for name in names]
        else:
            if is_forced:
                listed = ", ".join(f"`{name}`" for name in names)
                require_yes(f"This deletes {listed}, merged or not", is_confirmed=is_confirmed)
            with t.batch() if len(names) > 1 else nullcontext():
                gone = [t.branches.delete(name, force=is_forced) for name in names]
    verb = "would delete" if is_dry_run else "deleted"
    rows: list[list[Cell]] = [[verb, (one.name, "green"), ((one.head or "")[:8], "yellow")] for one in gone]
    app.emit({"is_dry_run": is_dry_run, "deleted": [branch_json(one) for one in gone]}, [Table(rows)])
