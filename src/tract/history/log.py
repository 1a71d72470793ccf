"""Answers what happened on the way to a commit, newest first, over merges."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tract.errors import CorruptObjectError, InvalidInputError
from tract.history import graph
from tract.history.ancestry import Place, contains
from tract.history.info import info_of
from tract.history.lanes import lane_of, merged_of, place_of, reach_of
from tract.history.reflog import require_logged
from tract.objects.commit import CommitInfo
from tract.storage import queries as q
from tract.storage.queries import CommitRow
from tract.store import Store

_WINDOW = 32


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which commits a log shows.

    Attributes:
        op: Only this operation, or these.
        since: Only commits made at or after this time.
        until: Only commits made before this time.
        author: Only commits whose author contains this text, in any case.
    """

    op: str | Collection[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    author: str | None = None

    def __post_init__(self) -> None:
        if self.author is not None and not isinstance(self.author, str):
            raise InvalidInputError("`author` is text.", hint="`t.log(author='Ada')` finds part of a name too.")
        if self.op is not None and not isinstance(self.op, (str, list, tuple, set, frozenset)):
            raise InvalidInputError("`op` is one operation or a list of them.", hint="Try `t.log(op='edit')`.")
        for moment in (self.since, self.until):
            if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
                raise InvalidInputError("`since` and `until` have a time zone.", hint="Use `datetime.now(UTC)`.")

    def admits(self, info: CommitInfo) -> bool:
        """Tell whether *info* is to be shown."""
        ops = {self.op} if isinstance(self.op, str) else self.op
        return (
            (ops is None or info.op in ops)
            and (self.since is None or info.created_at >= self.since)
            and (self.until is None or info.created_at < self.until)
            and (self.author is None or self.author.casefold() in info.author.casefold())
        )


@dataclass(frozen=True, slots=True)
class GraphRow:
    """One commit in a branch graph; as text, one line of it: `| * 0a750966 (other) How long?`.

    Attributes:
        commit: The commit.
        refs: Short names of the branches and tags on it, `HEAD` first where it is.
        row: Its column and lines, as `tract.history.graph` allots them.
    """

    commit: CommitInfo
    refs: tuple[str, ...]
    row: graph.Row[str]

    def __str__(self) -> str:
        lines = {edge.start for edge in self.row.edges}
        columns = ("*" if at == self.row.column else "|" if at in lines else " " for at in range(self.row.width))
        names = f" ({', '.join(self.refs)})" if self.refs else ""
        # A message may come from anywhere, and is to move no cursor where a row is printed.
        message = "".join(char if char.isprintable() else " " for char in self.commit.message)
        return f"{' '.join(columns).rstrip()} {self.commit.short_hash}{names} {message}"

    def __repr__(self) -> str:
        return f"<GraphRow {' '.join((self.commit.short_hash, *self.refs))}>"


def log(
    store: Store, starts: Sequence[bytes], *, limit: int, chosen: LogFilter, without: bytes | None = None
) -> list[CommitInfo]:
    """Return the newest *limit* commits behind *starts* that *chosen* admits, children before parents.

    Args:
        store: The open store.
        starts: Hashes to begin from.
        limit: How many to return.
        chosen: Which to return.
        without: Leave out this commit and what lies behind it.

    Cost:
        O(limit) where nothing is filtered out, however long the history is.
    """
    if not isinstance(limit, int) or not 0 <= limit < 2**53:
        raise InvalidInputError("`limit` is an integer of at least 0.", hint="`t.log(limit=20)` is the default.")
    require_logged(store)
    found: list[CommitInfo] = []
    if limit:
        with store.reading():
            excluded = {} if without is None else reach_of(store, without)
            for info in _walk(store, starts, excluded):
                if chosen.admits(info):
                    found.append(info)
                    if len(found) == limit:
                        break
    return found


def _walk(store: Store, starts: Sequence[bytes], excluded: Mapping[int, int]) -> Iterator[CommitInfo]:
    """Yield every commit behind *starts* once, the highest generation first: so children before parents."""
    window = _Window(store)
    waiting: list[tuple[int, int, str]] = []
    seen: set[Place] = set()

    def push(place: Place, commit: str) -> None:
        if place not in seen and not contains(excluded, place):
            seen.add(place)
            heapq.heappush(waiting, (-place.generation, -place.lane, commit))

    for start in starts:
        push(place_of(store, start), start.hex())
    while waiting:
        generation, lane, commit = heapq.heappop(waiting)
        place = Place(-lane, -generation)
        info = info_of(store.database, window.row(place), store.counter_id)
        parents = window.parents(place)
        # No hash covers lanes: what they lead to must be what the commit's own header names.
        if info.hash != commit or len(parents) != len(info.parents):
            raise CorruptObjectError("commit", info.hash, "its history has a gap")
        yield info
        for parent, name in zip(parents, info.parents, strict=True):
            push(parent, name)


class _Window:
    """Reads commits of lanes a few at a time, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[Place, CommitRow] = {}

    def row(self, place: Place) -> CommitRow:
        if place not in self._rows:
            low = max(1, place.generation - _WINDOW + 1)
            bounds = {"lane_id": place.lane, "low": low, "high": place.generation}
            for values in self._store.all(q.LANE_COMMITS, **bounds):
                found = CommitRow(*values)
                self._rows[Place(found.lane_id, found.generation)] = found
        if place not in self._rows:
            raise CorruptObjectError("commit", f"in lane {place.lane}", "commits of its history are missing")
        return self._rows.pop(place)

    def parents(self, place: Place) -> list[Place]:
        lane = lane_of(self._store, place.lane)
        if place.generation > lane.start:
            return [Place(place.lane, place.generation - 1)]
        first = []
        if lane.fork_lane is not None and lane.fork_generation is not None:
            first = [Place(lane.fork_lane, lane.fork_generation)]
        return [*first, *merged_of(self._store, place.lane)]


def with_graph(store: Store, commits: Sequence[CommitInfo]) -> list[GraphRow]:
    """Return *commits*, children before parents, with the columns and lines of their branch graph."""
    names = _names(store)
    rows = graph.draw((info.hash, info.parents) for info in commits)
    return [GraphRow(info, tuple(names.get(info.hash, ())), row) for info, row in zip(commits, rows, strict=True)]


def _names(store: Store) -> dict[str, list[str]]:
    head = store.head_hash()
    names: dict[str, list[str]] = {} if head is None else {head.hex(): ["HEAD"]}
    for name, commit in store.refs().items():
        short = name.partition("/")[2]
        if short:
            names.setdefault(commit.hex(), []).append(short)
    return names
