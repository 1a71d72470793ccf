"""Answers what changed between two compiled contexts: messages first, then lines of their text.

Everything is a frozen value; `DiffResult.lines()` is the diff as text with a tag per line, for a
terminal to colour.
"""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from tract.compile.text import lines_of, stored_lines
from tract.objects.commit import SHORT_HASH
from tract.objects.message import Message

Kind: TypeAlias = Literal["added", "removed", "changed", "moved"]
LineTag: TypeAlias = Literal["message", "field", "hunk", "added", "removed", "context", "stat"]

_CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class DiffSide:
    """One message as one of the two contexts has it.

    Attributes:
        index: Its place among the messages, `None` if it is not sent.
        commit: Hash of the commit that placed it.
        shown: Hash of the commit whose content it shows: `commit`, or an edit of it.
        content_type: Type of that content.
        priority: `skip`, `normal` or `pinned`.
        tokens: What it takes in the context; 0 if it is not sent.
        generation_config: Settings it was generated with, or `None`.
        message: What is sent.
    """

    index: int | None
    commit: str
    shown: str
    content_type: str | None
    priority: str
    tokens: int
    generation_config: Mapping[str, Any] | None = field(repr=False)
    message: Message = field(repr=False)

    @property
    def role(self) -> str:
        """Role of the message."""
        return self.message.role


class FieldChange(NamedTuple):
    """A field that differs; `generation_config.temperature` names one setting. `None` for "not set"."""

    name: str
    before: Any
    after: Any

    def __repr__(self) -> str:
        return f"<FieldChange {self.name}>"


@dataclass(frozen=True, slots=True)
class MessageChange:
    """What happened to one message.

    Attributes:
        kind: `added`, `removed`, `changed`, or `moved` when nothing but its place is different.
        before: How it was, `None` if it was not in the context.
        after: How it is, `None` if it is not in the context.
        is_moved: Whether its place among the others is different.
        priority: Its priority before and after, also where skipping took it out of the context;
            `None` where its commit is not in the history.
        reason: Why its priority was changed, if the caller said so.
        fields: Role, content type, priority, name, settings and so on that differ.
    """

    kind: Kind
    before: DiffSide | None
    after: DiffSide | None
    is_moved: bool = False
    priority: tuple[str | None, str | None] = (None, None)
    reason: str | None = None
    fields: tuple[FieldChange, ...] = ()

    @property
    def side(self) -> DiffSide:
        """How the message is, or was if it is gone."""
        side = self.after or self.before
        assert side is not None
        return side

    @property
    def token_delta(self) -> int:
        """Tokens it takes now less those it took."""
        return (self.after.tokens if self.after else 0) - (self.before.tokens if self.before else 0)

    def line_changes(self, context: int = _CONTEXT_LINES) -> list[tuple[LineTag, str]]:
        """Return the unified diff of its readable text, *context* equal lines around each change.

        Where two contents read the same and differ all the same, their stored forms are compared.
        """
        if self.kind == "moved":
            return []
        old = None if self.before is None else self.before.message
        new = None if self.after is None else self.after.message
        return _unified(*_texts(old, new), context)

    def headline(self) -> str:
        """Return one line: what happened to which message, and its tokens."""
        side = self.side
        places = [str(s.index) for s in (self.before, self.after) if s is not None and s.index is not None]
        where = "not sent" if not places else "message " + " -> ".join(dict.fromkeys(places))
        kind = f"{self.kind} and moved" if self.is_moved and self.kind != "moved" else self.kind
        if self.after is None and self.priority[1] == "skip":
            kind = "removed (skipped)"
        return f"{kind}: {where}, {side.role}, {side.commit[:SHORT_HASH]}, {self.token_delta:+} tokens"

    def __repr__(self) -> str:
        return f"<MessageChange {self.kind} {self.side.commit[:SHORT_HASH]} tokens={self.token_delta:+}>"


@dataclass(frozen=True, slots=True)
class DiffStat:
    """A diff in numbers: messages added, removed, changed (moved ones included), and tokens."""

    added: int
    removed: int
    changed: int
    token_delta: int

    def __str__(self) -> str:
        return f"{self.added} added, {self.removed} removed, {self.changed} changed, {self.token_delta:+} tokens"


@dataclass(frozen=True, slots=True)
class DiffResult:
    """What is different in `after` compared with `before`.

    Attributes:
        before: Hash of the commit compared with, `None` for an empty context.
        after: Hash of the commit looked at, `None` for an empty context.
        changes: What happened to each message that is not the same, in the order of the later context.
        unchanged: How many messages are the same.
        tokens: Size of the two contexts by the tokenizer, reply priming included.
        priming_delta: The part of `token_delta` no message accounts for: the tokens a provider adds
            once per request, where one of the contexts is empty.
    """

    before: str | None
    after: str | None
    changes: tuple[MessageChange, ...] = field(repr=False)
    unchanged: int
    tokens: tuple[int, int]
    priming_delta: int = 0

    @property
    def token_delta(self) -> int:
        """Size after less size before: the sum over `changes`, plus `priming_delta`."""
        return self.tokens[1] - self.tokens[0]

    @property
    def stat(self) -> DiffStat:
        """The numbers."""
        kinds = [change.kind for change in self.changes]
        added, removed = kinds.count("added"), kinds.count("removed")
        return DiffStat(added, removed, len(kinds) - added - removed, self.token_delta)

    def lines(self, context: int = _CONTEXT_LINES) -> Iterator[tuple[LineTag, str]]:
        """Yield the diff as text, line by line, each with a tag: nothing if nothing changed.

        The text holds stored content: make control characters visible before printing it.
        """
        for change in self.changes:
            yield "message", change.headline()
            for name, before, after in change.fields:
                yield "field", f"  {name}: {_value(before)} -> {_value(after)}"
            if change.reason is not None:
                yield "field", f"  reason: {_one_line(change.reason)}"
            yield from change.line_changes(context)
        if self.changes:
            yield "stat", str(self.stat)

    def __len__(self) -> int:
        return len(self.changes)

    def __str__(self) -> str:
        return "\n".join(text for _, text in self.lines())

    def __repr__(self) -> str:
        before, after = (("empty" if side is None else side[:SHORT_HASH]) for side in (self.before, self.after))
        return f"<DiffResult {before}..{after} {self.stat}>"

    def _repr_html_(self) -> str:
        rows = "".join(f'<div class="tract-{tag}">{html.escape(text)}</div>' for tag, text in self.lines())
        return f"<pre><b>{html.escape(repr(self))}</b>{rows}</pre>"


def field_changes(before: DiffSide, after: DiffSide) -> tuple[FieldChange, ...]:
    """Return the fields beside the text that differ."""
    old, new = before.message, after.message
    pairs: list[tuple[str, Any, Any]] = [
        ("role", old.role, new.role),
        ("content_type", before.content_type, after.content_type),
        ("priority", before.priority, after.priority),
        ("name", old.name, new.name),
        ("call_id", old.call_id, new.call_id),
        ("is_error", old.is_error, new.is_error),
        ("extra", old.extra, new.extra),
    ]
    settings, changed = before.generation_config or {}, after.generation_config or {}
    names = sorted({*settings, *changed})
    pairs += [(f"generation_config.{name}", settings.get(name), changed.get(name)) for name in names]
    return tuple(FieldChange(*pair) for pair in pairs if pair[1] != pair[2])


def _texts(old: Message | None, new: Message | None) -> tuple[Sequence[str], Sequence[str]]:
    before = [] if old is None else lines_of(old)
    after = [] if new is None else lines_of(new)
    if old is not None and new is not None and before == after and old.parts != new.parts:
        return stored_lines(old), stored_lines(new)
    return before, after


def _unified(before: Sequence[str], after: Sequence[str], context: int) -> list[tuple[LineTag, str]]:
    tags: Mapping[str, LineTag] = {"@": "hunk", "+": "added", "-": "removed"}
    diff = list(difflib.unified_diff(before, after, lineterm="", n=context))[2:]
    return [(tags.get(line[0], "context"), line) for line in diff]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _value(value: Any) -> str:
    return "-" if value is None else _one_line(str(value))
