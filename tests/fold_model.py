"""A naive model of what a list of events says, every op included: each question is answered by looking at all of them.

And random lists of events to ask it about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from tract.compile.fold import Event
from tract.objects.message import Message, TextPart

OPS = ["append", "append", "append", "edit", "annotate", "compress", "reorder", "revert", "merge"]
CONTENTLESS = frozenset({"annotate", "reorder", "revert", "merge"})


class Place(NamedTuple):
    """One place: the commits that placed it, last edited it and last annotated it, its priority, what covers it."""

    placed: int
    shown: int
    annotated: int | None
    priority: str
    covers: tuple[int, ...]
    is_off: bool

    @property
    def is_visible(self) -> bool:
        return self.priority != "skip" and not self.covers and not self.is_off


def in_effect(events: Sequence[Event]) -> list[Event]:
    """Return the events nobody has switched off: a revert counts unless a later one that counts names it."""
    off: set[int] = set()
    kept: list[Event] = []
    for event in events[::-1]:
        if event.id not in off:
            kept.insert(0, event)
            if event.op == "revert":
                off |= set(event.targets)
    return kept


def order_of(events: Sequence[Event]) -> list[int]:
    """Return what placed each place, in the order in which they are shown."""
    effective = {event.id for event in in_effect(events)}
    order: list[int] = []
    for event in events:
        if event.op == "append":
            order.append(event.id)
        elif event.op == "compress":
            order.insert(min(order.index(target) for target in event.targets), event.id)
        elif event.op == "reorder" and event.id in effective:
            moved = iter(event.targets)
            order = [next(moved) if one in event.targets else one for one in order]
    return order


def places(events: Sequence[Event]) -> list[Place]:
    """Return every place, in the order in which they are shown."""
    effective = in_effect(events)
    by_id = {event.id: event for event in events}

    def acting_on(place: int, op: str) -> list[Event]:
        return [event for event in effective if event.op == op and place in event.targets]

    found = []
    for place in order_of(events):
        edits, annotations = acting_on(place, "edit"), acting_on(place, "annotate")
        placed = by_id[place]
        found.append(
            Place(
                place,
                edits[-1].id if edits else place,
                annotations[-1].id if annotations else None,
                annotations[-1].priority if annotations else placed.priority,
                tuple(event.id for event in acting_on(place, "compress")),
                placed.op == "compress" and placed not in effective,
            )
        )
    return found


def event(number: int, op: str = "append", targets: Iterable[int] = (), *, priority: str = "normal") -> Event:
    """Return the event of commit *number*, which says its number and counts as many tokens."""
    message = None if op in CONTENTLESS else Message("user", (TextPart(str(number)),))
    tokens = 0 if message is None else number
    hash_ = hashlib.sha256(b"%d" % number).digest()
    return Event(
        number, hash_, number, 1, op, tuple(targets), "dialogue", None, message, priority, tokens, "user", "", 0
    )


@st.composite
def event_lists(draw: st.DrawFn, *, most: int = 16) -> list[Event]:
    """Return a linear order in which each event acts on earlier ones, as the verbs write them."""
    events: list[Event] = []
    for number in range(1, draw(st.integers(1, most)) + 1):
        placed = [one.id for one in events if one.op in {"append", "compress"}]
        changes = [one.id for one in events if one.op not in {"append", "merge"}]
        op = draw(st.sampled_from(OPS))
        known = {"append": None, "merge": None, "revert": changes}.get(op, placed)
        if known is not None and not known:
            op, known = "append", None
        targets: list[int] = []
        if known is not None:
            limit = 1 if op in {"edit", "revert"} else 3
            targets = draw(st.lists(st.sampled_from(known), min_size=1, max_size=limit, unique=True))
        priority = draw(st.sampled_from(["normal", "normal", "skip", "pinned"]))
        events.append(event(number, op, targets, priority=priority))
    return events
