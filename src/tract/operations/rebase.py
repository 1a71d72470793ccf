"""Rebase: what only the current branch has, made again on top of another commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tract.compile.compiler import size_of, states_of
from tract.compile.fold import State
from tract.compile.safety import SafetyWarning, order_warnings
from tract.history.ancestry import Place, contains
from tract.history.lanes import reach_of
from tract.history.replies import replies
from tract.objects.refs import BRANCH_PREFIX, ORIG_HEAD
from tract.operations.budget import Sizes, announce, check_budget
from tract.operations.choices import Choices, Issue
from tract.operations.copying import Copies, copy_commits, duplicates, only_in
from tract.operations.moving import Move, MoveResult, Plan, Terms, carried_out, planned
from tract.operations.review import Review, copied_by, visible_in
from tract.store import Store


@dataclass(frozen=True, slots=True, repr=False)
class RebaseResult(MoveResult):
    """What a rebase did, or would do while it waits.

    Attributes:
        kind: `rebased`; `fast_forward`: there was nothing of our own, so the branch just moved;
            `up_to_date`: the branch stands on it already, so nothing was done; `waiting`.
        onto: Hash of the commit it stands on.
        mapping: The hash of the new commit for each old one, in order; empty while it waits.
    """

    kind: Literal["rebased", "fast_forward", "up_to_date", "waiting"]
    onto: str
    mapping: Mapping[str, str]

    def __repr__(self) -> str:
        kind = () if self.is_waiting else (self.kind,)
        return self._in_words(*kind, f"commits={len(self.mapping)}")


def rebase(store: Store, onto: bytes, terms: Terms) -> RebaseResult:
    """Make what only the current branch has again on top of *onto*, and move the branch there.

    Edits, annotations, compressions, reorders, reverts and replies follow what they name. Merges are
    laid out flat: what they brought is copied in the order in which it is compiled. The old tip stays
    as `ORIG_HEAD`.

    Raises:
        MissingTargetError: A commit acts on one that is not there, and nobody may decide.
        SafetyError: It would break something that is neither allowed nor resolved.
        AbortedError: The resolver aborted.
        RefConflictError: The branch moved while the call was on its way.
    """
    seen = store.notice_erasures()
    branch, head, base = store.head_ref().removeprefix(BRANCH_PREFIX), store.head_hash(), store.tip(onto)
    if head is not None and contains(reach_of(store, head), Place(base.lane_id, base.generation)):
        return RebaseResult("up_to_date", onto.hex(), {}, head=head.hex())
    return carried_out(_Rebase(store, branch, head, onto, seen=seen), terms)


def rebase_issues(store: Store, onto: bytes) -> tuple[Issue, ...]:
    """Return what would have to be decided about a rebase onto *onto*; nothing is written."""
    seen = store.notice_erasures()
    branch, head = store.head_ref().removeprefix(BRANCH_PREFIX), store.head_hash()
    move = _Rebase(store, branch, head, onto, seen=seen)
    return planned(move, Choices(move.verb, frozenset())).choices.issues


@dataclass(frozen=True)
class _Rebase(Move[RebaseResult]):
    """A rebase onto the commit *onto*."""

    verb = "rebase"

    onto: bytes

    @property
    def source(self) -> State | None:
        """The fold of the branch as it is."""
        return None if self.head is None else states_of(self.store).get(self.head)

    def copies(self, choices: Choices) -> Copies:
        store, source = self.store, self.source
        events = [] if self.head is None else only_in(store, self.head, self.onto)
        reply_to = replies(store, self.onto)
        if self.head is not None:
            reply_to |= replies(store, self.head)
        copies = copy_commits(store, store.tip(self.onto), events, reply_to=reply_to, choices=choices)
        if source is not None:
            copies.warnings += _warnings(store, source, copies, onto=self.onto, reply_to=reply_to)
        return copies

    def review(self, copies: Copies) -> Review:
        return Review(copied_by(copies), visible_in(states_of(self.store).get(self.onto), without=self.source))

    def write(self, plan: Plan[RebaseResult]) -> RebaseResult:
        store, chain, source = self.store, plan.copies.chain, self.source
        sizes = Sizes(chain.sizes.after, 0 if source is None else size_of(source))
        announce(store, lambda _: sizes)
        store.pause("rebase")
        with store.operation("rebase", plan.noted(onto=self.onto.hex())) as operation:
            operation.require_nothing_erased(self.seen)
            operation.require_tip(self.head)
            check_budget(store, sizes)
            if operation.tip is not None:
                operation.move(ORIG_HEAD, operation.find(ORIG_HEAD), operation.tip)
            if len(chain):
                mapping = plan.copies.mapping(chain.write(operation))
            else:
                mapping = {}
                operation.move(store.head_ref(), operation.tip, store.tip(self.onto))
            assert operation.tip is not None
            head = operation.tip.hash.hex()
        has_own = bool(mapping or plan.copies.skipped)
        kind: Literal["rebased", "fast_forward"] = "rebased" if has_own else "fast_forward"
        return RebaseResult(kind, self.onto.hex(), mapping, head=head, **plan.decided)

    def waiting(self, plan: Plan[RebaseResult]) -> RebaseResult:
        return RebaseResult("waiting", self.onto.hex(), {}, plan=plan, **plan.decided)


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
