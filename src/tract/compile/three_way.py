"""Answers what a merge should show: compares each entry at the base, ours and theirs. Pure; knows no database.

One side changed: that side. Both alike: no conflict. Both differently: a conflict. The fields of an
entry (content, priority, cover) are compared one by one, so an edit here and a pin there both
apply. With several bases a side counts as unchanged if it equals the state at one of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tract.compile.fold import Entry, Event, State

ConflictKind: TypeAlias = Literal[
    "both_edited",
    "edited_and_skipped",
    "annotated_differently",
    "compressed_and_changed",
    "overlapping_compressions",
    "reordered_differently",
]

Side: TypeAlias = Literal["ours", "theirs"]

Pick: TypeAlias = Literal["same", "ours", "theirs", "conflict"]
"""Which side a field is taken from; `same` where neither changed it or both alike."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a merge is to show at one entry.

    Attributes:
        entry: Row id of the commit that placed it.
        content: The event whose content it shows.
        priority: Its priority.
        covers: Row ids of the compressions that are to cover it.
    """

    entry: int
    content: Event
    priority: str
    covers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Clash:
    """Both sides changed one entry, or the order, in ways that do not go together.

    Attributes:
        kind: How.
        entry: Row id of the entry; for a reordering, of the first entry that moved differently.
        base: The entry at the base it was compared with.
        ours: The entry on our side.
        theirs: The entry on the other side.
    """

    kind: ConflictKind
    entry: int
    base: Entry
    ours: Entry
    theirs: Entry


@dataclass(frozen=True, slots=True)
class Decision:
    """What a merge is to show, and what somebody has to decide first.

    Attributes:
        wanted: What each entry both sides know, and one has touched, is to show, by row id.
        order: The row ids of those entries that were there before, in the order to show them;
            `None` if nobody reordered.
        clashes: What has to be decided; until then `wanted` holds our side of it.
    """

    wanted: dict[int, Wanted] = field(default_factory=dict)
    order: tuple[int, ...] | None = None
    clashes: tuple[Clash, ...] = ()


def pick(bases: Iterable[Hashable], ours: Hashable, theirs: Hashable) -> Pick:
    """Return which side's value to take.

    Two sides that equal different bases conflict: each undid what the other kept.
    """
    if ours == theirs:
        return "same"
    known = list(bases)
    is_ours_old, is_theirs_old = ours in known, theirs in known
    if is_ours_old == is_theirs_old:
        return "conflict"
    return "theirs" if is_ours_old else "ours"


def decide(bases: Sequence[State], ours: State, theirs: State) -> Decision:
    """Return what merging *theirs* into *ours* is to show.

    Cost:
        O(changes on both sides since the bases); O(entries) if one of them reordered.
    """
    touched = _touched(bases, ours) | _touched(bases, theirs)
    wanted: dict[int, Wanted] = {}
    clashes: list[Clash] = []
    for entry in sorted(touched):
        old = [before for base in bases if (before := base.entry(entry)) is not None]
        mine, other = ours.entry(entry), theirs.entry(entry)
        if old and mine is not None and other is not None:
            wanted[entry], clash = _compare(_Versions(entry, old, mine, other), ours, theirs)
            clashes += clash
    order, reordered = _order(bases, ours, theirs)
    return Decision(wanted, order, (*clashes, *reordered))


def since(bases: Sequence[State], side: State) -> list[Event]:
    """Return the changes (no appends) on *side* that some base lacks, oldest first.

    Cost:
        O(them), where *side* begins with the one base there is, as a rule; else O(changes in its history).
    """
    after = shared_length(bases, side) - 1
    return [event for event in side.changes(after) if any(base.event(event.id) is None for base in bases)]


def new_on(bases: Sequence[State], side: State) -> list[Event]:
    """Return the events on *side* that some base lacks, oldest first; as many look-ups as for `since`."""
    events = side.events[shared_length(bases, side) :]
    return [event for event in events if any(base.event(event.id) is None for base in bases)]


def shared_length(bases: Sequence[State], side: State) -> int:
    """Return how many events *side* has in common with its only base by beginning with them; 0 if it does not."""
    length = bases[0].length if len(bases) == 1 else 0
    is_begin = 0 < length <= side.length and side.events[length - 1] == bases[0].head
    return length if is_begin else 0


def _touched(bases: Sequence[State], side: State) -> set[int]:
    """Return the row ids of the entries that changes since the bases act on, reverts included."""
    found: set[int] = set()
    waiting = [event for event in since(bases, side) if event.op != "reorder"]
    while waiting:
        event = waiting.pop()
        if event.op == "revert":
            waiting += [target for one in event.targets if (target := side.event(one)) is not None]
        elif event.op != "merge":
            found.update(event.targets)
            if event.op == "compress":
                found.add(event.id)
    return found


@dataclass(frozen=True, slots=True)
class _Versions:
    """One entry at the bases, ours and theirs."""

    entry: int
    old: list[Entry]
    ours: Entry
    theirs: Entry

    def clash(self, kind: ConflictKind) -> Clash:
        return Clash(kind, self.entry, self.old[0], self.ours, self.theirs)


def _content(entry: Entry) -> Hashable:
    return entry.shown.content_type, entry.shown.content, entry.shown.config


def _cover(entry: Entry, state: State) -> Hashable:
    """Return what covers *entry* by value: two equal compressions on two branches are alike."""
    events = [event for one in entry.covers if (event := state.event(one)) is not None]
    return frozenset((frozenset(event.targets), event.content) for event in events)


def _compare(entry: _Versions, ours: State, theirs: State) -> tuple[Wanted, list[Clash]]:
    """Return what to show at one entry, and where the sides do not go together."""
    mine, other = entry.ours, entry.theirs
    content = pick(map(_content, entry.old), _content(mine), _content(other))
    priority = pick([old.priority for old in entry.old], mine.priority, other.priority)
    # A base is known to both sides, so either resolves its compressions.
    cover = pick([_cover(old, ours) for old in entry.old], _cover(mine, ours), _cover(other, theirs))
    found: dict[ConflictKind, bool] = {
        "both_edited": content == "conflict",
        "annotated_differently": priority == "conflict",
        "overlapping_compressions": cover == "conflict",
        "edited_and_skipped": _is_skipped_where_edited(entry, content, priority),
        "compressed_and_changed": _is_covered_where_changed(cover, (content, priority)),
    }
    clashes = [entry.clash(kind) for kind, is_clash in found.items() if is_clash]
    shown = Wanted(
        entry.entry,
        (other if content == "theirs" else mine).shown,
        (other if priority == "theirs" else mine).priority,
        frozenset((other if cover == "theirs" else mine).covers),
    )
    return shown, clashes


def _is_skipped_where_edited(entry: _Versions, content: Pick, priority: Pick) -> bool:
    """Tell whether one side edited what the other took out."""
    if {content, priority} != {"ours", "theirs"}:
        return False
    return (entry.ours if priority == "ours" else entry.theirs).priority == "skip"


def _is_covered_where_changed(cover: Pick, changes: tuple[Pick, Pick]) -> bool:
    """Tell whether one side compressed what the other edited or annotated."""
    return cover in {"ours", "theirs"} and ("theirs" if cover == "ours" else "ours") in changes


def _order(bases: Sequence[State], ours: State, theirs: State) -> tuple[tuple[int, ...] | None, tuple[Clash, ...]]:
    """Return the order of the entries both sides had before, if a side may have changed it."""
    changes = [event for side in (ours, theirs) for event in since(bases, side)]
    if not any(event.op in {"reorder", "revert"} for event in changes):
        return None, ()
    common = set.intersection(*[{entry.placed.id for entry in base.entries} for base in bases])
    old = [_sequence(base, common) for base in bases]
    mine, other = _sequence(ours, common), _sequence(theirs, common)
    chosen = pick(old, mine, other)
    if chosen != "conflict":
        return (other if chosen == "theirs" else mine), ()
    apart = [
        index
        for index, one in enumerate(old[0])
        if mine[index] != one and other[index] != one and mine[index] != other[index]
    ]
    if apart or len(old) > 1 or not _are_apart(old[0], mine, other):
        entry = old[0][apart[0]] if apart else mine[0]
        base, left, right = bases[0].entry(entry), ours.entry(entry), theirs.entry(entry)
        assert base is not None
        assert left is not None
        assert right is not None
        return mine, (Clash("reordered_differently", entry, base, left, right),)
    # Each side moved entries of its own: both apply.
    both = [
        theirs_one if mine_one == one else mine_one
        for one, mine_one, theirs_one in zip(old[0], mine, other, strict=True)
    ]
    return tuple(both), ()


def _are_apart(old: Sequence[int], ours: Sequence[int], theirs: Sequence[int]) -> bool:
    """Tell whether the entries the two sides moved are different ones."""

    def moved(new: Sequence[int]) -> set[int]:
        return {one for one, now in zip(old, new, strict=True) if one != now}

    return not moved(ours) & moved(theirs)


def _sequence(state: State, wanted: set[int]) -> tuple[int, ...]:
    return tuple(entry.placed.id for entry in state.order if entry.placed.id in wanted)
