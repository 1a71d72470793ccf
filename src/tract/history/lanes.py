"""Reads for the graph questions: lanes, merges and ancestors of a store's commits."""

from __future__ import annotations

from tract.errors import CorruptObjectError
from tract.history.ancestry import Place, reach
from tract.history.walk import Lane
from tract.storage import queries as q
from tract.store import Store


def lane_of(store: Store, lane: int) -> Lane:
    """Return a lane by its id.

    Raises:
        CorruptObjectError: It is missing.
    """
    row = store.one(q.LANE, id=lane)
    if row is None:
        raise CorruptObjectError("commit", f"in lane {lane}", "its lane is missing")
    return Lane(*row)


def merged_of(store: Store, lane: int) -> list[Place]:
    """Return the parents after the first of a lane's first commit; none unless it is a merge."""
    return [Place(*row) for row in store.all(q.LANE_MERGED, id=lane)]


def place_of(store: Store, commit: bytes) -> Place:
    """Return where the commit with this hash is."""
    tip = store.tip(commit)
    return Place(tip.lane_id, tip.generation)


def reach_of(store: Store, commit: bytes) -> dict[int, int]:
    """Return the ancestors of *commit*, itself included, as the highest generation in each lane.

    Cost:
        O(lanes behind it).
    """
    with store.reading():
        return reach(place_of(store, commit), lambda lane: lane_of(store, lane), lambda lane: merged_of(store, lane))
