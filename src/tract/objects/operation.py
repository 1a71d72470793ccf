"""Answers what one recorded write is, and the bytes its place in the log is hashed over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from tract.objects.hashing import blob_hash, operation_hash
from tract.objects.refs import HEAD, RefChange

_quote = json.encoder.encode_basestring


class OperationHeader(NamedTuple):
    """What is hashed of an operation: of `args`, canonical JSON text, the hash. Times are microseconds UTC.

    Arguments something was erased from are given as the hash they had, so that the chain still verifies.
    """

    number: int
    previous: bytes | None
    tract: str
    verb: str
    args: str | bytes
    actor: str
    created_at: int
    undoes: int | None
    changes: tuple[RefChange, ...]


_NO_ARGS = blob_hash(b"{}")


def args_hash(args: str) -> bytes:
    """Return the hash that stands for *args* in the hash of an operation; most have none, `{}`."""
    return _NO_ARGS if args == "{}" else blob_hash(args.encode())


def header_hash(header: OperationHeader) -> bytes:
    """Return the hash that chains *header* to the operation before it."""
    return operation_hash(encode_header(header))


def encode_header(header: OperationHeader) -> bytes:
    """Return the canonical JSON of *header*: keys sorted, hashes in hex.

    Written out by hand because it runs once for each write; a test holds it equal to `canonical_json`
    of the same fields.
    """
    number, previous, tract, verb, args, actor, created_at, undoes, changes = header
    moved = ",".join([f"[{_quote(name)},{_text(name, old)},{_text(name, new)}]" for name, old, new in changes])
    return (
        f'{{"actor":{_quote(actor)}'
        f',"args":{_hex(args if isinstance(args, bytes) else args_hash(args))}'
        f',"changes":[{moved}]'
        f',"created_at":{created_at}'
        f',"number":{number}'
        f',"previous":{_hex(previous)}'
        f',"tract":{_quote(tract)}'
        f',"undoes":{"null" if undoes is None else undoes}'
        f',"verb":{_quote(verb)}}}'
    ).encode()


def _hex(value: bytes | None) -> str:
    return "null" if value is None else f'"{value.hex()}"'


def _text(name: str, value: bytes | None) -> str:
    return _quote(value.decode()) if name == HEAD and value is not None else _hex(value)


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
