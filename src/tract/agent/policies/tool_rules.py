"""Answers which tools a model may call, and how often."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import Field

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.objects.policy import Event, Verdict


class ToolRules(Policy):
    """Denies calls of tools; the model reads why.

    Attributes:
        allow: Names that may be called, `*` for any text in them; `None` for all.
        deny: Names that may not.
        max_calls: How often any one tool may be called in answer to one message of the user.
    """

    kind: ClassVar[str] = "tool_rules"
    events: ClassVar[tuple[str, ...]] = ("before_tool_call",)

    priority: int = 500
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    max_calls: int | None = Field(default=None, ge=0)

    def evaluate(self, event: Event, view: PolicyView) -> Decision:
        """Look at the name of the tool, and at what was called in this turn."""
        name = str(event.args["name"])
        if any(fnmatchcase(name, pattern) for pattern in self.deny):
            return Verdict("deny", f"`{name}` may not be called.")
        if self.allow is not None and not any(fnmatchcase(name, pattern) for pattern in self.allow):
            return Verdict("deny", f"`{name}` is not among the tools that may be called.")
        if self.max_calls is not None and _before(name, event.args.get("id"), view) >= self.max_calls:
            return Verdict("deny", f"`{name}` was called {self.max_calls} times in this turn, which is the most.")
        return None


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
