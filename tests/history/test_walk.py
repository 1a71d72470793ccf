"""Shows that lanes answer questions about ancestry as a plain dict of parents does."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import CorruptGraphError
from tract.history.walk import Lane, Run, ancestor, runs


class Forest(NamedTuple):
    """First parents by commit number, and the lane and generation each commit was given."""

    parents: dict[int, int | None]
    places: dict[int, tuple[int, int]]
    lanes: dict[int, Lane]

    def history(self, commit: int | None) -> list[int]:
        """The naive model: follow the parents."""
        found = []
        while commit is not None:
            found.append(commit)
            commit = self.parents[commit]
        return found

    def at(self, place: tuple[int, int]) -> int:
        return {there: commit for commit, there in self.places.items()}[place]


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    """Any commits on any parents, put into lanes by the rule of the store."""
    parents: dict[int, int | None] = {}
    places: dict[int, tuple[int, int]] = {}
    lanes: dict[int, Lane] = {}
    for commit in range(draw(st.integers(1, 25))):
        parent = draw(st.none() | st.integers(0, commit - 1)) if commit else None
        parents[commit] = parent
        lane, generation = (None, 0) if parent is None else places[parent]
        if lane is None or (lane, generation + 1) in places.values():
            fork = (None, None) if parent is None else places[parent]
            lane = len(lanes)
            lanes[lane] = Lane(generation + 1, *fork)
        places[commit] = (lane, generation + 1)
    return Forest(parents, places, lanes)


@given(forests())
def test_runs_are_the_history_by_parents(forest: Forest) -> None:
    """For every commit, its runs list exactly its first-parent history, newest first."""
    for commit, place in forest.places.items():
        listed = [
            forest.at((run.lane, generation))
            for run in runs(*place, forest.lanes.__getitem__)
            for generation in range(run.high, run.low - 1, -1)
        ]

        assert listed == forest.history(commit)


@given(forests())
def test_ancestors_are_those_by_parents(forest: Forest) -> None:
    """Any number of steps back, the root included, ends where following the parents ends."""
    for commit, place in forest.places.items():
        history = forest.history(commit)
        for steps in range(len(history) + 2):
            found = ancestor(*place, steps, forest.lanes.__getitem__)

            assert (None if found is None else forest.at(found)) == (history[steps] if steps < len(history) else None)


@pytest.mark.parametrize(
    "lanes",
    [
        {0: Lane(5, None, None)},
        {0: Lane(1, 0, 1)},
        {0: Lane(2, 1, 2), 1: Lane(1, None, None)},
        {0: Lane(2, 1, 1), 1: Lane(1, 0, 3)},
    ],
    ids=["starts after the commit", "forks from itself", "forks from its future", "cycle"],
)
def test_lanes_that_cannot_be_are_reported(lanes: dict[int, Lane]) -> None:
    """A damaged lane is an error, never an endless walk."""
    with pytest.raises(CorruptGraphError):
        list(runs(0, 3, lanes.__getitem__))


def test_a_walk_asks_one_question_per_lane() -> None:
    """A history of a million commits in two lanes is two questions."""
    asked = []
    lanes = {0: Lane(1, None, None), 1: Lane(900_001, 0, 900_000)}

    def lane_of(lane: int) -> Lane:
        asked.append(lane)
        return lanes[lane]

    assert list(runs(1, 1_000_000, lane_of)) == [Run(1, 900_001, 1_000_000), Run(0, 1, 900_000)]
    assert asked == [1, 0]
