"""Branches and where HEAD stands: create, delete, rename, describe, switch, check out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from tract.errors import (
    BranchNotFoundError,
    CurrentBranchError,
    InvalidInputError,
    RefExistsError,
    RevisionNotFoundError,
    UnmergedBranchError,
)
from tract.history.ancestry import Reach, count_missing
from tract.history.lanes import lane_of, reach_of
from tract.history.revision import resolve
from tract.objects.commit import CommitInfo
from tract.objects.hashing import canonical_json, parse_json
from tract.objects.refs import BRANCH_PREFIX, HEAD, TAG_PREFIX, Head, check_name
from tract.storage import queries as q
from tract.storage.moves import conflict_at
from tract.storage.writing import Tip
from tract.store import Operation, Store


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of work.

    Attributes:
        name: Short name.
        head: Hash of its tip, `None` before its first commit.
        is_current: Whether this handle stands on it.
        description: What it is for, `""` if nobody said.
    """

    name: str
    head: str | None
    is_current: bool
    description: str = ""


def find_branch(store: Store, name: str) -> Branch:
    """Return the branch *name*.

    Raises:
        BranchNotFoundError: There is none.
    """
    head = store.ref(BRANCH_PREFIX + check_name(name))
    if head is None:
        raise BranchNotFoundError(name, store.refs(BRANCH_PREFIX))
    row = store.one(q.META, key=_description_key(store, name))
    return Branch(name, head.hex(), store.head.branch == name, _said("" if row is None else row[0]))


def _tip_of(operation: Operation, name: str) -> Tip:
    """Return the tip of the branch *name* as this transaction sees it: it may have gone since the call began."""
    tip = operation.find(BRANCH_PREFIX + name)
    if tip is None:
        raise BranchNotFoundError(name, operation.store.refs(BRANCH_PREFIX))
    return tip


def create_branch(store: Store, name: str, at: bytes | None, *, switch: bool) -> Branch:
    """Create the branch *name* at the commit *at*, and stand on it if *switch*.

    Raises:
        InvalidRefNameError: The name breaks the rules.
        RefExistsError: There is a branch of that name.
        RevisionNotFoundError: There is no commit yet to branch from.

    Cost:
        O(1): one ref; nothing is copied.
    """
    ref = BRANCH_PREFIX + check_name(name)
    if at is None:
        raise RevisionNotFoundError(HEAD)
    tip = store.tip(at)
    store.pause("branch")
    with store.operation("branch", {"name": name}) as operation:
        operation.move(ref, None, tip)
        _redescribe(operation, name, "")  # an earlier branch of this name may have been undone
        if switch:
            operation.stand_on(Head(name))
    # Nothing is read after the write: a read that fails would report as failed what was done.
    return Branch(name, tip.hash.hex(), is_current=switch)


def delete_branch(store: Store, name: str, *, force: bool) -> Branch:
    """Drop the branch *name*; its commits stay until they are collected.

    Raises:
        BranchNotFoundError: There is none.
        CurrentBranchError: HEAD is on it.
        UnmergedBranchError: Only it reaches some commits, and *force* is false.

    Cost:
        O(lanes of all branches) without *force*.
    """
    branch = find_branch(store, name)
    seen = store.last_operation()
    if not force:
        _require_merged(store, name, store.ref(BRANCH_PREFIX + name))
    store.pause("branch-delete")
    with store.operation("branch-delete", {"name": name}) as operation:
        if store.head.branch == name:
            raise CurrentBranchError(name)
        tip = _tip_of(operation, name)
        if not force and operation.number != seen + 1:
            # Somebody wrote meanwhile: the branch may have grown, or the one that held its commits be gone.
            _require_merged(store, name, tip.hash)
        drop_branch(operation, name, tip)
    return branch


def drop_branch(operation: Operation, name: str, tip: Tip) -> None:
    """Drop the branch *name*, which is at *tip*, and what is said about it."""
    store = operation.store
    operation.move(BRANCH_PREFIX + name, tip, None)
    if store.start() == name:
        # New handles must not start on a branch that is gone.
        operation.point(HEAD, BRANCH_PREFIX + (store.head.branch or store.config.default_branch))
    _redescribe(operation, name, "")


def _require_merged(store: Store, name: str, head: bytes | None) -> None:
    ours = {} if head is None else reach_of(store, head)
    theirs: dict[int, int] = {}
    refs = [ref for prefix in (BRANCH_PREFIX, TAG_PREFIX) for ref in _others(store, prefix, name)]
    for commit in refs:
        for lane, generation in reach_of(store, commit).items():
            theirs[lane] = max(theirs.get(lane, 0), generation)
    missing = count_missing(ours, theirs, lambda lane: lane_of(store, lane))
    if missing:
        raise UnmergedBranchError(name, missing)


def _others(store: Store, prefix: str, name: str) -> list[bytes]:
    return [hash_ for other, hash_ in store.refs(prefix).items() if prefix == TAG_PREFIX or other != name]


def rename_branch(store: Store, name: str, new: str, *, at: bytes | None = None) -> Branch:
    """Give the branch *name* the name *new*; a handle on it stays on it.

    Raises:
        BranchNotFoundError: There is no branch *name*.
        RefExistsError: There is a branch *new*.
        RefConflictError: It is not at *at*, if that is given.
    """
    branch = find_branch(store, name)
    ref = BRANCH_PREFIX + check_name(new)
    store.pause("branch-rename")
    with store.operation("branch-rename", {"name": name, "new": new}) as operation:
        tip = _tip_of(operation, name)
        if at is not None and tip.hash != at:
            raise conflict_at(BRANCH_PREFIX + name, at, tip.hash)
        operation.move(ref, None, tip)
        operation.move(BRANCH_PREFIX + name, tip, None)
        is_start = store.start() == name
        if store.head.branch == name:
            operation.stand_on(Head(new))
        elif is_start:
            operation.point(HEAD, ref)
        kept = operation.meta(_description_key(store, name))
        _redescribe(operation, new, kept)
        _redescribe(operation, name, "")
    return Branch(new, tip.hash.hex(), branch.is_current, _said(kept))


def describe_branch(store: Store, name: str, description: str) -> Branch:
    """Say what the branch *name* is for.

    Raises:
        BranchNotFoundError: There is none.
        InvalidInputError: The description is no text.
    """
    if not isinstance(description, str):
        raise InvalidInputError(f"A description is text, not `{type(description).__name__}`.", hint="Give a sentence.")
    branch = find_branch(store, name)
    kept = _kept(description)
    store.pause("branch-describe")
    with store.operation("branch-describe", {"name": name}) as operation:
        _tip_of(operation, name)
        _redescribe(operation, name, kept)
    return replace(branch, description=description)


def _kept(description: str) -> str:
    # As JSON, because PostgreSQL's text cannot hold NUL.
    return canonical_json(description).decode() if description else ""


def _said(kept: str) -> str:
    return str(parse_json(kept)) if kept else ""


def _redescribe(operation: Operation, name: str, kept: str) -> None:
    key = _description_key(operation.store, name)
    if operation.meta(key) != kept:
        operation.set_meta(key, kept)


def _description_key(store: Store, name: str) -> str:
    return f"description:{store.tract}:{name}"


class Touch(NamedTuple):
    """When a branch was last moved, renamed or switched to.

    Attributes:
        operation: Number of that operation.
        at: Microseconds since 1970, UTC.
    """

    operation: int
    at: int


def touches(store: Store) -> dict[str, Touch]:
    """Return when each branch was touched last.

    Cost:
        O(branches + switches).
    """
    moved = store.all(q.MOVED, tract_id=store.tract_id)
    stood = store.all(q.STOOD_ON, tract_id=store.tract_id, name=HEAD)
    found: dict[str, Touch] = {}
    for ref, number, at in [*moved, *stood]:
        if ref is not None and ref.startswith(BRANCH_PREFIX):
            name = ref.removeprefix(BRANCH_PREFIX)
            found[name] = max(found.get(name, Touch(0, 0)), Touch(number, at))
    return found


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far two commits are apart.

    Attributes:
        ahead: Commits behind the first and not behind the second.
        behind: Commits behind the second and not behind the first.
    """

    ahead: int
    behind: int


def divergence(store: Store, left: bytes, right: bytes) -> Divergence:
    """Return how many commits *left* is ahead of and behind *right*.

    Cost:
        O(lanes behind both), however long they are.
    """
    ours: Reach = reach_of(store, left)
    theirs: Reach = reach_of(store, right)

    def missing(these: Reach, those: Reach) -> int:
        return count_missing(these, those, lambda lane: lane_of(store, lane))

    return Divergence(missing(ours, theirs), missing(theirs, ours))


class Apart(NamedTuple):
    """How far a branch and another commit are apart.

    Attributes:
        ahead: Commits only the branch has.
        behind: Commits only the other has.
        is_related: Whether they share any.
    """

    ahead: int
    behind: int
    is_related: bool


def apart(store: Store, head: bytes, other: bytes) -> Apart:
    """Return how far *head* and *other* are apart.

    Cost:
        O(lanes behind both).
    """
    found = divergence(store, head, other)
    is_related = not reach_of(store, head).keys().isdisjoint(reach_of(store, other))
    return Apart(found.ahead, found.behind, is_related)


def start_branch(store: Store, name: str, at: object = None) -> Branch:
    """Stand on the branch *name*, which the next commit starts from nothing.

    Raises:
        InvalidRefNameError: The name breaks the rules.
        InvalidInputError: A place to start *at* was named as well.
        RefExistsError: There is a branch of that name.
    """
    if at is not None:
        raise InvalidInputError("An orphan branch starts from nothing.", hint="Give either `at` or `orphan`.")
    ref = BRANCH_PREFIX + check_name(name)
    store.pause("branch")
    with store.operation("branch", {"name": name}) as operation:
        if operation.find(ref) is not None:
            raise RefExistsError("branch", name)
        operation.stand_on(Head(name))
    return Branch(name, None, is_current=True)


def switch(store: Store, name: str) -> str:
    """Stand on the branch *name*; other handles stay where they are.

    Raises:
        BranchNotFoundError: There is none.
    """
    if store.ref(BRANCH_PREFIX + check_name(name)) is None and store.start() != name:
        raise BranchNotFoundError(name, store.refs(BRANCH_PREFIX))
    if store.read_only:
        store.stand_on(Head(name))
        return name
    store.pause("switch")
    with store.operation("switch", {"name": name}) as operation:
        if operation.find(BRANCH_PREFIX + name) is None and store.start() != name:
            raise BranchNotFoundError(name, store.refs(BRANCH_PREFIX))
        operation.stand_on(Head(name))
    return name


def checkout(store: Store, revision: str | CommitInfo) -> Head:
    """Stand on a branch, or detached (and read-only) on any other revision; `-` goes back.

    Raises:
        RevisionNotFoundError: The revision names nothing, or there is nowhere to go back to.
    """
    if revision == "-":
        if store.previous_head is None:
            raise RevisionNotFoundError("-")
        back = store.previous_head
        if back.branch is not None:
            switch(store, back.branch)
        else:
            store.stand_on(back)
    elif isinstance(revision, str) and revision in store.refs(BRANCH_PREFIX):
        switch(store, revision)
    else:
        store.stand_on(Head(None, resolve(store, revision)))
    return store.head
