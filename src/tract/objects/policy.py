"""Answers what a policy is told and what it may say: events, verdicts, actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

from pydantic import BaseModel

from tract.errors import InvalidInputError, shown

VerdictKind: TypeAlias = Literal["allow", "warn", "fix", "ask", "deny"]
PolicyMode: TypeAlias = Literal["enforce", "shadow", "off"]

SUBJECTS: Final = ("commit", "compile", "generate", "tool_call", "merge", "compress", "spawn", "collapse")
EVENTS: Final = tuple(f"{when}_{what}" for what in SUBJECTS for when in ("before", "after"))
"""What policies are asked about."""

ACTING: Final[ContextVar[tuple[str, ...]]] = ContextVar("ACTING", default=())
"""The policies on whose behalf something is done now, the outermost first."""


@contextmanager
def acting(name: str) -> Iterator[None]:
    """Let what is done in the block be done on behalf of the policy *name*."""
    now = ACTING.get()
    token = ACTING.set(now if name in now else (*now, name))
    try:
        yield
    finally:
        ACTING.reset(token)


@dataclass(frozen=True, slots=True)
class Event:
    """What is about to be done, or was.

    Attributes:
        name: Such as `before_commit`; one of `EVENTS`.
        verb: Name of the operation, such as `commit`, `edit` or `chat`.
        content: What is to be committed; `None` where there is no content.
        args: What else is known, by name: of a commit its `message`, `metadata`, `reason` and `generation_config`, of
            a tool call its `name` and `arguments`.
        commits: Hashes of the commits that were written, the oldest first.
        operation: Number of the operation that was done.
        policies: Names of those that changed what is to be done.
    """

    name: str
    verb: str
    content: BaseModel | None = field(default=None, repr=False)
    args: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    commits: tuple[str, ...] = ()
    operation: int | None = None
    policies: tuple[str, ...] = ()

    @property
    def is_before(self) -> bool:
        """Whether it can still be denied."""
        return self.name.startswith("before_")


@dataclass(frozen=True, slots=True)
class PolicyAction:
    """Something a policy wants done, as one operation that names it.

    Attributes:
        verb: `annotate`, `compress`, `rename_branch`, `branch` or `rebase`.
        args: What the verb needs, as JSON values.
        reason: Why.
    """

    verb: str
    args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    reason: str = ""

    def __str__(self) -> str:
        return self.reason or self.verb


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says about an event.

    Attributes:
        kind: `allow`; `warn` with a Python `PolicyWarning`; `fix` what is to be done; `ask` a person; `deny`.
        reason: Why; never quote what must not be stored.
        content: What to commit instead, for `fix`.
        args: What to say instead beside the content, for `fix`: those of the event that differ.
    """

    kind: VerdictKind
    reason: str = ""
    content: BaseModel | None = field(default=None, repr=False)
    args: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(VerdictKind):
            raise InvalidInputError(
                f"{shown(self.kind)} is no verdict.", hint=f"Verdicts are {', '.join(get_args(VerdictKind))}."
            )
        if not isinstance(self.reason, str):
            raise InvalidInputError(f"`reason` is text, not {shown(self.reason)}.")


def note_policies(args: dict[str, Any], names: Sequence[str]) -> None:
    """Let the arguments of an operation say that policies did it, or changed what was to be done."""
    if names:
        args["policies"] = sorted({*args.get("policies", ()), *names})


class Decides(Protocol):
    """What a handle asks before and after what it does; there is none where no policy is in force."""

    def before(self, event: Event) -> Event:
        """Return *event* as it may be done.

        Raises:
            PolicyDeniedError: It may not.
        """
        ...

    def after(self, event: Event) -> None:
        """Let policies see what was done; raises nothing."""
        ...

    def done(self, verb: str, number: int, written: frozenset[int], args: Mapping[str, Any]) -> None:
        """Let policies see an operation that was done, and the row ids of the commits it wrote; raises nothing."""
        ...
