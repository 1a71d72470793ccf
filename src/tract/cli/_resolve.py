"""Answers what `--resolve N=HOW` decides: which question, and a word for a decision or a text to use."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import click

from tract.errors import InvalidContentError

SIDES: Final = ("ours", "theirs", "skip")


def decisions(
    resolved: Sequence[str], words: Collection[str], *, name: str = "conflict"
) -> Iterator[tuple[int, str, str | None]]:
    """Yield the index of a question, what to do, and for `use` the text to use or nothing.

    Args:
        resolved: What `--resolve` was given, in order.
        words: What is a decision rather than a text.
        name: What is numbered.

    Raises:
        InvalidContentError: A text is empty, or not UTF-8.
    """
    for one in resolved:
        number, equals, how = one.partition("=")
        if not equals or not number.isascii() or not number.isdigit():
            ways = ", ".join(f"N={word}" for word in words)
            raise click.UsageError(f"--resolve takes {ways}, N=TEXT or N=-, not `{one}`.")
        if int(number) < 1:
            raise click.UsageError(f"There is no {name} {number}.")
        action, text = (how, None) if how in words else ("use", _text(how))
        yield int(number) - 1, action, text


def _text(how: str) -> str:
    """Return the text to use, from stdin for `-`."""
    try:
        said = sys.stdin.buffer.read().decode() if how == "-" else how
    except UnicodeDecodeError as error:
        raise InvalidContentError("The text is not UTF-8.", hint="Convert it first, as with iconv.") from error
    if not said:
        raise InvalidContentError("There is no text to use.", hint="Leave the message out with `N=skip`.")
    return said
