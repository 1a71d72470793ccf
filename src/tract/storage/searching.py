"""Answers which commits the search index holds and names, and keeps it; what they say is for others to know.

The index knows for each commit which words stand for its content. On SQLite that is an FTS5 table without the
text, whose rows are numbered by lane and generation, so that a history is a few ranges of it; on PostgreSQL a
`tsvector` that names the lane as well. The two give the same candidates or more, never less.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import select, text

from tract.storage import queries as q
from tract.storage import schema as s
from tract.storage.database import Database, Query

STATE: Final = "search"
"""The setting that says how far the index goes."""

_LANE_SHIFT: Final = 32
_BEFORE_ALL: Final = -1 << 62
_AT_ONCE: Final = 500


class State(NamedTuple):
    """How far the index goes.

    Attributes:
        version: Of the rule that made the words; an index by another rule is of no use.
        mark: Each commit up to this row id was looked at.
        erasures: What the setting `erasures` was then; since it changed, contents may have come back.
        ahead: Row id that will be the mark once every transaction before `horizon` has ended.
        horizon: Number of a transaction; only PostgreSQL ends them in another order than they begin.
        epoch: Another one each time the index is emptied, so that nobody goes on with what is gone.
    """

    version: int = 0
    mark: int = _BEFORE_ALL
    erasures: str = ""
    ahead: int = _BEFORE_ALL
    horizon: int = 0
    epoch: int = 0


class Found(NamedTuple):
    """A commit that has a content, without it."""

    id: int
    hash: bytes
    lane: int
    generation: int
    content_type: str
    created_at: int
    size: int


class Snapshot(NamedTuple):
    """How far a snapshot sees: the newest commit, and which transactions have ended."""

    newest: int
    erasures: str
    ended: int
    begun: int


def state(database: Database) -> State:
    """Return how far the index goes."""
    row = database.one(q.META, key=STATE)
    try:
        return State() if row is None else State(*json.loads(row[0]))
    except (ValueError, TypeError):
        return State()


def set_state(database: Database, found: State) -> None:
    """Note how far the index goes."""
    database.execute(q.SET_META, {"key": STATE, "value": json.dumps(found)})


_NEWEST: Final = Query(text("SELECT max(id) FROM commits"))
_TRANSACTIONS: Final = "SELECT txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot())"


def snapshot(database: Database) -> Snapshot:
    """Return how far the open transaction sees."""
    # Before anything else: what comes back later must find a higher count.
    row = database.one(q.META, key=q.ERASURES)
    newest = database.one(_NEWEST)
    ended, begun = (0, 0) if database.dialect == "sqlite" else database.run_text(_TRANSACTIONS)[0]
    assert newest is not None
    return Snapshot(
        _BEFORE_ALL if newest[0] is None else newest[0], "" if row is None else row[0], int(ended), int(begun)
    )


# --- finding -----------------------------------------------------------------------------------------

_COLUMNS: Final = "c.id, c.hash, c.lane_id, c.generation, c.content_type, c.created_at, b.size"
_IS_INDEXED: Final = {
    "sqlite": "EXISTS (SELECT 1 FROM search_docsize d WHERE d.id = ((c.lane_id << 32) | c.generation))",
    "postgresql": "EXISTS (SELECT 1 FROM search d WHERE d.commit_id = c.id)",
}


def _each(build: Callable[[str], str]) -> dict[str, Query]:
    return {dialect: Query(text(build(dialect))) for dialect in _IS_INDEXED}


_HAS_CONTENT: Final = "FROM commits c JOIN blobs b ON b.id = c.blob_id WHERE b.data IS NOT NULL"
_CANDIDATES: Final = {
    "sqlite": Query(
        text(
            f"SELECT {_COLUMNS} FROM search CROSS JOIN commits c"  # noqa: S608 - constants
            " ON c.lane_id = (search.rowid >> 32) AND c.generation = (search.rowid & 4294967295)"
            " CROSS JOIN blobs b ON b.id = c.blob_id"
            " WHERE search MATCH :match AND search.rowid BETWEEN :low AND :high AND b.data IS NOT NULL"
        )
    ),
    "postgresql": Query(
        text(
            f"SELECT {_COLUMNS} FROM search x JOIN commits c ON c.id = x.commit_id"  # noqa: S608 - constants
            " JOIN blobs b ON b.id = c.blob_id"
            " WHERE x.words @@ CAST(:match AS tsquery) AND b.data IS NOT NULL"
        )
    ),
}
_ALL: Final = Query(text(f"SELECT {_COLUMNS} {_HAS_CONTENT} AND c.id > :after ORDER BY c.id LIMIT :count"))
_RUN: Final = Query(
    text(f"SELECT {_COLUMNS} {_HAS_CONTENT} AND c.lane_id = :lane AND c.generation BETWEEN :low AND :high")
)
_NOT_INDEXED: Final = _each(
    lambda dialect: (
        f"SELECT {_COLUMNS} {_HAS_CONTENT} AND c.id > :after AND NOT {_IS_INDEXED[dialect]} ORDER BY c.id LIMIT :count"
    )
)
_LAST_ROWID: Final = (1 << 63) - 1


class Words(NamedTuple):
    """What a commit's words have to be: all of `exact`, and one that begins with each of `beginnings`.

    Words hold letters and digits or no ASCII at all, so nothing in them means something to a database.
    """

    exact: Sequence[str]
    beginnings: Sequence[str]
    whatever: str

    def match(self, dialect: str, lanes: Iterable[int]) -> str:
        """Return the expression for *dialect*; on PostgreSQL it names *lanes*, or none for all."""
        if dialect == "sqlite":
            words = [f'"{word}"' for word in self.exact] + [f'"{word}"*' for word in self.beginnings]
            return f'({" AND ".join(words)}) OR "{self.whatever}"'
        words = [f"'{word}'" for word in self.exact] + [f"'{word}':*" for word in self.beginnings]
        match = f"(({' & '.join(words)}) | '{self.whatever}')"
        inside = " | ".join(f"'{lane_word(lane)}'" for lane in lanes)
        return f"({inside}) & {match}" if inside else match


def lane_word(lane: int) -> str:
    """Return the word that stands for a lane."""
    return f"lane{lane}"


def candidates(database: Database, words: Words, ranges: Sequence[tuple[int, int]] | None) -> Iterator[Found]:
    """Yield the indexed commits whose words are as wanted, of the lanes in *ranges* (first and last) or of all."""
    query = _CANDIDATES[database.dialect]
    if database.dialect == "sqlite":
        match = words.match("sqlite", ())
        for low, high in [(0, _LAST_ROWID >> _LANE_SHIFT)] if ranges is None else ranges:
            bounds = {"low": low << _LANE_SHIFT, "high": min(_LAST_ROWID, ((high + 1) << _LANE_SHIFT) - 1)}
            yield from (Found(*row) for row in database.all(query, match=match, **bounds))
        return
    lanes = () if ranges is None else [lane for low, high in ranges for lane in range(low, high + 1)]
    yield from (Found(*row) for row in database.all(query, match=words.match("postgresql", lanes)))


def everything(database: Database) -> Iterator[Found]:
    """Yield every commit that has a content."""
    yield from _pages(database, _ALL, _BEFORE_ALL)


def not_indexed(database: Database, after: int) -> Iterator[Found]:
    """Yield every commit above the row id *after* that has a content and is not in the index."""
    yield from _pages(database, _NOT_INDEXED[database.dialect], after)


def _pages(database: Database, query: Query, after: int) -> Iterator[Found]:
    while rows := database.all(query, after=after, count=_AT_ONCE):
        yield from (Found(*row) for row in rows)
        after = rows[-1][0]


def run(database: Database, lane: int, low: int, high: int) -> Iterator[Found]:
    """Yield the commits of a lane that have a content."""
    yield from (Found(*row) for row in database.all(_RUN, lane=lane, low=low, high=high))


class Payload(NamedTuple):
    """The content of a commit."""

    id: int
    hash: bytes
    data: bytes


def payloads(database: Database, commits: Sequence[int]) -> Iterator[Payload]:
    """Yield the contents of the commits with these row ids, those that are stored."""
    statement = select(s.commits.c.id, s.blobs.c.hash, s.blobs.c.data).join_from(
        s.commits, s.blobs, s.blobs.c.id == s.commits.c.blob_id
    )
    for at in range(0, len(commits), _AT_ONCE):
        chosen = statement.where(s.commits.c.id.in_(commits[at : at + _AT_ONCE]), s.blobs.c.data.is_not(None))
        yield from (Payload(id_, hash_, bytes(data)) for id_, hash_, data in database.select(chosen))


# --- where commits belong ----------------------------------------------------------------------------

_HELD: Final = (
    "SELECT c.lane_id, max(c.generation) FROM ref_changes r JOIN commits c ON c.id = r.new_id"
    " WHERE r.tract_id = :tract_id AND r.operation_no > :after AND r.operation_no <= :last"
)
_HELD_BY_TRACT: Final = Query(text(f"{_HELD} GROUP BY c.lane_id"))
_HELD_BY_REF: Final = Query(text(f"{_HELD} AND r.name = :name GROUP BY c.lane_id"))
_TRACTS: Final = Query(text("SELECT name, id FROM tracts ORDER BY id"))


class Moves(NamedTuple):
    """Operations of a tract that moved its refs, or one of them: those after one number, up to another."""

    tract: int
    ref: str | None
    after: int
    last: int


def held(database: Database, moves: Moves) -> dict[int, int]:
    """Return the highest generation in each lane that refs were moved to."""
    values = {"tract_id": moves.tract, "after": moves.after, "last": moves.last}
    if moves.ref is None:
        return dict(database.all(_HELD_BY_TRACT, **values))
    return dict(database.all(_HELD_BY_REF, **values, name=moves.ref))


def tracts(database: Database) -> dict[str, int]:
    """Return the row id of every tract, oldest first."""
    return dict(database.all(_TRACTS))


# --- writing -----------------------------------------------------------------------------------------

_ADD: Final = {
    "sqlite": Query(
        text(
            "INSERT INTO search (rowid, words) SELECT :rowid, :words"
            " WHERE EXISTS (SELECT 1 FROM commits c JOIN blobs b ON b.id = c.blob_id"
            " WHERE c.id = :id AND b.data IS NOT NULL)"
            " AND NOT EXISTS (SELECT 1 FROM search_docsize d WHERE d.id = :rowid)"
        )
    ),
    "postgresql": Query(
        text(
            "INSERT INTO search (commit_id, words)"
            " SELECT CAST(:id AS bigint), array_to_tsvector(CAST(:words AS text[]))"
            " WHERE EXISTS (SELECT 1 FROM commits c JOIN blobs b ON b.id = c.blob_id"
            " WHERE c.id = :id AND b.data IS NOT NULL) ON CONFLICT DO NOTHING"
        )
    ),
}
_IS_ADDED: Final = Query(text("SELECT 1 FROM search_docsize WHERE id = :rowid"))
_TAKE: Final = {
    "sqlite": Query(text("INSERT INTO search (search, rowid, words) VALUES ('delete', :rowid, :words)")),
    "postgresql": Query(text("DELETE FROM search WHERE commit_id = :id")),
}
_EMPTY: Final = {
    "sqlite": Query(text("INSERT INTO search (search) VALUES ('delete-all')")),
    "postgresql": Query(text("DELETE FROM search")),
}
# A backup may leave the index out, as it is derived.
_IS_THERE: Final = Query(
    text("SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'search' AND pg_table_is_visible(oid)")
)
_MAKE: Final = tuple(Query(text(statement)) for statement in s.SEARCH_POSTGRES)
_COMPACT: Final = Query(text("INSERT INTO search (search) VALUES ('optimize')"))
_SAYING: Final = Query(
    text("SELECT c.id, c.lane_id, c.generation, c.content_type, c.blob_id FROM commits c WHERE c.blob_id IS NOT NULL")
)


def _values(database: Database, commit: int, place: tuple[int, int], words: Iterable[str]) -> dict[str, Any]:
    if database.dialect == "sqlite":
        return {"id": commit, "rowid": place[0] << _LANE_SHIFT | place[1], "words": " ".join(words)}
    return {"id": commit, "words": [*words, lane_word(place[0])]}


def add(database: Database, commit: int, place: tuple[int, int], words: Iterable[str]) -> None:
    """Put a commit into the index, unless it is there, or its content was dropped meanwhile."""
    database.execute(_ADD[database.dialect], _values(database, commit, place, words))


def take(database: Database, commit: int, place: tuple[int, int], words: Iterable[str]) -> None:
    """Take a commit out of the index; *words* are those it was put in with."""
    values = _values(database, commit, place, words)
    # Taking out what is not in would spoil an FTS5 table.
    if database.dialect != "sqlite" or database.one(_IS_ADDED, rowid=values["rowid"]) is not None:
        database.execute(_TAKE[database.dialect], values)


def empty(database: Database) -> None:
    """Drop the whole index; the next search makes it anew."""
    database.execute(_EMPTY[database.dialect], {})
    set_state(database, State(epoch=secrets.randbits(48)))


def renew(database: Database) -> None:
    """Drop the whole index, also one that is damaged or missing."""
    if database.dialect == "sqlite":
        database.run_text("DROP TABLE IF EXISTS search")
        database.run_text(s.SEARCH_SQLITE)
    elif database.one(_IS_THERE) is None:
        # Only then: who may write to the tables need not be allowed to make any.
        for query in _MAKE:
            database.execute(query, {})
    empty(database)


def compact(database: Database) -> None:
    """Write the index anew, so that nothing is left in it of what was taken out."""
    if database.dialect == "sqlite":
        database.execute(_COMPACT, {})


def saying(database: Database, blobs: set[int]) -> list[tuple[int, tuple[int, int], str]]:
    """Return row id, place and content type of each commit whose content is one of *blobs*."""
    return [
        (commit, (lane, generation), content_type)
        for commit, lane, generation, content_type, blob in database.all(_SAYING)
        if blob in blobs
    ]
