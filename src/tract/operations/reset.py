"""Moves the current branch to another commit; nothing is lost, `undo` moves it back."""

from __future__ import annotations

from typing import Final

from tract.errors import InvalidInputError, shown
from tract.objects.refs import ORIG_HEAD
from tract.store import Store

MODES: Final = ("soft", "hard")


def reset(store: Store, commit: bytes, mode: str, before: bytes | None) -> None:
    """Let the current branch point to *commit*.

    Args:
        store: The open store.
        commit: Hash of the commit.
        mode: `soft` keeps the old tip as `ORIG_HEAD`; `hard` leaves it to the operation log.
        before: Hash of the commit the branch is at.

    Raises:
        RefConflictError: It is elsewhere.
        DetachedHeadError: HEAD is on no branch.
    """
    if mode not in MODES:
        raise InvalidInputError(f"`mode` is soft or hard, not {shown(mode)}.", hint="Use `t.reset(revision)`.")
    ref, target = store.head_ref(), store.tip(commit)
    store.pause("reset")
    with store.operation("reset", {"mode": mode}) as operation:
        # The caller decided on what it saw: a commit that came in since must not be reset away unseen.
        operation.require_tip(before)
        if mode == "soft":
            operation.move(ORIG_HEAD, operation.find(ORIG_HEAD), operation.tip)
        operation.move(ref, operation.tip, target)
