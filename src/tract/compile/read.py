"""Answers which events a commit's history holds: reads them from the store and verifies every hash.

Nothing damaged gets past this file: the bytes of each content and the header of each commit are
hashed and compared before a message is made of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from tract.compile.fold import Event, State
from tract.errors import CorruptObjectError
from tract.history.walk import Lane, Run, runs
from tract.objects.content import ANNOTATION, BUILT_IN, to_message
from tract.objects.message import FilePart, ImagePart, Message, ToolResultPart
from tract.storage import queries as q
from tract.storage.database import Database
from tract.storage.queries import CommitRow
from tract.storage.verify import read_blob, verify
from tract.store import Store, Tip
from tract.tokens.message import message_tokens

_DEFAULT_PRIORITY: Final = {name: kind.default_priority for name, kind in BUILT_IN.items()}
_decode: Final = json.JSONDecoder().decode
_NO_PARENT: Final = (None, b"")


class Reader:
    """Reads the history of one store's commits as events.

    Lanes never change once written, so they are kept; everything else is read when asked for.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lanes: dict[int, Lane] = {}

    def lane(self, lane: int) -> Lane:
        """Return a lane by its id."""
        known = self._lanes.get(lane)
        if known is None:
            row = self._store.one(q.LANE, id=lane)
            if row is None:
                raise CorruptObjectError("commit", f"in lane {lane}", "its lane is missing")
            known = self._lanes[lane] = Lane(*row)
        return known

    def runs(self, tip: Tip) -> list[Run]:
        """Return the first-parent history of *tip* as runs of lanes, newest first."""
        return list(runs(tip.lane_id, tip.generation, self.lane))

    def events_after(self, state: State | None, tip: Tip) -> list[Event]:
        """Return the events of *tip*'s linear order that *state*, a first-parent ancestor's, lacks."""
        with self._store.reading() as database:
            seen: set[int] = set()
            found = self._chain(database, state, seen, tip)
            if not any(event.op == "merge" for event in found):
                return found
            return list(self._with_merged(database, state, seen, found))

    def _chain(self, database: Database, state: State | None, seen: set[int], tip: Tip) -> list[Event]:
        """Return the first-parent history of *tip*, oldest first, down to what is known already."""
        parts: list[list[Event]] = []
        for run in self.runs(tip):
            low = run.low
            if state is not None and state.head is not None and state.head.lane == run.lane:
                low = max(low, min(state.head.generation + 1, run.high + 1))
            events = self._run(database, run._replace(low=low))
            known = [place for place, event in enumerate(events) if event.id in seen]
            parts.append(events[known[-1] + 1 :] if known else events)
            if known or low != run.low:
                break
        return [event for part in reversed(parts) for event in part]

    def _with_merged(
        self, database: Database, state: State | None, seen: set[int], chain: list[Event]
    ) -> Iterator[Event]:
        """Yield *chain*, before each merge what its second parent's order adds."""
        if state is not None:
            seen.update(event.id for event in state.events)
        waiting: list[Iterator[Event]] = [iter(chain)]
        held: list[Event] = []
        while waiting:
            event = next(waiting[-1], None)
            if event is None:
                waiting.pop()
                if held:
                    merge = held.pop()
                    seen.add(merge.id)
                    yield merge
            elif event.op == "merge":
                other = database.all(q.PARENTS, commit_id=event.id)[0][1]
                held.append(event)
                waiting.append(iter(self._chain(database, None, seen, self._store.tip(other))))
            else:
                seen.add(event.id)
                yield event

    # --- one run -----------------------------------------------------------------------------------

    def _run(self, database: Database, run: Run) -> list[Event]:
        if run.low > run.high:
            return []
        bounds = {"lane_id": run.lane, "low": run.low, "high": run.high}
        rows = database.all(q.LANE_RUN, **bounds)
        if not rows or rows[-1][2] != run.high or len(rows) != run.high - rows[0][2] + 1:
            raise CorruptObjectError("commit", f"in lane {run.lane}", "commits of its history are missing")
        targets = self._targets(database, bounds, rows)
        parent = self._parent_of(database, rows[0])
        events: list[Event] = []
        for values in rows:
            row = CommitRow(*values)
            if row.parent_id != parent[0]:
                raise CorruptObjectError("commit", row.hash.hex(), "it is not the child of the commit before it")
            events.append(self._event(database, row, parent, targets.get(row.id, ())))
            parent = (row.id, row.hash)
        return events

    def _targets(
        self, database: Database, bounds: dict[str, int], rows: Sequence[tuple[Any, ...]]
    ) -> dict[int, tuple[tuple[int, bytes], ...]]:
        if all(row[5] == "append" for row in rows):
            return {}
        found: dict[int, tuple[tuple[int, bytes], ...]] = {}
        for commit, target, target_hash in database.all(q.LANE_TARGETS, **bounds):
            found[commit] = (*found.get(commit, ()), (target, target_hash))
        return found

    def _parent_of(self, database: Database, row: tuple[Any, ...]) -> tuple[int | None, bytes]:
        if row[4] is None:
            return _NO_PARENT
        found = database.one(q.HASH_OF, id=row[4])
        if found is None:
            raise CorruptObjectError("commit", row[1].hex(), "its parent is missing")
        return row[4], found[0]

    def _event(
        self,
        database: Database,
        row: CommitRow,
        parent: tuple[int | None, bytes],
        targets: tuple[tuple[int, bytes], ...],
    ) -> Event:
        parents = (parent[1],) if parent[1] else ()
        if row.op == "merge":
            parents = (*parents, *[hash_ for _, hash_ in database.all(q.PARENTS, commit_id=row.id)])
        verify(row, parents, [hash_ for _, hash_ in targets])
        message, priority = None, "normal"
        if row.data is not None:
            content_type = row.content_type or ""
            payload = _decode(row.data.decode())
            if content_type == ANNOTATION:
                priority = payload["priority"]
            else:
                priority = _DEFAULT_PRIORITY.get(content_type, "normal")
                message = to_message(content_type, payload)
                if b'"hash":"' in row.data:
                    message = _with_files(database, message)
        tokens = row.tokens
        if tokens is None or row.counter_id != self._store.counter_id:
            tokens = 0 if message is None else message_tokens(message, self._store.counter)
        return Event(
            row.id,
            row.hash,
            row.generation,
            row.lane_id,
            row.op,
            tuple([target for target, _ in targets]),
            row.content_type,
            row.config_id,
            message,
            priority,
            tokens,
            row.origin,
            row.author,
            row.created_at,
        )


def _with_files(database: Database, message: Message) -> Message:
    """Return *message* with the bytes of its images and files in place."""
    return replace(message, parts=tuple(_with_bytes(database, part) for part in message.parts))


def _with_bytes(database: Database, part: Any) -> Any:
    if isinstance(part, ToolResultPart):
        return replace(part, parts=tuple([_with_bytes(database, child) for child in part.parts]))
    if not isinstance(part, (ImagePart, FilePart)) or part.hash is None:
        return part
    return replace(part, data=read_blob(database, bytes.fromhex(part.hash)))
