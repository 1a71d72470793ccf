"""Collaborative compression: drafts that wait, are edited, approved or rejected, through restarts and other commits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.test_compress import LONG, done, said, short, texts
from tests.reliability.dump import connected
from tract import Proposal, Tract
from tract.errors import (
    CorruptObjectError,
    InvalidInputError,
    NothingToUndoError,
    PolicyDeniedError,
    ProposalDecidedError,
    ProposalNotFoundError,
    ProposalStaleError,
    SummaryError,
)


def proposed(t: Tract, **options: object) -> Proposal:
    result = t.compress(summarizer=short, autonomy="collaborative", **options)  # type: ignore[arg-type]
    assert isinstance(result, Proposal)
    return result


def test_a_proposal_writes_no_commit_until_it_is_approved() -> None:
    """It shows its drafts; approving writes them in one operation that undo takes back."""
    with Tract.open() as t:
        said(t, 3)
        t.system("Rule.")
        said(t, 2, 3)
        before = t.head
        proposal = proposed(t)
        assert t.head == before
        assert (proposal.state, proposal.kind, proposal.branch, proposal.head) == ("open", "compress", "main", before)
        assert proposal.drafts == ("told 0 1 2", "told 3 4")
        assert proposal.preview == "told 0 1 2\n\ntold 3 4"
        assert "told" not in repr(proposal)

        result = done(proposal.approve())

        assert texts(t) == ["[summary] told 0 1 2", "Rule.", "[summary] told 3 4"]
        assert len(result.commits) == 2
        assert t.proposals[proposal.number].state == "approved"
        assert t.operations[-1].verb == "compress"
        t.undo()
        assert t.head == before
        assert t.proposals[proposal.number].state == "open"
        t.redo()
        assert t.head == result.head
        assert t.proposals[proposal.number].state == "approved"


def test_it_survives_a_restart_and_what_came_meanwhile_stays_behind_it(tmp_path: Path) -> None:
    """Another process finds it, edits it and carries it out."""
    path = tmp_path / "a.db"
    with Tract.open(path) as t:
        m = said(t, 3)
        number = proposed(t, end=m[1]).number
    with Tract.open(path) as t:
        t.user("later")
        t.edit(m[2], "edited, but not covered")
        assert [one.number for one in t.proposals.open] == [number]
        edited = t.proposals.edit(number, "rewritten by hand")
        assert edited.drafts == ("rewritten by hand",)
    with Tract.open(path) as t:
        result = done(t.proposals.approve(number))
        assert texts(t) == ["[summary] rewritten by hand", "edited, but not covered", "later"]
        told = t.get(result.commits[0]).metadata["summary"]
        assert (told["summarizer"], told["is_edited"]) == ("short", True)
        assert t.fsck() == []


def test_it_refuses_when_the_ground_moved_in_a_way_that_matters() -> None:
    """An edit, pin, skip or compression of what it covers, a reset, another branch: it says so and stays open."""
    with Tract.open() as t:
        m = said(t, 4)
        proposal = proposed(t, end=m[2])
        head = t.head or ""
        for write in (
            lambda: t.edit(m[0], "other"),
            lambda: t.pin(m[1]),
            lambda: t.skip(m[1]),
            lambda: t.compress(m[:2], content="faster"),
            lambda: t.reset(m[1], mode="hard"),
            lambda: t.reorder([m[3], m[1]]),
            lambda: t.branch("other"),
        ):
            write()
            moved = t.head
            with pytest.raises(ProposalStaleError) as caught:
                t.proposals.approve(proposal.number)
            assert (t.head, t.proposals[proposal.number].state) == (moved, "open")
            assert caught.value.number == proposal.number
            t.switch("main")
            t.reset(head, mode="hard")
        done(proposal.approve())
        assert texts(t) == ["[summary] told 0 1 2", "message 3"]


def test_a_decision_is_made_once() -> None:
    """Approved, rejected or edited elsewhere, an older look at it decides nothing."""
    with Tract.open() as t:
        said(t, 3)
        first = proposed(t)
        second = first.edit("other words")
        assert (first.number, second.number) == (1, 1)
        for late in (first.approve, first.reject, lambda: first.edit("x")):
            with pytest.raises(ProposalDecidedError, match="edited meanwhile"):
                late()
        assert second.reject().state == "rejected"
        for late in (second.approve, second.reject, lambda: second.edit("x"), lambda: t.proposals.approve(1)):
            with pytest.raises(ProposalDecidedError, match="rejected"):
                late()
        assert len(t.log()) == 3


def test_an_edited_draft_is_checked() -> None:
    """As many as there are, saying something, no longer than what they cover."""
    with Tract.open() as t:
        said(t, 2)
        proposal = proposed(t)
        for drafts in ([], ["a", "b"], "", [" "], [5], 5):
            with pytest.raises(InvalidInputError):
                proposal.edit(drafts)  # type: ignore[arg-type]
        with pytest.raises(SummaryError, match="covers"):
            proposal.edit(f"{LONG} {LONG} {LONG} {LONG}")
        assert t.proposals[1].drafts == proposal.drafts


def test_the_collection_is_a_mapping_by_number() -> None:
    """Decided ones are there too; a number nobody has is an error; tracts keep their own."""
    with Tract.open() as t:
        said(t, 4)
        one, two = proposed(t, end="HEAD~2"), proposed(t, start="HEAD~1")
        one.reject()
        assert (list(t.proposals), len(t.proposals), 2 in t.proposals, 3 in t.proposals) == ([1, 2], 2, True, False)
        assert t.proposals.open == (two,)
        assert repr(t.proposals) == "<Proposals 1, 2>"
        with pytest.raises(ProposalNotFoundError):
            t.proposals[3]
        with pytest.raises(KeyError):
            t.proposals[3]


def test_undo_and_redo_of_every_decision() -> None:
    """Proposing, editing and rejecting are operations: undone step by step they are as before."""
    with Tract.open() as t:
        said(t, 3)
        proposed(t).edit("second").edit("third").reject()
        states = []
        for _ in range(4):
            states.append([(one.state, one.drafts) for one in t.proposals.values()])
            t.undo()
        assert states == [
            [("rejected", ("third",))],
            [("open", ("third",))],
            [("open", ("second",))],
            [("open", ("told 0 1 2",))],
        ]
        assert list(t.proposals) == []
        t.redo(4)
        assert t.proposals[1].state == "rejected"
        with pytest.raises(NothingToUndoError):
            t.redo()
        assert t.fsck() == []


def test_a_batch_that_fails_forgets_its_proposals() -> None:
    """And numbers are not used twice for what others have seen."""
    with Tract.open() as t:
        said(t, 3)
        with pytest.raises(ZeroDivisionError), t.batch():  # noqa: PT012 - the whole batch is what raises
            proposed(t)
            raise ZeroDivisionError
        assert len(t.proposals) == 0
        with t.batch():
            proposal = proposed(t)
            t.user("and more")
            proposal.approve()
        assert texts(t) == ["[summary] told 0 1 2", "and more"]
        t.undo()
        assert len(t.proposals) == 0


@pytest.mark.parametrize("on_found", ["reject", "redact"])
def test_what_a_policy_keeps_out_of_commits_is_in_no_draft(tmp_path: Path, on_found: str) -> None:
    """Neither proposed nor edited in: a proposal is kept in the store like any commit."""
    path, key = tmp_path / "a.db", "AKIA" + "IOSFODNN7EXAMPLE"
    with Tract.open(path) as t:
        m = said(t, 4)
        t.policies.add("secret_guard", on_found=on_found)
        clean = proposed(t, end=m[1])
        writes: list[Callable[[], object]] = [
            lambda: t.compress(m[2:], content=f"with {key}", autonomy="collaborative"),
            lambda: clean.edit(f"with {key}"),
        ]
        for write in writes:
            if on_found == "reject":
                with pytest.raises(PolicyDeniedError):
                    write()
            else:
                made = write()
                assert isinstance(made, Proposal)
                assert made.drafts[0].startswith("with ")
                done(made.approve())
        assert t.proposals[1].drafts == clean.drafts or on_found == "redact"
    assert key.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


def test_a_damaged_proposal_is_never_carried_out(tmp_path: Path) -> None:
    """Its text is hashed as it was kept."""
    path = tmp_path / "a.db"
    with Tract.open(path) as t:
        said(t, 3)
        proposed(t)
    with connected(path) as connection:
        connection.execute("UPDATE proposals SET payload = replace(payload, 'told', 'sold')")
    with Tract.open(path) as t, pytest.raises(CorruptObjectError):
        t.proposals.approve(1)
