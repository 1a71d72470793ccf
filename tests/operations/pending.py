"""A merge that waits for decisions: read, and kept with those made so far."""

from tract import MergeResult, Tract
from tract.errors import NoMergeError


def waiting(t: Tract) -> MergeResult:
    """Return the merge that waits, or say so in the tract's own words if there is none."""
    result = t.merge_in_progress
    if result is None:
        raise NoMergeError
    return result


def keep_merge(t: Tract, result: MergeResult) -> None:
    """Keep *result* for later."""
    t.merge_in_progress = result
