"""G16: Ctrl-C at any moment leaves a whole store and a handle that goes on working."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def _interrupt_many(path: Path | str, chance: random.Random, times: int) -> int:
    """Return how many of *times* interrupts came in a write; the child checks what each of them left."""
    seed = str(chance.getrandbits(64))
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.interrupts", str(path), seed, str(times)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"
    return int(done.stdout)


def test_ctrl_c_at_any_moment_leaves_a_usable_handle(store_url: str, seeded: Callable[[], random.Random]) -> None:
    """Alarms at random moments of random verbs: the next write works, other threads too, and fsck is clean."""
    times = 100 if "://" in store_url else 300

    hits = _interrupt_many(store_url, seeded(), times)

    assert hits > times / 6


@pytest.mark.torture
def test_ctrl_c_10000_times(tmp_path: Path, seeded: Callable[[], random.Random]) -> None:
    """The same 10,000 times."""
    chance = seeded()

    assert sum(_interrupt_many(tmp_path / f"{n}.db", chance, 500) for n in range(20)) > 1000
