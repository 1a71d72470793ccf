"""Commits: append a content, edit one in place, annotate some. Each is one operation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel

from tract.compile.compiler import context_tokens, size_of, states_of
from tract.compile.fold import Entry, State
from tract.errors import InvalidInputError, InvalidTargetError, shown
from tract.history.info import derived_message
from tract.objects.commit import ORIGINS, PRIORITIES, SHORT_HASH, CommitInfo, from_microseconds
from tract.objects.config import GenerationConfig, encode_config
from tract.objects.content import ANNOTATION
from tract.objects.hashing import blob_hash, canonical_json
from tract.objects.policy import Event, note_policies
from tract.objects.refs import check_label
from tract.operations.budget import Sizes, announce, check_budget
from tract.operations.permit import RulesChangedError, policies_now
from tract.operations.prepare import Prepared, encode_note, encoded
from tract.storage import queries as q
from tract.storage.writing import Draft, Tip
from tract.store import Operation, Store

_TRIES: Final = 100

C = TypeVar("C", bound=BaseModel | None)


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a caller may say about a commit beside its content.

    Attributes:
        expected_head: Hash the branch must be at, or `None` for wherever it is.
        sent: Of a model's reply, what the model was sent; see `CommitInfo.sent`.
        is_derived: Whether the content was made of others, and must not outlive them if they are erased.
        policies: Names of the policies that changed what is committed.
    """

    message: str | None = None
    metadata: Mapping[str, Any] | None = None
    generation_config: GenerationConfig | Mapping[str, Any] | None = None
    origin: str | None = None
    author: str = ""
    reply_to: bytes | None = None
    expected_head: bytes | None = None
    sent: Mapping[str, Any] | None = None
    is_derived: bool = False
    policies: tuple[str, ...] = ()


def permitted(store: Store, verb: str, content: C, remarks: Remarks) -> tuple[C, Remarks]:
    """Return *content* and *remarks* as the policies in force let them be committed.

    Raises:
        PolicyDeniedError: A policy does not let them be.
    """
    policies_now(store)
    content, remarks, _ = _permitted(store, verb, (content, remarks))
    return content, remarks


def _permitted(
    store: Store, verb: str, said: tuple[C, Remarks], reason: str | None = None
) -> tuple[C, Remarks, str | None]:
    """Ask the policies this handle knows; whether they are in force is for the caller to find out."""
    content, remarks = said
    if store.policies is None or not store.policies.watches("before_commit"):
        return content, remarks, reason
    args: dict[str, Any] = {"message": remarks.message, "metadata": remarks.metadata, "author": remarks.author}
    asked = Event("before_commit", verb, content, {**args, "reason": reason})
    event = store.policies.before(asked)
    if event is asked:
        return content, remarks, reason
    args = {name: event.args[name] for name in args}
    return cast("C", event.content), replace(remarks, **args, policies=event.policies), event.args["reason"]


def append(store: Store, content: BaseModel, remarks: Remarks) -> CommitInfo:
    """Add *content* at the end of the current branch.

    If others committed meanwhile it lands after them, unless `expected_head` says otherwise.

    Raises:
        RefConflictError: The branch is not at `expected_head`.
        BudgetExceededError: The context would be over a budget that rejects.
        PolicyDeniedError: A policy does not let it be committed.
    """
    for _ in range(_TRIES):
        # Where none are in force the gate tells whether there are some by now, which saves a statement; a handle
        # that has not read any yet would find others there, and lose what it knows with the transaction.
        if store.policies is not None or store.rules is None:
            policies_now(store)
        rules = store.rules
        asked, told, _ = _permitted(store, "commit", (content, remarks))
        with suppress(RulesChangedError):
            return append_permitted(store, asked, told, rules=rules)
    return append_permitted(store, *permitted(store, "commit", content, remarks))


def append_permitted(store: Store, content: BaseModel, remarks: Remarks, *, rules: str | None = None) -> CommitInfo:
    """As `append`, of what policies have seen.

    Raises:
        RulesChangedError: Others are in force than when `Store.rules` was *rules*.
    """
    ready = encoded(store, content)
    shown = 0 if ready.priority == "skip" else ready.tokens
    plan = _on_branch(store, "append", ready, remarks)
    announce(store, lambda tip: after_append(store, tip, shown), may_compress=True)
    store.pause("commit")
    with store.operation("commit") as operation:
        if rules is not None and rules != store.rules:
            raise RulesChangedError
        return plan.write(operation, (), after_append(store, operation.tip, shown))


def after_append(store: Store, tip: Tip | None, tokens: int) -> Sizes:
    """Return the compiled size after appending *tokens* behind *tip*, in O(1) where the tip's is known."""
    before = 0 if tip is None else tip.context_tokens
    if tip is not None and (before is None or tip.counter_id != store.counter_id):
        before = size_of(states_of(store).get(tip.hash))
    if not before:
        return Sizes(context_tokens(tokens, is_empty=tokens == 0), 0)
    return Sizes(before + tokens, before)


def edit(store: Store, target: bytes, content: BaseModel, remarks: Remarks) -> CommitInfo:
    """Replace the content of *target* in place.

    Naming an edit means the commit it edited.

    Raises:
        InvalidTargetError: The target is not in the current history, or holds no content.
        PolicyDeniedError: A policy does not let it be committed.
    """
    content, remarks = permitted(store, "edit", content, remarks)
    ready = encoded(store, content)
    plan = _on_branch(store, "edit", ready, remarks)

    def after(tip: Tip | None) -> tuple[Entry, Sizes]:
        state, entry = _entry_at(store, tip, target, "edit")
        visible = entry.priority != "skip"
        return entry, _size_after(state, [(entry, ready.tokens if visible else None)])

    announce(store, lambda tip: after(tip)[1])
    store.pause("edit")
    with store.operation("edit") as operation:
        entry, sizes = after(operation.tip)
        return plan.write(operation, ((entry.placed.id, entry.placed.hash),), sizes)


def annotate(
    store: Store, targets: Sequence[bytes], priority: str, *, reason: str | None, remarks: Remarks, verb: str
) -> CommitInfo:
    """Set the priority of each of *targets*: `skip`, `normal` or `pinned`.

    Raises:
        InvalidInputError: An unknown priority, or no target.
        InvalidTargetError: A target is not in the current history, or holds no content.
    """
    if not (isinstance(priority, str) and priority in PRIORITIES):
        raise InvalidInputError(
            f"{shown(priority)} is no priority.", hint=f"Priorities are {', '.join(sorted(PRIORITIES))}."
        )
    if not targets:
        raise InvalidInputError("There is nothing to annotate.", hint="Name at least one commit.")
    if reason is not None and not isinstance(reason, str):
        raise InvalidInputError(f"`reason` is text, not `{type(reason).__name__}`.")
    policies_now(store)
    _, remarks, reason = _permitted(store, verb, (None, remarks), reason)
    fields = {"priority": priority, **({"reason": reason} if reason is not None else {})}
    ready = _annotation(fields)
    plan = _on_branch(store, "annotate", ready, remarks)

    def after(tip: Tip | None) -> tuple[list[Entry], Sizes]:
        pairs = [_entry_at(store, tip, target, "annotate") for target in targets]
        entries = list({entry.placed.id: entry for _, entry in pairs}.values())
        sizes = [None if priority == "skip" or e.shown.message is None else e.shown.tokens for e in entries]
        return entries, _size_after(pairs[0][0], list(zip(entries, sizes, strict=True)))

    announce(store, lambda tip: after(tip)[1])
    store.pause("annotate")
    with store.operation(verb) as operation:
        entries, sizes = after(operation.tip)
        return plan.write(operation, tuple((e.placed.id, e.placed.hash) for e in entries), sizes)


def _annotation(fields: Mapping[str, Any]) -> Prepared:
    payload = canonical_json(fields)
    return Prepared(ANNOTATION, payload, blob_hash(payload), fields, (), "developer", "normal", 0)


def _entry_at(store: Store, tip: Tip | None, target: bytes, verb: str) -> tuple[State, Entry]:
    """Return the state of *tip* and the entry in it that *target* stands for."""
    short = target.hex()[:SHORT_HASH]
    if tip is None:
        store.head_hash()  # refuses a branch that is gone
    row = store.one(q.TIP, hash=target)
    state = None if tip is None else states_of(store).get(tip.hash)
    if row is None or state is None or state.event(row[0]) is None:
        raise InvalidTargetError(
            f"The commit {short} is not in the history of HEAD.", target=target.hex(), hint="List it with `t.log()`."
        )
    original = state.original(row[0])
    entry = None if original is None else state.entry(original)
    if entry is None:
        event = state.event(row[0])
        assert event is not None
        raise InvalidTargetError(
            f"The commit {short} ({event.op}) holds no content to {verb}.",
            target=target.hex(),
            hint="Name the commit that added the content; `t.log()` shows it.",
        )
    return state, entry


def _size_after(state: State, changes: Sequence[tuple[Entry, int | None]]) -> Sizes:
    """Return the compiled size of *state* when each entry has the given tokens, or is hidden (`None`)."""
    tokens, shown = state.tokens, len(state.shown)
    for entry, after in changes:
        if entry.is_visible:
            tokens, shown = tokens - entry.shown.tokens, shown - 1
        is_hidden = bool(entry.covers) or entry.is_off
        if after is not None and not is_hidden:
            tokens, shown = tokens + after, shown + 1
    return Sizes(context_tokens(tokens, is_empty=not shown), size_of(state))


def _on_branch(store: Store, op: str, ready: Prepared, remarks: Remarks) -> Plan:
    plan = Plan(store, op, ready, remarks)
    store.head_ref()  # detached: say so, rather than that a target is not in the history of no branch
    return plan


class Plan:
    """A commit on its way: prepared, checked against the budget, then written."""

    def __init__(self, store: Store, op: str, ready: Prepared, remarks: Remarks, *, tools: bytes | None = None) -> None:
        check_label(remarks.author, "author")
        if remarks.origin is not None and not (isinstance(remarks.origin, str) and remarks.origin in ORIGINS):
            raise InvalidInputError(
                f"{shown(remarks.origin)} is no origin.", hint=f"Origins are {', '.join(sorted(ORIGINS))}."
            )
        self.store = store
        self.op = op
        self.ready = ready
        self.remarks = remarks
        self.config = None
        if remarks.generation_config is not None:
            self.config = encode_config(remarks.generation_config)
        self.note = encode_note(
            message=remarks.message, metadata=remarks.metadata, reply_to=remarks.reply_to, sent=remarks.sent
        )
        self.tools = tools

    def write(self, operation: Operation, targets: tuple[tuple[int, bytes], ...], sizes: Sizes) -> CommitInfo:
        """Write the commit on the current branch, if the budget lets it, and return what is known of it."""
        if self.remarks.expected_head is not None:
            operation.require_tip(self.remarks.expected_head)
        if self.remarks.is_derived:
            operation.require_nothing_erased()
        check_budget(self.store, sizes)
        note_policies(operation.args, self.remarks.policies)
        parent, draft = operation.tip, self.draft(targets, sizes)
        return self.info(draft, operation.commit(draft), parent)

    def draft(self, targets: tuple[tuple[int, bytes], ...], sizes: Sizes) -> Draft:
        """Return the commit to write, of now."""
        ready, remarks = self.ready, self.remarks
        return Draft(
            op=self.op,
            content_type=ready.content_type,
            payload=ready.payload,
            origin=remarks.origin or ready.origin,
            author=remarks.author,
            created_at=self.store.clock(),
            tokens=ready.tokens,
            context_tokens=sizes.after,
            targets=targets,
            config=self.config,
            note=self.note,
            content_hash=ready.content_hash,
            files=ready.files,
            tools=self.tools,
        )

    def _size(self, draft: Draft, written: Tip) -> int:
        """Return the compiled size after *draft*: counted again where it said what was gone before."""
        if written.context_tokens is not None:
            return draft.context_tokens
        return size_of(states_of(self.store).get(written.hash))

    def info(self, draft: Draft, written: Tip, parent: Tip | None) -> CommitInfo:
        """Return what is known of *draft*, once *written*."""
        targets = tuple([hash_.hex() for _, hash_ in draft.targets])
        remarks = self.remarks
        return CommitInfo(
            hash=written.hash.hex(),
            parents=() if parent is None else (parent.hash.hex(),),
            op=draft.op,  # type: ignore[arg-type]  # one of our own
            targets=targets,
            content_type=draft.content_type,
            content_hash=self.ready.content_hash.hex(),
            message=remarks.message or derived_message(draft.op, draft.content_type, self.ready.fields, targets),
            tokens=draft.tokens,
            context_tokens=self._size(draft, written),
            origin=draft.origin,  # type: ignore[arg-type]  # checked above
            author=draft.author,
            reply_to=None if remarks.reply_to is None else remarks.reply_to.hex(),
            created_at=from_microseconds(draft.created_at),
            generation=written.generation,
            metadata=dict(remarks.metadata or {}),
            generation_config=None if self.config is None else json.loads(self.config),
            sent=None if not remarks.sent else dict(remarks.sent),
        )
