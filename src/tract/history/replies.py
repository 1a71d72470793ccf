"""Answers which commit of a history says that it answers which."""

from __future__ import annotations

import json

from tract.history.lanes import reach_of
from tract.storage import queries as q
from tract.storage.verify import verify_blob
from tract.store import Store


def replies(store: Store, commit: bytes) -> dict[bytes, bytes]:
    """Return, for each reply among the ancestors of *commit*, the hash of the commit it answers.

    Raises:
        CorruptObjectError: A note is damaged.

    Cost:
        O(lanes, and commits that have a note).
    """
    found: dict[bytes, bytes] = {}
    with store.reading() as database:
        for lane, high in reach_of(store, commit).items():
            for reply, note, data, erased_at in database.all(q.LANE_NOTES, lane_id=lane, high=high):
                verify_blob(note, data, erased_at)
                if data is not None and (answered := json.loads(data).get("reply_to")) is not None:
                    found[reply] = bytes.fromhex(answered)
    return found
