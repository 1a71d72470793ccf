"""Records what a provider said a call cost, beside the commit of its reply."""

from __future__ import annotations

from typing import Any

from tract.errors import InvalidTargetError
from tract.history.info import commit_info
from tract.objects.hashing import canonical_json
from tract.objects.usage import Usage, read_usage
from tract.store import Store


def record_usage(store: Store, usage: Any, commit: bytes | None) -> Usage:
    """Keep *usage* for *commit*; later compiles that begin with the same messages count by it.

    Raises:
        InvalidInputError: No provider's shape.
        InvalidTargetError: The branch has no commit yet.
    """
    read = read_usage(usage)
    if commit is None:
        raise InvalidTargetError("There is no commit the usage could belong to.", hint="Commit the reply first.")
    tip = store.tip(commit)
    store.pause("usage")
    with store.operation("usage", {"commit": commit.hex()}) as operation:
        operation.add_usage(
            {
                "commit_id": tip.id,
                "model": read.model or _answering_model(store, tip.hash),
                "input_tokens": read.input_tokens,
                "output_tokens": read.output_tokens,
                "cache_read_tokens": read.cache_read_tokens,
                "cache_write_tokens": read.cache_write_tokens,
                "raw": canonical_json(_plain(usage)).decode(),
            }
        )
    return read


def _answering_model(store: Store, commit: bytes) -> str:
    """Return the model a reply was generated with; few providers repeat it in their usage."""
    config = commit_info(store, commit).generation_config or {}
    return str(config.get("model") or "")


def _plain(usage: Any) -> Any:
    """Return what of *usage* has a JSON form; it is kept for people, nothing reads it back."""
    if isinstance(usage, Usage):
        return {}
    dump = getattr(usage, "model_dump", None)
    fields = dump(mode="json") if callable(dump) else usage
    return fields if isinstance(fields, dict) else {}
