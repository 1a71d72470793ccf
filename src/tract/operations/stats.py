"""Answers how much a store holds, of what, how often the same, and how much of it nothing reaches any more."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tract.history.ancestry import Place, contains
from tract.objects.commit import from_microseconds
from tract.operations.gc import droppable
from tract.operations.roots import Graph, held_since
from tract.storage import sweeping as w
from tract.storage.database import Database
from tract.store import Store

_LATER: Final = 1 << 62
"""After every operation: then only what something points to now is in use."""


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
class Stats:
    """What a store holds, of all its tracts.

    Attributes:
        kinds: Bytes by kind, the largest first.
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
    """

    kinds: tuple[KindStats, ...] = field(repr=False)
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
        kinds = _kinds(database)
        unreachable, unreachable_bytes = _unreachable(store, database)
        counts = w.counts(database)
        first, last = w.times(database)
    return Stats(
        kinds=kinds,
        stored_bytes=sum(one.stored_bytes for one in kinds),
        logical_bytes=sum(one.logical_bytes for one in kinds),
        unreachable_commits=unreachable,
        unreachable_bytes=unreachable_bytes,
        first_at=None if first is None else from_microseconds(first),
        last_at=None if last is None else from_microseconds(last),
        file_bytes=size,
        free_bytes=free,
        **counts,
    )


def _kinds(database: Database) -> tuple[KindStats, ...]:
    blobs = {one.id: one for one in w.all_stored(database)}
    by_hash = {one.hash: one.id for one in blobs.values()}
    named = w.files_named(database)
    uses: Counter[int] = Counter()
    kinds: dict[int, str] = {}
    for commit in w.holdings(database):
        for blob, said in ((commit.blob_id, commit.content_type), (commit.note_id, "note")):
            if blob in blobs and blob is not None:
                uses[blob] += 1
                kinds.setdefault(blob, said or "")
        for file in named.get(commit.blob_id or 0, ()):
            if file in by_hash:
                uses[by_hash[file]] += 1
                kinds.setdefault(by_hash[file], "file")
    counts: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    logical: Counter[str] = Counter()
    for one in blobs.values():
        kind = kinds.get(one.id, one.kind)
        counts[kind] += 1
        stored[kind] += one.size
        logical[kind] += one.size * max(1, uses[one.id])
    return tuple(KindStats(kind, counts[kind], size, logical[kind]) for kind, size in stored.most_common())


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
