"""Answers where the operation log left a ref, so that a damaged ref is noticed before it is followed."""

from __future__ import annotations

from tract.errors import CorruptObjectError
from tract.objects.refs import BRANCH_PREFIX, HEAD
from tract.storage import queries as q
from tract.store import Store


def require_logged(store: Store) -> None:
    """Check that HEAD and the current branch are where the operation log left them.

    A ref is one small row that no hash covers; the log's chain covers it. Asked once for each branch
    a handle stands on.

    Raises:
        CorruptObjectError: A ref was changed or lost by something else than an operation.

    Cost:
        O(1) for a branch in use; O(operations since the last switch) for HEAD.
    """
    branch = store.head.branch
    checked: set[str] = store.memo.setdefault("checked_refs", set())
    # Inside a batch the refs have moved and the log says so only at its end.
    if branch is None or branch in checked or store.is_writing:
        return
    with store.reading() as database:
        for name in (HEAD, BRANCH_PREFIX + branch):
            stored = database.one(q.REF, tract_id=store.tract_id, name=name)
            logged = database.one(q.LAST_CHANGE, tract_id=store.tract_id, name=name)
            if (stored or (None, None, None))[1:] != (logged or (None, None)):
                raise CorruptObjectError("ref", name, "it is not where the operation log left it")
    checked.add(branch)
