"""Collapse: brings the work a child has done since the last time home, as one summary that can be opened again.

The child stays as it is and goes on. Which of its work is home already is told by the summaries in the parent's
history. So undoing a collapse makes that work count as new, and on another branch nothing is home yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tract.compile.compiler import states_of
from tract.compile.fold import Entry
from tract.errors import InvalidInputError, OperationOpenError, ProposalDecidedError, ProposalStaleError, shown
from tract.history.ancestry import Place, contains
from tract.history.info import commit_info
from tract.history.lanes import reach_of
from tract.objects.commit import least_trusted
from tract.objects.content import SummaryContent
from tract.objects.decision import AutonomyLevel, autonomy_level
from tract.objects.refs import BRANCH_PREFIX, HEAD
from tract.operations.budget import announce
from tract.operations.commit import Plan, Remarks, after_append
from tract.operations.compress import MANUAL, digest_of, is_sensitive
from tract.operations.permit import permit
from tract.operations.prepare import prepare
from tract.operations.proposal import Proposal, ProposalKind, Proposed, find_proposal, mark, propose
from tract.operations.summary import (
    LEAST_TOKENS,
    Summarizer,
    Summary,
    SummaryRequest,
    aim_of,
    as_summarizer,
    as_wishes,
    literals_in,
    source_of,
    summarized,
    tokens_of_text,
)
from tract.sessions.opening import open_beside
from tract.sessions.tracts import children_of, tract_info
from tract.sessions.whole import whole
from tract.storage import queries as q
from tract.storage import tracts as t
from tract.storage.moves import conflict_at
from tract.store import Store

_ROOM_TOKENS: Final = 16 * LEAST_TOKENS
"""A summary may always have these, even if the child's work is shorter: it also says whose work it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollapseRequest:
    """What is to be brought home, and how; the arguments of `Tract.collapse`."""

    content: str | None = field(default=None, repr=False)
    target_tokens: int | None = None
    summarizer: Summarizer | None = None
    instructions: str | None = None
    must_keep: Any = ()
    autonomy: AutonomyLevel | str | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be.

        Raises:
            InvalidInputError: There is one.
        """
        if self.content is not None and not (isinstance(self.content, str) and self.content.strip()):
            raise InvalidInputError("`content` is the text of the summary.", hint="Leave it out to have one made.")
        target = self.target_tokens
        if target is not None and (not isinstance(target, int) or isinstance(target, bool) or target < LEAST_TOKENS):
            raise InvalidInputError(f"`target_tokens` is a number, at least {LEAST_TOKENS}, not {shown(target)}.")
        as_wishes(self.must_keep, self.instructions, None)
        as_summarizer(self.summarizer)

    def level(self) -> AutonomyLevel:
        """Return how far to go.

        Raises:
            InvalidInputError: There is no such level, or at `manual` no text.
        """
        level = AutonomyLevel.AUTONOMOUS if self.autonomy is None else autonomy_level(self.autonomy)
        if level is AutonomyLevel.MANUAL and self.content is None:
            raise InvalidInputError(
                "With `autonomy='manual'` the summary is yours to write.",
                hint="Pass it: `t.collapse(child, content=text)`.",
            )
        return level


@dataclass(frozen=True, slots=True)
class CollapseResult:
    """What a collapse brought home.

    Attributes:
        commit: Hash of the summary in the parent.
        child: Name of the child.
        head: Hash of the child's commit up to which its work is home.
        commits: Hashes of the child's commits the summary stands for.
        text: What it says.
        tokens_before: Tokens of the child's messages it tells of.
        tokens_after: Tokens of its own message.
        summarizer: Which summarizer wrote it, `manual` if the caller did.
    """

    commit: str
    child: str
    head: str
    commits: tuple[str, ...] = field(repr=False)
    text: str = field(repr=False)
    tokens_before: int
    tokens_after: int
    summarizer: str

    def __repr__(self) -> str:
        tokens = f"{self.tokens_before}->{self.tokens_after}"
        return f"<CollapseResult {self.child} commits={len(self.commits)} tokens={tokens}>"


@dataclass(frozen=True, slots=True)
class _Work:
    """What a child has done since the last collapse.

    Attributes:
        child: Its name.
        base: Hash of the commit its work was home up to, `None` if it began from nothing.
        head: Hash of the commit its work is brought home up to.
        commits: Hashes of the commits between.
        entries: What it shows of them.
        operation: Number of the last thing it had done.
        moment: When that was.
    """

    child: str
    base: bytes | None
    head: bytes
    commits: tuple[str, ...] = field(repr=False)
    entries: Sequence[Entry] = field(repr=False)
    operation: int
    moment: int

    @property
    def tokens(self) -> int:
        """Tokens of its messages, by the child's tokenizer."""
        return sum(entry.shown.tokens for entry in self.entries)


def collapse(store: Store, child: str, head: str | None, request: CollapseRequest) -> CollapseResult | Proposal:
    """Append a summary of what *child* did since the last collapse; *head* is its branch, if not that it starts on.

    Raises:
        InvalidInputError: It is no child of this tract, or has done nothing new.
        SummaryError: The summary cannot be used; nothing was written.
        BudgetExceededError: The context would be over a budget that rejects.
        RefConflictError: Somebody else collapsed it meanwhile.
        OperationOpenError: A batch is open.
        PolicyDeniedError: A policy does not let it be collapsed.
    """
    level = request.level()
    branch = store.head_ref().removeprefix(BRANCH_PREFIX)
    if store.is_writing:
        raise OperationOpenError("collapse")
    permit(store, "collapse", "collapse", {"child": child})
    store.notice_erasures()
    seen = store.erasures
    at = store.head_hash()
    work = _work(store, child, head, at)
    summary, tokens = _summary(store, work, request)
    said = {"settings": dict(summary.settings), "target_tokens": request.target_tokens}
    told = {key: value for key, value in {**said, "instructions": request.instructions}.items() if value}
    if level is not AutonomyLevel.COLLABORATIVE:
        return _write(store, work, _Text(summary.text, tokens, summary.name, told), at=at, seen=seen)
    if at is None:
        raise InvalidInputError("There is no commit yet to propose on.", hint="Let it be written, or commit something.")
    payload = {"branch": branch, **_payload(work, summary, told)}
    return propose(
        store,
        Proposed(COLLAPSE, store.tip(at), payload, seen),
        holds=lambda now: _home(store, child, now) == work.base,
    )


@dataclass(frozen=True, slots=True)
class _Text:
    """A summary on its way."""

    text: str
    tokens: int
    summarizer: str
    said: Mapping[str, Any]


# --- what there is to bring home -----------------------------------------------------------------


def _work(store: Store, child: str, branch: str | None, at: bytes | None) -> _Work:
    """Return what *child* has done that is not home at the commit *at*."""
    if child not in children_of(store):
        names = ", ".join(children_of(store)) or "none"
        raise InvalidInputError(f"{shown(child)} is no child of this tract.", hint=f"Its children are: {names}.")
    with store.reading():
        other = open_beside(store, child)
        number = other.last_operation()
        tip = other.head_hash() if branch is None else other.ref(BRANCH_PREFIX + branch)
        base = _home(store, child, at)
        row = other.one(q.OPERATION_TIME, tract_id=other.tract_id, no=number)
    head = None if tip is None else whole(other, tip)
    if head is None or row is None:
        raise _nothing_new(child)
    commits, entries = _new(other, base, head, () if at is None else (at,))
    if not entries:
        raise _nothing_new(child)
    return _Work(child, base, head, commits, entries, number, row[0])


def _nothing_new(child: str) -> InvalidInputError:
    return InvalidInputError(
        f"The tract `{child}` has nothing new to bring home.", hint="Look at it with `t.children[name].log()`."
    )


def _home(store: Store, child: str, at: bytes | None) -> bytes | None:
    """Return the child's commit up to which its work is home at *at*: that of the last collapse, or its beginning.

    Cost:
        O(commits of the lanes behind *at*) inside the database.
    """
    summaries: list[tuple[int, bytes]] = []
    for lane, high in ({} if at is None else reach_of(store, at)).items():
        summaries += store.all(t.SUMMARIES, lane_id=lane, high=high)
    for _, commit in sorted(summaries, reverse=True):
        told = commit_info(store, commit).metadata
        if told.get("collapsed", {}).get("tract") == child:
            return bytes.fromhex(told["squashed"]["head"])
    return _beginning(store, child)


def _beginning(store: Store, child: str) -> bytes | None:
    """Return the commit the child started with, `None` if it started from nothing."""
    row = store.one(q.TRACT, name=child)
    assert row is not None
    start = store.one(q.SYMBOLIC_AFTER, tract_id=row[0], name=HEAD, no=1)
    after = None if start is None else store.one(q.REF_AFTER, tract_id=row[0], name=start[0], no=1)
    return None if after is None else after[0]


def _new(
    other: Store, base: bytes | None, head: bytes, known: Sequence[bytes]
) -> tuple[tuple[str, ...], tuple[Entry, ...]]:
    """Return hashes of the commits behind *head* and neither behind *base* nor *known*, and what is shown of them."""
    state = states_of(other).get(head)
    behind = [reach_of(other, commit) for commit in (*known, *(() if base is None else (base,)))]
    new = [
        event for event in state.events if not any(contains(one, Place(event.lane, event.generation)) for one in behind)
    ]
    ids = {event.id for event in new}
    entries = tuple([entry for entry in state.shown if entry.placed.id in ids])
    return tuple([event.hash.hex() for event in new]), entries


# --- what the summary says -----------------------------------------------------------------------


def _summary(store: Store, work: _Work, request: CollapseRequest) -> tuple[Summary, int]:
    """Return a summary of *work*; slow and fallible, so no transaction is open."""
    if request.content is not None:
        summary = Summary(request.content, MANUAL)
        return summary, tokens_of_text(summary.text, store.counter)
    wishes = as_wishes(request.must_keep, request.instructions, None)
    heading = _heading(store, work.child)
    overhead = tokens_of_text(heading, store.counter) + 1
    limit = max(work.tokens, _ROOM_TOKENS) if request.target_tokens is None else request.target_tokens
    aim = limit if request.target_tokens is not None else min(max(aim_of(work.tokens), _ROOM_TOKENS // 2), limit)
    asked = SummaryRequest(
        tuple([source_of(entry) for entry in work.entries]),
        max(1, aim - overhead),
        literals_in(wishes, work.entries),
        wishes.instructions,
        counter=store.counter,
    )
    summary, _ = summarized(asked, as_summarizer(request.summarizer), limit_tokens=max(1, limit - overhead))
    text = heading + summary.text
    return Summary(text, summary.name, summary.settings), tokens_of_text(text, store.counter)


def _heading(store: Store, child: str) -> str:
    """Return the words that say whose work a summary tells of."""
    purpose = " ".join(tract_info(store, child).purpose.split())
    return f"Result of {child} ({purpose}):\n" if purpose else f"Result of {child}:\n"


# --- writing -------------------------------------------------------------------------------------


def _write(
    store: Store, work: _Work, told: _Text, *, at: bytes | None, seen: str | None, proposal: Proposal | None = None
) -> CollapseResult:
    """Append the summary; what others appended since *at* stays before it."""
    fields = {"text": told.text, **({"sensitive": True} if is_sensitive(store, work.entries) else {})}
    ready = prepare(store, store.types.parse(SummaryContent.content_type, fields))
    numbers = {"summarizer": told.summarizer, "tokens_before": work.tokens, "tokens_after": told.tokens}
    origin = least_trusted(entry.shown.origin for entry in work.entries)
    metadata = {
        "squashed": {"head": work.head.hex(), "commits": list(work.commits)},
        "collapsed": {"tract": work.child, "since": None if work.base is None else work.base.hex()},
        "summary": {**numbers, **told.said},
    }
    plan = Plan(store, "append", ready, Remarks(metadata=metadata, origin=origin, is_derived=True))
    announce(store, lambda tip: after_append(store, tip, ready.tokens))
    store.pause("collapse")
    with store.operation("collapse", {"child": work.child, "operation": work.operation}) as operation:
        operation.require_nothing_erased(seen)
        now = None if operation.tip is None else operation.tip.hash
        if now != at and _home(store, work.child, now) != work.base:
            raise conflict_at(store.head_ref(), at, now)
        # What is caused is never before its cause, whatever the clocks say.
        operation.now = max(operation.now, work.moment)
        info = plan.write(operation, (), after_append(store, operation.tip, ready.tokens))
        if proposal is not None:
            mark(operation, proposal, "approved")
    return CollapseResult(
        info.hash, work.child, work.head.hex(), work.commits, told.text, work.tokens, told.tokens, told.summarizer
    )  # fmt: skip


# --- proposals -----------------------------------------------------------------------------------


def _payload(work: _Work, summary: Summary, said: Mapping[str, Any]) -> dict[str, Any]:
    group = {
        "entries": [[entry.placed.hash.hex(), entry.shown.hash.hex()] for entry in work.entries],
        "summarizer": summary.name,
        "said": dict(said),
        "digest": digest_of(summary.text),
    }
    home = {"child": work.child, "base": None if work.base is None else work.base.hex(), "head": work.head.hex()}
    done = {"operation": work.operation, "moment": work.moment}
    return {"drafts": [summary.text], "groups": [group], **home, **done}


def _check(store: Store, proposal: Proposal) -> None:
    """Refuse an edited draft that cannot be stored.

    Raises:
        InvalidContentError: It cannot.
    """
    store.types.parse(SummaryContent.content_type, {"text": proposal.drafts[0]})


def _carry_out(store: Store, proposal: Proposal) -> CollapseResult:
    """Write the summary *proposal* holds; what the child did since it was made is left for the next collapse.

    Raises:
        ProposalStaleError: HEAD is on another branch, or the child's work came home meanwhile.
        ProposalDecidedError: It was decided meanwhile.
    """
    state = find_proposal(store, proposal.number, [COLLAPSE]).state
    if state != "open":
        raise ProposalDecidedError(proposal.number, state)
    told, text = proposal.payload, proposal.drafts[0]
    if store.head.branch != proposal.branch:
        raise ProposalStaleError(proposal.number, f"it is for the branch `{proposal.branch}`, where HEAD is not")
    at = store.head_hash()
    base = _home(store, told["child"], at)
    if (None if base is None else base.hex()) != told["base"]:
        raise ProposalStaleError(proposal.number, "the child's work was brought home meanwhile")
    head = bytes.fromhex(told["head"])
    commits, entries = _new(open_beside(store, told["child"]), base, head, () if at is None else (at,))
    group = told["groups"][0]
    shown_now = [[entry.placed.hash.hex(), entry.shown.hash.hex()] for entry in entries]
    if shown_now != group["entries"]:
        raise ProposalStaleError(proposal.number, "some of the child's work has come here by other ways")
    work = _Work(told["child"], base, head, commits, entries, told["operation"], told["moment"])
    is_edited = {"is_edited": True} if digest_of(text) != group["digest"] else {}
    made = _Text(text, tokens_of_text(text, store.counter), group["summarizer"], {**group["said"], **is_edited})
    return _write(store, work, made, at=at, seen=None, proposal=proposal)


COLLAPSE: Final = ProposalKind("collapse", _check, _carry_out)
"""How proposals to collapse are checked and carried out."""
