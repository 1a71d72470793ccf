"""Answers what one recorded write is, and the bytes its place in the log is hashed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from tract.objects.hashing import canonical_json, operation_hash
from tract.objects.refs import RefChange


class OperationHeader(NamedTuple):
    """What is hashed of an operation. `args` is canonical JSON text; times are microseconds UTC."""

    number: int
    previous: bytes | None
    tract: str
    verb: str
    args: str
    actor: str
    created_at: int
    undoes: int | None
    changes: tuple[RefChange, ...]


def header_hash(header: OperationHeader) -> bytes:
    """Return the hash that chains *header* to the operation before it."""
    return operation_hash(encode_header(header))


def encode_header(header: OperationHeader) -> bytes:
    """Return the canonical JSON of *header*: keys sorted, hashes in hex."""
    return canonical_json(
        {
            "actor": header.actor,
            "args": header.args,
            "changes": [
                [change.name, _text(change.name, change.old), _text(change.name, change.new)]
                for change in header.changes
            ],
            "created_at": header.created_at,
            "number": header.number,
            "previous": None if header.previous is None else header.previous.hex(),
            "tract": header.tract,
            "undoes": header.undoes,
            "verb": header.verb,
        }
    )


def _text(name: str, value: bytes | None) -> str | None:
    if value is None:
        return None
    return value.decode() if name == "HEAD" else value.hex()


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """One recorded write, as callers see it.

    Attributes:
        number: 1 for the first of its tract.
        verb: `commit`, `edit`, `undo`, ...
        args: What the caller asked for, without content.
        actor: Who did it, `""` if not given.
        created_at: UTC.
        changes: Each ref it moved as `(name, old, new)`, hashes in hex, `None` for "did not exist".
        undoes: Number of the operation it took back, or `None`.
    """

    number: int
    verb: str
    args: Mapping[str, Any] = field(repr=False)
    actor: str
    created_at: datetime
    changes: tuple[tuple[str, str | None, str | None], ...] = field(repr=False)
    undoes: int | None = None
