"""Answers how children run as durable workflows: what is finished is never run again, whatever was killed.

The workflow of a child is named by the commit that records its spawn, and keeps the hash of the commit the child
stands on at its end. DBOS keeps the workflows, in SQLite or PostgreSQL; it is loaded when it is used.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from tract.errors import InvalidInputError, StateError, shown
from tract.sessions.executor import ChildTask, Outcome, Work, outcome_of

_WORKFLOW: Final = "tract.child"
# Not DBOS's own, a hash of the code: what was begun goes on after an upgrade, since the store says where it stands.
_VERSION: Final = "tract-1"
_FAILED: Final = "failed"
_HEAD: Final = "head"
_UNDER_WAY: Final = frozenset({"PENDING", "ENQUEUED", "DELAYED"})

_lock: Final = threading.Lock()
_running: dict[str, DurableExecutor] = {}
"""The executor whose workflows run in this process, under the one key there is: DBOS is one for each process."""


class DurableExecutor:
    """Runs children as workflows of DBOS, at the same time; needs the extra `dbos`.

    Called again after a crash, `run` calls the work of no child that had finished, and goes on with those that had not.
    Use it as a context manager or call `close`. A process has one at a time, and an application one for each *name*.

    Example:
        >>> with DurableExecutor("sqlite:///flows.db", name="trip") as executor:  # doctest: +SKIP
        ...     session.run_children(["trains", "rooms"], lambda child: child.run(), executor=executor)
    """

    def __init__(self, url: str, *, name: str = "tract") -> None:
        """Take where workflows are kept.

        Args:
            url: A database URL: `sqlite:///flows.db` or `postgresql://user@host/database`.
            name: Whose workflows they are; a new process of the same name goes on with them.

        Raises:
            InvalidInputError: `dbos` is not installed, or a value is no text.
        """
        for what, value in (("url", url), ("name", name)):
            if not (isinstance(value, str) and value):
                raise InvalidInputError(f"`{what}` is text, not {shown(value)}.")
        _dbos()
        self._url, self._name = url, name
        self._work: Work | None = None
        self._errors: dict[str, Exception] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DurableExecutor {self._name}>"

    def close(self) -> None:
        """Stop; what is under way goes on when a process of the same name calls `run`. Closing twice does nothing."""
        with _lock:
            if _running.get(_WORKFLOW) is self:
                del _running[_WORKFLOW]
                _dbos().DBOS.destroy()

    def run(self, children: Sequence[ChildTask], work: Work) -> list[Outcome]:
        """Call *work* for each child whose workflow has not finished where the child stands.

        Raises:
            StateError: Another `DurableExecutor`, or an application's own DBOS, runs in this process.
        """
        self._work = work
        self._launch()
        handles = [self._start(child) for child in children]
        return [self._outcome(handle) for handle in handles]

    def _launch(self) -> None:
        """Start DBOS; it goes on at once with what another process of the name has left."""
        with _lock:
            if _running.get(_WORKFLOW) is self:
                return
            dbos = _dbos()
            if _running or getattr(dbos._dbos, "_dbos_global_instance", None) is not None:  # noqa: SLF001 - else it is taken over
                raise StateError("DBOS runs in this process already.", hint="Close the other `DurableExecutor` first.")
            _workflow()
            _running[_WORKFLOW] = self
            try:
                dbos.DBOS(config=self._config())
                dbos.DBOS.launch()
            except BaseException:
                del _running[_WORKFLOW]
                dbos.DBOS.destroy()
                raise

    def _config(self) -> dict[str, Any]:
        return {
            "name": self._name,
            "system_database_url": self._url,
            "application_version": _VERSION,
            "executor_id": self._name,
            "log_level": "ERROR",
        }

    def _start(self, child: ChildTask) -> Any:
        """Return a handle on the workflow of *child*: one under way, the one that brought it where it is, or a new one.

        A round that failed, or behind which the child was told something new, is followed by another one.
        """
        dbos = _dbos()
        for number in itertools.count(1):
            name = child.spawn if number == 1 else f"{child.spawn}:{number}"
            status = dbos.DBOS.get_workflow_status(name)
            if status is None:
                with dbos.SetWorkflowID(name):
                    return dbos.DBOS.start_workflow(_workflow(), child.spawn)
            is_home = status.status == "SUCCESS" and status.output == {_HEAD: child.head}
            if is_home or status.status in _UNDER_WAY:
                return dbos.DBOS.retrieve_workflow(name)
        raise AssertionError  # numbers do not end

    def _outcome(self, handle: Any) -> Outcome:
        try:
            result = handle.get_result()
        except Exception as error:  # noqa: BLE001 - cancelled by hand, given up after too many recoveries
            return error
        return self._errors.pop(handle.workflow_id, None) or result.get(_HEAD)

    def _run_one(self, spawn: str, workflow: str) -> dict[str, str | None]:
        """Run the child of *spawn*; its error is kept here, since not every one can be stored."""
        assert self._work is not None
        outcome = outcome_of(self._work, spawn)
        if isinstance(outcome, Exception):
            self._errors[workflow] = outcome
            return {_FAILED: type(outcome).__name__}
        return {_HEAD: outcome}


@functools.cache
def _workflow() -> Callable[[str], dict[str, str | None]]:
    """Return the workflow, known to DBOS from the first call on; its argument and what it returns are hashes."""
    dbos = _dbos()

    def run_child(spawn: str) -> dict[str, str | None]:
        return _running[_WORKFLOW]._run_one(spawn, dbos.DBOS.workflow_id)  # noqa: SLF001 - of this module

    workflow: Callable[[str], dict[str, str | None]] = dbos.DBOS.workflow(name=_WORKFLOW)(run_child)
    return workflow


def _dbos() -> Any:
    try:
        return importlib.import_module("dbos")
    except ImportError as error:
        raise InvalidInputError(
            "Durable workflows need `dbos`.", hint="Install it with `pip install 'tract-sdk[dbos]'`."
        ) from error
