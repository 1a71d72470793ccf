"""Answers where two lines of history part: their best common ancestors. Reads through functions.

A common ancestor is best if no other common ancestor descends from it. Both histories are walked at once,
newest generation first, from lane to lane; so every descendant of a commit has been met before it is.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from tract.history.ancestry import MergedOf, Place, behind
from tract.history.walk import LaneOf

_LEFT: Final = 1
_RIGHT: Final = 2
_OLD: Final = 4
"""Behind a common ancestor: common too, but not best."""

_COMMON: Final = _LEFT | _RIGHT


class _Queue:
    """Places to look at, newest generation first, each with what is known to descend from it."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int]] = []
        self.live = 0
        """How many of them may still lead to a best common ancestor."""

    def add(self, place: Place, marks: int) -> None:
        heappush(self._heap, (-place.generation, place.lane, marks))
        self.live += not marks & _OLD

    def take(self) -> tuple[Place, int]:
        """Return the newest place with the marks of all entries for it."""
        first = self._heap[0][:2]
        marks = 0
        while self._heap and self._heap[0][:2] == first:
            found = heappop(self._heap)[2]
            self.live -= not found & _OLD
            marks |= found
        return Place(first[1], -first[0]), marks


def merge_bases(left: Place, right: Place, lane_of: LaneOf, merged_of: MergedOf) -> list[Place]:
    """Return the best common ancestors of two commits.

    Args:
        left: One commit; it counts as its own ancestor.
        right: The other.
        lane_of: Returns a lane by its id.
        merged_of: Returns the parents after the first of a lane's first commit.

    Returns:
        None for unrelated histories, one as a rule, two or more after criss-cross merges; newest
        generation first, then by lane.

    Raises:
        CorruptGraphError: A parent is not older than its child.

    Cost:
        O(lanes reached from one side only), whatever lies behind the bases.
    """
    queue = _Queue()
    queue.add(left, _LEFT)
    queue.add(right, _RIGHT)
    seen: dict[int, int] = {}
    best: list[Place] = []
    while queue.live:
        place, marks = queue.take()
        known = seen.get(place.lane, 0)
        marks |= known
        if marks == known:
            continue
        if marks == _COMMON:
            best.append(place)
            marks |= _OLD
        seen[place.lane] = marks
        for parent in behind(place, lane_of(place.lane), merged_of(place.lane)):
            queue.add(parent, marks)
    return best
