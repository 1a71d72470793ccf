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
from tract.storage import queries as q
from tract.storage.writing import Tip
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
    with store.operation("usage") as operation:
        # A list, because a batch may record several.
        noted = operation.args.setdefault("usages", [])
        noted.append({"commit": commit.hex(), "before": known_usage(store, tip), "usage": kept})
        operation.put(q.ADD_USAGE, **usage_values(tip.id, kept))
    return read


def known_usage(store: Store, commit: Tip) -> dict[str, Any] | None:
    """Return the usage in force for *commit*: the one recorded last and not taken back, or `None`."""
    place = {"lane_id": commit.lane_id, "low": commit.generation, "high": commit.generation}
    row = store.one(q.USAGE_IN_RUN, **place)
    return None if row is None else {"model": row[1], **dict(zip(_COUNTS, row[2:], strict=True))}


def is_same_usage(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Tell whether two usages have the same model and counts."""
    if one is None or other is None:
        return one is other
    return all(one[name] == other[name] for name in ("model", *_COUNTS))


def usage_values(commit: int, usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the row that records *usage*, or for `None` that takes back what was recorded.

    Rows are only ever added, so the highest row id tells whether anything changed.
    """
    if usage is None:
        return {"commit_id": commit, "model": "", "raw": "{}", **dict.fromkeys(_COUNTS, WITHDRAWN)}
    counts = {name: usage[name] for name in _COUNTS}
    raw = canonical_json(usage.get("raw", {})).decode()
    return {"commit_id": commit, "model": usage["model"], "raw": raw, **counts}


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
