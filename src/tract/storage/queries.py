"""Answers which statements a store runs; each is built once here and compiled once per connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, func, literal_column, null, select, text, true, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql.selectable import Select

from tract.storage import schema as s
from tract.storage.database import Query


def parameter(name: str, column: Any = None) -> Any:
    """Return a named parameter, of *column*'s type where the database could not tell."""
    return bindparam(name, type_=None if column is None else column.type)


_p = parameter


# --- meta and tracts -----------------------------------------------------------------------------

META: Final = Query(select(s.meta.c.value).where(s.meta.c.key == _p("key")))
SET_META: Final = Query(
    insert(s.meta)
    .values(key=_p("key"), value=_p("value"))
    .on_conflict_do_update(index_elements=["key"], set_={"value": _p("value", s.meta.c.value)})
)
TRACT: Final = Query(select(s.tracts.c.id).where(s.tracts.c.name == _p("name")))
TRACT_NAMES: Final = Query(select(s.tracts.c.name).order_by(s.tracts.c.id))
ADD_TRACT: Final = Query(insert(s.tracts).values(name=_p("name"), created_at=_p("created_at")).on_conflict_do_nothing())
COUNTER: Final = Query(select(s.counters.c.id).where(s.counters.c.name == _p("name")))
ADD_COUNTER: Final = Query(insert(s.counters).values(name=_p("name")).on_conflict_do_nothing())

_TIP: Final = (
    s.commits.c.id,
    s.commits.c.hash,
    s.commits.c.generation,
    s.commits.c.lane_id,
    s.commits.c.context_tokens,
    s.commits.c.counter_id,
)

# --- refs ----------------------------------------------------------------------------------------

REF: Final = Query(
    select(s.refs.c.commit_id, s.refs.c.symbolic, s.commits.c.hash)
    .select_from(s.refs.outerjoin(s.commits, s.commits.c.id == s.refs.c.commit_id))
    .where(s.refs.c.tract_id == _p("tract_id"), s.refs.c.name == _p("name"))
)
ERASURES: Final = "erasures"
"""The setting that changes with each erasure, so that nobody goes on showing what they remember."""

_erasures = select(s.meta.c.value).where(s.meta.c.key == literal_column(f"'{ERASURES}'")).scalar_subquery()
# Counted by the database: of two tracts that bring contents back at once, each has to be noticed.
COUNT_ERASURE: Final = Query(
    text(
        f"INSERT INTO meta (key, value) VALUES ('{ERASURES}', CAST(CAST(:step AS BIGINT) AS TEXT)) "  # noqa: S608 - a constant
        "ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + CAST(:step AS BIGINT) AS TEXT)"
    )
)
POLICIES: Final = "policies:"
"""What the settings begin with that keep the policies of a tract; the tract's name follows."""
RULES: Final = "rules:"
"""What the settings begin with that change with each change of a tract's policies, so that every handle asks them."""

_rules = select(s.meta.c.value).where(s.meta.c.key == _p("rules")).scalar_subquery()
_kept_policies = select(s.meta.c.value).where(s.meta.c.key == _p("policies")).scalar_subquery()
# Both in one statement, so that the number is that of these policies.
KEPT_POLICIES: Final = Query(select(_rules, _kept_policies))
# One statement answers "has anything changed since I compiled?": the branch, the recorded usage, what was erased.
HEAD_CHECK: Final = Query(
    select(*_TIP, select(func.max(s.usage.c.id)).scalar_subquery(), _erasures)
    .select_from(s.refs.join(s.commits, s.commits.c.id == s.refs.c.commit_id))
    .where(s.refs.c.tract_id == _p("tract_id"), s.refs.c.name == _p("name"))
)
REFS: Final = Query(
    select(s.refs.c.name, s.commits.c.hash)
    .select_from(s.refs.join(s.commits, s.commits.c.id == s.refs.c.commit_id))
    .where(s.refs.c.tract_id == _p("tract_id"))
    .order_by(s.refs.c.name)
)
ADD_REF: Final = Query(
    insert(s.refs)
    .values(tract_id=_p("tract_id"), name=_p("name"), commit_id=_p("commit_id"), symbolic=_p("symbolic"))
    .on_conflict_do_nothing()
)
MOVE_REF: Final = Query(
    update(s.refs)
    .where(s.refs.c.tract_id == _p("in_tract"), s.refs.c.name == _p("of_name"), s.refs.c.commit_id == _p("old_id"))
    .values(commit_id=_p("new_id"))
)
MOVE_SYMBOLIC: Final = Query(
    update(s.refs)
    .where(s.refs.c.tract_id == _p("in_tract"), s.refs.c.name == _p("of_name"))
    .values(symbolic=_p("symbolic"))
)
DROP_REF: Final = Query(
    delete(s.refs).where(
        s.refs.c.tract_id == _p("tract_id"), s.refs.c.name == _p("name"), s.refs.c.commit_id == _p("old_id")
    )
)

# --- the write gate ------------------------------------------------------------------------------

_last = (
    select(s.operations.c.no, s.operations.c.hash, s.operations.c.created_at)
    .where(s.operations.c.tract_id == _p("tract_id"))
    .order_by(s.operations.c.no.desc())
    .limit(literal_column("1"))
    .subquery("last_operation")
)
_tip = (
    select(*_TIP)
    .select_from(s.refs.join(s.commits, s.commits.c.id == s.refs.c.commit_id))
    .where(s.refs.c.tract_id == _p("tract_id"), s.refs.c.name == _p("name"))
    .subquery("tip")
)
_one = select(literal_column("1").label("one")).subquery("one")
# The last operation, the tip of the current branch, what was erased and which policies are in force, each of which may
# be missing, in one statement.
GATE: Final = Query(
    select(*_last.c, *_tip.c, _erasures, _rules).select_from(_one.outerjoin(_last, true()).outerjoin(_tip, true()))
)
TIP: Final = Query(select(*_TIP).where(s.commits.c.hash == _p("hash")))
ADD_OPERATION: Final = Query(
    s.operations.insert().values(
        tract_id=_p("tract_id"),
        no=_p("no"),
        hash=_p("hash"),
        verb=_p("verb"),
        args=_p("args"),
        actor=_p("actor"),
        created_at=_p("created_at"),
        undoes=_p("undoes"),
    )
)
ADD_CHANGE: Final = Query(
    s.ref_changes.insert().values(
        tract_id=_p("tract_id"),
        operation_no=_p("operation_no"),
        name=_p("name"),
        old_id=_p("old_id"),
        new_id=_p("new_id"),
        old_symbolic=_p("old_symbolic"),
        new_symbolic=_p("new_symbolic"),
    )
)

# --- objects -------------------------------------------------------------------------------------

ADD_BLOB: Final = Query(
    insert(s.blobs)
    .values(hash=_p("hash"), kind=_p("kind"), size=_p("size"), codec=literal_column("0"), data=_p("data"))
    .on_conflict_do_nothing()
    .returning(s.blobs.c.id)
)
BLOB_ID: Final = Query(select(s.blobs.c.id, s.blobs.c.erased_at).where(s.blobs.c.hash == _p("hash")))
RESTORE_BLOB: Final = Query(
    update(s.blobs).where(s.blobs.c.id == _p("of_id")).values(data=_p("data", s.blobs.c.data), erased_at=null())
)
BLOB: Final = Query(select(s.blobs.c.data, s.blobs.c.erased_at).where(s.blobs.c.hash == _p("hash")))
ADD_CONFIG: Final = Query(
    insert(s.configs).values(hash=_p("hash"), json=_p("json")).on_conflict_do_nothing().returning(s.configs.c.id)
)
CONFIG_ID: Final = Query(select(s.configs.c.id).where(s.configs.c.hash == _p("hash")))
CONFIG: Final = Query(select(s.configs.c.hash, s.configs.c.json).where(s.configs.c.id == _p("id")))
ADD_LANE: Final = Query(
    s.lanes.insert()
    .values(
        fork_lane_id=_p("fork_lane_id"),
        fork_generation=_p("fork_generation"),
        start_generation=_p("start_generation"),
    )
    .returning(s.lanes.c.id)
)
LANE: Final = Query(
    select(s.lanes.c.start_generation, s.lanes.c.fork_lane_id, s.lanes.c.fork_generation).where(
        s.lanes.c.id == _p("id")
    )
)
_lane_start = s.commits.alias("lane_start")
_merged = s.commits.alias("merged")
# Only a lane's first commit can be a merge; these are its parents after the first.
LANE_MERGED: Final = Query(
    select(_merged.c.lane_id, _merged.c.generation)
    .select_from(
        s.lanes.join(
            _lane_start,
            and_(_lane_start.c.lane_id == s.lanes.c.id, _lane_start.c.generation == s.lanes.c.start_generation),
        )
        .join(s.commit_parents, s.commit_parents.c.commit_id == _lane_start.c.id)
        .join(_merged, _merged.c.id == s.commit_parents.c.parent_id)
    )
    .where(s.lanes.c.id == _p("id"))
    .order_by(s.commit_parents.c.position)
)
ADD_COMMIT: Final = Query(
    insert(s.commits)
    .values({column.name: _p(column.name) for column in s.commits.c if column.name not in {"id", "collected_at"}})
    .on_conflict_do_nothing()
    .returning(s.commits.c.id)
)
# The same commit is written again.
KEEP_COMMIT: Final = Query(
    update(s.commits)
    .where(s.commits.c.hash == _p("of_hash", s.commits.c.hash), s.commits.c.collected_at.is_not(null()))
    .values(collected_at=null())
)
COLLECTED_AT: Final = Query(select(s.commits.c.collected_at).where(s.commits.c.id == _p("id")))
ADD_PARENT: Final = Query(
    s.commit_parents.insert().values(commit_id=_p("commit_id"), position=_p("position"), parent_id=_p("parent_id"))
)
ADD_TARGET: Final = Query(
    s.commit_targets.insert().values(commit_id=_p("commit_id"), position=_p("position"), target_id=_p("target_id"))
)


class CommitRow(NamedTuple):
    """One stored commit with its content's bytes; the column order of every query that reads commits."""

    id: int
    hash: bytes
    generation: int
    lane_id: int
    parent_id: int | None
    op: str
    content_type: str | None
    config_id: int | None
    origin: str
    author: str
    created_at: int
    tokens: int | None
    context_tokens: int | None
    counter_id: int | None
    content: bytes | None
    data: bytes | None
    erased_at: int | None
    config: bytes | None
    note: bytes | None
    blob_id: int | None
    note_id: int | None


_note = s.blobs.alias("note")
_COMMIT_COLUMNS: Final = (
    s.commits.c.id,
    s.commits.c.hash,
    s.commits.c.generation,
    s.commits.c.lane_id,
    s.commits.c.parent_id,
    s.commits.c.op,
    s.commits.c.content_type,
    s.commits.c.config_id,
    s.commits.c.origin,
    s.commits.c.author,
    s.commits.c.created_at,
    s.commits.c.tokens,
    s.commits.c.context_tokens,
    s.commits.c.counter_id,
    s.blobs.c.hash.label("content"),
    s.blobs.c.data,
    s.blobs.c.erased_at,
    s.configs.c.hash.label("config"),
    _note.c.hash.label("note"),
    s.commits.c.blob_id,
    s.commits.c.note_id,
)

# `CommitRow` without the content's bytes: it counts as erased, which is how `verify` learns not to expect it.
COLUMNS_WITHOUT_DATA: Final = tuple(
    {"data": null().label("data"), "erased_at": literal_column("0").label("erased_at")}.get(column.name, column)
    for column in _COMMIT_COLUMNS
)


_COMPILED_COLUMNS: Final = (
    s.commits.c.id,
    s.commits.c.hash,
    s.commits.c.parent_id,
    s.commits.c.op,
    s.commits.c.content_type,
    s.commits.c.config_id,
    s.commits.c.origin,
    s.commits.c.author,
    s.commits.c.created_at,
    s.commits.c.tokens,
    s.commits.c.counter_id,
    s.blobs.c.hash.label("content"),
    s.blobs.c.data,
    s.blobs.c.erased_at,
    s.configs.c.hash.label("config"),
    _note.c.hash.label("note"),
)


def commit_rows(columns: Sequence[Any] = _COMMIT_COLUMNS) -> Select[Any]:
    """Return a select of *columns* (those of `CommitRow`) of commits, to be narrowed and ordered by the caller."""
    return select(*columns).select_from(
        s.commits.outerjoin(s.blobs, s.blobs.c.id == s.commits.c.blob_id)
        .outerjoin(s.configs, s.configs.c.id == s.commits.c.config_id)
        .outerjoin(_note, _note.c.id == s.commits.c.note_id)
    )


COMMIT: Final = Query(commit_rows().where(s.commits.c.hash == _p("hash")))

LANE_COMMITS: Final = Query(
    commit_rows()
    .where(s.commits.c.lane_id == _p("lane_id"), s.commits.c.generation.between(_p("low"), _p("high")))
    .order_by(s.commits.c.generation)
)
# A run of one lane, oldest first, with the columns a compile needs: how history is read.
LANE_RUN: Final = Query(
    commit_rows(_COMPILED_COLUMNS)
    .where(s.commits.c.lane_id == _p("lane_id"), s.commits.c.generation.between(_p("low"), _p("high")))
    .order_by(s.commits.c.generation)
)
_target = s.commits.alias("target")
LANE_TARGETS: Final = Query(
    select(s.commit_targets.c.commit_id, _target.c.id, _target.c.hash)
    .select_from(
        s.commits.join(s.commit_targets, s.commit_targets.c.commit_id == s.commits.c.id).join(
            _target, _target.c.id == s.commit_targets.c.target_id
        )
    )
    .where(s.commits.c.lane_id == _p("lane_id"), s.commits.c.generation.between(_p("low"), _p("high")))
    .order_by(s.commit_targets.c.commit_id, s.commit_targets.c.position)
)
TARGETS: Final = Query(
    select(_target.c.id, _target.c.hash)
    .select_from(s.commit_targets.join(_target, _target.c.id == s.commit_targets.c.target_id))
    .where(s.commit_targets.c.commit_id == _p("commit_id"))
    .order_by(s.commit_targets.c.position)
)
_parent = s.commits.alias("parent")
PARENTS: Final = Query(
    select(_parent.c.id, _parent.c.hash)
    .select_from(s.commit_parents.join(_parent, _parent.c.id == s.commit_parents.c.parent_id))
    .where(s.commit_parents.c.commit_id == _p("commit_id"))
    .order_by(s.commit_parents.c.position)
)
# What callers said of the commits of a lane up to a generation, where they said anything.
LANE_NOTES: Final = Query(
    select(s.commits.c.hash, _note.c.hash, _note.c.data, _note.c.erased_at)
    .select_from(s.commits.join(_note, _note.c.id == s.commits.c.note_id))
    .where(s.commits.c.lane_id == _p("lane_id"), s.commits.c.generation <= _p("high"))
)
HASH_OF: Final = Query(select(s.commits.c.hash).where(s.commits.c.id == _p("id")))
AT_GENERATION: Final = Query(
    select(s.commits.c.hash).where(s.commits.c.lane_id == _p("lane_id"), s.commits.c.generation == _p("generation"))
)
BY_PREFIX: Final = Query(
    select(s.commits.c.hash)
    .where(s.commits.c.hash >= _p("low", s.commits.c.hash), s.commits.c.hash <= _p("high", s.commits.c.hash))
    .order_by(s.commits.c.hash)
    .limit(literal_column("10"))
)

# --- questions about commits ---------------------------------------------------------------------

CONFIGS: Final = Query(select(s.configs.c.id, s.configs.c.hash, s.configs.c.json).order_by(s.configs.c.id))
# The partial index on `config_id` answers it: commits without a config are never looked at.
WITH_CONFIG: Final = Query(
    select(s.commits.c.hash, s.commits.c.lane_id, s.commits.c.generation).where(
        s.commits.c.config_id == _p("config_id")
    )
)
NOTES_IN_RUN: Final = Query(
    select(s.commits.c.id, _note.c.hash, _note.c.data, _note.c.erased_at)
    .select_from(s.commits.join(_note, _note.c.id == s.commits.c.note_id))
    .where(s.commits.c.lane_id == _p("lane_id"), s.commits.c.generation.between(_p("low"), _p("high")))
)
# Every commit a ref was moved to, oldest operation first, and which operation that was.
ARRIVALS: Final = Query(
    select(
        s.operations.c.no,
        s.operations.c.actor,
        s.commits.c.lane_id,
        s.commits.c.generation,
    )
    .select_from(
        s.ref_changes.join(
            s.operations,
            and_(
                s.operations.c.tract_id == s.ref_changes.c.tract_id,
                s.operations.c.no == s.ref_changes.c.operation_no,
            ),
        ).join(s.commits, s.commits.c.id == s.ref_changes.c.new_id)
    )
    .where(s.ref_changes.c.tract_id == _p("tract_id"))
    .order_by(s.ref_changes.c.operation_no, s.ref_changes.c.name)
)

# --- operations ----------------------------------------------------------------------------------

OPERATIONS: Final = Query(
    select(
        s.operations.c.no,
        s.operations.c.verb,
        s.operations.c.args,
        s.operations.c.actor,
        s.operations.c.created_at,
        s.operations.c.undoes,
        s.operations.c.hash,
        s.operations.c.args_hash,
    )
    .where(s.operations.c.tract_id == _p("tract_id"), s.operations.c.no.between(_p("low"), _p("high")))
    .order_by(s.operations.c.no)
)
_old = s.commits.alias("old")
_new = s.commits.alias("new")
CHANGES: Final = Query(
    select(
        s.ref_changes.c.operation_no,
        s.ref_changes.c.name,
        _old.c.hash,
        _new.c.hash,
        s.ref_changes.c.old_symbolic,
        s.ref_changes.c.new_symbolic,
    )
    .select_from(
        s.ref_changes.outerjoin(_old, _old.c.id == s.ref_changes.c.old_id).outerjoin(
            _new, _new.c.id == s.ref_changes.c.new_id
        )
    )
    .where(s.ref_changes.c.tract_id == _p("tract_id"), s.ref_changes.c.operation_no.between(_p("low"), _p("high")))
    .order_by(s.ref_changes.c.operation_no, s.ref_changes.c.name)
)
LAST_OPERATION: Final = Query(select(func.max(s.operations.c.no)).where(s.operations.c.tract_id == _p("tract_id")))
OPERATION_TIME: Final = Query(
    select(s.operations.c.created_at).where(s.operations.c.tract_id == _p("tract_id"), s.operations.c.no == _p("no"))
)
# Where a ref pointed after an operation: the new value of its last change up to then.
REF_AFTER: Final = Query(
    select(_new.c.hash)
    .select_from(s.ref_changes.outerjoin(_new, _new.c.id == s.ref_changes.c.new_id))
    .where(
        and_(
            s.ref_changes.c.tract_id == _p("tract_id"),
            s.ref_changes.c.name == _p("name"),
            s.ref_changes.c.operation_no <= _p("no"),
        )
    )
    .order_by(s.ref_changes.c.operation_no.desc())
    .limit(literal_column("1"))
)

SYMBOLIC_AFTER: Final = Query(
    select(s.ref_changes.c.new_symbolic)
    .where(
        s.ref_changes.c.tract_id == _p("tract_id"),
        s.ref_changes.c.name == _p("name"),
        s.ref_changes.c.operation_no <= _p("no"),
    )
    .order_by(s.ref_changes.c.operation_no.desc())
    .limit(literal_column("1"))
)
_latest = (
    select(s.ref_changes.c.name, func.max(s.ref_changes.c.operation_no).label("no"))
    .where(s.ref_changes.c.tract_id == _p("tract_id"), s.ref_changes.c.operation_no <= _p("no"))
    .group_by(s.ref_changes.c.name)
    .subquery("latest")
)
# Every ref as it was after an operation.
REFS_AFTER: Final = Query(
    select(s.ref_changes.c.name, _new.c.hash)
    .select_from(
        s.ref_changes.join(
            _latest,
            and_(_latest.c.name == s.ref_changes.c.name, _latest.c.no == s.ref_changes.c.operation_no),
        ).join(_new, _new.c.id == s.ref_changes.c.new_id)
    )
    .where(s.ref_changes.c.tract_id == _p("tract_id"))
    .order_by(s.ref_changes.c.name)
)
# What a ref was set to last: a branch's commit, or the name HEAD points to.
LAST_CHANGE: Final = Query(
    select(s.ref_changes.c.new_symbolic, _new.c.hash)
    .select_from(s.ref_changes.outerjoin(_new, _new.c.id == s.ref_changes.c.new_id))
    .where(s.ref_changes.c.tract_id == _p("tract_id"), s.ref_changes.c.name == _p("name"))
    .order_by(s.ref_changes.c.operation_no.desc())
    .limit(literal_column("1"))
)

_of_branch = (
    select(func.max(s.ref_changes.c.operation_no))
    .where(s.ref_changes.c.tract_id == s.refs.c.tract_id, s.ref_changes.c.name == s.refs.c.name)
    .correlate(s.refs)
    .scalar_subquery()
)
# When each ref was moved last.
MOVED: Final = Query(
    select(s.refs.c.name, s.operations.c.no, s.operations.c.created_at)
    .select_from(
        s.refs.join(s.operations, and_(s.operations.c.tract_id == s.refs.c.tract_id, s.operations.c.no == _of_branch))
    )
    .where(s.refs.c.tract_id == _p("tract_id"))
)
# When HEAD was pointed to each branch last.
STOOD_ON: Final = Query(
    select(s.ref_changes.c.new_symbolic, func.max(s.operations.c.no), func.max(s.operations.c.created_at))
    .select_from(
        s.ref_changes.join(
            s.operations,
            and_(
                s.operations.c.tract_id == s.ref_changes.c.tract_id,
                s.operations.c.no == s.ref_changes.c.operation_no,
            ),
        )
    )
    .where(s.ref_changes.c.tract_id == _p("tract_id"), s.ref_changes.c.name == _p("name"))
    .group_by(s.ref_changes.c.new_symbolic)
)

# --- usage ---------------------------------------------------------------------------------------

ADD_USAGE: Final = Query(
    s.usage.insert().values({column.name: _p(column.name) for column in s.usage.c if column.name != "id"})
)
_newer = s.usage.alias("newer")
# The newest commit of a run with a usage that counts: the last recorded of its commit, and not taken back.
USAGE_IN_RUN: Final = Query(
    select(
        s.usage.c.commit_id,
        s.usage.c.model,
        s.usage.c.input_tokens,
        s.usage.c.output_tokens,
        s.usage.c.cache_read_tokens,
        s.usage.c.cache_write_tokens,
    )
    .select_from(s.usage.join(s.commits, s.commits.c.id == s.usage.c.commit_id))
    .where(
        s.commits.c.lane_id == _p("lane_id"),
        s.commits.c.generation.between(_p("low"), _p("high")),
        s.usage.c.input_tokens >= literal_column("0"),
        ~exists().where(_newer.c.commit_id == s.usage.c.commit_id, _newer.c.id > s.usage.c.id),
    )
    .order_by(s.commits.c.generation.desc())
    .limit(literal_column("1"))
)

# --- answers of models ---------------------------------------------------------------------------

FIND_REPLY: Final = Query(select(s.replies.c.data).where(s.replies.c.key == _p("key")))
KEEP_REPLY: Final = Query(
    insert(s.replies)
    .values(key=_p("key"), data=_p("data"), created_at=_p("created_at"))
    .on_conflict_do_update(index_elements=["key"], set_={"data": _p("data"), "created_at": _p("created_at")})
)
FORGET_REPLIES: Final = Query(s.replies.delete())
COUNT_REPLIES: Final = Query(select(func.count()).select_from(s.replies))
