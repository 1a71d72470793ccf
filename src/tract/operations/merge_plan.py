"""Answers what a merge would do: its bases, what it shows, what conflicts, and which commits establish it.

Nothing here writes. The plan is a pure function of the commits merged and of the resolutions given,
so it can be made again after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from tract.compile.compiler import states_of
from tract.compile.fold import Entry, Event, State, extend
from tract.compile.three_way import Clash, ConflictKind, Decision, Wanted, decide, shared_length
from tract.errors import InvalidInputError
from tract.history.lanes import lane_of, merged_of, place_of
from tract.history.merge_base import merge_bases
from tract.objects.decision import Action
from tract.objects.message import Message
from tract.storage import queries as q
from tract.store import Store

ClashKey: TypeAlias = tuple[ConflictKind, int]
"""What tells clashes of one plan apart: kind and entry."""


@dataclass(frozen=True, slots=True)
class NewContent:
    """A content that was written to resolve a conflict."""

    content_type: str
    payload: bytes
    content_hash: bytes
    message: Message
    tokens: int
    files: tuple[bytes, ...] = ()
    origin: str = "developer"
    config: bytes | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """How one clash was resolved: a side, a new content, or leaving the entry out."""

    action: Action
    content: NewContent | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """A commit that follows the merge commit, to establish what the merge is to show.

    Attributes:
        op: `edit`, `annotate`, `revert` or `reorder`.
        targets: Row ids it acts on.
        content: The event whose content an edit repeats, or a new content.
        priority: What an annotation sets.
    """

    op: Literal["edit", "annotate", "revert", "reorder"]
    targets: tuple[int, ...]
    content: Event | NewContent | None = None
    priority: str = "normal"


@dataclass(frozen=True, slots=True)
class MergePlan:
    """A merge about to be made.

    Attributes:
        store: The open store.
        bases: Hashes of the merge bases.
        old: Their states.
        ours: State of the branch merged into.
        theirs: State of the other side.
        plain: State the merge commit alone gives.
        decision: What it is to show.
    """

    store: Store = field(repr=False)
    bases: tuple[bytes, ...]
    old: tuple[State, ...]
    ours: State
    theirs: State
    plain: State
    decision: Decision = field(repr=False)

    def clash(self, key: ClashKey) -> Clash:
        """Return the clash with this kind and entry."""
        return next(clash for clash in self.decision.clashes if (clash.kind, clash.entry) == key)


def bases_of(store: Store, ours: bytes, theirs: bytes) -> tuple[bytes, ...]:
    """Return the hashes of the best common ancestors of two commits, newest first."""
    with store.reading() as database:
        sides = place_of(store, ours), place_of(store, theirs)
        found = merge_bases(*sides, lambda one: lane_of(store, one), lambda one: merged_of(store, one))
        rows = [database.one(q.AT_GENERATION, lane_id=at.lane, generation=at.generation) for at in found]
        return tuple(row[0] for row in rows if row is not None)


def plan_merge(store: Store, ours: bytes, theirs: bytes) -> MergePlan:
    """Return what merging *theirs* into *ours* would do.

    Cost:
        O(commits since the bases), where the fold of *ours* is known and the shared history is linear.
    """
    states = states_of(store)
    bases = bases_of(store, ours, theirs)
    mine = states.get(ours)
    other = states.get(theirs)
    old = [states.get(base) for base in bases]
    plain = extend(mine, [*_added(mine, other, old), _merge_event(mine, other)])
    return MergePlan(store, bases, tuple(old), mine, other, plain, decide(old, mine, other))


def _added(ours: State, theirs: State, bases: Sequence[State]) -> list[Event]:
    """Return the events of *theirs* that *ours* lacks, in linear order."""
    # One base that *theirs* begins with, as a rule: *ours* has all of that, so no look at it is needed.
    shared = shared_length(bases, theirs)
    return [event for event in theirs.events[shared:] if ours.position(event.id) is None]


def brought(store: Store, ours: State, theirs: State) -> list[Event]:
    """Return the events a merge of *theirs* would bring into *ours*, in linear order."""
    assert ours.head is not None
    assert theirs.head is not None
    bases = [states_of(store).get(base) for base in bases_of(store, ours.head.hash, theirs.head.hash)]
    return _added(ours, theirs, bases)


def _merge_event(ours: State, theirs: State) -> Event:
    """Return an event that stands for a merge commit yet to be written."""
    assert ours.head is not None
    assert theirs.head is not None
    return pseudo_event(ours, "merge", ())


def pseudo_event(state: State, op: str, targets: tuple[int, ...]) -> Event:
    """Return an event for a commit yet to be written; no stored commit has its row id."""
    return Event(
        id=-1 - state.length,
        hash=b"",
        generation=0,
        lane=0,
        op=op,
        targets=targets,
        content_type=None,
        config=None,
        message=None,
        priority="normal",
        tokens=0,
        origin="developer",
        author="",
        created_at=0,
    )


def event_of(state: State, addition: Addition) -> Event:
    """Return the event *addition* will be, following *state*."""
    event = pseudo_event(state, addition.op, addition.targets)
    content = addition.content
    if isinstance(content, NewContent):
        return event._replace(
            content_type=content.content_type,
            content=content.content_hash,
            message=content.message,
            tokens=content.tokens,
        )
    if content is not None:
        return content._replace(id=event.id, op="edit", targets=addition.targets)
    return event._replace(priority=addition.priority)


# --- resolving -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Aim:
    """What a merge is to show once every clash is resolved."""

    wanted: dict[int, Wanted]
    contents: dict[int, NewContent]
    order: tuple[int, ...] | None


def _resolved(plan: MergePlan, choices: Mapping[ClashKey, Choice]) -> _Aim:
    aim = _Aim(dict(plan.decision.wanted), {}, plan.decision.order)
    kept: set[int] = set()
    dropped: set[int] = set()
    for clash in plan.decision.clashes:
        choice = choices[clash.kind, clash.entry]
        if clash.kind == "reordered_differently":
            aim.order = _order_of(plan, choice)
        else:
            won, lost = _choose(aim, clash, choice)
            kept |= won
            dropped |= lost
    covered = {one: _targets(plan.plain, one) for one in kept}
    for entry, wanted in aim.wanted.items():
        # A compression is on or off as a whole: one that lost at an entry is off everywhere, and one
        # that won covers all it names.
        covers = wanted.covers | {one for one, targets in covered.items() if entry in targets}
        aim.wanted[entry] = replace(wanted, covers=covers - dropped)
    return aim


def _targets(state: State, commit: int) -> frozenset[int]:
    event = state.event(commit)
    return frozenset() if event is None else frozenset(event.targets)


def _order_of(plan: MergePlan, choice: Choice) -> tuple[int, ...] | None:
    side = plan.theirs if choice.action == "theirs" else plan.ours
    known = set(plan.decision.order or ())
    return tuple(entry.placed.id for entry in side.order if entry.placed.id in known)


def _choose(aim: _Aim, clash: Clash, choice: Choice) -> tuple[set[int], set[int]]:
    """Apply one choice to what is wanted, and return the compressions it keeps and those it drops."""
    wanted = aim.wanted[clash.entry]
    if choice.action == "skip":
        aim.wanted[clash.entry] = replace(wanted, priority="skip")
        return set(), set()
    if choice.action == "use":
        assert choice.content is not None
        aim.contents[clash.entry] = choice.content
        shown = "normal" if wanted.priority == "skip" else wanted.priority
        aim.wanted[clash.entry] = replace(wanted, priority=shown, covers=frozenset(clash.base.covers))
        return set(), {*clash.ours.covers, *clash.theirs.covers} - set(clash.base.covers)
    side, other = (clash.ours, clash.theirs) if choice.action == "ours" else (clash.theirs, clash.ours)
    if clash.kind in {"overlapping_compressions", "compressed_and_changed"}:
        aim.wanted[clash.entry] = replace(wanted, covers=frozenset(side.covers))
        return set(side.covers) - set(other.covers), set(other.covers) - set(side.covers)
    content = side.shown if clash.kind != "annotated_differently" else wanted.content
    priority = side.priority if clash.kind != "both_edited" else wanted.priority
    aim.wanted[clash.entry] = replace(wanted, content=content, priority=priority)
    return set(), set()


# --- establishing --------------------------------------------------------------------------------


def additions(plan: MergePlan, choices: Mapping[ClashKey, Choice]) -> tuple[list[Addition], State, list[int]]:
    """Return the commits that establish what *plan* is to show, the state after them, and what they cannot.

    Args:
        plan: The merge.
        choices: How each clash was resolved.

    Returns:
        Additions in order; the state after the last; row ids of entries no such commit can establish.
    """
    aim = _resolved(plan, choices)
    found: list[Addition] = []
    state = plan.plain
    for step in (_reverts, _contents, _orders):
        for addition in step(state, aim):
            found.append(addition)
            state = extend(state, [event_of(state, addition)])
    return found, state, [entry for entry in aim.wanted if not _is_established(state, aim, entry)]


def _reverts(state: State, aim: _Aim) -> list[Addition]:
    """Return the reverts that switch compressions off that are not wanted, and on that are."""
    off: list[int] = []
    for entry, wanted in aim.wanted.items():
        covers = set(_entry(state, entry).covers)
        off += [one for one in sorted(covers - wanted.covers) if one not in off]
        off += [one for cover in sorted(wanted.covers - covers) for one in _reverts_of(state, cover) if one not in off]
    return [Addition("revert", (one,)) for one in off]


def _reverts_of(state: State, commit: int) -> list[int]:
    return [event.id for event in state.changes() if event.op == "revert" and commit in event.targets][-1:]


def _contents(state: State, aim: _Aim) -> list[Addition]:
    """Return the edits and annotations that are missing."""
    found: list[Addition] = []
    for entry, wanted in aim.wanted.items():
        now, new = _entry(state, entry), aim.contents.get(entry)
        if new is not None:
            found.append(Addition("edit", (entry,), new))
        elif not _same_content(now.shown, wanted.content):
            found.append(Addition("edit", (entry,), wanted.content))
        if now.priority != wanted.priority:
            found.append(Addition("annotate", (entry,), priority=wanted.priority))
    return found


def _orders(state: State, aim: _Aim) -> list[Addition]:
    """Return the reordering that is missing, naming only what moves."""
    if aim.order is None:
        return []
    known = set(aim.order)
    now = [entry.placed.id for entry in state.order if entry.placed.id in known]
    moved = [new for old, new in zip(now, aim.order, strict=True) if old != new]
    return [Addition("reorder", tuple(moved))] if moved else []


def _is_established(state: State, aim: _Aim, entry: int) -> bool:
    now, wanted, new = _entry(state, entry), aim.wanted[entry], aim.contents.get(entry)
    content = now.shown.content == new.content_hash if new is not None else _same_content(now.shown, wanted.content)
    return content and now.priority == wanted.priority and set(now.covers) == wanted.covers


def _entry(state: State, entry: int) -> Entry:
    found = state.entry(entry)
    assert found is not None
    return found


def _same_content(now: Event, wanted: Event) -> bool:
    # An edit without a config of its own keeps the one there was, so a missing config cannot be asked for.
    config = now.config if wanted.config is None else wanted.config
    return (now.content_type, now.content, now.config) == (wanted.content_type, wanted.content, config)


def require_action(kind: ConflictKind, action: Action) -> None:
    """Refuse an action that says nothing about a clash.

    Raises:
        InvalidInputError: A new content for what is no question of content.
    """
    if action in {"use", "skip"} and kind in {"overlapping_compressions", "reordered_differently"}:
        raise InvalidInputError(
            f"`{action}` does not resolve a conflict of kind {kind}.", hint="Choose `ours` or `theirs`."
        )
