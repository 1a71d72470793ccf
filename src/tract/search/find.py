"""Answers which commits of a store a query finds, best first.

The index gives candidates; each is read and looked at by the one rule there is: a text holds a term if the
folded one stands in the folded other. So a search finds what reading everything would, whatever the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from tract.history.ancestry import Place, Reach, contains
from tract.objects.folding import fold
from tract.objects.refs import BRANCH_PREFIX, TAG_PREFIX
from tract.search.index import is_complete, start_of, words_for
from tract.search.query import Asked, Query
from tract.search.scope import Scope, Standing, Where
from tract.search.text import Said, said, score, snippet
from tract.storage import searching as f
from tract.storage.database import Database
from tract.storage.searching import Found
from tract.storage.verify import verify_blob
from tract.store import Store

_MOST_RANGES: Final = 200
_MOST_UNINDEXED: Final = 10_000
_AT_ONCE: Final = 500

_Test = Callable[[Found], bool]


@dataclass(frozen=True, slots=True)
class Match:
    """A commit a query found.

    Attributes:
        commit: Its hash.
        tract: The tract it belongs to, `""` if no ref ever pointed to it.
        score: From 0 to 1.
        snippet: A piece of its text.
        marks: Where in that the query's texts stand.
        is_reachable: Whether a branch or tag of its tract leads to it.
    """

    commit: bytes
    tract: str
    score: float
    snippet: str
    marks: tuple[tuple[int, int], ...]
    is_reachable: bool


class _Ranked(NamedTuple):
    """What is compared: the higher comes first."""

    score: float
    created_at: int
    generation: int
    hash: bytes


def find(
    store: Store, database: Database, query: Query, where: Where, *, limit: int, is_indexed: bool = True
) -> list[Match]:
    """Return the *limit* best of the commits *query* finds, in the snapshot that is open.

    Equals are newest first. Without a text to find all are equal. If not *is_indexed*, everything is read.

    Raises:
        CorruptObjectError: A content that was looked at is damaged.

    Cost:
        O(commits that hold the rarest three letters of the query, and lanes of the scope), else O(scope).
    """
    search = _Search(store, database, query, where)
    search.words = words_for(query.wanted.terms) if is_indexed else None
    chosen: list[tuple[_Ranked, Found, str]] = []
    for found, text, folded in search.matches(limit):
        ranked = _Ranked(score(folded, query.wanted.terms), found.created_at, found.generation, found.hash)
        chosen.append((ranked, found, text))
        if len(chosen) >= 2 * limit + _AT_ONCE:
            chosen = _best(chosen, limit)
    return [search.match(ranked.score, found, text) for ranked, found, text in _best(chosen, limit)]


def _best(chosen: list[tuple[_Ranked, Found, str]], limit: int) -> list[tuple[_Ranked, Found, str]]:
    return sorted(chosen, key=lambda one: one[0], reverse=True)[:limit]


class _Search:
    """One query in one snapshot."""

    def __init__(self, store: Store, database: Database, query: Query, where: Where) -> None:
        self._database = database
        self._store = store
        self._query = query
        self._standing = Standing(store)
        self._looked_in = self._tracts(where.scope)
        self._inside = self._ranges(where.scope, where.at)
        self.words: f.Words | None = None
        self._tests = list(self._asked(query.wanted, query.excluded))

    # --- where -----------------------------------------------------------------------------------

    def _tracts(self, scope: Scope) -> list[int]:
        """Return the tracts whose branches and tags count."""
        named = self._query.wanted.tracts
        if named and scope in {"tract", "store"}:
            return self._standing.looked_in(named)
        return list(self._standing.tracts.values()) if scope == "store" else [self._store.tract_id]

    def _ranges(self, scope: Scope, at: bytes | None) -> list[Reach] | None:
        """Return what is searched: what is in any of these; `None` for everything."""
        store, standing = self._store, self._standing
        if scope == "ancestry":
            tip = store.head_hash() if at is None else at
            return [] if tip is None else [standing.behind(tip)]
        if scope == "branch":
            branch = store.head.branch
            return [] if branch is None else [standing.ever(store.tract_id, BRANCH_PREFIX + branch)]
        if scope == "store" and not self._query.wanted.tracts:
            return None
        return [standing.ever(tract) for tract in self._looked_in]

    def _asked(self, wanted: Asked, excluded: Asked) -> Iterator[_Test]:
        """Yield what a commit must pass before its content is read."""
        after, before = self._query.after, self._query.before
        if after is not None:
            yield lambda found: found.created_at >= after
        if before is not None:
            yield lambda found: found.created_at < before
        if wanted.types:
            yield lambda found: found.content_type in wanted.types
        if excluded.types:
            yield lambda found: found.content_type not in excluded.types
        if self._inside is not None:
            yield _is_in(self._inside)
        for asked, is_wanted in ((wanted, True), (excluded, False)):
            for test in self._standing_tests(asked):
                yield test if is_wanted else _not(test)

    def _standing_tests(self, asked: Asked) -> Iterator[_Test]:
        if asked.branches:
            tips = self._refs(BRANCH_PREFIX, asked.branches)
            yield _is_in([self._standing.behind(tip) for tip in tips])
        if asked.tags:
            tagged = self._refs(TAG_PREFIX, asked.tags)
            yield lambda found: found.hash in tagged
        if asked.tracts:
            yield _is_in([self._standing.ever(tract) for tract in self._standing.looked_in(asked.tracts)])

    def _refs(self, prefix: str, names: Iterable[str]) -> frozenset[bytes]:
        wanted = {prefix + name for name in names}
        return frozenset(
            commit for tract in self._looked_in for name, commit in self._standing.refs(tract).items() if name in wanted
        )

    # --- what ------------------------------------------------------------------------------------

    def matches(self, limit: int) -> Iterator[tuple[Found, str, str]]:
        """Yield each commit that fits with its text, plain and folded.

        Where nothing ranks them they come newest first, and only the first *limit*.
        """
        candidates = (found for found in self._candidates() if all(test(found) for test in self._tests))
        if self._query.wanted.terms:
            yield from self._holding(list({found.id: found for found in candidates}.values()))
            return
        newest = sorted(candidates, key=lambda found: (found.created_at, found.generation, found.hash), reverse=True)
        for at in range(0, len(newest), _AT_ONCE):
            for match in self._holding(newest[at : at + _AT_ONCE]):
                if limit <= 0:
                    return
                limit -= 1
                yield match

    def _holding(self, candidates: Sequence[Found]) -> Iterator[tuple[Found, str, str]]:
        """Yield those of *candidates* whose contents are as asked, read some at a time."""
        for at in range(0, len(candidates), _AT_ONCE):
            few = {found.id: found for found in candidates[at : at + _AT_ONCE]}
            read = {payload.id: payload for payload in f.payloads(self._database, list(few))}
            for id_, found in few.items():
                if id_ not in read:
                    continue
                verify_blob(read[id_].hash, read[id_].data, None)
                told = said(found.content_type, json.loads(read[id_].data))
                folded = fold(told.text)
                if _holds(told, folded, self._query):
                    yield found, told.text, folded

    def _candidates(self) -> Iterator[Found]:
        """Yield every commit that may fit, and others; some of them twice."""
        database = self._database
        words = self.words
        state, seen = f.state(database), f.snapshot(database)
        if words is None or not state.version:
            yield from self._all()
            return
        yield from f.candidates(database, words, self._lanes())
        if not is_complete(state, seen):
            after = start_of(state, seen)
            many = self._inside is not None and seen.newest - after > _MOST_UNINDEXED
            yield from self._all() if many else f.not_indexed(database, after)

    def _all(self) -> Iterator[Found]:
        if self._inside is None:
            yield from f.everything(self._database)
            return
        for lane, high in _highest(self._inside).items():
            yield from f.run(self._database, lane, 0, high)

    def _lanes(self) -> list[tuple[int, int]] | None:
        """Return first and last of the lanes searched, neighbours as one; `None` for all, or where they are many."""
        if self._inside is None:
            return None
        lanes = sorted(_highest(self._inside))
        runs = [[lane for _, lane in run] for _, run in groupby(enumerate(lanes), lambda one: one[1] - one[0])]
        return [(run[0], run[-1]) for run in runs] if len(runs) <= _MOST_RANGES else None

    def match(self, points: float, found: Found, text: str) -> Match:
        """Return what is told of a commit."""
        place = Place(found.lane, found.generation)
        tract = self._standing.tract_of(place, self._looked_in)
        piece, marks = snippet(text, self._query.wanted.terms)
        is_reachable = bool(tract) and contains(self._standing.used(self._standing.tracts[tract]), place)
        return Match(found.hash, tract, points, piece, marks, is_reachable)


def _is_in(reaches: Sequence[Reach]) -> _Test:
    return lambda found: any(contains(reach, Place(found.lane, found.generation)) for reach in reaches)


def _not(test: _Test) -> _Test:
    return lambda found: not test(found)


def _highest(reaches: Iterable[Reach]) -> dict[int, int]:
    """Return all lanes of *reaches*, and how far up one of them goes in each."""
    found: dict[int, int] = {}
    for reach in reaches:
        for lane, high in reach.items():
            found[lane] = max(found.get(lane, 0), high)
    return found


def _holds(told: Said, folded: str, query: Query) -> bool:
    wanted, excluded = query.wanted, query.excluded
    if wanted.roles and told.role not in wanted.roles:
        return False
    if told.role in excluded.roles:
        return False
    return all(term in folded for term in wanted.terms) and not any(term in folded for term in excluded.terms)
