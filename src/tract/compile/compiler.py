"""Answers what the context of a commit is: finds or folds its state, renders it, counts it.

A state depends on nothing but the commit, so cached ones never go stale; another process's commit
is seen by comparing one hash.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from tract.compile.context import CompiledContext
from tract.compile.fold import Entry, Event, Prefix, State, extend, rewind
from tract.compile.read import Reader, few_collections
from tract.errors import CorruptObjectError, CorruptStoreError, InvalidInputError
from tract.formats.prefix import has_reasoning
from tract.history.info import sent_of
from tract.history.reflog import require_logged
from tract.history.walk import Lane, runs
from tract.objects.hashing import config_hash
from tract.objects.message import AnyPart, Message, Role, TextPart
from tract.objects.refs import BRANCH_PREFIX
from tract.storage import queries as q
from tract.storage.writing import Tip
from tract.store import Store
from tract.tokens.message import REPLY_PRIMING_TOKENS, message_tokens

_ERASED: Final = "[erased]"


class Compiler(Protocol):
    """Replaces how visible entries become messages.

    Called with the visible entries in order, outside any transaction; returns a message and the
    entry it came from for each message to send. It may leave out, join or reword entries; it must
    give the same messages for the same entries.
    """

    def __call__(self, entries: Sequence[Entry], /) -> Iterable[tuple[Message, Entry]]:
        """Return the messages for *entries*."""


class Marks(NamedTuple):
    """What to make visible in the messages.

    Attributes:
        edits: Begin each edited message with `[edited] `.
        erased: Put `[erased]` in the place of each message whose content was erased or collected.
    """

    edits: bool = False
    erased: bool = False


NO_MARKS: Final = Marks()


class States:
    """Recent fold states of one handle, by commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reader = Reader(store)
        self._states: OrderedDict[bytes, State] = OrderedDict()
        self._configs: dict[int, Mapping[str, Any]] = {}
        self._sent: dict[int, Mapping[str, Any] | None] = {}
        self.latest: tuple[bytes, int | None, CompiledContext] | None = None
        """The last context compiled with plain options: commit, last recorded usage, context."""

    def begin_with(self, other: States) -> None:
        """Know what *other*, of a handle beside this one, knows: its states are of the same commits."""
        newest = list(other._states.items())[-self._store.config.cached_states :]
        self._states.update(newest)
        self._configs, self._sent = other._configs, other._sent

    def get(self, commit: bytes, tip: Tip | None = None) -> State:
        """Return the fold of *commit* (whose *tip* may be known), extending the nearest known state before it.

        Cost:
            O(commits since that state); nothing for a known commit.
        """
        with self._store.lock:
            state = self._states.get(commit)
            if state is not None:
                self._states.move_to_end(commit)
                return state
            tip = tip or self._store.tip(commit)
            base = self._nearest(tip)
            new = tip.generation - (base.head.generation if base is not None and base.head is not None else 0)
            with few_collections(new):
                state = extend(base, self._reader.events_after(base, tip))
            self._read_sent(state.events[0 if base is None else base.length :])
            self._states[commit] = state
            if len(self._states) > self._store.config.cached_states:
                self._states.popitem(last=False)
            return state

    def fresh(self, commit: bytes) -> State:
        """Return the fold of *commit* read and folded from the root, touching no cache."""
        return extend(None, Reader(self._store).events_after(None, self._store.tip(commit)))

    def _nearest(self, tip: Tip) -> State | None:
        """Return the longest state known, or gone back to from a known one, that is a first-parent ancestor."""
        for state in reversed(self._states.values()):
            head = state.head
            if head is not None and head.lane == tip.lane_id and head.generation <= tip.generation:
                return state
        reach = {run.lane: run.high for run in self._reader.runs(tip)}
        found: list[tuple[int, int, State]] = []
        for state in self._states.values():
            shared = self._shared(state, reach)
            if shared is not None:
                found.append((*shared, state))
        if not found:
            return None
        generation, lane, state = max(found, key=lambda one: one[0])
        return _back_to(state, lane, generation)

    def _shared(self, state: State, reach: Mapping[int, int]) -> tuple[int, int] | None:
        """Return generation and lane of the last first-parent ancestor *state* shares with what *reach* says."""
        assert state.head is not None
        own = runs(state.head.lane, state.head.generation, self._reader.lane)
        shared = ((min(run.high, reach[run.lane]), run.lane) for run in own if run.lane in reach)
        return max(shared, default=None)

    def lane(self, lane: int) -> Lane:
        """Return a lane by its id."""
        return self._reader.lane(lane)

    def config(self, config: int) -> Mapping[str, Any]:
        """Return the generation config with this row id."""
        known = self._configs.get(config)
        if known is None:
            row = self._store.one(q.CONFIG, id=config)
            if row is None or config_hash(row[1].encode()) != row[0]:
                raise CorruptObjectError("config", str(config), "it does not match its hash")
            known = self._configs[config] = json.loads(row[1])
        return known

    def sent(self, entry: Entry) -> Mapping[str, Any] | None:
        """Return what the reply shown at *entry* keeps of the request it answered, `None` if nothing."""
        sent = self._sent_by(entry.shown)
        if sent is not None or entry.shown.id == entry.placed.id:
            return sent
        before = self._sent_by(entry.placed)
        # Reasoning is bound to its own reply as well, as far as that goes before it.
        is_kept = _up_to_reasoning(entry.shown.message) == _up_to_reasoning(entry.placed.message)
        return before if before is None or is_kept else {**before, "prefix": ""}

    def _read_sent(self, events: Iterable[Event]) -> None:
        """Read ahead what replies with reasoning keep of their requests: a compiled context outlives its handle."""
        for event in events:
            if event.origin == "model" and event.message is not None and any(map(has_reasoning, event.message.parts)):
                self._sent_by(event)

    def _sent_by(self, event: Event) -> Mapping[str, Any] | None:
        if event.id < 0:  # not written yet; a copy names the commit it copies
            return sent_of(self._store, event.hash) if event.hash else None
        if event.id not in self._sent:
            self._sent[event.id] = sent_of(self._store, event.hash)
        return self._sent[event.id]

    def usage(self, state: State) -> tuple[int, str, int, int] | None:
        """Return `(commit id, model, input tokens, output tokens)` of the last usage recorded in *state*."""
        assert state.head is not None
        for run in self._reader.runs(self._store.tip(state.head.hash)):
            row = self._store.one(q.USAGE_IN_RUN, lane_id=run.lane, low=run.low, high=run.high)
            if row is not None:
                # Negative counts take an earlier usage back.
                return (row[0], row[1], row[2], row[3]) if row[2] >= 0 else None
        return None


def _up_to_reasoning(message: Message | None) -> Sequence[AnyPart]:
    parts = () if message is None else message.parts
    last = max((at for at, part in enumerate(parts) if has_reasoning(part)), default=-1)
    return parts[: last + 1]


def _back_to(state: State, lane: int, generation: int) -> State:
    """Return *state*, or what it was at the commit of *generation* in *lane*."""
    assert state.head is not None
    if (state.head.lane, state.head.generation) == (lane, generation):
        return state
    places = range(state.length - 1, -1, -1)
    events = state.events
    return rewind(state, next(at for at in places if (events[at].lane, events[at].generation) == (lane, generation)))


def states_of(store: Store) -> States:
    """Return the state cache of *store*'s handle; a new one after something was erased."""
    store.notice_erasures()
    return _known_states(store)


def _known_states(store: Store) -> States:
    known: States | None = store.memo.get("states")
    if known is None:
        known = store.memo["states"] = States(store)
    return known


def lend_states(store: Store, other: Store) -> None:
    """Let *other*, a new handle beside *store*, go on from what *store* has folded, if both count alike.

    Cost:
        O(1): nothing is copied and nothing read.
    """
    with store.lock:
        known: States | None = store.memo.get("states")
        is_alike = (store.counter.name, store.erasures) == (other.counter.name, other.erasures)
        if known is not None and is_alike:
            _known_states(other).begin_with(known)


def compile_head(store: Store) -> CompiledContext:
    """Return the context HEAD stands on, with plain options.

    Cost:
        One small query when nothing is new; O(new commits) otherwise.
    """
    if store.head.branch is None or store.at_operation is not None:
        return compile_commit(store, store.head_hash())
    row = store.one(q.HEAD_CHECK, tract_id=store.tract_id, name=BRANCH_PREFIX + store.head.branch)
    if row is None:
        return compile_commit(store, store.head_hash())
    *columns, usage, erasures = row
    tip = Tip(*columns)
    store.notice_erasures(erasures or "")
    states = _known_states(store)
    latest = states.latest
    if latest is not None and latest[0] == tip.hash and latest[1] == usage:
        return latest[2]
    states.get(tip.hash, tip)
    context = compile_commit(store, tip.hash, has_usage=usage is not None)
    states.latest = (tip.hash, usage, context)
    return context


def compile_commit(
    store: Store,
    commit: bytes | None,
    *,
    compiler: Compiler | None = None,
    marks: Marks = NO_MARKS,
    verify: bool = False,
    has_usage: bool = True,
) -> CompiledContext:
    """Return the context of *commit*.

    Args:
        store: The open store.
        commit: Hash of the commit; `None` gives an empty context.
        compiler: Replaces the rendering.
        marks: What to make visible.
        verify: Fold once more from the root and compare.
        has_usage: False spares the search for recorded usage.

    Raises:
        CorruptStoreError: Stored data is damaged, or the two folds differ.
    """
    require_logged(store)
    states = states_of(store)
    if commit is None:
        return CompiledContext(None, (), 0, source_of(store), (), (), states)
    state = states.get(commit)
    if verify:
        _compare(state, states.fresh(commit))
    messages, shown, tokens = _rendered(store, state, compiler, marks)
    total = context_tokens(tokens, is_empty=not messages)
    source = source_of(store)
    if has_usage and compiler is None and not any(marks):
        total, source = _by_usage(states, state, total, source)
    said = _warnings(store, source, state, marks)
    return CompiledContext(commit.hex(), messages, total, source, said, shown, states)


def compile_state(
    store: Store,
    commit: bytes,
    state: State,
    *,
    compiler: Compiler | None,
    marks: Marks,
    warnings: Iterable[str],
) -> CompiledContext:
    """Return the context of *state*, made of that of *commit* without being written; counted by the tokenizer."""
    messages, shown, tokens = _rendered(store, state, compiler, marks)
    source = source_of(store)
    said = (*_warnings(store, source, state, marks), *warnings)
    total = context_tokens(tokens, is_empty=not messages)
    return CompiledContext(commit.hex(), messages, total, source, said, shown, states_of(store))


def _rendered(
    store: Store, state: State, compiler: Compiler | None, marks: Marks
) -> tuple[Sequence[Message], Sequence[Entry], int]:
    """Return the messages of *state*, the entry each came from, and their tokens."""
    if compiler is None and not any(marks):
        return _Messages(state.shown), state.shown, state.tokens
    entries: Sequence[Entry] = state.shown
    if marks.erased and state.holes:
        entries = [_stand_in(store, one) for one in state.order if one.is_visible or one.is_hole]
    if marks.edits:
        entries = [_marked(store, entry) for entry in entries]
    pairs = _render(entries, compiler)
    tokens = sum(tokens_of(store, message, entry) for message, entry in pairs)
    return tuple(m for m, _ in pairs), tuple(e for _, e in pairs), tokens


class _Messages(Prefix[Message]):
    """The messages of visible entries, without a list of their own."""

    __slots__ = ("_shown",)

    def __init__(self, shown: Sequence[Entry]) -> None:
        super().__init__([], len(shown))
        self._shown = shown

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [entry.shown.message for entry in self._shown[index]]
        return self._shown[index].shown.message

    def __iter__(self) -> Any:
        return (entry.shown.message for entry in self._shown)


def _render(shown: Sequence[Entry], compiler: Compiler | None) -> list[tuple[Message, Entry]]:
    if compiler is None:
        return [(entry.shown.message, entry) for entry in shown if entry.shown.message is not None]
    returned = compiler(tuple(shown))
    pairs = list(returned) if isinstance(returned, Iterable) else [returned]
    if not all(_is_pair(pair) for pair in pairs):
        raise InvalidInputError("The compiler returned something else than pairs of Message and Entry.")
    return pairs


def _is_pair(pair: object) -> bool:
    if not isinstance(pair, tuple) or isinstance(pair, Entry) or len(pair) != 2:
        return False
    return isinstance(pair[0], Message) and isinstance(pair[1], Entry)


def _marked(store: Store, entry: Entry) -> Entry:
    message = entry.shown.message
    if entry.shown.id == entry.placed.id or message is None:
        return entry
    parts = list(message.parts)
    for index, part in enumerate(parts):
        if isinstance(part, TextPart):
            parts[index] = replace(part, text=f"[edited] {part.text}")
            break
    marked = replace(message, parts=tuple(parts))
    tokens = message_tokens(marked, store.counter)
    return entry._replace(shown=entry.shown._replace(message=marked, tokens=tokens))


def _stand_in(store: Store, entry: Entry) -> Entry:
    """Return *entry*, or if its content is gone one that says so where it was.

    Who said it is known from what stays. A tool's result becomes plain text: which call it answered is gone.
    """
    if not entry.is_hole:
        return entry
    role: Role = "user"
    if entry.placed.content_type == "instruction":
        role = "system"
    elif entry.shown.origin == "model":
        role = "assistant"
    message = Message(role, (TextPart(_ERASED),))
    return entry._replace(shown=entry.shown._replace(message=message, tokens=message_tokens(message, store.counter)))


def tokens_of(store: Store, message: Message, entry: Entry) -> int:
    """Return the tokens of a message rendered from *entry*."""
    unchanged = message is entry.shown.message and entry.shown.tokens
    return unchanged or message_tokens(message, store.counter)


def source_of(store: Store) -> str:
    """Return the `token_source` of counts by the tokenizer in force."""
    name = store.counter.name
    return name if store.counter.is_approximate else f"tokenizer:{name}"


def _by_usage(states: States, state: State, total: int, source: str) -> tuple[int, str]:
    """Return the provider's own count where it covers the beginning of *state*, plus what came after."""
    found = states.usage(state)
    if found is None:
        return total, source
    commit, model, input_tokens, output_tokens = found
    place = state.position(commit)
    # Anything but an append after it changed messages the provider has counted.
    if place is None or state.changed_at > place:
        return total, source
    after = 0
    for entry in reversed(state.shown):
        if entry.placed.id == commit:
            return input_tokens + output_tokens + after, f"api:{model}"
        after += entry.shown.tokens
    return total, source


def count_warnings(store: Store, source: str) -> tuple[str, ...]:
    """Return what a reader of counts from *source* should know."""
    if source == store.counter.name:
        return (f"Token counts are estimates: the tokenizer `{source}` is approximate.",)
    return ()


def _warnings(store: Store, source: str, state: State, marks: Marks) -> tuple[str, ...]:
    said = count_warnings(store, source)
    if not state.holes:
        return said
    count = "1 message" if state.holes == 1 else f"{state.holes} messages"
    done = "Shown as `[erased]`" if marks.erased else "Left out"
    return (*said, f"{done} because the content was erased or collected: {count}.")


def _compare(cached: State, fresh: State) -> None:
    if cached.entries != fresh.entries or cached.tokens != fresh.tokens or cached.shown != fresh.shown:
        raise CorruptStoreError("The incremental compile differs from a full one.", hint="Please report this.")


def context_tokens(state_tokens: int, *, is_empty: bool) -> int:
    """Return the compiled size of visible messages of *state_tokens*: with reply priming unless there are none."""
    return 0 if is_empty else state_tokens + REPLY_PRIMING_TOKENS


def size_of(state: State) -> int:
    """Return the compiled size of *state* in tokens."""
    return context_tokens(state.tokens, is_empty=not len(state.shown))
