"""Answers whether a store is whole: every byte hashed again, every link followed.

Reads only. Each finding has a stable id, so a script can tell them apart; the text is for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tract.errors import CorruptObjectError, TractError
from tract.objects.hashing import blob_hash, config_hash
from tract.objects.operation import OperationHeader, header_hash
from tract.objects.refs import RefChange
from tract.storage import checks as c
from tract.storage.database import Database
from tract.storage.erasing import redactions, removal_times
from tract.storage.queries import CommitRow
from tract.storage.verify import verify, verify_blob
from tract.store import Store


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a store.

    Attributes:
        id: Stable, such as `blob-damaged`; listed in `docs/reference/fsck.md`.
        object: Hash or name of what is wrong.
        message: One sentence.
    """

    id: str
    object: str
    message: str


def fsck(store: Store) -> list[Finding]:
    """Check every object, ref and operation of *store*, of all its tracts.

    Cost:
        O(everything stored).
    """
    found: list[Finding] = []
    with store.reading() as database:
        for check in (_database, _blobs, _configs, _proposals, _commits, _log, _links):
            try:
                found += check(database)
            except TractError as error:
                # What this check has found already is lost with it, but not what the others find.
                found.append(Finding("unreadable", check.__name__.strip("_"), error.message))
    return found


def _database(database: Database) -> Iterator[Finding]:
    for problem in c.integrity(database):
        yield Finding("database-damaged", database.dialect, problem)


def _blobs(database: Database) -> Iterator[Finding]:
    removals = removal_times(database)
    for hash_, size, data, erased_at, is_known in c.blobs(database):
        if not is_known:
            yield Finding("blob-kind", hash_.hex(), "The blob is of a kind or encoding nobody writes.")
        try:
            verify_blob(hash_, data, erased_at)
        except CorruptObjectError as error:
            yield Finding("blob-damaged", hash_.hex(), error.message)
        else:
            if data is None and erased_at not in removals:
                yield Finding("erased-unlogged", hash_.hex(), "The blob is gone, and no operation says it took it.")
            if data is not None and len(data) != size:
                yield Finding("blob-size", hash_.hex(), f"The blob is {len(data)} bytes, not {size} as noted.")


def _configs(database: Database) -> Iterator[Finding]:
    for hash_, text in c.configs(database):
        if config_hash(text.encode()) != hash_:
            yield Finding("config-damaged", hash_.hex(), "A generation config does not match its hash.")


def _proposals(database: Database) -> Iterator[Finding]:
    for tract, number, payload, hash_ in c.proposals(database):
        if blob_hash(payload.encode()) != hash_:
            yield Finding("proposal-damaged", f"{tract}@{number}", "A proposal does not match its hash.")


def _commits(database: Database) -> Iterator[Finding]:
    """Check each commit's header, that its parents come before it, and that its lane is right."""
    parents, targets = c.parents(database), c.targets(database)
    misplaced = c.misplaced(database)
    places: dict[int, tuple[bytes, int, int]] = {}
    lanes = c.lanes(database)
    ends: dict[int, int] = {}
    # By generation, so every parent has been seen before its child.
    for row in c.commits(database):
        name = row.hash.hex()
        if row.id in misplaced:
            yield Finding("position-wrong", name, "The parents or targets of the commit are not numbered in order.")
        ids = () if row.parent_id is None else (row.parent_id, *parents.get(row.id, ()))
        missing = [parent for parent in ids if parent not in places]
        if missing:
            yield Finding("parent-missing", name, "A parent of the commit is missing or not before it.")
        else:
            yield from _commit(row, [places[parent] for parent in ids], targets.get(row.id, []))
            yield from _lane(row, lanes.get(row.lane_id), ends, places.get(row.parent_id or -1))
        places[row.id] = (row.hash, row.generation, row.lane_id)
        ends[row.lane_id] = row.generation


def _commit(row: CommitRow, parents: list[tuple[bytes, int, int]], targets: list[bytes]) -> Iterator[Finding]:
    try:
        verify(row, tuple(parent[0] for parent in parents), tuple(targets))
    except TractError as error:
        yield Finding("commit-damaged", row.hash.hex(), error.message)
    if row.generation != 1 + max((parent[1] for parent in parents), default=0):
        yield Finding("generation-wrong", row.hash.hex(), "The generation does not follow from the parents.")


def _lane(
    row: CommitRow, lane: tuple[int, int | None, int | None] | None, ends: dict[int, int], parent: Any
) -> Iterator[Finding]:
    """A lane goes on from its last commit, or starts where it says it forked."""
    end = ends.get(row.lane_id)
    if end is not None:
        fits = row.generation == end + 1 and parent is not None and parent[1:] == (end, row.lane_id)
    else:
        fork = (None, None) if parent is None else (parent[2], parent[1])
        fits = lane is not None and lane == (row.generation, *fork)
    if not fits:
        yield Finding("lane-wrong", row.hash.hex(), "The commit is not where its lane says.")


def _log(database: Database) -> Iterator[Finding]:
    """Check each tract's chain of operations, and that replaying it gives the refs as they are."""
    redacted = redactions(database)
    for tract_id, tract in c.tracts(database):
        refs: dict[str, bytes] = {}
        previous: bytes | None = None
        changes = c.changes(database, tract_id)
        for number, row in enumerate(c.operations(database, tract_id), start=1):
            header = OperationHeader(
                row.no, previous, tract, row.verb, row.hashed_args, row.actor, row.created_at, row.undoes,
                tuple(changes.pop(row.no, ())),
            )  # fmt: skip
            if row.no != number or header_hash(header) != row.hash:
                yield Finding("operation-damaged", f"{tract}@{row.no}", "The operation breaks the chain of the log.")
            if row.args_hash is not None and (tract, row.no, blob_hash(row.args.encode()).hex()) not in redacted:
                yield Finding("redacted-unlogged", f"{tract}@{row.no}", "No erasure says it changed its arguments.")
            yield from _replay(refs, header, tract)
            previous = row.hash
        if changes:
            yield Finding("change-without-operation", tract, "Ref changes belong to no operation.")
        if refs != c.refs(database, tract_id):
            yield Finding("refs-differ", tract, "The refs are not where the operation log left them.")


def _links(database: Database) -> Iterator[Finding]:
    """Check that each tract was spawned from where its first operation says."""
    for tract_id, name, link in c.links(database):
        rows = c.first_operation(database, tract_id)
        if rows is None or rows.args_hash is not None:  # missing, which the log's check finds, or partly erased
            continue
        told = _origin(rows.args)
        if told is not None and link != told:
            yield Finding("link-wrong", name, "The tract was spawned elsewhere, or otherwise, than its log says.")


def _origin(args: str) -> tuple[Any, Any, Any] | None:
    """Return the parent, commit and mode that *args* name; `None` if damaged, which the log's check finds."""
    try:
        told = json.loads(args)
    except ValueError:
        return None
    return (told.get("parent"), told.get("commit"), told.get("mode")) if isinstance(told, dict) else None


def _replay(refs: dict[str, bytes], header: OperationHeader, tract: str) -> Iterator[Finding]:
    change: RefChange
    for change in header.changes:
        if refs.get(change.name) != change.old:
            place = f"{tract}@{header.number}"
            yield Finding("change-out-of-order", place, f"`{change.name}` was not where the operation found it.")
        if change.new is None:
            refs.pop(change.name, None)
        else:
            refs[change.name] = change.new
