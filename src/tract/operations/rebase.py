"""Rebase: what only the current branch has, made again on top of another commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tract.compile.compiler import size_of, states_of
from tract.compile.fold import Event, State
from tract.compile.safety import SafetyWarning, order_warnings
from tract.history.ancestry import Place, contains
from tract.history.lanes import reach_of
from tract.history.replies import replies
from tract.objects.decision import Resolver
from tract.objects.refs import ORIG_HEAD
from tract.operations.budget import Sizes, announce, check_budget
from tract.operations.choices import Choices
from tract.operations.copying import Copies, copy_commits, duplicates
from tract.store import Store


@dataclass(frozen=True, slots=True)
class RebaseResult:
    """What a rebase did.

    Attributes:
        kind: `rebased`; `fast_forward`: there was nothing of our own, so the branch just moved;
            `up_to_date`: the branch stands on it already, so nothing was done.
        head: Hash of the tip of the branch now.
        onto: Hash of the commit it stands on.
        mapping: The hash of the new commit for each old one, in order.
        skipped: Hashes of old commits that were left out.
        warnings: What was broken that was allowed or resolved.
    """

    kind: Literal["rebased", "fast_forward", "up_to_date"]
    head: str
    onto: str
    mapping: Mapping[str, str]
    skipped: tuple[str, ...] = ()
    warnings: tuple[SafetyWarning, ...] = ()

    def __repr__(self) -> str:
        return f"<RebaseResult {self.kind} commits={len(self.mapping)} skipped={len(self.skipped)}>"


def rebase(
    store: Store, onto: bytes, *, allow: Iterable[str] | str = (), resolver: Resolver | None = None
) -> RebaseResult:
    """Make what only the current branch has again on top of *onto*, and move the branch there.

    Edits, annotations, compressions, reorders, reverts and replies follow what they name. Merges are
    laid out flat: what they brought is copied in the order in which it is compiled. The old tip stays
    as `ORIG_HEAD`.

    Raises:
        MissingTargetError: A commit acts on one that is not there, and there is no resolver.
        SafetyError: It would break something that is neither allowed nor resolved.
        AbortedError: The resolver aborted.
        RefConflictError: The branch moved while the call was on its way.
    """
    ref, head, base = store.head_ref(), store.head_hash(), store.tip(onto)
    choices = Choices("rebase", allow, resolver)
    place = Place(base.lane_id, base.generation)
    if head is not None and contains(reach_of(store, head), place):
        return RebaseResult("up_to_date", head.hex(), onto.hex(), {})
    source = None if head is None else states_of(store).get(head)
    events = [] if source is None else _own(store, source, onto)
    copies = _settled(store, source, events, onto=onto, choices=choices)
    sizes = Sizes(copies.chain.sizes.after, 0 if source is None else size_of(source))
    announce(store, lambda _: sizes)
    store.pause("rebase")
    with store.operation("rebase", {"onto": onto.hex()}) as operation:
        operation.require_tip(head)
        check_budget(store, sizes)
        if operation.tip is not None:
            operation.move(ORIG_HEAD, operation.find(ORIG_HEAD), operation.tip)
        if len(copies.chain):
            mapping = copies.mapping(copies.chain.write(operation))
        else:
            mapping = {}
            operation.move(ref, operation.tip, base)
        assert operation.tip is not None
        tip = operation.tip.hash.hex()
    return RebaseResult(
        "rebased" if events else "fast_forward",
        tip,
        onto.hex(),
        mapping,
        tuple([commit.hex() for commit in copies.skipped]),
        tuple(copies.warnings),
    )


def _own(store: Store, source: State, onto: bytes) -> list[Event]:
    """Return the commits of *source* that *onto* has not, in linear order."""
    theirs = reach_of(store, onto)
    return [
        event
        for event in source.events
        if event.op != "merge" and not contains(theirs, Place(event.lane, event.generation))
    ]


def _settled(store: Store, source: State | None, events: Sequence[Event], *, onto: bytes, choices: Choices) -> Copies:
    """Return *events* copied onto *onto*, with everything that has to be decided decided."""
    reply_to = replies(store, onto)
    if source is not None and source.head is not None:
        reply_to |= replies(store, source.head.hash)
    parent = store.tip(onto)
    while True:
        copies = copy_commits(store, parent, events, reply_to=reply_to, choices=choices)
        if source is not None:
            copies.warnings += _warnings(store, source, copies, onto=onto, reply_to=reply_to)
        if choices.settle(copies.warnings, copies.made):
            return copies


def _warnings(
    store: Store, source: State, copies: Copies, *, onto: bytes, reply_to: Mapping[bytes, bytes]
) -> list[SafetyWarning]:
    """Return what is whole on both branches and would not be after the rebase."""
    there = states_of(store).get(onto)
    state = copies.chain.state
    assert state is not None
    new = [entry for entry in there.shown if source.entry(entry.placed.id) is None]
    return [
        *order_warnings(source.shown, state.shown, reply_to, onto=there.shown),
        *duplicates(new, copies.made.items(), state),
    ]
