"""A second encoder of canonical JSON and of tract's hashes, written from the specification alone.

It shares no code with `tract` and does not let `json` decide anything but how one string is quoted.
"""

from __future__ import annotations

import hashlib
from typing import Any

_ESCAPES = {0x22: '\\"', 0x5C: "\\\\", 0x08: "\\b", 0x0C: "\\f", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}


def encode(value: Any) -> bytes:
    """Return canonical JSON of *value*, which is valid."""
    return _text(value).encode("utf-8")


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: [ord(char) for char in pair[0]])
        return "{" + ",".join(f"{_string(key)}:{_text(child)}" for key, child in pairs) + "}"
    return "[" + ",".join(_text(child) for child in value) + "]"


def _string(text: str) -> str:
    return '"' + "".join(_character(char) for char in text) + '"'


def _character(char: str) -> str:
    code = ord(char)
    return _ESCAPES.get(code) or (f"\\u{code:04x}" if code < 0x20 else char)


def _float(value: float) -> str:
    """Return the shortest digits that read back equal, by trying one precision after the other."""
    for precision in range(1, 18):
        digits = f"{value:.{precision}g}"
        if float(digits) == value:
            break
    mantissa, _, exponent = f"{value:.{precision - 1}e}".partition("e")
    # Python writes 1e16 and more, and less than 1e-4, with an exponent.
    if -4 <= int(exponent) < 16:
        return f"{value:.{max(1, precision - 1 - int(exponent))}f}"
    return f"{mantissa}e{exponent}"


def digest(kind: str, data: bytes) -> str:
    """Return the hex hash of *data* in the domain *kind*."""
    return hashlib.sha256(b"tract\0" + kind.encode() + b"\0v1\0" + str(len(data)).encode() + b"\0" + data).hexdigest()
