"""What is the practical limit? The same schema and durability, by hand on raw `sqlite3`.

One append is one transaction of six statements besides BEGIN and COMMIT, as in tract: read the
tip, insert the blob, insert the commit, swap the ref, insert the operation, insert the change.
It knows appends on one branch and nothing else, so nothing can be much faster.
"""

import hashlib
import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import token_counts
from benchmarks.workload import Message

_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE blobs(
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, size INTEGER NOT NULL,
    codec TEXT, data BLOB, erased_at INTEGER) STRICT;
CREATE TABLE configs(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, json TEXT NOT NULL) STRICT;
CREATE TABLE lanes(id INTEGER PRIMARY KEY, fork_lane_id INTEGER, fork_generation INTEGER) STRICT;
CREATE TABLE commits(
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, generation INTEGER NOT NULL,
    lane_id INTEGER NOT NULL REFERENCES lanes(id), parent_id INTEGER REFERENCES commits(id),
    op TEXT NOT NULL, content_type TEXT, blob_id INTEGER REFERENCES blobs(id),
    config_id INTEGER REFERENCES configs(id), note_id INTEGER REFERENCES blobs(id),
    origin TEXT NOT NULL, author TEXT, created_at INTEGER NOT NULL, tokens INTEGER,
    context_tokens INTEGER, UNIQUE(lane_id, generation)) STRICT;
CREATE TABLE commit_parents(
    commit_id INTEGER NOT NULL, position INTEGER NOT NULL, parent_id INTEGER NOT NULL,
    PRIMARY KEY(commit_id, position)) STRICT, WITHOUT ROWID;
CREATE TABLE commit_targets(
    commit_id INTEGER NOT NULL, position INTEGER NOT NULL, target_id INTEGER NOT NULL,
    PRIMARY KEY(commit_id, position)) STRICT, WITHOUT ROWID;
CREATE TABLE tracts(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    parent_tract_id INTEGER, parent_commit_id INTEGER, purpose TEXT, mode TEXT) STRICT;
CREATE TABLE refs(
    tract_id INTEGER NOT NULL REFERENCES tracts(id), name TEXT NOT NULL,
    commit_id INTEGER REFERENCES commits(id), symbolic TEXT,
    PRIMARY KEY(tract_id, name)) STRICT, WITHOUT ROWID;
CREATE TABLE operations(
    tract_id INTEGER NOT NULL REFERENCES tracts(id), no INTEGER NOT NULL, prev_hash BLOB,
    hash BLOB NOT NULL, verb TEXT NOT NULL, args TEXT NOT NULL, actor TEXT,
    created_at INTEGER NOT NULL, undoes INTEGER,
    PRIMARY KEY(tract_id, no)) STRICT, WITHOUT ROWID;
CREATE TABLE ref_changes(
    tract_id INTEGER NOT NULL, operation_no INTEGER NOT NULL, name TEXT NOT NULL,
    old_id INTEGER REFERENCES commits(id), new_id INTEGER REFERENCES commits(id),
    PRIMARY KEY(tract_id, operation_no, name)) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('schema_version', '1');
INSERT INTO lanes(id) VALUES (1);
INSERT INTO tracts(id, name, created_at) VALUES (1, 'default', 0);
INSERT INTO refs VALUES (1, 'heads/main', NULL, NULL), (1, 'HEAD', NULL, 'heads/main');
PRAGMA user_version = 1;
"""
_TIP = (
    "SELECT r.commit_id, c.hash, c.generation, c.lane_id, c.context_tokens, o.no, o.hash"
    " FROM refs r LEFT JOIN commits c ON c.id = r.commit_id"
    " LEFT JOIN operations o ON o.tract_id = r.tract_id AND o.no ="
    " (SELECT max(no) FROM operations WHERE tract_id = r.tract_id)"
    " WHERE r.tract_id = 1 AND r.name = 'heads/main'"
)
_BLOB = "INSERT INTO blobs(hash, kind, size, data) VALUES (?, 'content', ?, ?) ON CONFLICT(hash) DO NOTHING"
_FIND_BLOB = "SELECT id FROM blobs WHERE hash = ?"
_COMMIT = (
    "INSERT INTO commits(hash, generation, lane_id, parent_id, op, content_type, blob_id, origin,"
    " created_at, tokens, context_tokens) VALUES (?, ?, ?, ?, 'append', ?, ?, ?, ?, ?, ?)"
)
_SWAP = "UPDATE refs SET commit_id = ? WHERE tract_id = 1 AND name = 'heads/main' AND commit_id IS ?"
_OPERATION = (
    "INSERT INTO operations(tract_id, no, prev_hash, hash, verb, args, created_at)"
    " VALUES (1, ?, ?, ?, 'append', '{}', ?)"
)
_CHANGE = "INSERT INTO ref_changes VALUES (1, ?, 'heads/main', ?, ?)"
_READ = (
    "SELECT b.data, b.hash FROM commits c JOIN blobs b ON b.id = c.blob_id"
    " WHERE c.lane_id = ? AND c.generation <= ? ORDER BY c.generation"
)
_CONTENT_TYPES = {"user": "dialogue", "assistant": "dialogue", "tool": "tool_result"}
_ORIGINS = {"user": "user", "assistant": "model", "tool": "tool"}


def _hash(kind: bytes, data: bytes) -> bytes:
    prefix = b"tract\0" + kind + b"\0v1\0" + str(len(data)).encode() + b"\0"
    return hashlib.sha256(prefix + data).digest()


# Made once: `json.dumps` with options makes a new encoder for every call.
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _canonical(value: object) -> bytes:
    return _encode(value).encode()


class KernelHandle:
    """One connection, statements written out."""

    def __init__(self, path: Path, *, is_durable: bool, count: token_counts.Count, is_verified: bool) -> None:
        """Open or create the file at *path*."""
        is_new = not path.exists()
        self._count = count
        self._is_verified = is_verified
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        execute = self.connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}")
        execute("PRAGMA foreign_keys = ON")
        execute("PRAGMA trusted_schema = OFF")
        execute("PRAGMA cell_size_check = ON")
        execute("PRAGMA mmap_size = 0")
        if is_new:
            path.chmod(0o600)
            self.connection.executescript(_SCHEMA)

    def append(self, item: Message) -> None:
        """Write one commit, one operation and one ref change in one transaction."""
        data = _canonical(item)
        blob_hash = _hash(b"blob", data)
        tokens = self._count(item)
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            self._write(item, data, blob_hash, tokens)
        except BaseException:
            execute("ROLLBACK")
            raise
        execute("COMMIT")

    def _write(self, item: Message, data: bytes, blob_hash: bytes, tokens: int) -> None:
        execute = self.connection.execute
        row = execute(_TIP).fetchone()
        tip_id, tip_hash, generation, lane_id, context_tokens, number, previous = row
        inserted = execute(_BLOB, (blob_hash, len(data), data))
        blob_id = inserted.lastrowid
        if not inserted.rowcount:
            (blob_id,) = execute(_FIND_BLOB, (blob_hash,)).fetchone()
        now = time.time_ns() // 1000
        content_type, origin = _CONTENT_TYPES[item["role"]], _ORIGINS[item["role"]]
        header = {
            "author": None,
            "config": None,
            "content": blob_hash.hex(),
            "content_type": content_type,
            "format": 1,
            "note": None,
            "op": "append",
            "origin": origin,
            "parents": [tip_hash.hex()] if tip_hash else [],
            "targets": [],
            "time": now,
        }
        commit_hash = _hash(b"commit", _canonical(header))
        values = (
            commit_hash,
            (generation or 0) + 1,
            lane_id or 1,
            tip_id,
            content_type,
            blob_id,
            origin,
            now,
            tokens,
            (context_tokens or 0) + tokens,
        )
        commit_id = execute(_COMMIT, values).lastrowid
        if execute(_SWAP, (commit_id, tip_id)).rowcount != 1:
            raise RuntimeError("the branch moved inside the transaction")
        number = (number or 0) + 1
        record: dict[str, object] = {
            "actor": None,
            "args": {},
            "changes": [["heads/main", header["parents"], commit_hash.hex()]],
            "no": number,
            "prev": previous.hex() if previous else None,
            "time": now,
            "tract": "default",
            "verb": "append",
        }
        operation_hash = _hash(b"operation", _canonical(record))
        execute(_OPERATION, (number, previous, operation_hash, now))
        execute(_CHANGE, (number, tip_id, commit_id))

    def read_all(self) -> list[Message]:
        """Scan the lane of the tip, joined with the blobs; check hashes if asked to."""
        _, _, generation, lane_id, *_ = self.connection.execute(_TIP).fetchone()
        rows = self.connection.execute(_READ, (lane_id, generation))
        if not self._is_verified:
            return [json.loads(data) for data, _ in rows]
        found: list[Message] = []
        for data, blob_hash in rows:
            if _hash(b"blob", data) != blob_hash:
                raise RuntimeError("a blob does not match its hash")
            found.append(json.loads(data))
        return found

    def compile(self) -> object:
        """Read everything again: the kernel keeps nothing between reads."""
        return self.read_all()

    def find_head(self) -> int | None:
        """Return the id of the tip: the cheapest check for another writer."""
        sql = "SELECT commit_id FROM refs WHERE tract_id = 1 AND name = 'heads/main'"
        row = self.connection.execute(sql).fetchone()
        return None if row[0] is None else int(row[0])

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


@dataclass(frozen=True)
class Kernel:
    """The raw kernel, with or without token counts and hash checks on reading."""

    name: str
    count: token_counts.Count = token_counts.nothing
    is_verified: bool = False
    store: str = "kernel"
    max_n: int = 1_000_000
    note: str = "raw sqlite3, WAL, synchronous=FULL"

    def missing(self) -> str | None:
        """Return nothing; load the token ranks, which take longer than any append."""
        self.count({"role": "user", "content": "x"})
        return None

    def open(self, directory: Path, *, is_durable: bool = True) -> KernelHandle:
        """Open or create `kernel.db`."""
        return KernelHandle(
            directory / "kernel.db",
            is_durable=is_durable,
            count=self.count,
            is_verified=self.is_verified,
        )
