"""Keeps answers of models in the store, by what was asked; a cache, and no part of the history.

Nothing here is an operation: there is nothing to undo, and everything may be dropped at any time. Erasing a content
has to drop all of it, since an answer may repeat what was erased.
"""

from __future__ import annotations

import hashlib

from tract.errors import InvalidInputError, PolicyDeniedError
from tract.objects.content import FreeformContent
from tract.operations.aside import aside
from tract.operations.prepare import allowed
from tract.storage import queries as q
from tract.storage.database import Database
from tract.store import Store

_DIGEST_BYTES = 32


class ReplyCache:
    """The answers kept in one store, by key, for all its tracts.

    A damaged answer is none. Inside a batch nothing is kept, and neither is what a policy would not let be committed as
    it is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str) -> bytes | None:
        """Return what was put under *key*, or `None`."""
        row = self._store.one(q.FIND_REPLY, key=_hashed(key))
        if row is None:
            return None
        data = bytes(row[0])
        value = data[_DIGEST_BYTES:]
        return value if hashlib.sha256(value).digest() == data[:_DIGEST_BYTES] else None

    def put(self, key: str, value: bytes) -> None:
        """Keep *value* under *key*; one larger than the store's `max_content_bytes` is not kept.

        Raises:
            InvalidInputError: They are no text and no bytes.
            ReadOnlyError: The handle was opened for reading only.
        """
        hashed = _hashed(key)
        if not isinstance(value, bytes):
            raise InvalidInputError("What is kept of an answer is bytes.")
        if len(value) > self._store.config.max_content_bytes or not self._is_allowed(value):
            return
        data = hashlib.sha256(value).digest() + value
        with aside(self._store) as database:
            if database is not None:
                values = {"key": hashed, "data": data, "created_at": self._store.clock()}
                database.execute(q.KEEP_REPLY, values)

    def _is_allowed(self, value: bytes) -> bool:
        if self._store.policies is None:
            return True
        content = FreeformContent(data=value.decode("utf-8", "replace"))
        try:
            return allowed(self._store, content, "reply-cache") == content
        except PolicyDeniedError:
            return False

    def clear(self) -> int:
        """Drop every answer kept, and return how many there were."""
        with aside(self._store) as database:
            return 0 if database is None else forget_replies(database)

    def __len__(self) -> int:
        row = self._store.one(q.COUNT_REPLIES)
        return int(row[0]) if row is not None else 0

    def __repr__(self) -> str:
        return f"<ReplyCache replies={len(self)}>"


def forget_replies(database: Database) -> int:
    """Drop every answer kept in the store and return how many there were; inside the caller's transaction."""
    row = database.one(q.COUNT_REPLIES)
    database.execute(q.FORGET_REPLIES, {})
    return int(row[0]) if row is not None else 0


def _hashed(key: str) -> bytes:
    if not isinstance(key, str):
        raise InvalidInputError("A key is text.")
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
