"""Answers what tracts a store holds, who spawned whom, and which have come to their end."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from tract.compile.compiler import size_of, states_of
from tract.errors import TractNotFoundError
from tract.history.ancestry import count_missing
from tract.history.lanes import lane_of, reach_of
from tract.history.newest import said_last
from tract.objects.commit import from_microseconds
from tract.objects.content import SessionContent
from tract.objects.hashing import parse_json
from tract.objects.refs import BRANCH_PREFIX
from tract.sessions.opening import tract_names
from tract.storage import tracts as q
from tract.storage.tracts import TractRow
from tract.store import Store

TractState: TypeAlias = Literal["new", "active", "ended"]


@dataclass(frozen=True, slots=True)
class TractInfo:
    """What is known of one tract of a store.

    Attributes:
        name: Its name.
        purpose: What it is for, `""` if nobody said.
        parent: Name of the tract that spawned it, or `None`.
        mode: What it was given: `fork`, `snapshot` or `select`; `None` without a parent.
        spawn: Hash of the commit that records the spawn in the parent, or `None`.
        branch: The branch new handles start on.
        head: Hash of its tip, `None` before the first commit.
        commits: How many commits its history has, those shared with the parent included.
        tokens: Compiled size, as its own tokenizer counted.
        operations: How many writes it has seen.
        created_at: UTC.
        last_activity: When it was last written to, UTC.
        state: `new` while nothing was said; `ended` if the last thing said is a `SessionContent` of kind `end`, else
            `active`.
    """

    name: str
    purpose: str = field(repr=False)
    parent: str | None
    mode: str | None
    spawn: str | None = field(repr=False)
    branch: str = field(repr=False)
    head: str | None = field(repr=False)
    commits: int
    tokens: int
    operations: int
    created_at: datetime = field(repr=False)
    last_activity: datetime = field(repr=False)
    state: TractState


@dataclass(frozen=True, slots=True)
class TractTree:
    """A tract and those spawned from it; `print` it to see the tree.

    Attributes:
        info: The tract.
        children: Those it spawned, the oldest first.
    """

    info: TractInfo
    children: tuple[TractTree, ...] = field(repr=False)

    def walk(self) -> Iterator[tuple[int, TractInfo]]:
        """Yield the depth (0 for itself) and what is known of itself and everything spawned from it, in order."""
        for depth, _, one in _walk(self):
            yield depth, one.info

    def __len__(self) -> int:
        return sum(1 for _ in self.walk())

    def __str__(self) -> str:
        return "\n".join(f"{lines}{_line(one.info)}" for _, lines, one in _walk(self))

    def __repr__(self) -> str:
        return f"<TractTree {self.info.name} tracts={len(self)}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _walk(tree: TractTree) -> Iterator[tuple[int, str, TractTree]]:
    """Yield depth, the lines drawn before it, and each tree; without recursion, since depth has no limit."""
    waiting: list[tuple[int, str, str, TractTree]] = [(0, "", "", tree)]
    while waiting:
        depth, lines, below, one = waiting.pop()
        yield depth, lines, one
        last = len(one.children) - 1
        for index, child in reversed(list(enumerate(one.children))):
            joint, bar = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
            waiting.append((depth + 1, below + joint, below + bar, child))


def _line(info: TractInfo) -> str:
    said = [
        info.name,
        f"({info.mode})" if info.mode else "",
        f"{info.commits} commits, {info.tokens} tokens",
        info.state,
    ]
    # One line each, whatever the purpose holds: it is somebody else's text.
    purpose = " ".join(info.purpose.split())
    return " ".join(part for part in (*said, purpose) if part)


def tract_infos(store: Store) -> list[TractInfo]:
    """Return what is known of every tract, the oldest first.

    Cost:
        O(tracts and the lanes behind each).
    """
    with store.reading() as database:
        rows = q.tract_rows(database)
        names = {row.id: row.name for row in rows}
        return [_info(store, row, names.get(row.parent_id or -1)) for row in rows]


def tract_info(store: Store, name: str) -> TractInfo:
    """Return what is known of the tract *name*.

    Raises:
        TractNotFoundError: There is none.
    """
    with store.reading() as database:
        rows = q.tract_rows(database)
        names = {row.id: row.name for row in rows}
        for row in rows:
            if row.name == name:
                return _info(store, row, names.get(row.parent_id or -1))
    raise TractNotFoundError(name if isinstance(name, str) else type(name).__name__, tract_names(store))


def _info(store: Store, row: TractRow, parent: str | None) -> TractInfo:
    return TractInfo(
        name=row.name,
        purpose="" if row.purpose is None else str(parse_json(row.purpose)),
        parent=parent,
        mode=row.mode,
        spawn=None if row.spawn is None else row.spawn.hex(),
        branch=(row.start or "").removeprefix(BRANCH_PREFIX),
        head=None if row.head is None else row.head.hex(),
        commits=0 if row.head is None else _count(store, row.head),
        tokens=_tokens(store, row),
        operations=row.operations or 0,
        created_at=from_microseconds(row.created_at),
        last_activity=from_microseconds(row.active_at or row.created_at),
        state=_state(store, row.head),
    )


def _count(store: Store, commit: bytes) -> int:
    return count_missing(reach_of(store, commit), {}, lambda lane: lane_of(store, lane))


def _tokens(store: Store, row: TractRow) -> int:
    if row.head is None or row.tokens is not None:
        return row.tokens or 0
    return size_of(states_of(store).get(row.head))  # erasing something has dropped the sizes after it


def _state(store: Store, head: bytes | None) -> TractState:
    said = None if head is None else said_last(store, head)
    if said is None:
        return "new"
    if said.content_type != SessionContent.content_type or said.data is None:
        return "active"
    return "ended" if json.loads(said.data).get("kind") == "end" else "active"


def trees(infos: Sequence[TractInfo]) -> Mapping[str, TractTree]:
    """Return by name each tract with all that was spawned from it, and from those."""
    made: dict[str, TractTree] = {}
    children: dict[str | None, list[TractTree]] = {}
    # A child is younger than its parent, so from the youngest on all children of a tract are made before it.
    for info in reversed(infos):
        made[info.name] = TractTree(info, tuple(reversed(children.get(info.name, []))))
        children.setdefault(info.parent, []).append(made[info.name])
    return {info.name: made[info.name] for info in infos}


def parent_of(store: Store) -> str | None:
    """Return the name of the tract that spawned *store*'s, or `None`."""
    row = store.one(q.PARENT_ID, id=store.tract_id)
    found = None if row is None or row[0] is None else store.one(q.NAME, id=row[0])
    return None if found is None else found[0]


def forked_from(store: Store) -> bytes | None:
    """Return where the tract *store*'s was forked from stands now; `None` if it was not forked or that is empty."""
    with store.reading() as database:
        rows = {row.id: row for row in q.tract_rows(database)}
    own = rows.get(store.tract_id)
    parent = None if own is None or own.parent_id is None or own.mode != "fork" else rows.get(own.parent_id)
    return None if parent is None else parent.head


def children_of(store: Store) -> list[str]:
    """Return the names of the tracts *store*'s has spawned, the oldest first."""
    return [name for (name,) in store.all(q.CHILDREN, parent_id=store.tract_id)]
