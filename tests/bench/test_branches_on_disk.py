"""Branching costs next to nothing on disk: a store takes what the distinct messages in it take."""

from itertools import islice
from pathlib import Path

import pytest

from benchmarks.figures.forks import real_turns, store_bytes
from benchmarks.workload import content_bytes

BRANCHES = 20
TURNS = 500


@pytest.mark.slow
@pytest.mark.parametrize("shared", [1, 480], ids=["turns of their own", "a long trunk"])
def test_twenty_branches_of_five_hundred_turns_take_what_their_turns_take(tmp_path: Path, shared: int) -> None:
    """Files of closed stores, log included: at most 1.2 times those of the same real messages said in one history.

    Beyond the text itself a message takes 350 to 400 bytes, whatever it says and wherever: see "Disk" among the design
    decisions. The second bound keeps that from growing unseen; it is no promise.
    """
    turns = list(islice(real_turns(), shared + BRANCHES * (TURNS - shared)))
    messages = [message for turn in turns for message in turn]
    folders = [tmp_path / "forked", tmp_path / "straight"]
    for folder in folders:
        folder.mkdir()

    forked = store_bytes(folders[0], turns, trunk=shared, branches=BRANCHES)
    straight = store_bytes(folders[1], turns, trunk=len(turns), branches=1)

    assert [path.name for path in folders[0].iterdir()] == ["tract.db"]
    assert forked <= 1.2 * straight
    assert (forked - sum(map(content_bytes, messages))) / len(messages) <= 450
