"""G17: any verbs at random, on real conversations: nothing is lost or doubled, all can be sent and undone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.operations.everything import WEIGHTS, play


def test_any_verbs_in_any_order(tmp_path: Path) -> None:
    """6 stores of 40 verbs by three handles on two tracts, with others writing in the gap; most verbs get through."""
    done = {one for number in range(6) for one in play(tmp_path / f"{number}.db", random.Random(number), 40)}

    assert len({verb for verb, came_to in done if came_to == "done"}) > 0.8 * len(WEIGHTS)


@pytest.mark.torture
def test_any_verbs_in_any_order_at_length(tmp_path: Path, seeded: Callable[[], random.Random]) -> None:
    """600 stores of 120 verbs."""
    seeds = seeded()
    for number in range(600):
        seed = seeds.getrandbits(64)
        try:
            play(tmp_path / f"{number}.db", random.Random(seed), 120)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
        (tmp_path / f"{number}.db").unlink()
