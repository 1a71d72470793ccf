"""Revert: switch off what one earlier commit did, by new commits."""

from __future__ import annotations

from collections.abc import Sequence

from tract.compile.compiler import states_of
from tract.compile.fold import Event, State, switched_off
from tract.errors import InvalidTargetError
from tract.history.ancestry import Place, contains
from tract.history.info import commit_info, stored
from tract.history.lanes import reach_of
from tract.objects.commit import SHORT_HASH, CommitInfo
from tract.objects.content import ANNOTATION
from tract.objects.hashing import blob_hash, canonical_json
from tract.operations.budget import announce, check_budget
from tract.operations.chain import Chain, NewCommit
from tract.operations.prepare import encode_note
from tract.storage import queries as q
from tract.storage.writing import Tip
from tract.store import Store


def revert(store: Store, commit: bytes, *, message: str | None = None) -> CommitInfo:
    """Switch off what *commit* did.

    Of an edit, annotation, compression, reorder or revert: a revert commit. Of an append: a skip
    annotation. Of a merge: both, for what only its second parent brought; one operation all the same.

    Returns:
        The commit written, the last one if there are several.

    Raises:
        InvalidTargetError: It is not in the history of HEAD, or has no effect that is left.
    """
    store.head_ref()
    note = encode_note(message=message, metadata=None, reply_to=None)
    head = store.head_hash()
    tip = None if head is None else store.tip(head)
    ready = _planned(store, tip, commit, note)
    announce(store, lambda _: ready.sizes)
    store.pause("revert")
    with store.operation("revert", {"commit": commit.hex()}) as operation:
        if operation.tip is None:
            operation.require_tip(head)
        elif operation.tip.hash != head:
            ready = _planned(store, operation.tip, commit, note)
        check_budget(store, ready.sizes)
        ready.write(operation)
        assert operation.tip is not None
        return commit_info(store, operation.tip.hash)


def _planned(store: Store, tip: Tip | None, commit: bytes, note: bytes | None) -> Chain:
    state, event = event_at(store, tip, commit)
    chain = Chain(store, tip)
    off = switched_off(state.events)
    if event.op == "append":
        _require_left(event, is_left=_shown(state, event))
        chain.add(_skip([event], note))
    elif event.op == "merge":
        _revert_merge(store, chain, event, note)
    else:
        if event.id in off:
            raise _already(event, _reverting(state, event, off))
        _require_outermost(state, event)
        chain.add(_revert_of(event, note))
    return chain


def event_at(store: Store, tip: Tip | None, commit: bytes) -> tuple[State, Event]:
    """Return the state of *tip* and the event of *commit* in it.

    Raises:
        InvalidTargetError: It is not in that history.
    """
    state = None if tip is None else states_of(store).get(tip.hash)
    row = store.one(q.TIP, hash=commit)
    event = None if state is None or row is None else state.event(row[0])
    if state is None or event is None:
        raise InvalidTargetError(
            f"The commit {commit.hex()[:SHORT_HASH]} is not in the history of HEAD.",
            target=commit.hex(),
            hint="List it with `t.log()`.",
        )
    return state, event


def _shown(state: State, event: Event) -> bool:
    entry = state.entry(event.id)
    return entry is not None and entry.priority != "skip"


def _require_left(event: Event, *, is_left: bool) -> None:
    if not is_left:
        raise InvalidTargetError(
            f"The commit {event.hash.hex()[:SHORT_HASH]} ({event.op}) has no effect left to revert.",
            target=event.hash.hex(),
            hint="Show a message again with `t.unskip(commit)`.",
        )


def _require_outermost(state: State, event: Event) -> None:
    """Refuse a summary that another one covers: its messages would show beside the summary that tells of them."""
    entry = state.entry(event.id) if event.op == "compress" else None
    outer = None if entry is None or not entry.covers else state.event(entry.covers[-1])
    if outer is not None:
        name = outer.hash.hex()[:SHORT_HASH]
        raise InvalidTargetError(
            f"The summary {event.hash.hex()[:SHORT_HASH]} is itself covered by {name}.",
            target=event.hash.hex(),
            hint=f"Revert that one first: `t.revert('{name}')`, or look inside with `t.expand(commit)`.",
        )


def _reverting(state: State, event: Event, off: frozenset[int]) -> Event:
    return next(one for one in state.changes() if one.op == "revert" and event.id in one.targets and one.id not in off)


def _already(event: Event, by: Event) -> InvalidTargetError:
    name = by.hash.hex()[:SHORT_HASH]
    return InvalidTargetError(
        f"The commit {event.hash.hex()[:SHORT_HASH]} ({event.op}) was reverted already, by {name}.",
        target=event.hash.hex(),
        hint=f"To bring it back, revert that one: `t.revert('{name}')`.",
    )


def _revert_of(event: Event, note: bytes | None) -> NewCommit:
    return NewCommit("revert", (event,), note=note)


def _skip(events: Sequence[Event], note: bytes | None) -> NewCommit:
    payload = canonical_json({"priority": "skip"})
    return NewCommit(
        "annotate", tuple(events), content_type=ANNOTATION, payload=payload, content=blob_hash(payload),
        note=note, priority="skip",
    )  # fmt: skip


def _revert_merge(store: Store, chain: Chain, merge: Event, note: bytes | None) -> None:
    """Switch off what only the second parent of *merge* brought: its changes, newest first, then its messages."""
    assert chain.state is not None
    events = brought(store, chain.state, merge)
    own = {event.id for event in events}
    off = switched_off(chain.state.events)
    for event in reversed(events):
        if event.id not in off and _acts_outside(event, own):
            chain.add(_revert_of(event, note))
    messages = [event for event in events if event.op == "append" and _shown(chain.state, event)]
    if messages:
        chain.add(_skip(messages, note))
    _require_left(merge, is_left=len(chain) > 0)


def brought(store: Store, state: State, merge: Event) -> list[Event]:
    """Return the events of *state* that only the second parent of *merge* reaches, in order."""
    with store.reading() as database:
        row = stored(database, merge.hash)
        first = database.one(q.HASH_OF, id=row.parent_id)
        others = [hash_ for _, hash_ in database.all(q.PARENTS, commit_id=row.id)]
    assert first is not None
    ours, theirs = reach_of(store, first[0]), reach_of(store, others[0])
    found = []
    for event in state.events:
        place = Place(event.lane, event.generation)
        if contains(theirs, place) and not contains(ours, place):
            found.append(event)
    return found


def _acts_outside(event: Event, own: set[int]) -> bool:
    """Tell whether skipping the messages of *own* would leave something of *event*."""
    if event.op in {"append", "merge"}:
        return False
    return event.op == "compress" or not own.issuperset(event.targets)
