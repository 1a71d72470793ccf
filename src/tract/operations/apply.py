"""Does what a result that waits for decisions says, whichever verb it came from."""

from __future__ import annotations

from typing import TypeVar

from tract.errors import InvalidInputError, shown
from tract.operations.merge import commit_merge
from tract.operations.merge_result import MergeResult
from tract.operations.moving import MoveResult, apply_move
from tract.store import Store

R = TypeVar("R", bound=MergeResult | MoveResult)


def apply(store: Store, result: R) -> R:
    """Do what *result* says, as it was decided; return what was done.

    Raises:
        InvalidInputError: It is no result of such a verb, or was done already.
        RefConflictError: The branch has moved, or HEAD is on another one.
        NoMergeError: It is a merge that was written or given up already.
        MergeConflictError: A conflict of a merge is undecided.
        MissingTargetError: A commit acts on one that is not there, which nobody has decided on.
        SafetyError: Something would break which nobody has decided on.
    """
    if isinstance(result, MergeResult):
        commit_merge(store, result)
        return result
    if isinstance(result, MoveResult):
        return apply_move(store, result)
    raise InvalidInputError(
        f"{shown(result)} is nothing to apply.",
        hint="Give what `t.rebase(onto)` or another verb returned that waits for decisions.",
    )
