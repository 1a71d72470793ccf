"""When an orchestrator runs by itself, when not, and that it breaks nothing of whoever it serves."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.orchestrating import SUMMARY, call, compressing, model, outcomes, travel
from tests.agent.talking import require_valid
from tests.operations.clock import Clock
from tract import CachedLLM, Orchestrator, PolicyWarning, ToolCall, Tract, Triggers
from tract.agent.orchestrator.triggers import Sight, due
from tract.errors import InvalidInputError, ModelError, PolicyNotFoundError

DAY = "On this day we want to see the old town, eat near the river and be in bed before ten, all of us. " * 2


@pytest.fixture
def t(tmp_path: Path) -> Iterator[Tract]:
    """Give a tract with a token budget."""
    with Tract.open(tmp_path / "store.db", config={"budget": {"limit_tokens": 600}}) as opened:
        opened.system("You keep the plan of a journey.")
        yield opened


def turn(t: Tract) -> None:
    """Say something and answer it."""
    t.user(DAY)
    t.assistant("Noted.")


def whys(orchestrator: Orchestrator) -> list[str]:
    """Return why it ran."""
    return [result.why for result in orchestrator.results]


# --- reasons -----------------------------------------------------------------------------------------

NOW = Sight(b"now", commits=30, tokens=800, limit_tokens=1_000, idle_seconds=60)


@pytest.mark.parametrize(
    ("triggers", "last", "expected"),
    [
        (Triggers(commits=10), Sight(b"old", commits=20), "10 commits since the last look"),
        (Triggers(commits=10), Sight(b"old", commits=21), None),
        (Triggers(share=0.8), Sight(), "800 of 1,000 tokens are used"),
        (Triggers(share=0.81), Sight(), None),
        (Triggers(share=0.8), Sight(b"old", tokens=790, limit_tokens=1_000), "800 of 1,000 tokens are used"),
        (Triggers(share=0.7), Sight(b"old", tokens=760, limit_tokens=1_000), None),
        (Triggers(share=0.7), Sight(b"old", tokens=750, limit_tokens=1_000), "800 of 1,000 tokens are used"),
        (Triggers(idle_seconds=60), Sight(), "nothing was committed for 60 seconds"),
        (Triggers(idle_seconds=61), Sight(), None),
        (Triggers(idle_seconds=0, share=0.1, commits=1), Sight(b"now"), None),
        (Triggers(), Sight(), None),
    ],
)
def test_what_is_reason_enough(triggers: Triggers, last: Sight, expected: str | None) -> None:
    """Decided from two sights alone; nothing new is never a reason."""
    assert due(triggers, last, NOW) == expected


def test_a_compile_is_a_reason_only_where_asked_for_and_without_a_budget_there_is_no_share() -> None:
    """And an empty tract gives none at all."""
    assert due(Triggers(on_compile=True), Sight(), NOW, is_compile=True) == "something new was compiled"
    assert due(Triggers(on_compile=True), Sight(), NOW) is None
    assert due(Triggers(), Sight(), NOW, is_compile=True) is None
    assert due(Triggers(share=0.1), Sight(), Sight(b"now", 9, 10_000)) is None
    assert due(Triggers(idle_seconds=0, on_compile=True), Sight(), Sight(), is_compile=True) is None


WRONG: list[dict[str, Any]] = [
    {"commits": 0}, {"commits": True}, {"commits": 1.5}, {"share": 0}, {"share": 1.1}, {"share": "x"}, {"share": True},
    {"on_compile": 1}, {"idle_seconds": -1}, {"idle_seconds": "soon"}, {"idle_seconds": float("nan")},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG, ids=str)
def test_triggers_that_cannot_be(fields: dict[str, Any]) -> None:
    """Refused where they are made."""
    with pytest.raises(InvalidInputError):
        Triggers(**fields)


# --- running by itself -------------------------------------------------------------------------------


def test_it_compresses_at_the_threshold(t: Tract) -> None:
    """Once 80 % of the budget is used; the next time when it is used again."""
    llm = model(*[[compressing()], "Done."] * 3)
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous", triggers=Triggers(share=0.8))
    sizes = []
    for _ in range(16):
        turn(t)
        sizes.append(t.status().context_tokens)

    assert len(orchestrator.results) >= 2
    assert set(outcomes(orchestrator)) == {("compress", "done")}
    assert max(sizes) < 600
    assert t.compile().messages[1].text == f"[summary] {SUMMARY}"
    assert orchestrator.results[0].tokens_before >= 480 > orchestrator.results[0].tokens_after
    require_valid(t)


def test_it_looks_every_n_commits_and_after_compiles(t: Tract) -> None:
    """What it commits itself counts for nothing."""
    llm = model(*[[call("commit", text="Seen.")], "Done."] * 3)
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous", triggers=Triggers(commits=4))
    for _ in range(5):
        turn(t)
    assert whys(orchestrator) == ["4 commits since the last look"] * 2

    orchestrator.attach(Triggers(on_compile=True))
    llm.add("Nothing to do.", "Nothing to do.")
    t.compile()
    t.compile()
    assert whys(orchestrator)[2:] == ["something new was compiled"]


def test_it_is_heard_of_in_the_log_of_policies(t: Tract) -> None:
    """As one of them; the operation it was asked about is named."""
    t.orchestrate(llm=model("Nothing to do."), triggers=Triggers(commits=2))
    turn(t)

    said = t.policies.log.find(policy="orchestrator", event="after_commit")
    assert [(one.verdict, one.outcome, one.reason) for one in said][:1] == [
        ("allow", "allowed", "2 commits since the last look: finished, 1 steps")
    ]
    assert "orchestrator" in t.policies
    assert t.policies.log.find(policy="orchestrator", event="orchestrate")[0].reason == "step 1: no call"


def test_not_in_a_batch_not_before_an_answer_and_not_between_a_call_and_its_result(t: Tract) -> None:
    """Then the next event counts."""
    orchestrator = t.orchestrate(llm=model(*["Fine."] * 9), triggers=Triggers(commits=1, on_compile=True))
    with t.batch():
        t.user("One?")
        t.assistant("One.")
        t.compile()
    assert orchestrator.results == ()  # the handle is held until the batch is over
    t.compile()
    assert len(orchestrator.results) == 1
    t.user("Two?")
    t.compile()
    assert len(orchestrator.results) == 1
    t.assistant(tool_calls=[ToolCall("call_1", "weather", "{}")])
    t.compile()
    assert len(orchestrator.results) == 1
    t.tool_result("call_1", "sunny")
    assert len(orchestrator.results) == 1
    t.assistant("It is sunny.")
    assert len(orchestrator.results) == 2


def test_a_chat_is_never_disturbed(t: Tract) -> None:
    """It works between the turns of `chat` and `run`: each reply lands on what was sent."""
    keeper = model(*[[call("commit", text="Seen.")], [compressing()], "Done."] * 4)
    orchestrator = t.orchestrate(llm=keeper, autonomy="autonomous", triggers=Triggers(commits=1))

    @t.tools.add
    def weather() -> str:
        """Say the weather."""
        return "sunny"

    t.chat(DAY, llm=model("Noted."))
    t.run(DAY, llm=model([call("weather")], "Sunny."))

    assert [result.state for result in orchestrator.results] == ["finished"] * len(orchestrator.results)
    assert len(orchestrator.results) >= 2
    require_valid(t)


def test_another_commit_while_it_runs_starts_no_second_one(t: Tract) -> None:
    """Neither one of its own callback, nor one of another thread."""

    def commit(_: Any) -> None:
        turn(t)
        thread = threading.Thread(target=turn, args=(t,))
        thread.start()
        thread.join()

    orchestrator = t.orchestrate(llm=model("Fine.", "Fine."), triggers=Triggers(commits=1), on_step=commit)
    turn(t)
    assert len(orchestrator.results) == 1


def test_a_question_that_comes_in_while_it_thinks_is_answered_first(t: Tract) -> None:
    """Its writes are not made any more, whoever called it into being; asked for by somebody, they are."""

    def ask(_: Any) -> Any:
        t.user("One more thing?")
        return [call("status"), compressing()]

    orchestrator = t.orchestrate(
        llm=model(ask, "Later then."), autonomy="autonomous", triggers=Triggers(commits=2)
    )  # fmt: skip
    turn(t)

    assert outcomes(orchestrator) == [("status", "looked"), ("compress", "skipped")]
    assert t.compile().messages[-1].text == "One more thing?"
    on_demand = t.orchestrate(llm=model([compressing()], "Done."), autonomy="autonomous", name="other")
    assert [one.outcome for one in on_demand.run().calls] == ["done"]


def test_other_policies_see_what_it_does_and_it_does_not(t: Tract) -> None:
    """It is not asked about its own work, which is theirs like anybody's."""
    t.policies.add("auto_pin", patterns=["Lisbon"])
    keeper = model([call("commit", text="Lisbon.")], "Done.")
    orchestrator = t.orchestrate(llm=keeper, autonomy="autonomous", triggers=Triggers(commits=1))
    turn(t)

    assert len(orchestrator.results) == 1
    assert t.compile().shown[-1].priority == "pinned"
    assert t.operations[-1].args["policies"] == ["auto_pin", "orchestrator"]


@pytest.mark.parametrize("way", ["commit", "compile"])
def test_a_model_that_fails_breaks_nothing(t: Tract, way: str) -> None:
    """What the user did is done; there is a warning and a line in the log."""
    triggers = Triggers(commits=1) if way == "commit" else Triggers(on_compile=True)
    down = ModelError("The provider is down.", provider="p")
    orchestrator = t.orchestrate(llm=model(down, "Fine."), triggers=triggers)
    t.user("Are you there?")
    act: Callable[[], object] = (lambda: t.assistant("Yes.")) if way == "commit" else t.compile
    if way == "compile":
        t.assistant("Yes.")
    with pytest.warns(PolicyWarning, match="`orchestrator` could not be asked: ModelError: The provider is down"):
        act()

    assert t.compile("HEAD").messages[-1].text == "Yes."
    assert orchestrator.state == "idle"
    assert [one.verdict for one in t.policies.log.find(policy="orchestrator", outcome="failed")] == ["error"]
    turn(t)
    t.compile()
    assert orchestrator.results[-1].state == "finished"


def test_a_client_that_keeps_its_answers_in_the_store(t: Tract) -> None:
    """It reads the handle from another thread; no lock is held while it works, also in a tool of a toolkit."""
    inner = model("Fine.", "Fine.", "Fine.")
    orchestrator = t.orchestrate(llm=CachedLLM(inner, t.reply_cache), triggers=Triggers(commits=1))
    turn(t)
    assert t.as_tools().execute("commit", {"text": "A note."}).is_error is False
    assert (len(orchestrator.results), orchestrator.state) == (1, "idle")
    turn(t)
    assert len(orchestrator.results) == 2


def test_a_replay_of_policies_runs_nothing(t: Tract) -> None:
    """`t.policies.test` asks every policy about the past, and does nothing."""
    orchestrator = t.orchestrate(llm=model(), triggers=Triggers(commits=3))
    turn(t)
    assert t.policies.test() == []
    assert orchestrator.results == ()


def test_modes_levels_and_pauses_of_policies_hold(t: Tract) -> None:
    """`shadow` only reports, `off` and a pause of all hear nothing, the policy's own autonomy is a limit."""
    llm = model(*[[call("tag", name=f"t{n}")] if n % 2 == 0 else "Done." for n in range(8)])
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous", triggers=Triggers(commits=1))
    t.policies.change("orchestrator", mode="shadow")
    turn(t)
    assert outcomes(orchestrator) == [("tag", "said")]
    t.policies.change("orchestrator", mode="off")
    turn(t)
    assert (len(orchestrator.results), orchestrator.tick()) == (1, None)
    t.policies.change("orchestrator", mode="enforce", autonomy="manual")
    turn(t)
    assert (len(orchestrator.results), outcomes(orchestrator)) == (2, [("tag", "said")])
    t.policies.pause()
    turn(t)
    assert (len(orchestrator.results), orchestrator.tick()) == (2, None)
    t.policies.resume()
    orchestrator.pause()
    turn(t)
    assert len(orchestrator.results) == 2
    orchestrator.resume()
    assert t.tags == {}


def test_attaching_and_detaching(t: Tract) -> None:
    """Under a name of its own; what is detached hears nothing."""
    orchestrator = t.orchestrate(llm=model("Fine."), triggers=Triggers(commits=1))
    with pytest.raises(InvalidInputError, match="There is a policy"):
        t.orchestrate(llm=model(), triggers=Triggers(commits=1))
    with pytest.raises(InvalidInputError):
        orchestrator.attach(3)  # type: ignore[arg-type]
    assert orchestrator.is_attached
    orchestrator.detach()
    orchestrator.detach()
    turn(t)
    assert (orchestrator.is_attached, orchestrator.results, "orchestrator" in t.policies) == (False, (), False)
    with pytest.raises(PolicyNotFoundError):
        t.policies["orchestrator"]
    orchestrator.attach(Triggers(commits=1))
    t.policies.remove("orchestrator")
    turn(t)
    assert (orchestrator.is_attached, orchestrator.results) == (False, ())


# --- idleness ----------------------------------------------------------------------------------------


def test_idleness_is_noticed_by_a_tick(t: Tract) -> None:
    """Once for each silence, and not while a question waits for its answer. Async as well."""
    clock = Clock()
    clock.on(t)
    orchestrator = t.orchestrate(llm=model(*["Fine."] * 3), triggers=Triggers(idle_seconds=300))
    t.user("Are you there?")
    clock.pass_days(1)
    assert orchestrator.tick() is None
    t.assistant("Yes.")
    assert orchestrator.tick() is None
    clock.pass_days(1)
    result = orchestrator.tick()
    assert result is not None
    assert result.why == "nothing was committed for 86400 seconds"
    assert orchestrator.tick() is None
    t.assistant("Still.")
    assert orchestrator.tick() is None
    clock.pass_days(1)
    again = asyncio.run(orchestrator.atick())
    assert again is not None
    assert asyncio.run(orchestrator.atick()) is None


def test_a_thread_watches_only_when_asked(t: Tract) -> None:
    """It ends when the orchestrator is detached, or the handle is closed."""
    names = {thread.name for thread in threading.enumerate()}
    orchestrator = t.orchestrate(llm=model(*["Fine."] * 3), triggers=Triggers(idle_seconds=0.5))
    assert not any("watch" in name for name in names)
    turn(t)
    orchestrator.watch(0.01)
    wait_for(lambda: len(orchestrator.results) == 1)
    orchestrator.watch(0.01)
    orchestrator.detach()
    wait_for(lambda: not any("watch" in thread.name for thread in threading.enumerate()))
    orchestrator.attach(Triggers(idle_seconds=0.5))
    orchestrator.watch(0.01)
    t.close()
    wait_for(lambda: not any("watch" in thread.name for thread in threading.enumerate()))


def test_a_watch_survives_a_model_that_fails(t: Tract) -> None:
    """With a warning each time."""
    orchestrator = t.orchestrate(
        llm=model(ModelError("down", provider="p"), "Fine."), triggers=Triggers(idle_seconds=0.5)
    )  # fmt: skip
    turn(t)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PolicyWarning)
        orchestrator.watch(0.01)
        wait_for(lambda: len(orchestrator.results) == 1)
        turn(t)
        wait_for(lambda: len(orchestrator.results) == 2)
        orchestrator.detach()
        wait_for(lambda: not any("watch" in thread.name for thread in threading.enumerate()))
    assert [str(one.message) for one in caught] == ["The orchestrator `orchestrator` failed: down"]


def wait_for(fact: Callable[[], bool]) -> None:
    """Wait until it is so."""
    until = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_watching_needs_triggers_and_a_time(t: Tract) -> None:
    """Said at once."""
    orchestrator = t.orchestrate(llm=model())
    with pytest.raises(InvalidInputError, match="nothing to watch for"):
        orchestrator.watch()
    orchestrator.attach(Triggers(idle_seconds=1))
    for wrong in (0, -1, "soon", True, float("inf"), float("nan")):
        with pytest.raises(InvalidInputError):
            orchestrator.watch(wrong)  # type: ignore[arg-type]


def test_a_long_journey_stays_under_its_budget(t: Tract) -> None:
    """With a budget that rejects what does not fit, nothing ever is."""
    t.configure(budget={"limit_tokens": 600, "on_exceed": "reject"})
    travel_llm = model(*[[compressing()], "Done."] * 12)
    t.orchestrate(llm=travel_llm, autonomy="autonomous", triggers=Triggers(share=0.6))
    travel(t, days=40)
    require_valid(t)
    assert sum(one.verb == "compress" for one in t.operations) >= 3
