"""Moves the current branch to another commit."""

from __future__ import annotations

from typing import Literal

import click

from tract.cli._context import REVISION, App, json_option
from tract.cli._decide import decision_options, require_yes
from tract.cli._describe import commit_json
from tract.cli._render import Cell, Table


@click.command()
@click.argument("revision", type=REVISION)
@click.option("--soft", "mode", flag_value="soft", default="soft", help="Keep the old tip as ORIG_HEAD (the default).")
@click.option("--hard", "mode", flag_value="hard", help="Leave the old tip to the operation log.")
@decision_options
@json_option
@click.pass_obj
def command(app: App, *, revision: str, mode: Literal["soft", "hard"], is_confirmed: bool, is_dry_run: bool) -> None:
    """Let the current branch point to REVISION; `tract undo` moves it back.

    Printed are the branch, its old tip, its new one, and how many commits it no longer has.
    """
    with app.write() as t:
        info, old, branch = t.get(revision), t.head, t.current_branch
        # An unborn branch or a detached HEAD has nothing to lose; `t.reset` says what is wrong there.
        left = 0 if old is None else t.branches.compare(old, info).ahead
        if not is_dry_run:
            if mode == "hard":
                takes = f"{left} commit{'' if left == 1 else 's'}"
                require_yes(f"This takes {takes} off `{branch or 'HEAD'}`", is_confirmed=is_confirmed)
            t.reset(info, mode)
    row: list[Cell] = [
        (branch or "HEAD", "green"),
        ((old or "")[:8], "yellow"),
        (info.short_hash, "yellow"),
        f"{left}",
    ]
    document = {
        "branch": branch,
        "mode": mode,
        "is_dry_run": is_dry_run,
        "from": old,
        "to": commit_json(info),
        "commits_left": left,
    }
    app.emit(document, [Table([row], ("branch", "from", "to", ">commits left"))])
