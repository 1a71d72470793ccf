"""Cherry-pick: commits made elsewhere, made again on the current branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tract.compile.compiler import states_of
from tract.compile.fold import Event, State
from tract.compile.safety import (
    SafetyWarning,
    answers,
    instruction_warning,
    inverted_replies,
    reply_warnings,
    split_exchanges,
    split_warnings,
)
from tract.errors import InvalidInputError, InvalidTargetError
from tract.history.ancestry import Place, contains
from tract.history.lanes import reach_of
from tract.history.replies import replies
from tract.objects.commit import SHORT_HASH
from tract.objects.refs import BRANCH_PREFIX
from tract.operations.budget import announce, check_budget
from tract.operations.choices import Choices
from tract.operations.copying import Copies, copy_commits, duplicates
from tract.operations.moving import Move, MoveResult, Plan, Terms, carried_out
from tract.operations.review import Review, copied_by, visible_in
from tract.storage.writing import Tip
from tract.store import Store


@dataclass(frozen=True, slots=True, repr=False)
class CherryPickResult(MoveResult):
    """What a cherry-pick did, or would do while it waits.

    Attributes:
        mapping: The hash of the new commit for each picked one; empty while it waits.
        commits: Hashes of the new commits, in order.
        added: Hashes of results picked because their call was.
    """

    mapping: Mapping[str, str]
    commits: tuple[str, ...]
    added: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return self._in_words(f"commits={len(self.commits)}")


def cherry_pick(store: Store, commits: Sequence[bytes], terms: Terms) -> CherryPickResult:
    """Make *commits* again, in this order, at the end of the current branch.

    Edits, annotations, compressions, reorders and reverts act on the new commits where what they act
    on is picked too, else on the same commits if they are in the history of HEAD. A tool call takes
    its results with it.

    Raises:
        InvalidInputError: A commit is named twice, or none is.
        InvalidTargetError: One is a merge.
        MissingTargetError: One acts on a commit that is not here, and nobody may decide.
        SafetyError: It would break something that is neither allowed nor resolved.
        AbortedError: The resolver aborted.
        RefConflictError: The branch moved while the call was on its way.
    """
    seen = store.notice_erasures()
    branch, head = store.head_ref().removeprefix(BRANCH_PREFIX), store.head_hash()
    events, added = _picked(store, commits)
    pick = _CherryPick(store, branch, head, tuple(events.values()), tuple(added), seen=seen)
    return carried_out(pick, terms)


@dataclass(frozen=True)
class _CherryPick(Move[CherryPickResult]):
    """A cherry-pick.

    Attributes:
        events: What to make again, results of tool calls included.
        added: Hashes of those results that nobody named.
    """

    verb = "cherry_pick"

    events: tuple[Event, ...]
    added: tuple[bytes, ...]

    def copies(self, choices: Choices) -> Copies:
        parent = None if self.head is None else self.store.tip(self.head)
        reply_to = _replies(self.store, self.events, self.head)
        copies = copy_commits(self.store, parent, self.events, reply_to=reply_to, choices=choices)
        copies.warnings += _warnings(self.store, parent, copies, events=self.events, reply_to=reply_to)
        return copies

    def review(self, copies: Copies) -> Review:
        return Review(() if self.head is None else visible_in(states_of(self.store).get(self.head)), copied_by(copies))

    def write(self, plan: Plan[CherryPickResult]) -> CherryPickResult:
        store, chain = self.store, plan.copies.chain
        announce(store, lambda _: chain.sizes)
        store.pause("cherry-pick")
        args = plan.noted(commits=[event.hash.hex() for event in self.events])
        with store.operation("cherry-pick", args) as operation:
            operation.require_nothing_erased(self.seen)
            operation.require_tip(self.head)
            check_budget(store, chain.sizes)
            mapping = plan.copies.mapping(chain.write(operation))
            head = None if operation.tip is None else operation.tip.hash.hex()
        return CherryPickResult(mapping, tuple(mapping.values()), self._added(plan.copies), head=head, **plan.decided)

    def waiting(self, plan: Plan[CherryPickResult]) -> CherryPickResult:
        return CherryPickResult({}, (), self._added(plan.copies), plan=plan, **plan.decided)

    def _added(self, copies: Copies) -> tuple[str, ...]:
        return tuple([commit.hex() for commit in self.added if commit in copies.made])


def _picked(store: Store, commits: Sequence[bytes]) -> tuple[dict[int, Event], list[bytes]]:
    """Return the events to copy, in order, and the hashes of the results added to their calls."""
    if not commits:
        raise InvalidInputError("There is nothing to pick.", hint="Name at least one commit.")
    named: dict[int, Event] = {}
    for commit in commits:
        event = states_of(store).get(commit).head
        assert event is not None
        if event.id in named:
            raise InvalidInputError(f"The commit {commit.hex()[:SHORT_HASH]} is named twice.", hint="Name it once.")
        if event.op == "merge":
            raise InvalidTargetError(
                f"The commit {commit.hex()[:SHORT_HASH]} (merge) holds nothing to pick.",
                target=commit.hex(),
                hint="Name what it brought, as the range `MERGE^1..MERGE`.",
            )
        named[event.id] = event
    picked: dict[int, Event] = {}
    added: list[bytes] = []
    for event in named.values():
        picked[event.id] = event
        for result in _results(store, event):
            if result.id not in named and result.id not in picked:
                picked[result.id] = result
                added.append(result.hash)
    return picked, added


def _results(store: Store, call: Event) -> list[Event]:
    """Return the results that follow the calls of *call*, on the branch that answers most of them."""
    if call.op != "append" or call.message is None or not call.message.tool_calls:
        return []
    wanted = {part.id for part in call.message.tool_calls}
    return max((_following(state, call, wanted) for state in _states_with(store, call)), key=len, default=[])


def _following(state: State, call: Event, wanted: set[str]) -> list[Event]:
    place = state.position(call.id)
    assert place is not None
    left: set[str | None] = set(wanted)
    found: list[Event] = []
    for event in state.events[place + 1 :]:
        if event.op != "append" or event.message is None:
            continue
        answered = left.intersection(answers(event.message))
        if not answered and not answers(event.message):
            break
        if answered:
            found.append(event)
            left -= answered
    return found


def _states_with(store: Store, event: Event) -> Iterator[State]:
    """Yield the state of each branch whose history holds *event*, the current branch first."""
    branches = store.refs(BRANCH_PREFIX)
    place = Place(event.lane, event.generation)
    for name in sorted(branches, key=lambda name: (name != store.head.branch, name)):
        if contains(reach_of(store, branches[name]), place):
            yield states_of(store).get(branches[name])


def _replies(store: Store, events: Sequence[Event], head: bytes | None) -> dict[bytes, bytes]:
    """Return what the picked commits, and those of the history of *head*, answer."""
    found = {} if head is None else replies(store, head)
    for event in events:
        if event.hash not in found:
            found |= replies(store, event.hash)
    return found


def _warnings(
    store: Store, parent: Tip | None, copies: Copies, *, events: Sequence[Event], reply_to: Mapping[bytes, bytes]
) -> list[SafetyWarning]:
    """Return what the picked commits break."""
    before = None if parent is None else states_of(store).get(parent.hash)
    state = copies.chain.state
    if state is None:
        return []
    known = before.shown if before is not None else []
    return [
        *split_warnings(split_exchanges(known), state.shown),
        *reply_warnings(inverted_replies(known, reply_to), state.shown, reply_to),
        *_moved_instructions(store, [event for event in events if event.hash in copies.made]),
        *duplicates(known, copies.made.items(), state),
    ]


def _moved_instructions(store: Store, events: Sequence[Event]) -> list[SafetyWarning]:
    """Return a warning for each instruction picked after something that came after it."""
    found = []
    for index, instruction in enumerate(events):
        if instruction.op != "append" or instruction.content_type != "instruction":
            continue
        place = Place(instruction.lane, instruction.generation)
        later = [one for one in events[:index] if one.op == "append" and one.generation > instruction.generation]
        governed = next((one for one in later if contains(reach_of(store, one.hash), place)), None)
        if governed is not None:
            found.append(instruction_warning(instruction.hash, governed.hash))
    return found
