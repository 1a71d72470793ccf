"""Erases contents for good: from every branch and tract, from the log, from free pages; only tombstones stay."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from tract.errors import InvalidInputError, OperationOpenError, StorageError, shown
from tract.objects.commit import from_microseconds
from tract.objects.hashing import blob_hash, canonical_json
from tract.objects.operation import args_hash
from tract.operations.erasure import Derived, Found, Wanted, find, written_forms
from tract.operations.proposal import sources_of
from tract.operations.reply_cache import forget_replies
from tract.search.index import forget
from tract.storage import erasing as e
from tract.storage import queries as q
from tract.storage import sweeping as w
from tract.storage.database import Database
from tract.storage.sizes import forget_sizes
from tract.storage.writing import note_erasure
from tract.store import Operation, Store

_SHORTEST_TEXT: Final = 4
_REASON_LENGTH: Final = 500

# Settings that hold what somebody wrote; losing one loses a merge's decisions or a description, nothing else.
_WRITTEN_SETTINGS: Final = ("merge:", "description:")

_ALWAYS_OUTSIDE: Final = "Backups, exports and copies of the store made before, and contexts already handed out."
_SERVER_LOG: Final = "The write-ahead log of the PostgreSQL server and its archives, until they are recycled."


@dataclass(frozen=True, slots=True)
class EraseResult:
    """What was erased, or with `dry_run` would be: a receipt without a word of it.

    Attributes:
        commits: Hashes of the commits whose content or note is gone; their tombstones stay.
        blobs: Hashes of the contents, notes and files that are gone.
        bytes: How many bytes they had.
        derived: What was made of them and stays: pass these hashes to `erase`, or `include_derived`.
        kept: Hashes of notes and files that stay because other commits use them.
        redacted: How many operations, usages, settings, purposes of tracts, proposals (which nobody can decide any
            more), reasons policies gave, and answers kept for reuse (which all go) told of it.
        remains: Where it may still be, in words.
        reason: Why, as given.
        actor: Who, `""` if the handle has no actor.
        erased_at: When, UTC.
        operation: Number of the operation in the log, `None` if nothing was erased.
        is_dry_run: Whether nothing was done.
        unfinished: Why old copies may still be in the store's files, `""` if they are gone; erase again to finish.
    """

    commits: tuple[str, ...] = field(repr=False)
    blobs: tuple[str, ...] = field(repr=False)
    bytes: int
    derived: tuple[Derived, ...]
    kept: tuple[str, ...]
    redacted: int
    remains: tuple[str, ...] = field(repr=False)
    reason: str
    actor: str
    erased_at: datetime
    operation: int | None = None
    is_dry_run: bool = False
    unfinished: str = ""

    def __repr__(self) -> str:
        said = "would erase" if self.is_dry_run else "erased"
        return f"<EraseResult {said} {self.bytes} bytes of {len(self.commits)} commits>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def erase(store: Store, wanted: Wanted, reason: str, *, dry_run: bool = False) -> EraseResult:
    """Replace what is *wanted* by tombstones, everywhere in the store, and overwrite what is left of it.

    Raises:
        InvalidInputError: Neither commits nor a text, both, too short a text, or no reason.
        OperationOpenError: A batch is open.
        BusyError: Others held the store past the deadline; nothing was done.

    Cost:
        O(everything stored), twice. Other writers wait meanwhile.
    """
    _check(wanted, reason)
    if store.is_writing:
        raise OperationOpenError("erase")
    if dry_run:
        with store.reading() as database:
            erasing = _Erasing(store, database, find(database, wanted))
            return erasing.result(reason, store.clock(), is_dry_run=True)
    store.pause("erase")
    with store.operation("erase", {"reason": reason}, alone=True) as operation:
        # Inside: what is committed or copied meanwhile must not escape.
        database = store.database
        database.overwrite_what_is_dropped()
        erasing = _Erasing(store, database, find(database, wanted))
        erasing.carry_out(operation)
        result = erasing.result(reason, operation.now, operation=operation.number if operation.has_values else None)
    with store.lock:
        store.memo.clear()
    return replace(result, unfinished=_overwritten(store))


def _check(wanted: Wanted, reason: str) -> None:
    if bool(wanted.commits) == (wanted.text is not None):
        raise InvalidInputError(
            "Name what to erase: either commits or a text.", hint="Write `t.erase(commit, reason=...)`."
        )
    _require_text(reason, range(1, _REASON_LENGTH + 1), f"`reason` is a text of 1 to {_REASON_LENGTH} characters")
    if wanted.text is not None:
        said = f"`text` is a text of at least {_SHORTEST_TEXT} characters"
        _require_text(wanted.text, range(_SHORTEST_TEXT, 1 << 30), said, hint="A short text would match too much.")
        if any(form in reason for form in written_forms(wanted.text)):
            raise InvalidInputError("The reason would keep the text.", hint="Say why without quoting it.")


def _require_text(value: object, lengths: range, said: str, *, hint: str | None = None) -> None:
    is_text = isinstance(value, str) and bool(value.strip())
    if not is_text or len(value) not in lengths:  # type: ignore[arg-type]  # a text by now
        raise InvalidInputError(f"{said}, not {shown(value)}.", hint=hint)
    canonical_json(value)  # refuses half of a surrogate pair


def _overwritten(store: Store) -> str:
    """Take what is left out of the files; the contents are erased already, so a failure is told, not raised."""
    with store.lock:
        try:
            store.database.shrink(thoroughly=True)
        except StorageError as error:
            return error.message
    return ""


class _Erasing:
    """One erasure in one snapshot: what was found, and where else its text is kept."""

    def __init__(self, store: Store, database: Database, found: Found) -> None:
        self._store = store
        self._database = database
        self._found = found
        self._forms = [form for text in found.quotes for form in written_forms(text)]
        self._commits = {one.hash.hex() for one in found.commits}
        self.operations = list(self._operations())
        self.usages = [
            id_
            for id_, commit, raw in e.usage_texts(database)
            if commit in {one.id for one in found.commits} or self._tells(raw)
        ]
        self.purposes = [id_ for id_, purpose in e.purposes(database) if self._tells(purpose)]
        self.reasons = [id_ for id_, reason in e.reasons(database) if self._tells(reason)]
        self.proposals = [one for one in e.proposals(database) if self._is_told_by(one)]
        told = [form.encode() for form in self._forms]
        self.replies = sum(any(form in data for form in told) for data in e.replies(database))
        self.settings = [key for key, value in e.settings(database).items() if self._is_written(key, value)]

    @property
    def redacted(self) -> int:
        """From how many places beside the contents something goes."""
        places = (self.operations, self.usages, self.settings, self.proposals, self.purposes, self.reasons)
        return sum(len(place) for place in places) + self.replies

    def _tells(self, text: str) -> bool:
        return any(form in text for form in self._forms)

    def _is_told_by(self, proposal: e.KeptProposal) -> bool:
        """Tell whether a proposal quotes what goes, or was made of it."""
        payload = json.loads(proposal.payload)
        if not any(payload["drafts"]):
            return False  # emptied by an erasure before
        return self._tells(proposal.payload) or not self._commits.isdisjoint(sources_of(payload))

    def _is_written(self, key: str, value: str) -> bool:
        return key.startswith(_WRITTEN_SETTINGS) and self._tells(value)

    def _operations(self) -> Iterable[tuple[str, tuple[int, int], str, str]]:
        """Yield name of the tract, place, old and new arguments of each operation that tells something."""
        for tract, tract_id, number, args in e.operation_args(self._database):
            redacted = canonical_json(self._without_usage(self._redacted(json.loads(args)))).decode()
            if redacted != args:
                yield tract, (tract_id, number), args, redacted

    def _redacted(self, value: Any) -> Any:
        """Return a JSON value with nothing in the place of each string that tells something."""
        if isinstance(value, str):
            return "" if self._tells(value) else value
        if isinstance(value, list):
            return [self._redacted(child) for child in value]
        if isinstance(value, dict):
            return {"" if self._tells(key) else key: self._redacted(child) for key, child in value.items()}
        return value

    def _without_usage(self, args: Any) -> Any:
        """Return the arguments of an operation without what providers said of the erased commits' usage."""
        for noted in args.get("usages", ()):
            if noted["commit"] in self._commits and isinstance(noted["usage"], dict):
                noted["usage"]["raw"] = {}
        return args

    def carry_out(self, operation: Operation) -> None:
        """Erase it, and say so in the log; do nothing if there is nothing."""
        found, database = self._found, self._database
        redactions = [[tract, place[1], blob_hash(new.encode()).hex()] for tract, place, _, new in self.operations]
        operation.has_values = bool(found.blobs or self.redacted)
        if not operation.has_values:
            return
        forget(database, set(found.blobs), thoroughly=True)
        w.drop(database, found.blobs, operation.now)
        e.drop_usage_texts(database, self.usages)
        for _, place, old, new in self.operations:
            e.redact(database, place, new, args_hash(old))
        e.drop_purposes(database, self.purposes)
        e.drop_reasons(database, self.reasons)
        for proposal in self.proposals:
            payload = canonical_json(_without_drafts(json.loads(proposal.payload)))
            e.empty(database, proposal.id, payload.decode(), blob_hash(payload))
        for key in self.settings:
            database.execute(q.SET_META, {"key": key, "value": ""})
        # All of them: an answer may tell in other words what it was asked with.
        forget_replies(database)
        gone = [one for one in found.commits if one.blob_id in found.blobs]
        forget_sizes(database, ((one.lane, one.generation) for one in (*gone, *found.cut)))
        note_erasure(database)
        operation.args.update(
            commits=sorted(self._commits),
            blobs=sorted(one.hash.hex() for one in found.blobs.values()),
            bytes=found.bytes,
            annotations=found.annotations,
            redacted=redactions,
        )

    def result(self, reason: str, at: int, *, operation: int | None = None, is_dry_run: bool = False) -> EraseResult:
        """Return the receipt."""
        found = self._found
        return EraseResult(
            commits=tuple(sorted(self._commits)),
            blobs=tuple(sorted(one.hash.hex() for one in found.blobs.values())),
            bytes=found.bytes,
            derived=tuple(found.derived),
            kept=tuple(found.kept),
            redacted=self.redacted,
            remains=self._remains(),
            reason=reason,
            actor=self._store.actor,
            erased_at=from_microseconds(at),
            operation=operation,
            is_dry_run=is_dry_run,
        )

    def _remains(self) -> tuple[str, ...]:
        """Return where it may still be: what hashes hold fast, and what lies outside the store."""
        places = {place for place, text in e.other_texts(self._database) if self._tells(text)}
        places |= {
            f"meta: {key}"
            for key, value in e.settings(self._database).items()
            if self._tells(value) and key not in self.settings
        }
        said = [f"`{place}` holds the text, and cannot be changed." for place in sorted(places)]
        is_server = self._database.dialect != "sqlite"
        copies = [f"`{path}`, a copy made before a migration: delete it." for path in self._database.copies()]
        return (*said, *copies, *([_SERVER_LOG] if is_server else []), _ALWAYS_OUTSIDE)


def _without_drafts(payload: dict[str, Any]) -> dict[str, Any]:
    return {"branch": payload["branch"], "drafts": ["" for _ in payload["drafts"]]}
