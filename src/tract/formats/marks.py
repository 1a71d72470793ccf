"""Answers how it is noted which of several ways of writing one thing was used, so that it is written so again.

The note is words in the field `content` of what only a format knows; what each word means is said by its reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def take_marks(fields: dict[str, Any]) -> list[str]:
    """Take the note out of *fields* and return its words."""
    mark = fields.pop("content", "")
    return mark.split() if isinstance(mark, str) else []


def marked(provider: str, fields: Mapping[str, Any], marks: Sequence[str] = ()) -> dict[str, Any]:
    """Return *fields*, which only *provider* knows, as an `extra`, with a note of *marks* if there are any."""
    own = {**fields, "content": " ".join(marks)} if marks else dict(fields)
    return {provider: own} if own else {}
