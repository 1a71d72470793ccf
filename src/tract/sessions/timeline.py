"""Answers in which order things happened across tracts, and what an agent knew at a moment.

Within a tract operations are numbered and their times never go back. A child's first operation is never
before the spawn, and a collapse never before the work it brings home. So time orders what one thing caused in
another; where times are equal, the links do.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import TypeAlias

from tract.compile.blame import Arrivals
from tract.compile.compiler import compile_commit
from tract.compile.context import CompiledContext
from tract.errors import InvalidInputError, InvalidTargetError, TractNotFoundError
from tract.history.lanes import lane_of, merged_of, place_of
from tract.history.operations import newest_first, operation
from tract.history.revision import operation_at, resolve
from tract.objects.commit import SHORT_HASH, CommitInfo, to_microseconds
from tract.objects.operation import OperationInfo
from tract.objects.refs import BRANCH_PREFIX
from tract.sessions.opening import open_beside, tract_names
from tract.storage import queries as q
from tract.storage import tracts as t
from tract.store import Store

Step: TypeAlias = tuple[str, int]
"""An operation: name of its tract, and its number."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One operation of one tract.

    Attributes:
        tract: Name of the tract.
        operation: What was done.
        causes: What of other tracts it followed from, as name of the tract and number of the operation: of a child's
            beginning its spawn, of a collapse the last thing the child had done.
    """

    tract: str
    operation: OperationInfo
    causes: tuple[Step, ...] = field(default=(), repr=False)

    @property
    def step(self) -> Step:
        """Name of the tract, and number of the operation."""
        return self.tract, self.operation.number

    @property
    def commit(self) -> str | None:
        """Hash of the commit it left a branch at, `None` if it moved none."""
        moved = [new for name, _, new in self.operation.changes if name.startswith(BRANCH_PREFIX) and new is not None]
        return moved[-1] if moved else None


def timeline(store: Store, *, limit: int | None = None, tracts: Iterable[str] | None = None) -> list[TimelineEntry]:
    """Return the last *limit* operations (all by default) of all or some tracts, causes before what they caused.

    Raises:
        InvalidInputError: The limit is no number.
        TractNotFoundError: There is no such tract.

    Cost:
        O(limit + tracts), or O(operations) without a limit.
    """
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        raise InvalidInputError("`limit` is a number, at least 0.")
    with store.reading():
        found: list[TimelineEntry] = []
        for group in _groups(_newest_first(store, _chosen(store, tracts))):
            if limit is not None and len(found) >= limit:
                break
            found += reversed(in_order(group))
    return found[:limit][::-1]


def _chosen(store: Store, tracts: Iterable[str] | None) -> list[str]:
    known = tract_names(store)
    if tracts is None:
        return known
    wanted = [tracts] if isinstance(tracts, str) else list(tracts) if isinstance(tracts, Iterable) else [tracts]
    for name in wanted:
        if name not in known:
            raise TractNotFoundError(name if isinstance(name, str) else type(name).__name__, known)
    return [str(name) for name in wanted]


def _newest_first(store: Store, tracts: Iterable[str]) -> Iterator[tuple[int, TimelineEntry]]:
    """Yield the operations of *tracts*, each with its time, the newest first."""
    logs = [_log(store, name) for name in dict.fromkeys(tracts)]
    return heapq.merge(*logs, key=itemgetter(0), reverse=True)


def _log(store: Store, name: str) -> Iterator[tuple[int, TimelineEntry]]:
    row = store.one(q.TRACT, name=name)
    if row is not None:
        for done in newest_first(store.beside(name, row[0])):
            yield to_microseconds(done.created_at), TimelineEntry(name, done, _causes(done))


def _causes(done: OperationInfo) -> tuple[Step, ...]:
    args = done.args
    if done.verb == "init" and "parent" in args:
        return ((str(args["parent"]), int(args["operation"])),)
    if done.verb == "collapse" and "operation" in args:
        return ((str(args["child"]), int(args["operation"])),)
    return ()


def _groups(entries: Iterable[tuple[int, TimelineEntry]]) -> Iterator[list[TimelineEntry]]:
    """Yield what happened at the same time, together."""
    for _, group in itertools.groupby(entries, key=itemgetter(0)):
        yield [entry for _, entry in group]


def in_order(entries: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    """Return *entries* of one moment with causes before what they caused; else by name and number.

    Cost:
        O(n log n).
    """
    if len(entries) == 1:
        return list(entries)
    known = {entry.step: entry for entry in entries}
    causes = {step: _within(entry, known) for step, entry in known.items()}
    caused: dict[Step, list[Step]] = {}
    for step, before in causes.items():
        for cause in before:
            caused.setdefault(cause, []).append(step)
    waiting = {step: len(before) for step, before in causes.items()}
    ready = [step for step, count in waiting.items() if not count]
    heapq.heapify(ready)
    ordered: list[TimelineEntry] = []
    while ready:
        step = heapq.heappop(ready)
        ordered.append(known[step])
        for later in caused.get(step, ()):
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, later)
    return ordered


def _within(entry: TimelineEntry, known: Mapping[Step, TimelineEntry]) -> set[Step]:
    """Return what of *known* comes directly before *entry*."""
    before = {(entry.tract, entry.operation.number - 1), *entry.causes}
    return {step for step in before if step in known}


# --- what somebody knew --------------------------------------------------------------------------


def knew(store: Store, tract: str, when: str | CommitInfo | datetime) -> CompiledContext:
    """Return the context of *tract* at a time, or when a commit of any tract was made; empty before it began.

    Raises:
        TractNotFoundError: There is no such tract.
        RevisionNotFoundError: *when* names no commit.
        InvalidTargetError: No operation brought that commit into any tract.

    Cost:
        O(log operations) for a time, O(operations of the store) for a commit; then that of compiling.
    """
    with store.reading():
        other = open_beside(store, tract)
        if isinstance(when, datetime):
            if when.tzinfo is None:
                raise InvalidInputError("A moment is a time with a time zone.", hint="Use `datetime.now(UTC)`.")
            number = operation_at(other, to_microseconds(when))
        else:
            number = _number_when(store, other, resolve(store, when))
        if number < 1:
            return compile_commit(other, None)
        then = other.view(number)
        return compile_commit(then, then.head_hash())


def _number_when(store: Store, other: Store, commit: bytes) -> int:
    """Return the last operation of *other* that does not come after the one that made *commit*."""
    made = _made(store, commit)
    if made.tract == other.tract:
        return made.operation.number
    moment = to_microseconds(made.operation.created_at)
    number = operation_at(other, moment)
    order = [entry.step for entry in in_order(_at(store, moment))]
    after = order.index(made.step)
    while number >= 1 and (other.tract, number) in order and order.index((other.tract, number)) > after:
        number -= 1
    return number


def _made(store: Store, commit: bytes) -> TimelineEntry:
    """Return the first operation of any tract that led to *commit*."""
    place = place_of(store, commit)
    found: list[tuple[int, TimelineEntry]] = []
    for name in tract_names(store):
        row = store.one(q.TRACT, name=name)
        assert row is not None
        there = store.beside(name, row[0])
        rows = store.all(q.ARRIVALS, tract_id=row[0])
        arrivals = Arrivals.read(rows, lambda lane: lane_of(store, lane), lambda lane: merged_of(store, lane))
        arrival = arrivals.of(place.lane, place.generation)
        if arrival is not None:
            done = operation(there, arrival.number)
            found.append((to_microseconds(done.created_at), TimelineEntry(name, done, _causes(done))))
    if not found:
        raise InvalidTargetError(
            f"No operation brought {commit.hex()[:SHORT_HASH]} into a tract.",
            target=commit.hex(),
            hint="Name a commit that a branch has held; `t.log()` lists some.",
        )
    first = min(moment for moment, _ in found)
    candidates = {entry.step for moment, entry in found if moment == first}
    return next(entry for entry in in_order(_at(store, first)) if entry.step in candidates)


def _at(store: Store, moment: int) -> list[TimelineEntry]:
    """Return every operation of this very moment."""
    found = []
    for name, number in store.all(t.AT_TIME, at=moment):
        row = store.one(q.TRACT, name=name)
        assert row is not None
        done = operation(store.beside(name, row[0]), number)
        found.append(TimelineEntry(name, done, _causes(done)))
    return found
