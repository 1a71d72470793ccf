"""Answers what was said last before a commit, without reading the history before that."""

from __future__ import annotations

from tract.history.info import stored
from tract.history.lanes import lane_of
from tract.history.walk import runs
from tract.storage import tracts as q
from tract.storage.queries import CommitRow
from tract.store import Store


def said_last(store: Store, commit: bytes) -> CommitRow | None:
    """Return the commit that last added a message in the first-parent history of *commit*, `None` if none has.

    Reasoning and records of spawns, which are not sent, do not count.

    Raises:
        CorruptObjectError: It is damaged.

    Cost:
        O(1), but for the lanes and unsent records passed.
    """
    with store.reading() as database:
        tip = store.tip(commit)
        for run in runs(tip.lane_id, tip.generation, lambda lane: lane_of(store, lane)):
            found = database.one(q.NEWEST_SAID, lane_id=run.lane, high=run.high)
            if found is not None:
                return stored(database, found[0])
        return None
