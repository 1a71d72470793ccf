"""Answers how versions of a long sequence share what they have in common. Pure; knows nothing of commits.

A version is a number of blocks and a length. The next one appends behind it in the same last block, if
nobody else has; to change an item it copies that block and the list of blocks. So an append costs O(1),
a change O(sqrt(length)) at most, and older versions stay as they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, Generic, TypeVar, overload

T = TypeVar("T")

BLOCK: Final = 512
"""Most items in a block: about the square root of a long history."""


class Blocks(Sequence[T]):
    """One version of a sequence: the first `length` items of blocks that may go on growing behind them; read-only."""

    __slots__ = ("blocks", "length", "starts", "used")

    def __init__(self, blocks: list[list[T]], starts: list[int], used: int, length: int) -> None:
        self.blocks = blocks
        self.starts = starts
        self.used = used
        self.length = length

    @property
    def is_longest(self) -> bool:
        """Whether nobody has appended behind it."""
        if len(self.blocks) != self.used:
            return False
        return not self.used or self.starts[-1] + len(self.blocks[-1]) == self.length

    def first(self, length: int, used: int) -> Blocks[T]:
        """Return the version that ends after *length* items, in the block number *used*."""
        return Blocks(self.blocks, self.starts, used, length)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self.length)
            if step == 1:
                return list(self._between(start, stop))
            return [self[at] for at in range(start, stop, step)]
        if index < 0:
            index += self.length
        if not 0 <= index < self.length:
            raise IndexError(index)
        block = bisect_right(self.starts, index, 0, self.used) - 1
        return self.blocks[block][index - self.starts[block]]

    def __iter__(self) -> Iterator[T]:
        return islice(chain.from_iterable(self.blocks), self.length)

    def _between(self, start: int, stop: int) -> Iterator[T]:
        if start >= stop:
            return iter(())
        block = bisect_right(self.starts, start, 0, self.used) - 1
        skipped = self.starts[block]
        return islice(chain.from_iterable(islice(self.blocks, block, None)), start - skipped, stop - skipped)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal to lists, so not hashable

    def __repr__(self) -> str:
        return f"<{self.length} items>"


class Growing(Generic[T]):
    """A version in the making: grows out of an earlier one, and leaves what that can see as it is."""

    __slots__ = ("_own", "_owns_list", "blocks", "starts")

    def __init__(self, version: Blocks[T] | None = None, *, is_shared: bool = True) -> None:
        self._own: set[int] = set()
        if version is not None and is_shared:
            self.blocks, self.starts = version.blocks, version.starts
            self._owns_list = False
            return
        self._owns_list = True
        self.blocks = [] if version is None else version.blocks[: version.used]
        self.starts = [] if version is None else version.starts[: version.used]
        if version is not None and version.used:
            last = version.used - 1
            self.blocks[last] = self.blocks[last][: version.length - self.starts[last]]
            self._own.add(last)

    def __len__(self) -> int:
        return self.starts[-1] + len(self.blocks[-1]) if self.blocks else 0

    def begin_block(self) -> None:
        """Let what is appended from now on stand in a new block."""
        self.starts.append(len(self))
        self.blocks.append([])

    def append(self, item: T) -> None:
        """Put *item* at the end of the last block."""
        self.blocks[-1].append(item)

    def set(self, block: int, at: int, item: T) -> None:
        """Put *item* in the place *at* of a block."""
        self._own_block(block)[at] = item

    def _own_block(self, block: int) -> list[T]:
        self._own_list()
        if block not in self._own:
            self.blocks[block] = self.blocks[block][:]
            self._own.add(block)
        return self.blocks[block]

    def _own_list(self) -> None:
        if not self._owns_list:
            self.blocks, self.starts, self._owns_list = self.blocks[:], self.starts[:], True

    def replace(self, block: int, items: list[T]) -> None:
        """Put *items* in the place of those of a block."""
        self._own_list()
        more = len(items) - len(self.blocks[block])
        self.blocks[block] = items
        self._own.add(block)
        if more:
            self.starts[block + 1 :] = [start + more for start in self.starts[block + 1 :]]

    def version(self) -> Blocks[T]:
        """Return what it is now."""
        return Blocks(self.blocks, self.starts, len(self.blocks), len(self))
