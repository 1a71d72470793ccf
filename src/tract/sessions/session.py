"""Creates tracts side by side, finds the one to go on with, and hands work from one to another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tract.errors import CorruptObjectError, InvalidInputError, shown
from tract.history.info import commit_info
from tract.history.newest import said_last
from tract.objects.commit import CommitInfo
from tract.objects.config import TractConfig
from tract.objects.content import SessionContent
from tract.objects.hashing import canonical_json
from tract.objects.refs import check_name
from tract.operations.commit import Remarks, append
from tract.operations.configure import config_key
from tract.sessions.opening import begin_tract, open_beside, use_settings
from tract.sessions.tracts import TractInfo, tract_infos
from tract.storage import queries as q
from tract.storage import tracts as t
from tract.storage.checks import misnamed
from tract.store import Store


def new_tract(store: Store, name: str, *, purpose: str, config: TractConfig) -> Store:
    """Create the tract *name*, and return a handle on it that shares the connection.

    Raises:
        TractExistsError: There is one of that name.
        InvalidRefNameError: The name breaks the rules.
        InvalidInputError: The purpose is no text.
    """
    child = store.beside(check_name(name))
    if not isinstance(purpose, str):
        raise InvalidInputError(f"A purpose is text, not {shown(purpose)}.", hint="Give a sentence.")
    told, kept = canonical_json(purpose).decode(), canonical_json(config.persisted()).decode()
    # A tract whose name was damaged must not come back as a new and empty one.
    for wrong in misnamed(store.database):
        raise CorruptObjectError("tract", wrong, "it was created under another name")
    use_settings(child, config)
    with child.operation("init") as operation:
        begin_tract(operation)
        key = config_key(child)
        if (kept if kept != "{}" else "") != operation.meta(key):
            operation.set_meta(key, kept if kept != "{}" else "")
        if purpose:
            values = {"parent_tract_id": None, "parent_commit_id": None, "purpose": told, "mode": None}
            store.database.execute(t.LINK, {"of_id": child.tract_id, **values})
    return child


def unfinished(store: Store) -> TractInfo | None:
    """Return the tract that was written to last among those that are not at their end, or `None`.

    Cost:
        That of `tract_infos`.
    """
    waiting = [info for info in tract_infos(store) if info.state == "active"]
    # Of equal times the youngest tract.
    return max(reversed(waiting), key=lambda info: info.last_activity, default=None)


def hand_over(source: Store, target: Store, content: SessionContent) -> CommitInfo:
    """Tell *target* what *source* found out, and end *source*; a second call finishes what a crash left half done.

    Two operations, because tracts never wait for each other: first the one that must not be lost.

    Raises:
        InvalidInputError: Both are one tract.
        DetachedHeadError: A HEAD is on no branch.
    """
    if source.tract_id == target.tract_id:
        raise InvalidInputError("A tract cannot hand over to itself.", hint="Commit a `SessionContent` to it.")
    source.head_ref()
    head = source.head_hash()
    told = {"handoff": {"tract": source.tract, "commit": None if head is None else head.hex()}}
    done = _told_already(target, told, content)
    info = done or append(target, content, Remarks(metadata=told))
    end = SessionContent(kind="end", summary=f"Handed over to {target.tract}.")
    append(source, end, Remarks(metadata={"handed_over": {"tract": target.tract, "commit": info.hash}}))
    return info


def _told_already(target: Store, told: Mapping[str, Any], content: SessionContent) -> CommitInfo | None:
    head = target.head_hash()
    row = None if head is None else said_last(target, head)
    if row is None or row.data is None or json.loads(row.data) != content.payload():
        return None
    info = commit_info(target, row.hash)
    return info if info.metadata == told else None


def open_for_session(store: Store, name: str, config: TractConfig | None) -> Store:
    """Return a handle on the tract *name*, with the session's autonomy where the tract has none of its own."""
    other = open_beside(store, name)
    if config is not None and config.autonomy is not None and other.config.autonomy is None:
        other.config = other.config.model_copy(update={"autonomy": config.autonomy})
    return other


def require_same_store(store: Store, other: Store) -> None:
    """Refuse a handle on a tract of another store.

    Raises:
        InvalidInputError: It is one.
    """
    if store.one(q.META, key="store_id") != other.one(q.META, key="store_id"):
        raise InvalidInputError(f"The tract `{other.tract}` is in another store.")
