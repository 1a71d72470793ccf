"""Answers who decides what the rules leave open, and how: levels of autonomy, resolutions, resolvers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias, get_args

from pydantic import BaseModel

from tract.errors import InvalidInputError, shown
from tract.objects.commit import ORIGINS
from tract.objects.usage import Usage

Action: TypeAlias = Literal["use", "ours", "theirs", "skip", "abort"]

ACTIONS: Final[frozenset[str]] = frozenset(get_args(Action))


class AutonomyLevel(StrEnum):
    """How far an operation may go on its own: `manual` < `collaborative` < `autonomous`.

    `manual` calls no resolver, `collaborative` leaves its result to review, `autonomous` carries it out.
    """

    MANUAL = "manual"
    COLLABORATIVE = "collaborative"
    AUTONOMOUS = "autonomous"

    def __lt__(self, other: object) -> bool:
        # Without this the levels would compare as text: "autonomous" < "manual".
        return _RANK[self] < _RANK[autonomy_level(other)]

    def __le__(self, other: object) -> bool:
        return _RANK[self] <= _RANK[autonomy_level(other)]

    def __gt__(self, other: object) -> bool:
        return _RANK[self] > _RANK[autonomy_level(other)]

    def __ge__(self, other: object) -> bool:
        return _RANK[self] >= _RANK[autonomy_level(other)]


_RANK: Final = {level: rank for rank, level in enumerate(AutonomyLevel)}


def autonomy_level(value: object) -> AutonomyLevel:
    """Return the level called *value*.

    Raises:
        InvalidInputError: There is no such level.
    """
    if isinstance(value, str) and value in {level.value for level in AutonomyLevel}:
        return AutonomyLevel(value)
    raise InvalidInputError(
        f"{shown(value)} is no autonomy level.", hint=f"Levels are {', '.join(level.value for level in AutonomyLevel)}."
    )


@dataclass(frozen=True, slots=True)
class Resolution:
    """What somebody decided about one issue.

    Attributes:
        action: `use` this content, or go on with what was going to be done where none is needed;
            take `ours` or `theirs`; `skip` what the issue is about; `abort` all of it.
        content: What to use: a content model, a mapping or text. Not shown in the `repr`.
        reason: Why.
        origin: Who the content came from, as for `t.commit`; `None` for the developer.
        generation_config: Settings the content was generated with, if a model wrote it.
    """

    action: Action
    content: BaseModel | Mapping[str, Any] | str | None = None
    reason: str | None = None
    origin: str | None = None
    generation_config: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.action, str) and self.action in ACTIONS):
            raise InvalidInputError(
                f"{shown(self.action)} is no action of a resolution.", hint=f"Actions are {', '.join(sorted(ACTIONS))}."
            )
        if self.content is not None and self.action != "use":
            raise InvalidInputError("Only a resolution with the action `use` has content.")
        if self.reason is not None and not isinstance(self.reason, str):
            raise InvalidInputError(f"`reason` is text, not `{type(self.reason).__name__}`.")
        if self.origin is not None and not (isinstance(self.origin, str) and self.origin in ORIGINS):
            raise InvalidInputError(
                f"{shown(self.origin)} is no origin.", hint=f"Origins are {', '.join(sorted(ORIGINS))}."
            )
        if self.generation_config is not None and not isinstance(self.generation_config, Mapping):
            raise InvalidInputError(f"`generation_config` is a mapping, not {shown(self.generation_config)}.")

    def __repr__(self) -> str:
        return f"<Resolution {self.action}>"


Resolver: TypeAlias = Callable[[Any], Resolution]
"""Decides one issue: a conflict, a safety warning, a missing target. Called with no transaction open."""


def decided(resolver: Resolver, issue: object) -> Resolution:
    """Return what *resolver* says about *issue*.

    Raises:
        InvalidInputError: It returned something else than a `Resolution`.
    """
    resolution = resolver(issue)
    if not isinstance(resolution, Resolution):
        raise InvalidInputError(
            f"The resolver returned a `{type(resolution).__name__}`.",
            hint="Return a `Resolution`, as in `Resolution('skip')`.",
        )
    return resolution


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model that was asked to decide or to review something; what it cost was paid, whatever became of it.

    Attributes:
        about: The kind of the issue it was asked about, or `review`.
        model: The model that answered, as its provider names it.
        usage: What the call cost in tokens, or `None` if the provider did not say.
    """

    about: str
    model: str
    usage: Usage | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        usage = {} if self.usage is None else asdict(self.usage)
        return {**usage, "about": self.about, "model": self.model}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> ModelCall:
        """Return what `plain` made."""
        about, model, counts = plain["about"], plain["model"], dict(plain)
        del counts["about"]
        return cls(about, model, Usage(**counts) if len(counts) > 1 else None)
