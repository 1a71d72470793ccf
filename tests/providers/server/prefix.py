"""What comes before a block, in one canonical form? Thinking is bound to it and prompt caches are keyed by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature a request brings back: of *content*, at *where* in the request."""

    signature: str
    content: str
    where: str
    kind: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One tool, system block or content block; `mark` is the lifetime at a cache breakpoint."""

    text: str
    seal: Seal | None = None
    mark: str | None = None

    @property
    def tokens(self) -> int:
        return count_tokens(self.text)


def count_tokens(text: str) -> int:
    """Count as the server does: any deterministic count will do."""
    return len(text) // 4 + 1


def canonical(value: Any) -> str:
    """Return *value* as JSON text with sorted keys and without `cache_control` and empty fields."""
    return json.dumps(_clean(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items() if key != "cache_control" and inner is not None}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value


def digests(units: Sequence[Unit]) -> list[bytes]:
    """Return the hash of each prefix, from the empty one to all of *units*."""
    found = [hashlib.sha256(b"").digest()]
    for unit in units:
        found.append(hashlib.sha256(found[-1] + unit.text.encode("utf-8", "surrogatepass")).digest())
    return found
