"""Answers what the facade's arguments mean: text or parts, settings, edits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tract.errors import InvalidInputError, InvalidTargetError, shown
from tract.history.revision import resolve, resolve_range
from tract.objects.commit import CommitInfo
from tract.objects.content import Content, invalid_content
from tract.objects.message import AnyPart
from tract.objects.refs import BRANCH_PREFIX, TAG_PREFIX
from tract.operations.commit import Remarks
from tract.operations.copying import only_in
from tract.operations.erasure import Wanted
from tract.operations.merge_result import MergeResult
from tract.store import Store

C = TypeVar("C", bound=BaseModel)
T = TypeVar("T")


def merge_result(value: MergeResult) -> MergeResult:
    """Return *value* if it is what `t.merge` returned.

    Raises:
        InvalidInputError: It is something else.
    """
    if not isinstance(value, MergeResult):
        raise InvalidInputError(
            f"{shown(value)} is no merge.", hint="Give what `t.merge(branch)` or `t.merge_in_progress` returned."
        )
    return value


def text_or_parts(value: str | Sequence[AnyPart] | None) -> dict[str, Any]:
    """Return *value* as the fields of a content that holds text or parts."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"text": value}
    return {"parts": tuple(value) if isinstance(value, Sequence) else value}


def build(kind: type[C], fields: Mapping[str, Any]) -> C:
    """Return the content of *kind* with *fields*.

    Raises:
        InvalidContentError: The fields do not fit.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        name = kind.content_type if issubclass(kind, Content) else kind.__name__
        raise invalid_content(name, error) from error


def edited(op: str, target: str | CommitInfo | None) -> str | CommitInfo:
    """Return the commit an `op="edit"` acts on.

    Raises:
        InvalidTargetError: An edit without target, or a target without edit.
        InvalidInputError: Another op.
    """
    if op not in ("append", "edit"):
        raise InvalidInputError(
            f"`op` is append or edit, not {shown(op)}.",
            hint="Other operations have methods: `t.annotate(target, priority)`.",
        )
    if op == "append":
        raise InvalidTargetError("An append has no target.", hint="Pass `op='edit'` to replace the target's content.")
    if target is None:
        raise InvalidTargetError("An edit needs a target.", hint="Name it: `t.edit(target, content)`.")
    return target


def remarks(store: Store, **said: Any) -> Remarks:
    """Return what a caller said about a commit, with the commits it names resolved."""
    for name in ("reply_to", "expected_head"):
        if said.get(name) is not None:
            said[name] = resolve(store, said[name])
    return Remarks(**said)


def resolve_all(store: Store, named: str | CommitInfo | Iterable[str | CommitInfo]) -> list[bytes]:
    """Return the hashes of one or several revisions, in order."""
    if isinstance(named, (str, CommitInfo)) or not isinstance(named, Iterable):
        return [resolve(store, named)]  # refuses what is neither
    return [resolve(store, one) for one in named]


def resolve_some(store: Store, named: str | CommitInfo | Iterable[str | CommitInfo] | None) -> list[bytes]:
    """Return the hashes of one, several or no revisions, in order."""
    return [] if named is None else resolve_all(store, named)


def picks(store: Store, named: str | CommitInfo | Iterable[str | CommitInfo]) -> list[bytes]:
    """Return the hashes of the commits to pick, each range `a..b` replaced by what b has and a has not.

    Raises:
        InvalidInputError: A range holds no commits.
    """
    found: list[bytes] = []
    for one in [named] if isinstance(named, (str, CommitInfo)) or not isinstance(named, Iterable) else named:
        without, end = resolve_range(store, one)
        events = [] if without is None else only_in(store, end, without)
        if without is not None and not events:
            raise InvalidInputError(f"The range {shown(one)} holds no commits.", hint="It is `older..newer`.")
        found += [end] if without is None else [event.hash for event in events]
    return found


def erase_wanted(
    store: Store,
    commit: str | CommitInfo | Iterable[str | CommitInfo] | None,
    text: str | None,
    *,
    include_derived: bool,
) -> Wanted:
    """Return what `erase` is asked for, with its commits resolved."""
    if not isinstance(include_derived, bool):
        raise InvalidInputError(f"`include_derived` is true or false, not {shown(include_derived)}.")
    commits = () if commit is None else tuple(resolve_all(store, commit))
    return Wanted(commits, text, include_derived)


def log_ends(store: Store, branch: str | CommitInfo | None, *, all_branches: bool) -> tuple[list[bytes], bytes | None]:
    """Return the commits a log begins from, and the one behind which it stops."""
    if all_branches:
        detached = [] if store.head.commit is None else [store.head.commit]
        return [*detached, *store.refs(BRANCH_PREFIX).values(), *store.refs(TAG_PREFIX).values()], None
    if branch is None:
        head = store.head_hash()
        return ([] if head is None else [head]), None
    without, end = resolve_range(store, branch)
    return [end], without


def listed(value: Iterable[T], name: str) -> tuple[T, ...]:
    """Return *value*, the argument *name*, as a tuple.

    Raises:
        InvalidInputError: It cannot be iterated over.
    """
    if not isinstance(value, Iterable):
        raise InvalidInputError(f"`{name}` is a list, not `{type(value).__name__}`.")
    return tuple(value)


def diff_ends(
    store: Store, a: str | CommitInfo | None, b: str | CommitInfo | None
) -> tuple[bytes | None, bytes | None]:
    """Return the commits a diff compares, HEAD where *b* is not given; *a* alone may be a range `a..b`."""
    if a is None:
        return None, store.head_hash() if b is None else resolve(store, b)
    if b is not None:
        return resolve(store, a), resolve(store, b)
    start, end = resolve_range(store, a)
    return (start, end) if start is not None else (end, store.head_hash())
