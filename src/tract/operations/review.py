"""Answers what is odd about a merge that has no conflict: what both sides brought, and concerns about it.

A conflict is found from the graph alone. A concern is about what messages say, so it comes from a
reviewer: the rules here, or a function of the application, such as one that asks a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tract.compile.fold import Entry, State
from tract.errors import InvalidInputError
from tract.objects.message import Message
from tract.operations.copying import Copies
from tract.operations.merge_plan import MergePlan


@dataclass(frozen=True, slots=True)
class Brought:
    """A message one side brings: new, or changed since the merge base.

    Attributes:
        commit: Hash of the commit whose content it is.
        content_type: Type of that content.
        message: What it says.
        is_edit: Whether it replaces what the base said.
        origin: Who it came from.
        is_conflicting: Whether it is a conflict of the merge, which is decided apart.
    """

    commit: str
    content_type: str
    message: Message = field(repr=False)
    is_edit: bool
    origin: str = "user"
    is_conflicting: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer looks at: the visible messages each side brings, in order.

    Attributes:
        ours: Those of the current branch.
        theirs: Those of the other.
    """

    ours: tuple[Brought, ...]
    theirs: tuple[Brought, ...]


@dataclass(frozen=True, slots=True)
class Concern:
    """Something to look at before a merge is written, though nothing conflicts.

    Attributes:
        kind: What; the rules know `same_content`, `instructions_on_both_sides`, `instruction_changed`
            and `same_call`, a model `contradiction`, `repetition`, `outdated`, `dependency`, `other` and `unread`.
        text: A sentence for people.
        commits: Hashes of the commits it is about.
    """

    kind: str
    text: str
    commits: tuple[str, ...] = ()

    def plain(self) -> list[Any]:
        """Return it as JSON."""
        return [self.kind, self.text, list(self.commits)]

    @classmethod
    def read(cls, plain: Sequence[Any]) -> Concern:
        """Return what `plain` made."""
        return cls(plain[0], plain[1], tuple(plain[2]))


Reviewer: TypeAlias = Callable[[Review], Iterable[Concern]]
"""Looks at what both sides of a merge bring. Called with no transaction open."""


def review_of(plan: MergePlan) -> Review:
    """Return what the sides of *plan* bring, for a reviewer."""
    return Review(_brought(plan, plan.ours), _brought(plan, plan.theirs))


def visible_in(state: State, *, without: State | None = None) -> tuple[Brought, ...]:
    """Return the visible messages of *state*, but those *without* knows as well."""
    known = [entry for entry in state.shown if without is None or without.entry(entry.placed.id) is None]
    return tuple([_as_brought(entry, entry.placed.hash) for entry in known])


def copied_by(copies: Copies) -> tuple[Brought, ...]:
    """Return the visible messages that *copies* add or edit, by the hashes of the commits they copy."""
    state = copies.chain.state
    found: dict[int, Brought] = {}
    for old, event in copies.made.items():
        original = None if state is None else state.original(event.id)
        entry = None if state is None or original is None else state.entry(original)
        if entry is not None and entry.is_visible:
            found[entry.placed.id] = _as_brought(entry, old)
    return tuple(found.values())


def _as_brought(entry: Entry, commit: bytes) -> Brought:
    assert entry.shown.message is not None  # it is visible
    assert entry.shown.content_type is not None
    is_edit = entry.shown.id != entry.placed.id
    return Brought(commit.hex(), entry.shown.content_type, entry.shown.message, is_edit, entry.shown.origin)


def reviewed(reviewer: Reviewer | None, review: Review) -> tuple[Concern, ...]:
    """Return what *reviewer*, or the rules, say about *review*.

    Raises:
        InvalidInputError: It returned something else than concerns.
    """
    found = (reviewer or review_by_rules)(review)
    concerns = tuple(found) if isinstance(found, Iterable) else (found,)
    for one in concerns:
        if not isinstance(one, Concern):
            raise InvalidInputError(
                f"The reviewer returned a `{type(one).__name__}`.", hint="Return a list of `Concern` values."
            )
    return concerns


def review_by_rules(review: Review) -> list[Concern]:
    """Return what can be noticed without a model.

    Example:
        >>> review_by_rules(Review((), ()))
        []
    """
    return [
        concern for rule in (_same_content, _instructions, _instruction_changed, _same_call) for concern in rule(review)
    ]


def _brought(plan: MergePlan, side: State) -> tuple[Brought, ...]:
    touched = {target for event in side.changes(_shared(plan, side)) for target in event.targets}
    new = side.entries[_first_new(plan, side) :]
    changed = [entry for one in sorted(touched) if (entry := side.entry(one)) is not None]
    found = {entry.placed.id: entry for entry in (*changed, *new)}
    return tuple(one for entry in found.values() if (one := _one(plan, entry)) is not None)


def _shared(plan: MergePlan, side: State) -> int:
    """Return the position up to which *side* and every base have the same events."""
    return min((_agreeing(base, side) for base in plan.old), default=0) - 1


def _agreeing(base: State, side: State) -> int:
    if base.head is not None and side.length >= base.length and side.events[base.length - 1].id == base.head.id:
        return base.length
    pairs = zip(base.events, side.events, strict=False)
    return next((at for at, (mine, other) in enumerate(pairs) if mine.id != other.id), min(base.length, side.length))


def _first_new(plan: MergePlan, side: State) -> int:
    """Return the index of the first entry behind what *side* shares with every base."""
    shared = _shared(plan, side)
    return side.entries.length - sum(event.op in {"append", "compress"} for event in side.events[shared + 1 :])


def _one(plan: MergePlan, entry: Entry) -> Brought | None:
    """Return *entry* as a side brings it, or `None` if a base shows the same or it is hidden."""
    shown = entry.shown
    if not entry.is_visible or shown.message is None or shown.content_type is None:
        return None
    old = [before for base in plan.old if (before := base.entry(entry.placed.id)) is not None]
    if any(before.shown.content == shown.content and before.is_visible for before in old):
        return None
    is_conflicting = any(clash.entry == entry.placed.id for clash in plan.decision.clashes)
    return Brought(shown.hash.hex(), shown.content_type, shown.message, bool(old), shown.origin, is_conflicting)


def _same_content(review: Review) -> list[Concern]:
    theirs = {_said(other): other for other in review.theirs if not other.is_edit}
    return [
        Concern("same_content", "Both sides added the same message.", (one.commit, theirs[_said(one)].commit))
        for one in review.ours
        if not one.is_edit and _said(one) in theirs
    ]


def _said(one: Brought) -> object:
    calls = tuple((call.name, call.arguments) for call in one.message.tool_calls)
    return one.message.role, one.message.text, calls


def _is_instruction(one: Brought) -> bool:
    return one.content_type == "instruction"


def _instructions(review: Review) -> list[Concern]:
    new = [
        [one.commit for one in side if _is_instruction(one) and not one.is_edit]
        for side in (review.ours, review.theirs)
    ]
    if not (new[0] and new[1]):
        return []
    return [Concern("instructions_on_both_sides", "Both sides added instructions.", (*new[0], *new[1]))]


def _instruction_changed(review: Review) -> list[Concern]:
    """Return instructions one side edited while the other went on under the old ones."""
    found = []
    for side, other in ((review.ours, review.theirs), (review.theirs, review.ours)):
        under = [one.commit for one in other if not one.is_edit]
        found += [
            Concern(
                "instruction_changed",
                "One side changed an instruction that the other side's new messages were written under.",
                (one.commit, *under),
            )
            for one in side
            if one.is_edit and _is_instruction(one) and under
        ]
    return found


def _same_call(review: Review) -> list[Concern]:
    theirs = {(call.name, call.arguments): one for one in review.theirs for call in one.message.tool_calls}
    return [
        Concern(
            "same_call", f"Both sides called {call.name} with the same arguments.", (one.commit, theirs[key].commit)
        )
        for one in review.ours
        for call in one.message.tool_calls
        if (key := (call.name, call.arguments)) in theirs
    ]
