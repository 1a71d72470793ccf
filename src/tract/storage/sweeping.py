"""Answers what is stored for which commits, and drops it; what may be dropped is for others to decide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Text, and_, func, literal_column, null, or_, select, union_all, update

from tract.storage import queries as q
from tract.storage import schema as s
from tract.storage.database import Database, Query

Place = tuple[int, int]
"""Lane and generation of a commit."""

_BATCH: Final = 500
# A content names files, and a note the tool definitions that were sent.
_NAMED_FILE: Final = re.compile(rb'"(?:hash|tools)":"([0-9a-f]{64})"')

_NAMERS: Final = frozenset({"content", "note"})

_p = q.parameter


# --- what is kept ------------------------------------------------------------------------------------

# Tables that hold the history itself. Whatever another table points to counts as in use, so that a table
# added later protects what it names without anybody thinking of it here.
_HISTORY: Final = frozenset({s.commits, s.commit_parents, s.commit_targets, s.ref_changes, s.usage})
_NO_NAMES: Final = _HISTORY | {s.blobs, s.configs, s.counters, s.lanes, s.operations, s.refs, s.tracts}

_POINTERS: Final = tuple(
    column
    for table in s.metadata.sorted_tables
    if table not in _HISTORY
    for column in table.c
    if any(key.column is s.commits.c.id for key in column.foreign_keys)
)
_NAMING: Final = tuple(
    column
    for table in s.metadata.sorted_tables
    if table not in _NO_NAMES
    for column in table.c
    if isinstance(column.type, Text)
)

_place = (s.commits.c.lane_id, s.commits.c.generation)
_POINTED_TO: Final = Query(
    union_all(*[select(*_place).select_from(s.commits.join(c.table, c == s.commits.c.id)) for c in _POINTERS])
)
_change = and_(s.operations.c.tract_id == s.ref_changes.c.tract_id, s.operations.c.no == s.ref_changes.c.operation_no)
# Only some of a lane's commits matter where refs only moved forward; all are given, because they may be looked at.
_HELD_SINCE: Final = Query(
    select(*_place)
    .distinct()
    .select_from(
        s.operations.join(s.ref_changes, _change).join(
            s.commits, or_(s.commits.c.id == s.ref_changes.c.old_id, s.commits.c.id == s.ref_changes.c.new_id)
        )
    )
    .where(s.operations.c.created_at >= _p("since"))
)
_ARGS_SINCE: Final = Query(
    select(s.operations.c.args).where(
        s.operations.c.created_at >= _p("since"), s.operations.c.args != literal_column("'{}'")
    )
)
_NAMING_TEXTS: Final = Query(union_all(*[select(column) for column in _NAMING]))
_PLACE: Final = Query(select(*_place).where(s.commits.c.hash == _p("hash")))


def places_held_since(database: Database, since: int) -> set[Place]:
    """Return every commit something points to now, or a ref pointed to at *since* or later."""
    rows = [*database.all(_POINTED_TO), *database.all(_HELD_SINCE, since=since)]
    return {(lane, generation) for lane, generation in rows}


def texts_since(database: Database, since: int) -> Iterator[str]:
    """Yield every stored text that may name commits: settings, and arguments of operations since *since*."""
    for (text,) in [*database.all(_NAMING_TEXTS), *database.all(_ARGS_SINCE, since=since)]:
        if text:
            yield text


def place_of(database: Database, commit: bytes) -> Place | None:
    """Return where the commit with this hash is, or `None` if there is none."""
    row = database.one(_PLACE, hash=commit)
    return None if row is None else (row[0], row[1])


_SQUASHED: Final = b'"squashed"'


def sources(database: Database) -> list[tuple[int, int, bytes]]:
    """Return lane and generation of each commit whose note names what it was made of, and the note."""
    holds = {
        "sqlite": f"instr(b.data, x'{_SQUASHED.hex()}') > 0",
        "postgresql": f"position('\\x{_SQUASHED.hex()}'::bytea in b.data) > 0",
    }[database.dialect]
    return [
        (lane, generation, bytes(data))
        for lane, generation, data in database.run_text(
            "SELECT c.lane_id, c.generation, b.data FROM commits c JOIN blobs b ON b.id = c.note_id "  # noqa: S608
            f"WHERE b.data IS NOT NULL AND {holds}"
        )
    ]


_child = s.commits.alias("child")
_MERGED: Final = Query(
    select(_child.c.lane_id, *_place).select_from(
        s.commit_parents.join(s.commits, s.commits.c.id == s.commit_parents.c.parent_id).join(
            _child, _child.c.id == s.commit_parents.c.commit_id
        )
    )
)
_EVER_HELD: Final = Query(
    select(s.commits.c.lane_id, func.max(s.commits.c.generation))
    .select_from(
        s.ref_changes.join(
            s.commits, or_(s.commits.c.id == s.ref_changes.c.old_id, s.commits.c.id == s.ref_changes.c.new_id)
        )
    )
    .group_by(s.commits.c.lane_id)
)


_old, _new = s.commits.alias("old"), s.commits.alias("new")
_MOVES_AWAY: Final = Query(
    select(_old.c.lane_id, _old.c.generation, _new.c.lane_id, _new.c.generation)
    .distinct()
    .select_from(
        s.ref_changes.join(_old, _old.c.id == s.ref_changes.c.old_id).outerjoin(
            _new, _new.c.id == s.ref_changes.c.new_id
        )
    )
    .where(or_(_new.c.id.is_(None), _new.c.lane_id != _old.c.lane_id, _new.c.generation < _old.c.generation))
)


def moves_away(database: Database) -> list[tuple[Place, Place | None]]:
    """Return where refs were and went to, `None` for nowhere; going on in the same lane is left out."""
    return [
        ((lane, generation), None if new_lane is None else (new_lane, new_generation))
        for lane, generation, new_lane, new_generation in database.all(_MOVES_AWAY)
    ]


def merged(database: Database) -> dict[int, list[Place]]:
    """Return for each lane that starts with a merge the parents of that after the first."""
    found: dict[int, list[Place]] = {}
    for lane, *place in database.all(_MERGED):
        found.setdefault(lane, []).append((place[0], place[1]))
    return found


def ever_held(database: Database) -> list[Place]:
    """Return the highest commit of each lane that a ref ever pointed to."""
    return [(lane, generation) for lane, generation in database.all(_EVER_HELD)]


# --- commits and their bytes -------------------------------------------------------------------------


class Holding(NamedTuple):
    """One commit, and which bytes are stored for it."""

    id: int
    hash: bytes
    lane: int
    generation: int
    op: str
    content_type: str | None
    blob_id: int | None
    note_id: int | None
    collected_at: int | None
    created_at: int


_holding = (
    s.commits.c.id,
    s.commits.c.hash,
    s.commits.c.lane_id,
    s.commits.c.generation,
    s.commits.c.op,
    s.commits.c.content_type,
    s.commits.c.blob_id,
    s.commits.c.note_id,
    s.commits.c.collected_at,
    s.commits.c.created_at,
)
_IN_RUN: Final = Query(
    select(*_holding)
    .where(s.commits.c.lane_id == _p("lane_id"), s.commits.c.generation.between(_p("low"), _p("high")))
    .order_by(s.commits.c.generation)
)
_HOLDING: Final = Query(select(*_holding).where(s.commits.c.id == _p("id")))
_HOLDINGS: Final = Query(
    select(*_holding).where(s.commits.c.id > _p("after")).order_by(s.commits.c.id).limit(10 * _BATCH)
)
_COVERING: Final = Query(
    select(s.commit_targets.c.commit_id, s.commit_targets.c.target_id)
    .select_from(s.commit_targets.join(s.commits, s.commits.c.id == s.commit_targets.c.commit_id))
    .where(s.commits.c.op == _p("op"))
)
_CHANGES: Final = Query(select(*_place).where(s.commits.c.op != literal_column("'append'")).order_by(*_place))


def in_run(database: Database, lane: int, low: int, high: int) -> list[Holding]:
    """Return the commits of a lane from generation *low* to *high*."""
    return [Holding(*row) for row in database.all(_IN_RUN, lane_id=lane, low=low, high=high)]


def holding(database: Database, commit: int) -> Holding:
    """Return the commit with this row id."""
    row = database.one(_HOLDING, id=commit)
    assert row is not None
    return Holding(*row)


def holdings(database: Database) -> Iterator[Holding]:
    """Yield every commit, a few at a time."""
    after = -1 << 62
    while rows := database.all(_HOLDINGS, after=after):
        yield from (Holding(*row) for row in rows)
        after = rows[-1][0]


def targets_of(database: Database, op: str) -> list[tuple[int, int]]:
    """Return row id and target of every commit of this kind."""
    return [(commit, target) for commit, target in database.all(_COVERING, op=op)]


def changes(database: Database) -> dict[int, list[int]]:
    """Return the generations of the commits that are no appends, by lane, in order."""
    found: dict[int, list[int]] = {}
    for lane, generation in database.all(_CHANGES):
        found.setdefault(lane, []).append(generation)
    return found


class Stored(NamedTuple):
    """One blob that has its bytes."""

    id: int
    hash: bytes
    kind: str
    size: int


_stored = (s.blobs.c.id, s.blobs.c.hash, s.blobs.c.kind, s.blobs.c.size)
_has_data = s.blobs.c.data.is_not(None)
_STORED: Final = Query(select(*_stored).where(s.blobs.c.id == _p("id"), _has_data))
_STORED_BY_HASH: Final = Query(select(*_stored).where(s.blobs.c.hash == _p("hash"), _has_data))
_ALL_STORED: Final = Query(select(*_stored).where(_has_data))
_WITH_DATA: Final = Query(
    select(*_stored, s.blobs.c.data).where(s.blobs.c.id > _p("after"), _has_data).order_by(s.blobs.c.id).limit(_BATCH)
)


def stored(database: Database, *, id_: int | None = None, hash_: bytes | None = None) -> Stored | None:
    """Return a blob by its row id or hash, or `None` if it has no bytes."""
    row = database.one(_STORED, id=id_) if hash_ is None else database.one(_STORED_BY_HASH, hash=hash_)
    return None if row is None else Stored(*row)


def all_stored(database: Database) -> list[Stored]:
    """Return every blob that has its bytes, without them."""
    return [Stored(*row) for row in database.all(_ALL_STORED)]


def contents(database: Database) -> Iterator[tuple[Stored, bytes]]:
    """Yield every blob that has its bytes, with them, a few at a time."""
    after = -1 << 62
    while rows := database.all(_WITH_DATA, after=after):
        for *row, data in rows:
            yield Stored(*row), bytes(data)
        after = rows[-1][0]


def files_named(database: Database) -> dict[int, frozenset[bytes]]:
    """Return by blob of a content or note the hashes of the blobs it names.

    Cost:
        O(bytes of all contents).
    """
    found = {}
    for blob, data in contents(database):
        named = named_in(data) if blob.kind in _NAMERS else frozenset()
        if named:
            found[blob.id] = named
    return found


def named_in(data: bytes) -> frozenset[bytes]:
    """Return the hashes of the blobs a content or note names."""
    return frozenset(bytes.fromhex(one.decode()) for one in _NAMED_FILE.findall(data))


# --- dropping ----------------------------------------------------------------------------------------

_DROP: Final = Query(
    update(s.blobs).where(s.blobs.c.id == _p("of_id")).values(data=null(), erased_at=_p("at", s.blobs.c.erased_at))
)
_COLLECT: Final = Query(
    update(s.commits).where(s.commits.c.id == _p("of_id")).values(collected_at=_p("at"), context_tokens=null())
)
_DROP_RAW: Final = Query(update(s.usage).where(s.usage.c.commit_id == _p("of_id")).values(raw=literal_column("'{}'")))


def drop(database: Database, blobs: Iterable[int], at: int) -> None:
    """Replace the bytes of *blobs* by tombstones."""
    for blob in blobs:
        database.execute(_DROP, {"of_id": blob, "at": at})


def collect(database: Database, commits: Iterable[int], at: int) -> None:
    """Note that *commits* were collected; drop what providers said of their usage, and sizes that counted what went."""
    for commit in commits:
        database.execute(_COLLECT, {"of_id": commit, "at": at})
        database.execute(_DROP_RAW, {"of_id": commit})


# --- how much ----------------------------------------------------------------------------------------


_COUNTED: Final = (
    ("commits", s.commits, None),
    ("collected_commits", s.commits, s.commits.c.collected_at.is_not(None)),
    ("blobs", s.blobs, None),
    ("tombstones", s.blobs, s.blobs.c.data.is_(None)),
    ("tracts", s.tracts, None),
    ("branches", s.refs, s.refs.c.name.like("heads/%")),
    ("tags", s.refs, s.refs.c.name.like("tags/%")),
    ("operations", s.operations, None),
    ("cached_replies", s.replies, None),
)
_COUNTS: Final = Query(
    union_all(
        *[
            select(literal_column(f"'{name}'"), func.count())
            .select_from(table)
            .where(literal_column("1=1") if condition is None else condition)
            for name, table, condition in _COUNTED
        ]
    )
)
_REPLY_BYTES: Final = Query(select(func.coalesce(func.sum(func.length(s.replies.c.data)), 0)))
_TIMES: Final = Query(select(func.min(s.operations.c.created_at), func.max(s.operations.c.created_at)))


def counts(database: Database) -> dict[str, int]:
    """Return how many there are of what, by name."""
    return dict(database.all(_COUNTS))


def reply_bytes(database: Database) -> int:
    """Return the bytes of all answers of models that are kept to be used again."""
    row: Any = database.one(_REPLY_BYTES)
    return int(row[0])


def times(database: Database) -> tuple[int | None, int | None]:
    """Return the times of the first and the last operation."""
    row: Any = database.one(_TIMES)
    return row[0], row[1]
