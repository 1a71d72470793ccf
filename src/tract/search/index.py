"""Answers which words stand for a text in the index, and brings the index up to date.

A word is three characters of the folded text; a text is found by the words of its three-letter pieces, so in
any language, within words and in code. The index only narrows down: whoever uses it looks at the texts again.
No commit waits for it. A search first indexes what was committed since the last one, in short transactions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from tract.errors import BusyError, CorruptObjectError, DiskFullError, ReadOnlyError
from tract.objects.folding import fold
from tract.search.text import said
from tract.storage import searching as f
from tract.storage.database import Database
from tract.storage.searching import Found, Words
from tract.storage.verify import verify_blob
from tract.store import Store

Result = TypeVar("Result")

VERSION: Final = 1
"""Raised whenever the same content would get other words."""

_LENGTH: Final = 3
_MOST_WORDS: Final = 50_000
_MOST_ASKED: Final = 48
_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 1 << 20
_MOST_TAKEN: Final = 2_000

# Letters and digits are words to both databases; for each other ASCII character stands one from a private area.
_PRIVATE: Final = 0xE000
_WRITTEN: Final = {code: chr(_PRIVATE + code) for code in range(128) if not chr(code).isalnum()}
_WHATEVER: Final = "whatever"  # longer than any word of a text, as the names of lanes are


def words_of(folded: str) -> set[str]:
    """Return the words of a folded text, one for each place something can begin; at its end they are shorter.

    A text of megabytes that has too many gets one that every query looks at.
    """
    written = folded.translate(_WRITTEN)
    words = {written[at : at + _LENGTH] for at in range(len(folded))}
    return words if len(words) <= _MOST_WORDS else {_WHATEVER}


def words_for(terms: Iterable[str]) -> Words | None:
    """Return what the words of a text that holds all *terms* must be; `None` if that would narrow down nothing."""
    exact: dict[str, None] = {}
    beginnings: list[str] = []
    for term in terms:
        if not _is_storable(term):
            continue  # and found nowhere
        written = term.translate(_WRITTEN)
        if len(written) >= _LENGTH:
            exact.update(dict.fromkeys(written[at : at + _LENGTH] for at in range(len(written) - _LENGTH + 1)))
        elif len(written) == 2 or not term.isascii():  # one Latin letter stands in nearly every text
            beginnings.append(written)
    if exact:
        return Words(_some(list(exact)), (), _WHATEVER)
    return Words((), _some(beginnings), _WHATEVER) if beginnings else None


def _is_storable(term: str) -> bool:
    """Tell whether a database takes *term*: half of a surrogate pair it does not."""
    return not any("\ud800" <= char <= "\udfff" for char in term)


def _some(words: Sequence[str]) -> Sequence[str]:
    """Return as many of *words* as a database is asked for at once, from all over them."""
    return words[:: -(-len(words) // _MOST_ASKED)] if words else words


# --- keeping it up to date ---------------------------------------------------------------------------


def catch_up(store: Store) -> None:
    """Index what was committed since the index was last looked at, as far as that is possible now.

    A handle for reading, an open batch, a full disk, or others who hold the store too long leave it as it is; the
    search then reads what is missing.

    Cost:
        O(what was committed since, by all tracts of the store), however long ago.
    """
    with store.lock:
        if store.database.read_only or store.database.in_transaction:
            return
        try:
            _catch_up(store)
        except (BusyError, DiskFullError, ReadOnlyError):
            return


def rebuild(store: Store) -> None:
    """Drop the index and make it anew.

    Raises:
        BusyError: Others held the store past the deadline.
    """
    with store.lock:
        _write(store, f.renew)
        _catch_up(store)


def _catch_up(store: Store) -> None:
    with store.reading() as database:
        state, seen = f.state(database), f.snapshot(database)
    if state.version > VERSION or is_complete(state, seen):
        return
    if state.version < VERSION:
        state = _write(store, _begin_anew)
    after = start_of(state, seen)
    while chosen := _next(store, after):
        words = _words(store, chosen)
        store.pause("index")
        _write(store, partial(_add, chosen=chosen, words=words))
        after = chosen[-1].id
    reached = _reached(state, seen)
    if reached != state:
        _write(store, partial(_note, state=state, reached=reached))


def is_complete(state: f.State, seen: f.Snapshot) -> bool:
    """Tell whether the index holds everything the snapshot sees."""
    return state.version == VERSION and state.mark >= seen.newest and state.erasures == seen.erasures


def start_of(state: f.State, seen: f.Snapshot) -> int:
    """Return the row id above which something may be missing in the index."""
    return state.mark if state.version == VERSION and state.erasures == seen.erasures else f.State().mark


def _begin_anew(database: Database) -> f.State:
    state = f.state(database)
    if state.version < VERSION:  # else another process was faster
        f.empty(database)
        state = f.state(database)._replace(version=VERSION)
        f.set_state(database, state)
    return state


def _next(store: Store, after: int) -> list[Found]:
    """Return the next commits to index, so few that nobody waits long for them to be written."""
    chosen: list[Found] = []
    size = 0
    with store.reading() as database:
        for found in f.not_indexed(database, after):
            chosen.append(found)
            size += found.size
            if len(chosen) == _AT_ONCE or size > _BYTES_AT_ONCE:
                break
    return chosen


def _words(store: Store, chosen: Sequence[Found]) -> dict[int, set[str]]:
    """Return the words of each commit; a content dropped meanwhile has none."""
    types = {found.id: found.content_type for found in chosen}
    with store.reading() as database:
        return {one.id: _words_in(types[one.id], one) for one in f.payloads(database, list(types))}


def _words_in(content_type: str, payload: f.Payload) -> set[str]:
    try:
        verify_blob(payload.hash, payload.data, None)
    except CorruptObjectError:
        return {_WHATEVER}  # whoever searches where it stands will be told
    return words_of(fold(said(content_type, json.loads(payload.data)).text))


def _add(database: Database, chosen: Sequence[Found], words: Mapping[int, set[str]]) -> None:
    for found in chosen:
        if found.id in words:
            f.add(database, found.id, (found.lane, found.generation), words[found.id])


def _reached(state: f.State, seen: f.Snapshot) -> f.State:
    """Return how far the index goes once everything the snapshot saw is in it.

    On PostgreSQL a commit may become visible after one with a higher row id. Its transaction had begun when that
    row id was given out, so once all that had begun by then have ended, nothing below can appear any more.
    """
    state = state._replace(version=VERSION, erasures=seen.erasures)
    if seen.ended == seen.begun:
        return state._replace(mark=seen.newest, ahead=f.State().ahead, horizon=0)
    if not state.horizon:
        return state._replace(ahead=seen.newest, horizon=seen.begun)
    if state.horizon <= seen.ended:
        return state._replace(mark=max(state.mark, state.ahead), ahead=seen.newest, horizon=seen.begun)
    return state


def _note(database: Database, state: f.State, reached: f.State) -> None:
    # Emptied or brought up to date by another process meanwhile: its word counts, and loses us nothing.
    if f.state(database) == state:
        f.set_state(database, reached)


def _write(store: Store, change: Callable[[Database], Result]) -> Result:
    """Do *change* to the index in a transaction of its own.

    Not through the gate: the index is no part of any history, and no commit is to wait for more than this.
    """
    database = store.database
    try:
        database.begin_index()
        result = change(database)
        database.commit()
    finally:
        # Does nothing after a commit.
        database.rollback()
    return result


# --- what is dropped ---------------------------------------------------------------------------------


def forget(database: Database, blobs: set[int], *, thoroughly: bool) -> None:
    """Take the commits whose content is one of *blobs* out of the index, before the contents are dropped.

    Args:
        database: In a transaction that holds the store alone.
        blobs: Row ids of the contents.
        thoroughly: Leave nothing of them in the index's pages.

    Cost:
        O(commits of the store + bytes of these contents), and with *thoroughly* O(index).
    """
    version = f.state(database).version
    gone = f.saying(database, blobs) if version else []
    if not gone:
        return
    if version != VERSION or len(gone) > _MOST_TAKEN:
        f.empty(database)
        return
    places = {commit: (place, content_type) for commit, place, content_type in gone}
    for payload in f.payloads(database, list(places)):
        place, content_type = places[payload.id]
        f.take(database, payload.id, place, _words_in(content_type, payload))
    if thoroughly:
        f.compact(database)
