"""`auto_archive`, `auto_rebase` and `auto_branch`: what they do, what they leave alone, and what a no is worth."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.formats.build import conversations
from tract import PolicyWarning, Tract
from tract.errors import InvalidInputError, ProposalStaleError, SafetyError
from tract.objects.refs import Head

DAY = 86_400_000_000


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1000

    def __call__(self) -> int:
        return self.now

    def days(self, number: float) -> None:
        self.now += int(number * DAY)


@pytest.fixture
def clock() -> Clock:
    """Return the clock of `t`."""
    return Clock()


@pytest.fixture
def t(clock: Clock) -> Iterator[Tract]:
    """Return a tract with one message on `main`."""
    with Tract.open() as tract:
        tract._store.clock = clock
        tract.user("start")
        yield tract


def _branch(t: Tract, name: str) -> None:
    """Make a branch with a commit of its own and go back."""
    t.branch(name)
    t.user(f"on {name}")
    t.switch("main")


def _turns(t: Tract, count: int, what: str = "turn") -> None:
    for number in range(count):
        t.user(f"{what} {number}?")
        t.assistant(f"{what} {number}.")


# --- auto_archive --------------------------------------------------------------------------------


def test_a_stale_branch_is_archived_and_undo_respected(t: Tract, clock: Clock) -> None:
    """One operation that names the policy; taken back by undo, the branch stays until it went stale again."""
    _branch(t, "old")
    t.policies.add("auto_archive")
    clock.days(29)
    t.user("early")
    assert "old" in t.branches
    clock.days(2)
    tip = t.branches["old"].head
    t.user("late")
    done = t.operations[-1]
    assert (done.verb, done.args["policies"]) == ("branch-rename", ["auto_archive"])
    assert (set(t.branches), t.branches["archive/old"].head) == ({"main", "archive/old"}, tip)
    t.undo()
    t.user("more")
    clock.days(20)
    t.user("more")
    assert "old" in t.branches
    clock.days(11)
    t.user("more")
    assert "archive/old" in t.branches


def test_a_branch_renamed_back_stays_until_it_is_stale_again(t: Tract, clock: Clock) -> None:
    """Renaming is touching it; so is switching to it."""
    _branch(t, "old")
    t.policies.add("auto_archive")
    clock.days(31)
    t.user("late")
    t.branches.rename("archive/old", "old")
    clock.days(29)
    t.user("later")
    assert "old" in t.branches
    t.switch("old")
    t.switch("main")
    clock.days(29)
    t.user("much later")
    assert "old" in t.branches
    clock.days(2)
    t.user("at last")
    assert set(t.branches) == {"main", "archive/old"}


def test_what_is_in_use_is_never_archived(t: Tract, clock: Clock) -> None:
    """HEAD's branch, the default branch, where new handles start, what is kept, and what a proposal waits for."""
    for name in ("start", "kept", "waits", "archive/was", "old"):
        _branch(t, name)
    t.switch("waits")
    t.compress(content="short", autonomy="collaborative")
    t.switch("start")
    t._store.stand_on(Head("main"))  # as another handle that never switched
    t.policies.add("auto_archive", keep=["ke*"])
    clock.days(100)
    for number in range(8):
        t.user(f"later {number}")
    assert set(t.branches) == {"main", "start", "kept", "waits", "archive/was", "archive/old"}
    t.switch("kept")
    clock.days(100)
    t.user("on kept")
    t.proposals.reject(1)
    for number in range(8):
        t.user(f"later {number}")
    assert {"main", "kept", "archive/start", "archive/waits"} <= set(t.branches)


def test_names_in_the_archive_do_not_clash(t: Tract, clock: Clock) -> None:
    """A second one of a name gets a number; so many operations count as well as days."""
    _branch(t, "old")
    _branch(t, "archive/old")
    t.policies.add("auto_archive", idle_operations=5)
    _turns(t, 3)
    assert set(t.branches) == {"main", "archive/old", "archive/old-2"}
    assert t.policies.log.find(outcome="done")[0].reason == "`old`: untouched for 6 operations"


def test_a_proposed_archiving_is_asked_once(t: Tract, clock: Clock) -> None:
    """Rejected, it is not asked again for as long as nobody touches the branch; approved, it is one operation."""
    _branch(t, "one")
    _branch(t, "two")
    t.policies.add("auto_archive", autonomy="collaborative")
    clock.days(40)
    for number in range(5):
        t.user(f"later {number}")
    assert [one.preview for one in t.proposals.open] == [
        "auto_archive: `one`: untouched for 40 days", "auto_archive: `two`: untouched for 40 days",
    ]  # fmt: skip
    t.proposals.reject(1)
    clock.days(40)
    t.user("more")
    assert len(t.proposals) == 2
    t.proposals.approve(2)
    assert set(t.branches) == {"main", "one", "archive/two"}
    assert t.operations[-1].args["policies"] == ["auto_archive"]
    t.undo()
    assert set(t.branches) == {"main", "one", "two"}


def test_a_branch_that_grew_is_not_archived(t: Tract, clock: Clock) -> None:
    """Neither between looking and renaming, nor when a proposal is approved."""
    _branch(t, "old")
    t.policies.add("auto_archive", autonomy="collaborative")
    clock.days(40)
    t.user("later")
    t.switch("old")
    t.user("not so old")
    t.switch("main")
    with pytest.raises(ProposalStaleError):
        t.proposals.approve(1)
    assert "old" in t.branches


def test_a_branch_that_grows_meanwhile_is_not_archived(t: Tract, clock: Clock) -> None:
    """Somebody commits on it between looking and renaming: it stays, and a warning says why."""
    _branch(t, "old")
    t.policies.add("auto_archive")
    clock.days(40)

    def grow(point: str) -> None:
        if point == "branch-rename":
            t._store.on_pause = None
            t.switch("old")
            t.user("not so old")
            t.switch("main")

    t._store.on_pause = grow
    with pytest.warns(PolicyWarning, match="could not rename branch"):
        t.user("later")
    assert set(t.branches) == {"main", "old"}


@pytest.mark.parametrize("fields", [{"idle_days": 0}, {"idle_operations": 0}, {"keep": 5}])
def test_wrong_fields_of_auto_archive(t: Tract, fields: dict[str, object]) -> None:
    """Say so."""
    with pytest.raises(InvalidInputError):
        t.policies.add("auto_archive", **fields)


# --- auto_rebase ---------------------------------------------------------------------------------


def _behind(t: Tract, turns: int = 10) -> None:
    """Leave HEAD on `side`, which lacks two commits of `main` for each turn."""
    t.assistant("begin")
    t.branch("side")
    _turns(t, 1, "side")
    t.switch("main")
    _turns(t, turns, "main")
    t.switch("side")


def test_a_stale_branch_is_rebased_between_turns(t: Tract) -> None:
    """Not while a question or a call waits; one operation, which undo takes back and which then is a no."""
    _behind(t)
    t.pin(t.log()[1])
    t.policies.add("auto_rebase")
    before = len(t.compile().messages)
    t.user("next?")
    assert len(t.compile().messages) == before + 1
    t.assistant("next.")
    done = t.operations[-1]
    assert (done.verb, done.args["policies"]) == ("rebase", ["auto_rebase"])
    texts = [message.text for message in t.compile().messages]
    assert texts[-4:] == ["side 0?", "side 0.", "next?", "next."]
    assert len(texts) == before + 2 + 20
    assert [entry.priority for entry in t.compile().shown].count("pinned") == 1
    t.undo()
    _turns(t, 2, "later")
    assert len(t.compile().messages) == before + 2 + 4
    t.switch("main")
    _turns(t, 10, "main again")
    t.switch("side")
    _turns(t, 1, "last")
    assert t.operations[-1].verb == "rebase"


def test_below_its_threshold_nothing_is_rebased(t: Tract) -> None:
    """Nor the parent itself, nor a branch that shares nothing with it, nor one with nothing of its own."""
    t.policies.add("auto_rebase", behind_commits=21)
    _behind(t)
    _turns(t, 1)
    t.policies.change("auto_rebase", behind_commits=1)
    t.switch("main")
    _turns(t, 1)
    t.branch("alone", orphan=True)
    _turns(t, 1)
    assert "rebase" not in {done.verb for done in t.operations}
    t.policies.change("auto_rebase", branches=["other"])
    t.switch("side")
    _turns(t, 1)
    assert "rebase" not in {done.verb for done in t.operations}


def test_a_parent_in_the_middle_of_a_turn_is_waited_for(t: Tract) -> None:
    """A question of the parent would stand unanswered before what the branch says."""
    t.policies.add("auto_rebase")
    _behind(t)
    t.switch("main")
    t.user("still open?")
    t.switch("side")
    _turns(t, 1)
    assert "rebase" not in {done.verb for done in t.operations}


def test_conflicts_are_proposed_and_never_half_done(t: Tract) -> None:
    """What has to be decided is named; approving it says so, and changes nothing."""
    _behind(t)
    t.cherry_pick(["main~1", "main"])
    t.policies.add("auto_rebase")
    before = t.head
    _turns(t, 1)
    (proposal,) = t.proposals.open
    assert "to decide:" in proposal.preview
    head, operations = t.head, len(t.operations)
    with pytest.raises(SafetyError):
        t.proposals.approve(proposal.number)
    assert (t.head, len(t.operations), t.proposals[1].state) == (head, operations, "open")
    assert before != head
    t.proposals.reject(1)
    _turns(t, 3)
    assert len(t.proposals) == 1


def test_a_collaborative_rebase_is_approved(t: Tract) -> None:
    """As one operation that names the policy."""
    _behind(t)
    t.policies.add("auto_rebase", autonomy="collaborative")
    _turns(t, 2)
    assert [one.state for one in t.proposals.values()] == ["open"]
    count = len(t.compile().messages)
    t.proposals.approve(1)
    assert t.operations[-1].args["policies"] == ["auto_rebase"]
    assert len(t.compile().messages) == count + 20
    t.undo()
    assert (len(t.compile().messages), t.proposals[1].state) == (count, "open")


def test_a_forked_tract_follows_the_one_it_was_forked_from(t: Tract) -> None:
    """A snapshot does not: it shares no history with its parent."""
    t.assistant("begin")
    child = t.spawn("look", name="child")
    other = t.spawn("look", name="other", mode="snapshot")
    for one in (child, other):
        one.policies.add("auto_rebase")
        _turns(one, 1, "child")
    _turns(t, 12, "parent")
    for one in (child, other):
        _turns(one, 1, "more")
    texts = [message.text for message in child.compile().messages]
    assert texts[-5:] == ["parent 11.", "child 0?", "child 0.", "more 0?", "more 0."]
    assert "rebase" not in {done.verb for done in other.operations}
    assert [message.text for message in t.compile().messages][-1] == "parent 11."


def test_two_branches_that_follow_each_other_come_to_rest(t: Tract) -> None:
    """Each has the other for a parent: nobody is rebased without end, and nothing is said twice."""
    t.assistant("begin")
    for name in ("a", "b"):
        t.branch(name)
        t.switch("main")
    t.policies.add("auto_rebase", name="a to b", parent="b", branches=["a"], behind_commits=1)
    t.policies.add("auto_rebase", name="b to a", parent="a", branches=["b"], behind_commits=1)
    for number in range(6):
        t.switch("ab"[number % 2])
        _turns(t, 1, f"{'ab'[number % 2]} {number}")
    texts = [message.text for message in t.compile().messages]
    assert len(texts) == len(set(texts)) == 2 + 12


# --- auto_branch ---------------------------------------------------------------------------------


def _say(t: Tract, number: int) -> None:
    for message in conversations()[number]:
        if message["role"] != "system":
            t.commit(message)


def test_a_change_of_topic_is_proposed_once() -> None:
    """A branch at the last commit of the topic that ended, with its words for a name; nobody is switched to it."""
    with Tract.open() as t:
        t.policies.add("auto_branch")
        _say(t, 0)
        end = t.head
        _say(t, 20)
        (proposal,) = t.proposals.open
        assert proposal.preview.startswith("auto_branch: another topic: topic/")
        t.proposals.approve(1)
        (name,) = set(t.branches) - {"main"}
        assert (t.branches[name].head, t.current_branch) == (end, "main")
        assert name == "topic/est-hat-arrival"  # times, flights and columns of the first
        assert t.operations[-1].args["policies"] == ["auto_branch"]
        t.user("Anything else?")
        assert len(t.proposals) == 1


@pytest.mark.parametrize("no", ["reject", "undo"])
def test_a_no_to_a_branch_stands(no: str) -> None:
    """It is not asked for again there, nor by looking at the whole context."""
    with Tract.open() as t:
        t.policies.add("auto_branch", autonomy="collaborative" if no == "reject" else "autonomous")
        _say(t, 0)
        _say(t, 20)
        if no == "reject":
            t.proposals.reject(1)
        else:
            while set(t.branches) != {"main"}:
                t.undo()
        t.user("Thank you for the flight.")
        assert t.policies.scan("auto_branch") is None
        assert (set(t.branches), len(t.proposals.open)) == ({"main"}, 0)


def test_what_was_branched_by_hand_is_not_branched_again() -> None:
    """Nor what is one topic; a scan finds what was there before the policy."""
    with Tract.open() as t:
        _say(t, 0)
        t.branch("mine")
        t.switch("main")
        _say(t, 20)
        t.policies.add("auto_branch")
        assert t.policies.scan("auto_branch") is None
    with Tract.open() as t:
        with t.batch():
            _say(t, 0)
            _say(t, 20)
        t.policies.add("auto_branch", autonomy="autonomous")
        assert [one.policy for one in t.policies.test()] == ["auto_branch"]
        said = t.policies.scan("auto_branch")
        assert said is not None
        assert said.outcome == "done"
        assert len(t.branches) == 2


def test_all_of_it_on_either_database(store_url: str) -> None:
    """What they read of branches, operations and other tracts is read alike on SQLite and PostgreSQL."""
    with Tract.open(store_url) as t:
        t.user("start")
        t.assistant("begin")
        child = t.spawn("look", name="child")
        _branch(t, "old")
        t.policies.add("auto_archive", idle_operations=3)
        _turns(t, 10)
        assert set(t.branches) == {"main", "archive/old"}
        child.policies.add("auto_rebase", behind_commits=10)
        _turns(child, 1)
        assert child.operations[-1].args["policies"] == ["auto_rebase"]
        child.undo()
        _turns(child, 1)
        assert child.operations[-1].verb == "commit"
        t.configure(budget={"limit_tokens": 60, "on_exceed": lambda _tokens, _limit: None})
        _turns(t, 2)
        assert [one.kind for one in t.proposals.open] == ["compress"]
