"""Interrupts a writer again and again: `python -m tests.reliability.interrupts PATH SEED TIMES`.

A process of its own, because coverage holds a lock while it traces: an interrupt raised right there
would leave that lock taken for good. Prints how often the interrupt came in a write.
"""

import random
import signal
import sys
import threading

from tests.reliability.verbs import WRITES, make_history
from tract import Tract
from tract.errors import CommitCollectedError, IrreversibleError


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def interrupt_many(path: str, chance: random.Random, times: int) -> int:
    """Write until interrupted, *times* times on one handle; return how often the interrupt came in a write."""
    make_history(path)
    hits = 0
    signal.signal(signal.SIGALRM, _interrupt)
    with Tract.open(path, durability="off") as t:
        for _ in range(times):
            verb = chance.choice(list(WRITES))
            hits += _was_interrupted(t, verb, chance.uniform(1e-5, 1.5e-3))
            t.switch("main")
            t.user("Still here.")
            _require_free(t)
        assert t.fsck() == []
        t.compile(verify=True)
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
    except (IrreversibleError, CommitCollectedError):
        return False  # an undo or redo that meets what gc or erase has done
    return False


def _require_free(t: Tract) -> None:
    """Another thread can take the handle's lock."""
    seen: list[str | None] = []
    reader = threading.Thread(target=lambda: seen.append(t.head), daemon=True)
    reader.start()
    reader.join(5)
    assert seen == [t.head]


if __name__ == "__main__":
    sys.stdout.write(str(interrupt_many(sys.argv[1], random.Random(sys.argv[2]), int(sys.argv[3]))))
