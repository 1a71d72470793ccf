"""Answers what a history says: folds events into entries. Pure; knows no database.

A state is the fold of one commit's linear order. States of successive commits share their lists:
a state owns a prefix, and the next one appends behind it if nobody else has; otherwise it copies.
So an append costs O(1), and a change of an earlier entry a copy of the blocks it is in. Going back
to an earlier commit is as cheap, where only appends, edits and annotations lie between.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar, overload

from tract.compile.blocks import BLOCK, Blocks, Growing
from tract.errors import CorruptStoreError
from tract.objects.message import Message

T = TypeVar("T")


class Event(NamedTuple):
    """One commit, read and verified.

    Attributes:
        targets: Row ids of the commits it acts on.
        message: What its content says; `None` where there is no content or it was erased.
        priority: What an annotation sets, or the priority a new entry starts with.
        tokens: Tokens of its message.
        content: Hash of its content.
    """

    id: int
    hash: bytes
    generation: int
    lane: int
    op: str
    targets: tuple[int, ...]
    content_type: str | None
    config: int | None
    message: Message | None
    priority: str
    tokens: int
    origin: str
    author: str
    created_at: int
    content: bytes | None = None


class Entry(NamedTuple):
    """One place in the context.

    Attributes:
        placed: The commit that made the place.
        shown: The commit whose content it holds now: `placed`, or the last edit.
        priority: `skip`, `normal` or `pinned`.
        annotated: The commit that set the priority, or `None` for the default.
        covers: Row ids of the compress commits in effect that cover it, oldest first.
        is_off: A summary whose compression was reverted.
    """

    placed: Event
    shown: Event
    priority: str
    annotated: Event | None = None
    covers: tuple[int, ...] = ()
    is_off: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether it becomes a message."""
        return self.priority != "skip" and self.shown.message is not None and not self.covers and not self.is_off

    @property
    def is_hole(self) -> bool:
        """Whether it would become a message, had its content not been erased or collected."""
        is_gone = self.shown.message is None and self.shown.content is not None
        return is_gone and self.priority != "skip" and not self.covers and not self.is_off


class Prefix(Sequence[T]):
    """The first `length` items of a list that may go on growing behind them; read-only."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: list[T], length: int) -> None:
        self._items = items
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            if step < 0:
                return [self._items[at] for at in range(start, stop, step)]
            return self._items[start:stop:step]
        if index < 0:
            index += self._length
        if not 0 <= index < self._length:
            raise IndexError(index)
        return self._items[index]

    def __iter__(self) -> Iterator[T]:
        return islice(self._items, self._length)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (list, tuple, Prefix)):
            return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal to lists, so not hashable

    def __repr__(self) -> str:
        return f"<{self._length} items>"


class State:
    """The fold of one commit's history.

    Attributes:
        head: The last event.
        length: Events in linear order.
        entries: Every place, hidden ones too.
        shown: The visible entries, in order.
        tokens: Tokens of all visible entries.
        changed_at: Position of the last event that was no append; -1 if all were.
        has_holes: Whether the content of some message is gone, or was in a later state this was made from.
    """

    __slots__ = (
        "_changes",
        "_events",
        "_order",
        "_places",
        "_ranks",
        "_slots",
        "changed_at",
        "entries",
        "has_holes",
        "head",
        "length",
        "shown",
        "tokens",
    )

    def __init__(
        self,
        parts: _Parts,
        head: Event | None,
        length: int,
        *,
        entries: Blocks[Entry] | None = None,
        shown: Blocks[Entry] | None = None,
    ) -> None:
        self._events = parts.events
        self._places = parts.places
        self._slots = parts.slots
        self._order = parts.order
        self._ranks = parts.ranks
        self._changes = parts.changes
        # A state gone back to owns less of its lists than they hold.
        self.entries = parts.entries.version() if entries is None else entries
        self.shown = parts.shown.version() if shown is None else shown
        self.length = length
        self.tokens = parts.tokens
        self.changed_at = parts.changed_at
        self.has_holes = parts.has_holes
        self.head = head

    @property
    def events(self) -> Prefix[Event]:
        """Every commit of the history, in linear order."""
        return Prefix(self._events, self.length)

    def position(self, commit: int) -> int | None:
        """Return the place of the commit with this row id in linear order, or `None` if it is not in it."""
        place = self._places.get(commit)
        return place if place is not None and place < self.length else None

    def event(self, commit: int) -> Event | None:
        """Return the event of the commit with this row id, or `None` if it is not in the history."""
        place = self.position(commit)
        return None if place is None else self._events[place]

    def entry(self, commit: int) -> Entry | None:
        """Return the entry the commit with this row id placed, or `None` if it placed none here."""
        slot = self._slots.get(commit)
        return _at(self.entries.blocks, slot) if slot is not None and slot < self.entries.length else None

    @property
    def holes(self) -> int:
        """How many messages are left out because their content is gone."""
        if not self.has_holes:
            return 0
        return sum(entry.is_hole for entry in self.entries)

    @property
    def order(self) -> Sequence[Entry]:
        """Every place, hidden ones too, in the order in which they are shown."""
        if self._order is None:
            return self.entries
        return [_at(self.entries.blocks, slot) for slot in islice(self._order, self.entries.length)]

    def changes(self, after: int = -1) -> list[Event]:
        """Return the events behind position *after* that are no appends, oldest first."""
        first = bisect_right(self._changes, after)
        last = bisect_right(self._changes, self.length - 1)
        return [self._events[place] for place in self._changes[first:last]]

    def original(self, commit: int) -> int | None:
        """Return the row id of the entry an edit (or edit of an edit) acts on; of an entry, its own."""
        event = self.event(commit)
        if event is None:
            return None
        if event.op == "edit":
            return event.targets[0]
        return commit if self.entry(commit) is not None else None


def _at(blocks: list[list[Entry]], slot: int) -> Entry:
    """Return the entry in *slot*: blocks of entries are full, but for the last."""
    return blocks[slot // BLOCK][slot % BLOCK]


class _Parts:
    """What is being grown into the next state; copies what an earlier state's reader could see change.

    Entries stand by slot, in the order in which they were placed; `order` says which slot is shown at
    which rank, and `ranks` the other way round, where that is not the same. What is shown of the ranks
    of one block stands in one block as well, so that a change has to look at no more than these.
    """

    def __init__(self, state: State | None) -> None:
        self.is_stale = False
        self.touched: set[int] = set()
        """Blocks of which something else is to be shown."""
        if state is not None:
            self._share(state)
            return
        self.events: list[Event] = []
        self.places: dict[int, int] = {}
        self.entries: Growing[Entry] = Growing()
        self.shown: Growing[Entry] = Growing()
        self.slots: dict[int, int] = {}
        self.order: list[int] | None = None
        self.ranks: list[int] | None = None
        self.changes: list[int] = []
        self.tokens = 0
        self.changed_at = -1
        self.has_holes = False
        self.owns_order = True
        self.count = 0

    def _share(self, state: State) -> None:
        """Take over the lists of *state*: as they are if it is the longest on them, else its part of each."""
        last = len(state._events) == state.length and state.entries.is_longest  # noqa: SLF001
        self.count = state.entries.length
        self.events = state._events if last else state._events[: state.length]  # noqa: SLF001
        self.entries = Growing(state.entries, is_shared=last)
        self.shown = Growing(state.shown, is_shared=last and state.shown.is_longest)
        # Both maps grow with the list of events, so what others added to them is what lies behind in it.
        later = [event.id for event in state._events[state.length :]]  # noqa: SLF001
        self.places = state._places if last else _without(state._places, later)  # noqa: SLF001
        self.slots = state._slots if last else _without(state._slots, later)  # noqa: SLF001
        changes = state._changes  # noqa: SLF001
        self.changes = changes if last else changes[: bisect_left(changes, state.length)]
        order, ranks = state._order, state._ranks  # noqa: SLF001
        self.order = order if last or order is None else order[: self.count]
        self.ranks = ranks if last or ranks is None else ranks[: self.count]
        self.tokens = state.tokens
        self.changed_at = state.changed_at
        self.has_holes = state.has_holes
        self.owns_order = not last

    def place(self, entry: Entry, at: int | None = None) -> None:
        """Add an entry at the end, or at the index *at* of the shown order."""
        slot = self.count
        if slot % BLOCK == 0:
            self.entries.begin_block()
            self.shown.begin_block()
        if at is not None:
            self.own_order().insert(at, slot)
            self.is_stale = True
        elif self.order is not None:
            self.order.append(slot)
            if not self.is_stale:
                assert self.ranks is not None
                self.ranks.append(slot)
        self.count += 1
        self.slots[entry.placed.id] = slot
        self.entries.append(entry)
        if entry.shown.message is None and entry.shown.content is not None:
            self.has_holes = True
        if entry.is_visible:
            self.tokens += entry.shown.tokens
            if not self.is_stale:
                self.shown.append(entry)

    def own_order(self) -> list[int]:
        """Return the shown order as a list that may be changed; slots yet to be added are not in it."""
        if self.order is None:
            self.order = list(range(self.count))
        elif not self.owns_order:
            self.order = self.order[:]
        self.owns_order = True
        return self.order

    def change(self, slot: int, entry: Entry) -> None:
        if entry.shown.message is None and entry.shown.content is not None:
            self.has_holes = True
        before = _at(self.entries.blocks, slot)
        self.tokens += _visible_tokens(entry) - _visible_tokens(before)
        self.entries.set(slot // BLOCK, slot % BLOCK, entry)
        if not self.is_stale:
            self.touched.add((slot if self.ranks is None else self.ranks[slot]) // BLOCK)

    def entry(self, slot: int) -> Entry:
        return _at(self.entries.blocks, slot)

    def finish(self) -> None:
        """Put together what is shown, where more than its end has changed."""
        if self.is_stale:
            assert self.order is not None
            self.ranks = [0] * len(self.order)
            for rank, slot in enumerate(self.order):
                self.ranks[slot] = rank
            self.shown = Growing()
            for block in range(len(self.entries.blocks)):
                self.shown.begin_block()
                self.shown.replace(block, self._shown_in(block))
        else:
            for block in sorted(self.touched):
                self.shown.replace(block, self._shown_in(block))

    def _shown_in(self, block: int) -> list[Entry]:
        """Return the visible entries of one block of ranks."""
        if self.order is None:
            return [entry for entry in self.entries.blocks[block] if entry.is_visible]
        slots = self.order[block * BLOCK : (block + 1) * BLOCK]
        return [entry for entry in map(self.entry, slots) if entry.is_visible]


def _without(places: dict[int, int], commits: Iterable[int]) -> dict[int, int]:
    """Return a copy that lacks *commits*; copying is one block of memory, a filter a step per message."""
    kept = places.copy()
    for commit in commits:
        kept.pop(commit, None)
    return kept


def _visible_tokens(entry: Entry) -> int:
    return entry.shown.tokens if entry.is_visible else 0


def extend(state: State | None, events: Iterable[Event]) -> State:
    """Return the state after *events*, which follow *state* in linear order.

    Raises:
        CorruptStoreError: An event acts on a commit that is not before it, or has an unknown op.

    Cost:
        O(1) per append; an edit or annotation copies the block of entries it acts on; a compression or
        reorder looks at every entry; a revert folds the whole history again, since it changes what
        earlier events did.
    """
    new = list(events)
    if any(event.op == "revert" for event in new):
        new = [*(state.events if state is not None else ()), *new]
        state = None
    off = switched_off(new) if state is None else frozenset()
    parts = _Parts(state)
    head = None if state is None else state.head
    for event in new:
        _apply(parts, event, is_off=event.id in off)
        parts.places[event.id] = len(parts.events)
        parts.events.append(event)
        head = event
    parts.finish()
    return State(parts, head, len(parts.events))


def switched_off(events: Sequence[Event]) -> frozenset[int]:
    """Return the row ids of the events whose effect a revert in effect switched off.

    Found from the newest back: a revert that was itself reverted switches nothing off.
    """
    off: set[int] = set()
    for event in reversed(events):
        if event.op == "revert" and event.id not in off:
            off.update(event.targets)
    return frozenset(off)


def rewind(state: State, position: int) -> State:
    """Return the state at the event at *position* of *state*'s linear order, a first-parent ancestor.

    Cost:
        O(events taken back) where they are appends, edits and annotations of a history without
        reverts; otherwise the earlier history is folded again.
    """
    head = state.events[position]
    later = state.changes(position)
    if any(event.op not in {"edit", "annotate", "merge"} for event in later) or _has_revert(state):
        return extend(None, state.events[: position + 1])
    parts = _Parts(None)
    parts._share(state)  # noqa: SLF001 - the fold's own parts
    taken = state.events[position + 1 :]
    count = state.entries.length - sum(event.op == "append" for event in taken)
    hidden = [entry for entry in state.entries[count:] if entry.is_visible]
    parts.tokens = state.tokens - sum(entry.shown.tokens for entry in hidden)
    parts.changed_at = max((at for at in state._changes if at <= position), default=-1)  # noqa: SLF001
    blocks = -(-count // BLOCK)
    entries = state.entries.first(count, blocks)
    shown = state.shown.first(state.shown.length - len(hidden), blocks)
    touched = {slot for event in later for target in event.targets if (slot := parts.slots[target]) < count}
    if touched:
        parts.entries, parts.shown = Growing(entries, is_shared=False), Growing(shown, is_shared=False)
        parts.order = None if parts.order is None else parts.order[:count]
        before = [event for event in state.changes() if state._places[event.id] <= position]  # noqa: SLF001
        for slot in touched:
            parts.change(slot, _replayed(parts.entry(slot), before))
        parts.finish()
        entries, shown = parts.entries.version(), parts.shown.version()
    return State(parts, head, position + 1, entries=entries, shown=shown)


def _has_revert(state: State) -> bool:
    return any(event.op == "revert" for event in state.changes())


def _replayed(entry: Entry, changes: Iterable[Event]) -> Entry:
    """Return *entry* as *changes* alone make it; what covers it stays."""
    placed = entry.placed
    entry = entry._replace(shown=placed, priority=placed.priority, annotated=None)
    for event in changes:
        if placed.id in event.targets:
            entry = _changed(entry, event)
    return entry


def _changed(entry: Entry, event: Event) -> Entry:
    """Return *entry* after an edit or annotation of it."""
    if event.op == "edit":
        return entry._replace(shown=event if event.config is not None else event._replace(config=entry.shown.config))
    if event.op == "annotate":
        return entry._replace(priority=event.priority, annotated=event)
    return entry


def _apply(parts: _Parts, event: Event, *, is_off: bool) -> None:
    if event.op == "append":
        parts.place(Entry(event, event, event.priority))
        return
    parts.changed_at = len(parts.events)
    parts.changes.append(parts.changed_at)
    if event.op == "compress":
        _cover(parts, event, is_off=is_off)
    elif is_off or event.op in {"merge", "revert"}:
        return
    elif event.op in {"edit", "annotate"}:
        for target in event.targets:
            slot = _slot(parts, event, target)
            parts.change(slot, _changed(parts.entry(slot), event))
    elif event.op == "reorder":
        _reorder(parts, [_slot(parts, event, target) for target in event.targets])
    else:
        raise CorruptStoreError(
            f"The commit {event.hash.hex()[:12]} has the unknown operation `{event.op}`.",
            hint="Install a newer `tract-sdk`.",
        )


def _cover(parts: _Parts, event: Event, *, is_off: bool) -> None:
    """Hide what a compress commit covers and put its own content at the place of the first."""
    slots = [_slot(parts, event, target) for target in event.targets]
    wanted = set(slots)
    at = next(index for index, slot in enumerate(parts.own_order()) if slot in wanted)
    if not is_off:
        for slot in slots:
            entry = parts.entry(slot)
            parts.change(slot, entry._replace(covers=(*entry.covers, event.id)))
    parts.place(Entry(event, event, event.priority, is_off=is_off), at)


def _reorder(parts: _Parts, slots: Sequence[int]) -> None:
    """Let the entries in *slots* trade the places they hold among themselves."""
    order, wanted = parts.own_order(), set(slots)
    places = [index for index, slot in enumerate(order) if slot in wanted]
    for index, slot in zip(places, slots, strict=True):
        order[index] = slot
    parts.is_stale = True


def _slot(parts: _Parts, event: Event, target: int) -> int:
    slot: Any = parts.slots.get(target)
    if slot is None:
        raise CorruptStoreError(f"The commit {event.hash.hex()[:12]} acts on a commit that is not before it.")
    return int(slot)
