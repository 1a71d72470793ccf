"""Answers what is stored, all of it, in an order in which it can be checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ForeignKeyConstraint, select

from tract.objects.operation import OperationHeader, header_hash
from tract.objects.refs import HEAD, RefChange
from tract.storage import queries as q
from tract.storage import schema as s
from tract.storage.database import Database, Query
from tract.storage.queries import CommitRow

_BATCH = 500


class OperationRow(NamedTuple):
    """One stored operation."""

    no: int
    verb: str
    args: str
    actor: str
    created_at: int
    undoes: int | None
    hash: bytes
    args_hash: bytes | None

    @property
    def hashed_args(self) -> str | bytes:
        """What the hash covers of its arguments."""
        return self.args if self.args_hash is None else self.args_hash


def integrity(database: Database) -> list[str]:
    """Return what the database itself finds wrong with its file, and rows that name missing ones.

    PostgreSQL checks its own pages when it reads them; its foreign keys hold until a row is damaged or restored alone.
    """
    if database.dialect != "sqlite":
        counts = database.run_text(_LOST)
        return [f"{count} rows of {table} name a missing {other}" for table, other, count in counts if count]
    found = [row[0] for row in database.run_text("PRAGMA integrity_check(20)") if row[0] != "ok"]
    broken = [
        f"{row[0]} row {row[1]} names a missing {row[2]}" for row in database.run_text("PRAGMA foreign_key_check")
    ]
    return found + broken


def _lost_sql(table: str, link: ForeignKeyConstraint) -> str:
    pairs = [(f"mine.{one.parent.name}", f"theirs.{one.column.name}") for one in link.elements]
    named = " AND ".join(f"{mine} IS NOT NULL" for mine, _ in pairs)
    same = " AND ".join(f"{mine} = {theirs}" for mine, theirs in pairs)
    other = link.referred_table.name
    return (
        f"SELECT '{table}', '{other}', count(*) FROM {table} mine WHERE {named}"  # noqa: S608 - names of our own tables
        f" AND NOT EXISTS (SELECT 1 FROM {other} theirs WHERE {same})"
    )


# Text, because compiling so many statements takes longer than running them.
_LOST: Final = " UNION ALL ".join(
    _lost_sql(table.name, link) for table in s.metadata.sorted_tables for link in table.foreign_key_constraints
)

_BLOBS = Query(
    select(
        s.blobs.c.id,
        s.blobs.c.hash,
        s.blobs.c.size,
        s.blobs.c.data,
        s.blobs.c.erased_at,
        s.blobs.c.kind,
        s.blobs.c.codec,
    )
    .where(s.blobs.c.id > q.parameter("after"))
    .order_by(s.blobs.c.id)
    .limit(_BATCH)
)


_BLOB_KINDS: Final = frozenset({"content", "note", "file", "tools"})


def blobs(database: Database) -> Iterator[tuple[bytes, int, bytes | None, int | None, bool]]:
    """Yield hash, size, data, time of erasure and whether it is of a known kind, of every blob, a few at a time."""
    after = -1 << 62
    while rows := database.all(_BLOBS, after=after):
        for _, hash_, size, data, erased_at, kind, codec in rows:
            yield hash_, size, data, erased_at, kind in _BLOB_KINDS and codec == 0
        after = rows[-1][0]


_CONFIGS = Query(select(s.configs.c.hash, s.configs.c.json))


_PROPOSALS: Final = Query(
    select(s.tracts.c.name, s.proposals.c.number, s.proposals.c.payload, s.proposals.c.hash).select_from(
        s.proposals.join(s.tracts, s.tracts.c.id == s.proposals.c.tract_id)
    )
)


def proposals(database: Database) -> list[tuple[str, int, str, bytes]]:
    """Return tract, number, payload and hash of every revision of every proposal."""
    return [(tract, number, payload, hash_) for tract, number, payload, hash_ in database.all(_PROPOSALS)]


def configs(database: Database) -> list[tuple[bytes, str]]:
    """Return hash and text of every generation config."""
    return [(hash_, json) for hash_, json in database.all(_CONFIGS)]


# Contents are checked as blobs; here a commit needs their hashes only.
_COMMITS = Query(q.commit_rows(q.COLUMNS_WITHOUT_DATA).order_by(s.commits.c.generation, s.commits.c.id))


def commits(database: Database) -> Iterator[CommitRow]:
    """Yield every commit without its content's bytes, parents before children."""
    for row in database.all(_COMMITS):
        yield CommitRow(*row)


_PARENTS = Query(
    select(s.commit_parents.c.commit_id, s.commit_parents.c.parent_id, s.commit_parents.c.position).order_by(
        s.commit_parents.c.commit_id, s.commit_parents.c.position
    )
)


def parents(database: Database) -> dict[int, list[int]]:
    """Return the parents after the first of every merge, by row id."""
    found: dict[int, list[int]] = {}
    for commit, parent, _ in database.all(_PARENTS):
        found.setdefault(commit, []).append(parent)
    return found


_TARGETS = Query(
    select(s.commit_targets.c.commit_id, s.commits.c.hash, s.commit_targets.c.position)
    .select_from(s.commit_targets.join(s.commits, s.commits.c.id == s.commit_targets.c.target_id))
    .order_by(s.commit_targets.c.commit_id, s.commit_targets.c.position)
)


def targets(database: Database) -> dict[int, list[bytes]]:
    """Return the hashes each commit acts on, by the commit's row id."""
    found: dict[int, list[bytes]] = {}
    for commit, target, _ in database.all(_TARGETS):
        found.setdefault(commit, []).append(target)
    return found


def misplaced(database: Database) -> set[int]:
    """Return the row ids of the commits whose parents or targets are not numbered without gaps."""
    found: set[int] = set()
    for query, start in ((_PARENTS, 1), (_TARGETS, 0)):
        seen: dict[int, int] = {}
        for commit, _, position in database.all(query):
            if position != seen.setdefault(commit, start):
                found.add(commit)
            seen[commit] += 1
    return found


_LANES = Query(select(s.lanes.c.id, s.lanes.c.start_generation, s.lanes.c.fork_lane_id, s.lanes.c.fork_generation))


def lanes(database: Database) -> dict[int, tuple[int, int | None, int | None]]:
    """Return start, fork lane and fork generation of every lane, by id."""
    return {row[0]: (row[1], row[2], row[3]) for row in database.all(_LANES)}


_TRACTS = Query(select(s.tracts.c.id, s.tracts.c.name).order_by(s.tracts.c.id))


def tracts(database: Database) -> list[tuple[int, str]]:
    """Return id and name of every tract."""
    return [(tract_id, name) for tract_id, name in database.all(_TRACTS)]


_parent = s.tracts.alias("parent")
_LINKS: Final = Query(
    select(s.tracts.c.id, s.tracts.c.name, _parent.c.name, s.commits.c.hash, s.tracts.c.mode).select_from(
        s.tracts.outerjoin(_parent, _parent.c.id == s.tracts.c.parent_tract_id).outerjoin(
            s.commits, s.commits.c.id == s.tracts.c.parent_commit_id
        )
    )
)


def links(database: Database) -> Iterator[tuple[int, str, tuple[str | None, str | None, str | None]]]:
    """Yield id and name of every tract, and its parent, the hash of the spawn commit and the mode."""
    for id_, name, parent, spawn, mode in database.all(_LINKS):
        yield id_, name, (parent, None if spawn is None else spawn.hex(), mode)


def first_operation(database: Database, tract_id: int) -> OperationRow | None:
    """Return the operation that began a tract, or `None` if it is missing."""
    rows = database.all(q.OPERATIONS, tract_id=tract_id, low=1, high=1)
    return OperationRow(*rows[0]) if rows else None


def _hash_under(name: str, row: OperationRow, changes: list[RefChange]) -> bytes:
    """Return the hash *row* has as the first operation of a tract called *name*."""
    return header_hash(
        OperationHeader(
            row.no, None, name, row.verb, row.hashed_args, row.actor, row.created_at, row.undoes, tuple(sorted(changes))
        )
    )


def misnamed(database: Database) -> list[str]:
    """Return the names of tracts that are not the ones their first operation was recorded under.

    Cost:
        O(tracts).
    """
    found = []
    for tract_id, name in tracts(database):
        changed = database.all(q.CHANGES, tract_id=tract_id, low=1, high=1)
        first = first_operation(database, tract_id)
        changes = [ref_change(row[1:]) for row in changed]
        if first is None or first.hash != _hash_under(name, first, changes):
            found.append(name)
    return found


def operations(database: Database, tract_id: int) -> Iterator[OperationRow]:
    """Yield every operation of a tract, oldest first."""
    for row in database.all(q.OPERATIONS, tract_id=tract_id, low=-1 << 62, high=1 << 62):
        yield OperationRow(*row)


def changes(database: Database, tract_id: int) -> dict[int, list[RefChange]]:
    """Return the ref changes of a tract by operation number, each list by ref name."""
    found: dict[int, list[RefChange]] = {}
    for row in database.all(q.CHANGES, tract_id=tract_id, low=-1 << 62, high=1 << 62):
        found.setdefault(row[0], []).append(ref_change(row[1:]))
    return {number: sorted(listed) for number, listed in found.items()}


def ref_change(stored: Sequence[Any]) -> RefChange:
    """Return a stored ref change (name, old, new, old and new symbolic) as it was hashed."""
    name, old, new, old_symbolic, new_symbolic = stored
    if name == HEAD:
        return RefChange(name, _encoded(old_symbolic), _encoded(new_symbolic))
    return RefChange(name, old, new)


def _encoded(name: str | None) -> bytes | None:
    return None if name is None else name.encode()


_REFS = Query(
    select(s.refs.c.name, s.refs.c.symbolic, s.commits.c.hash)
    .select_from(s.refs.outerjoin(s.commits, s.commits.c.id == s.refs.c.commit_id))
    .where(s.refs.c.tract_id == q.parameter("tract_id"))
)


def refs(database: Database, tract_id: int) -> dict[str, Any]:
    """Return every ref of a tract: a commit hash, or for HEAD the name it points to."""
    rows = database.all(_REFS, tract_id=tract_id)
    return {name: hash_ if symbolic is None else symbolic.encode() for name, symbolic, hash_ in rows}
