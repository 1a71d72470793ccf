"""Answers who decides about a cherry-pick, rebase or reorder, and what is to be looked at before it is done.

What is to be written is planned with no transaction open, as often as a decision changes it. Then it
is written, or comes back as a result that waits, to be decided and given to `apply`.
"""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel

from tract.compile.safety import SafetyWarning
from tract.errors import InvalidInputError, RefConflictError
from tract.objects.decision import Action, AutonomyLevel, ModelCall, Resolution, Resolver, autonomy_level
from tract.objects.message import Message
from tract.operations.choices import Choices, Issue, is_accepted, kinds, one_of
from tract.operations.copying import Copies
from tract.operations.review import Concern, Review, Reviewer, reviewed
from tract.store import Store

R = TypeVar("R", bound="MoveResult")


@dataclass(frozen=True)
class Move(ABC, Generic[R]):
    """One call of a verb, on the branch and the tip it was made for.

    Attributes:
        store: The open store.
        branch: The current branch.
        head: Hash of its tip, `None` before the first commit.
        seen: What `Store.erasures` was before anything was read; decisions may quote what was erased since.
        verb: Name of the method.
    """

    verb: ClassVar[str]

    store: Store
    branch: str
    head: bytes | None
    seen: str | None = field(default=None, kw_only=True)

    @abstractmethod
    def copies(self, choices: Choices) -> Copies:
        """Return what is to be written as far as it is decided, and what it breaks."""

    def review(self, copies: Copies) -> Review:  # noqa: ARG002 - what it brings
        """Return what comes together when *copies* are written: nothing, unless the verb says otherwise."""
        return Review((), ())

    @abstractmethod
    def write(self, plan: Plan[R]) -> R:
        """Write *plan*, as one operation."""

    @abstractmethod
    def waiting(self, plan: Plan[R]) -> R:
        """Return *plan* as a result that waits."""


@dataclass(frozen=True, slots=True)
class Plan(Generic[R]):
    """What a verb is about to write.

    Attributes:
        move: The call.
        choices: What was decided about it.
        copies: What is to be written.
        concerns: What a reviewer noticed.
        calls: The models that were asked.
    """

    move: Move[R]
    choices: Choices
    copies: Copies
    concerns: tuple[Concern, ...] = ()
    calls: tuple[ModelCall, ...] = ()

    def noted(self, **args: Any) -> dict[str, Any]:
        """Return *args* of the operation, with the models that were asked and what they cost."""
        return {**args, "calls": [one.plain() for one in self.calls]} if self.calls else args

    @property
    def decided(self) -> dict[str, Any]:
        """What every result tells of its plan, as fields."""
        issues = self.choices.issues
        made = self.choices.decisions
        return {
            "issues": issues,
            "decisions": {one: made[one] for one in issues if one in made},
            "skipped": tuple([commit.hex() for commit in self.copies.skipped]),
            "warnings": tuple(self.copies.warnings),
            "concerns": self.concerns,
            "calls": self.calls,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MoveResult:
    """What a cherry-pick, rebase or reorder came to.

    While it waits nothing was written, `head` is `None`, and the rest says what would be.

    Attributes:
        head: Hash the branch is at now, `None` while the result waits.
        issues: What had to be decided, and what still has.
        decisions: How each issue was resolved.
        skipped: Hashes of commits that were left out.
        warnings: What was broken that was allowed or resolved.
        concerns: What a reviewer noticed that breaks nothing.
        calls: The models that were asked, and what they cost.
        plan: How it will be carried out; `None` once it was.
    """

    head: str | None = None
    issues: tuple[Issue, ...] = ()
    decisions: Mapping[Issue, Resolution] = field(default_factory=dict, hash=False)
    skipped: tuple[str, ...] = ()
    warnings: tuple[SafetyWarning, ...] = ()
    concerns: tuple[Concern, ...] = ()
    calls: tuple[ModelCall, ...] = ()
    plan: Plan[Any] | None = field(default=None, compare=False)

    @property
    def is_waiting(self) -> bool:
        """Whether nothing was written yet: `t.apply(result)` does it."""
        return self.plan is not None

    @property
    def unresolved(self) -> tuple[Issue, ...]:
        """The issues nobody has decided yet."""
        return tuple([one for one in self.issues if one not in self.decisions])

    @property
    def preview(self) -> list[Message]:
        """The messages it would show; a commit whose target is missing is left out while that is undecided."""
        state = None if self.plan is None else self.plan.copies.chain.state
        shown = () if state is None else state.shown
        return [entry.shown.message for entry in shown if entry.shown.message is not None]

    def resolve(
        self,
        issue: Issue | int,
        resolution: Resolution | Action,
        content: BaseModel | Mapping[str, Any] | str | None = None,
    ) -> Self:
        """Return this result with one issue decided, or decided in another way; nothing is written before `t.apply`.

        Leaving a commit out may raise new issues, and settle others.

        Args:
            issue: One of `issues`, or its index.
            resolution: `use` (go on; with *content*, say that in the place of what cannot act here),
                `skip` (leave the commit out), or a `Resolution`. `theirs` means `use`, `ours` means `skip`.
            content: A content model, a mapping, or a user's text.

        Raises:
            InvalidInputError: No issue of this result, or an action that does not resolve it.
        """
        if self.plan is None:
            raise InvalidInputError("This was done already.", hint="Take it back with `t.undo()`.")
        one = one_of(self.issues, issue, "issue")
        made = resolution if isinstance(resolution, Resolution) else Resolution(resolution, content)
        _require_resolves(self.plan.copies, one, made)
        choices = self.plan.choices
        again = Choices(choices.verb, choices.allow, decisions={**self.decisions, one: made})
        plan = planned(self.plan.move, again)
        return self.plan.move.waiting(replace(plan, concerns=self.concerns, calls=self.calls))  # type: ignore[no-any-return]

    def _in_words(self, *facts: object) -> str:
        """Return the `repr`: the verb, what it came to, *facts*."""
        name = type(self).__name__
        waits = [f"waiting issues={len(self.issues)} undecided={len(self.unresolved)}"] if self.is_waiting else []
        counts = f"skipped={len(self.skipped)} warnings={len(self.warnings)}"
        return f"<{' '.join(map(str, (name, *waits, *facts, counts)))}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def _require_resolves(copies: Copies, issue: Issue, made: Resolution) -> None:
    """Refuse a decision that says nothing about *issue*."""
    if made.action == "abort":
        raise InvalidInputError("`abort` resolves nothing.", hint="To give up, do not apply the result.")
    if isinstance(issue, SafetyWarning) and not is_accepted(made):
        copied = {commit.hex() for commit in copies.made} | {commit.hex() for commit in copies.skipped}
        if not copied.intersection(issue.commits):
            raise InvalidInputError(
                f"`{made.action}` does not resolve {issue.kind}: there is no copy to leave out.", hint="Choose `use`."
            )


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may decide what, as a caller said.

    Attributes:
        allow: Kinds of warnings to go on in spite of.
        resolver: Decides on the other issues.
        level: Whether its decisions are carried out or left to review.
        reviewer: Looks at what comes together, if given.
        calls: The models the resolver and the reviewer asked; they add to it.
    """

    allow: frozenset[str]
    resolver: Resolver | None
    level: AutonomyLevel
    reviewer: Reviewer | None = None
    calls: list[ModelCall] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        allow: Iterable[str] | str = (),
        resolver: Resolver | None = None,
        autonomy: str | None = None,
        **asked: Any,
    ) -> Terms:
        """Return the terms, checked.

        Raises:
            InvalidInputError: No kind of warning, no callable, or no level.
        """
        if resolver is not None and not callable(resolver):
            raise InvalidInputError(
                f"`resolver` is a callable, not `{type(resolver).__name__}`.",
                hint="It is given an issue, returns a `Resolution`.",
            )
        level = AutonomyLevel.COLLABORATIVE if autonomy is None else autonomy_level(autonomy)
        return cls(kinds(allow), resolver, level, **asked)


def carried_out(move: Move[R], terms: Terms) -> R:
    """Do *move* as far as *terms* go; where nothing has to be decided it is done at every level.

    Returns:
        What was done, or a result that waits: at the level `manual` with its issues undecided, at
        `collaborative` with those the resolver decided.

    Raises:
        MissingTargetError: A commit acts on one that is not there, and nobody may decide.
        SafetyError: Something would break that is not allowed, and nobody may decide.
        AbortedError: The resolver aborted.
    """
    is_manual = terms.level is AutonomyLevel.MANUAL
    choices = Choices(move.verb, terms.allow, resolver=None if is_manual else terms.resolver)
    plan = planned(move, choices)
    if not is_manual:
        choices.require_decided()
        plan = _reviewed(plan, terms)
    if (choices.issues or plan.concerns) and terms.level is not AutonomyLevel.AUTONOMOUS:
        return move.waiting(plan)
    return move.write(plan)


def _reviewed(plan: Plan[R], terms: Terms) -> Plan[R]:
    """Return *plan* with what a reviewer says about it."""
    review = plan.move.review(plan.copies) if terms.reviewer is not None else Review((), ())
    concerns = reviewed(terms.reviewer, review) if review.ours and review.theirs else ()
    return replace(plan, concerns=concerns, calls=tuple(terms.calls))


def planned(move: Move[R], choices: Choices) -> Plan[R]:
    """Return what *move* is to write, with everything decided that can be."""
    while True:
        choices.begin()
        copies = move.copies(choices)
        if choices.settle(copies.warnings, copies.made):
            return Plan(move, choices, copies)


def apply_move(store: Store, result: R) -> R:
    """Do what *result* says, as it was decided.

    Raises:
        MissingTargetError: A commit acts on one that is not there, which nobody has decided on.
        SafetyError: Something would break which nobody has decided on.
        RefConflictError: The branch has moved, or HEAD is on another one.
        ErasedMeanwhileError: Something was erased since it was planned.
        InvalidInputError: It was done already, or belongs to another handle.
    """
    plan: Plan[R] | None = result.plan
    if plan is None:
        raise InvalidInputError("This was done already.", hint="Take it back with `t.undo()`.")
    move = plan.move
    if move.store is not store:
        raise InvalidInputError("This result belongs to another handle.", hint="Apply it where it was made.")
    head = store.head_hash()
    if store.head.branch != move.branch or head != move.head:
        raise RefConflictError(move.branch, _hex(move.head), _hex(head))
    plan.choices.require_decided()
    return move.write(plan)


def _hex(commit: bytes | None) -> str | None:
    return None if commit is None else commit.hex()
