"""Answers how one run of an orchestrator goes: assess, ask the model, make its calls as far as it may, ask again.

The loop is a generator that yields what takes long (a `Request` to the model, a `CallRequest` to a person, a `Doing`
of a tool) and is sent what came of it; `driving` runs it, sync or async. It writes nothing but through its toolkit,
and its own messages are committed nowhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from tract.agent.conversation import with_ids
from tract.agent.limits import Meter
from tract.agent.orchestrator.requests import (
    Alternative,
    CallDecision,
    CallRequest,
    chosen,
    definitions,
    split,
    written,
)
from tract.agent.orchestrator.states import Course
from tract.agent.orchestrator.steps import (
    CallOutcome,
    OrchestratedCall,
    OrchestrateResult,
    OrchestratorStep,
    SittingState,
)
from tract.agent.policies.decider import Decider
from tract.agent.policies.log import PolicyRecord
from tract.agent.policies.view import PolicyView
from tract.agent.schemas import ArgumentsError
from tract.agent.settings import Use
from tract.agent.toolkit.desk import Handle
from tract.agent.toolkit.kit import Toolkit
from tract.agent.tools import failed
from tract.errors import ModelResponseError, NotCanonicalError, PolicyDeniedError, TractError, shown
from tract.llm.protocol import Reply, Request
from tract.objects.content import ToolResultContent, payload_of, to_message
from tract.objects.decision import AutonomyLevel
from tract.objects.hashing import canonical_json
from tract.objects.message import Message, TextPart, ToolCall
from tract.objects.policy import Event, acting
from tract.objects.refs import Head
from tract.objects.usage import Usage
from tract.operations.permit import permit
from tract.store import Store
from tract.tokens.message import message_tokens

MOST_CALLS: Final = 20
"""How many calls of one answer are made; the model is told of the others."""

VERB: Final = "orchestrate"

_SAID: Final = "Noted and reported. Nothing is changed: you may only say what you would do."
_SKIPPED: Final = "Not done: it was stopped before. Call it again if it is still wanted."
_NOT_NOW: Final = "Not done: somebody has asked something, and what is done now would come before the answer."
_TOO_MANY: Final = f"Not done: {MOST_CALLS} calls are made at once. Call it again if it is still wanted."

_OUTCOMES: Final = {"looked": "allowed", "rejected": "denied", "skipped": "resting"}
"""What the log of policies calls an outcome, where it has another word."""


class InterruptedStepError(Exception):
    """Thrown into the loop where it was stopped; what it waited for is not used."""


@dataclass(frozen=True, slots=True)
class Doing:
    """A tool call to make, in whatever thread; its result comes with the numbers of the operations it was."""

    call: ToolCall


Done: TypeAlias = tuple[ToolResultContent, tuple[int, ...]]
Wanted: TypeAlias = Request | CallRequest | Doing
Steps: TypeAlias = "Generator[Wanted, Any, OrchestrateResult]"


@dataclass(slots=True, kw_only=True)
class Sitting:
    """One run, from its beginning to its end, over every pause.

    Attributes:
        t: The handle.
        store: Its store.
        decider: Its policies, and their log.
        kit: The tools, and all that can be done.
        use: The model.
        course: What the orchestrator is doing.
        level: Tells how far it may go, now.
        name: What operations and the log call it.
        why: Why it runs.
        max_steps: How often the model may be asked.
        meter: Counts what that costs.
        on_step: Called after each step.
        may_write: Tells whether a call that writes would disturb nobody, now.
        messages: What the model was sent and answered so far.
        steps: What it did so far.
        tokens_before: Size of the context when it began.
        sent_tokens: How much would be sent next.
        stands: Where a call has moved the handle to, or `None`.
    """

    t: Handle
    store: Store
    decider: Decider
    kit: Toolkit
    use: Use
    course: Course
    level: Callable[[], AutonomyLevel]
    name: str
    why: str
    max_steps: int
    meter: Meter
    on_step: Callable[[OrchestratorStep], object] | None
    may_write: Callable[[], bool]
    messages: list[Message]
    steps: list[OrchestratorStep] = field(default_factory=list)
    tokens_before: int = field(init=False)
    sent_tokens: int = field(init=False)
    stands: Head | None = None
    _making: list[OrchestratedCall] = field(default_factory=list)
    _text: str = ""

    def __post_init__(self) -> None:
        self.tokens_before = self.tokens
        self.sent_tokens = sum(message_tokens(message, self.store.counter) for message in self.messages)

    @property
    def tokens(self) -> int:
        """Size of the context now."""
        return PolicyView(self.store).tokens

    # --- asking the model ------------------------------------------------------------------------

    def left(self) -> tuple[SittingState, str] | None:
        """Return why the model is not to be asked again, or `None`."""
        left = self.course.leave()
        if left is not None:
            return left, f"It was {left}."
        if len(self.steps) >= self.max_steps:
            return "max_steps", f"The model was asked {self.max_steps} times."
        return self.meter.exceeded(self.sent_tokens)

    def request(self) -> Request:
        """Return what the model is asked next.

        Raises:
            PolicyDeniedError: A policy does not let it be asked.
        """
        permit(self.store, "generate", VERB, {"model": self.use.model, "tokens": self.sent_tokens})
        return Request(
            messages=tuple(self.messages),
            model=self.use.model,
            tools=definitions(self.kit),
            settings=dict(self.use.settings),
        )

    def heard(self, reply: object) -> tuple[ToolCall, ...]:
        """Take in what the model answered, and return the calls in it.

        Raises:
            ModelResponseError: It is no reply, or cannot be sent back.
        """
        if not isinstance(reply, Reply):
            raise ModelResponseError(f"The client returned {shown(reply)}, not a Reply.")
        seed = hashlib.sha256(f"{self.name}/{len(self.messages)}".encode()).digest()
        payload = payload_of(with_ids(reply.content, seed))
        try:
            canonical_json(payload)
        except NotCanonicalError as error:
            raise ModelResponseError(f"The model's answer cannot be used: {error.message}") from error
        message = to_message("dialogue", payload)
        sent = self.sent_tokens
        self._say(message)
        self.meter.add(reply.usage or Usage(sent, self.sent_tokens - sent), reply.model or self.use.model or "")
        self._text, self._making = reply.text, []
        return message.tool_calls

    # --- what became of it -----------------------------------------------------------------------

    def told(self, call: ToolCall, made: OrchestratedCall, result: ToolResultContent) -> None:
        """Keep what became of a call, and tell the model."""
        self._making.append(made)
        answer = result.model_copy(update={"call_id": call.id, "name": call.name})
        self._say(to_message("tool_result", payload_of(answer)))

    def _say(self, message: Message) -> None:
        self.messages.append(message)
        self.sent_tokens += message_tokens(message, self.store.counter)

    def close_step(self) -> OrchestratorStep:
        """Keep the step that is done, and log it."""
        step = OrchestratorStep(number=len(self.steps) + 1, text=self._text, calls=tuple(self._making))
        self._text, self._making = "", []
        self.steps.append(step)
        self._log(step)
        return step

    def give_up(self, error: BaseException) -> OrchestrateResult:
        """Return how it ended where something went wrong."""
        if self._making:
            self.close_step()
        return self.result("failed", f"{type(error).__name__}: {error}")

    def result(self, state: SittingState, reason: str) -> OrchestrateResult:
        """Return how it ended."""
        return OrchestrateResult(
            state=state,
            reason=reason,
            why=self.why,
            text=self.steps[-1].text if self.steps else "",
            steps=tuple(self.steps),
            tokens_before=self.tokens_before,
            tokens_after=self.tokens,
            messages=tuple(self.messages),
            usage=self.meter.usage,
            cost=self.meter.cost if self.meter.budget.prices is not None else None,
            seconds=self.meter.seconds,
        )

    def _log(self, step: OrchestratorStep) -> None:
        """Say in the log of policies what was done, also where nothing was; never what anybody wrote."""
        at = datetime.fromtimestamp(self.store.clock() / 1_000_000, UTC)
        for call in step.calls:
            tool = call.tool if call.tool in self.kit else "an unknown tool"
            outcome = _OUTCOMES.get(call.outcome, call.outcome)
            kind = "allow" if call.outcome == "looked" else "action"
            told = (VERB, VERB, self.name, kind, "enforce", outcome, f"step {step.number}: {tool}")
            self.decider.journal.add(PolicyRecord(at, *told, call.operations[0] if call.operations else None))
        if not step.calls:
            told = (VERB, VERB, self.name, "allow", "enforce", "allowed", f"step {step.number}: no call")
            self.decider.journal.add(PolicyRecord(at, *told))
        try:
            self.decider.journal.flush(self.store)
        except TractError:
            return  # what waits is written with the next write

    # --- doing -----------------------------------------------------------------------------------

    def perform(self, doing: Doing) -> Done:
        """Make one call, as a model of any other run would; what goes wrong is in the result."""
        call, policies = doing.call, self.store.policies
        with acting(self.name):
            try:
                named = {"id": call.id, "name": call.name, "arguments": call.arguments}
                permit(self.store, "tool_call", VERB, named)
            except PolicyDeniedError as error:
                raise CallDeniedError(error.message) from error
            before, stood = self.store.last_operation(), self.store.head
            result = self.kit.execute(call.name, call.arguments, call_id=call.id)
            if self.store.head != stood:
                self.stands = self.store.head
            if policies is not None:
                policies.after(Event("after_tool_call", VERB, args={"name": call.name, "is_error": result.is_error}))
        return result, self._own(before)

    def _own(self, before: int) -> tuple[int, ...]:
        """Return which operations after number *before* were done on behalf of the orchestrator."""
        numbers = range(before + 1, self.store.last_operation() + 1)
        return tuple([one for one in numbers if self.name in self.t.operations[one].args.get("policies", ())])


class CallDeniedError(Exception):
    """A policy does not let a call be made; the message is for the model."""


# --- the loop ----------------------------------------------------------------------------------------


def loop(sitting: Sitting) -> Steps:
    """Ask and make calls until the model makes none, a limit is reached, or it is paused or stopped."""
    while True:
        left = sitting.left()
        if left is not None:
            return sitting.result(*left)
        request = sitting.request()
        try:
            reply = yield request
        except InterruptedStepError:
            continue
        calls = sitting.heard(reply)
        for number, call in enumerate(calls):
            yield from _step(sitting, call, number)
        step = sitting.close_step()
        if sitting.on_step is not None:
            sitting.on_step(step)
        if not calls:
            return sitting.result("finished", "The model is done.")


def _step(sitting: Sitting, call: ToolCall, number: int) -> Generator[Wanted, Any, None]:
    """Make one call as far as it may be made, and tell the model what came of it."""
    if sitting.course.is_stopping or number >= MOST_CALLS:
        refused = _SKIPPED if sitting.course.is_stopping else _TOO_MANY
        sitting.told(call, _made(call.name, {}, "skipped", refused), failed(call, refused))
        return
    try:
        arguments, reason, alternatives = split(sitting.kit, call.arguments)
    except ArgumentsError as error:
        sitting.told(call, _made(call.name, {}, "failed", str(error)), failed(call, str(error)))
        return
    wanted = Alternative(call.name, arguments)
    is_looking = call.name not in sitting.kit or sitting.kit.writes_nothing(call.name)
    if is_looking:
        yield from _do(sitting, call, wanted, reason=reason, outcome="looked")
        return
    problem, level = _problem(sitting.kit, wanted), sitting.level()
    if problem is not None:
        sitting.told(call, _made(call.name, arguments, "failed", problem, reason=reason), failed(call, problem))
    elif level is AutonomyLevel.MANUAL:
        result = ToolResultContent(call_id=call.id, name=call.name, text=_SAID)
        sitting.told(call, _made(call.name, arguments, "said", _SAID, reason=reason), result)
    elif level is AutonomyLevel.AUTONOMOUS:
        yield from _do(sitting, call, wanted, reason=reason)
    else:
        request = CallRequest(
            tool=call.name,
            arguments=arguments,
            reason=reason,
            alternatives=alternatives,
            step=len(sitting.steps) + 1,
            profile=sitting.kit.profile,
        )
        yield from _ask(sitting, call, request)


def _ask(sitting: Sitting, call: ToolCall, request: CallRequest) -> Generator[Wanted, Any, None]:
    """Let somebody decide about a call."""
    try:
        decision = yield request
    except InterruptedStepError:
        made = _made(request.tool, request.arguments, "skipped", _SKIPPED, reason=request.reason)
        sitting.told(call, made, failed(call, _SKIPPED))
        return
    wanted = chosen(request, decision)
    if wanted is None:
        said = f"Rejected. {decision.reason}".strip()
        made = _made(request.tool, request.arguments, "rejected", said, reason=request.reason, decision=decision)
        sitting.told(call, made, failed(call, said))
        return
    yield from _do(sitting, call, wanted, reason=request.reason, decision=decision)


def _do(
    sitting: Sitting,
    call: ToolCall,
    wanted: Alternative,
    *,
    reason: str,
    outcome: CallOutcome = "done",
    decision: CallDecision | None = None,
) -> Generator[Wanted, Any, None]:
    """Make the call *wanted*, and tell the model what came of it."""
    operations: tuple[int, ...] = ()
    problem = None if outcome == "looked" else _problem(sitting.kit, wanted)
    if outcome == "done" and not sitting.may_write():
        result, outcome = failed(call, _NOT_NOW), "skipped"
    elif problem is None:
        try:
            arguments = canonical_json(dict(wanted.arguments)).decode()
            result, operations = yield Doing(ToolCall(call.id, wanted.tool, arguments))
            outcome = "failed" if result.is_error else _outcome(sitting.kit, wanted)
        except CallDeniedError as error:
            result, outcome = failed(call, str(error)), "denied"
    else:
        result, outcome = failed(call, problem), "failed"
    changed = "" if decision is None or decision.action == "approve" else _changed(wanted, decision)
    if changed:
        result = result.model_copy(update={"text": f"{changed}\n{result.text or ''}"})
    made = _made(wanted.tool, wanted.arguments, outcome, result.text or "", reason=reason, decision=decision)
    sitting.told(call, replace(made, operations=operations), result)


def _outcome(kit: Toolkit, wanted: Alternative) -> CallOutcome:
    return "looked" if kit.writes_nothing(wanted.tool) else "done"


def _changed(wanted: Alternative, decision: CallDecision) -> str:
    reason = f" {decision.reason}" if decision.reason else ""
    return f"Somebody decided on this instead: {written(wanted.tool, wanted.arguments)}.{reason}"


def _problem(kit: Toolkit, wanted: Alternative) -> str | None:
    """Return what is wrong with a call that writes, before anybody is asked about it."""
    if wanted.tool not in kit:
        return f"There is no tool `{shown(wanted.tool)}`. Tools are: {', '.join(kit)}."
    signature = kit[wanted.tool].signature
    try:
        text = canonical_json(dict(wanted.arguments)).decode()
        if signature is not None:
            signature.arguments(text)
    except NotCanonicalError as error:
        return f"The arguments are no JSON. {error.message}"
    except ArgumentsError as error:
        return str(error)
    return None


def _made(
    tool: str,
    arguments: Any,
    outcome: CallOutcome,
    result: str,
    *,
    reason: str = "",
    decision: CallDecision | None = None,
) -> OrchestratedCall:
    return OrchestratedCall(
        tool=tool, arguments=arguments, outcome=outcome, reason=reason, decision=decision, result=result
    )


def opening(system: str, told: str) -> list[Message]:
    """Return the messages a sitting begins with."""
    return [Message("system", (TextPart(system),)), Message("user", (TextPart(told),))]
