"""Answers when an orchestrator runs by itself: what is measured, and what of it is reason enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import Field

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.compile.compiler import states_of
from tract.errors import InvalidInputError, shown
from tract.objects.policy import Event
from tract.store import Store

HEARD: Final = ("after_commit", "after_merge", "after_collapse", "after_compile")
"""The events an attached orchestrator hears of."""

_GROWTH: Final = 0.05
"""How much of the budget the context has to grow before a share that was looked at is reason for another look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """When an orchestrator runs by itself; what is not given is no reason.

    Attributes:
        commits: After so many commits since the last run.
        share: Once this part of the token budget is used; and again when the context has grown by 5 % of the budget.
        on_compile: After a compile of something new; the next compile shows what was done.
        idle_seconds: When the last commit is this old, and came after the last run. Somebody has to look at the clock:
            any other event, `tick()`, or `watch()`.
    """

    commits: int | None = None
    share: float | None = None
    on_compile: bool = False
    idle_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.commits is not None and not (type(self.commits) is int and self.commits >= 1):
            raise InvalidInputError(f"`commits` is a number from 1, not {shown(self.commits)}.")
        if self.share is not None and not (_is_number(self.share) and 0 < self.share <= 1):
            raise InvalidInputError(f"`share` is a part of 1, such as 0.8, not {shown(self.share)}.")
        if not isinstance(self.on_compile, bool):
            raise InvalidInputError(f"`on_compile` is true or false, not {shown(self.on_compile)}.")
        if self.idle_seconds is not None and not (_is_number(self.idle_seconds) and self.idle_seconds >= 0):
            raise InvalidInputError(f"`idle_seconds` is a number from 0, not {shown(self.idle_seconds)}.")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - NaN


@dataclass(frozen=True, slots=True)
class Sight:
    """What triggers look at, at one moment.

    Attributes:
        head: Hash HEAD stands on.
        commits: How many commits its history has.
        tokens: Size of the context.
        limit_tokens: What the budget leaves for it, or `None`.
        idle_seconds: Since the last commit.
    """

    head: bytes | None = None
    commits: int = 0
    tokens: int = 0
    limit_tokens: int | None = None
    idle_seconds: float = 0.0


def sight_of(store: Store) -> Sight:
    """Return what there is to see."""
    view, head = PolicyView(store), store.head_hash()
    if head is None:
        return Sight(limit_tokens=view.limit_tokens)
    events = states_of(store).get(head).events
    idle = max(0, view.now - events[-1].created_at) / 1_000_000
    return Sight(head, len(events), view.tokens, view.limit_tokens, idle)


def due(triggers: Triggers, last: Sight, now: Sight, *, is_compile: bool = False) -> str | None:
    """Return why to run now, in words, or `None`; *last* is what there was to see after the last run."""
    if now.head is None or now.head == last.head:
        return None
    if triggers.share is not None and now.limit_tokens and now.tokens >= triggers.share * now.limit_tokens:
        was_over = last.limit_tokens and last.tokens >= triggers.share * last.limit_tokens
        if not was_over or now.tokens - last.tokens >= _GROWTH * now.limit_tokens:
            return f"{now.tokens:,} of {now.limit_tokens:,} tokens are used"
    if triggers.commits is not None and now.commits - last.commits >= triggers.commits:
        return f"{now.commits - last.commits} commits since the last look"
    if triggers.idle_seconds is not None and now.idle_seconds >= triggers.idle_seconds:
        return f"nothing was committed for {now.idle_seconds:.0f} seconds"
    return "something new was compiled" if triggers.on_compile and is_compile else None


class Attached(Policy):
    """Lets an orchestrator hear of events; in force on one handle, and not kept.

    Attributes:
        hear: Called with each event; what it returns is logged.
        on: The events it hears of.
    """

    kind: ClassVar[str] = "orchestrator"

    hear: Callable[[Event], Decision] = Field(exclude=True, repr=False)
    on: tuple[str, ...] = HEARD

    @property
    def watched(self) -> tuple[str, ...]:
        """The events it hears of."""
        return self.on

    def evaluate(self, event: Event, view: PolicyView) -> Decision:  # noqa: ARG002 - the orchestrator looks itself
        """Hand the event on."""
        return self.hear(event)
