"""Shows that versions of a long sequence never disturb each other, however they were made out of one another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.compile.blocks import BLOCK, Blocks, Growing


def version(*blocks: list[int]) -> Blocks[int]:
    growing: Growing[int] = Growing()
    for block in blocks:
        growing.begin_block()
        for item in block:
            growing.append(item)
    return growing.version()


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=5), st.data())
def test_a_version_reads_like_a_list(blocks: list[list[int]], data: st.DataObject) -> None:
    """Empty blocks or not: length, items from both ends, slices, comparison; it does not change and has no hash."""
    expected = [item for block in blocks for item in block]
    found = version(*blocks)

    assert found == expected == list(found)
    assert (len(found), found != [*expected, 1]) == (len(expected), True)
    ends = st.none() | st.integers(-20, 20)
    cut = slice(data.draw(ends), data.draw(ends), data.draw(st.none() | st.sampled_from([-2, -1, 1, 2, 3])))
    assert found[cut] == expected[cut]
    for index in range(-len(expected), len(expected)):
        assert found[index] == expected[index]
    for index in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            found[index]
    with pytest.raises(TypeError):
        hash(found)
    assert found != "text"
    assert repr(found) == f"<{len(expected)} items>"


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["append", "block", "set", "replace"]), st.data())))
def test_growing_out_of_a_version_leaves_every_other_as_it_is(steps: list[tuple[int, str, Any]]) -> None:
    """Shared where nobody has appended behind it, else copied."""
    known: list[tuple[Blocks[int], list[list[int]]]] = [(version([]), [[]])]
    for number, (parent, step, data) in enumerate(steps):
        before, blocks = known[parent % len(known)]
        blocks = [block[:] for block in blocks]
        growing = Growing(before, is_shared=before.is_longest and before is known[-1][0])
        at = data.draw(st.integers(0, len(blocks) - 1))
        if step == "append":
            growing.append(number)
            blocks[-1].append(number)
        elif step == "block":
            growing.begin_block()
            blocks.append([])
        elif step == "set" and blocks[at]:
            growing.set(at, 0, -number)
            blocks[at][0] = -number
        else:
            growing.replace(at, [number, number])
            blocks[at] = [number, number]
        known.append((growing.version(), blocks))

    for found, blocks in known:
        assert list(found) == [item for block in blocks for item in block]


def test_a_change_copies_one_block_and_an_append_none() -> None:
    """What is not touched is the same list in both versions."""
    before = version(list(range(BLOCK)), list(range(BLOCK)), [1])

    growing = Growing(before)
    growing.append(2)
    appended = growing.version()
    growing = Growing(appended)
    growing.set(0, 5, -5)
    changed = growing.version()

    assert appended.blocks is before.blocks
    assert [old is new for old, new in zip(before.blocks, changed.blocks, strict=True)] == [False, True, True]
    assert (before[5], changed[5], len(before), len(changed)) == (5, -5, 2 * BLOCK + 1, 2 * BLOCK + 2)
    assert (before.is_longest, appended.is_longest, changed.is_longest) == (False, True, True)
