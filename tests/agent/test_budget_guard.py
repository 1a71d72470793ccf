"""Budget guards: what a model may cost in a turn and in a session, and what becomes of a call that would cost more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.statements import recorded_statements
from tract import BudgetGuard, PolicyWarning, Spent, ToolCall, Tract, Usage
from tract.agent.policies.spending import Ledger
from tract.errors import InvalidInputError, NothingToUndoError, PolicyDeniedError
from tract.testing import ScriptedLLM

PRICES = {"": {"input": 3, "output": 15}, "cheap": {"input": 1, "output": 1, "cache_read": 0.1}}
USAGE = Usage(1_000, 100)

LIMITS: dict[str, dict[str, Any]] = {
    "calls a turn": {"turn": {"calls": 0}},
    "tokens a turn": {"turn": {"tokens": 1}},
    "cost a turn": {"turn": {"cost": 0.000001}, "prices": PRICES},
    "calls a session": {"session": {"calls": 0}},
    "tokens a session": {"session": {"tokens": 1}},
    "cost a session": {"session": {"cost": 0.000001}, "prices": PRICES},
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_call_that_does_not_fit_is_not_made(open_tract: Callable[..., Tract], limit: str) -> None:
    """The model is not asked, nothing is written but the question, and asking again once it fits does not repeat it."""
    llm = ScriptedLLM(["green"], usage=USAGE)
    t = open_tract(llm=llm)
    t.policies.add("budget_guard", **LIMITS[limit])
    before = len(t.operations)

    with pytest.raises(PolicyDeniedError, match=r"`budget_guard` denied this: This (turn|session)") as caught:
        t.chat("Which tea?")

    assert (llm.calls, len(t.operations) - before, caught.value.event) == (0, 1, "before_generate")
    assert [one.text for one in t.compile().messages] == ["Which tea?"]
    with pytest.raises(PolicyDeniedError):
        t.generate()
    t.policies.change("budget_guard", turn={"calls": 9}, session={"calls": 9})
    assert t.chat("Which tea?").text == "green"
    assert [one.role for one in t.compile().messages] == ["user", "assistant"]


def _calls(t: Tract, numbers: range) -> list[ToolCall]:
    @t.tool
    def look(number: int) -> str:
        """Look."""
        return f"seen {number}"

    return [ToolCall(f"c{number}", "look", f'{{"number": {number}}}') for number in numbers]


def test_a_run_ends_at_the_limit_of_its_turn_and_goes_on_from_there(open_tract: Callable[..., Tract]) -> None:
    """What was answered and found until then is kept; with a higher limit `t.run()` makes no call twice."""
    t = open_tract(llm=ScriptedLLM(usage=USAGE))
    llm = ScriptedLLM([*_calls(t, range(5)), "done"], usage=USAGE)
    t.policies.add("budget_guard", turn={"calls": 3})

    with pytest.raises(PolicyDeniedError, match="asked a model 3 times of 3"):
        t.run("go", llm=llm)

    assert llm.calls == 3
    assert [one.text for one in t.compile().messages if one.role == "tool"] == ["seen 0", "seen 1", "seen 2"]
    t.policies.change("budget_guard", turn={"calls": 6})
    assert t.run(llm=llm).state == "finished"
    assert llm.calls == 6
    assert [one.text for one in t.compile().messages if one.role == "tool"] == [f"seen {n}" for n in range(5)]


def test_a_turn_begins_with_what_the_user_says(open_tract: Callable[..., Tract]) -> None:
    """Each question has the whole limit of a turn; the session has one for all of them."""
    llm = ScriptedLLM(["one", "two", "three", "four"], usage=USAGE)
    t = open_tract(llm=llm)
    t.policies.add("budget_guard", turn={"calls": 1}, session={"tokens": 3_500})
    for question in ("a?", "b?", "c?"):
        t.chat(question)
        with pytest.raises(PolicyDeniedError, match="This turn"):
            _again(t)
    with pytest.raises(PolicyDeniedError, match=r"This session has used 3,300 tokens and [\d,]+ are"):
        t.chat("d? " * 100)

    assert llm.calls == 3


def _again(t: Tract) -> None:
    """Ask the model once more in the same turn: the answer is taken for something a tool said."""
    calls = [ToolCall("x1", "look", "{}")]
    t.assistant(tool_calls=calls)
    t.tool_result("x1", "seen")
    try:
        t.generate()
    finally:
        t.undo(2)


def test_what_a_session_has_cost_is_kept_in_the_store(tmp_path: Path) -> None:
    """Reopened, on another branch, and after undo: what was paid is paid."""
    path = tmp_path / "a.db"
    with Tract.open(path, llm=ScriptedLLM(["one", "two"], usage=USAGE, model="dear")) as t:
        t.policies.add("budget_guard", session={"cost": 0.01}, prices=PRICES)
        t.chat("a?")
        t.policies.change("budget_guard", session={"cost": 0.013})
        t.chat("b?")  # 2 x (1,000 x 3 + 100 x 15) / 1,000,000 = 0.009
        t.undo(4)
        t.branch("other", orphan=True)
    with Tract.open(path, llm=ScriptedLLM(["three"], usage=USAGE, model="dear")) as t:
        assert t.chat("c?").text == "three"  # what is sent fits
        with pytest.raises(PolicyDeniedError, match=r"This session has cost 0\.0135 and the next call costs 0\.003"):
            t.chat("d?")


def test_each_model_has_its_price(open_tract: Callable[..., Tract]) -> None:
    """The longest beginning of its name counts; what the cache gave is cheaper; without a price nothing is asked."""
    prices = {"": {"input": 9_999}, "cheap": {"input": 1_000, "output": 1_000, "cache_read": 100}}
    t = open_tract(llm=ScriptedLLM(["one", "two", "three"], usage=Usage(1_000, 0, 1_000), model="cheap-1"))
    t.policies.add("budget_guard", session={"cost": 1.25}, prices=prices)
    for question in ("a?", "b?", "c?"):
        t.chat(question)
    with pytest.raises(PolicyDeniedError, match=r"has cost 0\.3 and the next call costs 1\.0"):
        t.chat("d?")
    t.policies.add("budget_guard", session={"cost": 100}, prices={"other": {"input": 1}})
    with pytest.raises(PolicyDeniedError, match="a model has no price"):
        t.generate()


def test_it_warns_or_asks_for_leave_instead(open_tract: Callable[..., Tract]) -> None:
    """With `warn` the call is made; with `ask` the application decides."""
    t = open_tract(llm=ScriptedLLM(["one", "two", "three"], usage=USAGE))
    t.policies.add("budget_guard", turn={"calls": 0}, on_exceed="warn")
    with pytest.warns(PolicyWarning, match="has asked a model 0 times of 0"):
        assert t.chat("a?").text == "one"
    t.policies.change("budget_guard", on_exceed="ask")
    t.policies.on_ask(lambda event, _verdict: event.args["tokens"] < 10)
    with pytest.raises(PolicyDeniedError, match="asks for leave"):
        t.chat("b?")
    t.policies.on_ask(lambda event, _verdict: event.args["tokens"] < 2_000)
    assert t.chat("b?").text == "two"


def test_tool_calls_are_held_back_if_they_are_to_be(open_tract: Callable[..., Tract]) -> None:
    """Once a limit is reached no tool runs either; the model finds that out in its results."""
    for is_held, texts in ((True, ["denied this"]), (False, ["seen 0"])):
        t = open_tract(tract=f"t{is_held}", llm=ScriptedLLM(usage=USAGE))
        llm = ScriptedLLM(_calls(t, range(1)), usage=USAGE)
        t.policies.add("budget_guard", turn={"calls": 1}, tool_calls=is_held)
        with pytest.raises(PolicyDeniedError):
            t.run("go", llm=llm)
        assert [text in t.compile().messages[-1].text for text in texts] == [True]
        t.close()


def test_usage_recorded_by_hand_counts_and_a_correction_replaces(open_tract: Callable[..., Tract]) -> None:
    """For applications that ask their model themselves."""
    t = open_tract(llm=ScriptedLLM(["never"]))
    t.policies.add("budget_guard", session={"tokens": 5_000})
    t.user("a?")
    t.assistant("one")
    t.record_usage({"prompt_tokens": 4_000, "completion_tokens": 900})
    t.record_usage({"prompt_tokens": 4_000, "completion_tokens": 990})
    t.user("b?")
    with pytest.raises(PolicyDeniedError, match="has used 4,990 tokens"):
        t.generate()


def test_what_compressing_cost_counts(open_tract: Callable[..., Tract]) -> None:
    """The calls of the model that wrote a summary are calls as well."""
    t = open_tract(llm=ScriptedLLM(["a short summary of it", "never"], usage=USAGE))
    for number in range(4):
        t.user(f"{number} " + "many words " * 40)
    t.compress(autonomy="autonomous")
    t.policies.add("budget_guard", session={"calls": 1})
    with pytest.raises(PolicyDeniedError, match="has asked a model 1 times of 1"):
        t.chat("more?")


def test_a_replay_says_where_the_limit_was_reached(open_tract: Callable[..., Tract]) -> None:
    """Of a history of runs: at the same calls as it would have been live."""
    t = open_tract(llm=ScriptedLLM(usage=USAGE))
    calls = _calls(t, range(6))
    t.run("go", llm=ScriptedLLM([*calls[:3], "done"], usage=USAGE))
    t.run("again", llm=ScriptedLLM([*calls[3:], "done"], usage=USAGE))
    t.policies.add("budget_guard", turn={"calls": 2}, session={"tokens": 6_000}, mode="off")
    before = len(t.operations)
    said = t.policies.test()

    assert [(one.event, one.verdict, one.reason.split(" has ")[0]) for one in said] == [
        *[("before_generate", "deny", "This turn")] * 2,
        ("before_generate", "deny", "This session"),
        *[("before_generate", "deny", "This turn")] * 2,
    ]
    assert (len(t.operations), len(t.policies.log)) == (before, 0)
    assert len(t.policies.test("HEAD~8")) == 2


WRONG: dict[str, dict[str, Any]] = {
    "nothing limited": {},
    "empty": {"turn": {}},
    "no prices": {"session": {"cost": 1}},
    "unknown": {"turn": {"seconds": 1}},
    "below": {"turn": {"calls": -1}},
    "not a number": {"turn": {"cost": float("nan")}, "prices": PRICES},
    "endless": {"turn": {"cost": float("inf")}, "prices": PRICES},
    "price": {"turn": {"cost": 1}, "prices": {"": {"input": -1}}},
    "unknown price": {"turn": {"cost": 1}, "prices": {"": {"input": 1, "thinking": 1}}},
    "verdict": {"turn": {"calls": 1}, "on_exceed": "panic"},
}


@pytest.mark.parametrize("case", WRONG)
def test_limits_that_cannot_be_are_refused(open_tract: Callable[..., Tract], case: str) -> None:
    """And nothing is kept."""
    t = open_tract()
    with pytest.raises(InvalidInputError):
        t.policies.add("budget_guard", **WRONG[case])

    assert len(t.policies) == 0


def test_limits_survive_reopening(tmp_path: Path) -> None:
    """As data, to the last field."""
    given_ = {"turn": {"tokens": 5, "calls": 2}, "session": {"cost": 0.5}, "prices": PRICES, "on_exceed": "ask"}
    with Tract.open(tmp_path / "a.db") as t:
        kept = t.policies.add({"kind": "budget_guard", **given_, "tool_calls": True})
    with Tract.open(tmp_path / "a.db") as t:
        assert t.policies["budget_guard"] == kept
        assert isinstance(kept, BudgetGuard)
        assert kept.prices["cheap"].cache_read == 0.1


def test_asking_reads_only_what_is_new(tmp_path: Path) -> None:
    """However long the life of a tract is, one more question runs the same statements."""
    counts = []
    with recorded_statements() as log, Tract.open(tmp_path / "a.db", durability="off") as t:
        llm = ScriptedLLM(["ok"] * 42, usage=USAGE)
        t.policies.add("budget_guard", turn={"tokens": 10**9}, session={"tokens": 10**9})
        for number in range(42):
            log.clear()
            t.chat(f"{number}?", llm=llm)
            counts.append(len(log.statements))

    assert counts[-1] <= counts[2]


@given(st.lists(st.sampled_from(["chat", "undo", "redo", "usage", "branch", "batch"]), max_size=12))
def test_a_ledger_read_bit_by_bit_is_one_read_at_once(steps: list[str]) -> None:
    """After any steps; and undone calls stay paid."""
    with Tract.open(durability="off", llm=ScriptedLLM(["ok"] * 12, usage=USAGE)) as t:
        ledger, made = Ledger(), 0
        for number, step in enumerate(steps):
            made += _step(t, step, number)
            found = ledger.session(t._store)
            assert found == Ledger().session(t._store)
            assert found.calls == made
            turn = ledger.turn(t._store, t._store.head_hash())
            assert turn.calls <= made
            assert turn.tokens <= found.tokens
    assert Spent() == Spent(0, {})


def _step(t: Tract, step: str, number: int) -> int:
    """Do one step and return how many calls were paid for."""
    if step == "chat":
        t.chat(f"{number}?")
        return 1
    if step == "usage":
        t.assistant(f"said by hand {number}")
        t.record_usage(USAGE)
        t.record_usage(Usage(2_000, 1))
        return 1
    if step == "batch":
        with t.batch():
            t.user(f"{number}?")
            t.assistant("said in a batch")
            t.record_usage(USAGE)
        return 1
    with suppress(NothingToUndoError):
        {"undo": t.undo, "redo": t.redo}.get(step, lambda: t.branch(f"b{number}", orphan=True))()
    return 0
