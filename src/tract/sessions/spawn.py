"""Spawn: starts a child tract that knows what its parent chose to tell it, and links the two.

The parent's history gets one commit that is not sent to a model; the child's first operation writes all it
starts with. Both are one transaction, so there is never a child nobody spawned, or half of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from tract.compile.compiler import lend_states
from tract.errors import InvalidInputError, OperationOpenError, TractExistsError, shown
from tract.objects.config import TokenBudget, TractConfig
from tract.objects.content import SpawnContent
from tract.objects.hashing import canonical_json
from tract.objects.refs import BRANCH_PREFIX, check_name
from tract.operations.commit import Plan, Remarks, after_append
from tract.operations.configure import config_key, operations_key, parse_config, policies_key
from tract.operations.permit import permit
from tract.operations.prepare import prepare
from tract.sessions.opening import begin_tract, tract_names, use_settings
from tract.sessions.selection import Selection, selected
from tract.sessions.snapshot import snapshot
from tract.sessions.whole import whole
from tract.storage import tracts as t
from tract.storage.writing import Tip
from tract.store import Operation, Store

SpawnMode: TypeAlias = Literal["fork", "snapshot", "select"]

_MODES: Final[tuple[str, ...]] = get_args(SpawnMode)
_LONGEST_STEM: Final = 200
"""Bytes; the names of children of children stop growing there."""

Write: TypeAlias = Callable[[Operation], None]
"""Writes what a child starts with, in its first operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest:
    """What is to be spawned; the arguments of `Tract.spawn`, the commit as a hash.

    Attributes:
        purpose: What the child is for.
        name: Its name; made from the parent's if not given.
        mode: What it gets of the parent's context.
        select: Which messages, for `select`.
        at: The commit to start from; HEAD if not given.
        budget: Largest size in tokens of a `snapshot`.
        config: Settings other than the parent's.
    """

    purpose: str
    name: str | None = None
    mode: str = "fork"
    select: Selection | None = field(default=None, repr=False)
    at: bytes | None = None
    budget: int | TokenBudget | None = None
    config: TractConfig | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be.

        Raises:
            InvalidInputError: There is one.
        """
        if not (isinstance(self.purpose, str) and self.purpose.strip()):
            raise InvalidInputError("`purpose` says what the child is for.", hint="Give a sentence.")
        if not (isinstance(self.mode, str) and self.mode in _MODES):
            raise InvalidInputError(f"`mode` is one of {', '.join(_MODES)}, not {shown(self.mode)}.")
        if (self.select is not None) != (self.mode == "select"):
            raise InvalidInputError(
                "`mode='select'` and `select` go together.", hint='Write `t.spawn(purpose, mode="select", select=...)`.'
            )
        if self.budget is not None and self.mode != "snapshot":
            raise InvalidInputError("A budget is for `mode='snapshot'`.", hint="Fit the others when compiling.")
        if self.name is not None:
            check_name(self.name)


def spawn(store: Store, request: SpawnRequest) -> Store:
    """Start a child of *store*'s tract, and return a handle on it that shares the connection.

    Raises:
        TractExistsError: There is a tract of that name.
        DetachedHeadError: HEAD is on no branch, so the spawn cannot be recorded.
        OperationOpenError: A batch is open.
        BudgetExceededError: A snapshot does not fit.

    Cost:
        O(1) for a fork, whatever the length of the history.
    """
    store.head_ref()
    if store.is_writing:
        raise OperationOpenError("spawn")
    permit(store, "spawn", "spawn", {"purpose": request.purpose, "name": request.name, "mode": request.mode})
    child = store.beside("")
    use_settings(child, _settings(store, request))
    write = _writer(store, child, request)
    while True:
        name = request.name or _free_name(store)
        try:
            return _begin(store, child, request, name=name, write=write)
        except TractExistsError:
            if request.name is not None:
                raise


def _settings(store: Store, request: SpawnRequest) -> TractConfig:
    """Return the child's settings: the parent's, but for what was given."""
    if request.config is None or isinstance(request.config, TractConfig):
        return request.config or store.config
    if not isinstance(request.config, Mapping):
        raise InvalidInputError("`config` is a TractConfig or a mapping of settings.")
    current = {name: getattr(store.config, name) for name in TractConfig.model_fields}
    config = parse_config({**current, **request.config})
    check_name(config.default_branch)
    return config


def _free_name(store: Store) -> str:
    """Return the parent's name with the first number nobody has."""
    stem = store.tract if len(store.tract.encode()) <= _LONGEST_STEM else store.tract.partition("/")[0]
    known = set(tract_names(store))
    return next(name for number in itertools.count(1) if (name := f"{stem}/{number}") not in known)


def _begin(store: Store, child: Store, request: SpawnRequest, *, name: str, write: Write) -> Store:
    """Write the spawn in the parent, and the child's first operation."""
    child.tract, child.tract_id = name, -1
    content = SpawnContent(tract=name, purpose=request.purpose, mode=request.mode)
    ready = prepare(store, content)
    plan = Plan(store, "append", ready, Remarks())
    store.pause("spawn")
    with store.operation("spawn", {"child": name, "mode": request.mode}) as operation:
        spawned = plan.write(operation, (), after_append(store, operation.tip, 0))
        told = {"parent": store.tract, "operation": operation.number, "commit": spawned.hash, "mode": request.mode}
        with child.joined(operation, "init", told) as beginning:
            begin_tract(beginning)
            write(beginning)
            _inherit(store, beginning)
            _link(store, beginning, store.tip(bytes.fromhex(spawned.hash)), request)
    lend_states(store, child)
    return child


def _inherit(store: Store, beginning: Operation) -> None:
    """Keep the child's settings, and what the parent's operations and policies are."""
    child = beginning.store
    kept = canonical_json(child.config.persisted()).decode()
    for key, value in (
        (config_key(child), "" if kept == "{}" else kept),
        (operations_key(child), beginning.meta(operations_key(store))),
        (policies_key(child), beginning.meta(policies_key(store))),
    ):
        if value or beginning.meta(key):
            beginning.set_meta(key, value)


def _link(store: Store, beginning: Operation, spawned: Tip, request: SpawnRequest) -> None:
    values = {
        "of_id": beginning.store.tract_id,
        "parent_tract_id": store.tract_id,
        "parent_commit_id": spawned.id,
        "purpose": canonical_json(request.purpose).decode(),
        "mode": request.mode,
    }
    store.database.execute(t.LINK, values)


# --- what the child starts with ------------------------------------------------------------------


def _writer(store: Store, child: Store, request: SpawnRequest) -> Write:
    """Return what writes the child's start; everything slow about it is done."""
    if request.mode == "fork":
        return _fork(store, request.at)
    at = request.at or store.head_hash()
    if request.mode == "snapshot":
        return snapshot(store, child, at, request.budget)
    assert request.select is not None
    return selected(store, child, at, request.select)


def _fork(store: Store, at: bytes | None) -> Write:
    head = store.head_hash() if at is None else at
    start = None if head is None else whole(store, head) if at is None else head
    tip = None if start is None else store.tip(start)

    def write(beginning: Operation) -> None:
        if tip is not None:
            beginning.move(BRANCH_PREFIX + beginning.store.config.default_branch, None, tip)

    return write
