"""Answers what an orchestrator is doing, and what it may do next: one table of states and transitions.

The table is the whole truth: `docs/how-to/orchestrate.md` prints it, and a test compares the two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias, get_args

from tract.errors import OrchestratorStateError

OrchestratorState: TypeAlias = Literal["idle", "running", "waiting", "pausing", "paused", "stopping", "stopped"]
Move: TypeAlias = Literal["run", "resume", "pause", "stop", "ask", "answer", "leave", "end"]

STATES: Final[tuple[OrchestratorState, ...]] = get_args(OrchestratorState)
MOVES: Final[tuple[Move, ...]] = get_args(Move)

TRANSITIONS: Final[Mapping[tuple[OrchestratorState, Move], OrchestratorState]] = {
    ("idle", "run"): "running",
    ("idle", "pause"): "paused",
    ("idle", "stop"): "stopped",
    ("running", "pause"): "pausing",
    ("running", "stop"): "stopping",
    ("running", "ask"): "waiting",
    ("running", "answer"): "running",
    ("running", "end"): "idle",
    ("waiting", "pause"): "pausing",
    ("waiting", "stop"): "stopping",
    ("waiting", "answer"): "running",
    ("waiting", "end"): "idle",
    ("pausing", "resume"): "running",
    ("pausing", "pause"): "pausing",
    ("pausing", "stop"): "stopping",
    ("pausing", "ask"): "pausing",
    ("pausing", "answer"): "pausing",
    ("pausing", "leave"): "paused",
    ("pausing", "end"): "paused",
    ("paused", "resume"): "running",
    ("paused", "pause"): "paused",
    ("paused", "stop"): "stopped",
    ("stopping", "stop"): "stopping",
    ("stopping", "ask"): "stopping",
    ("stopping", "answer"): "stopping",
    ("stopping", "leave"): "stopped",
    ("stopping", "end"): "stopped",
    ("stopped", "run"): "running",
    ("stopped", "resume"): "running",
    ("stopped", "stop"): "stopped",
}
"""What each move makes of each state; a move that is not here is refused, and changes nothing.

`run`, `resume`, `pause` and `stop` are methods. The others are the loop's own: it asks a person, has the answer, leaves
a run that may go on, or comes to its end; `resume` with nothing left to go on with comes to its end at once.
"""


class Course:
    """The state of one orchestrator; every change is one transition of the table, whichever thread makes it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal may stop it in the middle of a move
        self._state: OrchestratorState = "idle"
        self._wakes: list[Callable[[], object]] = []

    @property
    def state(self) -> OrchestratorState:
        """What it is doing."""
        return self._state

    @property
    def is_stopping(self) -> bool:
        """Whether what is under way is not to be used any more."""
        return self._state == "stopping"

    def move(self, move: Move) -> OrchestratorState:
        """Make *move*, and return the state before.

        Raises:
            OrchestratorStateError: The state does not allow it.
        """
        before = self._made(move)
        if before is None:
            raise OrchestratorStateError(self._state, move)
        return before

    def may(self, move: Move) -> bool:
        """Make *move* if the state allows it, and tell whether it did."""
        return self._made(move) is not None

    def leave(self) -> Literal["paused", "stopped"] | None:
        """Leave the run if that was asked for, and say how; it may go on later."""
        before = self._made("leave")
        if before is None:
            return None
        return "paused" if before == "pausing" else "stopped"

    def _made(self, move: Move) -> OrchestratorState | None:
        """Make *move* and return the state before, or `None` if it does not allow it."""
        with self._lock:
            before = self._state
            if (before, move) not in TRANSITIONS:
                return None
            self._state = TRANSITIONS[before, move]
            wakes = tuple(self._wakes) if self._state == "stopping" else ()
        for wake in wakes:
            wake()
        return before

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Call *wake* as soon as it is stopped, at once if it is already, while the block lasts."""
        with self._lock:
            self._wakes.append(wake)
            is_late = self._state == "stopping"
        try:
            if is_late:
                wake()
            yield
        finally:
            with self._lock:
                self._wakes.remove(wake)
