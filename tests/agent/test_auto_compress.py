"""`auto_compress`: what who sets a budget and adds no policy sees, and what a no of theirs is worth."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from tract import CompressResult, PolicyWarning, TokenBudgetWarning, Tract, Verdict
from tract.errors import TractError
from tract.testing import ScriptedLLM

LIMIT = 200


def _config(limit: int = LIMIT, **budget: Any) -> dict[str, Any]:
    # Nobody is told that the limit was passed: a warning would be an error here.
    quiet = {"on_exceed": lambda _tokens, _limit: None}
    return {"budget": {"limit_tokens": limit, **(budget or quiet)}}


def _talk(t: Tract, turns: int, start: int = 0) -> None:
    for number in range(start, start + turns):
        t.user(f"Which train goes to town number {number} tomorrow morning?")
        t.assistant(f"The one at {number} o'clock goes to town number {number}.")


def _verbs(t: Tract) -> list[str]:
    return [done.verb for done in t.operations if done.verb != "commit"]


def test_a_budget_alone_proposes_one_compression() -> None:
    """Once, at 90 %, as a proposal with its own operation; nothing in the context changes, and no model is asked."""
    llm = ScriptedLLM([])
    with Tract.open(config=_config(), llm=llm) as t:
        assert list(t.policies) == ["auto_compress"]
        assert (t.policies["auto_compress"].autonomy, t.policies["auto_compress"].mode) == ("collaborative", "enforce")
        sizes: list[int] = []
        while not t.proposals:
            _talk(t, 1, start=len(sizes))
            sizes.append(t.status().context_tokens)
        _talk(t, 5, start=50)

        assert sizes[-2] < LIMIT * 0.9
        assert (len(t.proposals), _verbs(t)) == (1, ["propose", "configure", "init"])
        assert next(done for done in t.operations if done.verb == "propose").args["policies"] == ["auto_compress"]
        assert len(t.compile().messages) == 2 * len(sizes) + 10
        assert "town number" in t.proposals[1].preview
        assert llm.requests == []


def test_below_the_threshold_nobody_is_asked() -> None:
    """Nothing is proposed, nothing is logged, and no commit takes a second transaction."""
    with Tract.open(config=_config(100_000)) as t:
        _talk(t, 20)
        assert (len(t.policies.log), len(t.proposals), _verbs(t)) == (0, 0, ["configure", "init"])


def test_a_yes_is_one_operation_that_names_the_policy() -> None:
    """And one undo takes it back, so that it waits again."""
    with Tract.open(config=_config()) as t:
        _talk(t, 10)
        before = t.compile().messages
        result = t.proposals.approve(1)
        assert isinstance(result, CompressResult)
        assert (t.operations[-1].verb, t.operations[-1].args["policies"]) == ("compress", ["auto_compress"])
        assert len(t.compile().messages) < len(before)
        t.undo()
        assert (t.compile().messages, t.proposals[1].state) == (before, "open")


def test_undo_takes_back_what_the_user_did_and_not_what_was_proposed() -> None:
    """Whoever undoes a message gets rid of the message; the proposal is no step, but its number takes it back."""
    with Tract.open(config=_config()) as t:
        _talk(t, 4)
        count = len(t.compile().messages)
        while not t.proposals:
            t.user("More and more words about trains and towns in the morning.")
        proposed = t.operations[-1]
        assert proposed.verb == "propose"
        last = t.head
        t.undo()
        assert t.head != last
        t.redo()
        assert (t.head, len(t.proposals.open)) == (last, 1)
        t.undo(operation=proposed.number)
        assert (len(t.proposals), t.head) == (0, last)
        assert len(t.compile().messages) > count


def test_it_is_turned_off_for_good(tmp_path: Path) -> None:
    """By its mode or by removing it, on every handle opened later; undo puts it back in force."""
    with Tract.open(tmp_path / "a.db", config=_config(on_exceed="reject")) as t:
        t.policies.change("auto_compress", mode="off")
    with Tract.open(tmp_path / "a.db") as t:
        assert t.policies["auto_compress"].mode == "off"
        assert t._store.policies is None
        t.undo()
        assert [rule.mode for rule in t.policies.values()] == ["enforce"]
        assert t.policies.remove("auto_compress").mode == "enforce"
        assert [rule.mode for rule in t.policies.values()] == ["off"]
    with Tract.open(tmp_path / "a.db") as t:
        with pytest.raises(TractError):
            _talk(t, 30)
        assert len(t.proposals) == 0


def test_it_comes_and_goes_with_the_budget() -> None:
    """Set while the handle is open it is in force at once; one of one's own kind takes its place."""
    with Tract.open() as t:
        assert list(t.policies) == []
        t.configure(**_config())
        assert list(t.policies) == ["auto_compress"]
        t.undo()
        assert list(t.policies) == []
        assert t._store.policies is None
        t.configure(**_config())
        t.policies.add("auto_compress", name="mine", threshold=0.5)
        assert list(t.policies) == ["mine"]
        child = t.spawn("look", name="child")
        assert list(child.policies) == ["mine"]


def test_a_no_stands() -> None:
    """While anything it was about is in the context and the budget is the same; then it may ask again."""
    with Tract.open(config=_config()) as t:
        _talk(t, 10)
        t.proposals.reject(1)
        _talk(t, 10, start=10)
        assert [one.state for one in t.proposals.values()] == ["rejected"]
        t.configure(**_config(300))
        _talk(t, 1, start=20)
        assert [one.state for one in t.proposals.values()] == ["rejected", "open"]


def test_a_proposal_whose_ground_is_gone_makes_room_for_the_next() -> None:
    """Compressed by hand, the old one is taken off the list when the context is full again; never more than one."""
    with Tract.open(config=_config()) as t:
        _talk(t, 10)
        t.compress(target_tokens=60)
        assert [one.number for one in t.proposals.open] == [1]
        _talk(t, 10, start=10)
        assert [one.number for one in t.proposals.open] == [2]
        t.undo(operation=next(done.number for done in t.operations if done.verb == "propose"))
        assert [one.number for one in t.proposals.open] == [1]


def test_what_a_person_edited_stays_on_the_list() -> None:
    """Its text is theirs."""
    with Tract.open(config=_config()) as t:
        _talk(t, 10)
        t.proposals.edit(1, ["Trains to towns."] * len(t.proposals[1].drafts))
        t.compress(target_tokens=60)
        _talk(t, 10, start=10)
        assert [one.number for one in t.proposals.open] == [1, 2]


@pytest.mark.parametrize(("fields", "asked"), [({}, 0), ({"asks_model": True}, 1), ({"autonomy": "autonomous"}, 1)])
def test_a_model_is_asked_only_where_somebody_said_so(fields: dict[str, Any], asked: int) -> None:
    """A draft nobody asked for costs nothing."""
    llm = ScriptedLLM(["They asked for trains."] * 3)
    with Tract.open(config=_config(), llm=llm) as t:
        t.policies.add("auto_compress", **fields)
        _talk(t, 10)
        assert bool(llm.requests) is bool(asked)
        if fields.get("asks_model"):
            assert t.proposals[1].preview == "They asked for trains."


def test_on_exceed_compress_does_what_it_did() -> None:
    """Room is made by itself at the limit; what was proposed before is taken off the list when it asks anew."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Tract.open(config=_config(on_exceed="compress")) as t:
            _talk(t, 40)
            assert t.status().context_tokens <= LIMIT
            assert "compress" in _verbs(t)
            assert len(t.proposals.open) <= 1


def test_nothing_to_compress_is_no_news() -> None:
    """All pinned, or one long message of the user that waits for its reply: no warning, no proposal."""
    with Tract.open(config=_config()) as t:
        t.policies.add("auto_pin", roles=["user", "assistant"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _talk(t, 10)
        assert len(t.proposals) == 0
    with Tract.open(config=_config()) as t:
        t.user("word " * 400)
        assert len(t.proposals) == 0


def test_a_question_that_waits_is_never_compressed() -> None:
    """It goes to the model as it was asked, whatever was compressed before it."""
    llm = ScriptedLLM(["Fine."])
    with Tract.open(config=_config(), llm=llm) as t:
        t.policies.add("auto_compress", autonomy="autonomous", asks_model=False)
        _talk(t, 6)
        t.chat("And what about the very last train, the one to the town on the hill?")
        assert t.compile().messages[-2].text.startswith("And what about the very last train")
        assert "compress" in _verbs(t)


def test_an_undone_compression_is_a_no() -> None:
    """Taken back, it is not done again with the next commit."""
    with Tract.open(config=_config()) as t:
        t.policies.add("auto_compress", autonomy="autonomous")
        number = 0
        while t.operations[-1].verb != "compress":
            number += 1
            t.user(f"Which train goes to town number {number} tomorrow morning?")
        count = len(t.compile().messages)
        t.undo()
        assert len(t.compile().messages) > count
        _talk(t, 2)
        assert (t.operations[-1].verb, _verbs(t).count("compress")) == ("commit", 1)


def test_a_ceiling_of_manual_only_says_so() -> None:
    """Nothing is proposed; the log has it."""
    with Tract.open(config=_config()) as t:
        t.policies.ceiling = "manual"
        _talk(t, 10)
        assert len(t.proposals) == 0
        assert {one.outcome for one in t.policies.log} == {"said"}


def test_what_cannot_be_done_is_said_once() -> None:
    """Each attempt is logged, one warning is given, and no commit is lost for it."""
    with Tract.open(config=_config()) as t:
        t.policies.add(lambda _event, _view: Verdict("deny", "not now"), name="never", on=("before_compress",))
        with pytest.warns(PolicyWarning, match="could not compress") as caught:
            _talk(t, 10)
        assert len(caught) == 1
        assert len(t.compile().messages) == 20
        assert len(t.policies.log.find(outcome="failed")) > 1


def test_a_warning_of_the_budget_is_still_given() -> None:
    """The proposal is beside it."""
    with Tract.open(config=_config(on_exceed="warn")) as t:
        with pytest.warns(TokenBudgetWarning):
            _talk(t, 10)
        assert len(t.proposals.open) == 1
