"""The half of `Tract` that talks to models: one turn, a stream, a run with tools, and who is asked.

Bodies only bind arguments; the turn is in `agent.conversation`, the loop in `agent.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, cast, overload

from tract.agent.conversation import Asking, ChatResponse, OnConflict, Question, answer, begin
from tract.agent.drive import adrive, drive
from tract.agent.events import RunEvent
from tract.agent.limits import RunBudget
from tract.agent.orchestrator.orchestrator import Care, Orchestrator, Site, own_kit
from tract.agent.orchestrator.requests import Callback
from tract.agent.orchestrator.steps import OrchestratorStep
from tract.agent.orchestrator.triggers import Triggers
from tract.agent.run import OnInterrupted, Run, RunResult, Signal, loop
from tract.agent.running import run_async, run_sync
from tract.agent.settings import Models
from tract.agent.streams import AsyncTextStream, TextStream
from tract.agent.toolkit.desk import Handle
from tract.agent.toolkit.kit import Offer, ToolFormat, Toolkit, ToolLimits, toolkit
from tract.agent.toolkit.profiles import Profile
from tract.agent.tools import AddsTool, offered, runnable
from tract.llm.protocol import LLM
from tract.objects.config import LLMConfig
from tract.objects.decision import AutonomyLevel
from tract.operations.configure import parse_llm_config
from tract.operations.reply_cache import ReplyCache
from tract.porcelain.collections import Tools
from tract.porcelain.handle import TractHandle


class Conversation(TractHandle):
    """What a tract can ask a model; `Tract` adds the rest, and is what users open."""

    def chat(
        self,
        text: Question,
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        tools: Iterable[Any] | None = None,
        llm: LLM | Callable[..., Any] | None = None,
        on_conflict: OnConflict = "raise",
        **options: Any,
    ) -> ChatResponse:
        """Commit what the user says, ask the model, and commit its reply with its settings and usage.

        If the call fails the user's message stays, and calling again with the same text does not repeat it. The
        reply stands on the commit that was sent.

        Args:
            text: What the user says: text, or parts.
            model: Name of the model; else that of `configure_operations(chat=...)`, else that of `Tract.open`.
            temperature: As the provider takes it.
            max_tokens: How long the reply may be.
            tools: Functions or definitions to offer instead of those in `t.tools`; `()` for none.
            llm: A client for this call.
            on_conflict: If others committed on the branch meanwhile: `raise`, or land `after` them, but never between
                a call and its result.
            **options: Any further option, sent to the provider as it is.

        Raises:
            NoModelError: No model is configured.
            ModelError: The provider refused or failed.
            RefConflictError: The branch moved meanwhile; what the model answered is in the error's `reply`.
            UnansweredCallsError: The last reply's tool calls wait for their results.
            BudgetExceededError: The message does not fit a budget that rejects; a reply is never refused.

        Example:
            >>> from tract import Tract
            >>> from tract.testing import ScriptedLLM
            >>> with Tract.open(llm=ScriptedLLM(["Four."])) as t:
            ...     t.chat("What is 2 + 2?").text
            'Four.'
        """
        call = {"model": model, "temperature": temperature, "max_tokens": max_tokens, "llm": llm, **options}
        asking = self._asking("chat", call, tools, on_conflict=on_conflict)
        return drive(answer(asking, begin(asking, text)), asking.use.llm)

    def generate(
        self, *, tools: Iterable[Any] | None = None, on_conflict: OnConflict = "raise", **options: Any
    ) -> ChatResponse:
        """Ask the model to answer what is committed already, and commit its reply.

        Args:
            tools: As for `chat`.
            on_conflict: As for `chat`.
            **options: `model`, `temperature`, `max_tokens`, `llm` and any further option, as for `chat`.

        Raises:
            NothingToAnswerError: There is no message, or the last one is the model's own.
            ModelError: The provider refused or failed.
        """
        asking = self._asking("generate", options, tools, on_conflict=on_conflict)
        return drive(answer(asking, begin(asking, None)), asking.use.llm)

    def stream(
        self,
        text: Question | None = None,
        *,
        tools: Iterable[Any] | None = None,
        on_conflict: OnConflict = "raise",
        keep_partial: bool = False,
        **options: Any,
    ) -> TextStream:
        """As `chat`, or `generate` without *text*: iterate over the reply's text, then read `response`.

        Args:
            text: What the user says, if it is not committed already.
            tools: As for `chat`.
            on_conflict: As for `chat`.
            keep_partial: Of a stream that breaks or is left early, keep what arrived, marked `interrupted`.
            **options: `model`, `temperature`, `max_tokens`, `llm` and any further option, as for `chat`.
        """
        how: dict[str, Any] = {"on_conflict": on_conflict, "keep_partial": keep_partial}
        asking = self._asking("generate" if text is None else "chat", options, tools, **how)
        return TextStream(answer(asking, begin(asking, text)), asking.use.llm)

    async def achat(
        self,
        text: Question,
        *,
        tools: Iterable[Any] | None = None,
        on_conflict: OnConflict = "raise",
        **options: Any,
    ) -> ChatResponse:
        """As `chat`, without blocking the event loop while the model works."""
        asking = self._asking("chat", options, tools, on_conflict=on_conflict)
        return await adrive(answer(asking, begin(asking, text)), asking.use.llm)

    async def agenerate(
        self, *, tools: Iterable[Any] | None = None, on_conflict: OnConflict = "raise", **options: Any
    ) -> ChatResponse:
        """As `generate`, without blocking the event loop while the model works."""
        asking = self._asking("generate", options, tools, on_conflict=on_conflict)
        return await adrive(answer(asking, begin(asking, None)), asking.use.llm)

    def astream(
        self,
        text: Question | None = None,
        *,
        tools: Iterable[Any] | None = None,
        on_conflict: OnConflict = "raise",
        keep_partial: bool = False,
        **options: Any,
    ) -> AsyncTextStream:
        """As `stream`, for `async for`; close one that is left early with `async with`."""
        how: dict[str, Any] = {"on_conflict": on_conflict, "keep_partial": keep_partial}
        asking = self._asking("generate" if text is None else "chat", options, tools, **how)
        return AsyncTextStream(answer(asking, begin(asking, text)), asking.use.llm)

    def run(
        self,
        prompt: Question | None = None,
        *,
        tools: Iterable[Any] | None = None,
        max_turns: int = 20,
        budget: RunBudget | None = None,
        on_event: Callable[[RunEvent], object] | None = None,
        should_pause: Callable[[], bool] | Signal | None = None,
        on_interrupted: OnInterrupted = "report",
        stream: bool = False,
        on_conflict: OnConflict = "raise",
        **options: Any,
    ) -> RunResult:
        """Ask the model, run the tools it calls and commit their results, and ask again until it calls none.

        Every reply and every tool result is committed as soon as it is there, so a run that was killed goes on from
        its last commit with `run()`, and no finished call is made again.

        Args:
            prompt: What the user says; without it, the run goes on from the last commit.
            tools: Functions to offer instead of those in `t.tools`.
            max_turns: How often the model may be asked.
            budget: Limits on tokens, cost and time.
            on_event: Called with what happens, for display: `TurnStarted`, `ToolFinished` and the like.
            should_pause: Asked before each call of the model, or an event; the run then ends as `paused`.
            on_interrupted: What to do with a call that was under way when a run was killed: `report` tells the model
                that it was interrupted, unless its tool is idempotent; `rerun` makes it again.
            stream: Hand the pieces of each reply to *on_event*.
            on_conflict: As for `chat`.
            **options: `model`, `temperature`, `max_tokens`, `llm` and any further option, as for `chat`.

        Raises:
            ModelError: The provider refused or failed; the history is valid, and `run()` goes on from it.
            RefConflictError: Others committed on the branch while the model worked.
        """
        limits = {"max_turns": max_turns, "budget": budget, "on_event": on_event, "should_pause": should_pause}
        run = self._run(tools, options, on_conflict, on_interrupted=on_interrupted, **limits)
        return run_sync(run, loop(run, prompt), stream=stream)

    async def arun(
        self,
        prompt: Question | None = None,
        *,
        tools: Iterable[Any] | None = None,
        max_turns: int = 20,
        budget: RunBudget | None = None,
        on_event: Callable[[RunEvent], object] | None = None,
        should_pause: Callable[[], bool] | Signal | None = None,
        on_interrupted: OnInterrupted = "report",
        stream: bool = False,
        on_conflict: OnConflict = "raise",
        **options: Any,
    ) -> RunResult:
        """As `run`, without blocking the event loop; async tools run in it, others in threads."""
        limits = {"max_turns": max_turns, "budget": budget, "on_event": on_event, "should_pause": should_pause}
        run = self._run(tools, options, on_conflict, on_interrupted=on_interrupted, **limits)
        return await run_async(run, loop(run, prompt), stream=stream)

    @overload
    def as_tools(
        self,
        profile: Profile = "self",
        *,
        format: None = None,
        only: Collection[str] | None = None,
        descriptions: Mapping[str, str] | None = None,
        prefix: str = "",
        limits: ToolLimits | None = None,
    ) -> Toolkit: ...
    @overload
    def as_tools(
        self,
        profile: Profile = "self",
        *,
        format: ToolFormat,
        only: Collection[str] | None = None,
        descriptions: Mapping[str, str] | None = None,
        prefix: str = "",
        limits: ToolLimits | None = None,
    ) -> list[dict[str, Any]]: ...
    def as_tools(
        self,
        profile: Profile = "self",
        *,
        format: ToolFormat | None = None,  # noqa: A002 - what the providers call it
        only: Collection[str] | None = None,
        descriptions: Mapping[str, str] | None = None,
        prefix: str = "",
        limits: ToolLimits | None = None,
    ) -> Toolkit | list[dict[str, Any]]:
        """Return the verbs of this tract as tools for a model: pass them to `run`, or run a call with `execute`.

        A call gives a compact text, also where something is wrong; it never raises. No tool runs code or reads files.

        Args:
            profile: What they may do: `read` nothing but look; `self` what an agent may do to its own context, where
                everything can be taken back; `supervisor` rewrite and reorder it; `admin` remove for good.
            format: Return definitions alone, as `openai`, `anthropic` or plain `json` takes them.
            only: The names of those to offer.
            descriptions: What to tell the model of single tools, instead of their own description.
            prefix: Put before each name, where another tool has the same.
            limits: On calls per minute and on the size of results and arguments.

        Raises:
            InvalidInputError: There is no such profile or format.
            ToolNotFoundError: The profile has no tool that is named.

        Example:
            >>> from tract import Tract
            >>> with Tract.open() as t:
            ...     kit = t.as_tools()
            ...     _ = kit.execute("commit", {"text": "The user is called Ann."})
            ...     print(kit.execute("search", {"query": "ann"}).text[9:])
            append model 10t | The user is called Ann.
        """
        offer = Offer(only, descriptions, prefix, limits)
        # The tools call methods of `Tract`, of which this class is a part.
        kit = toolkit(cast("Handle", self), self._store, profile, offer)
        return kit if format is None else kit.definitions(format)

    def orchestrate(
        self,
        instructions: str | None = None,
        *,
        profile: Profile | Toolkit = "self",
        autonomy: AutonomyLevel | str | None = None,
        callback: Callback | None = None,
        triggers: Triggers | None = None,
        max_steps: int = 10,
        budget: RunBudget | None = None,
        on_step: Callable[[OrchestratorStep], object] | None = None,
        name: str = "orchestrator",
        **options: Any,
    ) -> Orchestrator:
        """Return a model that looks after this context with a toolkit: `run()` it, or let `triggers` do so.

        It can do what its tools can, and nothing else. Its own messages are not committed; each operation it does
        names it among its `policies`.

        Args:
            instructions: What its model is told besides.
            profile: What it may do, as for `as_tools`; or a toolkit of this handle, with tools and limits of its own.
            autonomy: `manual` only says what it would do, `collaborative` asks *callback* before each call that writes,
                `autonomous` carries it out; never over `t.policies.ceiling`. If not given, `collaborative` with a
                callback, else `manual`.
            callback: Gets a `CallRequest`, returns a `CallDecision`; such as `cli_prompt`, `log_and_approve`,
                `auto_approve` and `reject_all`.
            triggers: When it runs by itself.
            max_steps: How often its model may be asked in one run.
            budget: Limits of one run on tokens, cost and time.
            on_step: Called after each step, for display.
            name: What operations and the log of policies call it.
            **options: `model`, `temperature`, `max_tokens`, `llm` and any further option; else those of
                `configure_operations(orchestrate=...)`, else those of `Tract.open`.

        Raises:
            InvalidInputError: A value cannot be one, or a collaborative one has nobody to ask.

        Example:
            >>> from tract import ToolCall, Tract
            >>> from tract.testing import ScriptedLLM
            >>> script = [ToolCall("call_1", "compress", '{"summary": "Ann goes to Rome."}'), "Done."]
            >>> with Tract.open(llm=ScriptedLLM(script)) as t:
            ...     _ = t.user("I am Ann. I want to go to Rome, by train, in the first week of May, please.")
            ...     result = t.orchestrate(autonomy="autonomous").run()
            ...     print(result.state, t.compile().messages[0].text)
            finished [summary] Ann goes to Rome.
        """
        care = Care(
            instructions=instructions,
            autonomy=autonomy,
            callback=callback,
            triggers=triggers,
            max_steps=max_steps,
            budget=budget,
            on_step=on_step,
            name=name,
        )
        kit = own_kit(cast("Handle", self), self._store, profile)
        call = parse_llm_config("orchestrate", options, is_kept=False)
        return Orchestrator(Site(cast("Handle", self), self._store, self._models, self._decider, kit, call), care)

    def configure_operations(self, **operations: LLMConfig | Mapping[str, Any] | None) -> Models:
        """Let `chat`, `merge`, `compress` or `orchestrate` ask another model, or ask otherwise; kept in the store.

        A client given as `llm` is in force on this handle only. `None` takes the settings of an operation back.
        What a call says goes before what its operation says, and that before what `Tract.open` was told.

        Raises:
            InvalidInputError: There is no such operation or setting, or an option would store a key.

        Example:
            >>> from tract import Tract
            >>> with Tract.open(provider="ollama", model="small") as t:
            ...     models = t.configure_operations(compress={"model": "large", "temperature": 0})
            ...     print(models["compress"].model, models["compress"].provider)
            large (operation) ollama (tract)
        """
        self._models.configure(operations)
        return self._models

    @property
    def models(self) -> Models:
        """What each operation will ask, and where each value comes from: `t.models["chat"].model.source`."""
        return self._models

    @property
    def tool(self) -> AddsTool:
        """The decorator `@t.tool`, with or without options: `t.tools.add` in a word."""
        return self._tools.add

    @property
    def tools(self) -> Tools:
        """The tools a model may call: a mapping by name, with `add` and `remove`; for this handle only."""
        return self._tools

    @property
    def reply_cache(self) -> ReplyCache:
        """Answers of models kept in this store, for `CachedLLM(llm, t.reply_cache)`: `get`, `put`, `clear`, `len`."""
        return ReplyCache(self._store)

    # --- inside ------------------------------------------------------------------------------------

    def _asking(self, operation: str, call: Mapping[str, Any], tools: Iterable[Any] | None, **how: Any) -> Asking:
        use = self._models.use("chat", parse_llm_config("chat", call, is_kept=False))
        definitions = offered(self._tools, tools)
        return Asking(self._store, self._compiler, operation, use, definitions, **how).checked()

    def _run(self, tools: Iterable[Any] | None, call: Mapping[str, Any], on_conflict: OnConflict, **how: Any) -> Run:
        asking = self._asking("run", call, tools, on_conflict=on_conflict)
        return Run(asking=asking, toolbox=runnable(self._tools, tools), **how)
