"""Answers what happens when a model calls a tool of the toolkit: limits, arguments, and a text in any case."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from tract.agent.running import run_call
from tract.agent.schemas import ArgumentsError, Signature, signature_of
from tract.agent.toolkit.desk import Desk, Handle
from tract.agent.toolkit.profiles import Profile, profile_of
from tract.agent.toolkit.table import ToolEntry, entries_of
from tract.agent.toolkit.words import cut, one_line, said_of
from tract.agent.tools import Tool, Toolbox, failed, said_by, tool_name
from tract.errors import InvalidInputError, NotCanonicalError, ToolNotFoundError, TractError, shown
from tract.formats.params import anthropic_tools
from tract.objects.content import ToolResultContent
from tract.objects.hashing import canonical_json
from tract.objects.message import ToolCall
from tract.store import Store

ToolFormat: TypeAlias = Literal["openai", "anthropic", "json"]

TOOL_FORMATS: Final[tuple[ToolFormat, ...]] = get_args(ToolFormat)

_MINUTE: Final = 60_000_000
"""Microseconds."""

_NO_CALL: Final = "call"
"""Id of a call whose caller gave none."""


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """What the calls of one toolkit may take.

    Attributes:
        calls_per_minute: How many calls in any minute.
        result_characters: How long a result may be; the rest is cut, with a note that says so.
        argument_characters: How long the arguments of one call may be, as JSON.
    """

    calls_per_minute: int = 120
    result_characters: int = 8_000
    argument_characters: int = 100_000

    def __post_init__(self) -> None:
        for name in ("calls_per_minute", "result_characters", "argument_characters"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidInputError(f"`{name}` is a number from 1, not {shown(value)}.")


@dataclass(slots=True)
class _Gate:
    """Lets the calls of a toolkit through, as far as its limits allow."""

    limits: ToolLimits
    store: Store
    lock: threading.Lock = field(default_factory=threading.Lock)
    times: deque[int] = field(default_factory=deque)

    def admit(self, arguments: str) -> None:
        """Count a call.

        Raises:
            ArgumentsError: There were too many in the last minute, or the arguments are too long.
        """
        limits, now = self.limits, self.store.clock()
        with self.lock:
            while self.times and not now - _MINUTE < self.times[0] <= now:
                self.times.popleft()
            if len(self.times) >= limits.calls_per_minute:
                raise ArgumentsError(f"Too many calls: {limits.calls_per_minute} a minute are allowed. Wait a little.")
            self.times.append(now)
        if len(arguments) > limits.argument_characters:
            raise ArgumentsError(
                f"The arguments have {len(arguments):,} characters; {limits.argument_characters:,} are allowed."
            )


@dataclass(frozen=True, slots=True)
class KitTool(Tool):
    """A tool of the toolkit: a call gives a result in any case, and raises nothing."""

    desk: Desk | None = field(default=None, repr=False, compare=False)
    gate: _Gate | None = field(default=None, repr=False, compare=False)
    verbs: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    is_slow: bool = field(default=False, repr=False, compare=False)

    def call(self, arguments: str) -> ToolResultContent:
        """Do what JSON *arguments* ask for, and return what the model is told: the result, or what is wrong."""
        assert self.desk is not None
        assert self.gate is not None
        asked = ToolCall(_NO_CALL, self.name, "{}")
        try:
            self.gate.admit(arguments)
            text = self._do(self.desk, arguments)
        except TractError as error:
            return failed(asked, said_of(error))
        except Exception as error:  # noqa: BLE001 - such as a warning made an error: the model is told
            return failed(asked, said_by(error))
        return ToolResultContent(call_id=_NO_CALL, name=self.name, text=cut(text, self.gate.limits.result_characters))

    def _do(self, desk: Desk, arguments: str) -> str:
        assert self.signature is not None
        positional, named = self.signature.arguments(arguments)
        # The handle is held, so that what it wrote meanwhile is what this call wrote: `undo` goes by that.
        with nullcontext() if self.is_slow else desk.store.lock:
            before = desk.store.last_operation()
            try:
                return str(self.function(*positional, **named))
            finally:
                if self.verbs:
                    desk.remember(before, self.verbs)


class Toolkit(Toolbox):
    """The verbs of a tract as tools for a model; pass it to `t.run(tools=...)`, or hand out its definitions.

    Attributes:
        profile: What the tools may do.
        limits: What their calls may take.
    """

    def __init__(self, desk: Desk, tools: Iterable[object], limits: ToolLimits) -> None:
        super().__init__(tools)
        self.profile: Profile = desk.profile
        self.limits = limits

    def __repr__(self) -> str:
        return f"<Toolkit {self.profile} tools={len(self)}>"

    def definitions(self, format: ToolFormat = "openai") -> list[dict[str, Any]]:  # noqa: A002 - as `as_tools`
        """Return what a model is told of each tool.

        Args:
            format: `openai`, `anthropic`, or `json` for name, description and JSON schema alone.

        Raises:
            InvalidInputError: There is no such format.
        """
        own = super().definitions()
        if format == "openai":
            return own
        if format == "anthropic":
            return anthropic_tools(own)
        if format != "json":
            raise InvalidInputError(f"{shown(format)} is no format of tools.", hint="Use openai, anthropic or json.")
        return [dict(one["function"]) for one in own]

    def writes_nothing(self, name: str) -> bool:
        """Whether the tool *name* only looks.

        Raises:
            ToolNotFoundError: There is none.
        """
        return self[name].idempotent

    def execute(
        self, name: str, arguments: str | Mapping[str, Any] = "{}", *, call_id: str = _NO_CALL
    ) -> ToolResultContent:
        """Make a call a model asked for, and return its result; what is wrong is said in it, with `is_error`.

        Args:
            name: The tool.
            arguments: As the model wrote them: JSON text, or what it stands for.
            call_id: Id of the call, for the result.
        """
        return ToolExecutor(self).execute(name, arguments, call_id=call_id)


class ToolExecutor:
    """Makes the calls a model asked for, in a loop of your own; never raises.

    Args:
        tools: A toolkit, or any tools and functions.
    """

    def __init__(self, tools: Iterable[object]) -> None:
        self._tools = tools if isinstance(tools, Toolbox) else Toolbox(tools)

    def execute(
        self, name: str, arguments: str | Mapping[str, Any] = "{}", *, call_id: str = _NO_CALL
    ) -> ToolResultContent:
        """Make one call; see `Toolkit.execute`."""
        id_ = call_id if isinstance(call_id, str) and call_id else _NO_CALL
        named = name if isinstance(name, str) else one_line(repr(name))
        if not isinstance(arguments, str):
            try:
                arguments = canonical_json(dict(arguments)).decode()
            except (TypeError, ValueError, NotCanonicalError) as error:
                return failed(ToolCall(id_, named, "{}"), f"The arguments are no JSON object. {said_by(error)}")
        return run_call(self._tools, ToolCall(id_, named, arguments))


@dataclass(frozen=True, slots=True)
class Offer:
    """Which tools are offered, and how.

    Attributes:
        only: The names of those that are; all of the profile for `None`.
        descriptions: What to tell the model of single tools, instead of their own description.
        prefix: Put before each name.
        limits: What the calls may take.
    """

    only: Collection[str] | None = None
    descriptions: Mapping[str, str] | None = None
    prefix: str = ""
    limits: ToolLimits | None = None

    def __post_init__(self) -> None:
        if self.limits is not None and not isinstance(self.limits, ToolLimits):
            raise InvalidInputError(
                f"`limits` is a ToolLimits, not {shown(self.limits)}.",
                hint="Such as `ToolLimits(calls_per_minute=10)`.",
            )
        if not isinstance(self.prefix, str):
            raise InvalidInputError(f"`prefix` is text, not {shown(self.prefix)}.")
        if isinstance(self.only, (str, bytes)) or not isinstance(self.only, (Iterable, type(None))):
            raise InvalidInputError(f"`only` is a list of names, not {shown(self.only)}.", hint='Such as `["log"]`.')
        told = {} if self.descriptions is None else self.descriptions
        if not isinstance(told, Mapping) or not all(isinstance(one, str) for one in told.values()):
            raise InvalidInputError("`descriptions` is a mapping from the name of a tool to a text.")


def toolkit(t: Handle, store: Store, profile: object, offer: Offer) -> Toolkit:
    """Return the tools of *profile* for the handle *t*.

    Raises:
        InvalidInputError: There is no such profile, or the prefix makes a name no provider takes.
        ToolNotFoundError: The profile has no tool that is named.
    """
    desk = Desk(t, store, profile_of(profile))
    own = entries_of(desk.profile)
    wanted = list(own) if offer.only is None else list(offer.only)
    for name in (*wanted, *(offer.descriptions or {})):
        if not isinstance(name, str) or name not in own:
            raise ToolNotFoundError(shown(name))
    gate = _Gate(offer.limits or ToolLimits(), store)
    made = [_made(desk, gate, entry, offer) for name, entry in own.items() if name in wanted]
    return Toolkit(desk, made, gate.limits)


def _made(desk: Desk, gate: _Gate, entry: ToolEntry, offer: Offer) -> KitTool:
    signature = _signature(entry.function)
    said = (offer.descriptions or {}).get(entry.name)
    return KitTool(
        name=tool_name(offer.prefix + entry.name),
        description=signature.description if said is None else said,
        parameters=signature.parameters,
        function=functools.partial(entry.function, desk),
        idempotent=not entry.verbs and entry.name not in {"undo", "redo"},
        signature=signature,
        desk=desk,
        gate=gate,
        verbs=entry.verbs,
        is_slow=entry.is_slow,
    )


@functools.cache
def _signature(function: Callable[..., str]) -> Signature:
    # The desk is bound in each toolkit; what a model is told is the same for all.
    return signature_of(functools.partial(function, None))
