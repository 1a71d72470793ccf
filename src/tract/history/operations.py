"""Answers what was done to a tract: its operation log, and the log of one ref."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tract.errors import InvalidInputError, OperationNotFoundError, shown
from tract.objects.commit import from_microseconds
from tract.objects.operation import OperationInfo
from tract.objects.refs import HEAD
from tract.storage import queries as q
from tract.store import Store

_BATCH = 64


def operation(store: Store, number: int) -> OperationInfo:
    """Return the operation of this number.

    Raises:
        OperationNotFoundError: There is none, or not yet in this view.
    """
    if not isinstance(number, int) or abs(number) >= 2**53:
        raise InvalidInputError(f"The number of an operation is an integer below 2**53, not {shown(number)}.")
    found = _read(store, number, number) if 1 <= number <= store.last_operation() else []
    if not found:
        raise OperationNotFoundError(number)
    return found[0]


def newest_first(store: Store, before: int | None = None) -> Iterator[OperationInfo]:
    """Yield the operations below number *before* (all by default), newest first, read a few at a time."""
    high = store.last_operation() if before is None else before - 1
    while high >= 1:
        low = max(1, high - _BATCH + 1)
        yield from reversed(_read(store, low, high))
        high = low - 1


def for_ref(store: Store, name: str) -> Iterator[OperationInfo]:
    """Yield the operations that moved the ref with this full name, newest first."""
    return (found for found in newest_first(store) if any(change[0] == name for change in found.changes))


def _read(store: Store, low: int, high: int) -> list[OperationInfo]:
    with store.reading() as database:
        rows = database.all(q.OPERATIONS, tract_id=store.tract_id, low=low, high=high)
        changes: dict[int, list[tuple[str, str | None, str | None]]] = {}
        for number, name, old, new, old_symbolic, new_symbolic in database.all(
            q.CHANGES, tract_id=store.tract_id, low=low, high=high
        ):
            values = (old_symbolic, new_symbolic) if name == HEAD else (_hex(old), _hex(new))
            changes.setdefault(number, []).append((name, *values))
    return [
        OperationInfo(
            number=number,
            verb=verb,
            args=json.loads(args),
            actor=actor,
            created_at=from_microseconds(created_at),
            changes=tuple(changes.get(number, ())),
            undoes=undoes,
        )
        for number, verb, args, actor, created_at, undoes, *_ in rows
    ]


def _hex(hash_: bytes | None) -> str | None:
    return None if hash_ is None else hash_.hex()
