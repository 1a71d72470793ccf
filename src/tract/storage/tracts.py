"""Answers which tracts a store has, what each was spawned from, and what was done in it last."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import and_, func, literal_column, select, update

from tract.objects.refs import HEAD
from tract.storage import queries as q
from tract.storage import schema as s
from tract.storage.database import Database, Query

_p = q.parameter


class TractRow(NamedTuple):
    """One tract as it is stored.

    Attributes:
        purpose: JSON text, because PostgreSQL's text cannot hold NUL; `None` if nobody said.
        spawn: Hash of the commit that records the spawn in the parent.
        start: Full name of the branch new handles start on.
        head: Hash that branch is at, `None` before its first commit.
        tokens: Compiled size there, `None` if nobody knows.
        operations: Number of the last operation.
        active_at: When that was.
    """

    id: int
    name: str
    created_at: int
    parent_id: int | None
    purpose: str | None
    mode: str | None
    spawn: bytes | None
    start: str | None
    head: bytes | None
    tokens: int | None
    operations: int | None
    active_at: int | None


_spawn = s.commits.alias("spawn")
_start = s.refs.alias("start")
_branch = s.refs.alias("branch")
_done = s.operations.alias("done")
_last = (
    select(s.operations.c.tract_id, func.max(s.operations.c.no).label("no"))
    .group_by(s.operations.c.tract_id)
    .subquery("last")
)
_columns = (
    s.tracts.c.id,
    s.tracts.c.name,
    s.tracts.c.created_at,
    s.tracts.c.parent_tract_id,
    s.tracts.c.purpose,
    s.tracts.c.mode,
    _spawn.c.hash.label("spawn"),
    _start.c.symbolic,
    s.commits.c.hash,
    s.commits.c.context_tokens,
    _done.c.no,
    _done.c.created_at.label("active_at"),
)
_rows = select(*_columns).select_from(
    s.tracts.outerjoin(_spawn, _spawn.c.id == s.tracts.c.parent_commit_id)
    .outerjoin(_start, and_(_start.c.tract_id == s.tracts.c.id, _start.c.name == literal_column(f"'{HEAD}'")))
    .outerjoin(_branch, and_(_branch.c.tract_id == s.tracts.c.id, _branch.c.name == _start.c.symbolic))
    .outerjoin(s.commits, s.commits.c.id == _branch.c.commit_id)
    .outerjoin(_last, _last.c.tract_id == s.tracts.c.id)
    .outerjoin(_done, and_(_done.c.tract_id == s.tracts.c.id, _done.c.no == _last.c.no))
)
_ALL: Final = Query(_rows.order_by(s.tracts.c.id))
NAME: Final = Query(select(s.tracts.c.name).where(s.tracts.c.id == _p("id")))
PARENT_ID: Final = Query(select(s.tracts.c.parent_tract_id).where(s.tracts.c.id == _p("id")))
CHILDREN: Final = Query(
    select(s.tracts.c.name).where(s.tracts.c.parent_tract_id == _p("parent_id")).order_by(s.tracts.c.id)
)
LINK: Final = Query(
    update(s.tracts)
    .where(s.tracts.c.id == _p("of_id"))
    .values(
        parent_tract_id=_p("parent_tract_id", s.tracts.c.parent_tract_id),
        parent_commit_id=_p("parent_commit_id", s.tracts.c.parent_commit_id),
        purpose=_p("purpose", s.tracts.c.purpose),
        mode=_p("mode", s.tracts.c.mode),
    )
)
# The newest commit of a lane that said something to be sent, whatever happened to that message since.
NEWEST_SAID: Final = Query(
    select(s.commits.c.hash)
    .where(
        s.commits.c.lane_id == _p("lane_id"),
        s.commits.c.generation <= _p("high"),
        s.commits.c.op == literal_column("'append'"),
        s.commits.c.content_type != literal_column("'spawn'"),
        s.commits.c.content_type != literal_column("'reasoning'"),
    )
    .order_by(s.commits.c.generation.desc())
    .limit(literal_column("1"))
)
# Summaries that were appended, as a collapse does; those of compressions cover something.
SUMMARIES: Final = Query(
    select(s.commits.c.generation, s.commits.c.hash).where(
        s.commits.c.lane_id == _p("lane_id"),
        s.commits.c.generation <= _p("high"),
        s.commits.c.op == literal_column("'append'"),
        s.commits.c.content_type == literal_column("'summary'"),
    )
)
AT_TIME: Final = Query(
    select(s.tracts.c.name, s.operations.c.no)
    .select_from(s.operations.join(s.tracts, s.tracts.c.id == s.operations.c.tract_id))
    .where(s.operations.c.created_at == _p("at"))
)


def tract_rows(database: Database) -> list[TractRow]:
    """Return every tract, the oldest first."""
    return [TractRow(*row) for row in database.all(_ALL)]
