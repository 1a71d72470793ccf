"""Answers how much a store holds, of what, how often the same, and how much of it nothing reaches any more."""

from __future__ import annotations

import html
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tract.history.ancestry import Place, contains
from tract.objects.commit import from_microseconds
from tract.operations.gc import droppable
from tract.operations.roots import DAY, Graph, held_since
from tract.storage import sweeping as w
from tract.storage.database import Database
from tract.store import Store

_LATER: Final = 1 << 62
"""After every operation: then only what something points to now is in use."""

_AGES: Final = (1, 7, 30, 90, 365)
"""Days."""


@dataclass(frozen=True, slots=True)
class KindStats:
    """How much there is of one kind.

    Attributes:
        kind: A content type, `note` (messages and metadata) or `file`.
        count: Different ones stored.
        stored_bytes: Bytes of those.
        logical_bytes: Bytes they would have if each commit kept its own.
    """

    kind: str
    count: int
    stored_bytes: int
    logical_bytes: int


@dataclass(frozen=True, slots=True)
class AgeStats:
    """How much there is of one age: the time since the first commit that has it.

    Attributes:
        most_days: How old it is at most; `None` for older than every other age listed.
        count: Different contents, notes and files.
        stored_bytes: Bytes of those.
    """

    most_days: int | None
    count: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store holds, of all its tracts.

    Attributes:
        kinds: Bytes by kind, the largest first.
        ages: Bytes by age, the youngest first: a day, a week, 30, 90 and 365 days, and older.
        stored_bytes: Bytes of all contents, notes and files.
        logical_bytes: Bytes they would have if each commit kept its own.
        commits: Commits, collected ones included.
        collected_commits: Those of them gc has collected.
        unreachable_commits: Those nothing reaches, not collected yet.
        unreachable_bytes: Bytes only those need.
        blobs: Contents, notes and files, tombstones included.
        tombstones: Those of them that were collected or erased.
        tracts: Tracts.
        branches: Branches of all tracts.
        tags: Tags of all tracts.
        operations: Operations of all tracts.
        first_at: Time of the first operation, UTC.
        last_at: Time of the last one.
        file_bytes: Bytes the store takes on disk.
        free_bytes: How many of them hold nothing; 0 on PostgreSQL, which does not say.
        cached_replies: Answers of models in `t.reply_cache`, which `t.reply_cache.clear()` drops.
        cached_reply_bytes: Bytes of those; in no other number but `file_bytes`.
    """

    kinds: tuple[KindStats, ...] = field(repr=False)
    ages: tuple[AgeStats, ...] = field(repr=False)
    stored_bytes: int
    logical_bytes: int
    commits: int
    collected_commits: int
    unreachable_commits: int
    unreachable_bytes: int
    blobs: int
    tombstones: int
    tracts: int
    branches: int
    tags: int
    operations: int
    first_at: datetime | None
    last_at: datetime | None
    file_bytes: int
    free_bytes: int
    cached_replies: int
    cached_reply_bytes: int

    @property
    def dedup_ratio(self) -> float:
        """How many times over the stored bytes are used; 1.0 for an empty store."""
        return self.logical_bytes / self.stored_bytes if self.stored_bytes else 1.0

    def __repr__(self) -> str:
        return f"<Stats {self.commits} commits, {self.stored_bytes} bytes, {self.file_bytes} on disk>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def stats(store: Store) -> Stats:
    """Return what *store* holds.

    Cost:
        O(commits), plus the bytes of all contents.
    """
    with store.reading() as database:
        size, free = database.size()
        uses = _Uses(database)
        kinds = uses.by_kind()
        unreachable, unreachable_bytes = _unreachable(store, database)
        counts = w.counts(database)
        reply_bytes = w.reply_bytes(database)
        first, last = w.times(database)
    return Stats(
        kinds=kinds,
        ages=uses.by_age(store.clock()),
        stored_bytes=sum(one.stored_bytes for one in kinds),
        logical_bytes=sum(one.logical_bytes for one in kinds),
        unreachable_commits=unreachable,
        unreachable_bytes=unreachable_bytes,
        first_at=None if first is None else from_microseconds(first),
        last_at=None if last is None else from_microseconds(last),
        file_bytes=size,
        free_bytes=free,
        cached_reply_bytes=reply_bytes,
        **counts,
    )


class _Uses:
    """What each stored blob is, how often commits have it, and since when."""

    def __init__(self, database: Database) -> None:
        self._blobs = {one.id: one for one in w.all_stored(database)}
        self._uses: Counter[int] = Counter()
        self._kinds: dict[int, str] = {}
        self._since: dict[int, int] = {}
        by_hash = {one.hash: one.id for one in self._blobs.values()}
        named = w.files_named(database)
        for commit in w.holdings(database):
            for blob, kind in ((commit.blob_id, commit.content_type), (commit.note_id, "note")):
                self._add(blob, kind or "", commit.created_at)
                for file in named.get(blob or 0, ()):
                    self._add(by_hash.get(file), "", commit.created_at)

    def _add(self, blob: int | None, kind: str, at: int) -> None:
        if blob is not None and blob in self._blobs:
            self._uses[blob] += 1
            self._kinds.setdefault(blob, kind or self._blobs[blob].kind)
            self._since[blob] = min(at, self._since.get(blob, at))

    def by_kind(self) -> tuple[KindStats, ...]:
        """Return the bytes of each kind, the largest first."""
        counts: Counter[str] = Counter()
        stored: Counter[str] = Counter()
        logical: Counter[str] = Counter()
        for one in self._blobs.values():
            kind = self._kinds.get(one.id, one.kind)
            counts[kind] += 1
            stored[kind] += one.size
            logical[kind] += one.size * max(1, self._uses[one.id])
        return tuple(KindStats(kind, counts[kind], size, logical[kind]) for kind, size in stored.most_common())

    def by_age(self, now: int) -> tuple[AgeStats, ...]:
        """Return the bytes of each age, the youngest first."""
        sizes: list[list[int]] = [[] for _ in range(len(_AGES) + 1)]
        for one in self._blobs.values():
            age = now - self._since.get(one.id, now)
            sizes[bisect_left(_AGES, age / DAY)].append(one.size)
        return tuple(AgeStats(days, len(one), sum(one)) for days, one in zip((*_AGES, None), sizes, strict=True))


def _unreachable(store: Store, database: Database) -> tuple[int, int]:
    """Return how many commits nothing reaches that are not collected, and how many bytes only they need."""
    graph = Graph(database)
    alive = graph.reach(held_since(store, database, graph, _LATER))
    dead = [
        one
        for one in w.holdings(database)
        if one.collected_at is None and not contains(alive, Place(one.lane, one.generation))
    ]
    return len(dead), sum(droppable(database, dead, []).values())
