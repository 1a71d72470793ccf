"""Collects what nothing in use needs any more: the contents of unreachable commits, and of long summarized ones.

The headers of collected commits stay, a few hundred bytes each: the operation log names them, and fsck
goes on verifying every link. What gc takes is what they said, unless something in use says the same.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tract.compile.compiler import states_of
from tract.errors import InvalidInputError, OperationOpenError, StorageError, shown
from tract.history.ancestry import Place, Reach, contains
from tract.objects.content import ANNOTATION
from tract.operations.roots import DAY, Graph, ever_held, held_since
from tract.search.index import forget
from tract.storage import queries as q
from tract.storage import sweeping as w
from tract.storage.database import Database
from tract.storage.sizes import forget_sizes
from tract.storage.sweeping import Holding
from tract.storage.writing import note_collection, note_erasure
from tract.store import Store

_MOST_DAYS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class GCOptions:
    """What gc may take.

    Attributes:
        keep_days: How long a commit is kept after it became unreachable; the window within which undo works.
        keep_pinned: Keep what was pinned in a history when that became unreachable.
        archived_days: Drop what summaries in use have covered for longer than this; `None` for never.
    """

    keep_days: float = 30
    keep_pinned: bool = True
    archived_days: float | None = None


@dataclass(frozen=True, slots=True)
class GCResult:
    """What gc took, or with `dry_run` would take.

    Attributes:
        collected: Hashes of the unreachable commits whose content is gone.
        archived: Hashes of the commits in use, covered by summaries, whose content is gone.
        pinned: Hashes of the unreachable commits kept because they were pinned.
        blob_count: How many stored contents, notes and files were dropped.
        bytes: How many bytes they had.
        size_before: Bytes the store took on disk.
        size_after: Bytes it takes now.
        operation: Number of the operation in the log, `None` if nothing was taken.
        is_dry_run: Whether nothing was done.
        unfinished: Why the space was not given back yet, `""` if it was.
    """

    collected: tuple[str, ...] = field(repr=False)
    archived: tuple[str, ...] = field(repr=False)
    pinned: tuple[str, ...] = field(repr=False)
    blob_count: int
    bytes: int
    size_before: int
    size_after: int
    operation: int | None = None
    is_dry_run: bool = False
    unfinished: str = ""

    def __repr__(self) -> str:
        said = "would take" if self.is_dry_run else "took"
        return f"<GCResult {said} {len(self.collected) + len(self.archived)} commits, {self.bytes} bytes>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def gc(store: Store, options: GCOptions, *, dry_run: bool = False) -> GCResult:
    """Drop what nothing in use needs, of all tracts of the store, and give its space back.

    Raises:
        InvalidInputError: A number of days that is none.
        OperationOpenError: A batch is open.
        BusyError: Others held the store past the deadline; nothing was done.

    Cost:
        O(commits and lanes of the store), plus the bytes of all contents if anything is to be dropped.
        Other writers wait meanwhile.
    """
    _check(options)
    if store.is_writing:
        raise OperationOpenError("gc")
    folds = _Folds(store)
    # Folds histories before anything is locked, and spares the lock if there is nothing to do.
    with store.reading() as database:
        before = database.size()[0]
        plan = _Sweep(store, database, folds, options).plan(_now(store, database))
    if dry_run or plan.is_empty:
        return plan.result(before, is_dry_run=dry_run)
    args = {"keep_days": options.keep_days, "keep_pinned": options.keep_pinned, "archived_days": options.archived_days}
    store.pause("gc")
    with store.operation("gc", args, alone=True) as operation:
        database = store.database
        # Decided again: what was named, committed or undone meanwhile is in use now.
        plan = _Sweep(store, database, folds, options).plan(operation.now)
        forget(database, set(plan.blobs), thoroughly=False)
        w.drop(database, plan.blobs, operation.now)
        w.collect(database, (one.id for one in plan.unmarked), operation.now)
        operation.args.update(
            collected=len(plan.collected), archived=len(plan.archived), dropped=len(plan.blobs), bytes=plan.bytes
        )
        operation.has_values = not plan.is_empty
        _forget_sizes(database, plan.archived)
        if plan.archived:
            note_erasure(database)  # other handles remember contexts that could show them
        elif plan.blobs:
            note_collection(database)  # so does one that stands detached where nothing reaches
    with store.lock:
        store.memo.clear()
    if plan.is_empty:
        return plan.result(before)
    result = plan.result(before, operation=operation.number)
    return _shrunk(store, result)


def _shrunk(store: Store, result: GCResult) -> GCResult:
    """Give the space back; what was taken is taken already, so a failure is told, not raised."""
    with store.lock:
        try:
            store.database.shrink(thoroughly=False)
            return replace(result, size_after=store.database.size()[0])
        except StorageError as error:
            return replace(result, unfinished=error.message)


def _forget_sizes(database: Database, archived: Iterable[Holding]) -> None:
    """Drop the sizes of the commits that still show what was *archived*: those that come before its summaries."""
    places = {one.id: (one.lane, one.generation) for one in archived}
    said = {one: [place] for one, place in places.items()}
    for edit, target in w.targets_of(database, "edit") if places else ():
        if edit in places:
            said.setdefault(target, []).append(places[edit])
    covered: dict[int, list[tuple[int, int]]] = {}
    for summary, target in w.targets_of(database, "compress") if places else ():
        covered.setdefault(summary, []).extend(said.get(target, ()))
    for summary, shown_before in covered.items():
        one = w.holding(database, summary)
        forget_sizes(database, shown_before, until=[(one.lane, one.generation)])


def _check(options: GCOptions) -> None:
    days = {"keep_days": options.keep_days, "archived_days": options.archived_days}
    for name, value in days.items():
        if name == "archived_days" and value is None:
            continue
        if not _is_days(value):
            raise InvalidInputError(
                f"`{name}` is a number of days from 0 to {_MOST_DAYS}, not {shown(value)}.",
                hint="Leave `keep_days` at 30 to be able to undo for a month.",
            )
    if not isinstance(options.keep_pinned, bool):
        raise InvalidInputError(f"`keep_pinned` is true or false, not {shown(options.keep_pinned)}.")


def _is_days(value: Any) -> bool:
    # NaN is no number of days either: it is not above 0.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MOST_DAYS


def _now(store: Store, database: Database) -> int:
    """Return what the time of an operation would be."""
    row = database.one(q.OPERATION_TIME, tract_id=store.tract_id, no=store.last_operation())
    return max(store.clock(), 0 if row is None else row[0])


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be dropped, and which commits no ref may go back to from then on (the pinned ones as well)."""

    collected: list[Holding]
    archived: list[Holding]
    pinned: list[Holding]
    unmarked: list[Holding]
    blobs: dict[int, int]

    @property
    def is_empty(self) -> bool:
        return not self.unmarked and not self.blobs

    @property
    def bytes(self) -> int:
        return sum(self.blobs.values())

    def result(self, size: int, *, operation: int | None = None, is_dry_run: bool = False) -> GCResult:
        return GCResult(
            _hashes(self.collected),
            _hashes(self.archived),
            _hashes(self.pinned),
            len(self.blobs),
            self.bytes,
            size,
            size,
            operation,
            is_dry_run,
        )


def _hashes(commits: Iterable[Holding]) -> tuple[str, ...]:
    return tuple(one.hash.hex() for one in commits)


class _Folds:
    """What histories say about their commits, which never changes and so is asked once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pinned: dict[Place, frozenset[int]] = {}
        self._covered: dict[Place, tuple[frozenset[int], frozenset[int]]] = {}

    def pinned(self, place: Place) -> frozenset[int]:
        """Return the row ids of the commits pinned in the history of *place*, their edits included."""
        if place not in self._pinned:
            state = states_of(self._store).get(self._hash(place))
            pinned = {entry.placed.id for entry in state.entries if entry.priority == "pinned"}
            edits = {one.id for one in state.changes() if one.op == "edit" and one.targets[0] in pinned}
            self._pinned[place] = frozenset(pinned | edits)
        return self._pinned[place]

    def covered(self, place: Place) -> tuple[frozenset[int], frozenset[int]]:
        """Return the commits that summaries cover in the history of *place*, edits included, and those not covered."""
        if place not in self._covered:
            state = states_of(self._store).get(self._hash(place))
            hidden = {entry.placed.id for entry in state.entries if entry.covers}
            edits = {one.id: one.targets[0] in hidden for one in state.changes() if one.op == "edit"}
            said = {entry.placed.id for entry in state.entries} - hidden
            covered = hidden | {edit for edit, is_hidden in edits.items() if is_hidden}
            self._covered[place] = frozenset(covered), frozenset(said | (edits.keys() - covered))
        return self._covered[place]

    def _hash(self, place: Place) -> bytes:
        row = self._store.one(q.AT_GENERATION, lane_id=place.lane, generation=place.generation)
        assert row is not None
        commit: bytes = row[0]
        return commit


class _Sweep:
    """One look at everything stored, in one snapshot."""

    def __init__(self, store: Store, database: Database, folds: _Folds, options: GCOptions) -> None:
        self._store = store
        self._database = database
        self._folds = folds
        self._options = options
        self._graph = Graph(database)

    def plan(self, now: int) -> _Plan:
        """Return what may be dropped at the time *now*."""
        held = held_since(self._store, self._database, self._graph, now - round(self._options.keep_days * DAY))
        alive = self._graph.reach(held)
        dead = self._dead(alive)
        pinned = self._pinned(dead, alive) if self._options.keep_pinned else frozenset()
        losing = [one for one in dead if one.id not in pinned]
        archived = [one for one in self._archived(now) if contains(alive, Place(one.lane, one.generation))]
        blobs = droppable(self._database, losing, archived)
        return _Plan(
            [one for one in losing if one.collected_at is None or one.blob_id in blobs],
            [one for one in archived if one.blob_id in blobs],
            [one for one in dead if one.id in pinned],
            [one for one in dead if one.collected_at is None],
            blobs,
        )

    def _dead(self, alive: Reach) -> list[Holding]:
        """Return the commits that were in use once and are not, those collected before included.

        Of these, some still have a content: it was pinned, or something in use said it too.
        """
        found: list[Holding] = []
        for lane, high in ever_held(self._database, self._graph).items():
            low = max(alive.get(lane, 0) + 1, self._graph.lane_of(lane).start)
            if low <= high:
                found += w.in_run(self._database, lane, low, high)
        return found

    def _pinned(self, dead: list[Holding], alive: Reach) -> frozenset[int]:
        """Return what was pinned in a history when a ref left it."""
        stored = {blob.id for blob in w.all_stored(self._database)} if dead else set()
        telling = [one for one in dead if one.blob_id in stored and one.content_type != ANNOTATION]
        first = {one.lane: one.generation for one in reversed(telling)}
        kept: set[int] = set()
        for end in self._left():
            if contains(alive, end):
                continue
            behind = self._graph.reach({end})
            if any(behind.get(lane, 0) >= generation for lane, generation in first.items()):
                kept |= self._folds.pinned(end)
        return frozenset(kept & {one.id for one in telling})

    def _left(self) -> set[Place]:
        """Return what refs pointed to before they went to something that does not lie ahead."""
        return {
            Place(*old)
            for old, new in w.moves_away(self._database)
            if new is None or not contains(self._graph.reach({Place(*new)}), Place(*old))
        }

    def _archived(self, now: int) -> list[Holding]:
        """Return the commits that every history in use since then, if it has them, has covered all the time.

        Undo must work within `keep_days`, so nothing is archived that was covered for less than that.
        """
        options = self._options
        if options.archived_days is None:
            return []
        days = max(options.archived_days, options.keep_days)
        held = held_since(self._store, self._database, self._graph, now - round(days * DAY))
        covered: set[int] = set()
        shown: set[int] = set()
        for place in self._telling(held):
            hidden, said = self._folds.covered(place)
            covered |= hidden
            shown |= said
        return [w.holding(self._database, commit) for commit in sorted(covered - shown)]

    def _telling(self, held: set[Place]) -> set[Place]:
        """Return those of *held* that say something about what is covered that no later one of the lane says too."""
        changes = w.changes(self._database)
        found = set()
        last: dict[int, int] = {}
        for place in sorted(held, reverse=True):
            later = last.get(place.lane)
            between = changes.get(place.lane, [])
            if later is None or any(place.generation < change <= later for change in between):
                found.add(place)
                last[place.lane] = place.generation
        return found


def droppable(database: Database, collected: list[Holding], archived: list[Holding]) -> dict[int, int]:
    """Return row id and size of each blob that only these commits need.

    Of archived commits only the content is theirs to lose: the note says what they answer.
    """
    losing = {one.id for one in collected}
    covered = {one.id for one in archived}
    wanted = {blob for one in collected for blob in (one.blob_id, one.note_id)}
    # What an annotation says is part of how its history compiles, and a few bytes.
    wanted -= {one.blob_id for one in collected if one.content_type == ANNOTATION}
    wanted |= {one.blob_id for one in archived}
    wanted.discard(None)
    if not wanted:
        return {}
    used: set[Any] = set()
    for one in w.holdings(database):
        if one.id not in losing:
            used.add(one.note_id)
            if one.id not in covered:
                used.add(one.blob_id)
    return with_files(database, wanted - used, used)


def with_files(database: Database, wanted: set[Any], used: set[Any]) -> dict[int, int]:
    """Return row id and size of each of the blobs *wanted*, and of the files and tool definitions only they name.

    Left out is what others name, and of what is named what is *used* as something else.
    """
    named = w.files_named(database)
    in_use = {hash_ for blob, hashes in named.items() if blob not in wanted for hash_ in hashes}
    found = [blob for one in wanted if (blob := w.stored(database, id_=one)) is not None]
    files = {hash_ for blob in wanted for hash_ in named.get(blob, ())}
    found += [blob for one in files if (blob := w.stored(database, hash_=one)) is not None and blob.id not in used]
    return {blob.id: blob.size for blob in found if blob.hash not in in_use}
