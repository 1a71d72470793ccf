"""Answers when a context is full enough to be compressed."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.objects.decision import AutonomyLevel
from tract.objects.policy import Event, PolicyAction


class AutoCompress(Policy):
    """Proposes a compression of all that is not pinned once the context fills its token budget; without one, nothing.

    While a compression waits for a yes it proposes no further one.

    Attributes:
        threshold: The part of the budget that has to be full.
    """

    kind: ClassVar[str] = "auto_compress"
    events: ClassVar[tuple[str, ...]] = ("after_commit", "after_merge")

    priority: int = 10
    autonomy: AutonomyLevel = AutonomyLevel.COLLABORATIVE
    threshold: float = Field(default=0.9, gt=0, le=1)

    def evaluate(self, event: Event, view: PolicyView) -> Decision:  # noqa: ARG002 - whatever was committed
        """Compare the size of the context with its budget."""
        return self.scan(view)

    def scan(self, view: PolicyView) -> Decision:
        """Compare the size of the context with its budget."""
        limit, tokens = view.limit_tokens, view.tokens
        if not limit or tokens < limit * self.threshold or "compress" in view.open_proposals:
            return None
        return PolicyAction("compress", {}, f"{tokens:,} of {limit:,} tokens are used")
