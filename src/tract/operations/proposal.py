"""Answers what waits for a decision: drafts of an operation, kept in the store until approved or rejected.

What carries a proposal out is a function its kind names, so a policy can propose whatever has a verb.
A row never changes but for its state; an edit adds a revision. So undo puts back states and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast

from tract.errors import CorruptObjectError, InvalidInputError, ProposalDecidedError, ProposalNotFoundError
from tract.objects.commit import SHORT_HASH, from_microseconds
from tract.objects.content import SummaryContent
from tract.objects.hashing import blob_hash, canonical_json
from tract.operations.prepare import allowed
from tract.storage import proposals as q
from tract.storage.proposals import ProposalRow
from tract.storage.writing import Tip
from tract.store import Operation, Store

ProposalState: TypeAlias = Literal["open", "approved", "rejected"]

_LARGEST: Final = 2**53


@dataclass(frozen=True, slots=True)
class ProposalKind:
    """What can be proposed, and what becomes of it.

    Attributes:
        name: Name of the verb it is for.
        check: Called with the store and a proposal whose drafts were edited; raises if they cannot be used.
        carry_out: Does what was proposed, in one operation that also calls `mark`; returns the verb's result.
    """

    name: str
    check: Callable[[Store, Proposal], None]
    carry_out: Callable[[Store, Proposal], Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something that was worked out and waits for a yes: `approve`, `reject`, or `edit` its drafts first.

    Attributes:
        number: What names it in its tract.
        kind: The verb it is for, such as `compress`.
        head: Hash of the commit it was made on.
        branch: The branch it is for.
        drafts: The texts it would write; these can be edited.
        state: `open`, `approved` or `rejected`.
        created_at: When this revision was kept, UTC.
        payload: Everything it needs to be carried out, as JSON values.
        revision: Counts edits.
    """

    number: int
    kind: str
    head: str
    branch: str
    drafts: tuple[str, ...] = field(repr=False)
    state: ProposalState
    created_at: datetime
    payload: Mapping[str, Any] = field(repr=False)
    revision: int = field(repr=False)
    _store: Store = field(repr=False, compare=False)
    _acts: ProposalKind = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Proposal {self.number} {self.kind} {self.head[:SHORT_HASH]} {self.state} drafts={len(self.drafts)}>"

    @property
    def preview(self) -> str:
        """What it would write, as text for people."""
        return "\n\n".join(self.drafts)

    def approve(self) -> Any:
        """Carry it out, in one operation; what was committed meanwhile stays after it.

        Returns:
            What the verb returns.

        Raises:
            ProposalDecidedError: It was decided or edited already.
            ProposalStaleError: What it is for has changed.
        """
        _require_open(self.number, self.state)
        return self._acts.carry_out(self._store, self)

    def reject(self) -> Proposal:
        """Drop it; nothing is written but that.

        Raises:
            ProposalDecidedError: It was decided or edited already.
        """
        return _reject(self._store, self, self._acts)

    def edit(self, drafts: str | Sequence[str]) -> Proposal:
        """Replace the drafts: as many texts as there are, or one text where there is one.

        Returns:
            The proposal as it is now; this one can be decided no more.

        Raises:
            InvalidInputError: Another number of drafts, or one that says nothing.
            ProposalDecidedError: It was decided or edited already.
            PolicyDeniedError: A policy does not let it be kept.
        """
        return _edit(self._store, self, self._acts, drafts)


def _reject(store: Store, proposal: Proposal, kind: ProposalKind) -> Proposal:
    _require_open(proposal.number, proposal.state)
    store.pause("proposal-reject")
    with store.operation("proposal-reject", {"number": proposal.number}) as operation:
        mark(operation, proposal, "rejected")
        return find_proposal(store, proposal.number, [kind])


def _edit(store: Store, proposal: Proposal, kind: ProposalKind, drafts: str | Sequence[str]) -> Proposal:
    _require_open(proposal.number, proposal.state)
    texts = _permitted(store, proposal.payload, _texts(drafts, len(proposal.drafts)), "proposal-edit")
    payload = {**proposal.payload, "drafts": texts}
    values = _values(proposal.kind, payload)
    kind.check(store, replace(proposal, drafts=tuple(texts), payload=payload))
    head = store.tip(bytes.fromhex(proposal.head))
    store.pause("proposal-edit")
    with store.operation("proposal-edit", {"number": proposal.number}) as operation:
        mark(operation, proposal, "replaced")
        _add(operation, proposal.number, head, values)
        return find_proposal(store, proposal.number, [kind])


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is to be kept until somebody decides.

    Attributes:
        kind: What it is.
        head: The commit it was made on.
        payload: What it needs to be carried out: `branch`, `drafts`, and `groups` with the `entries` they tell of.
        seen: What `Store.erasures` was before what it is made of was read.
    """

    kind: ProposalKind
    head: Tip
    payload: Mapping[str, Any] = field(repr=False)
    seen: str | None = None


def sources_of(payload: Mapping[str, Any]) -> set[str]:
    """Return the hashes of the commits the drafts of a proposal tell of."""
    return {commit for group in payload.get("groups", ()) for entry in group["entries"] for commit in entry}


def propose(store: Store, proposed: Proposed, *, holds: Callable[[bytes], bool]) -> Proposal:
    """Keep what is *proposed*; *holds* tells whether it would be the same, made on the commit of a hash.

    Raises:
        RefConflictError: What it is for has changed meanwhile.
        ErasedMeanwhileError: Something was erased meanwhile.
        PolicyDeniedError: A policy does not let a draft be kept.
    """
    kind, head, payload = proposed.kind, proposed.head, proposed.payload
    values = _values(kind.name, {**payload, "drafts": _permitted(store, payload, payload["drafts"], "propose")})
    store.pause("propose")
    with store.operation("propose", {"kind": kind.name}) as operation:
        operation.require_nothing_erased(proposed.seen)
        tip = operation.tip
        if tip is None or (tip.hash != head.hash and not holds(tip.hash)):
            operation.require_tip(head.hash)
        number = (_last(store)[0] or 0) + 1
        _add(operation, number, head, values)
        return find_proposal(store, number, [kind])


def _permitted(store: Store, payload: Mapping[str, Any], drafts: Sequence[str], verb: str) -> list[str]:
    """Return *drafts* as the policies in force let them be committed: what they keep out is not kept here either."""
    if store.policies is None or not sources_of(payload):
        return list(drafts)
    contents = [store.types.parse(SummaryContent.content_type, {"text": text}) for text in drafts]
    kept = [allowed(store, content, verb) for content in contents]
    return [one.text if isinstance(one, SummaryContent) else text for one, text in zip(kept, drafts, strict=True)]


def find_proposal(store: Store, number: int, kinds: Sequence[ProposalKind]) -> Proposal:
    """Return the proposal *number*.

    Raises:
        InvalidInputError: The number is none.
        ProposalNotFoundError: There is none.
        CorruptObjectError: It is damaged.
    """
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < _LARGEST:
        raise InvalidInputError("A proposal is named by its number.", hint="Look at `t.proposals` for what exists.")
    row = store.one(q.PROPOSAL, tract_id=store.tract_id, number=number)
    if row is None:
        raise ProposalNotFoundError(number)
    return _read(store, ProposalRow(*row), kinds)


def all_proposals(store: Store, kinds: Sequence[ProposalKind]) -> list[Proposal]:
    """Return every proposal of the tract, decided ones too, the oldest first."""
    return [_read(store, ProposalRow(*row), kinds) for row in store.all(q.PROPOSALS, tract_id=store.tract_id)]


def mark(operation: Operation, proposal: Proposal, state: str) -> None:
    """Change the state of *proposal*, which must still be open and not edited; *operation* notes it for undo.

    Raises:
        ProposalDecidedError: It is not.
    """
    found = _state(operation.store, proposal.number, proposal.revision)
    _require_open(proposal.number, "withdrawn" if found is None else found)
    _note(operation, (proposal.number, proposal.revision), "open", state)
    put_state(operation, proposal.number, proposal.revision, state)


def put_state(operation: Operation, number: int, revision: int, state: str) -> None:
    """Put one revision of a proposal in *state*."""
    place = {"in_tract": operation.store.tract_id, "of_number": number, "of_revision": revision}
    operation.put(q.SET_STATE, **place, state=state)


def _require_open(number: int, state: str) -> None:
    if state != "open":
        raise ProposalDecidedError(number, state)


def _state(store: Store, number: int, revision: int) -> str | None:
    row = store.one(q.STATE, tract_id=store.tract_id, number=number, revision=revision)
    return None if row is None else row[0]


def _last(store: Store) -> tuple[int | None, int | None]:
    row = store.one(q.LAST, tract_id=store.tract_id)
    assert row is not None  # an aggregate always gives a row
    return row[0], row[1]


def _add(operation: Operation, number: int, head: Tip, values: Mapping[str, Any]) -> None:
    store = operation.store
    revision = (_last(store)[1] or 0) + 1
    place = {"tract_id": store.tract_id, "number": number, "revision": revision, "head_id": head.id}
    operation.put(q.ADD, **place, **values, created_at=operation.now, state="open")
    _note(operation, (number, revision), "withdrawn", "open")


def _note(operation: Operation, place: tuple[int, int], before: str, after: str) -> None:
    # A list, because a batch may decide several.
    operation.args.setdefault("proposals", []).append([*place, before, after])


def _values(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that hold *payload*, before anything is locked.

    Raises:
        NotCanonicalError: A value has no JSON form.
    """
    data = canonical_json(dict(payload))
    return {"kind": kind, "payload": data.decode(), "hash": blob_hash(data)}


def _read(store: Store, row: ProposalRow, kinds: Sequence[ProposalKind]) -> Proposal:
    data = row.payload.encode()
    acts = next((kind for kind in kinds if kind.name == row.kind), None)
    if blob_hash(data) != row.hash or acts is None:
        raise CorruptObjectError("proposal", str(row.number), "it does not match its hash, or has an unknown kind")
    payload = json.loads(data)
    return Proposal(
        row.number,
        row.kind,
        row.head.hex(),
        payload["branch"],
        tuple(payload["drafts"]),
        cast("ProposalState", row.state),
        from_microseconds(row.created_at),
        payload,
        row.revision,
        store,
        acts,
    )


def _texts(drafts: object, count: int) -> list[str]:
    texts = [drafts] if isinstance(drafts, str) else list(drafts) if isinstance(drafts, Sequence) else []
    if len(texts) != count or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InvalidInputError(
            f"The proposal has {count} draft{'' if count == 1 else 's'}; give a text for each.",
            hint="Change a copy of `proposal.drafts`, or drop the proposal with `t.proposals.reject(number)`.",
        )
    return texts
