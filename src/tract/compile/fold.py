"""Answers what a history says: folds events into entries. Pure; knows no database.

A state is the fold of one commit's linear order. States of successive commits share their lists:
a state owns a prefix, and the next one appends behind it if nobody else has; otherwise it copies.
So an append costs O(1), and a change of an earlier entry one copy of a list of references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar, overload

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


class Entry(NamedTuple):
    """One place in the context.

    Attributes:
        placed: The commit that made the place.
        shown: The commit whose content it holds now: `placed`, or the last edit.
        priority: `skip`, `normal` or `pinned`.
        annotated: The commit that set the priority, or `None` for the default.
    """

    placed: Event
    shown: Event
    priority: str
    annotated: Event | None = None

    @property
    def is_visible(self) -> bool:
        """Whether it becomes a message."""
        return self.priority != "skip" and self.shown.message is not None


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
            return self._items[: self._length][index]
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
        tokens: Tokens of all visible entries.
        changed_at: Position of the last event that was no append; -1 if all were.
    """

    __slots__ = (
        "_entries",
        "_events",
        "_places",
        "_shown",
        "_slots",
        "changed_at",
        "head",
        "length",
        "sizes",
        "tokens",
    )

    def __init__(self, parts: _Parts, head: Event | None) -> None:
        self._events = parts.events
        self._places = parts.places
        self._entries = parts.entries
        self._slots = parts.slots
        self._shown = parts.shown
        self.length = len(parts.events)
        self.sizes = (len(parts.entries), len(parts.shown))
        self.tokens = parts.tokens
        self.changed_at = parts.changed_at
        self.head = head

    @property
    def events(self) -> Prefix[Event]:
        """Every commit of the history, in linear order."""
        return Prefix(self._events, self.length)

    @property
    def entries(self) -> Prefix[Entry]:
        """Every place, hidden ones too."""
        return Prefix(self._entries, self.sizes[0])

    @property
    def shown(self) -> Prefix[Entry]:
        """The visible entries, in order."""
        return Prefix(self._shown, self.sizes[1])

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
        return self._entries[slot] if slot is not None and slot < self.sizes[0] else None

    def original(self, commit: int) -> int | None:
        """Return the row id of the entry an edit (or edit of an edit) acts on; of an entry, its own."""
        event = self.event(commit)
        if event is None:
            return None
        if event.op == "edit":
            return event.targets[0]
        return commit if self.entry(commit) is not None else None


class _Parts:
    """Lists being grown into the next state; copies what an earlier state's reader could see change."""

    def __init__(self, state: State | None) -> None:
        if state is None:
            self.events: list[Event] = []
            self.places: dict[int, int] = {}
            self.entries: list[Entry] = []
            self.slots: dict[int, int] = {}
            self.shown: list[Entry] = []
            self.tokens = 0
            self.changed_at = -1
            self.owns_entries = True
        else:
            # Only the longest state of a list may grow it; a shorter one's future differs.
            last = len(state._events) == state.length and len(state._entries) == state.sizes[0]  # noqa: SLF001
            self.events = state._events if last else state._events[: state.length]  # noqa: SLF001
            self.entries = state._entries if last else state._entries[: state.sizes[0]]  # noqa: SLF001
            self.places = state._places if last else _below(state._places, state.length)  # noqa: SLF001
            self.slots = state._slots if last else _below(state._slots, state.sizes[0])  # noqa: SLF001
            free = last and len(state._shown) == state.sizes[1]  # noqa: SLF001
            self.shown = state._shown if free else state._shown[: state.sizes[1]]  # noqa: SLF001
            self.tokens = state.tokens
            self.changed_at = state.changed_at
            self.owns_entries = not last
        self.is_stale = False

    def change(self, slot: int, entry: Entry) -> None:
        if not self.owns_entries:
            self.entries = self.entries[:]
            self.owns_entries = True
        before = self.entries[slot]
        self.tokens += _visible_tokens(entry) - _visible_tokens(before)
        self.entries[slot] = entry
        self.is_stale = True


def _below(places: dict[int, int], limit: int) -> dict[int, int]:
    return {key: place for key, place in places.items() if place < limit}


def _visible_tokens(entry: Entry) -> int:
    return entry.shown.tokens if entry.is_visible else 0


def extend(state: State | None, events: Iterable[Event]) -> State:
    """Return the state after *events*, which follow *state* in linear order.

    Raises:
        CorruptStoreError: An event acts on a commit that is not before it, or has an unknown op.

    Cost:
        O(1) per append; an edit or annotation copies the list of entries once per call.
    """
    parts = _Parts(state)
    head = None if state is None else state.head
    for event in events:
        _apply(parts, event)
        parts.places[event.id] = len(parts.events)
        parts.events.append(event)
        head = event
    if parts.is_stale:
        parts.shown = [entry for entry in parts.entries if entry.is_visible]
    return State(parts, head)


def _apply(parts: _Parts, event: Event) -> None:
    if event.op == "append":
        entry = Entry(event, event, event.priority)
        parts.slots[event.id] = len(parts.entries)
        parts.entries.append(entry)
        if entry.is_visible:
            parts.tokens += event.tokens
            if not parts.is_stale:
                parts.shown.append(entry)
        return
    parts.changed_at = len(parts.events)
    if event.op == "edit":
        slot = _slot(parts, event, event.targets[0])
        shown = event if event.config is not None else event._replace(config=parts.entries[slot].shown.config)
        parts.change(slot, parts.entries[slot]._replace(shown=shown))
    elif event.op == "annotate":
        for target in event.targets:
            slot = _slot(parts, event, target)
            parts.change(slot, parts.entries[slot]._replace(priority=event.priority, annotated=event))
    else:
        raise CorruptStoreError(
            f"The commit {event.hash.hex()[:12]} has the unknown operation `{event.op}`.",
            hint="Install a newer `tract-sdk`.",
        )


def _slot(parts: _Parts, event: Event, target: int) -> int:
    slot: Any = parts.slots.get(target)
    if slot is None:
        raise CorruptStoreError(f"The commit {event.hash.hex()[:12]} acts on a commit that is not before it.")
    return int(slot)
