"""Answers how a commit and what it names get into the tables, each object once.

Everything here runs inside a transaction somebody else opened and will end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tract.objects.commit import CommitHeader, header_hash
from tract.objects.hashing import blob_hash, config_hash
from tract.storage import queries as q
from tract.storage.database import Database
from tract.storage.sizes import forget_sizes_with

NO_TRACT: Final = -1
"""Id of a tract that is not created yet."""

_COLLECTION: Final = 1 << 32
"""What a collection adds to the setting `erasures`; an erasure adds one."""


class Tip(NamedTuple):
    """What a new commit needs to know of its parent."""

    id: int
    hash: bytes
    generation: int
    lane_id: int
    context_tokens: int | None
    counter_id: int | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit about to be written; everything slow about it is done.

    Attributes:
        payload: Canonical bytes of the content, or `None`.
        targets: Row id and hash of each commit it acts on, in order.
        tokens: Tokens of its own message.
        context_tokens: Tokens of the compiled context after it.
        files: Bytes of images and documents the payload names by hash.
        tools: Canonical bytes of the tool definitions the note names by hash.
    """

    op: str
    content_type: str | None
    payload: bytes | None
    origin: str
    author: str
    created_at: int
    tokens: int
    context_tokens: int
    targets: tuple[tuple[int, bytes], ...] = ()
    config: bytes | None = None
    note: bytes | None = None
    content_hash: bytes | None = None
    files: tuple[bytes, ...] = ()
    tools: bytes | None = None


def write_commit(
    database: Database, draft: Draft, parents: tuple[Tip, ...], counter: int, *, restored: set[int]
) -> Tip:
    """Write *draft* as a child of *parents*; the same commit written twice is one commit.

    The row ids of contents and files that were gone, and that it says again, are added to *restored*. With any in
    it no size is kept: like those of all commits that show them again, it was counted without them.
    """
    content = draft.content_hash
    if draft.payload is not None and content is None:
        content = blob_hash(draft.payload)
    config = None if draft.config is None else config_hash(draft.config)
    note = None if draft.note is None else blob_hash(draft.note)
    header = CommitHeader(
        tuple([parent.hash for parent in parents]),
        draft.op,
        tuple([target for _, target in draft.targets]),
        draft.content_type,
        content,
        config,
        note,
        draft.origin,
        draft.author,
        draft.created_at,
    )
    before = set(restored)
    for data in draft.files:
        _blob(database, "file", blob_hash(data), data, restored=restored)
    if draft.tools is not None:
        _blob(database, "tools", blob_hash(draft.tools), draft.tools)
    values = {
        "hash": header_hash(header),
        "parent_id": parents[0].id if parents else None,
        "op": draft.op,
        "content_type": draft.content_type,
        "blob_id": _blob(database, "content", content, draft.payload, restored=restored),
        "config_id": _config(database, config, draft.config),
        "note_id": _blob(database, "note", note, draft.note),
        "origin": draft.origin,
        "author": draft.author,
        "created_at": draft.created_at,
        "tokens": draft.tokens,
        "context_tokens": None if restored else draft.context_tokens,
        "counter_id": counter,
    }
    written, is_new = _insert(database, values, parents)
    if is_new:
        _link(database, written, draft, parents)
    for blob in restored - before:
        forget_sizes_with(database, blob)
    return written


def _insert(database: Database, values: dict[str, Any], parents: tuple[Tip, ...]) -> tuple[Tip, bool]:
    """Insert the commit row into its parent's lane, or into a new lane where that one has gone on.

    A merge starts a lane of its own, so the generations within a lane have no gaps.
    """
    first = parents[0] if parents else None
    generation = 1 + max((parent.generation for parent in parents), default=0)
    lane = first.lane_id if first is not None and len(parents) == 1 else None
    while True:
        if lane is None:
            lane = _new_lane(database, first, generation)
        row = database.one(q.ADD_COMMIT, **values, generation=generation, lane_id=lane)
        if row is not None:
            tip = Tip(row[0], values["hash"], generation, lane, values["context_tokens"], values["counter_id"])
            return tip, True
        existing = database.one(q.TIP, hash=values["hash"])
        if existing is not None:
            database.execute(q.KEEP_COMMIT, {"of_hash": values["hash"]})
            return Tip(*existing), False
        lane = None


def _new_lane(database: Database, fork: Tip | None, start: int) -> int:
    row = database.one(
        q.ADD_LANE,
        fork_lane_id=None if fork is None else fork.lane_id,
        fork_generation=None if fork is None else fork.generation,
        start_generation=start,
    )
    assert row is not None
    lane: int = row[0]
    return lane


def _link(database: Database, written: Tip, draft: Draft, parents: tuple[Tip, ...]) -> None:
    for position, parent in enumerate(parents[1:], start=1):
        database.execute(q.ADD_PARENT, {"commit_id": written.id, "position": position, "parent_id": parent.id})
    for position, (target, _) in enumerate(draft.targets):
        database.execute(q.ADD_TARGET, {"commit_id": written.id, "position": position, "target_id": target})


def _blob(
    database: Database, kind: str, hash_: bytes | None, data: bytes | None, *, restored: set[int] | None = None
) -> int | None:
    if hash_ is None:
        return None
    # Without bytes: a copy of a commit whose content was erased names the same tombstone.
    row = None if data is None else database.one(q.ADD_BLOB, hash=hash_, kind=kind, size=len(data), data=data)
    if row is None:
        row = database.one(q.BLOB_ID, hash=hash_)
        assert row is not None
        if data is not None and row[1] is not None:
            # Said again after it was collected or erased: it is back wherever it was.
            database.execute(q.RESTORE_BLOB, {"of_id": row[0], "data": data})
            note_erasure(database)
            if restored is not None:
                restored.add(row[0])
    blob: int = row[0]
    return blob


def note_erasure(database: Database) -> None:
    """Let every handle drop what it remembers, because contents are gone, or back."""
    database.execute(q.COUNT_ERASURE, {"step": 1})


def note_collection(database: Database) -> None:
    """Let every handle drop what it remembers, because contents nothing reaches are gone.

    What is being made meanwhile is made of what something reaches, so it goes on.
    """
    database.execute(q.COUNT_ERASURE, {"step": _COLLECTION})


def erasures_in(noted: str) -> int:
    """Return how often contents that were in use went or came back, of what the setting `erasures` says."""
    return int(noted or 0) % _COLLECTION


def _config(database: Database, hash_: bytes | None, data: bytes | None) -> int | None:
    if hash_ is None or data is None:
        return None
    # Configs are few and met again and again: look before adding.
    row = database.one(q.CONFIG_ID, hash=hash_)
    if row is None:
        row = database.one(q.ADD_CONFIG, hash=hash_, json=data.decode())
    if row is None:  # PostgreSQL: another tract's writer added it in between
        row = database.one(q.CONFIG_ID, hash=hash_)
    assert row is not None
    config: int = row[0]
    return config


def add_tract(database: Database, name: str, counter: str, now: int) -> int:
    """Add the tract *name* unless it is there, and return its row id."""
    database.execute(q.ADD_TRACT, {"name": name, "created_at": now})
    # Not left to the first commit: in a long batch it would hold up the first commit of every other tract.
    database.execute(q.ADD_COUNTER, {"name": counter})
    row = database.one(q.TRACT, name=name)
    assert row is not None
    tract: int = row[0]
    return tract


def counter_id(database: Database, name: str) -> int:
    """Return the row id of the token counter called *name*, noting it down if it is new."""
    row = database.one(q.COUNTER, name=name)
    if row is None:
        database.execute(q.ADD_COUNTER, {"name": name})
        row = database.one(q.COUNTER, name=name)
    assert row is not None
    counter: int = row[0]
    return counter
