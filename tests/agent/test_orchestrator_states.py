"""The states of an orchestrator: every transition of the table, pausing, stopping in the middle of a step, going on."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.orchestrating import SUMMARY, call, compressing, model, outcomes, rows, travel
from tests.agent.talking import require_valid
from tests.gates import source
from tract import CallDecision, CallRequest, OrchestrateResult, Orchestrator, OrchestratorStep, Tract, Triggers
from tract.agent.orchestrator.states import MOVES, STATES, TRANSITIONS, Course, Move, OrchestratorState
from tract.errors import ModelError, OrchestratorStateError

DEADLINE_SECONDS = 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the store is."""
    return tmp_path / "store.db"


@pytest.fixture
def t(file: Path) -> Iterator[Tract]:
    """Give four days of a journey, of which much can go."""
    with Tract.open(file) as opened:
        travel(opened)
        yield opened


class Slow:
    """A model's answer, or somebody's, that is on its way until it is let go."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.is_asked = threading.Event()
        self.may_go = threading.Event()
        self.is_gone = threading.Event()

    def __call__(self, _: object) -> Any:
        self.is_asked.set()
        assert self.may_go.wait(DEADLINE_SECONDS)
        self.is_gone.set()
        return self.answer


class Aside:
    """Runs something in a thread of its own."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(do,))
        self._thread.start()

    def _work(self, do: Callable[[], Any]) -> None:
        try:
            self.result = do()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def end(self) -> Any:
        """Wait for it, and return what it returned."""
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


STARTS: list[Callable[[Orchestrator], Any]] = [
    lambda orchestrator: orchestrator.run(),
    lambda orchestrator: asyncio.run(orchestrator.arun()),
]
RESUMES: list[Callable[[Orchestrator], Any]] = [
    lambda orchestrator: orchestrator.resume(),
    lambda orchestrator: asyncio.run(orchestrator.aresume()),
]
BOTH = pytest.mark.parametrize(
    ("start", "resume"), list(zip(STARTS, RESUMES, strict=True)), ids=["sync", "async"]
)  # fmt: skip


# --- the table ---------------------------------------------------------------------------------------


def reach(state: OrchestratorState) -> Course:
    """Return a course in *state*, by the shortest way of the table."""
    ways: list[tuple[Move, ...]] = [()]
    while True:
        way = ways.pop(0)
        course = Course()
        for move in way:
            course.move(move)
        if course.state == state:
            return course
        ways += [(*way, move) for move in MOVES if (course.state, move) in TRANSITIONS]


@pytest.mark.parametrize(("state", "move"), list(itertools.product(STATES, MOVES)), ids=lambda one: one)
def test_each_move_does_what_the_table_says(state: OrchestratorState, move: Move) -> None:
    """Every state can be reached; what is in the table happens, and what is not is refused and changes nothing."""
    course = reach(state)

    if (state, move) in TRANSITIONS:
        assert course.move(move) == state
        assert course.state == TRANSITIONS[state, move]
    else:
        assert not course.may(move)
        with pytest.raises(OrchestratorStateError) as caught:
            course.move(move)
        assert (caught.value.state, caught.value.move, course.state) == (state, move, state)


def test_the_documented_table_is_the_one_in_force() -> None:
    """The how-to prints every transition, and no other."""
    text = (source.ROOT / "docs" / "how-to" / "orchestrate.md").read_text(encoding="utf-8")
    printed = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE)

    assert sorted(printed) == sorted((state, move, after) for (state, move), after in TRANSITIONS.items())


def test_from_every_state_it_can_be_stopped_and_come_to_rest() -> None:
    """No state is a trap."""
    for state in STATES:
        course = reach(state)
        course.move("stop")
        assert course.state in {"stopping", "stopped"}
        if course.state == "stopping":
            course.move("end")
        course.move("resume")
        course.move("end")
        assert str(course.state) == "idle"


# --- pausing -----------------------------------------------------------------------------------------


@BOTH
def test_a_pause_finishes_the_step_and_resume_goes_on(t: Tract, start: Any, resume: Any) -> None:
    """Asked from another thread while the model thinks: what it answers is done, and then it rests."""
    slow = Slow([call("tag", name="one")])
    llm = model(slow, [call("tag", name="two")], "Done.")
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous")
    aside = Aside(lambda: start(orchestrator))
    assert slow.is_asked.wait(DEADLINE_SECONDS)
    orchestrator.pause()
    state = orchestrator.state
    slow.may_go.set()
    first: OrchestrateResult = aside.end()

    assert (state, first.state, orchestrator.state) == ("pausing", "paused", "paused")
    assert (list(t.tags), llm.calls) == (["one"], 1)
    with pytest.raises(OrchestratorStateError, match="is paused cannot run"):
        start(orchestrator)

    second: OrchestrateResult = resume(orchestrator)
    assert (second.state, orchestrator.state, list(t.tags)) == ("finished", "idle", ["one", "two"])
    assert [len(one.steps) for one in orchestrator.results] == [1, 3]
    assert llm.requests[1].messages[:3] == (*llm.requests[0].messages, llm.requests[1].messages[2])


def test_a_pause_that_is_taken_back_changes_nothing(t: Tract) -> None:
    """`resume` before the step is over; and a pause asked for in the last step has nothing to go on with."""
    slow = Slow([call("tag", name="one")])
    orchestrator = t.orchestrate(llm=model(slow, "Done.", "Again."), autonomy="autonomous")
    aside = Aside(orchestrator.run)
    assert slow.is_asked.wait(DEADLINE_SECONDS)
    orchestrator.pause()
    assert orchestrator.resume() is None
    slow.may_go.set()
    assert aside.end().state == "finished"

    orchestrator = t.orchestrate(llm=model("Done."), on_step=lambda _: orchestrator.pause())
    assert (orchestrator.run().state, orchestrator.state) == ("finished", "paused")
    assert orchestrator.resume() is None
    assert orchestrator.state == "idle"


def test_pausing_at_rest(t: Tract) -> None:
    """Then no run begins until `resume`; at rest there is nothing to resume."""
    orchestrator = t.orchestrate(llm=model("Done."))
    with pytest.raises(OrchestratorStateError, match="is idle cannot resume"):
        orchestrator.resume()
    orchestrator.pause()
    with pytest.raises(OrchestratorStateError):
        orchestrator.run()
    assert (orchestrator.resume(), orchestrator.run().state) == (None, "finished")


def test_a_step_may_pause_its_own_run(t: Tract) -> None:
    """As somebody watching does; every step can be looked at before the next."""
    seen: list[OrchestratorStep] = []

    def watch(step: OrchestratorStep) -> None:
        seen.append(step)
        orchestrator.pause()

    llm = model([call("tag", name="a")], [call("tag", name="b")], "Done.")
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous", on_step=watch)
    result: OrchestrateResult | None = orchestrator.run()
    rounds = 1
    while orchestrator.state == "paused":
        result = orchestrator.resume() or result
        rounds += 1
    assert (rounds, len(seen), list(t.tags)) == (4, 3, ["a", "b"])
    assert result is not None
    assert result.state == "finished"


# --- stopping ----------------------------------------------------------------------------------------


@BOTH
def test_a_stop_while_the_model_thinks_is_now(t: Tract, file: Path, start: Any, resume: Any) -> None:
    """The run ends at once; what the model answers afterwards is not used. It goes on when told to, and asks anew."""
    slow = Slow([compressing()])
    llm = model(slow, [compressing()], "Done.")
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous")
    before = rows(file)
    aside = Aside(lambda: start(orchestrator))
    assert slow.is_asked.wait(DEADLINE_SECONDS)
    orchestrator.stop()
    if start is STARTS[1]:  # a scripted model in an event loop cannot be cancelled: the loop itself is held up
        slow.may_go.set()
    result: OrchestrateResult = aside.end()
    slow.may_go.set()
    assert slow.is_gone.wait(DEADLINE_SECONDS)

    assert (result.state, result.steps, orchestrator.state) == ("stopped", (), "stopped")
    assert rows(file) == before
    again: OrchestrateResult = resume(orchestrator)
    assert (again.state, outcomes(orchestrator)) == ("finished", [("compress", "done")])
    assert t.compile().messages[1].text == f"[summary] {SUMMARY}"


def test_an_async_client_is_cancelled(t: Tract, file: Path) -> None:
    """Its task ends, and so does the run, without waiting for an answer."""
    before = rows(file)

    class Thinking:
        format, model, provider = "openai", "slow", "slow"
        ended = ""

        async def asend(self, _: object) -> Any:
            try:
                await asyncio.sleep(DEADLINE_SECONDS)
            except asyncio.CancelledError:
                self.ended = "cancelled"
                raise

        send = stream = astream = asend

    async def both() -> OrchestrateResult:
        task = asyncio.create_task(orchestrator.arun())
        await asyncio.sleep(0.05)
        await asyncio.to_thread(orchestrator.stop)
        return await task

    llm = Thinking()
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous")
    began = time.monotonic()
    assert asyncio.run(both()).state == "stopped"
    assert (llm.ended, time.monotonic() - began < DEADLINE_SECONDS / 2) == ("cancelled", True)
    assert rows(file) == before


def test_a_cancelled_task_leaves_an_orchestrator_that_can_run(t: Tract, file: Path) -> None:
    """Whoever awaits it may give up; nothing is written, and it is idle again."""
    before = rows(file)

    async def wait(_: CallRequest) -> CallDecision:
        await asyncio.sleep(DEADLINE_SECONDS)
        return CallDecision.approve()

    orchestrator = t.orchestrate(llm=model([compressing()], "Done."), callback=wait)

    async def give_up() -> None:
        await asyncio.wait_for(orchestrator.arun(), timeout=0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert (orchestrator.state, orchestrator.results[-1].state, rows(file)) == ("idle", "failed", before)
    assert orchestrator.run().state == "finished"


def test_a_cancelled_task_waits_for_the_tool_that_is_at_work(t: Tract) -> None:
    """It is one operation, and it is there when the task ends: nothing is written behind its back."""
    t.policies.add(lambda _event, _view: time.sleep(0.5), name="slow", on=("before_compress",))
    orchestrator = t.orchestrate(llm=model([compressing(), call("tag", name="x")]), autonomy="autonomous")

    async def give_up() -> None:
        await asyncio.wait_for(orchestrator.arun(), timeout=0.25)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    number = len(t.operations)
    assert t.compile().messages[1].text == f"[summary] {SUMMARY}"
    time.sleep(0.3)
    assert (len(t.operations), list(t.tags), orchestrator.state) == (number, [], "idle")


def test_a_callback_may_return_something_to_await(t: Tract) -> None:
    """As a class with an async method does, where the run is async."""

    async def approve() -> CallDecision:
        return CallDecision.approve()

    orchestrator = t.orchestrate(llm=model([call("tag", name="x")], "Done."), callback=lambda _: approve())
    assert asyncio.run(orchestrator.arun()).state == "finished"
    assert list(t.tags) == ["x"]


def test_a_client_that_cancels_itself_is_heard(t: Tract) -> None:
    """Whatever is wrong with it, the run ends."""

    class Cancelling:
        format, model, provider = "openai", "odd", "odd"

        async def asend(self, _: object) -> Any:
            raise asyncio.CancelledError

        send = stream = astream = asend

    orchestrator = t.orchestrate(llm=Cancelling())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(orchestrator.arun())
    assert orchestrator.state == "idle"


@BOTH
def test_a_stop_while_somebody_thinks_does_not_use_their_yes(t: Tract, file: Path, start: Any, resume: Any) -> None:
    """The call and those behind it are not made; going on, the model is told so."""
    slow = Slow(CallDecision.approve())
    llm = model([compressing(), call("tag", name="x")], "Then not.")
    orchestrator = t.orchestrate(llm=llm, callback=slow)
    before = rows(file)
    aside = Aside(lambda: start(orchestrator))
    assert slow.is_asked.wait(DEADLINE_SECONDS)
    assert orchestrator.state == "waiting"
    orchestrator.stop()
    assert orchestrator.state in {"stopping", "stopped"}
    slow.may_go.set()

    assert (aside.end().state, orchestrator.state) == ("stopped", "stopped")
    assert outcomes(orchestrator) == [("compress", "skipped"), ("tag", "skipped")]
    assert rows(file) == before
    assert resume(orchestrator).text == "Then not."
    assert [message.text for message in llm.requests[1].messages[-2:]] == [
        "Not done: it was stopped before. Call it again if it is still wanted."
    ] * 2


def test_a_stop_between_two_calls_of_one_step(t: Tract) -> None:
    """The first is one operation and stays; the second is not made."""

    def decide(request: CallRequest) -> CallDecision:
        if request.arguments["name"] == "b":
            orchestrator.stop()
        return CallDecision.approve()

    llm = model([call("tag", name="a"), call("tag", name="b"), call("tag", name="c")], "Enough.")
    orchestrator = t.orchestrate(llm=llm, callback=decide)

    assert (orchestrator.run().state, list(t.tags)) == ("stopped", ["a"])
    assert [one for _, one in outcomes(orchestrator)] == ["done", "skipped", "skipped"]
    require_valid(t)


def test_a_stop_while_a_tool_works_lets_it_end(t: Tract) -> None:
    """It is one operation, whole; the next call is not made."""
    t.policies.add(lambda _event, _view: orchestrator.stop(), name="stopper", on=("before_compress",))
    orchestrator = t.orchestrate(llm=model([compressing(), call("tag", name="x")]), autonomy="autonomous")
    result = orchestrator.run()

    assert (result.state, [one.outcome for one in result.calls]) == ("stopped", ["done", "skipped"])
    assert (list(t.tags), len(result.operations)) == ([], 1)
    require_valid(t)


def test_after_a_stop_it_can_begin_anew_or_be_let_go(t: Tract) -> None:
    """`run` forgets what was left; `resume` without anything left only makes it idle."""
    orchestrator = t.orchestrate(llm=model("One.", "Two."))
    orchestrator.stop()
    assert (orchestrator.state, orchestrator.run().text) == ("stopped", "One.")
    orchestrator.stop()
    assert (orchestrator.resume(), orchestrator.state) == (None, "idle")
    assert orchestrator.run().text == "Two."
    orchestrator.stop()
    with pytest.raises(OrchestratorStateError, match="is stopped cannot pause"):
        orchestrator.pause()


def test_at_the_threshold_it_asks_is_stopped_and_goes_on(tmp_path: Path) -> None:
    """The budget fills up, somebody is asked, stops it in the middle of the step, and later lets it go on."""
    file = tmp_path / "budget.db"
    with Tract.open(file, config={"budget": {"limit_tokens": 600}}) as t:
        slow = Slow(CallDecision.approve())
        llm = model([call("status"), compressing(why="It is long.")], [compressing()], "Summed up.")
        orchestrator = t.orchestrate(llm=llm, callback=slow, triggers=Triggers(share=0.8))
        aside = Aside(lambda: travel(t, days=7))
        assert slow.is_asked.wait(DEADLINE_SECONDS)
        asked = rows(file)
        assert t.status().context_tokens >= 480
        orchestrator.stop()
        slow.may_go.set()
        aside.end()

        assert (orchestrator.state, orchestrator.results[-1].state) == ("stopped", "stopped")
        assert outcomes(orchestrator) == [("status", "looked"), ("compress", "skipped")]
        assert not any(one.verb == "compress" for one in t.operations)
        assert rows(file)["blobs"][: len(asked["blobs"])] == asked["blobs"]
        result = orchestrator.resume()
        assert result is not None
        assert (result.state, result.text, len(result.steps)) == ("finished", "Summed up.", 3)
        assert result.why == orchestrator.results[0].why
        assert t.compile().messages[1].text == f"[summary] {SUMMARY}"
        require_valid(t)


def test_two_threads_cannot_run_it_at_once(t: Tract) -> None:
    """The second is told; the first is not disturbed."""
    slow = Slow("Done.")
    orchestrator = t.orchestrate(llm=model(slow, "Again."))
    aside = Aside(orchestrator.run)
    assert slow.is_asked.wait(DEADLINE_SECONDS)
    with pytest.raises(OrchestratorStateError, match="is running cannot run"):
        orchestrator.run()
    slow.may_go.set()
    assert aside.end().text == "Done."


def test_a_model_that_fails_after_a_stop_is_not_heard(t: Tract) -> None:
    """Its error is as unwanted as its answer."""
    slow = Slow(ModelError("down", provider="p"))
    orchestrator = t.orchestrate(llm=model(slow))
    aside = Aside(orchestrator.run)
    assert slow.is_asked.wait(DEADLINE_SECONDS)
    orchestrator.stop()
    assert aside.end().state == "stopped"
    slow.may_go.set()
    assert slow.is_gone.wait(DEADLINE_SECONDS)
    assert orchestrator.state == "stopped"


def test_moves_from_many_threads_end_at_rest(t: Tract) -> None:
    """Pause, resume and stop at random while it works: no deadlock, and the store is whole."""
    names = itertools.count()
    llm = model(*[lambda _: [call("tag", name=f"n{next(names)}")] for _ in range(400)])
    orchestrator = t.orchestrate(llm=llm, autonomy="autonomous", max_steps=3)
    is_over = threading.Event()

    def disturb(move: str) -> None:
        while not is_over.is_set():
            try:
                getattr(orchestrator, move)()
            except OrchestratorStateError:
                time.sleep(0.001)
            time.sleep(0.002)

    asides = [Aside(lambda move=move: disturb(move)) for move in ("pause", "resume", "stop", "run")]  # type: ignore[misc]
    time.sleep(1.5)
    is_over.set()
    for aside in asides:
        aside.end()
    if orchestrator.state == "paused":
        orchestrator.stop()
    assert orchestrator.state in {"idle", "stopped"}
    assert orchestrator.run().state == "max_steps"
    done = [number for operation in t.operations for number in [operation.number] if operation.verb == "tag"]
    assert len(done) == len(t.tags)
    require_valid(t)
