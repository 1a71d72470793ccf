"""Answers where two lines of history part: their best common ancestors. Reads through functions.

A common ancestor is best if no other common ancestor descends from it. Within a lane only the
newest common one can be, so there are at most as many as there are lanes.
"""

from __future__ import annotations

from tract.history.ancestry import MergedOf, Place, Reach, contains, reach
from tract.history.walk import LaneOf


def merge_bases(left: Reach, right: Reach, lane_of: LaneOf, merged_of: MergedOf) -> list[Place]:
    """Return the best common ancestors of two commits.

    Args:
        left: The ancestors of one commit, itself included.
        right: Those of the other.
        lane_of: Returns a lane by its id.
        merged_of: Returns the parents after the first of a lane's first commit.

    Returns:
        None for unrelated histories, one as a rule, two or more after criss-cross merges; newest
        generation first, then by lane.

    Cost:
        O(lanes behind both), times the number of bases.
    """
    common = [Place(lane, min(high, right[lane])) for lane, high in left.items() if lane in right]
    common = [place for place in common if place.generation >= lane_of(place.lane).start]
    best: list[Place] = []
    behind: list[Reach] = []
    # A commit descends only from commits of lower generation, so a newer one is never behind an older.
    for place in sorted(common, key=lambda one: (-one.generation, one.lane)):
        if not any(contains(ancestors, place) for ancestors in behind):
            best.append(place)
            behind.append(reach(place, lane_of, merged_of))
    return best
