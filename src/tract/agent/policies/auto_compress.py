"""Answers when a context is full enough to be compressed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import Asked, PolicyView
from tract.objects.decision import AutonomyLevel
from tract.objects.policy import Event, PolicyAction


class AutoCompress(Policy):
    """Proposes a compression of all that is not pinned once the context fills its token budget; without one, nothing.

    A question that waits for its reply stays as it is. While a compression waits for a yes no further one is
    proposed; one that can no longer be carried out gives way to the next, unless somebody has edited it. After a no,
    or an undo, none is proposed as long as the budget is the same and anything it was about is in the context.

    Attributes:
        threshold: The part of the budget that has to be full.
        asks_model: Whether the model configured for `compress` writes the summaries; `None` for only where the
            policy compresses by itself, so that a proposal nobody asked for costs nothing.
    """

    kind: ClassVar[str] = "auto_compress"
    events: ClassVar[tuple[str, ...]] = ("after_commit", "after_merge")

    priority: int = 10
    autonomy: AutonomyLevel = AutonomyLevel.COLLABORATIVE
    threshold: float = Field(default=0.9, gt=0, le=1)
    asks_model: bool | None = None

    def is_due(self, view: PolicyView) -> bool:
        """Tell whether the context is as full."""
        limit = view.limit_tokens or 0
        return limit > 0 and view.tokens >= limit * self.threshold

    def evaluate(self, event: Event, view: PolicyView) -> Decision:  # noqa: ARG002 - whatever was committed
        """Compare the size of the context with its budget."""
        return self.scan(view)

    def scan(self, view: PolicyView) -> Decision:
        """Compare the size of the context with its budget."""
        limit = view.limit_tokens
        if not limit or not self.is_due(view):
            return None
        here = [one for one in view.proposals if one.verb == "compress" and one.branch == view.branch]
        shown = view.shown
        if any(_stands(one, shown, limit) for one in itertools.chain(here, self._undone(view))):
            return None
        asked = _unanswered(view)
        if not view.compressible(asked):
            return None
        args: dict[str, Any] = {"limit_tokens": limit, "preserve": asked}
        mine = [one for one in here if one.state == "open" and one.policy == self.name]
        args["replaces"] = [one.number for one in mine if not one.is_edited]
        if self.asks_model is not None:
            args["asks_model"] = self.asks_model
        return PolicyAction("compress", args, f"{view.tokens:,} of {limit:,} tokens are used")

    def _undone(self, view: PolicyView) -> Iterator[Asked]:
        # Looked for only where no proposal settles it: the operations have to be read.
        for one in view.undone(self.name):
            if one.verb == "compress" and one.branch == view.branch:
                yield one


def _stands(one: Asked, shown: Mapping[str, str], limit: int) -> bool:
    """Tell whether a proposal can still be approved, or a no still counts."""
    if one.state == "open":
        return all(shown.get(place) == content for place, content in one.covers)
    is_same_budget = one.args.get("limit_tokens", limit) == limit
    return one.state in {"rejected", "undone"} and is_same_budget and any(place in shown for place, _ in one.covers)


def _unanswered(view: PolicyView) -> list[str]:
    """Return the last thing the user said, if the model has not replied to it."""
    for entry in reversed(view.entries):
        message = entry.shown.message
        if message is None or not entry.is_visible:
            continue
        if message.role == "user":
            return [entry.placed.hash.hex()]
        if message.role == "assistant" and not message.tool_calls:
            return []
    return []
