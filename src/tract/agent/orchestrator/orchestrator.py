"""Answers who looks after a context: a model with a toolkit, run on demand or by triggers."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from weakref import ref

from tract.agent.limits import Meter, RunBudget
from tract.agent.orchestrator.assessment import told
from tract.agent.orchestrator.driving import drive_async, drive_sync
from tract.agent.orchestrator.requests import Callback
from tract.agent.orchestrator.sitting import VERB, Sitting, Steps, loop, opening
from tract.agent.orchestrator.states import Course, OrchestratorState
from tract.agent.orchestrator.steps import OrchestrateResult, OrchestratorStep
from tract.agent.orchestrator.triggers import Attached, Sight, Triggers, due, sight_of
from tract.agent.policies.decider import Decider, PolicyWarning
from tract.agent.policies.policy import built
from tract.agent.questions import prompt
from tract.agent.settings import Models
from tract.agent.toolkit.desk import Handle
from tract.agent.toolkit.kit import KitTool, Offer, Toolkit, toolkit
from tract.compile.compiler import states_of
from tract.compile.safety import open_calls
from tract.errors import (
    BranchNotFoundError,
    ClosedHandleError,
    InvalidInputError,
    OperationOpenError,
    OrchestratorStateError,
    TractError,
    shown,
)
from tract.objects.config import LLMConfig
from tract.objects.decision import AutonomyLevel, autonomy_level
from tract.objects.hashing import canonical_json
from tract.objects.policy import Event, Verdict, acting
from tract.objects.refs import Head
from tract.store import Store

ON_DEMAND: Final = "somebody asked for it"

_MOST_RESULTS: Final = 100

_LOCK_SECONDS: Final = 0.1
"""How long a trigger waits for whoever holds the handle, before it leaves the matter to the next event."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an orchestrator works.

    Attributes:
        t: The handle.
        store: Its store.
        models: Who is asked.
        decider: Its policies.
        kit: The tools.
        call: What was said about the model.
    """

    t: Handle
    store: Store
    models: Models
    decider: Decider
    kit: Toolkit
    call: LLMConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """How an orchestrator looks after a context.

    Attributes:
        instructions: What its model is told besides.
        autonomy: How far it may go: `manual` only says what it would do, `collaborative` asks *callback* before each
            call that writes, `autonomous` carries it out.
        callback: Asked before each call that writes.
        triggers: When it runs by itself.
        max_steps: How often its model may be asked in one run.
        budget: Further limits of one run.
        on_step: Called after each step.
        name: What operations and the log of policies call it.
    """

    instructions: str | None = None
    autonomy: AutonomyLevel | str | None = None
    callback: Callback | None = None
    triggers: Triggers | None = None
    max_steps: int = 10
    budget: RunBudget | None = None
    on_step: Callable[[OrchestratorStep], object] | None = None
    name: str = "orchestrator"
    level: AutonomyLevel = field(init=False)

    def __post_init__(self) -> None:
        """Refuse values that cannot be.

        Raises:
            InvalidInputError: There is one.
        """
        _check_text(self.instructions)
        for name in ("callback", "on_step"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise InvalidInputError(f"`{name}` is a function, not {shown(getattr(self, name))}.")
        for name, kind in (("triggers", Triggers), ("budget", RunBudget)):
            if not isinstance(getattr(self, name), (kind, type(None))):
                raise InvalidInputError(f"`{name}` is a {kind.__name__}, not {shown(getattr(self, name))}.")
        if type(self.max_steps) is not int or self.max_steps < 1:
            raise InvalidInputError(f"`max_steps` is a number from 1, not {shown(self.max_steps)}.")
        object.__setattr__(self, "level", self._level())

    def _level(self) -> AutonomyLevel:
        if self.autonomy is None:
            return AutonomyLevel.MANUAL if self.callback is None else AutonomyLevel.COLLABORATIVE
        level = autonomy_level(self.autonomy)
        if level is AutonomyLevel.COLLABORATIVE and self.callback is None:
            raise InvalidInputError(
                "A collaborative orchestrator asks somebody, and there is no `callback`.",
                hint="Give `t.orchestrate(callback=...)`, such as `cli_prompt`; or be `manual`, which changes nothing.",
            )
        return level


def _check_text(instructions: object) -> None:
    if not isinstance(instructions, (str, type(None))):
        raise InvalidInputError(f"`instructions` is text, not {shown(instructions)}.")
    canonical_json(instructions)  # refuses what no request could hold


def own_kit(t: Handle, store: Store, profile: object) -> Toolkit:
    """Return the tools of *profile* for a handle, or *profile* itself if it is a toolkit of this handle.

    Raises:
        InvalidInputError: There is no such profile, or the toolkit is another's.
    """
    if not isinstance(profile, Toolkit):
        return toolkit(t, store, profile, Offer())
    if any(
        not isinstance(tool, KitTool) or tool.desk is None or tool.desk.store is not store for tool in profile.values()
    ):
        raise InvalidInputError(
            "The toolkit is not one of this handle alone.", hint="Make it with `t.as_tools(profile)`."
        )
    return profile


class Orchestrator:
    """A model that looks after a context: the toolkit in a loop, and nothing a model with these tools could not do.

    Safe to share between threads. Its own conversation is committed nowhere; what it did is in the operation log, where
    each operation names it among its `policies`, in `t.policies.log`, and in each result.

    Attributes:
        name: What operations and the log call it.
        results: How its last runs ended, the oldest first.
    """

    def __init__(self, site: Site, care: Care) -> None:
        self.name = built(Attached, {"name": care.name, "hear": self._hear}).name
        self.results: tuple[OrchestrateResult, ...] = ()
        self._site = site
        self._care = care
        self._course = Course()
        self._under_way = threading.RLock()
        self._sitting: Sitting | None = None
        self._last = Sight()
        self._watching: threading.Event | None = None
        self._triggers = Triggers()
        if care.triggers is not None:
            self.attach(care.triggers)

    def __repr__(self) -> str:
        return f"<Orchestrator {self.name} {self.state} {self.profile} {self.level}>"

    @property
    def state(self) -> OrchestratorState:
        """What it is doing: `idle`, `running`, `waiting` for somebody, `pausing`, `paused`, `stopping`, `stopped`."""
        return self._course.state

    @property
    def profile(self) -> str:
        """What its tools may do at most."""
        return self._site.kit.profile

    @property
    def level(self) -> AutonomyLevel:
        """How far it may go now: as it was made, and never over `t.policies.ceiling`."""
        decider, own = self._site.decider, self._care.level
        rule = self._rule()
        if rule is not None:
            own = AutonomyLevel.MANUAL if rule.mode == "shadow" else min(own, rule.autonomy)
        return min(own, decider.kept.ceiling)

    # --- running ---------------------------------------------------------------------------------

    def run(self, instructions: str | None = None) -> OrchestrateResult:
        """Look after the context now.

        Args:
            instructions: What the model is told besides, for this run.

        Raises:
            OrchestratorStateError: It runs already, or is paused.
            NoModelError: No model is configured.
            ModelError: The provider refused or failed; what was done before stays done.
            PolicyDeniedError: A policy does not let the model be asked.
        """
        sitting, steps = self._begin(ON_DEMAND, instructions)
        return self._drive(sitting, steps)

    async def arun(self, instructions: str | None = None) -> OrchestrateResult:
        """As `run`, without blocking the event loop; the callback may be async."""
        sitting, steps = self._begin(ON_DEMAND, instructions)
        return await self._adrive(sitting, steps)

    def resume(self) -> OrchestrateResult | None:
        """Go on with the run that was paused or stopped, from its last step; `None` if there is none.

        Raises:
            OrchestratorStateError: It is not paused or stopped.
        """
        sitting = self._resumed()
        return None if sitting is None else self._drive(sitting, loop(sitting))

    async def aresume(self) -> OrchestrateResult | None:
        """As `resume`, without blocking the event loop."""
        sitting = self._resumed()
        return None if sitting is None else await self._adrive(sitting, loop(sitting))

    def pause(self) -> None:
        """Finish the step that is under way, then rest until `resume`; triggers rest as well.

        Raises:
            OrchestratorStateError: It is stopped.
        """
        self._course.move("pause")

    def stop(self) -> None:
        """Stop now: what the model or somebody answers after this is not used, and no further call is made.

        A tool call that is at work already comes to its end, as one operation. Triggers rest until `run` or `resume`.
        """
        self._course.move("stop")

    def _begin(self, why: str, instructions: str | None) -> tuple[Sitting, Steps]:
        _check_text(instructions)
        with self._site.store.lock:  # of another thread, the operation is waited for
            if self._site.store.is_writing:
                raise OperationOpenError(VERB)
        self._course.move("run")
        try:
            with self._under_way:  # a run that was stopped may not have left yet
                self._sitting = sitting = self._seated(why, instructions or self._care.instructions)
        except BaseException:
            self._sitting = None
            self._course.may("end")
            raise
        return sitting, loop(sitting)

    def _seated(self, why: str, instructions: str | None) -> Sitting:
        site, care = self._site, self._care
        site.decider.read()
        first = told(site.t, site.store, why, instructions=instructions, level=self.level)
        return Sitting(
            t=site.t,
            store=site.store,
            decider=site.decider,
            kit=site.kit,
            use=site.models.use(VERB, site.call),
            course=self._course,
            level=lambda: self.level,
            name=self.name,
            why=why,
            max_steps=care.max_steps,
            meter=Meter(care.budget or RunBudget()),
            on_step=care.on_step,
            may_write=(lambda: True) if why == ON_DEMAND else lambda: _is_between_turns(site.store),
            messages=opening(prompt(VERB), first),
        )

    def _resumed(self) -> Sitting | None:
        if self._course.move("resume") == "pausing":
            return None  # the pause is taken back, and the run goes on where it is
        if self._sitting is None:
            self._course.may("end")
        return self._sitting

    def _drive(self, sitting: Sitting, steps: Steps) -> OrchestrateResult:
        with self._segment(sitting) as ended:
            result = drive_sync(sitting, steps, self._care.callback)
            ended(result)
        return result

    async def _adrive(self, sitting: Sitting, steps: Steps) -> OrchestrateResult:
        with self._segment(sitting) as ended:
            result = await drive_async(sitting, steps, self._care.callback)
            ended(result)
        return result

    @contextmanager
    def _segment(self, sitting: Sitting) -> Iterator[Callable[[OrchestrateResult], None]]:
        """Hold the run in the block; afterwards the handle stands where it stood, and the next run may begin."""
        results: list[OrchestrateResult] = []
        with self._under_way:
            before = self._site.store.head
            try:
                yield results.append
            except BaseException as error:
                results.append(sitting.give_up(error))
                raise
            finally:
                if not results or results[-1].state not in {"paused", "stopped"}:
                    self._sitting = None
                    self._course.may("end")
                self.results = (*self.results, *results)[-_MOST_RESULTS:]
                self._put_back(before, sitting.stands)
                with suppress(ClosedHandleError):
                    self._last = sight_of(self._site.store)

    def _put_back(self, before: Head, moved: Head | None) -> None:
        """Let the handle stand where it stood *before*, if a call has *moved* it and nobody else has since."""
        site = self._site
        if moved is None or site.store.head != moved or moved == before:
            return
        with acting(self.name), suppress(BranchNotFoundError):
            if before.branch is None:
                site.store.stand_on(before)
            else:
                site.t.switch(before.branch)

    # --- running by itself -----------------------------------------------------------------------

    def attach(self, triggers: Triggers) -> None:
        """Run by itself from now on, in the thread that commits or compiles, once that is done.

        Only between turns, never inside a batch nor while a message waits for its answer or a tool call for its result:
        then the next event counts. What goes wrong is a `PolicyWarning` and in the log of policies, and breaks nothing.

        Raises:
            InvalidInputError: They are no triggers, or another policy has its name.
        """
        if not isinstance(triggers, Triggers):
            raise InvalidInputError(
                f"`triggers` is a Triggers, not {shown(triggers)}.", hint="Such as `Triggers(commits=20)`."
            )
        decider = self._site.decider
        if self._rule() is None and self.name in decider.rules():
            raise InvalidInputError(
                f"There is a policy {shown(self.name)} already.", hint="Give the orchestrator another `name`."
            )
        self._triggers = triggers
        self._last = Sight(commits=sight_of(self._site.store).commits)
        decider.own[self.name] = built(Attached, {"name": self.name, "hear": self._hear, "autonomy": self._care.level})
        decider.use(decider.kept)

    def detach(self) -> None:
        """Run by itself no more."""
        if self._watching is not None:
            self._watching.set()
        if self._rule() is not None:
            decider = self._site.decider
            del decider.own[self.name]
            decider.use(decider.kept)

    @property
    def is_attached(self) -> bool:
        """Whether it runs by itself."""
        return self._rule() is not None

    def tick(self) -> OrchestrateResult | None:
        """Run if its triggers are reason to, idleness among them; call it from a loop or a timer of your own.

        Returns:
            How it ended, or `None` if there was no reason, or this is no moment for it.

        Raises:
            ModelError: The provider refused or failed.
        """
        begun = self._due(is_compile=False)
        return None if begun is None else self._drive(*begun)

    async def atick(self) -> OrchestrateResult | None:
        """As `tick`, without blocking the event loop."""
        begun = self._due(is_compile=False)
        return None if begun is None else await self._adrive(*begun)

    def watch(self, every_seconds: float = 1.0) -> None:
        """Call `tick` every so often in a thread of its own, until `detach` or until the handle is closed.

        Raises:
            InvalidInputError: It is not attached, or the time is none.
        """
        is_number = isinstance(every_seconds, (int, float)) and not isinstance(every_seconds, bool)
        if not is_number or not 0 < every_seconds < threading.TIMEOUT_MAX:
            raise InvalidInputError(f"`every_seconds` is a time, not {shown(every_seconds)}.")
        if not self.is_attached:
            raise InvalidInputError("There is nothing to watch for.", hint="Give `t.orchestrate(triggers=...)`.")
        if self._watching is not None:
            self._watching.set()
        self._watching = threading.Event()
        known = ref(self)
        threading.Thread(
            target=_watch, args=(known, self._watching, every_seconds), name="tract-orchestrator-watch", daemon=True
        ).start()

    def _rule(self) -> Attached | None:
        """Return the policy that lets it hear of events, or `None`."""
        rule = self._site.decider.own.get(self.name)
        return rule if isinstance(rule, Attached) and rule.hear == self._hear else None

    def _hear(self, event: Event) -> Verdict | None:
        """Run if there is reason to, and say how that went."""
        if event.operation is None and event.name != "after_compile":
            return None  # a replay, where nothing is done
        begun = self._due(is_compile=event.name == "after_compile")
        if begun is None:
            return None
        result = self._drive(*begun)
        return Verdict("allow", f"{result.why}: {result.state}, {len(result.steps)} steps")

    def _due(self, *, is_compile: bool) -> tuple[Sitting, Steps] | None:
        """Begin a run if there is reason to, and this is a moment for it."""
        if not self._is_listening() or self.state != "idle":
            return None
        store = self._site.store
        now = sight_of(store)
        why = due(self._triggers, self._last, now, is_compile=is_compile)
        if why is None or store.is_writing or not _is_between_turns(store) or not _can_hold(store):
            return None
        self._last = now  # whatever comes of it, the same is no reason again
        try:
            return self._begin(why, None)
        except OrchestratorStateError:
            return None  # another thread was faster

    def _is_listening(self) -> bool:
        rule = self._rule()
        return rule is not None and rule.mode != "off" and not self._site.decider.kept.is_paused


def _is_between_turns(store: Store) -> bool:
    """Whether nothing waits for an answer: what is done now comes between no question and its reply."""
    head = store.head_hash()
    if head is None:
        return True
    visible = states_of(store).get(head).shown
    last = visible[-1].shown.message if len(visible) else None
    return last is None or (last.role not in {"user", "tool"} and not open_calls(visible))


def _can_hold(store: Store) -> bool:
    """Whether another thread could use the handle, as the client of a model may that keeps its answers in the store."""
    found: list[bool] = []

    def hold() -> None:
        found.append(store.lock.acquire(timeout=_LOCK_SECONDS))
        if found[0]:
            store.lock.release()

    thread = threading.Thread(target=hold, name="tract-orchestrator")
    thread.start()
    thread.join()
    return found[0]


def _watch(known: ref[Orchestrator], is_over: threading.Event, every_seconds: float) -> None:
    """Tick until it is over, or the orchestrator or its handle is gone."""
    while not is_over.wait(every_seconds):
        orchestrator = known()
        if orchestrator is None:
            return
        try:
            orchestrator.tick()
        except ClosedHandleError:
            return
        except TractError as error:
            warnings.warn(
                f"The orchestrator `{orchestrator.name}` failed: {error.message}", PolicyWarning, stacklevel=1
            )
        del orchestrator
