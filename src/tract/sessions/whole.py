"""Answers up to where a history can be handed on: a tool call that waits for its result stays behind."""

from __future__ import annotations

from tract.compile.compiler import states_of
from tract.compile.safety import open_calls
from tract.history.ancestry import Place
from tract.history.lanes import lane_of
from tract.history.newest import said_last
from tract.history.walk import runs
from tract.storage import queries as q
from tract.store import Store


def whole(store: Store, head: bytes) -> bytes | None:
    """Return *head*, or the commit before the tool calls that wait there: only who made them can answer them.

    Cost:
        O(1) where the last thing said is no part of an exchange, else that of compiling.
    """
    said = said_last(store, head)
    if said is None or not (said.content_type == "tool_result" or b'"tool_calls"' in (said.data or b"")):
        return head  # without folding the history
    shown_entries = states_of(store).get(head).shown
    waiting = open_calls(shown_entries)
    if not waiting:
        return head
    ids = {call.id for call in waiting}
    calling = next(
        entry.placed
        for entry in reversed(shown_entries)
        if entry.shown.message is not None and ids & {call.id for call in entry.shown.message.tool_calls}
    )
    return _parent(store, head, Place(calling.lane, calling.generation))


def _parent(store: Store, head: bytes, place: Place) -> bytes | None:
    """Return the first parent of the commit at *place*; *head* itself if that is not in its own line."""
    tip = store.tip(head)
    line = runs(tip.lane_id, tip.generation, lambda lane: lane_of(store, lane))
    if not any(run.lane == place.lane and run.low <= place.generation <= run.high for run in line):
        return head
    start, fork_lane, fork_generation = lane_of(store, place.lane)
    lane, generation = (fork_lane, fork_generation) if place.generation == start else (place.lane, place.generation - 1)
    row = store.one(q.AT_GENERATION, lane_id=lane, generation=generation) if lane is not None else None
    return None if row is None else row[0]
