"""Random graphs with merges: ancestry, log, revisions, lanes and compile order are what a naive model says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.history.dags import Parents, ancestors, build, dags, order
from tract import Tract
from tract.errors import RevisionNotFoundError
from tract.history.ancestry import contains
from tract.history.lanes import lane_of, place_of, reach_of


@given(dags())
def test_reach_is_the_set_of_ancestors(parents: Parents) -> None:
    """A commit is contained in the reach of exactly those it is an ancestor of."""
    with Tract.open() as t:
        hashes = build(t, parents)
        places = [place_of(t._store, bytes.fromhex(hash_)) for hash_ in hashes]

        for number, hash_ in enumerate(hashes):
            reach = reach_of(t._store, bytes.fromhex(hash_))
            assert {one for one, place in enumerate(places) if contains(reach, place)} == ancestors(parents, number)


@given(dags(), st.data())
def test_ahead_and_behind_count_what_only_one_side_has(parents: Parents, data: st.DataObject) -> None:
    """Whatever lies between the two: forks, merges, criss-cross, unrelated roots."""
    with Tract.open() as t:
        hashes = build(t, parents)
        numbers = st.integers(0, len(hashes) - 1)
        for left, right in data.draw(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6)):
            ours, theirs = ancestors(parents, left), ancestors(parents, right)

            found = t.branches.compare(f"c{left}", f"c{right}")

            assert (found.ahead, found.behind) == (len(ours - theirs), len(theirs - ours))


@given(dags(), st.data())
def test_a_log_shows_each_commit_once_and_children_first(parents: Parents, data: st.DataObject) -> None:
    """A range leaves out what lies behind its start; a limit cuts the end off."""
    with Tract.open() as t:
        hashes = build(t, parents)
        start, end = data.draw(st.tuples(st.none() | st.integers(0, len(hashes) - 1), st.integers(0, len(hashes) - 1)))
        expected = ancestors(parents, end) - (set() if start is None else ancestors(parents, start))
        revision = f"c{end}" if start is None else f"c{start}..c{end}"

        found = [hashes.index(info.hash) for info in t.log(limit=100, branch=revision)]

        assert sorted(found) == sorted(expected)
        assert all(found.index(one) < found.index(p) for one in found for p in parents[one] if p in found)
        limit = data.draw(st.integers(0, len(found) + 1))
        assert [info.hash for info in t.log(limit, branch=revision)] == [hashes[one] for one in found[:limit]]


@given(dags())
def test_a_log_of_all_branches_shows_everything(parents: Parents) -> None:
    """From every tip, each commit once, children first, each in its row of the graph."""
    with Tract.open() as t:
        hashes = build(t, parents)

        rows = t.log(limit=100, all_branches=True, graph=True)

        found = [hashes.index(row.commit.hash) for row in rows]
        assert sorted(found) == list(parents)
        assert all(found.index(one) < found.index(p) for one in found for p in parents[one])
        assert [row.refs for row in rows] == [(f"c{one}",) for one in found]


STEPS = st.lists(st.tuples(st.sampled_from("~^"), st.none() | st.integers(0, 3)), max_size=4)


def follow(parents: Parents, commit: int | None, kind: str, count: int) -> int | None:
    """Return the commit one revision step leads to, or `None`."""
    if kind == "~":
        for _ in range(count):
            commit = parents[commit][0] if commit is not None and parents[commit] else None
    elif count and commit is not None:
        commit = parents[commit][count - 1] if len(parents[commit]) >= count else None
    return commit


@given(dags(), st.data())
def test_a_chain_of_steps_names_what_walking_the_parents_gives(parents: Parents, data: st.DataObject) -> None:
    """`~n` goes back n first parents, `^n` to the n-th parent, in any order; past the root is not found."""
    with Tract.open() as t:
        hashes = build(t, parents)
        for steps in data.draw(st.lists(STEPS, min_size=1, max_size=6)):
            number = data.draw(st.integers(0, len(hashes) - 1))
            base = data.draw(st.sampled_from([f"c{number}", hashes[number], hashes[number][:20]]))
            revision, expected = base, number
            found: int | None = expected
            for kind, count in steps:
                revision += kind + ("" if count is None else str(count))
                found = follow(parents, found, kind, 1 if count is None else count) if found is not None else None

            if found is None:
                with pytest.raises(RevisionNotFoundError):
                    t.get(revision)
            else:
                assert t.get(revision).hash == hashes[found]


@given(dags(), st.data())
def test_a_lane_is_a_run_of_first_parents_and_a_merge_starts_one(parents: Parents, data: st.DataObject) -> None:
    """Within a lane generations have no gap and each commit is the child of the one before."""
    with Tract.open() as t:
        hashes = build(t, parents)
        places = [place_of(t._store, bytes.fromhex(hash_)) for hash_ in hashes]
        by_place = {place: number for number, place in enumerate(places)}

        assert len(by_place) == len(places)
        for number, place in enumerate(places):
            start = lane_of(t._store, place.lane).start
            assert place.generation == 1 + max((places[p].generation for p in parents[number]), default=0)
            assert (len(parents[number]) > 1) <= (place.generation == start)
            if place.generation > start:
                assert by_place[place._replace(generation=place.generation - 1)] == parents[number][0]
        assert t.fsck() == []


@given(dags(), st.data())
def test_compiling_over_merges_of_merges_follows_the_linear_order(parents: Parents, data: st.DataObject) -> None:
    """The first parent's order, then what the second adds; the same in whatever order commits are asked for."""
    with Tract.open(config={"cached_states": 3}) as t:
        hashes = build(t, parents)
        for number in data.draw(st.lists(st.integers(0, len(hashes) - 1), min_size=1, max_size=8)):
            expected = [hashes[one] for one in order(parents, number) if len(parents[one]) < 2]

            assert list(t.compile(at=hashes[number]).commit_hashes) == expected


def test_dash_goes_back_and_orig_head_is_where_a_reset_came_from() -> None:
    """`-` names what HEAD stood on before, `ORIG_HEAD` the tip before a soft reset; both take steps."""
    with Tract.open() as t:
        hashes = [t.user(f"message {number}").hash for number in range(4)]
        t.branch("fix", at="HEAD~2")
        assert t.get("-").hash == hashes[3]
        assert t.get("-~1").hash == hashes[2]
        t.switch("main")
        assert t.get("-").hash == hashes[1]
        t.reset("HEAD~3")
        assert t.get("ORIG_HEAD").hash == hashes[3]
        assert t.get("ORIG_HEAD~").hash == hashes[2]
        assert [info.hash for info in t.log(branch="..ORIG_HEAD")] == hashes[:0:-1]
        assert [info.hash for info in t.log(branch="fix..")] == []


def test_a_log_of_all_branches_leaves_out_what_was_reset_away() -> None:
    """ORIG_HEAD is no branch; what only it reaches is not shown, as in git."""
    with Tract.open() as t:
        first = t.user("kept")
        t.user("reset away")
        t.reset(first)

        assert [info.hash for info in t.log(all_branches=True)] == [first.hash]


def test_operations_ago_is_where_the_branch_was() -> None:
    """`@{n}` counts every operation, also those that did not move the branch."""
    with Tract.open() as t:
        first = t.user("one")
        second = t.user("two")
        t.tag("here")
        t.reset(first)

        assert [t.get(f"@{{{ago}}}").hash for ago in range(4)] == [first.hash, second.hash, second.hash, first.hash]
        with pytest.raises(RevisionNotFoundError):
            t.get("@{4}")
