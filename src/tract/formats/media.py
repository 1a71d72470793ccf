"""Answers how bytes are written in JSON: base64 and data URLs, read only where writing gives the same text again."""

from __future__ import annotations

import base64
import binascii


def encode(data: bytes) -> str:
    """Return *data* as base64 text."""
    return base64.b64encode(data).decode("ascii")


def decode_exact(text: str) -> bytes | None:
    """Return the bytes of base64 *text*, or `None` if encoding them would not give *text* back."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode(data) == text else None


def data_url(media_type: str, data: bytes) -> str:
    """Return *data* as a data URL."""
    return f"data:{media_type};base64,{encode(data)}"


def split_data_url(url: str) -> tuple[str, bytes] | None:
    """Return media type and bytes of a data URL, or `None` if `data_url` would not give *url* back."""
    head, separator, body = url.partition(";base64,")
    if not separator or not head.startswith("data:") or len(head) == len("data:"):
        return None
    data = decode_exact(body)
    return None if data is None else (head.removeprefix("data:"), data)
