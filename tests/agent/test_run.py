"""`run` and `arun`: the loop, its tools, its limits, pausing, and going on."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.talking import model, require_valid, said, verbs, while_asked
from tract import (
    ImagePart,
    Price,
    RunBudget,
    RunResult,
    TokenBudget,
    TokenBudgetWarning,
    ToolCall,
    ToolFinished,
    ToolResultContent,
    ToolStarted,
    Tract,
    TurnFinished,
    TurnStarted,
    Usage,
)
from tract.errors import (
    InvalidInputError,
    NothingToAnswerError,
    RateLimitedError,
    RefConflictError,
    UnansweredCallsError,
)
from tract.llm.protocol import TextDelta

Run = Callable[..., RunResult]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a tract, sync or async."""

    def call(t: Tract, *args: Any, **options: Any) -> RunResult:
        if request.param == "sync":
            return t.run(*args, **options)
        return asyncio.run(t.arun(*args, **options))

    return call


def call(number: int, name: str = "double", arguments: str | None = None) -> ToolCall:
    """Return a call of a tool with its number."""
    return ToolCall(f"call_{number}", name, f'{{"n": {number}}}' if arguments is None else arguments)


def double(n: int) -> int:
    """Double a number."""
    return 2 * n


def test_tools_are_run_until_the_model_calls_none(run: Run) -> None:
    """Each reply and each result is a commit of its own."""
    with Tract.open(llm=model([call(1), call(2)], call(3), "Done.", usage=Usage(10, 1))) as t:
        result = run(t, "Double 1, 2 and 3.", tools=[double])

        assert (result.state, result.text, result.turns) == ("finished", "Done.", 3)
        assert (result.usage, result.cost) == (Usage(30, 3), None)
        assert [response.text for response in result.responses] == ["", "", "Done."]
        assert said(t) == [
            ("user", "Double 1, 2 and 3."),
            ("assistant", "double, double"),
            ("tool", "2"),
            ("tool", "4"),
            ("assistant", "double"),
            ("tool", "6"),
            ("assistant", "Done."),
        ]
        assert verbs(t) == ["commit", *["run"] * 6]
        require_valid(t)


def test_async_and_sync_tools_may_be_mixed(run: Run) -> None:
    """Whichever way the run is driven."""

    async def triple(n: int) -> int:
        await asyncio.sleep(0)
        return 3 * n

    with Tract.open(llm=model([call(1), call(2, "triple")], "Done.")) as t:
        run(t, "Go.", tools=[double, triple])

        assert {text for role, text in said(t) if role == "tool"} == {"2", "6"}


def test_parallel_calls_run_at_the_same_time(run: Run) -> None:
    """Each waits for the other."""
    both = threading.Barrier(2, timeout=30)

    def meet(n: int) -> int:
        both.wait()
        return n

    with Tract.open(llm=model([call(1, "meet"), call(2, "meet")], "Done.")) as t:
        assert run(t, "Go.", tools=[meet]).state == "finished"


def test_more_calls_than_run_at_once_are_all_run(run: Run) -> None:
    """The rest wait for their turn."""
    with Tract.open(llm=model([call(n) for n in range(30)], "Done.")) as t:
        run(t, "Go.", tools=[double])

        assert sorted(int(text) for role, text in said(t) if role == "tool") == [2 * n for n in range(30)]
        require_valid(t)


def test_a_result_is_committed_as_soon_as_it_is_there(run: Run) -> None:
    """The slow tool sees the quick one's result in the history."""
    with Tract.open() as t:

        def slow() -> int:
            deadline = time.monotonic() + 30
            while said(t)[-1] != ("tool", "4") and time.monotonic() < deadline:
                time.sleep(0.002)
            return len(t.compile().messages)

        run(t, "Go.", tools=[slow, double], llm=model([call(1, "slow", "{}"), call(2)], "Done."))

        assert said(t)[-3:] == [("tool", "4"), ("tool", "3"), ("assistant", "Done.")]
        require_valid(t)


def _fails(n: int) -> None:
    raise ValueError(f"no {n}")


class _MuteError(Exception):
    def __str__(self) -> str:
        raise LookupError


def _mute(n: int) -> None:
    raise _MuteError


def _exits() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (call(1, "_fails"), "ValueError: no 1"),
        (call(1, "_mute"), "_MuteError"),
        (call(1, "nope"), "There is no tool `nope`. Tools are: double, _fails, _mute, odd."),
        (call(1, arguments="{"), "The arguments are not valid JSON"),
        (call(1, arguments='{"n": "x"}'), "The arguments do not fit. `n`: "),
        (call(1, "odd", ""), "The tool returned a object, which has no JSON form."),
    ],
)
def test_a_tool_that_fails_is_told_to_the_model(run: Run, made: ToolCall, told: str) -> None:
    """As a result that is an error, and the run goes on."""

    def odd() -> object:
        return object()

    with Tract.open(llm=model(made, "Sorry.")) as t:
        result = run(t, "Go.", tools=[double, _fails, _mute, odd])
        answer = t.show("HEAD~1")

        assert result.state == "finished"
        assert isinstance(answer, ToolResultContent)
        assert answer.is_error
        assert (answer.text or "").startswith(told)
        assert "Traceback" not in (answer.text or "")


def test_a_result_too_large_to_keep_is_told_as_an_error(run: Run) -> None:
    """The call does not stay open."""
    with Tract.open(llm=model(call(1, "big", "{}"), "Sorry."), config={"max_content_bytes": 1000}) as t:
        run(t, "Go.", tools=[_big])

        assert "the limit is 1,000" in said(t)[-2][1]
        require_valid(t)


def _big() -> str:
    return "x" * 5000


_big.__name__ = "big"


def test_images_and_context_variables_reach_the_tools(run: Run) -> None:
    """A tool may return an image, and sees the caller's context."""
    who = contextvars.ContextVar("who", default="nobody")

    def look() -> list[Any]:
        return [who.get(), ImagePart("image/png", b"\x89PNG")]

    with Tract.open(llm=model(call(1, "look", "{}"), "A cat.")) as t:
        who.set("me")
        run(t, "Look.", tools=[look])
        message = t.compile().messages[-2]

        assert message.text == "me"
        assert isinstance(message.parts[1], ImagePart)
        assert message.parts[1].data == b"\x89PNG"


def test_events_tell_what_is_done(run: Run) -> None:
    """In order, with the pieces of the text if asked."""
    events: list[Any] = []
    with Tract.open(llm=model(call(1), "Done.")) as t:
        run(t, "Go.", tools=[double], on_event=events.append, stream=True)

    kinds = [type(event) for event in events if not type(event).__name__.endswith("Delta")]
    assert kinds == [TurnStarted, TurnFinished, ToolStarted, ToolFinished, TurnStarted, TurnFinished]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Done."
    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert (finished.call.id, finished.is_error) == ("call_1", False)


# --- limits --------------------------------------------------------------------------------------


def _limited(limit: str, value: Any) -> dict[str, Any]:
    return {"max_turns": value} if limit == "max_turns" else {"budget": RunBudget(**{limit: value, **_PRICES[limit]})}


_PRICES: dict[str, dict[str, Any]] = {
    "tokens": {},
    "seconds": {},
    "cost": {"prices": {"script": Price(input=1, output=1)}},
}


@pytest.mark.parametrize(("limit", "value"), [("max_turns", 1), ("tokens", 60), ("cost", 0.00001), ("seconds", 0.0)])
def test_a_limit_ends_the_run_with_its_name_and_a_valid_history(run: Run, limit: str, value: Any) -> None:
    """The tools of the last reply are run; going on finishes the work."""
    llm = model(call(1), "Done.", usage=Usage(40, 10))
    with Tract.open(llm=llm) as t:
        result = run(t, "Go.", tools=[double], **_limited(limit, value))

        assert (result.state, result.turns) == (limit, 0 if limit == "seconds" else 1)
        assert result.reason
        require_valid(t)
        while llm.remaining:
            assert run(t, tools=[double]).state == "finished"
        assert said(t) == [("user", "Go."), ("assistant", "double"), ("tool", "2"), ("assistant", "Done.")]


def test_tools_that_run_over_the_time_are_told_as_timed_out(run: Run) -> None:
    """Those that finished keep their results; no call stays open."""
    release = threading.Event()

    def slow() -> str:
        release.wait(30)
        return "late"

    with Tract.open(llm=model([call(1, "slow", "{}"), call(2)], "Done.")) as t:
        result = run_and_release(run, t, release, tools=[slow, double], budget=RunBudget(seconds=0.3))

        assert result.state == "seconds"
        assert [text.partition(":")[0] for role, text in said(t) if role == "tool"] == ["4", "Timed out"]
        require_valid(t)


def run_and_release(run: Run, t: Tract, release: threading.Event, **options: Any) -> RunResult:
    """Run, and let the slow tool end after its time, so that no thread is left."""
    threading.Timer(2, release.set).start()
    return run(t, "Go.", **options)


def test_a_context_over_a_budget_that_rejects_ends_the_run(run: Run) -> None:
    """What was paid for is kept, with a warning."""
    budget = TokenBudget(limit_tokens=60, on_exceed="reject")
    with Tract.open(llm=model(call(1, "big", "{}"), "Done."), config={"budget": budget}) as t:
        with pytest.warns(TokenBudgetWarning):
            result = run(t, "Go.", tools=[_big])

        assert (result.state, said(t)[-1][0]) == ("context", "tool")


def test_without_usage_tokens_are_counted_here(run: Run) -> None:
    """By the tokenizer."""
    with Tract.open(llm=model("Done.")) as t:
        result = run(t, "Go.")

        assert result.usage.input_tokens > 0
        assert result.usage.output_tokens > 0


def test_a_model_without_a_price_ends_a_run_that_has_a_cost_limit(run: Run) -> None:
    """Nobody could say whether it was kept."""
    budget = RunBudget(cost=1, prices={"other": Price(input=1, output=1)})
    with Tract.open(llm=model(call(1), "Done.")) as t:
        result = run(t, "Go.", tools=[double], budget=budget)

        assert (result.state, result.turns, result.cost) == ("cost", 1, None)


def test_cost_is_by_price_and_cache() -> None:
    """The longest name that fits; cached tokens at their own price."""
    budget = RunBudget(
        prices={"m": Price(input=1, output=1), "m-2": Price(input=2, output=4, cache_read=1, cache_write=3)}
    )
    price = budget.price("m-2-2030")

    assert price is not None
    assert price.cost(Usage(1_000_000, 500_000, 200_000, 100_000)) == pytest.approx(0.7 * 2 + 0.5 * 4 + 0.2 + 0.3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": -1},
        {"cost": 1},
        {"seconds": float("nan")},
        {"prices": 5},
        {"prices": {1: Price(input=1, output=1)}},
        {"tokens": "1"},
    ],
)
def test_a_budget_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """When it is made."""
    with pytest.raises(InvalidInputError):
        RunBudget(**wrong)


@pytest.mark.parametrize("wrong", [{"input": None}, {"output": None}, {"input": -1}, {"cache_read": "1"}])
def test_a_price_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """As a budget is."""
    with pytest.raises(InvalidInputError):
        Price(**{"input": 1, "output": 1, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_turns": 0},
        {"max_turns": True},
        {"budget": 5},
        {"on_event": 5},
        {"should_pause": 5},
        {"on_interrupted": "maybe"},
        {"tools": [5]},
        {"on_conflict": "maybe"},
    ],
)
def test_a_run_that_cannot_be_is_refused_before_anything_is_done(wrong: dict[str, Any]) -> None:
    """Nothing is asked and nothing written."""
    llm = model()
    with Tract.open(llm=llm) as t:
        with pytest.raises(InvalidInputError):
            t.run("Go.", **wrong)

        assert (llm.calls, verbs(t)) == (0, [])


# --- pausing, failing and going on ---------------------------------------------------------------


def test_a_run_pauses_between_turns_and_goes_on(run: Run) -> None:
    """An event or a function says so; tools that were called are run first."""
    pause = threading.Event()
    with Tract.open(llm=model(while_asked(pause.set, call(1)), "Done.")) as t:
        paused = run(t, "Go.", tools=[double], should_pause=pause)
        assert (paused.state, said(t)[-1]) == ("paused", ("tool", "2"))

        finished = run(t, tools=[double], should_pause=lambda: False)

        assert (finished.state, finished.turns) == ("finished", 1)
        require_valid(t)


def test_a_finished_run_goes_on_to_nothing(run: Run) -> None:
    """It says so, without asking."""
    llm = model("Done.")
    with Tract.open(llm=llm) as t:
        run(t, "Go.")
        again = run(t)

        assert (again.state, again.text, again.turns, llm.calls) == ("finished", "Done.", 0, 1)


def test_a_model_that_fails_leaves_a_history_to_go_on_from(run: Run) -> None:
    """No tool is run twice."""
    ran: list[int] = []

    def count(n: int) -> int:
        ran.append(n)
        return n

    with Tract.open(llm=model(call(1, "count"), RateLimitedError("Slow down."), "Done.")) as t:
        with pytest.raises(RateLimitedError):
            run(t, "Go.", tools=[count])
        require_valid(t)
        assert run(t, tools=[count]).state == "finished"

        assert ran == [1]


def test_the_calls_of_a_chat_are_run(run: Run) -> None:
    """Nobody has begun them; a prompt would come between."""
    with Tract.open(llm=model(call(1), "Done.")) as t:
        t.chat("Go.", tools=[double])
        with pytest.raises(UnansweredCallsError):
            run(t, "More.", tools=[double])
        assert run(t, tools=[double]).state == "finished"

        assert said(t)[-2:] == [("tool", "2"), ("assistant", "Done.")]


@pytest.mark.parametrize(
    ("idempotent", "options", "expected"),
    [
        (False, {}, ["1", "Interrupted"]),
        (True, {}, ["1", "2"]),
        (False, {"on_interrupted": "rerun"}, ["1", "2"]),
        (True, {"on_interrupted": "report"}, ["1", "2"]),
    ],
)
def test_a_call_that_was_under_way_is_reported_or_made_again(
    run: Run, *, idempotent: bool, options: dict[str, Any], expected: list[str]
) -> None:
    """A finished one is never made again."""
    ran: list[int] = []
    first_is_kept = threading.Event()

    def count(n: int) -> int:
        ran.append(n)
        if n == 2 and len(ran) < 3:
            first_is_kept.wait(30)
            raise SystemExit
        return n

    def kept(event: object) -> None:
        if isinstance(event, ToolFinished):
            first_is_kept.set()

    with Tract.open(llm=model([call(1, "count"), call(2, "count")], "Done.")) as t:
        t.tools.add(count, idempotent=idempotent)
        with pytest.raises(SystemExit):
            t.run("Go.", on_event=kept)
        assert said(t)[-1] == ("tool", "1")
        result = run(t, **options)

        assert result.state == "finished"
        assert [text.partition(":")[0] for role, text in said(t) if role == "tool"] == expected
        assert ran.count(1) == 1
        assert ran.count(2) == (2 if "2" in expected else 1)
        require_valid(t)


def test_without_a_message_there_is_nothing_to_go_on_from(run: Run) -> None:
    """It is said so."""
    with Tract.open(llm=model()) as t, pytest.raises(NothingToAnswerError):
        run(t)


def test_what_others_say_meanwhile_is_sent_with_the_results(run: Run, tmp_path: Path) -> None:
    """A message that came in while tools ran lies behind the exchange for the model."""
    llm = model(call(1, "wait"), "Done.")
    with Tract.open(tmp_path / "a.db", llm=llm) as t, Tract.open(tmp_path / "a.db") as other:

        def wait(n: int) -> int:
            other.user("And hurry.")
            return n

        assert run(t, "Go.", tools=[wait]).state == "finished"

        assert [message.role for message in llm.requests[1].messages] == ["user", "assistant", "user", "tool"]
        require_valid(t)


def test_two_runs_on_one_branch_do_not_answer_a_call_twice(run: Run, tmp_path: Path) -> None:
    """The loser gets a conflict."""
    with (
        Tract.open(tmp_path / "a.db", llm=model(call(1, "wait"), "Done.")) as t,
        Tract.open(tmp_path / "a.db") as other,
    ):

        def wait(n: int) -> int:
            other.tool_result("call_1", "mine")
            return n

        with pytest.raises(RefConflictError):
            run(t, "Go.", tools=[wait])

        assert said(t)[-1] == ("tool", "mine")
        require_valid(t)


def test_a_run_stays_on_its_branch(run: Run) -> None:
    """Even if the handle is switched meanwhile."""
    with Tract.open(llm=model(call(1, "leave"), "Done.")) as t:
        t.user("First.")
        t.branch("side", switch=False)

        def leave(n: int) -> int:
            t.switch("side")
            return n

        run(t, "Go.", tools=[leave])

        assert (t.current_branch, said(t)) == ("side", [("user", "First.")])
        assert [message.role for message in t.compile("main").messages] == [
            "user",
            "user",
            "assistant",
            "tool",
            "assistant",
        ]


def test_what_a_callback_raises_comes_out(run: Run) -> None:
    """And leaves a history to go on from."""

    def on_event(event: object) -> None:
        if isinstance(event, ToolFinished):
            raise RuntimeError("no")  # noqa: TRY004 - any error will do

    with Tract.open(llm=model(call(1), "Done.")) as t:
        with pytest.raises(RuntimeError):
            run(t, "Go.", tools=[double], on_event=on_event)

        assert said(t)[-1] == ("tool", "2")
        assert run(t, tools=[double]).state == "finished"
