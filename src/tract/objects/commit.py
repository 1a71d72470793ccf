"""Answers what a commit is: its header, the bytes that are hashed, and what callers see of it.

The header holds everything a reader trusts. Token counts, generation and lane are derived from it
and stay outside the hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from tract.objects.hashing import commit_hash

Op: TypeAlias = Literal["append", "edit", "annotate", "compress", "reorder", "revert", "merge"]
Priority: TypeAlias = Literal["skip", "normal", "pinned"]
Origin: TypeAlias = Literal["system", "user", "model", "tool", "import", "developer"]

OPS: Final[frozenset[str]] = frozenset(get_args(Op))
PRIORITIES: Final[frozenset[str]] = frozenset(get_args(Priority))
ORIGINS: Final[frozenset[str]] = frozenset(get_args(Origin))
TRUST: Final[tuple[str, ...]] = ("tool", "import", "user", "model", "developer", "system")
"""Origins from the least trusted."""

FORMAT_VERSION: Final = 1
SHORT_HASH: Final = 8
"""Hex characters of a short hash."""


class CommitHeader(NamedTuple):
    """What is hashed of a commit.

    Hashes are 32 bytes; absent ones are `None`. `created_at` is microseconds since 1970, UTC.
    """

    parents: tuple[bytes, ...]
    op: str
    targets: tuple[bytes, ...]
    content_type: str | None
    content: bytes | None
    config: bytes | None
    note: bytes | None
    origin: str
    author: str
    created_at: int


HeaderFields: TypeAlias = tuple[
    tuple[bytes, ...], str, tuple[bytes, ...], str | None, bytes | None, bytes | None, bytes | None, str, str, int
]
"""The fields of a `CommitHeader` as a plain tuple, for loops over many commits."""

_quote = json.encoder.encode_basestring
_NULL: Final = "null"
_EMPTY: Final = '""'


def encode_header(header: CommitHeader | HeaderFields) -> bytes:
    """Return the canonical JSON of *header*: keys sorted, hashes in hex.

    Written out by hand because it runs once for each commit read; a test holds it equal to
    `canonical_json` of the same fields.
    """
    parents, op, targets, content_type, content, config, note, origin, author, created_at = header
    return (
        f'{{"author":{_quote(author) if author else _EMPTY}'
        f',"config":{_NULL if config is None else _hex(config)}'
        f',"content":{_NULL if content is None else _hex(content)}'
        f',"content_type":{_NULL if content_type is None else _quote(content_type)}'
        f',"created_at":{created_at}'
        f',"format":{FORMAT_VERSION}'
        f',"note":{_NULL if note is None else _hex(note)}'
        f',"op":"{op}"'
        f',"origin":"{origin}"'
        f',"parents":{_hexes(parents)}'
        f',"targets":{_hexes(targets) if targets else "[]"}}}'
    ).encode()


def _hex(value: bytes) -> str:
    return f'"{value.hex()}"'


def _hexes(values: tuple[bytes, ...]) -> str:
    if len(values) == 1:
        return f'["{values[0].hex()}"]'
    return f"[{','.join([_hex(value) for value in values])}]"


def header_hash(header: CommitHeader | HeaderFields) -> bytes:
    """Return the hash that names a commit with this header."""
    return commit_hash(encode_header(header))


def is_hash_of(header: CommitHeader | HeaderFields, hash_: bytes) -> bool:
    """Tell whether *hash_* names a commit with this header; damaged values may be of any type."""
    try:
        return header_hash(header) == hash_
    except (TypeError, AttributeError):
        return False


def least_trusted(origins: Iterable[str]) -> str:
    """Return the least trusted of *origins*: what tells of several things is trusted no more than any of them."""
    return min(origins, key=TRUST.index, default="developer")


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """What is known of one commit, without its content.

    Attributes:
        hash: 64 hex characters.
        parents: Parent hashes, first parent first.
        op: What the commit does.
        targets: Hashes of the commits it acts on.
        content_type: Type of its content, or `None`.
        content_hash: Hash of its content, or `None`.
        message: What the caller said of it, else derived from the content.
        tokens: Tokens of its own message.
        context_tokens: Tokens of the whole compiled context after it.
        metadata: What the caller attached.
        generation_config: Settings the content was generated with, or `None`.
        origin: Who it came from: `system user model tool import developer`.
        author: Free text, `""` if not given.
        reply_to: Hash of the commit it answers, or `None`.
        created_at: UTC.
        generation: 1 + the largest generation of its parents.
        sent: Of a model's reply, what the model was sent: `format`, `model`, `operation` and, where tools were
            offered, the hash of their definitions as `tools`; else `None`.
    """

    hash: str
    parents: tuple[str, ...]
    op: Op
    targets: tuple[str, ...]
    content_type: str | None
    content_hash: str | None
    message: str
    tokens: int
    context_tokens: int
    origin: Origin
    author: str
    reply_to: str | None
    created_at: datetime
    generation: int
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    generation_config: Mapping[str, Any] | None = field(default=None, repr=False)
    sent: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def short_hash(self) -> str:
        """The first 8 hex characters."""
        return self.hash[:SHORT_HASH]

    def __repr__(self) -> str:
        return f"<CommitInfo {self.short_hash} {self.op} {self.content_type or ''} tokens={self.tokens}>"


def to_microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970 of *moment*, which has a time zone, exactly."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Return the UTC time of *value* microseconds since 1970, exactly."""
    return datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)
