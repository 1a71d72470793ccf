"""Answers what is known of one commit: its `CommitInfo` and its content, read and verified."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from tract.errors import ContentErasedError, CorruptObjectError, InvalidTargetError
from tract.objects.commit import SHORT_HASH, CommitInfo, from_microseconds
from tract.objects.content import ANNOTATION, headline, shorten
from tract.objects.hashing import config_hash
from tract.storage import queries as q
from tract.storage.database import Database
from tract.storage.erasing import removal_at
from tract.storage.queries import CommitRow
from tract.storage.verify import read_blob, verify
from tract.store import Store

UNCOUNTED: Final = -1
"""Stands for a count another tokenizer made; `compile.counts` puts the right one in its place."""


def commit_info(store: Store, commit: bytes) -> CommitInfo:
    """Return the `CommitInfo` of the commit with this hash.

    Raises:
        CorruptObjectError: It is missing or damaged.
    """
    with store.reading() as database:
        row = database.one(q.COMMIT, hash=commit)
        if row is None:
            raise CorruptObjectError("commit", commit.hex(), "it is missing")
        return info_of(database, CommitRow(*row), store.counter_id)


def info_of(database: Database, row: CommitRow, counter: int | None) -> CommitInfo:
    """Return the `CommitInfo` of a stored row, after verifying it.

    Its counts are `UNCOUNTED` if the tokenizer with the row id *counter* has not made them.
    """
    is_counted = row.counter_id == counter
    targets = () if row.op in {"append", "merge"} else tuple(database.all(q.TARGETS, commit_id=row.id))
    parents = _parents(database, row)
    verify(row, parents, tuple(hash_ for _, hash_ in targets))
    note = _note(database, row)
    hexes = tuple(hash_.hex() for _, hash_ in targets)
    return CommitInfo(
        hash=row.hash.hex(),
        parents=tuple(parent.hex() for parent in parents),
        op=row.op,  # type: ignore[arg-type]  # verified against the hash
        targets=hexes,
        content_type=row.content_type,
        content_hash=None if row.content is None else row.content.hex(),
        message=note.get("message") or derived_message(row.op, row.content_type, _payload(row), hexes),
        tokens=row.tokens if is_counted and row.tokens is not None else UNCOUNTED,
        context_tokens=row.context_tokens if is_counted and row.context_tokens is not None else UNCOUNTED,
        origin=row.origin,  # type: ignore[arg-type]
        author=row.author,
        reply_to=note.get("reply_to"),
        created_at=from_microseconds(row.created_at),
        generation=row.generation,
        metadata=note.get("metadata", {}),
        generation_config=_config(database, row.config_id),
        sent=note.get("sent"),
    )


def sent_of(store: Store, commit: bytes) -> Mapping[str, Any] | None:
    """Return what the reply committed in *commit* keeps of the request it answered, `None` if nothing."""
    with store.reading() as database:
        sent: Mapping[str, Any] | None = _note(database, stored(database, commit)).get("sent")
    return sent


def tools_sent(store: Store, commit: bytes) -> list[dict[str, Any]]:
    """Return the tool definitions a model was sent when it made the reply *commit*; none for any other commit.

    Raises:
        CorruptObjectError: They are missing or damaged.
    """
    sent = commit_info(store, commit).sent or {}
    if "tools" not in sent:
        return []
    with store.reading() as database:
        data = read_blob(database, bytes.fromhex(sent["tools"]))
    found: list[dict[str, Any]] = [] if data is None else json.loads(data)
    return found


def _parents(database: Database, row: CommitRow) -> tuple[bytes, ...]:
    if row.parent_id is None:
        return ()
    first = database.one(q.HASH_OF, id=row.parent_id)
    if first is None:
        raise CorruptObjectError("commit", row.hash.hex(), "its parent is missing")
    others = database.all(q.PARENTS, commit_id=row.id) if row.op == "merge" else []
    return first[0], *[hash_ for _, hash_ in others]


def _note(database: Database, row: CommitRow) -> dict[str, Any]:
    if row.note is None:
        return {}
    data = read_blob(database, row.note)
    return {} if data is None else json.loads(data)


def _config(database: Database, config: int | None) -> Mapping[str, Any] | None:
    if config is None:
        return None
    row = database.one(q.CONFIG, id=config)
    if row is None or config_hash(row[1].encode()) != row[0]:
        raise CorruptObjectError("config", str(config), "it does not match its hash")
    value: Mapping[str, Any] = json.loads(row[1])
    return value


def _payload(row: CommitRow) -> Mapping[str, Any] | None:
    return None if row.data is None else json.loads(row.data)


def derived_message(
    op: str, content_type: str | None, payload: Mapping[str, Any] | None, targets: Sequence[str]
) -> str:
    """Return the message of a commit whose caller gave none; it is never stored."""
    names = ", ".join(target[:SHORT_HASH] for target in targets[:3]) + (", …" if len(targets) > 3 else "")
    if op == "merge":
        return "merge"
    if payload is None:
        return f"{op} {names}".strip() if content_type is None else "(erased)"
    if content_type == ANNOTATION:
        reason = payload.get("reason")
        verb = {"skip": "skip", "pinned": "pin", "normal": "unpin"}[payload["priority"]]
        return shorten(f"{verb} {names}: {reason}" if reason else f"{verb} {names}")
    said = headline(content_type or "", payload)
    return shorten(f"edit {names}: {said}") if op == "edit" else said


def stored(database: Database, commit: bytes) -> CommitRow:
    """Return the row of the commit with this hash, after verifying it.

    Raises:
        CorruptObjectError: It is missing or damaged.
    """
    found = database.one(q.COMMIT, hash=commit)
    if found is None:
        raise CorruptObjectError("commit", commit.hex(), "it is missing")
    row = CommitRow(*found)
    targets = tuple(hash_ for _, hash_ in database.all(q.TARGETS, commit_id=row.id))
    verify(row, _parents(database, row), targets)
    return row


def _erased(store: Store, row: CommitRow) -> ContentErasedError:
    """Return the error that says when, why and by whom the content of *row* was removed."""
    with store.reading() as database:
        removal = removal_at(database, row.erased_at, row.content)
    if removal is None:
        return ContentErasedError(row.hash.hex())
    return ContentErasedError(
        row.hash.hex(),
        verb=removal.verb,
        reason=removal.args.get("reason", ""),
        actor=removal.actor,
        erased_at=from_microseconds(removal.created_at),
    )


def content_of(store: Store, commit: bytes) -> BaseModel:
    """Return the content committed in the commit with this hash.

    Raises:
        InvalidTargetError: It has no content.
        ContentErasedError: Its content was erased.
        UnknownContentTypeError: Its type is not registered on this handle.
    """
    with store.reading() as database:
        row = stored(database, commit)
    if row.content_type is None or row.content_type == ANNOTATION:
        raise InvalidTargetError(
            f"The commit {row.hash.hex()[:SHORT_HASH]} ({row.op}) has no content.",
            target=row.hash.hex(),
            hint="Look at it with `t.get(commit)`.",
        )
    if row.data is None:
        raise _erased(store, row)
    return store.types.parse(row.content_type, json.loads(row.data))
