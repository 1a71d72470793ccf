"""Answers which names refs, tracts and authors may have, what a ref change is, and where a handle stands.

Git's rules (`git check-ref-format --branch`) and the stricter ones a terminal and a file system
need: NFC, at most 255 bytes, nothing invisible, no leading dash.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NamedTuple

from tract.errors import InvalidInputError, InvalidRefNameError

HEAD: Final = "HEAD"
ORIG_HEAD: Final = "ORIG_HEAD"
BRANCH_PREFIX: Final = "heads/"
TAG_PREFIX: Final = "tags/"
DEFAULT_BRANCH: Final = "main"
MAX_NAME_BYTES: Final = 255


_FORBIDDEN: Final = frozenset(" ~^:?*[\\")
_RESERVED: Final = frozenset({HEAD, ORIG_HEAD, "@", "-"})


class RefChange(NamedTuple):
    """One ref before and after an operation.

    Values are 32-byte commit hashes or `None`; for a symbolic ref (HEAD) the name of the ref it
    points to, as UTF-8.
    """

    name: str
    old: bytes | None
    new: bytes | None


def check_name(name: str) -> str:
    """Return *name* if it may name a branch, a tag or a tract.

    Raises:
        InvalidRefNameError: It may not; `reason` says which rule it breaks.
    """
    reason = _fault(name)
    if reason is not None:
        raise InvalidRefNameError(name if isinstance(name, str) else type(name).__name__, reason)
    return name


def _fault(name: str) -> str | None:
    if not isinstance(name, str):
        return "it is not a string"
    if not name:
        return "it is empty"
    if name in _RESERVED or name.startswith("refs/"):
        return "it is reserved"
    return _fault_of_characters(name) or _fault_of_shape(name)


def _fault_of_characters(name: str) -> str | None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair"
    if size > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    if any(char in _FORBIDDEN for char in name):
        return "it holds a space or one of ~ ^ : ? * [ \\"
    # Cc control, Cf bidi and zero width, Zl/Zp line separators, Cn unassigned, Co private use.
    if any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Zs", "Cn", "Co"} for char in name):
        return "it holds a character that cannot be seen"
    if not unicodedata.is_normalized("NFC", name):
        return "it is not in Unicode's composed form (NFC)"
    return None


def _fault_of_shape(name: str) -> str | None:
    if name.startswith("-"):
        return "it starts with a dash"
    if ".." in name or "@{" in name or "//" in name:
        return "it holds `..`, `@{` or `//`"
    if name.startswith("/") or name.endswith(("/", ".")):
        return "it starts or ends with a slash, or ends with a dot"
    for part in name.split("/"):
        if part.startswith(".") or part.endswith(".lock"):
            return "a part of it starts with a dot or ends with `.lock`"
    return None


def check_label(value: str, what: str) -> str:
    """Return *value* if it may be an author or actor: at most 255 bytes without control characters.

    Raises:
        InvalidInputError: It may not.
    """
    try:
        fits = isinstance(value, str) and len(value.encode()) <= MAX_NAME_BYTES
    except UnicodeEncodeError:
        fits = False
    if not fits or any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} for char in value):
        raise InvalidInputError(
            f"The {what} is no text of at most {MAX_NAME_BYTES} bytes without control characters.",
            hint="Give a plain name.",
        )
    return value


class Head(NamedTuple):
    """Where a handle stands: on a branch, or detached on a commit."""

    branch: str | None
    commit: bytes | None = None
