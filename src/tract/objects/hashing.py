"""Answers what an object's bytes and hash are.

Canonical JSON gives equal values equal bytes; domain-separated SHA-256 gives bytes a name that no
object of another kind can share. Stored bytes are hashed as stored: nothing here re-encodes to verify.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from tract.errors import NotCanonicalError

JSON: TypeAlias = Any  # a value of canonical JSON; recursive aliases cost more in noise than they catch

MAX_DEPTH: Final = 128
MAX_INTEGER: Final = 2**53 - 1
HASH_BYTES: Final = 32

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode


def canonical_json(value: JSON) -> bytes:
    r"""Return the one UTF-8 encoding of *value*.

    Keys are sorted by code point, there is no white space, strings are escaped as little as JSON
    allows, floats print in their shortest form that reads back equal (`1.0` stays apart from `1`).

    Args:
        value: `None`, `bool`, `int`, `float`, `str`, `list`, `tuple` or `dict` with `str` keys, nested.

    Raises:
        NotCanonicalError: A lone surrogate, NaN or infinity, an integer beyond +-(2**53 - 1), a key that
            is no string, a value of another type, or more than 128 levels.

    Example:
        >>> canonical_json({"b": 1, "a": "é"})
        b'{"a":"\xc3\xa9","b":1}'
    """
    _check(value, 0)
    try:
        return _encode(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalError("A string holds half of a surrogate pair.", hint=_SURROGATE_HINT) from error


_SURROGATE_HINT = "Decode the text with `errors='replace'` before you commit it."


def _check(value: JSON, depth: int) -> None:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotCanonicalError("An integer is beyond +-(2**53 - 1).", hint="Store it as a string.")
    elif kind is float:
        if not math.isfinite(value):
            raise NotCanonicalError("NaN and infinity have no JSON form.", hint="Store `None` or a string instead.")
    elif kind is dict or kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            raise NotCanonicalError(f"The value is nested deeper than {MAX_DEPTH} levels.")
        _check_children(value, depth + 1)
    else:
        raise NotCanonicalError(f"A value of type `{kind.__name__}` has no JSON form.")


def _check_children(value: JSON, depth: int) -> None:
    if type(value) is dict:
        for key, child in value.items():
            if type(key) is not str:
                raise NotCanonicalError(f"A key is of type `{type(key).__name__}`; keys are strings.")
            _check(child, depth)
    else:
        for child in value:
            _check(child, depth)


def parse_json(text: str | bytes) -> JSON:
    """Return the value of strict JSON *text*, refusing what canonical JSON refuses.

    Raises:
        NotCanonicalError: Not JSON, a duplicate key, NaN, a huge integer or more than 128 levels.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NotCanonicalError(f"This is not JSON: {error}.") from error
    except RecursionError as error:
        raise NotCanonicalError(f"The value is nested deeper than {MAX_DEPTH} levels.") from error
    except ValueError as error:  # int() refuses integers of thousands of digits
        if isinstance(error, NotCanonicalError):
            raise
        raise NotCanonicalError("An integer is beyond +-(2**53 - 1).", hint="Store it as a string.") from error
    canonical_json(value)  # the one place that knows all it refuses
    return value


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotCanonicalError("An object holds the same key twice.")
    return value


def _no_constant(name: str) -> JSON:
    raise NotCanonicalError(f"`{name}` has no JSON form.", hint="Store `None` or a string instead.")


def _hasher(kind: str) -> Callable[[bytes], bytes]:
    r"""Return the hash function of one domain: `sha256("tract\0" kind "\0v1\0" length "\0" bytes)`."""
    sha256, prefix = hashlib.sha256, b"tract\0" + kind.encode() + b"\0v1\0"

    def digest(data: bytes) -> bytes:
        return sha256(b"%b%d\0%b" % (prefix, len(data), data)).digest()

    return digest


blob_hash: Final = _hasher("blob")
"""Hash of the stored bytes of a content, note or file."""

config_hash: Final = _hasher("config")
"""Hash of the canonical JSON of a generation config."""

commit_hash: Final = _hasher("commit")
"""Hash of an encoded commit header."""

operation_hash: Final = _hasher("operation")
"""Hash of an encoded operation."""
