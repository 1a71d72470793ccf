"""Answers how children are run: one after the other, in threads, or as an `Executor` of your own does it.

An executor gets commit hashes and gives commit hashes: a child is named by the commit that records its spawn, what it
has done by the commit it stands on. So work can be handed to another process, and be found again later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from tract.errors import InvalidInputError, OperationOpenError, TractNotFoundError, shown
from tract.sessions.opening import tract_names
from tract.storage import tracts as t
from tract.store import Store

Work: TypeAlias = Callable[[str], str | None]
"""Runs the child spawned by this commit, and returns the hash of the commit it stands on then."""
Outcome: TypeAlias = str | Exception | None
"""Where a child stands at its end, or why its work failed."""


class ChildTask(NamedTuple):
    """A child that is to be run.

    Attributes:
        spawn: Hash of the commit that records its spawn.
        head: Hash of the commit it stands on, `None` before its first.
    """

    spawn: str
    head: str | None


@runtime_checkable
class Executor(Protocol):
    """Runs children: `InlineExecutor`, `ThreadExecutor`, `DurableExecutor`, or one of your own."""

    def run(self, children: Sequence[ChildTask], work: Work) -> Sequence[Outcome]:
        """Call *work* with the `spawn` of each child, and return what came of each, in the same order.

        Args:
            children: What is to be run.
            work: Runs the child spawned by a commit; may be called in any thread.
        """
        ...


class InlineExecutor:
    """Runs children one after the other, in the calling thread."""

    def run(self, children: Sequence[ChildTask], work: Work) -> list[Outcome]:
        """Call *work* for each child."""
        return [outcome_of(work, child.spawn) for child in children]


class ThreadExecutor:
    """Runs children at the same time, each in a thread: their models are waited for together."""

    def __init__(self, threads: int = 8) -> None:
        """Take how many children work at once.

        Raises:
            InvalidInputError: It is no number, or less than one.
        """
        if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
            raise InvalidInputError(f"`threads` is a number, at least 1, not {shown(threads)}.")
        self._threads = threads

    def run(self, children: Sequence[ChildTask], work: Work) -> list[Outcome]:
        """Call *work* for each child; returns when the last is done."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="tract-child") as pool:
            return list(pool.map(lambda child: outcome_of(work, child.spawn), children))


def outcome_of(work: Work, spawn: str) -> Outcome:
    """Return what *work* gives for the child of *spawn*, or its error: one that fails must not stop the others."""
    try:
        return work(spawn)
    except Exception as error:  # noqa: BLE001 - whatever the caller's work may raise
        return error


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What came of running one child.

    Attributes:
        tract: Its name.
        spawn: Hash of the commit that records its spawn.
        head: Hash of the commit it stood on at the end; `None` if it has none, or failed.
        error: Why it failed, or `None`.
    """

    tract: str
    spawn: str = field(repr=False)
    head: str | None
    error: Exception | None = None


def run_children(
    store: Store, names: Sequence[str], executor: Executor, run: Callable[[str], str | None]
) -> list[ChildResult]:
    """Let *executor* run the tracts *names* by calling *run* with a name, and return what came of each.

    Raises:
        TractNotFoundError: There is no such tract.
        InvalidInputError: One is named twice or was spawned by nobody, or the executor gave something else.
        OperationOpenError: A batch is open.
    """
    with store.lock:  # what another thread writes just now has ended
        if store.database.in_transaction:
            raise OperationOpenError("run_children")
    rows = _spawned(store)
    by_name = {row.name: row for row in rows.values()}
    for name in names:
        if not (isinstance(name, str) and name in by_name):
            raise _no_child(store, name)
    if len(set(names)) != len(names):
        raise InvalidInputError("A child is named twice.", hint="Name each once.")
    children = [_task(by_name[name]) for name in names]
    # Looked up again: work that another process has begun may be of children this call does not name.
    outcomes = list(executor.run(children, lambda spawn: run(_spawned(store)[spawn].name)))
    if len(outcomes) != len(children):
        raise InvalidInputError(f"The executor gave {len(outcomes)} outcomes for {len(children)} children.")
    return [_result(name, child.spawn, came) for name, child, came in zip(names, children, outcomes, strict=True)]


def _task(row: t.TractRow) -> ChildTask:
    assert row.spawn is not None
    return ChildTask(row.spawn.hex(), None if row.head is None else row.head.hex())


def _result(name: str, spawn: str, outcome: Outcome) -> ChildResult:
    if isinstance(outcome, Exception):
        return ChildResult(name, spawn, None, outcome)
    return ChildResult(name, spawn, outcome)


def _spawned(store: Store) -> dict[str, t.TractRow]:
    """Return all tracts somebody spawned, by the hash of the commit that records it."""
    with store.reading() as database:
        return {row.spawn.hex(): row for row in t.tract_rows(database) if row.spawn is not None}


def _no_child(store: Store, name: object) -> InvalidInputError | TractNotFoundError:
    known = tract_names(store)
    if name in known:
        return InvalidInputError(
            f"The tract {shown(name)} was spawned by nobody.", hint="Make a child with `t.spawn(purpose)`."
        )
    return TractNotFoundError(name if isinstance(name, str) else type(name).__name__, known)


def checked_executor(executor: object) -> Executor:
    """Return *executor*, by default one that runs inline.

    Raises:
        InvalidInputError: It has no `run`.
    """
    if executor is None:
        return InlineExecutor()
    if isinstance(executor, type) or not isinstance(executor, Executor):
        raise InvalidInputError(
            f"An executor has a method `run(children, work)`; {shown(executor)} has not.",
            hint="Take `InlineExecutor()`, `ThreadExecutor()` or `DurableExecutor(url)`.",
        )
    return executor


def listed(children: str | Iterable[Any]) -> list[Any]:
    """Return *children* as a list; one name is one child.

    Raises:
        InvalidInputError: They are no list.
    """
    if isinstance(children, str):
        return [children]
    try:
        return list(children)
    except TypeError as error:
        raise InvalidInputError(f"`children` are names or handles, not {shown(children)}.") from error
