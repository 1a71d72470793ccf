"""Shows which commit a revision names, and that everything else is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ids import shown
from tract import CommitInfo, Tract
from tract.errors import AmbiguousRevisionError, InvalidInputError, RevisionNotFoundError, TractError


def build() -> tuple[Tract, list[CommitInfo]]:
    """Return a tract with five commits on main, the branch `fix/1` at the third, HEAD on main."""
    t = Tract.open()
    commits = [t.user(f"message {number}") for number in range(5)]
    t.branch("fix/1", at=commits[2], switch=False)
    return t, commits


@pytest.mark.parametrize(
    ("revision", "place"),
    [
        ("HEAD", 4),
        ("@", 4),
        ("main", 4),
        ("fix/1", 2),
        ("HEAD~", 3),
        ("HEAD~0", 4),
        ("HEAD~4", 0),
        ("@~2", 2),
        ("HEAD^", 3),
        ("HEAD^1", 3),
        ("HEAD^0", 4),
        ("HEAD^^", 2),
        ("HEAD~1^~", 1),
        ("fix/1~2", 0),
        ("@{0}", 4),
        ("@{2}", 3),
        ("@{1}~1", 3),
    ],
)
def test_a_revision_names_this_commit(revision: str, place: int) -> None:
    """Names, steps back, and operations ago (the last operation made the branch)."""
    t, commits = build()
    with t:
        assert t.get(revision).hash == commits[place].hash


def test_hashes_and_unique_prefixes_name_commits() -> None:
    """A full hash, eight digits, four if unique, in upper case too, with steps behind."""
    t, commits = build()
    with t:
        for commit in commits:
            for length in (64, 16, 8):
                assert t.get(commit.hash[:length]).hash == commit.hash
            assert t.get(commit.hash.upper()).hash == commit.hash
            assert t.get(commit).hash == commit.hash
        assert t.get(commits[3].short_hash + "~1").hash == commits[2].hash


@pytest.mark.parametrize(
    "revision",
    [
        "",
        "nothing",
        "HEAD~5",
        "HEAD^2",
        "HEAD^99999999999999999999999",
        "HEAD~99999999999999999999999",
        "@{9}",
        "@{99999999999999999}",
        "@{99999999999999999999}",
        "@{-1}",
        "@{}",
        "~1",
        "HEAD~x",
        "ffff",
        "abc",
        "____",
        "%%%%",
        "0" * 65,
        "main\0",
        "\ud800",
        "HEAD\n",
        "ORIG_HEAD",
        "refs/heads/main",
        "heads/main",
    ],
    ids=shown,
)
def test_what_names_nothing_is_not_found(revision: str) -> None:
    """Wildcards, control characters and steps past the root are no matches and no crashes."""
    t, _ = build()
    with t, pytest.raises(RevisionNotFoundError) as caught:
        t.get(revision)
    assert caught.value.hint is not None


def test_a_near_miss_is_proposed() -> None:
    """The hint names the branch that was probably meant."""
    t, _ = build()
    with t, pytest.raises(RevisionNotFoundError) as caught:
        t.get("fix/2")
    assert caught.value.hint == "Did you mean `fix/1`?"


@pytest.mark.parametrize("revision", [None, 5, b"HEAD", ["HEAD"]], ids=shown)
def test_what_is_no_text_is_refused(revision: Any) -> None:
    """The hint says what to pass."""
    t, _ = build()
    with t, pytest.raises(InvalidInputError, match="text or a CommitInfo"):
        t.get(revision)


def test_an_ambiguous_prefix_lists_what_it_fits() -> None:
    """Two commits whose hashes begin alike are told apart by more digits."""
    with Tract.open() as t:
        seen: dict[str, str] = {}
        prefix, commit = "", ""
        while not prefix:
            commit = t.user(f"{len(seen)}").hash
            prefix = commit[:4] if commit[:4] in seen else ""
            seen.setdefault(commit[:4], commit)

        with pytest.raises(AmbiguousRevisionError) as caught:
            t.get(prefix)

        assert caught.value.candidates == tuple(sorted([seen[prefix], commit]))
        assert [t.get(one[:16]).hash for one in caught.value.candidates] == list(caught.value.candidates)


def test_a_branch_wins_over_a_prefix() -> None:
    """A branch that looks like a hash is the branch, as in git."""
    t, commits = build()
    with t:
        t.branch(commits[0].hash[:6], at=commits[4], switch=False)

        assert t.get(commits[0].hash[:6]).hash == commits[4].hash
        assert t.get(commits[0].hash[:7]).hash == commits[0].hash


def test_before_the_first_commit_head_names_nothing() -> None:
    """An empty branch has no commit to show."""
    with Tract.open() as t, pytest.raises(RevisionNotFoundError):
        t.get("HEAD")


SHARED, _COMMITS = build()


@given(st.text(st.sampled_from("HEAD@main~^{}0129/fx1abc\0é "), max_size=10) | st.text(max_size=6))
def test_any_text_names_a_commit_or_is_refused(revision: str) -> None:
    """No text makes anything but a commit or a `TractError`."""
    try:
        found = SHARED.get(revision)
    except TractError:
        return
    assert found.hash in {commit.hash for commit in _COMMITS}
