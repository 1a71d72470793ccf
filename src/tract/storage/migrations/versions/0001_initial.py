"""Makes schema 1, the first. Frozen by its release: from then on a change of the tables is a new script."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table of schema 1."""
    _objects()
    _commits()
    _links()
    _names()
    _log()
    _usage()
    _proposals()
    _replies()
    _policy_log()
    _search()


def _table(name: str, *items: Any, rowid: bool = True) -> None:
    op.create_table(name, *items, sqlite_strict=True, sqlite_with_rowid=rowid)


def _int(name: str, *items: Any, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), *items, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _bytes(name: str, *, null: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=null)


def _to(column: str) -> sa.ForeignKey:
    return sa.ForeignKey(column)


def _objects() -> None:
    _table("meta", _text("key"), _text("value"), sa.PrimaryKeyConstraint("key"), rowid=False)
    _table(
        "blobs",
        _int("id"),
        _bytes("hash"),
        _text("kind"),
        _int("size"),
        _int("codec"),
        _bytes("data", null=True),
        _int("erased_at", null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    _table(
        "configs", _int("id"), _bytes("hash"), _text("json"), sa.PrimaryKeyConstraint("id"), sa.UniqueConstraint("hash")
    )
    _table("counters", _int("id"), _text("name"), sa.PrimaryKeyConstraint("id"), sa.UniqueConstraint("name"))
    _table(
        "lanes",
        _int("id"),
        _int("fork_lane_id", _to("lanes.id"), null=True),
        _int("fork_generation", null=True),
        _int("start_generation"),
        sa.PrimaryKeyConstraint("id"),
    )


def _commits() -> None:
    _table(
        "commits",
        _int("id"),
        _bytes("hash"),
        _int("generation"),
        _int("lane_id", _to("lanes.id")),
        _int("parent_id", _to("commits.id"), null=True),
        _text("op"),
        _text("content_type", null=True),
        _int("blob_id", _to("blobs.id"), null=True),
        _int("config_id", _to("configs.id"), null=True),
        _int("note_id", _to("blobs.id"), null=True),
        _text("origin"),
        _text("author"),
        _int("created_at"),
        _int("tokens", null=True),
        _int("context_tokens", null=True),
        _int("counter_id", _to("counters.id"), null=True),
        _int("collected_at", null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("lane_id", "generation", name="commits_lane_generation"),
        sa.CheckConstraint("generation >= 1", name="commits_generation"),
    )
    has_config = sa.text("config_id IS NOT NULL")
    op.create_index("commits_config", "commits", ["config_id"], sqlite_where=has_config, postgresql_where=has_config)


def _links() -> None:
    for table, column in (("commit_parents", "parent_id"), ("commit_targets", "target_id")):
        _table(
            table,
            _int("commit_id", _to("commits.id")),
            _int("position"),
            _int(column, _to("commits.id")),
            sa.PrimaryKeyConstraint("commit_id", "position"),
            rowid=False,
        )


def _names() -> None:
    _table(
        "tracts",
        _int("id"),
        _text("name"),
        _int("created_at"),
        _int("parent_tract_id", _to("tracts.id"), null=True),
        _int("parent_commit_id", _to("commits.id"), null=True),
        _text("purpose", null=True),
        _text("mode", null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    _table(
        "refs",
        _int("tract_id", _to("tracts.id")),
        _text("name"),
        _int("commit_id", _to("commits.id"), null=True),
        _text("symbolic", null=True),
        sa.PrimaryKeyConstraint("tract_id", "name"),
        rowid=False,
    )


def _log() -> None:
    _table(
        "operations",
        _int("tract_id", _to("tracts.id")),
        _int("no"),
        _bytes("hash"),
        _text("verb"),
        _text("args"),
        _text("actor"),
        _int("created_at"),
        _int("undoes", null=True),
        _bytes("args_hash", null=True),
        sa.PrimaryKeyConstraint("tract_id", "no"),
        rowid=False,
    )
    _table(
        "ref_changes",
        _int("tract_id"),
        _int("operation_no"),
        _text("name"),
        _int("old_id", _to("commits.id"), null=True),
        _int("new_id", _to("commits.id"), null=True),
        _text("old_symbolic", null=True),
        _text("new_symbolic", null=True),
        sa.PrimaryKeyConstraint("tract_id", "operation_no", "name"),
        sa.ForeignKeyConstraint(["tract_id", "operation_no"], ["operations.tract_id", "operations.no"]),
        rowid=False,
    )


def _usage() -> None:
    _table(
        "usage",
        _int("id"),
        _int("commit_id", _to("commits.id")),
        _text("model"),
        _int("input_tokens"),
        _int("output_tokens"),
        _int("cache_read_tokens"),
        _int("cache_write_tokens"),
        _text("raw"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_usage_commit_id", "usage", ["commit_id"])


def _proposals() -> None:
    _table(
        "proposals",
        _int("id"),
        _int("tract_id", _to("tracts.id")),
        _int("number"),
        _int("revision"),
        _text("kind"),
        _int("head_id", _to("commits.id")),
        _text("payload"),
        _bytes("hash"),
        _int("created_at"),
        _text("state"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tract_id", "number", "revision", name="proposals_number"),
    )


def _replies() -> None:
    _table("replies", _bytes("key"), _bytes("data"), _int("created_at"), sa.PrimaryKeyConstraint("key"))


def _policy_log() -> None:
    _table(
        "policy_log",
        _int("tract_id", _to("tracts.id")),
        _int("no"),
        _int("created_at"),
        *map(_text, ("event", "verb", "policy", "verdict", "mode", "outcome", "reason")),
        _int("operation_no", null=True),
        sa.PrimaryKeyConstraint("tract_id", "no"),
        rowid=False,
    )


def _search() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE search USING fts5(words, content='', detail=none, tokenize='ascii')")
        return
    op.execute("CREATE TABLE search (commit_id BIGINT PRIMARY KEY REFERENCES commits (id), words TSVECTOR NOT NULL)")
    op.execute("CREATE INDEX search_words ON search USING gin (words)")
