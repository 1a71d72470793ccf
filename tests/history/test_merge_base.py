"""Best common ancestors, on plain graphs: which they are, and how little is read to find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.dags import Parents, ancestors, dags
from tract.errors import CorruptGraphError
from tract.history.ancestry import Place
from tract.history.merge_base import merge_bases
from tract.history.walk import Lane


@dataclass
class Graph:
    """A graph put into lanes by the rule of the store: a merge and a second child begin a new one."""

    parents: Parents
    places: dict[int, Place] = field(default_factory=dict)
    lanes: dict[int, Lane] = field(default_factory=dict)
    merged: dict[int, list[Place]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        ends: dict[int, int] = {}
        for commit, parents in self.parents.items():
            places = [self.places[one] for one in parents]
            generation = 1 + max((place.generation for place in places), default=0)
            if len(places) == 1 and ends[places[0].lane] == places[0].generation:
                lane = places[0].lane
            else:
                lane = len(self.lanes) + 1
                fork = places[0] if places else None
                self.lanes[lane] = Lane(generation, fork and fork.lane, fork and fork.generation)
                self.merged[lane] = places[1:]
            ends[lane] = generation
            self.places[commit] = Place(lane, generation)

    def lane_of(self, lane: int) -> Lane:
        self.asked.append(lane)
        return self.lanes[lane]

    def merged_of(self, lane: int) -> Sequence[Place]:
        return self.merged[lane]

    def bases(self, left: int, right: int) -> list[int]:
        """Return the best common ancestors by number."""
        found = merge_bases(self.places[left], self.places[right], self.lane_of, self.merged_of)
        names = {place: commit for commit, place in self.places.items()}
        return [names[place] for place in found]


@settings(max_examples=200)
@given(dags(), st.data())
def test_they_are_the_common_ancestors_no_other_one_descends_from(parents: Parents, data: st.DataObject) -> None:
    """Forks, merges of merges, criss-cross and unrelated roots; newest first; either side may come first."""
    graph = Graph(parents)
    for _ in range(10):
        left, right = (data.draw(st.sampled_from(list(parents))) for _ in range(2))
        common = ancestors(parents, left) & ancestors(parents, right)
        best = {one for one in common if not any(one != it and one in ancestors(parents, it) for it in common)}

        found = graph.bases(left, right)

        assert len(found) == len(set(found))
        assert set(found) == best
        assert found == graph.bases(right, left)
        assert found == sorted(found, key=lambda one: (-graph.places[one].generation, graph.places[one].lane))


def zipped(rounds: int) -> Parents:
    """Return a history in which a branch is made and merged again *rounds* times."""
    parents: Parents = {0: ()}
    tip = 0
    for at in range(1, 3 * rounds, 3):
        parents |= {at: (tip,), at + 1: (tip,), at + 2: (at, at + 1)}
        tip = at + 2
    return parents


def criss_crossed(rounds: int) -> Parents:
    """Return two branches that merge each other *rounds* times; the last two commits are their tips."""
    parents: Parents = {0: (), 1: (0,), 2: (0,)}
    for at in range(3, 3 + 2 * rounds, 2):
        parents |= {at: (at - 2, at - 1), at + 1: (at - 1, at - 2)}
    return parents


@pytest.mark.parametrize("make", [zipped, criss_crossed])
def test_what_is_read_does_not_grow_with_what_both_have(make: Callable[[int], Parents]) -> None:
    """A hundred merges in the shared history or two: as many lanes are asked for."""
    asked = []
    for rounds in (2, 100):
        parents = make(rounds)
        tip = max(parents)
        for number in range(1, 5):
            parents[tip + number] = (tip if number < 3 else tip + number - 2,)
        graph = Graph(parents)
        assert graph.bases(tip + 3, tip + 4) == [tip]
        asked.append(len(graph.asked))

    assert asked[0] == asked[1] < 10


def test_criss_cross_merges_have_two_bases() -> None:
    """The two tips before the last round; what lies behind them is not asked for."""
    graph = Graph(criss_crossed(50))
    tip = max(graph.parents)

    assert sorted(graph.bases(tip, tip - 1)) == [tip - 3, tip - 2]
    assert len(graph.asked) < 10


def test_a_lane_that_begins_after_its_end_is_reported() -> None:
    """A damaged graph is an error, never an endless walk."""
    graph = Graph({0: (), 1: (0,), 2: (0,)})
    graph.lanes[2] = Lane(2, 1, 2)

    with pytest.raises(CorruptGraphError):
        graph.bases(1, 2)
