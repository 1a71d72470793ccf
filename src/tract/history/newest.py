"""Answers what was said last before a commit, without reading the history before that."""

from __future__ import annotations

from collections.abc import Iterator

from tract.history.info import stored
from tract.history.lanes import lane_of
from tract.history.walk import runs
from tract.storage import tracts as q
from tract.storage.queries import CommitRow
from tract.store import Store


def appends_before(store: Store, commit: bytes) -> Iterator[CommitRow]:
    """Yield the commits that added a message in the first-parent history of *commit*, newest first.

    Raises:
        CorruptObjectError: One is damaged.

    Cost:
        O(1) for each.
    """
    tip = store.tip(commit)
    for run in runs(tip.lane_id, tip.generation, lambda lane: lane_of(store, lane)):
        high = run.high
        while high >= run.low:
            with store.reading() as database:
                found = database.one(q.NEWEST_APPEND, lane_id=run.lane, high=high)
                row = None if found is None else stored(database, found[0])
            if row is None:
                break
            yield row
            high = row.generation - 1
