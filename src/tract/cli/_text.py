r"""Answers what of a stored text may reach a terminal: everything that can be seen.

A stored text may come from a model, a web page or a tool. An escape sequence in it could repaint the
screen or type into the shell, a bidi control could show other words than are there, and a zero-width
character could hide some. All of them are written out as an escape, such as `\x1b` or `\u202e`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Shown as nothing although Unicode calls them letters, marks or symbols; tags and the selectors are used to hide text.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def visible(text: str, *, keep: str = "") -> str:
    r"""Return *text* with every character that cannot be seen written out.

    Args:
        text: Text of unknown origin.
        keep: Control characters to let through, such as the line feeds of a body.

    Example:
        >>> visible("a\x1b[31m\u202eb\n")
        'a\\x1b[31m\\u202eb\\n'
    """
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join([char if char in keep or not _is_hidden(char) else _escape(char) for char in text])


def visible_json(text: str) -> str:
    r"""Return JSON *text*, the same value, with hidden characters inside its strings as `\u` escapes."""
    if _BLANK.search(text) is None and text.replace("\n", "").isprintable():
        return text
    return "".join([char if char == "\n" or not _is_hidden(char) else _json_escape(char) for char in text])


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN or _BLANK.match(char) is not None


def _escape(char: str) -> str:
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    if named is not None:
        return named
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
