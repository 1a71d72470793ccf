"""Answers where something to be erased is kept: which contents, notes and files, and what was made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from tract.objects.content import ANNOTATION
from tract.storage import sweeping as w
from tract.storage.database import Database
from tract.storage.sweeping import Holding, Stored

DerivedKind: TypeAlias = Literal["edit", "summary", "squash", "quote"]

_QUOTE_LENGTH: Final = 16
"""Characters; a shorter text found elsewhere need not have come from here."""


class Derived(NamedTuple):
    """A commit that may repeat what is erased.

    Attributes:
        commit: Its hash.
        kind: An `edit` of it, a `summary` that covers it, a `squash` made of it, or a `quote` of its text.
    """

    commit: str
    kind: DerivedKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants erased.

    Attributes:
        commits: Commits whose content and note are to go.
        text: A text to find everywhere, or `None`.
        include_derived: Whether what was made of it goes as well.
    """

    commits: tuple[bytes, ...]
    text: str | None
    include_derived: bool


@dataclass(slots=True)
class Found:
    """What has to go.

    Attributes:
        commits: The commits whose content or note goes.
        blobs: The blobs that go, by row id.
        annotations: Priority of each annotation whose reason goes, by the hash of its content.
        derived: What was made of it and stays.
        kept: Hashes of notes and files that other commits use as well and that stay.
        cut: The commits whose content stays and loses a file.
        quotes: Texts to look for wherever else text is kept.
    """

    commits: list[Holding] = field(default_factory=list)
    blobs: dict[int, Stored] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    derived: list[Derived] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    cut: list[Holding] = field(default_factory=list)
    quotes: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """How many bytes go."""
        return sum(blob.size for blob in self.blobs.values())


def written_forms(text: str) -> frozenset[str]:
    """Return how *text* may be written: as it is, and in JSON, in JSON within JSON, and in one more."""
    forms = {text}
    for is_ascii in (False, True):
        form = text
        for _ in range(3):
            form = json.dumps(form, ensure_ascii=is_ascii)[1:-1]
            forms.add(form)
    return frozenset(forms)


def strings_in(value: Any) -> Iterator[str]:
    """Yield every string of a JSON value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from strings_in(child)
    elif isinstance(value, list):
        for child in value:
            yield from strings_in(child)


class _Scan:
    """Everything stored, looked at once; the bytes themselves are read when they are searched."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.commits = list(w.holdings(database))
        self.by_id = {one.id: one for one in self.commits}
        self.by_hash = {one.hash: one for one in self.commits}
        self.stored = {one.id: one for one in w.all_stored(database)}
        self.files = w.files_named(database)

    def containing(self, texts: Iterable[str]) -> set[int]:
        """Return the blobs that contain one of *texts*, however it is written."""
        forms = [form.encode() for text in texts for form in written_forms(text)]
        if not forms:
            return set()
        return {blob.id for blob, data in w.contents(self.database) if any(form in data for form in forms)}

    def data(self, blobs: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes of *blobs* as far as they are stored."""
        wanted = set(blobs) & self.stored.keys()
        if wanted:
            yield from ((blob.id, data) for blob, data in w.contents(self.database) if blob.id in wanted)


def find(database: Database, wanted: Wanted) -> Found:
    """Return what has to go for *wanted* to be gone.

    A content goes wherever the very same one was committed: it is stored once. Of a named commit the
    note goes as well, unless other commits have the same; files go unless other contents name them.

    Cost:
        O(everything stored).
    """
    scan = _Scan(database)
    if wanted.text is None:
        contents, named = _of_commits(scan, wanted.commits)
    else:
        contents, named = scan.containing([wanted.text]), set()
    commits = _users(scan, contents) | named
    quotes = (wanted.text,) if wanted.text is not None else _quotes(scan, contents)
    derived = _derived(scan, commits, () if wanted.text is not None else quotes)
    if wanted.include_derived and derived:
        more, also = _of_commits(scan, [scan.by_id[one].hash for one in derived])
        contents, named = contents | more, named | also
        commits = _users(scan, contents) | named
        quotes = tuple({*quotes, *_quotes(scan, more)})
        derived = {}
    found = Found(quotes=quotes)
    found.commits = [scan.by_id[one] for one in sorted(commits)]
    found.derived = [Derived(scan.by_id[one].hash.hex(), kind) for one, kind in sorted(derived.items())]
    _with_notes_and_files(scan, found, contents, named=commits if wanted.text is None else named)
    _without_plain_annotations(scan, found)
    return found


def _of_commits(scan: _Scan, commits: Iterable[bytes]) -> tuple[set[int], set[int]]:
    """Return the contents of *commits*, and their row ids."""
    holdings = [scan.by_hash[one] for one in commits]
    return {one.blob_id for one in holdings if one.blob_id is not None}, {one.id for one in holdings}


def _users(scan: _Scan, blobs: set[int]) -> set[int]:
    return {one.id for one in scan.commits if one.blob_id in blobs or one.note_id in blobs}


def _quotes(scan: _Scan, contents: set[int]) -> tuple[str, ...]:
    """Return the texts of *contents* that are long enough to be told again."""
    found: set[str] = set()
    for blob, data in scan.data(contents):
        if scan.stored[blob].kind != "file":
            found.update(text for text in strings_in(json.loads(data)) if len(text) >= _QUOTE_LENGTH)
    return tuple(found)


def _derived(scan: _Scan, commits: set[int], quotes: Iterable[str]) -> dict[int, DerivedKind]:
    """Return the commits made of *commits*, or of what was made of them."""
    found: dict[int, DerivedKind] = {}
    summaries, edits = w.targets_of(scan.database, "compress"), w.targets_of(scan.database, "edit")
    squashes = [(scan_place, json.loads(note)) for *scan_place, note in w.sources(scan.database)]
    places = {(one.lane, one.generation): one.id for one in scan.commits}
    size = -1
    while len(found) > size:
        size = len(found)
        known = commits | found.keys()
        hashes = {scan.by_id[one].hash.hex() for one in known}
        found |= {commit: "edit" for commit, target in edits if target in known - found.keys()}
        found |= {commit: "summary" for commit, target in summaries if target in known}
        for (lane, generation), note in squashes:
            made_of = note.get("metadata", {}).get("squashed", {})
            if isinstance(made_of, dict) and hashes & set(strings_in(made_of)):
                found[places[lane, generation]] = "squash"
    told = _users(scan, scan.containing(quotes))
    return {one: found.get(one, "quote") for one in found.keys() | told if one not in commits}


def _with_notes_and_files(scan: _Scan, found: Found, contents: set[int], *, named: set[int]) -> None:
    """Add the notes of the commits *named*, and the files of *contents*, unless others use them."""
    going = {one.id for one in found.commits}
    notes = {one.note_id for one in scan.commits if one.id in named and one.note_id is not None}
    # A commit that lost its content has no use for its note either.
    others = (
        one for one in scan.commits if one.id not in going and (one.blob_id is None or one.blob_id in scan.stored)
    )
    shared = {one.note_id for one in others if one.note_id in notes}
    blobs = contents | (notes - shared)
    files = {hash_ for blob in contents for hash_ in scan.files.get(blob, ())}
    in_use = {hash_ for blob, hashes in scan.files.items() if blob not in blobs for hash_ in hashes}
    blobs |= {one.id for one in scan.stored.values() if one.hash in files - in_use}
    found.blobs = {blob: scan.stored[blob] for blob in sorted(blobs) if blob in scan.stored}
    lost = {blob.hash for blob in found.blobs.values()}
    cut = {blob for blob, hashes in scan.files.items() if blob not in found.blobs and not lost.isdisjoint(hashes)}
    found.cut = [one for one in scan.commits if one.blob_id in cut]
    stays = [one.hash for one in scan.stored.values() if one.id in shared or one.hash in files & in_use]
    found.kept = sorted(one.hex() for one in stays)


def _without_plain_annotations(scan: _Scan, found: Found) -> None:
    """Keep annotations that say nothing but a priority; of the others, note what they set."""
    annotations = {one.blob_id for one in found.commits if one.content_type == ANNOTATION} & found.blobs.keys()
    for blob, data in scan.data(one for one in annotations if one is not None):
        said = json.loads(data)
        if said.keys() == {"priority"}:
            del found.blobs[blob]
        else:
            found.annotations[scan.stored[blob].hash.hex()] = said["priority"]
