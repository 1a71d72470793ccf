"""Answers how the contexts of two commits differ: reads both, pairs their messages, weighs each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tract.compile.align import Named, Pair, align
from tract.compile.compiler import Compiler, compile_commit, context_tokens, states_of, tokens_of
from tract.compile.diff import DiffResult, DiffSide, Kind, MessageChange, field_changes
from tract.compile.fold import Entry, Event, State
from tract.history.info import commit_info
from tract.history.reflog import require_logged
from tract.objects.message import Message
from tract.storage.verify import read_blob
from tract.store import Store
from tract.tokens.message import REPLY_PRIMING_TOKENS

_Item = tuple[Message, Entry]


@dataclass(frozen=True, slots=True)
class _Context:
    """One side: its commit, what it says, and the fold it came from."""

    commit: bytes | None
    items: Sequence[_Item]
    tokens: int
    state: State | None

    def entry(self, placed: int) -> Entry | None:
        return None if self.state is None else self.state.entry(placed)


def diff(store: Store, before: bytes | None, after: bytes | None, *, compiler: Compiler | None = None) -> DiffResult:
    """Return what is different in the context of *after* compared with that of *before*.

    Args:
        store: The open store.
        before: Hash of a commit; `None` for an empty context.
        after: The same.
        compiler: Replaces the rendering.

    Cost:
        Reading what no cache has; then O(messages) for what both contexts begin and end with,
        O(n log n) in between, and the texts of messages that differ.
    """
    require_logged(store)
    # The older one first: the other is then folded from it, not from the root.
    old_first = _generation(store, before) <= _generation(store, after)
    sides = {
        commit: _context(store, commit, compiler) for commit in ((before, after) if old_first else (after, before))
    }
    return _Comparison(store, sides[before], sides[after]).result()


def diff_commit(store: Store, commit: bytes | None, *, compiler: Compiler | None = None) -> DiffResult:
    """Return what *commit* changed: an edit against its target as it was shown before, others against their parent.

    An edit of a message that is skipped changes nothing that is sent; it is shown all the same, at 0 tokens.
    """
    if commit is None:
        return diff(store, None, None)
    result = diff(store, _parent(store, commit), commit, compiler=compiler)
    event = states_of(store).get(commit).head
    if result.changes or event is None or event.op != "edit":
        return result
    return _with_hidden_edit(store, result, event)


def _generation(store: Store, commit: bytes | None) -> int:
    return 0 if commit is None else store.tip(commit).generation


def _parent(store: Store, commit: bytes) -> bytes | None:
    parents = commit_info(store, commit).parents
    return bytes.fromhex(parents[0]) if parents else None


def _context(store: Store, commit: bytes | None, compiler: Compiler | None) -> _Context:
    if commit is None:
        return _Context(None, (), 0, None)
    state = states_of(store).get(commit)
    if compiler is not None:
        compiled = compile_commit(store, commit, compiler=compiler)
        rendered = list(zip(compiled.messages, compiled.shown, strict=True))
        tokens = sum([tokens_of(store, message, entry) for message, entry in rendered])
        return _Context(commit, rendered, context_tokens(tokens, is_empty=not rendered), state)
    items = [(entry.shown.message, entry) for entry in state.shown if entry.shown.message is not None]
    return _Context(commit, items, context_tokens(state.tokens, is_empty=not items), state)


class _Comparison:
    """Two contexts being compared."""

    def __init__(self, store: Store, before: _Context, after: _Context) -> None:
        self._store = store
        self._before = before
        self._after = after

    def result(self) -> DiffResult:
        olds, news = self._before.items, self._after.items
        start, end = _common(olds, news)
        pairs = align(_named(olds[start : len(olds) - end]), _named(news[start : len(news) - end]))
        changes = [change for pair in pairs if (change := self._change(pair, start)) is not None]
        present = sum(pair.after is not None for pair in pairs)
        here = sum(change.after is not None for change in changes)
        return DiffResult(
            _hex(self._before.commit),
            _hex(self._after.commit),
            tuple(changes),
            start + end + present - here,
            (self._before.tokens, self._after.tokens),
            REPLY_PRIMING_TOKENS * (bool(news) - bool(olds)),
        )

    def _change(self, pair: Pair, start: int) -> MessageChange | None:
        before = self._side(self._before, pair.before, start)
        after = self._side(self._after, pair.after, start)
        if before is not None and after is not None:
            fields = field_changes(before, after)
            kind: Kind = "changed" if fields or before.message != after.message else "moved"
            if kind == "moved" and not pair.is_moved:
                return None
            reason = _reason(self._store, self._entry(self._after, pair.after, start), fields)
            return MessageChange(kind, before, after, pair.is_moved, (before.priority, after.priority), reason, fields)
        return self._one_sided(pair, start, before, after)

    def _one_sided(self, pair: Pair, start: int, before: DiffSide | None, after: DiffSide | None) -> MessageChange:
        """Return an added or removed message, and whether a priority in the other context tells why."""
        here, there = (self._before, self._after) if after is None else (self._after, self._before)
        entry = self._entry(here, pair.before if after is None else pair.after, start)
        other = there.entry(entry.placed.id)
        priorities = (entry.priority, None if other is None else other.priority)
        later = other if after is None else entry
        is_annotated = other is not None and other.priority != entry.priority
        reason = annotation_reason(self._store, later) if later is not None and is_annotated else None
        if after is None:
            return MessageChange("removed", before, None, priority=priorities, reason=reason)
        return MessageChange("added", None, after, priority=(priorities[1], priorities[0]), reason=reason)

    def _entry(self, context: _Context, index: int | None, start: int) -> Entry:
        assert index is not None
        return context.items[start + index][1]

    def _side(self, context: _Context, index: int | None, start: int) -> DiffSide | None:
        if index is None:
            return None
        message, entry = context.items[start + index]
        return _side(self._store, start + index, message, entry)


def _side(store: Store, index: int | None, message: Message, entry: Entry) -> DiffSide:
    return DiffSide(
        index,
        entry.placed.hash.hex(),
        entry.shown.hash.hex(),
        entry.shown.content_type,
        entry.priority,
        0 if index is None else tokens_of(store, message, entry),
        _config(store, entry),
        message,
    )


def _config(store: Store, entry: Entry) -> Mapping[str, Any] | None:
    return None if entry.shown.config is None else states_of(store).config(entry.shown.config)


def _hex(commit: bytes | None) -> str | None:
    return None if commit is None else commit.hex()


def _common(olds: Sequence[_Item], news: Sequence[_Item]) -> tuple[int, int]:
    """Return how many messages are the same at the beginning and at the end."""
    shorter = min(len(olds), len(news))
    start = 0
    while start < shorter and _is_same(olds[start], news[start]):
        start += 1
    end = 0
    while end < shorter - start and _is_same(olds[-1 - end], news[-1 - end]):
        end += 1
    return start, end


def _is_same(old: _Item, new: _Item) -> bool:
    if old[1] is new[1] and old[0] is new[0]:
        return True
    a, b = old[1], new[1]
    is_same_entry = a.placed.id == b.placed.id and a.shown.id == b.shown.id and a.priority == b.priority
    return is_same_entry and old[0] == new[0]


def _named(items: Sequence[_Item]) -> list[Named]:
    """Name each message by its commit; a compiler may make several of one, so also by how many came before."""
    seen: dict[int, int] = {}
    named = []
    for message, entry in items:
        number = seen[entry.placed.id] = seen.get(entry.placed.id, -1) + 1
        named.append(Named((entry.placed.id, number), message))
    return named


def _reason(store: Store, entry: Entry, fields: Sequence[tuple[str, Any, Any]]) -> str | None:
    return annotation_reason(store, entry) if any(name == "priority" for name, _, _ in fields) else None


def annotation_reason(store: Store, entry: Entry) -> str | None:
    """Return the reason given for an entry's priority, or `None`."""
    if entry.annotated is None:
        return None
    content = commit_info(store, entry.annotated.hash).content_hash
    with store.reading() as database:
        data = None if content is None else read_blob(database, bytes.fromhex(content))
    reason: str | None = None if data is None else json.loads(data).get("reason")
    return reason


def _with_hidden_edit(store: Store, result: DiffResult, edit: Event) -> DiffResult:
    """Add the edit of a message that is not sent to a diff that shows nothing."""
    states = states_of(store)
    before = states.get(bytes.fromhex(result.before or "")).entry(edit.targets[0])
    after = states.get(edit.hash).entry(edit.targets[0])
    assert before is not None
    assert after is not None
    if after.is_visible or before.shown.message is None or after.shown.message is None:
        return result  # the same content again, or one that was erased
    old = _side(store, None, before.shown.message, before)
    new = _side(store, None, after.shown.message, after)
    change = MessageChange("changed", old, new, priority=(old.priority, new.priority), fields=field_changes(old, new))
    return replace(result, changes=(change,))
