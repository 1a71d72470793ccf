"""Tracts of a store: finds or creates the one a handle is for, and opens those beside it."""

from __future__ import annotations

from typing import Any

from tract.errors import CorruptObjectError, CorruptStoreError, TractExistsError, TractNotFoundError
from tract.objects.config import TractConfig
from tract.objects.refs import BRANCH_PREFIX, HEAD, Head
from tract.operations.configure import stored_config
from tract.storage import queries as q
from tract.storage.checks import misnamed
from tract.store import Operation, Store
from tract.tokens import counter_for


def open_tract(store: Store, *, create: bool) -> None:
    """Find *store*'s tract, creating it if allowed, and start on its default branch.

    Raises:
        TractNotFoundError: There is none, and it may not be created.
        CorruptStoreError: It does not say where to start.
    """
    row = store.one(q.TRACT, name=store.tract)
    if row is None:
        if store.read_only or not create:
            raise TractNotFoundError(store.tract, tract_names(store))
        # A tract whose name was damaged must not come back as a new and empty one.
        for name in misnamed(store.database):
            raise CorruptObjectError("tract", name, "it was created under another name")
        create_tract(store)
    else:
        store.tract_id = row[0]
    start = store.one(q.REF, tract_id=store.tract_id, name=HEAD)
    if start is None or not str(start[1]).startswith(BRANCH_PREFIX):
        raise CorruptStoreError(f"The tract `{store.tract}` does not say on which branch to start.")
    store.head = Head(start[1].removeprefix(BRANCH_PREFIX))


def create_tract(store: Store) -> None:
    """Create the tract and its HEAD in one operation, so no crash leaves half of it."""
    with store.operation("init") as operation:
        if operation.number == 1:  # else another process was faster
            begin_tract(operation)


def begin_tract(operation: Operation) -> None:
    """Write what the first operation of a tract holds: where handles start.

    Raises:
        TractExistsError: The tract has operations already.
    """
    store = operation.store
    if operation.number != 1:
        raise TractExistsError(store.tract)
    start = store.config.default_branch
    operation.point(HEAD, BRANCH_PREFIX + start)
    store.head = Head(start)


def tract_names(store: Store) -> list[str]:
    """Return the names of all tracts of the store, the oldest first."""
    return [name for (name,) in store.all(q.TRACT_NAMES)]


def open_beside(store: Store, name: Any) -> Store:
    """Return a handle on the tract *name* of the same store, with its own settings; it shares the connection.

    Raises:
        TractNotFoundError: There is none.
    """
    row = store.one(q.TRACT, name=name) if isinstance(name, str) and "\0" not in name and name.isprintable() else None
    if row is None:
        raise TractNotFoundError(name if isinstance(name, str) else type(name).__name__, tract_names(store))
    other = store.beside(name, row[0])
    open_tract(other, create=False)
    use_settings(other, stored_config(other))
    return other


def use_settings(other: Store, config: TractConfig) -> None:
    """Put *config* in force on a handle beside another one: how long their connection waits stays as it is."""
    is_other_counter = config.tokenizer != other.config.tokenizer
    other.config = config
    if is_other_counter:
        other.use_counter(counter_for(config.tokenizer))
