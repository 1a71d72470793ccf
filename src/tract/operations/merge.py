"""Brings another branch's history into the current one, losing no message and hiding no conflict.

A merge commit has two parents and no content. What the three-way rule wants and the merge commit
alone does not show follows as edits, annotations, reverts and reorderings, in the same operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from tract.compile.compiler import size_of, states_of
from tract.compile.fold import Event, State, extend
from tract.errors import (
    ContentErasedError,
    InvalidInputError,
    MergeConflictError,
    MergeInProgressError,
    NoMergeError,
    RefConflictError,
    shown,
)
from tract.objects.content import ANNOTATION
from tract.objects.decision import AutonomyLevel, ModelCall, Resolver, autonomy_level, decided
from tract.objects.hashing import blob_hash, canonical_json
from tract.objects.refs import BRANCH_PREFIX
from tract.operations.branch import drop_branch
from tract.operations.merge_plan import Addition, MergePlan, NewContent, additions, bases_of, event_of, plan_merge
from tract.operations.merge_result import (
    MergeResult,
    choices_of,
    conflicts_of,
    pending_from,
    pending_json,
    permitted,
    united,
)
from tract.operations.permit import permit
from tract.operations.prepare import encode_note
from tract.operations.review import Reviewer, review_of, reviewed
from tract.operations.squash import squash
from tract.storage import queries as q
from tract.storage.verify import read_blob
from tract.storage.writing import Draft, Tip
from tract.store import Operation, Store

Strategy: TypeAlias = Literal["auto", "ours", "theirs", "squash", "semantic"]

_TRIES: Final = 20
"""How often a merge is made again because others appended meanwhile, before it gives up."""

STRATEGIES: Final[tuple[str, ...]] = get_args(Strategy)


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """How a merge is made.

    Attributes:
        strategy: `auto`; `ours` or `theirs` decide conflicts for one side; `squash` appends one
            summary of the other branch; `semantic` also asks a reviewer.
        no_ff: Write a merge commit even where the branch could simply move forward.
        resolver: Decides conflicts.
        autonomy: Whether a resolver's decisions are carried out or left to review.
        delete_branch: Drop the other branch once it is merged.
        message: What to show in the log.
        reviewer: What `semantic` asks; rules, unless given.
        calls: The models the resolver and the reviewer asked; they add to it.
    """

    strategy: str = "auto"
    no_ff: bool = False
    resolver: Resolver | None = None
    autonomy: str | None = None
    delete_branch: bool = False
    message: str | None = None
    reviewer: Reviewer | None = None
    calls: list[ModelCall] = field(default_factory=list)


def merge(store: Store, other: bytes, name: str, options: MergeOptions) -> MergeResult:
    """Merge the commit *other* (the branch *name*, as a rule) into the current branch.

    Returns:
        A result that says what was done; with `conflicts` nothing was merged yet, and the result
        waits to be resolved and given to `commit_merge`, also after a restart.

    Raises:
        DetachedHeadError: HEAD is on no branch.
        MergeConflictError: A resolver aborted.
    """
    _check(options)
    level = AutonomyLevel.COLLABORATIVE if options.autonomy is None else autonomy_level(options.autonomy)
    into = store.head_ref().removeprefix(BRANCH_PREFIX)
    permit(store, "merge", "merge", {"into": into, "name": name, "message": options.message})

    def begun() -> MergeResult:
        result = MergeResult(into=into, name=name, ours=b"", theirs=other, message=options.message)
        result.seen = store.notice_erasures()
        result.ours = store.head_hash() or b""
        result.delete_branch = options.delete_branch
        return result

    result = _again(store, begun, lambda result: _simple(store, result, options))
    if result.head is not None:
        return result
    _describe(result, plan_merge(store, result.ours, other))
    _resolve(result, options, level)
    if _waits(result, options, level):
        return save_merge(store, result)
    return commit_merge(store, result)


def _check(options: MergeOptions) -> None:
    """Refuse wrong values, rather than fail half way."""
    if not (isinstance(options.strategy, str) and options.strategy in STRATEGIES):
        raise InvalidInputError(
            f"{shown(options.strategy)} is no merge strategy.", hint=f"Known are {', '.join(sorted(STRATEGIES))}."
        )
    if options.strategy == "squash" and options.delete_branch:
        raise InvalidInputError(
            "A squash leaves the commits on the other branch, so the branch is not dropped.",
            hint="If you can do without them, call `t.branches.delete(name, force=True)` afterwards.",
        )
    for name, value in (("resolver", options.resolver), ("reviewer", options.reviewer)):
        if value is not None and not callable(value):
            raise InvalidInputError(f"`{name}` is a function, not `{type(value).__name__}`.")
    encode_note(message=options.message, metadata=None, reply_to=None)


def _again(
    store: Store, begun: Callable[[], MergeResult], attempt: Callable[[MergeResult], MergeResult]
) -> MergeResult:
    """Return what *attempt* makes of a result, begun anew each time others appended meanwhile."""
    for _ in range(_TRIES - 1):
        result = begun()
        try:
            return attempt(result)
        except RefConflictError:
            if not _has_only_appends(store, result.ours, store.head_hash()):
                raise
    return attempt(begun())


def _has_only_appends(store: Store, old: bytes, new: bytes | None) -> bool:
    """Tell whether the branch went from *old* to *new* by appends alone."""
    if new is None or not old or old == new:
        return False
    state = states_of(store).get(new)
    position = state.position(store.tip(old).id)
    return position is not None and not state.changes(position)


def _simple(store: Store, result: MergeResult, options: MergeOptions) -> MergeResult:
    """Do what needs no plan: nothing, moving the branch forward, or a squash; else leave *result* as it is."""
    ours, other = result.ours, result.theirs
    bases = bases_of(store, ours, other) if ours else ()
    if bases == (other,):
        return _nothing_new(store, result)
    if ours and options.strategy == "squash":
        return squash(store, result)
    if not ours or (not options.no_ff and bases == (ours,)):
        return _forward(store, result)
    return result


def _waits(result: MergeResult, options: MergeOptions, level: AutonomyLevel) -> bool:
    """Tell whether somebody has to look at *result* before it is written."""
    if result.unresolved:
        return True
    if level is AutonomyLevel.AUTONOMOUS:
        return False
    is_decided_by_resolver = options.resolver is not None and options.strategy not in {"ours", "theirs"}
    return bool(result.concerns) or (bool(result.conflicts) and is_decided_by_resolver)


def _describe(result: MergeResult, plan: MergePlan) -> None:
    """Put what was found into *result*; resolutions of what is no conflict any more are dropped."""
    result.bases = tuple(base.hex() for base in plan.bases)
    result.conflicts = conflicts_of(plan)
    result.kind = "conflicts" if result.conflicts else "concerns"
    known = {one.key for one in result.conflicts}
    result.resolutions = {key: made for key, made in result.resolutions.items() if key in known}
    result.plan = plan


def _resolve(result: MergeResult, options: MergeOptions, level: AutonomyLevel) -> None:
    """Let a strategy or a resolver decide the conflicts; outside any transaction."""
    for conflict in result.conflicts:
        if options.strategy in {"ours", "theirs"}:
            result.resolve(conflict, cast("Literal['ours', 'theirs']", options.strategy))
        elif options.resolver is not None and level is not AutonomyLevel.MANUAL:
            decision = decided(options.resolver, conflict)
            if decision.action == "abort":
                raise MergeConflictError(result.name, len(result.conflicts), "aborted", said=decision.reason)
            result.resolve(conflict, decision)
    if options.strategy == "semantic":
        assert result.plan is not None
        # At the level `manual` nobody is asked; the rules look all the same.
        reviewer = None if level is AutonomyLevel.MANUAL else options.reviewer
        result.concerns = reviewed(reviewer, review_of(result.plan))
    result.calls = tuple(options.calls)


def _nothing_new(store: Store, result: MergeResult) -> MergeResult:
    """Leave the branch where it is: it holds the other commit already."""
    if result.delete_branch:
        store.pause("merge")
        with store.operation("merge", {"name": result.name}) as operation:
            _drop_branch(operation, result)
    return result.done("up_to_date", result.ours)


def _forward(store: Store, result: MergeResult) -> MergeResult:
    """Move the branch to the other commit: nothing of its own is lost."""
    target = store.tip(result.theirs)
    store.pause("merge")
    with store.operation("merge", {"name": result.name}) as operation:
        operation.require_tip(result.ours or None)
        operation.move(store.head_ref(), operation.tip, target)
        _drop_branch(operation, result)
    return result.done("fast_forward", result.theirs)


def commit_merge(store: Store, result: MergeResult) -> MergeResult:
    """Write the merge *result* describes, with its resolutions.

    Raises:
        MergeConflictError: A conflict has no resolution.
        RefConflictError: The branch has moved on by more than appends, or HEAD is on another branch.
        ErasedMeanwhileError: Something was erased since it was made or read.
    """
    _require_result(result)
    if store.head.branch != result.into:
        head = store.head_hash()
        raise RefConflictError(result.into, result.ours.hex(), None if head is None else head.hex())
    if result.head is not None:
        raise NoMergeError
    return _again(store, lambda: result, lambda result: _write(store, result))


def _require_result(result: object) -> None:
    if not isinstance(result, MergeResult):
        raise InvalidInputError(
            f"`{type(result).__name__}` is no merge.",
            hint="Pass what `t.merge(branch)` returned, or `t.merge_in_progress`.",
        )


def _write(store: Store, result: MergeResult) -> MergeResult:
    """Write the merge and what establishes it, as one operation."""
    plan = _fresh_plan(store, result)
    if result.unresolved:
        raise MergeConflictError(result.name, len(result.unresolved))
    choices = choices_of(result, plan)
    added, state, failed = additions(plan, choices)
    if failed:
        raise MergeConflictError(result.name, len(failed), "impossible")
    drafts = [_merge_draft(result, plan), *_drafts(store, plan.plain, added)]
    theirs = store.tip(result.theirs)
    store.pause("merge")
    args = {"name": result.name, "parents": [result.ours.hex(), result.theirs.hex()], **_calls(result)}
    with store.operation("merge", args) as op:
        op.require_tip(result.ours)
        op.require_nothing_erased(result.seen)
        first = tip = op.add(replace(drafts[0], created_at=store.clock()), (cast("Tip", op.tip), theirs))
        for draft in drafts[1:]:
            tip = op.add(replace(draft, created_at=store.clock()), (tip,))
        op.move(store.head_ref(), op.tip, tip)
        _drop_branch(op, result)
        _forget(store, op, result)
    result.commits = (first.hash.hex(),)
    result.tokens = size_of(state)
    return result.done("merged", tip.hash)


def _calls(result: MergeResult) -> dict[str, Any]:
    """Return what to note of the models asked, once: in the operation that is the first to keep *result*."""
    return {} if result.is_kept or not result.calls else {"calls": [one.plain() for one in result.calls]}


def _decisions(result: MergeResult) -> dict[str, Any] | None:
    """Return what models decided and why, as metadata of the merge commit."""
    found = [
        {
            "kind": one.kind,
            "target": one.target,
            "action": made.action,
            "reason": made.reason,
            "model": made.generation_config.get("model"),
        }
        for one in result.conflicts
        if (made := result.resolutions[one.key]).generation_config is not None
    ]
    return {"decisions": found} if found else None


def _fresh_plan(store: Store, result: MergeResult) -> MergePlan:
    """Return the plan of *result*, made again if the branch got more appends since it was made."""
    head = store.head_hash()
    if head != result.ours:
        if not _has_only_appends(store, result.ours, head):
            raise RefConflictError(result.into, result.ours.hex(), None if head is None else head.hex())
        result.ours, result.plan = cast("bytes", head), None
    if result.plan is None:
        _describe(result, plan_merge(store, result.ours, result.theirs))
    assert result.plan is not None
    return result.plan


def _merge_draft(result: MergeResult, plan: MergePlan) -> Draft:
    return Draft(
        op="merge",
        content_type=None,
        payload=None,
        origin="developer",
        author="",
        created_at=0,  # set in the gate
        tokens=0,
        context_tokens=size_of(plan.plain),
        note=encode_note(message=result.message, metadata=_decisions(result), reply_to=None),
    )


def _drafts(store: Store, state: State, added: Sequence[Addition]) -> list[Draft]:
    """Return the commits that follow the merge commit, contents read and verified."""
    drafts = []
    for addition in added:
        event = event_of(state, addition)
        state = extend(state, [event])
        drafts.append(_draft(store, addition, state))
    return drafts


def _draft(store: Store, addition: Addition, after: State) -> Draft:
    content = addition.content
    targets = tuple((one, cast("Event", after.event(one)).hash) for one in addition.targets)
    draft = Draft(
        op=addition.op,
        content_type=None,
        payload=None,
        origin="developer",
        author="",
        created_at=0,  # set in the gate
        tokens=0,
        context_tokens=size_of(after),
        targets=targets,
    )
    if isinstance(content, NewContent):
        return replace(
            draft,
            content_type=content.content_type,
            payload=content.payload,
            content_hash=content.content_hash,
            tokens=content.tokens,
            files=content.files,
            origin=content.origin,
            config=content.config,
        )
    if content is not None:
        return _repeated(store, draft, content)
    if addition.op == "annotate":
        payload = canonical_json({"priority": addition.priority, "reason": "merge"})
        return replace(draft, content_type=ANNOTATION, payload=payload, content_hash=blob_hash(payload))
    return draft


def _repeated(store: Store, draft: Draft, content: Event) -> Draft:
    """Return *draft* with the content and settings another commit holds already."""
    assert content.content is not None
    with store.reading() as database:
        payload = read_blob(database, content.content)
        row = None if content.config is None else database.one(q.CONFIG, id=content.config)
    if payload is None:
        raise ContentErasedError(content.hash.hex())
    return replace(
        draft,
        content_type=content.content_type,
        payload=payload,
        content_hash=content.content,
        config=None if row is None else row[1].encode(),
        origin=content.origin,
        author=content.author,
        tokens=content.tokens,
    )


def _drop_branch(operation: Operation, result: MergeResult) -> None:
    if not result.delete_branch or result.name == result.into:
        return
    tip = operation.find(BRANCH_PREFIX + result.name)
    # A branch that has grown meanwhile holds commits that were not merged, so it stays.
    if tip is not None and tip.hash == result.theirs:
        drop_branch(operation, result.name, tip)


# --- a merge that waits --------------------------------------------------------------------------


def pending_key(store: Store) -> str:
    """Return the name under which a merge that waits for decisions is kept."""
    return f"merge:{store.tract}"


def save_merge(store: Store, result: MergeResult) -> MergeResult:
    """Keep *result*, with the resolutions made so far, for later or for another process.

    Resolutions that somebody else has kept meanwhile stay, unless *result* decides the same conflict.

    Raises:
        MergeInProgressError: Another merge waits.
        NoMergeError: It was kept before, and has been written or given up meanwhile.
        PolicyDeniedError: A policy does not let what was decided be kept.
    """
    _require_result(result)
    if result.head is not None:
        raise NoMergeError
    result.resolutions = permitted(result, store)
    pending_json(result)  # refuses what cannot be kept, before anything is locked
    store.pause("merge-save")
    with store.operation("merge-save", {"name": result.name, **_calls(result)}) as operation:
        operation.require_nothing_erased(result.seen)
        kept = operation.meta(pending_key(store))
        if not kept and result.is_kept:
            raise NoMergeError
        if kept:
            other = pending_from(store, kept)
            if (other.into, other.theirs) != (result.into, result.theirs):
                raise MergeInProgressError(other.name, other.into)
            united(result, other if result.is_kept else None)
        operation.set_meta(pending_key(store), pending_json(result))
    result.is_kept = True
    return result


def merge_in_progress(store: Store) -> MergeResult | None:
    """Return the merge that waits for decisions, or `None`."""
    seen = store.notice_erasures()
    row = store.one(q.META, key=pending_key(store))
    if row is None or not row[0]:
        return None
    result = pending_from(store, row[0])
    result.seen = seen
    _describe(result, plan_merge(store, result.ours, result.theirs))
    return result


def merge_in_words(store: Store) -> str | None:
    """Return how far the merge that waits has got, or `None` if none waits."""
    result = merge_in_progress(store)
    if result is None:
        return None
    count, concerns = len(result.conflicts), len(result.concerns)
    conflicts = "1 conflict" if count == 1 else f"{count} conflicts"
    waits = f"{count - len(result.unresolved)} of {conflicts} decided"
    if result.kind == "concerns":
        waits = f"{concerns} concern{'' if concerns == 1 else 's'} to look at"
    return f"merging {result.name} into {result.into}: {waits}"


def abort_merge(store: Store) -> None:
    """Forget the merge that waits; the branches are as they were.

    Raises:
        NoMergeError: None waits.
    """
    store.pause("merge-abort")
    with store.operation("merge-abort") as operation:
        if not operation.meta(pending_key(store)):
            raise NoMergeError
        operation.set_meta(pending_key(store), "")


def _forget(store: Store, operation: Operation, result: MergeResult) -> None:
    """Drop what was kept of the merge just written; another one that waits stays."""
    kept = operation.meta(pending_key(store))
    if kept:
        other = pending_from(store, kept)
        if (other.into, other.theirs) == (result.into, result.theirs):
            operation.set_meta(pending_key(store), "")
