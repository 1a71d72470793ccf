"""Records what a provider said a call cost, beside the commit of its reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from tract.errors import InvalidTargetError
from tract.history.info import commit_info
from tract.objects.hashing import canonical_json
from tract.objects.refs import check_label
from tract.objects.usage import Usage, read_usage
from tract.store import Store

WITHDRAWN: Final = -1
"""What the counts of a withdrawn usage are."""

_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def record_usage(store: Store, usage: Any, commit: bytes | None) -> Usage:
    """Keep *usage* for *commit*; later compiles that begin with the same messages count by it.

    Raises:
        InvalidInputError: No provider's shape.
        InvalidTargetError: The branch has no commit yet.
    """
    read = read_usage(usage)
    check_label(read.model, "model")
    if commit is None:
        raise InvalidTargetError("There is no commit the usage could belong to.", hint="Commit the reply first.")
    tip = store.tip(commit)
    kept = {**asdict(read), "raw": _plain(usage)}
    kept["model"] = read.model or _answering_model(store, commit)
    store.pause("usage")
    with store.operation("usage", {"commit": commit.hex(), "usage": kept}) as operation:
        operation.add_usage(usage_values(tip.id, kept, is_withdrawn=False))
    return read


def usage_values(commit: int, usage: Mapping[str, Any], *, is_withdrawn: bool) -> dict[str, Any]:
    """Return the row that records *usage*, or that takes it back: then no usage is known of the commit.

    Rows are only ever added, so the highest row id tells whether anything changed.
    """
    counts = {name: usage[name] for name in _COUNTS}
    if is_withdrawn:
        counts = dict.fromkeys(_COUNTS, WITHDRAWN)
    return {"commit_id": commit, "model": usage["model"], "raw": canonical_json(usage["raw"]).decode(), **counts}


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
