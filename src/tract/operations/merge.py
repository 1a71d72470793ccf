"""Brings another branch's history into the current one, losing no message and hiding no conflict.

A merge commit has two parents and no content. What the three-way rule wants and the merge commit
alone does not show follows as edits, annotations, reverts and reorderings, in the same operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, cast, get_args

from tract.compile.compiler import size_of
from tract.compile.fold import Event, State, extend
from tract.errors import (
    ContentErasedError,
    InvalidInputError,
    MergeConflictError,
    NoMergeError,
    RefConflictError,
    shown,
)
from tract.history.ancestry import contains
from tract.history.lanes import place_of, reach_of
from tract.objects.content import ANNOTATION
from tract.objects.decision import AutonomyLevel, Resolver, autonomy_level, decided
from tract.objects.hashing import blob_hash, canonical_json
from tract.objects.refs import BRANCH_PREFIX, HEAD
from tract.operations.merge_plan import Addition, MergePlan, NewContent, additions, event_of, plan_merge
from tract.operations.merge_result import MergeResult, choices_of, conflicts_of, pending_from, pending_json
from tract.operations.prepare import encode_note
from tract.operations.squash import squash
from tract.storage import queries as q
from tract.storage.verify import read_blob
from tract.storage.writing import Draft, Tip
from tract.store import Operation, Store

Strategy: TypeAlias = Literal["auto", "ours", "theirs", "squash", "semantic"]

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
    """

    strategy: str = "auto"
    no_ff: bool = False
    resolver: Resolver | None = None
    autonomy: str | None = None
    delete_branch: bool = False
    message: str | None = None


def merge(store: Store, other: bytes, name: str, options: MergeOptions) -> MergeResult:
    """Merge the commit *other* (the branch *name*, as a rule) into the current branch.

    Returns:
        A result that says what was done; with `conflicts` nothing was merged yet, and the result
        waits to be resolved and given to `commit_merge`, also after a restart.

    Raises:
        DetachedHeadError: HEAD is on no branch.
        MergeConflictError: A resolver aborted.
    """
    if options.strategy not in STRATEGIES:
        raise InvalidInputError(
            f"{shown(options.strategy)} is no merge strategy.", hint=f"Known are {', '.join(sorted(STRATEGIES))}."
        )
    level = AutonomyLevel.COLLABORATIVE if options.autonomy is None else autonomy_level(options.autonomy)
    into, ours = store.head_ref().removeprefix(BRANCH_PREFIX), store.head_hash()
    result = MergeResult(into=into, name=name, ours=ours or b"", theirs=other, message=options.message)
    result.delete_branch = options.delete_branch
    if ours is None or (not options.no_ff and contains(reach_of(store, other), place_of(store, ours))):
        return _forward(store, result)
    if contains(reach_of(store, ours), place_of(store, other)):
        return result.done("up_to_date", ours)
    if options.strategy == "squash":
        return squash(store, result)
    plan = plan_merge(store, ours, other)
    _describe(result, plan)
    _resolve(result, options, level)
    is_open = bool(result.unresolved) or (bool(result.conflicts) and options.resolver is not None)
    if is_open and level is not AutonomyLevel.AUTONOMOUS and options.strategy not in {"ours", "theirs"}:
        return save_merge(store, result)
    if result.unresolved:
        return save_merge(store, result)
    return commit_merge(store, result)


def _describe(result: MergeResult, plan: MergePlan) -> None:
    """Put what was found into *result*."""
    result.bases = tuple(base.hex() for base in plan.bases)
    result.conflicts = conflicts_of(plan)
    result.plan = plan


def _resolve(result: MergeResult, options: MergeOptions, level: AutonomyLevel) -> None:
    """Let a strategy or a resolver decide the conflicts; outside any transaction."""
    for conflict in result.conflicts:
        if options.strategy in {"ours", "theirs"}:
            result.resolve(conflict, cast("Literal['ours', 'theirs']", options.strategy))
        elif options.resolver is not None and level is not AutonomyLevel.MANUAL:
            decision = decided(options.resolver, conflict)
            if decision.action == "abort":
                raise MergeConflictError(result.name, len(result.conflicts), is_aborted=True)
            result.resolve(conflict, decision)


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
    """
    if store.head.branch != result.into:
        head = store.head_hash()
        raise RefConflictError(result.into, result.ours.hex(), None if head is None else head.hex())
    if result.kind in {"merged", "fast_forward", "up_to_date"}:
        raise NoMergeError
    plan = _fresh_plan(store, result)
    if result.unresolved:
        raise MergeConflictError(result.name, len(result.unresolved))
    choices = choices_of(store, result, plan)
    added, state, failed = additions(plan, choices)
    if failed:
        raise MergeConflictError(result.name, len(failed))
    drafts = [_merge_draft(store, result, plan), *_drafts(store, plan.plain, added)]
    theirs = store.tip(result.theirs)
    store.pause("merge")
    with store.operation("merge", {"name": result.name, "parents": [result.ours.hex(), result.theirs.hex()]}) as op:
        op.require_tip(result.ours)
        first = tip = op.add(drafts[0], (cast("Tip", op.tip), theirs))
        for draft in drafts[1:]:
            tip = op.add(draft, (tip,))
        op.move(store.head_ref(), op.tip, tip)
        _drop_branch(op, result)
        _forget(store, op)
    result.commits = (first.hash.hex(),)
    result.tokens = size_of(state)
    return result.done("merged", tip.hash)


def _fresh_plan(store: Store, result: MergeResult) -> MergePlan:
    """Return the plan of *result*, made again if the branch got more appends since it was made."""
    head = store.head_hash()
    assert head is not None
    if result.plan is not None and head == result.ours:
        return result.plan
    if head != result.ours:
        moved = plan_merge(store, head, result.theirs)
        ours = moved.ours.event(store.tip(result.ours).id)
        if ours is None or moved.ours.changes(moved.ours.position(ours.id) or 0):
            raise RefConflictError(result.into, result.ours.hex(), head.hex())
        result.ours = head
    plan = plan_merge(store, head, result.theirs)
    kept = dict(result.resolutions)
    _describe(result, plan)
    result.resolutions = {key: kept[key] for key in kept if key in {one.key for one in result.conflicts}}
    return plan


def _merge_draft(store: Store, result: MergeResult, plan: MergePlan) -> Draft:
    return Draft(
        op="merge",
        content_type=None,
        payload=None,
        origin="developer",
        author="",
        created_at=store.clock(),
        tokens=0,
        context_tokens=size_of(plan.plain),
        note=encode_note(message=result.message, metadata=None, reply_to=None),
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
        created_at=store.clock(),
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
    if tip is not None and tip.hash == result.theirs:
        operation.move(BRANCH_PREFIX + result.name, tip, None)
        if operation.store.start() == result.name:
            operation.point(HEAD, BRANCH_PREFIX + result.into)


# --- a merge that waits --------------------------------------------------------------------------


def pending_key(store: Store) -> str:
    """Return the name under which a merge that waits for decisions is kept."""
    return f"merge:{store.tract}"


def save_merge(store: Store, result: MergeResult) -> MergeResult:
    """Keep *result*, with the resolutions made so far, for later or for another process."""
    kept = pending_json(result)
    store.pause("merge-save")
    with store.operation("merge-save", {"name": result.name}) as operation:
        operation.set_meta(pending_key(store), kept)
    result.kind = "conflicts"
    return result


def merge_in_progress(store: Store) -> MergeResult | None:
    """Return the merge that waits for decisions, or `None`."""
    row = store.one(q.META, key=pending_key(store))
    if row is None or not row[0]:
        return None
    result = pending_from(row[0])
    _describe(result, plan_merge(store, result.ours, result.theirs))
    return result


def abort_merge(store: Store) -> None:
    """Forget the merge that waits; the branches are as they were.

    Raises:
        NoMergeError: None waits.
    """
    row = store.one(q.META, key=pending_key(store))
    if row is None or not row[0]:
        raise NoMergeError
    store.pause("merge-abort")
    with store.operation("merge-abort") as operation:
        operation.set_meta(pending_key(store), "")


def _forget(store: Store, operation: Operation) -> None:
    row = store.one(q.META, key=pending_key(store))
    if row is not None and row[0]:
        operation.set_meta(pending_key(store), "")
