"""Answers what happened on the way to a commit, newest first."""

from __future__ import annotations

from tract.errors import InvalidInputError
from tract.history.info import info_of
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
    with store.reading() as database:
        head = store.head_hash()
        found: list[CommitInfo] = []
        if head is None:
            return found
        tip = store.tip(head)
        for run in runs(tip.lane_id, tip.generation, lambda lane: lane_of(store, lane)):
            low = max(run.low, run.high - (limit - len(found)) + 1)
            rows = database.all(q.LANE_COMMITS, lane_id=run.lane, low=low, high=run.high)
            found += [info_of(database, CommitRow(*row), store.counter_id) for row in reversed(rows)]
            if len(found) >= limit:
                break
        return found
