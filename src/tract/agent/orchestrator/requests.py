"""Answers what somebody is asked before an orchestrator writes, and what they may answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from tract.agent.schemas import ArgumentsError, read_arguments
from tract.agent.toolkit.kit import Toolkit
from tract.agent.toolkit.words import one_line
from tract.errors import InvalidInputError, shown

DecisionAction: TypeAlias = Literal["approve", "reject", "alternative", "edit", "replace"]

WHY: Final = "why"
INSTEAD: Final = "instead"
"""The two arguments every tool that writes has besides its own: they tell a person, and never reach the tool."""

_MOST_ALTERNATIVES: Final = 5
_MOST_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another call the model would make instead.

    Attributes:
        tool: Name of the tool.
        arguments: What it would be called with.
    """

    tool: str
    arguments: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call that waits for a yes.

    Attributes:
        tool: Name of the tool.
        arguments: What the model calls it with.
        reason: Why, in the model's words; `""` if it does not say.
        alternatives: What it would do instead.
        step: Which step of the run, from 1.
        profile: What the tools may do at most.
    """

    tool: str
    arguments: Mapping[str, Any] = field(repr=False, hash=False)
    reason: str = field(default="", repr=False)
    alternatives: tuple[Alternative, ...] = field(default=(), repr=False)
    step: int = 1
    profile: str = "self"

    def __str__(self) -> str:
        return written(self.tool, self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDecision:
    """What somebody decided about a call; whatever it is, it is checked as the model's own call would be.

    Attributes:
        action: `approve`; `reject`; do the `alternative` of that number; `edit` arguments; `replace` the whole call.
        alternative: Which one, from 0.
        arguments: For `edit` those that differ, for `replace` all of them.
        tool: For `replace`, the tool.
        reason: Why; the model is told.
    """

    action: DecisionAction
    alternative: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    tool: str = ""
    reason: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.action, str) or self.action not in get_args(DecisionAction):
            known = ", ".join(get_args(DecisionAction))
            raise InvalidInputError(f"{shown(self.action)} decides nothing.", hint=f"Decisions are {known}.")
        if isinstance(self.alternative, bool) or not isinstance(self.alternative, int) or self.alternative < 0:
            raise InvalidInputError(f"`alternative` is a number from 0, not {shown(self.alternative)}.")
        if not isinstance(self.arguments, Mapping) or not all(isinstance(name, str) for name in self.arguments):
            raise InvalidInputError(f"`arguments` is a mapping by name, not {shown(self.arguments)}.")
        if not isinstance(self.tool, str) or bool(self.tool) != (self.action == "replace"):
            raise InvalidInputError("`tool` names the tool of a `replace`, and of nothing else.")
        if not isinstance(self.reason, str):
            raise InvalidInputError(f"`reason` is text, not {shown(self.reason)}.")

    @classmethod
    def approve(cls) -> CallDecision:
        """Let it be done as the model wants it."""
        return cls(action="approve")

    @classmethod
    def reject(cls, reason: str = "") -> CallDecision:
        """Do nothing, and tell the model *reason*."""
        return cls(action="reject", reason=reason)

    @classmethod
    def pick(cls, alternative: int, reason: str = "") -> CallDecision:
        """Do one of the model's alternatives instead, counted from 0."""
        return cls(action="alternative", alternative=alternative, reason=reason)

    @classmethod
    def edit(cls, arguments: Mapping[str, Any], reason: str = "") -> CallDecision:
        """Do it with these *arguments* in place of the model's of the same names."""
        return cls(action="edit", arguments=arguments, reason=reason)

    @classmethod
    def replace(cls, tool: str, arguments: Mapping[str, Any] | None = None, reason: str = "") -> CallDecision:
        """Make this call instead."""
        return cls(action="replace", tool=tool, arguments=arguments or {}, reason=reason)


Callback: TypeAlias = Callable[[CallRequest], "CallDecision | Awaitable[CallDecision]"]
"""Asked before each call that writes; an async one only where the orchestrator runs async."""


def written(tool: str, arguments: Mapping[str, Any]) -> str:
    """Return a call as one printable line."""
    try:
        plain = json.dumps(arguments, ensure_ascii=False, default=lambda value: type(value).__name__)
    except (TypeError, ValueError, RecursionError):
        plain = "{...}"
    return one_line(f"{tool}({plain[1:-1]})", _MOST_CHARACTERS)


# --- what the model says besides ---------------------------------------------------------------------

_BESIDES: Final[Mapping[str, Any]] = {
    WHY: {"type": "string", "description": "Why, in one sentence for the person who may have to decide."},
    INSTEAD: {
        "type": "array",
        "description": "Other calls you would make instead, if this one is not wanted; may be left out.",
        "items": {
            "type": "object",
            "properties": {"tool": {"type": "string"}, "arguments": {"type": "object"}},
            "required": ["tool", "arguments"],
        },
    },
}


def definitions(kit: Toolkit) -> list[dict[str, Any]]:
    """Return what a model is told of the tools: those that write also take a reason and alternatives."""
    told = kit.definitions("openai")
    for one in told:
        function = one["function"]
        if not kit.writes_nothing(function["name"]):
            schema = function["parameters"]
            function["parameters"] = {**schema, "properties": {**schema.get("properties", {}), **_BESIDES}}
    return told


def split(kit: Toolkit, arguments: str) -> tuple[dict[str, Any], str, tuple[Alternative, ...]]:
    """Return what a tool is to be called with, and beside it the reason and the alternatives.

    Raises:
        ArgumentsError: The arguments are no JSON object, or too long.
    """
    most = kit.limits.argument_characters
    if len(arguments) > most:
        raise ArgumentsError(f"The arguments have {len(arguments):,} characters; {most:,} are allowed.")
    own = read_arguments(arguments)
    why, instead = own.pop(WHY, ""), own.pop(INSTEAD, ())
    reason = one_line(why, _MOST_CHARACTERS) if isinstance(why, str) else ""
    return own, reason, _alternatives(instead)


def _alternatives(instead: object) -> tuple[Alternative, ...]:
    """Return the calls in *instead*; what is none is left out."""
    found = instead if isinstance(instead, Sequence) and not isinstance(instead, str) else ()
    pairs = [(one.get("tool"), one.get("arguments", {})) for one in found if isinstance(one, Mapping)]
    calls = [Alternative(tool, own) for tool, own in pairs if isinstance(tool, str) and isinstance(own, dict)]
    return tuple(calls[:_MOST_ALTERNATIVES])


def chosen(request: CallRequest, decision: object) -> Alternative | None:
    """Return the call *decision* is for, or `None` for none.

    Raises:
        InvalidInputError: It is no decision, or names an alternative there is not.
    """
    if not isinstance(decision, CallDecision):
        raise InvalidInputError(
            f"The callback returned {shown(decision)}.", hint="Return a `CallDecision`, as `CallDecision.approve()`."
        )
    if decision.action == "reject":
        return None
    if decision.action == "alternative":
        if decision.alternative >= len(request.alternatives):
            raise InvalidInputError(f"The call has {len(request.alternatives)} alternatives, counted from 0.")
        return request.alternatives[decision.alternative]
    if decision.action == "replace":
        return Alternative(decision.tool, decision.arguments)
    changed = decision.arguments if decision.action == "edit" else {}
    return Alternative(request.tool, {**request.arguments, **changed})
