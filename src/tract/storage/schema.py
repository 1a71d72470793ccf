"""Answers which tables a store has.

Objects (blobs, configs, commits), refs and operations are the truth. Lanes, generations, token
counts and usage totals are derived and can be rebuilt. Row ids are integers, hashes 32-byte blobs.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
)

SCHEMA_VERSION: Final = 1
"""Raised by one with each migration; kept in `meta` and, on SQLite, in `user_version`."""

APPLICATION_ID: Final = 0x74726163
"""`trac` in ASCII: marks an SQLite file as ours."""

metadata: Final = MetaData()

# STRICT tables know INTEGER but not BIGINT; PostgreSQL needs BIGINT for what SQLite calls INTEGER.
_Int: Final = BigInteger().with_variant(Integer(), "sqlite")


def _table(name: str, *items: Any, rowid: bool = True) -> Table:
    return Table(name, metadata, *items, sqlite_strict=True, sqlite_with_rowid=rowid)


def _id() -> Column[int]:
    return Column("id", _Int, primary_key=True, autoincrement=True)


def _hash() -> Column[bytes]:
    return Column("hash", LargeBinary, nullable=False, unique=True)


meta: Final = _table(
    "meta",
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    rowid=False,
)

blobs: Final = _table(
    "blobs",
    _id(),
    _hash(),
    Column("kind", Text, nullable=False),
    Column("size", _Int, nullable=False),
    Column("codec", _Int, nullable=False),
    Column("data", LargeBinary),
    Column("erased_at", _Int),
)

configs: Final = _table("configs", _id(), _hash(), Column("json", Text, nullable=False))

counters: Final = _table("counters", _id(), Column("name", Text, nullable=False, unique=True))

lanes: Final = _table(
    "lanes",
    _id(),
    Column("fork_lane_id", _Int, ForeignKey("lanes.id")),
    Column("fork_generation", _Int),
    Column("start_generation", _Int, nullable=False),
)

commits: Final = _table(
    "commits",
    _id(),
    _hash(),
    Column("generation", _Int, nullable=False),
    Column("lane_id", _Int, ForeignKey("lanes.id"), nullable=False),
    Column("parent_id", _Int, ForeignKey("commits.id")),
    Column("op", Text, nullable=False),
    Column("content_type", Text),
    Column("blob_id", _Int, ForeignKey("blobs.id")),
    Column("config_id", _Int, ForeignKey("configs.id")),
    Column("note_id", _Int, ForeignKey("blobs.id")),
    Column("origin", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("tokens", _Int),
    Column("context_tokens", _Int),
    Column("counter_id", _Int, ForeignKey("counters.id")),
    # When gc took what only this commit said; no ref may point to it any more.
    Column("collected_at", _Int),
    UniqueConstraint("lane_id", "generation", name="commits_lane_generation"),
    CheckConstraint("generation >= 1", name="commits_generation"),
)

# Few commits have a config: a partial index costs the others nothing and makes questions by config quick.
# Written as DDL because SQLAlchemy's `postgresql_where` loads that whole dialect for every SQLite user.
event.listen(
    commits,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "CREATE INDEX commits_config ON commits (config_id) WHERE config_id IS NOT NULL"
    ),
)

commit_parents: Final = _table(
    "commit_parents",
    Column("commit_id", _Int, ForeignKey("commits.id"), primary_key=True),
    Column("position", _Int, primary_key=True),
    Column("parent_id", _Int, ForeignKey("commits.id"), nullable=False),
    rowid=False,
)

commit_targets: Final = _table(
    "commit_targets",
    Column("commit_id", _Int, ForeignKey("commits.id"), primary_key=True),
    Column("position", _Int, primary_key=True),
    Column("target_id", _Int, ForeignKey("commits.id"), nullable=False),
    rowid=False,
)

tracts: Final = _table(
    "tracts",
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", _Int, nullable=False),
    Column("parent_tract_id", _Int, ForeignKey("tracts.id")),
    Column("parent_commit_id", _Int, ForeignKey("commits.id")),
    Column("purpose", Text),
    Column("mode", Text),
)

refs: Final = _table(
    "refs",
    Column("tract_id", _Int, ForeignKey("tracts.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("commit_id", _Int, ForeignKey("commits.id")),
    Column("symbolic", Text),
    rowid=False,
)

operations: Final = _table(
    "operations",
    Column("tract_id", _Int, ForeignKey("tracts.id"), primary_key=True),
    Column("no", _Int, primary_key=True),
    # Covers the hash of the operation before it, so the chain needs no second copy of that.
    Column("hash", LargeBinary, nullable=False),
    Column("verb", Text, nullable=False),
    Column("args", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("undoes", _Int),
    # Set once something was erased from `args`: what the operation's hash covers of them.
    Column("args_hash", LargeBinary),
    rowid=False,
)

ref_changes: Final = _table(
    "ref_changes",
    Column("tract_id", _Int, primary_key=True),
    Column("operation_no", _Int, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("old_id", _Int, ForeignKey("commits.id")),
    Column("new_id", _Int, ForeignKey("commits.id")),
    Column("old_symbolic", Text),
    Column("new_symbolic", Text),
    ForeignKeyConstraint(["tract_id", "operation_no"], ["operations.tract_id", "operations.no"]),
    rowid=False,
)

usage: Final = _table(
    "usage",
    _id(),
    Column("commit_id", _Int, ForeignKey("commits.id"), nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("input_tokens", _Int, nullable=False),
    Column("output_tokens", _Int, nullable=False),
    Column("cache_read_tokens", _Int, nullable=False),
    Column("cache_write_tokens", _Int, nullable=False),
    Column("raw", Text, nullable=False),
)

proposals: Final = _table(
    "proposals",
    _id(),
    Column("tract_id", _Int, ForeignKey("tracts.id"), nullable=False),
    Column("number", _Int, nullable=False),
    # An edit adds a revision; of a row only the state changes, so undo has nothing else to put back.
    Column("revision", _Int, nullable=False),
    Column("kind", Text, nullable=False),
    Column("head_id", _Int, ForeignKey("commits.id"), nullable=False),
    Column("payload", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("state", Text, nullable=False),
    UniqueConstraint("tract_id", "number", "revision", name="proposals_number"),
)

# Answers of models by what was asked: a cache, no part of any history, and free to be emptied at any time.
replies: Final = _table(
    "replies",
    Column("key", LargeBinary, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("created_at", _Int, nullable=False),
)

# What policies were asked and said: no part of any history, so that what was denied is known without being there.
policy_log: Final = _table(
    "policy_log",
    Column("tract_id", _Int, ForeignKey("tracts.id"), primary_key=True),
    # Counted for each tract, so that the oldest of one are found without looking at the others'.
    Column("no", _Int, primary_key=True),
    Column("created_at", _Int, nullable=False),
    Column("event", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("operation_no", _Int),
    rowid=False,
)

# The index of the full text search. It is derived: dropped and made anew at any time. In no `Table`, because the two
# databases have nothing of it in common. Neither keeps the text; both name commits by which three letters they hold.
SEARCH_SQLITE: Final = "CREATE VIRTUAL TABLE search USING fts5(words, content='', detail=none, tokenize='ascii')"
SEARCH_POSTGRES: Final = (
    "CREATE TABLE search (commit_id BIGINT PRIMARY KEY REFERENCES commits (id), words TSVECTOR NOT NULL)",
    "CREATE INDEX search_words ON search USING gin (words)",
)
INDEX_TABLES: Final = ("search",)

for _dialect, _statements in (("sqlite", (SEARCH_SQLITE,)), ("postgresql", SEARCH_POSTGRES)):
    for _statement in _statements:
        event.listen(metadata, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
