"""Answers which commits are in use: behind a ref, a recent operation or anything else stored that names one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from tract.history.ancestry import MergedOf, Place, Reach, contains, reach_all
from tract.history.walk import Lane, LaneOf
from tract.storage import sweeping as w
from tract.storage.checks import lanes
from tract.storage.database import Database
from tract.store import Store

_HASH: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

DAY: Final = 86_400_000_000
"""Microseconds."""


class Graph:
    """The lanes of a store, read once."""

    def __init__(self, database: Database) -> None:
        self._lanes = {lane: Lane(*row) for lane, row in lanes(database).items()}
        parents = {lane: [Place(*place) for place in places] for lane, places in w.merged(database).items()}
        self.lane_of: LaneOf = self._lanes.__getitem__
        self.merged_of: MergedOf = lambda lane: parents.get(lane, [])

    def reach(self, tips: set[Place]) -> dict[int, int]:
        """Return the ancestors of all *tips*, themselves included."""
        return reach_all(tips, self.lane_of, self.merged_of)


def held_since(store: Store, database: Database, graph: Graph, since: int) -> set[Place]:
    """Return every commit in use, or that a ref pointed to at *since* or later: the roots of gc.

    Those are what refs of all tracts point to (branches, tags, ORIG_HEAD), this handle's own HEAD, what
    any other table points to, what settings (a merge that waits) and operations since then name, and
    what a summary of a branch in use was made of.
    """
    held = {Place(*place) for place in w.places_held_since(database, since)}
    named = set(_named(w.texts_since(database, since)))
    if store.head.commit is not None:
        named.add(store.head.commit)
    held |= _places(database, named)
    waiting = [(Place(lane, generation), note) for lane, generation, note in w.sources(database)]
    while True:
        behind = graph.reach(held)
        used = [one for one in waiting if contains(behind, one[0])]
        if not used:
            return held
        waiting = [one for one in waiting if one not in used]
        held |= _places(database, {source for _, note in used for source in _made_of(note)})


def _places(database: Database, commits: set[bytes]) -> set[Place]:
    return {Place(*place) for commit in commits if (place := w.place_of(database, commit)) is not None}


def _named(texts: Iterator[str]) -> Iterator[bytes]:
    for text in texts:
        for one in _HASH.findall(text):
            yield bytes.fromhex(one)


def _made_of(note: bytes) -> list[bytes]:
    """Return what a squash says it was made of: the tip, which the others lie behind."""
    squashed: Any = json.loads(note).get("metadata", {}).get("squashed")
    head = squashed.get("head") if isinstance(squashed, dict) else None
    return [bytes.fromhex(head)] if isinstance(head, str) and _HASH.fullmatch(head) else []


def ever_held(database: Database, graph: Graph) -> Reach:
    """Return every commit that was ever behind a ref; what never was is nobody's to collect."""
    return graph.reach({Place(*place) for place in w.ever_held(database)})
