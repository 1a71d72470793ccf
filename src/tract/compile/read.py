"""Answers which events a commit's history holds: reads them from the store and verifies every hash.

Nothing damaged gets past this file: the bytes of each content and the header of each commit are
hashed and compared before a message is made of them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from pydantic_core import from_json

from tract.compile.fold import Event, State
from tract.errors import CorruptObjectError
from tract.history.walk import Lane, Run, runs
from tract.objects.commit import is_hash_of
from tract.objects.content import ANNOTATION, BUILT_IN, to_message
from tract.objects.hashing import blob_hash
from tract.objects.message import FilePart, ImagePart, Message, ToolResultPart
from tract.storage import queries as q
from tract.storage.database import Database
from tract.storage.erasing import removal_at
from tract.storage.verify import read_blob
from tract.storage.writing import Tip
from tract.store import Store
from tract.tokens.message import message_tokens

_DEFAULT_PRIORITY: Final = {name: kind.default_priority for name, kind in BUILT_IN.items()}
_MANY_ROWS: Final = 1000
_WINDOW: Final = 256


class _Seen:
    """The commits a walk has passed: those of a state, and those added since."""

    def __init__(self, state: State | None) -> None:
        self._state = state
        self._added: set[int] = set()

    def add(self, commit: int) -> None:
        self._added.add(commit)

    def __contains__(self, commit: int) -> bool:
        return commit in self._added or (self._state is not None and self._state.position(commit) is not None)


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
        if state is not None and state.head is not None and state.head.lane == tip.lane_id:
            # The common case, a few appends later: one query, so no snapshot is needed.
            with self._store.lock:
                found = self._chain(self._store.database, state, tip)
            if not any(event.op == "merge" for event in found):
                return found
        with self._store.reading() as database:
            found = self._chain(database, state, tip)
            if not any(event.op == "merge" for event in found):
                return found
            return list(self._with_merged(database, _Seen(state), found))

    def _chain(self, database: Database, state: State | None, tip: Tip) -> list[Event]:
        """Return the first-parent history of *tip*, oldest first, down to the head of *state*."""
        base = None if state is None else state.head
        parts: list[list[Event]] = []
        child: tuple[int, bytes] | None = (tip.id, tip.hash)
        for run in self.runs(tip):
            is_last = base is not None and base.lane == run.lane
            low = min(base.generation, run.high) + 1 if is_last and base is not None else run.low
            known_parent = (base.id, base.hash) if is_last and base is not None and low > base.generation else None
            parent, events = self._run(database, run._replace(low=low), known_parent)
            if not events:
                break
            _require(child == (events[-1].id, events[-1].hash), events[-1].hash)
            parts.append(events)
            child = parent
            if is_last:
                break
        else:
            _require(child is None, tip.hash)
        return [event for part in reversed(parts) for event in part]

    def _unseen(self, database: Database, seen: _Seen, tip: Tip) -> list[Event]:
        """Return the first-parent history of *tip*, oldest first, down to the first commit *seen* holds.

        What lies behind a commit that was seen has been seen, so reading goes back a window at a time
        and stops there, however long the lane is.
        """
        parts: list[list[Event]] = []
        child: tuple[int, bytes] | None = (tip.id, tip.hash)
        for run in self.runs(tip):
            high = run.high
            while high >= run.low and child is not None and child[0] not in seen:
                window = run._replace(low=max(run.low, high - _WINDOW + 1), high=high)
                parent, events = self._run(database, window, None)
                _require(child == (events[-1].id, events[-1].hash), events[-1].hash)
                known = [place for place, event in enumerate(events) if event.id in seen]
                parts.append(events[known[-1] + 1 :] if known else events)
                child = (events[known[-1]].id, events[known[-1]].hash) if known else parent
                high = window.low - 1
        _require(child is None or child[0] in seen, tip.hash)
        return [event for part in reversed(parts) for event in part]

    def _with_merged(self, database: Database, seen: _Seen, chain: list[Event]) -> Iterator[Event]:
        """Yield *chain*, before each merge what its second parent's order adds."""
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
                waiting.append(iter(self._unseen(database, seen, self._store.tip(other))))
            else:
                seen.add(event.id)
                yield event

    # --- one run -----------------------------------------------------------------------------------

    def _run(
        self, database: Database, run: Run, parent: tuple[int, bytes] | None
    ) -> tuple[tuple[int, bytes] | None, list[Event]]:
        """Return the parent of a run's first commit (*parent*, if it is known), and the run's events."""
        if run.low > run.high:
            return None, []
        bounds = {"lane_id": run.lane, "low": run.low, "high": run.high}
        rows = database.all(q.LANE_RUN, **bounds)
        _require(len(rows) == run.high - run.low + 1, b"")
        targets = self._targets(database, bounds, rows)
        first = parent or self._parent_of(database, rows[0])
        return first, self._events(run, rows, first, targets)

    def _events(
        self,
        run: Run,
        rows: list[tuple[Any, ...]],
        parent: tuple[int, bytes] | None,
        targets: dict[int, tuple[tuple[int, bytes], ...]],
    ) -> list[Event]:
        """Verify each row of a run and read it. This loop is what a cold compile costs; keep it straight."""
        events: list[Event] = []
        database, counter = self._store.database, self._store.counter_id
        parent_id, parents = (None, ()) if parent is None else (parent[0], (parent[1],))
        generation = run.low
        for (
            id_, hash_, actual_parent, op, content_type, config_id, origin, author, created_at, stored_tokens,
            counter_id, content, data, erased_at, config, note,
        ) in rows:  # fmt: skip
            _require(actual_parent == parent_id, hash_)
            target_ids: tuple[int, ...] = ()
            target_hashes: tuple[bytes, ...] = ()
            if id_ in targets:
                target_ids, target_hashes = zip(*targets[id_], strict=True)
            if op == "merge":
                parents = (*parents, *[other for _, other in database.all(q.PARENTS, commit_id=id_)])
            if data is not None and (content is None or type(data) is not bytes or blob_hash(data) != content):
                raise CorruptObjectError("blob", (content or b"").hex(), "its bytes do not match its hash")
            header = (
                parents, op, target_hashes, content_type, content, config, note, origin, author, created_at
            )  # fmt: skip
            if not is_hash_of(header, hash_) or (data is None and content is not None and erased_at is None):
                raise CorruptObjectError("commit", hash_.hex(), "it does not match its hash")
            is_whole = True
            if data is None:
                message, priority = None, _priority_of_erased(database, content_type, content, erased_at)
            else:
                message, priority, is_whole = _read(database, content_type, data)
            tokens = 0 if message is None else stored_tokens
            # A copy of a commit whose content was gone counts 0; said again, the content is back in the copy too.
            if message is not None and (not tokens or counter_id != counter or not is_whole):
                tokens = message_tokens(message, self._store.counter)
            event = Event(
                id_, hash_, generation, run.lane, op, target_ids, content_type, config_id,
                message, priority, tokens, origin, author, created_at, content,
            )  # fmt: skip
            events.append(event)
            parent_id, parents = id_, (hash_,)
            generation += 1
        return events

    def _targets(
        self, database: Database, bounds: dict[str, int], rows: Sequence[tuple[Any, ...]]
    ) -> dict[int, tuple[tuple[int, bytes], ...]]:
        if all(row[3] == "append" for row in rows):
            return {}
        found: dict[int, tuple[tuple[int, bytes], ...]] = {}
        for commit, target, target_hash in database.all(q.LANE_TARGETS, **bounds):
            found[commit] = (*found.get(commit, ()), (target, target_hash))
        return found

    def _parent_of(self, database: Database, row: tuple[Any, ...]) -> tuple[int, bytes] | None:
        if row[2] is None:
            return None
        found = database.one(q.HASH_OF, id=row[2])
        if found is None:
            raise CorruptObjectError("commit", row[1].hex(), "its parent is missing")
        return row[2], found[0]


def _require(is_linked: bool, commit: bytes) -> None:  # noqa: FBT001 - reads as an assertion
    if not is_linked:
        raise CorruptObjectError("commit", commit.hex(), "its history has a gap")


def _priority_of_erased(
    database: Database, content_type: str | None, content: bytes | None, erased_at: int | None
) -> str:
    """Return the priority a commit without content sets or starts with.

    An annotation's reason can be erased; what it sets stays in force, and the erasing operation says it.
    """
    if content_type == ANNOTATION and content is not None:
        removal = removal_at(database, erased_at, content)
        kept: dict[str, str] = {} if removal is None else removal.args.get("annotations", {})
        return kept.get(content.hex(), "normal")
    return _DEFAULT_PRIORITY.get(content_type or "", "normal")


def _read(database: Database, content_type: str | None, data: bytes) -> tuple[Message | None, str, bool]:
    """Return what a commit says, the priority it sets or starts with, and whether none of its files is gone."""
    if content_type is None:
        return None, "normal", True
    payload = from_json(data)
    if content_type == ANNOTATION:
        return None, payload["priority"], True
    message: Message | None = to_message(content_type, payload)
    is_whole = True
    if message is not None and b'"hash":"' in data:
        message, is_whole = _with_files(database, message)
    return message, _DEFAULT_PRIORITY.get(content_type, "normal"), is_whole


@contextmanager
def few_collections(rows: int) -> Iterator[None]:
    """Keep Python's cyclic garbage collector from walking a large history again and again while it is read.

    Nothing read forms a cycle; the collector took a quarter of a cold compile of 10,000 messages.
    """
    if rows < _MANY_ROWS or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _with_files(database: Database, message: Message) -> tuple[Message | None, bool]:
    """Return *message* with the bytes of its images and files in place, and whether all of them are there.

    The message is `None` if erased ones were all it had.
    """
    parts = _with_bytes(database, message.parts)
    is_whole = _count(parts) == _count(message.parts)
    return (None if message.parts and not parts else replace(message, parts=parts)), is_whole


def _count(parts: Iterable[Any]) -> int:
    return sum(1 + (_count(part.parts) if isinstance(part, ToolResultPart) else 0) for part in parts)


def _with_bytes(database: Database, parts: Iterable[Any]) -> tuple[Any, ...]:
    """Return *parts* with their bytes, less those whose bytes were erased."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, ToolResultPart):
            found.append(replace(part, parts=_with_bytes(database, part.parts)))
        elif not isinstance(part, (ImagePart, FilePart)) or part.hash is None:
            found.append(part)
        elif (data := read_blob(database, bytes.fromhex(part.hash))) is not None:
            found.append(replace(part, data=data))
    return tuple(found)
