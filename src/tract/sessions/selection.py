"""Answers which messages of a context a child is given, and makes them again: exchanges whole, as shown now.

Messages are chosen among those that are shown; one that is named is taken even where it is hidden. Each
becomes one commit of the child that says what the parent shows, with its settings, note and time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from tract.compile.compiler import states_of
from tract.compile.fold import Entry, Event, State
from tract.errors import InvalidInputError, InvalidTargetError, shown
from tract.formats.repair import exchanges
from tract.history.info import commit_info
from tract.history.revision import resolve, resolve_range
from tract.objects.commit import SHORT_HASH, CommitInfo
from tract.objects.content import ANNOTATION, BUILT_IN
from tract.objects.hashing import blob_hash, canonical_json
from tract.operations.chain import Chain, NewCommit, copy_of
from tract.operations.tag import find_tag
from tract.storage import queries as q
from tract.store import Operation, Store
from tract.tokens import TokenCounter
from tract.tokens.message import message_tokens

Named: TypeAlias = str | CommitInfo
Predicate: TypeAlias = Callable[[CommitInfo], bool]
Selection: TypeAlias = Named | Iterable[Named] | Mapping[str, Any] | Predicate
"""What `t.spawn(select=...)` takes: commits and ranges, a predicate, or a mapping of several of those."""

_KEYS: Final = ("commits", "types", "tags", "where")
_HINT: Final = f"Give commits, a range `a..b`, a predicate, or a mapping with {', '.join(_KEYS)}."


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A selection taken apart; what is `None` narrows nothing."""

    named: frozenset[int] | None
    types: frozenset[str] | None
    where: Predicate | None


def selected(store: Store, child: Store, at: bytes | None, select: Selection) -> Callable[[Operation], None]:
    """Return what writes the messages of *at* that *select* means into *child*.

    Raises:
        InvalidInputError: It is no selection, or means no message.
        InvalidTargetError: A commit it names is not in that history, or placed no message.
        TagNotFoundError: There is no such tag.
    """
    if at is None:
        raise _nothing()
    state = states_of(store).get(at)
    wanted = _wanted(store, state, _taken_apart(select))
    entries = _whole(state, wanted, list(_choose(store, state, wanted)))
    if not entries:
        raise _nothing()
    chain = Chain(child, None)
    _copy(store, chain, entries, counter=child.counter)

    def write(beginning: Operation) -> None:
        chain.write(beginning)

    return write


def _nothing() -> InvalidInputError:
    return InvalidInputError("The selection means no message.", hint="Look at `t.log()`, or fork the whole history.")


# --- what is meant -------------------------------------------------------------------------------


def _taken_apart(select: object) -> dict[str, Any]:
    if isinstance(select, Mapping):
        unknown = [key for key in select if key not in _KEYS]
        if unknown or not select:
            raise InvalidInputError(f"A selection has no `{shown(unknown[0] if unknown else '')}`.", hint=_HINT)
        return dict(select)
    if isinstance(select, (str, CommitInfo)) or (isinstance(select, Iterable) and not callable(select)):
        return {"commits": select}
    if callable(select):
        return {"where": select}
    raise InvalidInputError(f"{shown(select)} selects nothing.", hint=_HINT)


def _wanted(store: Store, state: State, parts: Mapping[str, Any]) -> _Wanted:
    named: set[int] | None = None
    if "commits" in parts:
        named = {entry for one in _listed(parts["commits"], "commits") for entry in _entries(store, state, one)}
    if "tags" in parts:
        tagged = {
            entry
            for tag in _listed(parts["tags"], "tags")
            for entry in _entries(store, state, find_tag(store, tag).commit)
        }
        named = tagged if named is None else named & tagged
    types = frozenset(_listed(parts["types"], "types")) if "types" in parts else None
    where = parts.get("where")
    if where is not None and not callable(where):
        raise InvalidInputError("`where` is a function of a CommitInfo.", hint=_HINT)
    return _Wanted(None if named is None else frozenset(named), types, where)


def _listed(value: object, name: str) -> list[Any]:
    if isinstance(value, (str, CommitInfo)):
        return [value]
    if not isinstance(value, Iterable):
        raise InvalidInputError(f"`{name}` is one or several names, not {shown(value)}.", hint=_HINT)
    found = list(value)
    if not all(isinstance(one, (str, CommitInfo)) for one in found):
        raise InvalidInputError(f"`{name}` holds something that names nothing.", hint=_HINT)
    return found


def _entries(store: Store, state: State, named: Named) -> list[int]:
    """Return the row id of the entry a commit stands for, or of those a range placed that are shown."""
    if isinstance(named, str) and ".." in named:
        start, end = resolve_range(store, named)
        before = None if start is None else states_of(store).get(start)
        events = states_of(store).get(end).events
        behind = [event.id for event in events if before is None or before.position(event.id) is None]
        found = [entry for commit in behind if (entry := state.entry(commit)) is not None]
        return [entry.placed.id for entry in found if entry.is_visible]
    commit = resolve(store, named)
    row = store.one(q.TIP, hash=commit)
    original = None if row is None else state.original(row[0])
    if original is None:
        raise InvalidTargetError(
            f"The commit {commit.hex()[:SHORT_HASH]} placed no message in that history.",
            target=commit.hex(),
            hint="Name the commit that added the message; `t.log()` shows it.",
        )
    return [original]


def _choose(store: Store, state: State, wanted: _Wanted) -> Iterable[Entry]:
    """Return the entries that are meant, in the order shown."""
    for entry in _candidates(state, wanted):
        if wanted.named is not None and entry.placed.id not in wanted.named:
            continue
        if wanted.types is not None and entry.shown.content_type not in wanted.types:
            continue
        if wanted.where is None or wanted.where(commit_info(store, entry.shown.hash)):
            yield entry


def _candidates(state: State, wanted: _Wanted) -> list[Entry]:
    """Return what is shown, and what is named though it is hidden."""
    named = wanted.named or frozenset()
    return [
        entry
        for entry in state.order
        if entry.is_visible or (entry.placed.id in named and entry.shown.message is not None and not entry.is_off)
    ]


def _whole(state: State, wanted: _Wanted, chosen: Collection[Entry]) -> list[Entry]:
    """Return *chosen* with every exchange one of them is part of."""
    candidates = _candidates(state, wanted)
    meant = {entry.placed.id for entry in chosen}
    messages = [entry.shown.message for entry in candidates if entry.shown.message is not None]
    for group in exchanges(messages):
        ids = {candidates[index].placed.id for index in group}
        if ids & meant:
            meant |= ids
    return [entry for entry in candidates if entry.placed.id in meant]


# --- making them again ---------------------------------------------------------------------------


def _copy(store: Store, chain: Chain, entries: Iterable[Entry], *, counter: TokenCounter) -> None:
    """Add *entries* to *chain*, each with the priority it has."""
    made: dict[bytes, Event] = {}
    prioritised: dict[str, list[Event]] = {}
    for entry in entries:
        new = _copied(store, entry)
        if counter is not store.counter and new.message is not None:
            new = replace(new, tokens=message_tokens(new.message, counter))
        answered = commit_info(store, entry.shown.hash).reply_to
        if answered is not None and bytes.fromhex(answered) in made:
            new = replace(new, reply_to=made[bytes.fromhex(answered)])
        event = made[entry.placed.hash] = chain.add(new)
        priority = "normal" if entry.priority == "skip" else entry.priority
        if priority != new.priority:
            prioritised.setdefault(priority, []).append(event)
    for priority, events in sorted(prioritised.items()):
        payload = canonical_json({"priority": priority})
        chain.add(
            NewCommit(
                "annotate",
                tuple(events),
                content_type=ANNOTATION,
                payload=payload,
                content=blob_hash(payload),
                priority=priority,
            )
        )


def _copied(store: Store, entry: Entry) -> NewCommit:
    """Return what *entry* shows as a message to be appended."""
    said = entry.shown
    new = copy_of(store, said)
    if new.config is None and said.config is not None:
        # An edit without settings of its own keeps those of what it edits.
        row = store.one(q.CONFIG, id=said.config)
        assert row is not None
        new = replace(new, config=row[1].encode(), config_id=said.config)
    built_in = BUILT_IN.get(said.content_type or "")
    priority = "normal" if built_in is None else built_in.default_priority
    return replace(new, op="append", targets=(), priority=priority)
