"""A merge costs what the two sides did, however long the history is that they share."""

from __future__ import annotations

import cProfile
from collections.abc import Callable, Iterator

import pytest

from tract import Tract

LENGTHS = (1_500, 6_000)
D = 10


@pytest.fixture(scope="module")
def tracts() -> Iterator[list[Tract]]:
    """Two tracts: the same conversation, and one four times as long."""
    found = []
    for length in LENGTHS:
        t = Tract.open(durability="off")
        with t.batch():
            for number in range(length):
                t.user(f"message {number}")
        t.compile()
        found.append(t)
    yield found
    for t in found:
        t.close()


def part(tracts: list[Tract]) -> None:
    """Let `dev` begin where `main` is."""
    for t in tracts:
        t.switch("main")
        if "dev" in t.branches:
            t.branches.delete("dev", force=True)
        t.branch("dev", switch=False)


def nothing(_: Tract, __: str) -> None:
    """Only new messages on both sides."""


def changes(t: Tract, branch: str) -> None:
    """Each side edits and pins other messages, far apart."""
    commits = t.compile().commit_hashes
    for number in range(3):
        at = (2 * number + (branch == "dev")) * len(commits) // 7
        t.edit(commits[at], f"edited on {branch}")
        t.pin(commits[at + 1])


def conflict(t: Tract, branch: str) -> None:
    """Both edit the same message in the middle."""
    t.edit(t.compile().commit_hashes[700], f"edited on {branch}")


def merged(t: Tract, change: Callable[[Tract, str], None]) -> int:
    """Let both branches go on, `dev` from where it was, merge it into main, and return how many calls that took."""
    for branch in ("dev", "main"):
        t.switch(branch)
        with t.batch():
            for number in range(D):
                t.user(f"{branch} {number}")
            change(t, branch)
        t.compile()
    profile = cProfile.Profile()
    result = profile.runcall(t.merge, "dev", strategy="theirs")
    assert result.kind == "merged"
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("change", [nothing, changes, conflict])
def test_merging_into_a_history_four_times_as_long_costs_the_same(
    tracts: list[Tract], change: Callable[[Tract, str], None]
) -> None:
    """Calls are counted, not time; a history that was merged into before is no other."""
    part(tracts)
    short, long = (merged(t, change) for t in tracts)

    assert long < 1.25 * short


def test_a_branch_that_lives_on_is_merged_again_at_the_same_cost(tracts: list[Tract]) -> None:
    """What was merged before is not looked at again."""
    part(tracts)
    for _ in range(3):
        short, long = (merged(t, nothing) for t in tracts)

        assert long < 1.25 * short
