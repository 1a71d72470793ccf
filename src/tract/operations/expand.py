"""Answers what stands behind a summary, a merge or a squash, through every level, down to the original messages."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tract.compile.blame import squashed_into, within
from tract.compile.compiler import states_of
from tract.compile.fold import Entry, Event, State
from tract.compile.text import readable
from tract.errors import InvalidInputError, InvalidTargetError, shown
from tract.objects.commit import SHORT_HASH
from tract.objects.folding import find_folded, fold
from tract.objects.message import Message
from tract.operations.chain import Chain, NewCommit
from tract.operations.grouping import standing_for
from tract.operations.revert import brought
from tract.storage import queries as q
from tract.store import Store

_EXCERPT_CHARACTERS: Final = 400
_WORD: Final = re.compile(r"\w[\w./:@#-]*")


@dataclass(frozen=True, slots=True)
class Expansion:
    """A commit and what it stands for.

    Attributes:
        commit: Its hash.
        op: What it does: `append`, `compress` or `merge`.
        message: What it says, as last edited; `None` for a merge, or if it was erased.
        priority: `skip`, `normal` or `pinned`; `normal` for a merge.
        tokens: Tokens of its message.
        items: What it stands for, in order; empty for an original message.
    """

    commit: str
    op: str
    message: Message | None = field(repr=False)
    priority: str
    tokens: int
    items: tuple[Expansion, ...] = field(default=(), repr=False)

    @property
    def originals(self) -> tuple[Expansion, ...]:
        """The messages at the bottom, in order; itself if it stands for nothing else."""
        return tuple([one for _, one in self.walk() if not one.items and one.op != "merge"])

    @property
    def text(self) -> str:
        """What it says, as text for people; `""` for a merge."""
        return "" if self.message is None else readable(self.message)

    def walk(self) -> Iterator[tuple[int, Expansion]]:
        """Yield the level and expansion of itself (level 0) and of everything it stands for, in order."""
        # Histories are compressed again and again, so levels are too many for recursion.
        waiting: list[tuple[int, Expansion]] = [(0, self)]
        while waiting:
            level, one = waiting.pop()
            yield level, one
            waiting += [(level + 1, item) for item in reversed(one.items)]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dict for itself and everything it stands for, in order, each with its `level`."""
        return [
            {
                "level": level,
                "commit": one.commit,
                "op": one.op,
                "role": None if one.message is None else one.message.role,
                "text": one.text,
                "priority": one.priority,
                "tokens": one.tokens,
            }
            for level, one in self.walk()
        ]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"<Expansion {self.commit[:SHORT_HASH]} {self.op} items={len(self.items)}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{one['level']}</td><td>{html.escape(one['commit'][:SHORT_HASH])}</td>"
            f"<td>{html.escape(one['role'] or '')}</td><td><pre>{html.escape(one['text'])}</pre></td></tr>"
            for one in self.to_dicts()
        )
        return f"<table><caption>{html.escape(repr(self))}</caption>{rows}</table>"


def expand(store: Store, commit: bytes) -> Expansion:
    """Return what *commit* stands for: a summary for what it covers, a merge, squash or collapse for what it brought.

    Messages are as the latest edits left them; a commit of another branch is looked at as it was then.

    Raises:
        InvalidTargetError: It is an annotation, a reorder or a revert.

    Cost:
        O(what it stands for), with the fold known.
    """
    state, event = _found(store, commit)
    if event.op == "merge":
        items = _brought_by(store, state, brought(store, state, event))
        return Expansion(event.hash.hex(), "merge", None, "normal", 0, items)
    place = state.original(event.id)
    entry = None if place is None else state.entry(place)
    if entry is None:
        raise InvalidTargetError(
            f"The commit {commit.hex()[:SHORT_HASH]} ({event.op}) stands for no message.",
            target=commit.hex(),
            hint="Name a summary, a merge or a message; `t.log()` shows them.",
        )
    return _expansion(store, state, entry)


def _found(store: Store, commit: bytes) -> tuple[State, Event]:
    """Return HEAD's state if it holds *commit*, else the state of *commit* itself, and its event there."""
    head = store.head_hash()
    row = store.one(q.TIP, hash=commit)
    if head is not None and row is not None:
        state = states_of(store).get(head)
        event = state.event(row[0])
        if event is not None:
            return state, event
    state = states_of(store).get(commit)
    assert state.head is not None
    return state, state.head


def _expansion(store: Store, state: State, entry: Entry) -> Expansion:
    """Return *entry* with what it covers or is the squash of inside, from the bottom up."""
    inside = [entry, *within(state, entry)]
    made: dict[int, Expansion] = {}
    for one in reversed(inside):
        targets = one.placed.targets if one.placed.op == "compress" else ()
        items = tuple([made[target] for target in targets if target in made])
        made[one.placed.id] = _of(one, items or _squashed(store, one) or ())
    return made[entry.placed.id]


def _of(entry: Entry, items: tuple[Expansion, ...]) -> Expansion:
    said = entry.shown
    return Expansion(
        entry.placed.hash.hex(), entry.placed.op, said.message, entry.priority, said.tokens, items
    )  # fmt: skip


def _brought_by(store: Store, state: State, events: Sequence[Event]) -> tuple[Expansion, ...]:
    """Return the messages among *events* in the order shown, those a summary among them covers inside it."""
    own = {event.id for event in events}
    entries = [entry for entry in state.order if entry.placed.id in own and not entry.is_off]
    return tuple([_expansion(store, state, entry) for entry in entries if own.isdisjoint(entry.covers)])


def _squashed(store: Store, entry: Entry) -> tuple[Expansion, ...] | None:
    """Return what the branch or tract brought that *entry* is the squash of, `None` if it is none."""
    found = squashed_into(store, entry)
    if found is None:
        return None
    state, commits = found
    return _brought_by(store, state, [event for event in state.events if event.hash in commits])


# --- compiling with some of it shown -------------------------------------------------------------


def show_in_full(store: Store, chain: Chain, commits: Sequence[bytes]) -> None:
    """Add to *chain* what switches off the summaries that are, hold or are held by *commits*, for one look.

    Raises:
        InvalidTargetError: One is not in the history, or placed no message.
    """
    state = chain.state
    off: dict[int, Event] = {}
    for commit in commits:
        row = store.one(q.TIP, hash=commit)
        place = None if state is None or row is None else state.original(row[0])
        if state is None or place is None:
            raise InvalidTargetError(
                f"The commit {commit.hex()[:SHORT_HASH]} is no message of this history.",
                target=commit.hex(),
                hint="Name a summary, or a message one covers; `t.log(op='compress')` lists summaries.",
            )
        entry = state.entry(place)
        assert entry is not None
        for one in (*standing_for(state, place), *within(state, entry)):
            if one.placed.op == "compress" and not one.is_off:
                off[one.placed.id] = one.placed
    if off:
        chain.add(NewCommit("revert", tuple(off.values())))


# --- looking something up ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A message behind a summary that has what was looked for.

    Attributes:
        commit: Hash of the commit that placed it; `t.expand` and `t.show` take it.
        role: Who said it.
        excerpt: What it says around the first word found.
        summary: Hash of the summary that stands in its place.
    """

    commit: str
    role: str
    excerpt: str = field(repr=False)
    summary: str


def lookup(store: Store, words: str, *, limit: int = 5) -> list[Found]:
    """Return the messages behind summaries of HEAD's context that have most of *words*, the best first.

    For an agent whose context was compressed: what was said is still there. Each word counts once,
    whatever the case; among equals the newest message comes first.

    Raises:
        InvalidInputError: No word, or no number.

    Cost:
        O(text of the covered messages).
    """
    wanted = set(_WORD.findall(fold(words))) if isinstance(words, str) else set()
    if not wanted or not isinstance(limit, int) or limit < 1:
        raise InvalidInputError(f"Look up words, not {shown(words)}.", hint="Give a name, a number or a few words.")
    head = store.head_hash()
    state = None if head is None else states_of(store).get(head)
    ranked: list[tuple[int, int, Found]] = []
    for place, entry in enumerate(state.order if state is not None else ()):
        if state is None or not entry.covers or entry.placed.op == "compress" or entry.shown.message is None:
            continue
        text = readable(entry.shown.message)
        folded = fold(text)
        held = [word for word in wanted if word in folded]
        if held and (summary := _visible(state, entry)) is not None:
            first = min(find_folded(text, word, 1)[0][0] for word in held)
            start = max(0, first - _EXCERPT_CHARACTERS // 4)
            excerpt = text[start : start + _EXCERPT_CHARACTERS]
            found = Found(entry.placed.hash.hex(), entry.shown.message.role, excerpt, summary.placed.hash.hex())
            ranked.append((len(held), place, found))
    ranked.sort(key=lambda one: one[:2], reverse=True)
    return [found for _, _, found in ranked[:limit]]


def lookup_tool(store: Store) -> Callable[..., list[dict[str, str]]]:
    """Return `lookup` as a function a model may call: annotated, described, with JSON values as its result."""

    def look_up_earlier(words: str, limit: int = 5, in_full: bool = False) -> list[dict[str, str]]:  # noqa: FBT001, FBT002 - a model names its arguments
        """Look up what was said earlier in this conversation and is only summarized now.

        Args:
            words: A name, a number or a few words of it; what has most of them comes first.
            limit: How many messages to return at most.
            in_full: Return whole messages instead of excerpts.
        """
        found = lookup(store, words, limit=limit)
        return [
            {"role": one.role, "text": _text_of(store, one) if in_full else one.excerpt, "commit": one.commit}
            for one in found
        ]

    return look_up_earlier


def _text_of(store: Store, found: Found) -> str:
    return expand(store, bytes.fromhex(found.commit)).text


def _visible(state: State, entry: Entry) -> Entry | None:
    return next((one for one in standing_for(state, entry.placed.id) if one.is_visible), None)
