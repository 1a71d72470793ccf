"""Answers how a run goes: ask the model, run the tools it calls, ask again, until it is done or a limit is reached.

The loop is a generator that yields a `Request` or `RunTools` and is sent what came of it. Each result is committed as
soon as it is there, so a run that was killed goes on from its last commit: no call with a result is made again. A
call without one may have taken effect; it is made again only if its tool is idempotent or the caller says so, and
else reported to the model as interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from tract.agent.conversation import Asking, ChatResponse, Question, answer, begin
from tract.agent.events import RunEvent, ToolFinished, ToolStarted, TurnFinished, TurnStarted
from tract.agent.limits import Meter, RunBudget, RunState
from tract.agent.requests import Moment, moment_of, moment_on
from tract.agent.tools import Toolbox, failed
from tract.compile.compiler import states_of
from tract.errors import (
    BranchNotFoundError,
    InvalidContentError,
    InvalidInputError,
    NothingToAnswerError,
    PolicyDeniedError,
    shown,
)
from tract.history.info import commit_info
from tract.llm.protocol import Request
from tract.objects.commit import CommitInfo
from tract.objects.content import ToolResultContent
from tract.objects.message import ToolCall
from tract.objects.policy import Event
from tract.objects.refs import BRANCH_PREFIX
from tract.objects.usage import Usage
from tract.operations.permit import permit
from tract.operations.reply import Turn, commit_turn

OnInterrupted: TypeAlias = Literal["report", "rerun"]

INTERRUPTED: Final = "Interrupted: the program ended while this tool ran. It is not known whether it took effect."
TIMED_OUT: Final = "Timed out: this tool had not finished when the run's time was up; it may still take effect."


class Signal(Protocol):
    """Something like `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it was set."""
        ...


@dataclass(frozen=True, slots=True)
class RunTools:
    """Tool calls whose results the loop waits for; those not running yet are to be started.

    Attributes:
        exchange: Hash of the commit that made them.
        calls: In the order the model made them.
        seconds: How long to wait, or `None` for as long as it takes.
    """

    exchange: bytes
    calls: tuple[ToolCall, ...]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A tool call that has come to its end."""

    call: ToolCall
    result: ToolResultContent
    seconds: float


Steps: TypeAlias = Generator["Request | RunTools", Any, "RunResult"]
"""Sent a `Reply` for a `Request`, and for `RunTools` a list of `Finished`, empty when the time is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended.

    Attributes:
        state: `finished`, or the limit that was reached: `max_turns`, `tokens`, `cost`, `seconds`, `context` (the
            token budget of the tract); or `paused`. After any but the first, `t.run()` goes on.
        reason: The same in a sentence.
        text: The text of the model's last reply.
        turns: How often the model was asked.
        responses: Its replies, in order.
        usage: Of all calls together.
        cost: What they cost, or `None` where no price is known.
        seconds: How long the run took.
    """

    state: RunState
    reason: str
    text: str = field(repr=False)
    turns: int
    responses: tuple[ChatResponse, ...] = field(repr=False)
    usage: Usage
    cost: float | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<RunResult {self.state} turns={self.turns}>"


@dataclass(slots=True, kw_only=True)
class Run:
    """A run on its way.

    Attributes:
        asking: Who is asked, with what.
        toolbox: The functions that can be run.
        max_turns: How often the model may be asked.
        budget: Further limits.
        on_event: Called with each event, in the thread that drives the run.
        should_pause: Asked before each call of the model; or an event that is set.
        on_interrupted: What to do with calls another run had begun: `report` or `rerun`.
    """

    asking: Asking
    toolbox: Toolbox
    max_turns: int = 20
    budget: RunBudget | None = None
    on_event: Callable[[RunEvent], object] | None = None
    should_pause: Callable[[], bool] | Signal | None = None
    on_interrupted: OnInterrupted = "report"
    meter: Meter = field(init=False)
    responses: list[ChatResponse] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Refuse values that cannot be.

        Raises:
            InvalidInputError: There is one.
        """
        if isinstance(self.max_turns, bool) or not isinstance(self.max_turns, int) or self.max_turns < 1:
            raise InvalidInputError("`max_turns` is at least 1.", hint="Leave it out for 20.")
        if self.budget is not None and not isinstance(self.budget, RunBudget):
            raise InvalidInputError(
                f"`budget` is a RunBudget, not {shown(self.budget)}.", hint="Such as `RunBudget(tokens=1)`."
            )
        if self.on_event is not None and not callable(self.on_event):
            raise InvalidInputError("`on_event` is a function of one event.", hint="Such as `on_event=print`.")
        if not (self.should_pause is None or callable(self.should_pause) or hasattr(self.should_pause, "is_set")):
            raise InvalidInputError("`should_pause` is a function or an event.", hint="Such as a `threading.Event`.")
        if self.on_interrupted not in ("report", "rerun"):
            raise InvalidInputError(f"`on_interrupted` is report or rerun, not {shown(self.on_interrupted)}.")
        self.meter = Meter(self.budget or RunBudget())

    def tell(self, event: RunEvent) -> None:
        """Hand *event* to whoever displays it."""
        if self.on_event is not None:
            self.on_event(event)

    def stop_before(self, moment: Moment) -> tuple[RunState, str] | None:
        """Return why the model is not to be asked again, or `None`."""
        tokens = moment.context.token_count
        budget = self.asking.store.config.budget
        if len(self.responses) >= self.max_turns:
            return "max_turns", f"The model was asked {self.max_turns} times."
        if budget is not None and budget.on_exceed == "reject" and tokens > budget.usable_tokens:
            return "context", f"The context holds {tokens:,} tokens; the budget is {budget.usable_tokens:,}."
        if self._is_paused():
            return "paused", "The run was paused."
        return self.meter.exceeded(tokens)

    def _is_paused(self) -> bool:
        pause = self.should_pause
        if pause is None:
            return False
        return bool(pause() if callable(pause) else pause.is_set())

    def count(self, response: ChatResponse, moment: Moment) -> None:
        """Count what *response* cost: as the provider says, else by the tokenizer."""
        self.responses.append(response)
        usage = response.usage or Usage(moment.context.token_count, response.commit_info.tokens)
        self.meter.add(usage, str(response.generation_config.get("model") or ""))

    def result(self, state: RunState, reason: str, text: str = "") -> RunResult:
        """Return how the run ended."""
        priced = self.budget is not None and self.budget.prices is not None
        return RunResult(
            state=state,
            reason=reason,
            text=self.responses[-1].text if self.responses else text,
            turns=len(self.responses),
            responses=tuple(self.responses),
            usage=self.meter.usage,
            cost=self.meter.cost if priced else None,
            seconds=self.meter.seconds,
        )


def loop(run: Run, prompt: Question | None) -> Steps:
    """Ask, run tools and ask again until the model calls none; without *prompt*, go on from the last commit.

    Raises:
        NothingToAnswerError: There is no prompt and no message.
    """
    moment = begin(run.asking, prompt) if prompt is not None else _found(run)
    if moment.open_calls:
        is_over = yield from _exchange(run, moment, is_resumed=True)
        moment = _now(run, moment)
        if is_over:
            return run.result("seconds", "The time was up while tools ran.")
    elif prompt is None and moment.context.messages[-1].role == "assistant":
        return run.result("finished", "The model is done.", moment.context.messages[-1].text)
    while True:
        stop = run.stop_before(moment)
        if stop is not None:
            return run.result(*stop)
        run.tell(TurnStarted(len(run.responses) + 1, len(moment.context.messages)))
        response = yield from answer(run.asking, moment)
        run.count(response, moment)
        run.tell(TurnFinished(len(run.responses), response))
        if not response.tool_calls:
            return run.result("finished", "The model is done.")
        moment = _now(run, moment)
        is_over = yield from _exchange(run, moment, is_resumed=False)
        if is_over:
            return run.result("seconds", "The time was up while tools ran.")
        moment = _now(run, moment)


def _found(run: Run) -> Moment:
    moment = moment_of(run.asking.store, run.asking.compiler)
    if not moment.context.messages:
        raise NothingToAnswerError(is_empty=True)
    return moment


def _now(run: Run, moment: Moment) -> Moment:
    """Return what the run's branch says now: with what others committed, wherever the handle stands."""
    store = run.asking.store
    head = store.ref(BRANCH_PREFIX + moment.branch)
    if head is None:
        raise BranchNotFoundError(moment.branch, store.refs(BRANCH_PREFIX))
    return moment_on(store, run.asking.compiler, moment.branch, head)


# --- tools ---------------------------------------------------------------------------------------


def _exchange(run: Run, moment: Moment, *, is_resumed: bool) -> Generator[RunTools, list[Finished], bool]:
    """Run the calls that wait and commit each result when it is there; return whether the time was up."""
    if not moment.open_calls:
        return False
    exchange = _caller(run, moment)
    waiting = {call.id: call for call in moment.open_calls}
    if is_resumed:
        for call in _begun_before(run, moment, exchange):
            _commit(run, moment, exchange, Finished(waiting.pop(call.id), failed(call, INTERRUPTED), 0.0))
    for call in tuple(waiting.values()):
        try:
            permit(
                run.asking.store, "tool_call", "run", {"id": call.id, "name": call.name, "arguments": call.arguments}
            )
        except PolicyDeniedError as error:
            _commit(run, moment, exchange, Finished(waiting.pop(call.id), failed(call, error.message), 0.0))
    for call in waiting.values():
        run.tell(ToolStarted(call))
    while waiting:
        done = yield RunTools(exchange, tuple(waiting.values()), run.meter.seconds_left)
        for finished in done or [Finished(call, failed(call, TIMED_OUT), 0.0) for call in waiting.values()]:
            del waiting[finished.call.id]
            _commit(run, moment, exchange, finished)
            _report(run, finished)
        if not done:
            return True
    return False


def _caller(run: Run, moment: Moment) -> bytes:
    """Return the hash of the commit that made the calls that wait."""
    assert moment.head is not None
    shown_entries = states_of(run.asking.store).get(moment.head).shown
    entry = next(entry for entry in reversed(shown_entries) if entry.shown.message and entry.shown.message.tool_calls)
    return entry.placed.hash


def _begun_before(run: Run, moment: Moment, exchange: bytes) -> list[ToolCall]:
    """Return the calls another run may have begun and that must not be made twice."""
    sent = commit_info(run.asking.store, exchange).sent or {}
    if run.on_interrupted == "rerun" or sent.get("operation") != "run":
        return []  # what `chat` was answered nobody has run yet
    tools = run.toolbox
    return [call for call in moment.open_calls if call.name not in tools or not tools[call.name].idempotent]


def _commit(run: Run, moment: Moment, exchange: bytes, finished: Finished) -> None:
    try:
        info = _write(run, moment, exchange, finished.result)
    except (InvalidContentError, PolicyDeniedError) as error:
        # Too large, of no form that can be kept, or denied: the model is told, and nothing is left open.
        finished = Finished(finished.call, failed(finished.call, error.message), finished.seconds)
        info = _write(run, moment, exchange, finished.result)
    run.tell(ToolFinished(finished.call, info, finished.result.is_error, finished.seconds))


def _report(run: Run, finished: Finished) -> None:
    policies = run.asking.store.policies
    if policies is not None:
        args = {"name": finished.call.name, "is_error": finished.result.is_error, "seconds": finished.seconds}
        policies.after(Event("after_tool_call", "run", args=args))


def _write(run: Run, moment: Moment, exchange: bytes, result: ToolResultContent) -> CommitInfo:
    turn = Turn(content=result, branch=moment.branch, follows=exchange, landing="answer")
    return commit_turn(run.asking.store, run.asking.operation, turn)[0]
