"""Answers what a policy is: data with an `evaluate`, or a function of the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tract.agent.policies.view import PolicyView
from tract.errors import InvalidInputError, shown
from tract.objects.decision import AutonomyLevel
from tract.objects.policy import EVENTS, Event, PolicyAction, PolicyMode, Verdict

Decision: TypeAlias = Verdict | PolicyAction | None
"""What a policy may answer; `None` is as good as `Verdict("allow")`."""


class Policy(BaseModel):
    """One rule: which events it is asked about, and what it says. Subclass it, or write a function.

    Attributes:
        name: What names it in its tract; its `kind` if not given.
        priority: Those of higher priority are asked first, and see what the others will see.
        mode: `enforce`; `shadow` decides and is logged, and changes nothing; `off` is not asked.
        autonomy: What becomes of an action: `autonomous` does it, `collaborative` proposes it, `manual` only says so.
        cooldown_seconds: After an action, do nothing further for so long. Denials know no rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    kind: ClassVar[str] = ""
    events: ClassVar[tuple[str, ...]] = ()

    name: str = ""
    priority: int = 0
    mode: PolicyMode = "enforce"
    autonomy: AutonomyLevel = AutonomyLevel.AUTONOMOUS
    cooldown_seconds: float = Field(default=0.0, ge=0)

    @field_validator("name")
    @classmethod
    def _is_word(cls, name: str) -> str:
        name = name or cls.kind or cls.__name__
        if len(name) > 100 or not name.isprintable() or name != name.strip():
            raise ValueError("a name is up to 100 printable characters")
        return name

    def model_post_init(self, _: Any) -> None:
        """Name it after its kind where it has no name."""
        if not self.name:
            object.__setattr__(self, "name", self.kind or type(self).__name__)

    @property
    def watched(self) -> tuple[str, ...]:
        """The events it is asked about."""
        return self.events

    def is_due(self, view: PolicyView) -> bool:  # noqa: ARG002 - for those that wait for something
        """Tell whether it is to be asked at all; before that nothing of it is read or logged."""
        return True

    def evaluate(self, event: Event, view: PolicyView) -> Decision:
        """Return what is to become of *event*; *view* is what can be seen of the tract."""
        raise NotImplementedError

    def scan(self, view: PolicyView) -> Decision:  # noqa: ARG002 - for those that can
        """Return what is to become of the whole context, as if all of it were new.

        Raises:
            InvalidInputError: It looks at single events only.
        """
        raise InvalidInputError(f"The policy {shown(self.name)} looks at single events only.")


class FunctionPolicy(Policy):
    """A function of the application: `function(event, view)`. It is in force on one handle and not kept.

    Attributes:
        function: What is asked.
        on: The events it is asked about.
    """

    kind: ClassVar[str] = "function"

    function: Callable[[Event, PolicyView], Decision] = Field(exclude=True, repr=False)
    on: tuple[str, ...]

    @field_validator("on")
    @classmethod
    def _are_events(cls, on: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in on if name not in EVENTS]
        if unknown or not on:
            raise ValueError(f"{unknown[0] if unknown else 'nothing'} is no event; events are {', '.join(EVENTS)}")
        return on

    @property
    def watched(self) -> tuple[str, ...]:
        """The events it is asked about."""
        return self.on

    def evaluate(self, event: Event, view: PolicyView) -> Decision:
        """Ask the function."""
        return self.function(event, view)


_EXAMPLE: Final = 'Such as `t.policies.add("secret_guard")`; `t.policies.kinds` lists what there is.'


def built(kind: type[Policy], fields: Mapping[str, Any]) -> Policy:
    """Return a policy of *kind*.

    Raises:
        InvalidInputError: A field is unknown, or has a value it cannot have.
    """
    try:
        return kind.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidInputError(f"The policy {shown(kind.kind)}, `{where}`: {first['msg']}.", hint=_EXAMPLE) from error
