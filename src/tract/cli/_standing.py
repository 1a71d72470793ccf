"""Keeps where `tract checkout` left the command line: on a commit instead of a branch.

A handle that is detached is so for itself only, and every command opens its own. So a commit checked out
is noted in a file beside the store, one line of JSON, and the next command stands there again. The store
itself does not know, and other programs stay where they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tract.cli._errors import say
from tract.errors import InvalidInputError, RevisionNotFoundError
from tract.objects.refs import BRANCH_PREFIX, HEAD

if TYPE_CHECKING:
    from tract.porcelain.tract import Tract

_SUFFIX: Final = "-checkout"


def stand(t: Tract, place: str) -> None:
    """Let *t*, just opened at *place*, stand on the commit checked out last, if one is."""
    commit = _read(place).get(t.name)
    if commit is None:
        return
    try:
        t.checkout(commit)
    except RevisionNotFoundError:
        say("note", f"The commit {commit[:8]} that was checked out is gone; this is branch {t.current_branch}.")


def remember(t: Tract, place: str) -> None:
    """Let the next command stand where *t* stands: on its commit if it is detached, else on the branch.

    Raises:
        InvalidInputError: It is detached and the store is on a server, which has no place for the note.
    """
    kept = _read(place)
    before = dict(kept)
    kept.pop(t.name, None)
    if t.current_branch is None and t.head is not None:
        kept[t.name] = t.head
    if kept == before:
        return
    file = _file(place)
    if file is None:
        raise InvalidInputError(
            "A store on a server keeps no commit checked out.",
            hint="Make a branch there: `tract switch -c NAME REVISION`.",
        )
    if kept:
        file.write_text(json.dumps(kept, sort_keys=True) + "\n", encoding="utf-8")
    else:
        file.unlink()


def previous_branch(t: Tract) -> str | None:
    """Return the branch the tract was on before it was switched to the current one, `None` if there is none."""
    for done in t.operations:
        for name, old, new in done.changes:
            if name == HEAD and old is not None and old != new:
                branch = old.removeprefix(BRANCH_PREFIX)
                return branch if branch in t.branches else None
    return None


def go_back(t: Tract) -> None:
    """Stand where the command line stood before: from a commit on its branch, from a branch on the one before.

    Raises:
        RevisionNotFoundError: There is nowhere to go back to.
    """
    if t.current_branch is None:
        t.checkout("-")
        return
    branch = previous_branch(t)
    if branch is None:
        raise RevisionNotFoundError("-")
    t.switch(branch)


def _file(place: str) -> Path | None:
    return None if "://" in place or place == ":memory:" else Path(place + _SUFFIX)


def _read(place: str) -> dict[str, str]:
    file = _file(place)
    if file is None or not file.is_file():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        kept = None
    if isinstance(kept, dict) and all(isinstance(commit, str) for commit in kept.values()):
        return kept
    say("warning", f"`{file}` cannot be read and is passed over.")
    return {}
