"""Answers which tools a model may call: which, with what arguments, to what effect, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final, Literal, TypeAlias

from pydantic import Field, field_validator

from tract.agent.policies.json_schema import problems, refuse_schema
from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.agent.schemas import ArgumentsError, read_arguments
from tract.objects.policy import Event, Verdict

Rule: TypeAlias = Literal["allow", "warn", "ask", "deny"]

UNDECLARED: Final = "undeclared"
"""The effect of a tool of which none is declared."""


class ToolRules(Policy):
    """Lets calls of tools through, or not: the model reads why, and nothing of the tool runs.

    Names may hold `*` for any text.

    Attributes:
        allow: Names that may be called; `None` for all.
        deny: Names that may not.
        max_calls: How often any one tool may be called in answer to one message of the user.
        arguments: JSON schemas of the arguments, by name of the tool; every one that fits the name holds.
        effects: What tools do, in words of your own, by name: such as `{"search*": "read", "pay": "write"}`. Of several
            names that fit, the longest counts; a tool of none is `undeclared`.
        on_effect: What to say of calls by effect: `allow`, `warn`, `ask` or `deny`; `allow` where nothing is said.
    """

    kind: ClassVar[str] = "tool_rules"
    events: ClassVar[tuple[str, ...]] = ("before_tool_call",)

    priority: int = 500
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    max_calls: int | None = Field(default=None, ge=0)
    arguments: Mapping[str, Mapping[str, Any] | bool] = {}
    effects: Mapping[str, str] = {}
    on_effect: Mapping[str, Rule] = {}

    @field_validator("arguments")
    @classmethod
    def _are_schemas(cls, arguments: Mapping[str, Mapping[str, Any] | bool]) -> Mapping[str, Mapping[str, Any] | bool]:
        for name, schema in arguments.items():
            refuse_schema(name, schema)
        return arguments

    def evaluate(self, event: Event, view: PolicyView) -> Decision:
        """Look at the tool, at its arguments, and at what was called in this turn."""
        name = str(event.args["name"])
        problem = self._named(name) or self._called_with(name, str(event.args.get("arguments") or ""))
        if problem:
            return Verdict("deny", problem)
        if self.max_calls is not None and _before(name, event.args.get("id"), view) >= self.max_calls:
            return Verdict("deny", f"`{name}` was called {self.max_calls} times in this turn, which is the most.")
        return self._by_effect(name)

    def _named(self, name: str) -> str | None:
        if any(fnmatchcase(name, pattern) for pattern in self.deny):
            return f"`{name}` may not be called."
        if self.allow is not None and not any(fnmatchcase(name, pattern) for pattern in self.allow):
            return f"`{name}` is not among the tools that may be called."
        return None

    def _called_with(self, name: str, text: str) -> str | None:
        """Return what is wrong with the arguments, in words that quote the schema and never them."""
        schemas = [schema for pattern, schema in self.arguments.items() if fnmatchcase(name, pattern)]
        if not schemas:
            return None
        try:
            given = read_arguments(text)
        except ArgumentsError:
            return f"The arguments of `{name}` are not a JSON object."
        found = [problem for schema in schemas for problem in problems(schema, given)]
        return f"The arguments of `{name}` do not fit: {'; '.join(found)}." if found else None

    def _by_effect(self, name: str) -> Decision:
        named = [pattern for pattern in self.effects if fnmatchcase(name, pattern)]
        effect = self.effects[max(named, key=len)] if named else UNDECLARED
        rule = self.on_effect.get(effect, "allow")
        return None if rule == "allow" else Verdict(rule, f"`{name}` has the effect `{effect}`.")


def _before(name: str, call_id: object, view: PolicyView) -> int:
    """Return how many calls of *name* the model made in this turn before *call_id*."""
    calls: list[str] = []
    for entry in reversed(view.entries):
        message = entry.shown.message
        if message is None or not entry.is_visible:
            continue
        if message.role == "user":
            break
        calls[:0] = [call.id for call in message.tool_calls if call.name == name]
    return calls.index(str(call_id)) if call_id in calls else len(calls)
