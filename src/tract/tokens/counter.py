"""What is a token counter, and how does tiktoken count without hanging or crashing on odd text?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol, runtime_checkable

from tract.errors import UnknownTokenizerError
from tract.tokens.encodings import ENCODINGS, encoding

MAX_PIECE_CHARS: Final = 98_304
"""The longest text given to tiktoken at once.

Its regular expressions give up (a Rust panic) on runs of half a million spaces or so. (tiktoken before 0.13 is also
quadratic in such runs, 3 seconds for a piece of this length, and is not supported.) The number is a multiple of 3 and
of 128, so that a cut inside a long run of digits, spaces or one letter does not shift how the run is grouped.
"""

_CUT_WINDOW_CHARS: Final = 4_096
# No alternative in the patterns of `ENCODINGS` matches a space or tab after a character that is not
# white space, so a token always ends there and a cut changes no count.
_LAST_SAFE_CUT: Final = re.compile(r".*\S(?=[ \t])", re.DOTALL)


@runtime_checkable
class TokenCounter(Protocol):
    """Says how many tokens a text costs; the same text always costs the same."""

    @property
    def name(self) -> str:
        """Which tokenizer this is. Counts are cached by it: other counts need another name."""

    @property
    def is_approximate(self) -> bool:
        """Whether counts are estimates."""

    def count(self, text: str) -> int:
        """Return the number of tokens in *text*, 0 for empty text."""


class TiktokenCounter:
    """Counts exactly as tiktoken does, offline.

    Special tokens in the text, such as `<|endoftext|>`, are counted as the text they are. A lone surrogate counts as
    U+FFFD. Text above `MAX_PIECE_CHARS` is cut after a word, which changes no count. Only where 4,096 characters hold
    no space or tab after a word it is cut anywhere; each such cut, at most one in `MAX_PIECE_CHARS` characters, may
    change the count by a few tokens (at most 2 in 300 texts made to provoke it).

    Args:
        encoding_name: `o200k_base` or `cl100k_base`.

    Raises:
        UnknownTokenizerError: No ranks for *encoding_name* come with tract.

    Cost:
        Nothing until the first count in the process, which loads the ranks. A message of 200 bytes
        takes what tiktoken takes; any text less than about a second per megabyte.
    """

    __slots__ = ("_encode", "_name")

    def __init__(self, encoding_name: str) -> None:
        if encoding_name not in ENCODINGS:
            raise UnknownTokenizerError(encoding_name, tuple(ENCODINGS))
        self._name = encoding_name
        self._encode: Callable[[str], list[int]] | None = None

    def __repr__(self) -> str:
        return f"TiktokenCounter({self._name!r})"

    @property
    def name(self) -> str:
        """The encoding, such as `o200k_base`."""
        return self._name

    @property
    def is_approximate(self) -> bool:
        """Always false: this is the tokenizer itself."""
        return False

    def count(self, text: str) -> int:
        """Return the number of tokens in *text*.

        Raises:
            CorruptRanksError: The packed ranks are missing or damaged.
        """
        encode = self._encode
        if encode is None:
            # Racing threads store the same bound method of the same encoding.
            encode = self._encode = encoding(self._name).encode_ordinary
        if len(text) <= MAX_PIECE_CHARS:
            return len(encode(text))
        return sum(len(encode(piece)) for piece in pieces(text))


def pieces(text: str) -> Iterator[str]:
    """Cut *text* into pieces of at most `MAX_PIECE_CHARS`, between tokens where it can be known."""
    start = 0
    while len(text) - start > MAX_PIECE_CHARS:
        end = start + MAX_PIECE_CHARS
        # The pattern ends at a character before `end`, with the space still inside the window.
        found = _LAST_SAFE_CUT.match(text, end - _CUT_WINDOW_CHARS, end)
        cut = found.end() if found else end
        yield text[start:cut]
        start = cut
    yield text[start:]
