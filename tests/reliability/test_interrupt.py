"""G16: Ctrl-C at any moment leaves a whole store and a handle that goes on working."""

import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reliability.verbs import WRITES, make_history
from tract import Tract


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _interrupt_many(path: Path, chance: random.Random, times: int) -> int:
    """Write until interrupted, *times* times on one handle; return how often the interrupt came in a write."""
    make_history(path)
    hits = 0
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        with Tract.open(path, durability="off") as t:
            for _ in range(times):
                verb = chance.choice(list(WRITES))
                hits += _was_interrupted(t, verb, chance.uniform(1e-5, 1.5e-3))
                t.switch("main")
                t.user("Still here.")
                _require_free(t)
            assert t.fsck() == []
            t.compile(verify=True)
    finally:
        signal.signal(signal.SIGALRM, before)
    return hits


def _was_interrupted(t: Tract, verb: str, seconds: float) -> bool:
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            WRITES[verb](t)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    return False


def _require_free(t: Tract) -> None:
    """Another thread can take the handle's lock."""
    seen: list[str | None] = []
    reader = threading.Thread(target=lambda: seen.append(t.head), daemon=True)
    reader.start()
    reader.join(5)
    assert seen == [t.head]


# An interrupt inside a weak reference's callback cannot be raised; Python reports it and goes on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_moment_leaves_a_usable_handle(tmp_path: Path, seeded: Callable[[], random.Random]) -> None:
    """300 alarms at random moments of random verbs: the next write works, other threads too, and fsck is clean."""
    hits = _interrupt_many(tmp_path / "a.db", seeded(), 300)

    assert hits > 50


@pytest.mark.torture
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_10000_times(tmp_path: Path, seeded: Callable[[], random.Random]) -> None:
    """The same 10,000 times."""
    chance = seeded()

    assert sum(_interrupt_many(tmp_path / f"{n}.db", chance, 500) for n in range(20)) > 1000
