"""A child's work comes home as one summary, again and again, and can be opened, questioned and taken back."""

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.sessions.test_spawn import exchange, texts
from tract import (
    CollapseResult,
    Proposal,
    Session,
    Summary,
    SummaryContent,
    SummaryRequest,
    Tract,
)
from tract.errors import (
    BudgetExceededError,
    DetachedHeadError,
    ErasedMeanwhileError,
    InvalidInputError,
    OperationOpenError,
    ProposalDecidedError,
    ProposalStaleError,
    RefConflictError,
    SummaryError,
)

Open = Callable[..., Tract]


@pytest.fixture
def team(open_tract: Open) -> tuple[Tract, Tract]:
    """A parent, and a child that has found something."""
    t = open_tract(actor="ann")
    t.user("We want to go to Porto.")
    child = t.spawn("find trains", name="trains")
    child.user("Which trains go?")
    child.assistant("IC 720 leaves at 10:30 from Lisbon.")
    return t, child


def collapsed(t: Tract, child: Tract | str, **options: Any) -> CollapseResult:
    """Collapse, and be sure that it was written."""
    result = t.collapse(child, **options)
    assert isinstance(result, CollapseResult)
    return result


def test_work_comes_home_as_one_summary(team: tuple[Tract, Tract]) -> None:
    """With the child's name, what it is for, and where it comes from; the child is as it was."""
    t, child = team
    before = child.compile().messages

    result = collapsed(t, child)

    assert texts(t)[1].startswith("[summary] Result of trains (find trains):\n")
    assert "IC 720 leaves at 10:30" in texts(t)[1]
    info = t.log(1)[0]
    assert (info.hash, info.origin, info.content_type) == (result.commit, "user", "summary")
    assert info.metadata["collapsed"] == {"tract": "trains", "since": t.log(3)[-1].hash}
    assert info.metadata["squashed"] == {"head": child.head, "commits": list(result.commits)}
    assert info.metadata["summary"]["summarizer"] == result.summarizer == "extractive"
    assert result.commits == tuple(info.hash for info in reversed(child.log(2)))
    assert result.tokens_after == info.tokens
    assert repr(result) == f"<CollapseResult trains commits=2 tokens={result.tokens_before}->{result.tokens_after}>"
    assert child.compile().messages == before
    assert t.fsck() == []


def test_only_what_is_new_comes_home_the_next_time(team: tuple[Tract, Tract]) -> None:
    """Again and again; where nothing is new there is nothing to do."""
    t, child = team
    first = collapsed(t, child, content="One train.")
    with pytest.raises(InvalidInputError, match="nothing new"):
        t.collapse(child)
    said = child.assistant("It is full.")
    child.pin(said)

    second = collapsed(t, "trains", content="It is full.")

    assert second.commits == tuple(info.hash for info in reversed(child.log(2)))
    assert texts(t)[1:] == ["[summary] One train.", "[summary] It is full."]
    assert t.get(second.commit).metadata["collapsed"]["since"] == first.head
    with pytest.raises(InvalidInputError):
        t.collapse(child)


@pytest.mark.parametrize("mode", ["fork", "snapshot", "select"])
def test_what_a_child_began_with_is_not_its_work(open_tract: Open, mode: Any) -> None:
    """In every mode."""
    t = open_tract()
    t.user("We want to go to Porto.")
    child = t.spawn("find trains", mode=mode, select=["HEAD"] if mode == "select" else None)
    with pytest.raises(InvalidInputError, match="nothing new"):
        t.collapse(child)
    said = child.user("Found.")

    assert collapsed(t, child, content="Found.").commits == (said.hash,)


def test_undone_or_on_another_branch_nothing_is_home(team: tuple[Tract, Tract]) -> None:
    """A rebased summary still says what it brought home."""
    t, child = team
    t.branch("aside", switch=False)
    first = collapsed(t, child, content="One train.")
    t.undo()
    assert collapsed(t, child, content="One train.").commits == first.commits

    t.switch("aside")
    assert collapsed(t, child, content="One train.").commits == first.commits
    t.branch("other", at="aside~2")
    t.user("Something else.")
    t.switch("aside")
    t.rebase("other")
    with pytest.raises(InvalidInputError, match="nothing new"):
        t.collapse(child)


def test_what_was_merged_or_waits_does_not_come_home(team: tuple[Tract, Tract]) -> None:
    """What is here already is not told again; a call that waits for its result comes with it later."""
    t, child = team
    t.merge("trains:main")
    with pytest.raises(InvalidInputError, match="nothing new"):
        t.collapse(child)
    child.assistant(tool_calls=[{"id": "a", "name": "book", "arguments": "{}"}])
    with pytest.raises(InvalidInputError, match="nothing new"):
        t.collapse(child)
    child.tool_result("a", "booked")

    assert len(collapsed(t, child, content="Booked.").commits) == 2


def test_a_handle_names_the_branch_that_is_meant(team: tuple[Tract, Tract]) -> None:
    """A name means the branch the child starts on."""
    t, child = team
    child.branch("side", switch=False)
    own = t.children["trains"]
    own.switch("side")
    child.switch("main")
    said = own.user("on the side")

    assert said.hash not in collapsed(t, "trains", content="main").commits
    assert collapsed(t, own, content="side").commits == (said.hash,)


# --- opening it ------------------------------------------------------------------------------------------


def test_expand_and_blame_go_into_the_child(team: tuple[Tract, Tract]) -> None:
    """Through every level: into summaries of the child, and into its own children."""
    t, child = team
    grandchild = child.spawn("find fares", name="fares")
    fare = grandchild.assistant("The fare is 30 euros each way.")
    inner = collapsed(child, grandchild, content="The fare is 30 euros each way.")
    call, found = exchange(child)
    child.compress([call, found], content="Looked.")

    result = collapsed(t, child, content="IC 720 leaves at 10:30 from Lisbon.\nThe fare is 30 euros each way.")

    levels = [(level, one.commit) for level, one in t.expand(result.commit).walk() if one.priority != "skip"]
    asked, answered = [info.hash for info in child.log(20)][::-1][1:3]
    assert levels == [
        (0, result.commit), (1, asked), (1, answered), (1, inner.commit), (2, fare.hash),
        (1, child.log(1)[0].hash), (2, call.hash), (2, found.hash),
    ]  # fmt: skip
    (message,) = [one for one in t.blame().messages if one.commit == result.commit]
    assert [line.source for line in message.lines] == [answered, fare.hash]
    assert message.covers == (asked, answered, fare.hash, call.hash, found.hash)


def test_metadata_a_caller_made_up_opens_nothing(open_tract: Open) -> None:
    """Whatever it says."""
    t = open_tract()
    for told in (5, {"commits": 5}, {"head": 5, "commits": []}, {"head": "ab" * 32, "commits": ["x"]}):
        said = t.commit(SummaryContent(text="Nothing."), metadata={"squashed": told})
        assert t.expand(said).items == ()
    assert all(message.covers == () for message in t.blame().messages)


def test_a_snapshot_can_be_opened_as_well(team: tuple[Tract, Tract]) -> None:
    """It tells of its parent's messages."""
    t, child = team
    told = child.spawn("go on", mode="snapshot")

    opened = t.expand(f"{told.name}:HEAD")

    assert [one.commit for one in opened.items] == list(child.compile().commit_hashes)
    assert t.name == "default"


def test_gc_and_erase_know_what_a_summary_tells_of(team: tuple[Tract, Tract]) -> None:
    """What a summary stands for is kept, also when the child has gone back; erasing it lists the summary."""
    t, child = team
    result = collapsed(t, child, content="One train.")
    child.reset("HEAD~2", mode="hard")
    child.undo()
    child.reset("HEAD~2", mode="hard")

    t.gc(keep_days=0)

    assert [one.text for one in t.expand(result.commit).items] == [
        "Which trains go?",
        "IC 720 leaves at 10:30 from Lisbon.",
    ]
    found = t.erase(result.commits[1], reason="a test", dry_run=True)
    assert [one.commit for one in found.derived] == [result.commit]


# --- what the summary says ----------------------------------------------------------------------------------


def test_a_summarizer_is_asked_and_its_answer_checked(team: tuple[Tract, Tract]) -> None:
    """What it is told, what must be kept and how long it may be; what cannot be used changes nothing."""
    t, child = team
    asked: list[SummaryRequest] = []

    def summarizer(request: SummaryRequest) -> Summary:
        asked.append(request)
        return Summary("IC 720.", "mine", {"model": "m-1"})

    result = collapsed(
        t, child, summarizer=summarizer, instructions="Be short.", must_keep="IC 720", target_tokens=100
    )  # fmt: skip

    assert [one.text for one in asked[0].messages] == ["Which trains go?", "IC 720 leaves at 10:30 from Lisbon."]
    assert (asked[0].must_keep, asked[0].instructions) == (("IC 720",), "Be short.")
    assert asked[0].target_tokens < 100
    told = t.get(result.commit).metadata["summary"]
    assert (told["summarizer"], told["settings"]) == ("mine", {"model": "m-1"})
    assert (told["target_tokens"], told["instructions"]) == (100, "Be short.")
    child.user("More.")
    operations = len(t.operations)
    for answer in ("", "I'm sorry, I cannot do that.", "long " * 300, 5):
        with pytest.raises(SummaryError):
            t.collapse(child, summarizer=lambda _, answer=answer: answer)  # type: ignore[misc]
    with pytest.raises(SummaryError):
        t.collapse(child, target_tokens=10)
    assert len(t.operations) == operations


def test_long_work_becomes_short(team: tuple[Tract, Tract]) -> None:
    """A quarter is aimed at, or the target."""
    t, child = team
    for number in range(60):
        child.assistant(f"Train number {number} leaves at {number % 24}:00 from platform {number % 7}.")

    free = collapsed(t, child)
    t.undo()
    tight = collapsed(t, child, target_tokens=90)

    assert free.tokens_after < free.tokens_before / 2
    assert tight.tokens_after <= 90


def test_a_summary_of_something_sensitive_is_sensitive(team: tuple[Tract, Tract]) -> None:
    """So what stays of it after an erasure matches no guess."""
    t, child = team
    child.commit({"content_type": "dialogue", "role": "user", "text": "My code is 4711.", "sensitive": True})

    result = collapsed(t, child, content="The code is 4711.")

    content = t.show(result.commit)
    assert isinstance(content, SummaryContent)
    assert content.sensitive


def test_a_purpose_nobody_knows_any_more_is_not_told(team: tuple[Tract, Tract]) -> None:
    """After it was erased."""
    t, child = team
    t.erase(text="find trains", reason="a test")

    collapsed(t, child)

    assert texts(t)[1].startswith("[summary] Result of trains:\n")


# --- proposals ------------------------------------------------------------------------------------------------


def proposed(t: Tract, child: Tract | str, **options: Any) -> Proposal:
    """Propose to collapse."""
    result = t.collapse(child, autonomy="collaborative", **options)
    assert isinstance(result, Proposal)
    return result


def test_a_proposal_waits_for_a_yes(team: tuple[Tract, Tract], open_tract: Open) -> None:
    """Also through a restart, also an edited one; what comes in meanwhile stays before it or for the next time."""
    t, child = team
    proposal = proposed(t, child)
    assert "IC 720" in proposal.preview
    assert len(texts(t)) == 1
    t.user("Meanwhile.")
    child.assistant("Later.")

    fresh = open_tract()
    edited = fresh.proposals[proposal.number].edit("Take the IC 720.")
    result = edited.approve()

    assert isinstance(result, CollapseResult)
    assert texts(t) == ["We want to go to Porto.", "Meanwhile.", "[summary] Take the IC 720."]
    assert t.get(result.commit).metadata["summary"]["is_edited"] is True
    assert len(result.commits) == 2
    assert len(collapsed(t, child, content="Later.").commits) == 1
    with pytest.raises(ProposalDecidedError):
        edited.approve()


def test_a_proposal_that_no_longer_fits_is_refused(team: tuple[Tract, Tract]) -> None:
    """HEAD elsewhere, brought home meanwhile, or merged in part."""
    t, child = team
    elsewhere = proposed(t, child)
    t.branch("aside")
    with pytest.raises(ProposalStaleError, match="branch"):
        elsewhere.approve()
    t.switch("main")
    collapsed(t, child, content="Faster.")
    with pytest.raises(ProposalStaleError, match="meanwhile"):
        elsewhere.approve()
    child.user("one")
    merged = proposed(t, child, content="One.")
    t.cherry_pick("trains:HEAD")
    t.merge("trains:HEAD")
    with pytest.raises(ProposalStaleError, match="other ways"):
        merged.approve()


def test_a_draft_that_cannot_be_stored_is_refused(team: tuple[Tract, Tract]) -> None:
    """When it is edited."""
    t, child = team
    with pytest.raises(InvalidInputError):
        proposed(t, child).edit(["one", "two"])


def test_nothing_can_be_proposed_on_nothing(open_tract: Open) -> None:
    """A parent whose spawn was undone may have no commit."""
    t = open_tract()
    child = t.spawn("begin")
    t.undo()
    child.user("Hello.")

    with pytest.raises(InvalidInputError, match="no commit yet"):
        t.collapse(child, autonomy="collaborative")
    assert collapsed(t, child, content="Hello.").tokens_before > 0


def test_autonomy_of_the_tract_decides_where_the_call_does_not(team: tuple[Tract, Tract]) -> None:
    """By hand only, or for review."""
    t, child = team
    t.configure(autonomy="manual")
    with pytest.raises(InvalidInputError, match="yours to write"):
        t.collapse(child)
    t.configure(autonomy="collaborative")
    assert isinstance(t.collapse(child), Proposal)
    assert collapsed(t, child, autonomy="autonomous").text


# --- what cannot be -----------------------------------------------------------------------------------------


def test_what_a_collapse_needs(team: tuple[Tract, Tract]) -> None:
    """A child of this tract, a branch, no open batch, and values that can be."""
    t, child = team
    wrong: list[dict[str, Any]] = [
        {"child": "nobody"}, {"child": 5}, {"child": t}, {"content": " "}, {"content": 5}, {"target_tokens": 5},
        {"target_tokens": "few"}, {"autonomy": "boss"}, {"summarizer": 5}, {"must_keep": 5}, {"instructions": 5},
    ]  # fmt: skip
    for arguments in wrong:
        with pytest.raises(InvalidInputError):
            t.collapse(**{"child": child, **arguments})
    with t.batch(), pytest.raises(OperationOpenError):
        t.collapse(child)
    assert child.parent is not None
    grandchild = child.spawn("deeper")
    grandchild.user("Found.")
    with pytest.raises(InvalidInputError, match="no child"):
        t.collapse(grandchild)
    t.checkout("HEAD")
    with pytest.raises(DetachedHeadError):
        t.collapse(child)


def test_a_budget_holds_for_what_comes_home(team: tuple[Tract, Tract]) -> None:
    """One that rejects refuses it; one that is a function is asked before anything is locked."""
    t, child = team
    asked: list[tuple[int, int]] = []
    t.configure(budget={"limit_tokens": 30, "on_exceed": lambda tokens, limit: asked.append((tokens, limit))})
    collapsed(t, child, content="word " * 40)
    t.undo()
    t.configure(budget={"limit_tokens": 30, "on_exceed": "reject"})

    with pytest.raises(BudgetExceededError):
        t.collapse(child, content="word " * 40)

    assert [limit for _, limit in asked] == [30]
    assert len(texts(t)) == 1


def test_two_who_bring_the_same_home_get_it_once(team: tuple[Tract, Tract], open_tract: Open) -> None:
    """The slower one is told; plain appends are no conflict."""
    t, child = team
    other = open_tract()
    waiting: list[Callable[[], object]] = [
        lambda: other.user("Meanwhile."),
        lambda: other.collapse("trains", content="Faster."),
    ]

    def meanwhile(point: str) -> None:
        if point == "collapse":
            waiting.pop(0)()

    t._store.on_pause = meanwhile
    first = collapsed(t, child, content="Slower.")
    t.undo()

    with pytest.raises(RefConflictError):
        t.collapse(child, content="Slower.")

    assert first.commits
    assert texts(t) == ["We want to go to Porto.", "Meanwhile.", "[summary] Faster."]


def test_what_is_erased_while_a_summarizer_reads_does_not_come_home(
    team: tuple[Tract, Tract], open_tract: Open
) -> None:
    """Else it would be told again."""
    t, child = team
    other = open_tract()

    def slow(request: SummaryRequest) -> str:
        other.erase("trains:HEAD", reason="private")
        return request.messages[-1].text

    with pytest.raises(ErasedMeanwhileError):
        t.collapse(child, summarizer=slow)


def test_a_collapse_comes_after_the_work_in_the_timeline(store_url: str) -> None:
    """However wrong the parent's clock is."""
    with Session.open(store_url) as session:
        t = session.create_tract("parent")
        child = t.spawn("work", name="child")
        child._store.clock = itertools.count(4_000_000_000_000_000).__next__
        for _ in range(3):
            child.user("Working.")

        collapsed(t, child, content="Worked.")
        child.user("More.")

        entries = session.timeline()
        assert [entry.step for entry in entries][-2:] == [("parent", 3), ("child", 5)]
        assert entries[-2].causes == (("child", 4),)
        last = t.log(1)[0]
        assert [message.text for message in session.at("child", last).messages] == ["Working."] * 3


def test_a_failed_collapse_changes_nothing(team: tuple[Tract, Tract]) -> None:
    """Whatever the summarizer raises."""
    t, child = team
    operations = len(t.operations)

    def broken(_: SummaryRequest) -> str:
        raise ValueError

    with contextlib.suppress(SummaryError):
        t.collapse(child, summarizer=broken)

    assert len(t.operations) == operations
    assert collapsed(t, child).commits
