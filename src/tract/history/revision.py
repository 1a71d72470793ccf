"""Answers which commit a revision names.

A revision is a full hash, a unique prefix of at least four hex digits, a branch, a tag, `HEAD`,
`ORIG_HEAD`, `@` (for HEAD), `-` (where HEAD was before) or `@{n}` (this branch n operations ago),
followed by any number of `~n` (n first parents back) and `^n` (n-th parent). `tract:revision` looks in
another tract of the store, standing on its starting branch. A range `a..b` names the commits behind b
and not behind a.
"""

from __future__ import annotations

import re
from typing import Final

from tract.errors import AmbiguousRevisionError, InvalidInputError, RevisionNotFoundError
from tract.history.lanes import lane_of
from tract.history.walk import ancestor
from tract.objects.commit import CommitInfo
from tract.objects.hashing import HASH_BYTES
from tract.objects.refs import BRANCH_PREFIX, HEAD, ORIG_HEAD, TAG_PREFIX, Head
from tract.storage import queries as q
from tract.store import Store

MIN_PREFIX: Final = 4
MAX_REVISION: Final = 1000
"""Characters; longer text names nothing, and would take long to find that out."""
_HEX: Final = re.compile(r"[0-9a-f]+\Z")
_STEPS: Final = re.compile(r"(?:[~^][0-9]*)+\Z")
_STEP: Final = re.compile(r"([~^])([0-9]*)")
_AGO: Final = re.compile(r"@\{([0-9]{1,18})\}\Z")


def resolve(store: Store, revision: str | CommitInfo) -> bytes:
    """Return the hash of the commit *revision* names.

    Raises:
        RevisionNotFoundError: It names nothing.
        AmbiguousRevisionError: A prefix fits several commits.
        InvalidInputError: It is no text and no `CommitInfo`.

    Cost:
        O(lanes passed) for `~n`; one lookup otherwise.
    """
    if isinstance(revision, CommitInfo):
        revision = revision.hash
    if not isinstance(revision, str):
        raise InvalidInputError(
            f"A revision is text or a CommitInfo, not `{type(revision).__name__}`.", hint="Pass `info.hash`."
        )
    if len(revision) > MAX_REVISION:
        raise RevisionNotFoundError(f"{revision[:40]}…")
    with store.reading():
        tract, colon, there = revision.partition(":")
        if colon:
            return resolve(_beside(store, tract, revision), there or HEAD)
        steps = _STEPS.search(revision)
        base = revision if steps is None else revision[: steps.start()]
        found = _base(store, base)
        if found is None:
            raise RevisionNotFoundError(revision, known_names(store))
        for kind, number in _STEP.findall("" if steps is None else steps.group()):
            count = int(number[:18]) if number else 1
            found = _back(store, found, count) if kind == "~" else _parent(store, found, count)
            if found is None:
                raise RevisionNotFoundError(revision)
        return found


def _beside(store: Store, tract: str, revision: str) -> Store:
    """Return a handle on another tract, for looking something up there."""
    is_name = bool(tract) and tract.isprintable()
    row = store.one(q.TRACT, name=tract) if is_name else None
    if row is None:
        there = revision.partition(":")[2]
        raise RevisionNotFoundError(revision, [f"{name}:{there}" for (name,) in store.all(q.TRACT_NAMES)])
    other = store.beside(tract, row[0])
    other.head = Head(other.start())
    return other


def known_names(store: Store) -> list[str]:
    """Return the short names of all branches and tags, and HEAD."""
    return [HEAD, *[name.partition("/")[2] or name for name in store.refs()]]


def _base(store: Store, name: str) -> bytes | None:
    if name in {HEAD, "@"}:
        return store.head_hash()
    if name == "-":
        return _previous(store)
    ago = _AGO.match(name)
    if ago is not None:
        return _ago(store, int(ago.group(1)))
    for ref in (name,) if name == ORIG_HEAD else (BRANCH_PREFIX + name, TAG_PREFIX + name):
        found = store.ref(ref) if "\0" not in ref and ref.isprintable() else None
        if found is not None:
            return found
    return _by_prefix(store, name.lower())


def _previous(store: Store) -> bytes | None:
    back = store.previous_head
    if back is None or back.branch is None:
        return None if back is None else back.commit
    return store.ref(BRANCH_PREFIX + back.branch)


def _by_prefix(store: Store, prefix: str) -> bytes | None:
    digits = 2 * HASH_BYTES
    if not (MIN_PREFIX <= len(prefix) <= digits and _HEX.match(prefix)):
        return None
    low, high = bytes.fromhex(prefix.ljust(digits, "0")), bytes.fromhex(prefix.ljust(digits, "f"))
    found = [hash_ for (hash_,) in store.all(q.BY_PREFIX, low=low, high=high)]
    if len(found) > 1:
        raise AmbiguousRevisionError(prefix, [hash_.hex() for hash_ in found])
    return found[0] if found else None


def _ago(store: Store, operations: int) -> bytes | None:
    number = store.last_operation() - operations
    if number < 1:
        return None
    after = store.one(q.REF_AFTER, tract_id=store.tract_id, name=store.head_ref(), no=number)
    return None if after is None else after[0]


def _back(store: Store, commit: bytes, steps: int) -> bytes | None:
    tip = store.tip(commit)
    place = ancestor(tip.lane_id, tip.generation, steps, lambda lane: lane_of(store, lane))
    if place is None:
        return None
    row = store.one(q.AT_GENERATION, lane_id=place[0], generation=place[1])
    return None if row is None else row[0]


def _parent(store: Store, commit: bytes, number: int) -> bytes | None:
    if number == 0:
        return commit
    if number == 1:
        return _back(store, commit, 1)
    others = store.all(q.PARENTS, commit_id=store.tip(commit).id)
    return others[number - 2][1] if number - 2 < len(others) else None


def head_at(store: Store, moment: int) -> bytes | None:
    """Return where the current branch pointed at *moment* (microseconds since 1970, UTC), or `None` before it was.

    Cost:
        O(log operations): their times never go back.
    """
    with store.reading():
        number = operation_at(store, moment)
        after = store.one(q.REF_AFTER, tract_id=store.tract_id, name=store.head_ref(), no=number)
        return None if after is None else after[0]


def operation_at(store: Store, moment: int) -> int:
    """Return the number of the tract's last operation at *moment* (microseconds since 1970, UTC), 0 before the first.

    Cost:
        O(log operations): their times never go back.
    """
    with store.reading():
        low, high = 0, store.last_operation()
        while low < high:
            middle = (low + high + 1) // 2
            time = store.one(q.OPERATION_TIME, tract_id=store.tract_id, no=middle)
            if time is not None and time[0] <= moment:
                low = middle
            else:
                high = middle - 1
        return low


def resolve_range(store: Store, text: str | CommitInfo) -> tuple[bytes | None, bytes]:
    """Return the two ends of a range `a..b`, or `None` and the commit for a single revision.

    An end left out means HEAD.

    Raises:
        RevisionNotFoundError: An end names nothing.
    """
    if isinstance(text, str) and ".." in text:
        start, _, end = text.partition("..")
        return resolve(store, start or HEAD), resolve(store, end or HEAD)
    return None, resolve(store, text)
