"""Answers where each line of the context came from: the commit, its operation, who and which model."""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from tract.compile.compiler import states_of
from tract.compile.extract import sentences, without_label
from tract.compile.fold import Entry, Event, State, switched_off
from tract.compile.text import equal_blocks, lines_of
from tract.history.ancestry import MergedOf, Place
from tract.history.info import commit_info
from tract.history.lanes import merged_of
from tract.history.reflog import require_logged
from tract.history.walk import LaneOf, Run
from tract.objects.commit import SHORT_HASH, from_microseconds
from tract.objects.content import SUMMARY_MARK
from tract.objects.message import searchable
from tract.storage import queries as q
from tract.store import Store

_SQUASHES: Final = frozenset({"artifact", "summary", "instruction"})
"""Types of contents that tell of another branch or tract, if their notes say so."""


@dataclass(frozen=True, slots=True)
class BlameLine:
    """One line and where it came from.

    Attributes:
        message: Index of its message in the context.
        number: Its place in the message, from 1.
        text: The line, without its end.
        commit: Hash of the commit that wrote it: the one that placed the message, or an edit.
        op: `append` or `edit`, or `compress` for a line of a summary.
        operation: Number of the operation that brought the commit into this tract, `None` while a
            batch is open.
        actor: Who did that operation.
        author: Who the commit names as its author.
        origin: Who the content came from.
        model: The `model` of the commit's own generation config, or `None`.
        created_at: When it was committed, UTC.
        source: Of a line of a summary, the hash of the commit of the message behind it, also in a child tract, that
            says the same word for word, or `None`.
    """

    message: int
    number: int
    text: str = field(repr=False)
    commit: str
    op: str
    operation: int | None
    actor: str
    author: str
    origin: str
    model: str | None
    created_at: datetime
    source: str | None = None

    def __repr__(self) -> str:
        return f"<BlameLine {self.message}:{self.number} {self.commit[:SHORT_HASH]}>"


@dataclass(frozen=True, slots=True)
class BlameMessage:
    """One compiled message, line by line.

    Attributes:
        index: Its place in the context.
        role: Its role.
        commit: Hash of the commit that placed it.
        lines: Each line of its readable text.
        covers: Of a summary, the hashes of the messages it stands for, through every level.
    """

    index: int
    role: str
    commit: str
    lines: tuple[BlameLine, ...] = field(repr=False)
    covers: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class BlameResult:
    """Where each line of a context came from.

    Attributes:
        head: Hash of the commit compiled, `None` for an empty branch.
        messages: Each compiled message with its lines.
    """

    head: str | None
    messages: tuple[BlameMessage, ...] = field(repr=False)

    @property
    def lines(self) -> tuple[BlameLine, ...]:
        """Every line of every message, in order."""
        return tuple(line for message in self.messages for line in message.lines)

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        head = "empty" if self.head is None else self.head[:SHORT_HASH]
        return f"<BlameResult {head} messages={len(self.messages)} lines={len(self.lines)}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in _cells(line))
            + f"<td><pre>{html.escape(line.text)}</pre></td></tr>"
            for line in self.lines
        )
        return f"<table><caption>{html.escape(repr(self))}</caption>{rows}</table>"


def _cells(line: BlameLine) -> tuple[str, str, str, str]:
    who = line.model or line.actor or line.author or line.origin
    return f"{line.message}:{line.number}", line.commit[:SHORT_HASH], who, line.created_at.isoformat(timespec="seconds")


class Arrival(NamedTuple):
    """The operation that first brought some commits into a tract."""

    number: int
    actor: str


class Arrivals:
    """Which operation first reached each commit, by lanes."""

    def __init__(self) -> None:
        self._reach: dict[int, int] = {}
        self._ends: dict[int, list[int]] = {}
        self._arrivals: dict[int, list[Arrival]] = {}

    @classmethod
    def read(cls, rows: Iterable[Sequence[Any]], lane_of: LaneOf, merged_of: MergedOf) -> Arrivals:
        """Return the arrivals of one walk of the operation log.

        Args:
            rows: Number, actor, and lane and generation a ref moved to, oldest operation first.
            lane_of: Returns a lane by its id.
            merged_of: Returns the other parents of a lane's first commit.

        Cost:
            O(operations + lanes).
        """
        arrivals = cls()
        for number, actor, lane, generation in rows:
            for run in arrivals._extend(Place(lane, generation), lane_of, merged_of):
                # A lane is reached from its start upwards, so the ends ascend.
                arrivals._ends.setdefault(run.lane, []).append(run.high)
                arrivals._arrivals.setdefault(run.lane, []).append(Arrival(number, actor))
        return arrivals

    def _extend(self, tip: Place, lane_of: LaneOf, merged_of: MergedOf) -> list[Run]:
        """Add *tip* and its ancestors to what is reached; return what of them is new."""
        new: list[Run] = []
        waiting = [tip]
        while waiting:
            lane, generation = waiting.pop()
            known = self._reach.get(lane, 0)
            if generation <= known:
                continue
            start, fork_lane, fork_generation = lane_of(lane)
            self._reach[lane] = generation
            new.append(Run(lane, max(start, known + 1), generation))
            if not known:  # else what lies behind the lane has been reached
                waiting += merged_of(lane)
                waiting += [Place(fork_lane, fork_generation)] if fork_lane and fork_generation else []
        return new

    def of(self, lane: int, generation: int) -> Arrival | None:
        """Return the operation that first reached the commit, or `None` if none has."""
        ends = self._ends.get(lane, [])
        place = bisect_left(ends, generation)
        return self._arrivals[lane][place] if place < len(ends) else None


def blame(store: Store, commit: bytes | None) -> BlameResult:
    """Return where each line of the context of *commit* came from.

    A line belongs to the last commit that changed it: an edit owns the lines that differ from the
    version before it. Messages are blamed as they are stored, whatever compiler the handle uses.

    Cost:
        O(history + operations of the tract), and comparing the versions of each edited message.
    """
    require_logged(store)
    if commit is None:
        return BlameResult(None, ())
    states = states_of(store)
    state = states.get(commit)
    versions = edits_in_effect(state)
    with store.reading() as database:
        rows = database.all(q.ARRIVALS, tract_id=store.tract_id)
        arrivals = Arrivals.read(rows, states.lane, lambda lane: merged_of(store, lane))
    lines = _Lines(store, arrivals, state)
    return BlameResult(
        commit.hex(),
        tuple(
            [lines.message(place, entry, versions.get(entry.placed.id, ())) for place, entry in enumerate(state.shown)]
        ),
    )


def edits_in_effect(state: State) -> Mapping[int, list[Event]]:
    """Return the edits of each edited entry, by the id of the commit that placed it, oldest first.

    Those that were reverted are left out: the last of each list is what is shown.
    """
    changes = state.changes()
    off = switched_off(changes)
    edits: dict[int, list[Event]] = {}
    for event in changes:
        if event.op == "edit" and event.id not in off:
            edits.setdefault(event.targets[0], []).append(event)
    return edits


def owners(versions: Iterable[tuple[Event, Sequence[str]]]) -> list[tuple[str, Event]]:
    """Return each line of the last of *versions* with the event that wrote it."""
    lines: Sequence[str] = []
    owned: list[Event] = []
    for event, new in versions:
        fresh = [event] * len(new)
        for old_start, new_start, size in equal_blocks(lines, new):
            fresh[new_start : new_start + size] = owned[old_start : old_start + size]
        lines, owned = new, fresh
    return list(zip(lines, owned, strict=True))


class _Lines:
    """Makes the values of one blame."""

    def __init__(self, store: Store, arrivals: Arrivals, state: State) -> None:
        self._store = store
        self._states = states_of(store)
        self._arrivals = arrivals
        self._state = state

    def message(self, index: int, entry: Entry, edits: Sequence[Event]) -> BlameMessage:
        behind = originals(self._state, entry) or squashed(self._store, entry)
        texts = [(one.placed.hash.hex(), _all_text(one)) for one in behind]
        lines = tuple(self._lines(index, entry, edits, texts=texts))
        message = entry.shown.message
        assert message is not None
        covers = tuple([commit for commit, _ in texts])
        return BlameMessage(index, message.role, entry.placed.hash.hex(), lines, covers)

    def _lines(
        self, index: int, entry: Entry, edits: Sequence[Event], *, texts: Sequence[tuple[str, str]]
    ) -> Iterator[BlameLine]:
        # A version that was erased is passed over: what later ones share with it counts as theirs.
        said = [(event, lines_of(event.message)) for event in (entry.placed, *edits) if event.message is not None]
        for number, (text, event) in enumerate(owners(said), start=1):
            arrival = self._arrivals.of(event.lane, event.generation)
            model = None if event.config is None else self._states.config(event.config).get("model")
            yield BlameLine(
                message=index,
                number=number,
                text=text,
                commit=event.hash.hex(),
                op=event.op,
                operation=None if arrival is None else arrival.number,
                actor="" if arrival is None else arrival.actor,
                author=event.author,
                origin=event.origin,
                model=model,
                created_at=from_microseconds(event.created_at),
                source=_source(text, texts) if texts else None,
            )


def within(state: State, entry: Entry) -> list[Entry]:
    """Return the entries a summary covers, each followed by those it covers itself; none for any other entry.

    What is covered was there before what covers it, so there is no cycle; but there may be too many
    levels for recursion.
    """
    found: list[Entry] = []
    waiting = [entry]
    while waiting:
        one = waiting.pop()
        if one is not entry:
            found.append(one)
        targets = one.placed.targets if one.placed.op == "compress" else ()
        covered = (state.entry(target) for target in reversed(targets))
        waiting += [child for child in covered if child is not None]
    return found


def originals(state: State, entry: Entry) -> list[Entry]:
    """Return the messages a summary stands for, through every level, in order; none for any other entry."""
    return [one for one in within(state, entry) if one.placed.op != "compress"]


def squashed(store: Store, entry: Entry) -> list[Entry]:
    """Return the messages a squash or collapse stands for, through every level, in order; none for any other entry."""
    found: list[Entry] = []
    waiting = [entry]
    while waiting:
        one = waiting.pop()
        inside = squashed_into(store, one)
        if inside is None:
            found += [one] if one is not entry else []
        else:
            state, commits = inside
            entries = [one for one in state.shown if one.placed.hash in commits]
            waiting += [behind for top in reversed(entries) for behind in reversed(originals(state, top) or [top])]
    return list({one.placed.id: one for one in found}.values())


def squashed_into(store: Store, entry: Entry) -> tuple[State, frozenset[bytes]] | None:
    """Return the state *entry* is the squash of, and the hashes of the commits it tells of; `None` if it is none."""
    if entry.placed.op != "append" or entry.placed.content_type not in _SQUASHES:
        return None
    told = commit_info(store, entry.placed.hash).metadata.get("squashed")
    if not isinstance(told, dict) or not isinstance(told.get("commits"), list):
        return None
    head = _hash(told.get("head"))
    if store.one(q.TIP, hash=head) is None:
        return None
    return states_of(store).get(head), frozenset(map(_hash, told["commits"]))


def _hash(commit: object) -> bytes:
    # Metadata is the caller's to write, so it may say anything.
    text = str(commit)
    return bytes.fromhex(text) if re.fullmatch(r"[0-9a-f]{64}", text) else b""


def _all_text(entry: Entry) -> str:
    message = entry.shown.message
    if message is None:
        return ""
    calls = [f"{call.name}({call.arguments})" for call in message.tool_calls]
    return "\n".join([*searchable(message), *calls])


def _source(line: str, texts: Iterable[tuple[str, str]]) -> str | None:
    """Return the commit of the first of *texts* that has every sentence of *line*."""
    said = sentences(without_label(line.removeprefix(SUMMARY_MARK)))
    return next((commit for commit, text in texts if said and all(one in text for one in said)), None)
