"""Answers what happened on the way to a commit, newest first."""

from __future__ import annotations

from tract.errors import CorruptObjectError, InvalidInputError
from tract.history.info import info_of
from tract.history.reflog import require_logged
from tract.history.revision import lane_of
from tract.history.walk import runs
from tract.objects.commit import CommitInfo
from tract.storage import queries as q
from tract.storage.queries import CommitRow
from tract.store import Store


def log(store: Store, limit: int) -> list[CommitInfo]:
    """Return the newest *limit* commits of HEAD's first-parent history, newest first.

    Cost:
        O(limit), however long the history is.
    """
    if limit < 0:
        raise InvalidInputError("`limit` is at least 0.")
    require_logged(store)
    with store.reading() as database:
        head = store.head_hash()
        found: list[CommitInfo] = []
        if head is None:
            return found
        tip = store.tip(head)
        for run in runs(tip.lane_id, tip.generation, lambda lane: lane_of(store, lane)):
            low = max(run.low, run.high - (limit - len(found)) + 1)
            rows = database.all(q.LANE_COMMITS, lane_id=run.lane, low=low, high=run.high)
            found += [info_of(database, CommitRow(*row)) for row in reversed(rows)]
            if len(found) >= limit:
                break
        _require_chain(found, head, limit)
        return found


def _require_chain(found: list[CommitInfo], head: bytes, limit: int) -> None:
    """Refuse a listing that does not lead from *head* parent by parent: lanes are not covered by any hash."""
    expected: str | None = head.hex()
    for info in found:
        if info.hash != expected:
            raise CorruptObjectError("commit", info.hash, "its history has a gap")
        expected = info.parents[0] if info.parents else None
    if len(found) < limit and expected is not None:
        raise CorruptObjectError("commit", expected, "it is missing from its history")
