"""Writes beside the history: a transaction of which no operation is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tract.errors import ReadOnlyError
from tract.storage.database import Database
from tract.store import Store


@contextmanager
def aside(store: Store) -> Iterator[Database | None]:
    """Hold a transaction of which no operation is recorded; `None` inside an operation, whose fate it would share."""
    store.refuse_fork()
    with store.lock:
        store.check_usable()
        if store.read_only:
            raise ReadOnlyError
        if store.is_writing or store.database.in_transaction:
            yield None
            return
        try:
            store.database.begin_write(store.tract_id)
            yield store.database
            store.database.commit()
        finally:
            try:
                store.database.rollback()
            finally:
                store.database.rollback()  # does nothing, unless the first was interrupted before it began
