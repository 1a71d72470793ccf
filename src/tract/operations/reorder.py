"""Reorder: let messages trade the places they hold among themselves, for good or for one compile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tract.compile.compiler import NO_MARKS, Compiler, Marks, compile_commit, compile_state
from tract.compile.context import CompiledContext
from tract.compile.fold import Event, State
from tract.compile.safety import SafetyWarning, order_warnings
from tract.errors import InvalidInputError, InvalidTargetError
from tract.history.info import commit_info
from tract.history.replies import replies
from tract.objects.commit import SHORT_HASH, CommitInfo
from tract.objects.refs import BRANCH_PREFIX
from tract.operations.chain import Chain, NewCommit
from tract.operations.choices import Choices
from tract.operations.copying import Copies
from tract.operations.expand import show_in_full
from tract.operations.moving import Move, MoveResult, Plan, Terms, carried_out
from tract.operations.prepare import encode_note
from tract.operations.revert import event_at
from tract.storage.writing import Tip
from tract.store import Store


@dataclass(frozen=True, slots=True, repr=False)
class ReorderResult(MoveResult):
    """What a reorder did, or would do while it waits.

    Attributes:
        commit: The commit written, `None` while it waits.
    """

    commit: CommitInfo | None = None

    def __repr__(self) -> str:
        return self._in_words(*(() if self.commit is None else (self.commit.short_hash,)))


def reorder(store: Store, commits: Sequence[bytes], terms: Terms, *, message: str | None = None) -> ReorderResult:
    """Let the messages of *commits* trade the places they hold among themselves; nothing else moves.

    Raises:
        InvalidInputError: A commit is named twice, or all stand in this order already.
        InvalidTargetError: One is not in the history of HEAD, or placed no message.
        SafetyError: It would break something that is neither allowed nor resolved.
        AbortedError: The resolver aborted.
        RefConflictError: What came in meanwhile would be broken as well.
    """
    seen = store.notice_erasures()
    branch, head = store.head_ref().removeprefix(BRANCH_PREFIX), store.head_hash()
    if not commits:
        raise InvalidInputError("There is nothing to reorder.", hint="Name the commits in the order they should have.")
    note = encode_note(message=message, metadata=None, reply_to=None)
    return carried_out(_Reorder(store, branch, head, tuple(commits), note, seen=seen), terms)


@dataclass(frozen=True)
class _Reorder(Move[ReorderResult]):
    """A reorder of the messages of *commits*; *note* is that of the commit to be."""

    verb = "reorder"

    commits: tuple[bytes, ...]
    note: bytes | None

    def copies(self, choices: Choices) -> Copies:  # noqa: ARG002 - there is nothing to leave out
        return self._on(None if self.head is None else self.store.tip(self.head))

    def _on(self, tip: Tip | None) -> Copies:
        chain, warnings = _planned(self.store, tip, self.commits, self.note)
        return Copies(chain, warnings=warnings)

    def write(self, plan: Plan[ReorderResult]) -> ReorderResult:
        store, copies = self.store, plan.copies
        store.pause("reorder")
        with store.operation("reorder", plan.noted(commits=[commit.hex() for commit in self.commits])) as operation:
            operation.require_nothing_erased(self.seen)
            # What was decided was decided about the order as it was.
            if operation.tip is None or plan.choices.decisions:
                operation.require_tip(self.head)
            elif operation.tip.hash != self.head:
                copies = self._on(operation.tip)
                if not plan.choices.admits(copies.warnings):
                    operation.require_tip(self.head)
            copies.chain.write(operation)
            assert operation.tip is not None
            info = commit_info(store, operation.tip.hash)
        return ReorderResult(info, head=info.hash, **plan.decided | {"warnings": tuple(copies.warnings)})

    def waiting(self, plan: Plan[ReorderResult]) -> ReorderResult:
        return ReorderResult(plan=plan, **plan.decided)


def _planned(
    store: Store, tip: Tip | None, commits: Sequence[bytes], note: bytes | None
) -> tuple[Chain, list[SafetyWarning]]:
    """Return the reorder commit to be, folded, and what it breaks."""
    chain = Chain(store, tip)
    targets = _targets(store, tip, commits)
    before = chain.state
    assert before is not None
    assert tip is not None
    chain.add(NewCommit("reorder", targets, note=note))
    assert chain.state is not None
    if [entry.placed.id for entry in before.order] == [entry.placed.id for entry in chain.state.order]:
        raise InvalidInputError(
            "The commits stand in this order already.", hint="Name them in the order they should have."
        )
    return chain, order_warnings(before.shown, chain.state.shown, replies(store, tip.hash))


def _targets(store: Store, tip: Tip | None, commits: Sequence[bytes]) -> tuple[Event, ...]:
    """Return the commits that placed the messages *commits* name: an edit names what it edited.

    Raises:
        InvalidInputError: One is named twice.
        InvalidTargetError: One is not in the history, or placed no message.
    """
    found: dict[int, Event] = {}
    for commit in commits:
        state, event = event_at(store, tip, commit)
        placed = _placed(state, event)
        if placed.id in found:
            raise InvalidInputError(
                f"The commit {placed.hash.hex()[:SHORT_HASH]} is named twice.", hint="Name each message once."
            )
        found[placed.id] = placed
    return tuple(found.values())


def _placed(state: State, event: Event) -> Event:
    original = state.original(event.id)
    entry = None if original is None else state.entry(original)
    if entry is None:
        raise InvalidTargetError(
            f"The commit {event.hash.hex()[:SHORT_HASH]} ({event.op}) placed no message.",
            target=event.hash.hex(),
            hint="Name the commit that added the message; `t.log()` shows it.",
        )
    return entry.placed


def compile_in_order(
    store: Store,
    commit: bytes | None,
    order: Sequence[bytes],
    *,
    expand: Sequence[bytes] = (),
    compiler: Compiler | None = None,
    marks: Marks = NO_MARKS,
    verify: bool = False,
) -> CompiledContext:
    """Return the context of *commit* as a reorder naming *order* would make it; writes nothing.

    The summaries *expand* names are shown in full, through every level. What the new order breaks is
    told in `warnings`; nothing blocks.

    Raises:
        InvalidInputError: A commit is named twice.
        InvalidTargetError: One is not in the history of *commit*, or placed no message.
    """
    is_plain = not order and not expand
    if verify or is_plain:
        plain = compile_commit(store, commit, compiler=compiler, marks=marks, verify=verify)
        if is_plain:
            return plain
    tip = None if commit is None else store.tip(commit)
    chain = Chain(store, tip)
    show_in_full(store, chain, expand)
    said: list[str] = []
    if order:
        targets = _targets(store, tip, order)
        assert commit is not None
        assert chain.state is not None
        before = chain.state.shown
        chain.add(NewCommit("reorder", targets))
        found = order_warnings(before, chain.state.shown, replies(store, commit))
        said = [one.message for one in found]
    if commit is None or chain.state is None:
        return compile_commit(store, commit)
    return compile_state(store, commit, chain.state, compiler=compiler, marks=marks, warnings=said)
