"""Answers which commits lie behind a commit, by lanes; reads through functions, writes nothing.

A lane is a linear run of commits with consecutive generations. A commit whose parent already has a
child in its lane starts a new lane, which remembers where it forked. So the first-parent history of
a commit is a few runs of lanes, however many commits it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from tract.errors import CorruptGraphError


class Run(NamedTuple):
    """The commits of one lane from generation `low` to `high`, both included."""

    lane: int
    low: int
    high: int


class Lane(NamedTuple):
    """Where a lane starts, and the lane and generation of the commit it forked from (`None` at a root)."""

    start: int
    fork_lane: int | None
    fork_generation: int | None


LaneOf: TypeAlias = Callable[[int], Lane]
"""Returns a lane by its id."""


def runs(lane: int, generation: int, lane_of: LaneOf) -> Iterator[Run]:
    """Yield the first-parent history of the commit at (*lane*, *generation*), newest run first.

    Raises:
        CorruptGraphError: A lane starts after a commit in it, or forks from its own future.

    Cost:
        One question per lane passed.
    """
    while True:
        start, fork_lane, fork_generation = lane_of(lane)
        if start > generation or (fork_generation or 0) >= start:
            raise CorruptGraphError(f"Lane {lane} starts after a commit in it.")
        yield Run(lane, start, generation)
        if fork_lane is None or fork_generation is None:
            return
        lane, generation = fork_lane, fork_generation


def ancestor(lane: int, generation: int, steps: int, lane_of: LaneOf) -> tuple[int, int] | None:
    """Return lane and generation of the commit *steps* first parents back, or `None` past the root."""
    for run in runs(lane, generation, lane_of):
        if run.high - steps >= run.low:
            return run.lane, run.high - steps
        steps -= run.high - run.low + 1
    return None
