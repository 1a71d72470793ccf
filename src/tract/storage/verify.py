"""Answers whether what was read is what was committed: hashes it again and compares."""

from __future__ import annotations

from tract.errors import CorruptObjectError
from tract.objects.commit import CommitHeader, is_hash_of
from tract.objects.hashing import blob_hash
from tract.storage import queries as q
from tract.storage.database import Database
from tract.storage.queries import CommitRow


def verify(row: CommitRow, parents: tuple[bytes, ...], targets: tuple[bytes, ...]) -> None:
    """Hash the content and header of one commit and compare.

    Raises:
        CorruptObjectError: The content or the header is not what was committed.
    """
    if row.data is not None:
        if row.content is None or not isinstance(row.data, bytes) or blob_hash(row.data) != row.content:
            raise CorruptObjectError("blob", (row.content or b"").hex(), "its bytes do not match its hash")
    elif row.content is not None and row.erased_at is None:
        raise CorruptObjectError("commit", row.hash.hex(), "its content is missing")
    header = CommitHeader(
        parents,
        row.op,
        targets,
        row.content_type,
        row.content,
        row.config,
        row.note,
        row.origin,
        row.author,
        row.created_at,
    )
    if not is_hash_of(header, row.hash):
        raise CorruptObjectError("commit", row.hash.hex(), "its header does not match its hash")


def read_blob(database: Database, hash_: bytes) -> bytes | None:
    """Return the verified bytes of a blob; `None` if they were erased.

    Raises:
        CorruptObjectError: It is missing or damaged.
    """
    row = database.one(q.BLOB, hash=hash_)
    data: bytes | None = None if row is None else row[0]
    erased_at: int | None = None if row is None else row[1]
    verify_blob(hash_, data, erased_at)
    return data


def verify_blob(hash_: bytes, data: bytes | None, erased_at: int | None) -> None:
    """Hash a blob's bytes and compare.

    Raises:
        CorruptObjectError: It is missing without having been erased, or damaged.
    """
    if data is None:
        if erased_at is None:
            raise CorruptObjectError("blob", hash_.hex(), "it is missing")
    elif not isinstance(data, bytes) or blob_hash(data) != hash_:
        raise CorruptObjectError("blob", hash_.hex(), "its bytes do not match its hash")
