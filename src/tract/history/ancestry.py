"""Answers what lies behind a commit across merges: ancestors, ahead and behind. Reads through functions.

Within a lane every earlier commit is an ancestor of every later one, and only a lane's first commit
can be a merge. So the ancestors of a commit are one number per lane: how far up the lane they reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tract.errors import CorruptGraphError
from tract.history.walk import Lane, LaneOf


class Place(NamedTuple):
    """Where a commit is: its lane and generation."""

    lane: int
    generation: int


MergedOf: TypeAlias = Callable[[int], Sequence[Place]]
"""Returns the parents after the first of a lane's first commit; empty unless it is a merge."""

Reach: TypeAlias = Mapping[int, int]
"""A set of ancestors: for each lane the highest generation that belongs to it."""


def reach(tip: Place, lane_of: LaneOf, merged_of: MergedOf) -> dict[int, int]:
    """Return the ancestors of *tip*, itself included; as `reach_all` does.

    Cost:
        O(lanes behind it), however long they are.
    """
    return reach_all([tip], lane_of, merged_of)


def reach_all(tips: Iterable[Place], lane_of: LaneOf, merged_of: MergedOf) -> dict[int, int]:
    """Return the ancestors of all *tips*, themselves included.

    Raises:
        CorruptGraphError: A parent is not older than its child.

    Cost:
        O(tips and lanes behind them), however long they are.
    """
    found: dict[int, int] = {}
    waiting = list(tips)
    while waiting:
        lane, generation = waiting.pop()
        known = found.get(lane, 0)
        if generation <= known:
            continue
        found[lane] = generation
        if not known:  # else what lies behind the lane has been seen
            waiting.extend(behind(Place(lane, generation), lane_of(lane), merged_of(lane)))
    return found


def behind(place: Place, start: Lane, merged: Sequence[Place]) -> list[Place]:
    """Return the parents of the first commit of the lane *place* is in.

    Args:
        place: A commit.
        start: Its lane.
        merged: The parents after the first of the lane's first commit.

    Raises:
        CorruptGraphError: The lane starts after *place*, or before one of these parents.
    """
    parents = list(merged)
    if start.fork_lane is not None and start.fork_generation is not None:
        parents.append(Place(start.fork_lane, start.fork_generation))
    if place.generation < start.start or any(parent.generation >= start.start for parent in parents):
        raise CorruptGraphError(f"Lane {place.lane} starts after a commit in it.")
    return parents


def contains(ancestors: Reach, commit: Place) -> bool:
    """Tell whether *commit* is among *ancestors*."""
    return ancestors.get(commit.lane, 0) >= commit.generation


def count_missing(ours: Reach, theirs: Reach, lane_of: LaneOf) -> int:
    """Return how many commits are in *ours* and not in *theirs*.

    Cost:
        O(lanes in *ours*).
    """
    total = 0
    for lane, generation in ours.items():
        total += max(0, generation - max(theirs.get(lane, 0), lane_of(lane).start - 1))
    return total
