"""Branches and where HEAD stands: create, switch, check out."""

from __future__ import annotations

from tract.errors import BranchNotFoundError, InvalidInputError, RefExistsError, RevisionNotFoundError
from tract.history.revision import resolve
from tract.objects.commit import CommitInfo
from tract.objects.refs import BRANCH_PREFIX, HEAD, check_name
from tract.storage import queries as q
from tract.store import Head, Store


def branches(store: Store) -> dict[str, str]:
    """Return the name and commit hash of every branch, by name."""
    rows = store.all(q.REFS, tract_id=store.tract_id)
    return {name.removeprefix(BRANCH_PREFIX): hash_.hex() for name, hash_ in rows if name.startswith(BRANCH_PREFIX)}


def create_branch(store: Store, name: str, at: bytes | None, *, switch: bool) -> str:
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
        if switch:
            operation.stand_on(Head(name))
    return name


def start_branch(store: Store, name: str, at: object = None) -> str:
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
    return name


def switch(store: Store, name: str) -> str:
    """Stand on the branch *name*; other handles stay where they are.

    Raises:
        BranchNotFoundError: There is none.
    """
    if store.ref(BRANCH_PREFIX + check_name(name)) is None:
        raise BranchNotFoundError(name, branches(store))
    if store.read_only:
        store.stand_on(Head(name))
        return name
    store.pause("switch")
    with store.operation("switch", {"name": name}) as operation:
        if operation.find(BRANCH_PREFIX + name) is None:
            raise BranchNotFoundError(name, branches(store))
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
    elif isinstance(revision, str) and revision in branches(store):
        switch(store, revision)
    else:
        store.stand_on(Head(None, resolve(store, revision)))
    return store.head
