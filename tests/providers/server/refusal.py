"""How does the server say no? One exception, raised where a rule is broken; each vendor gives it its own body."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]


class RefusedError(Exception):
    """The request is not answered; the text is the vendor's."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


def refuse_if(condition: object, message: str, *, param: str | None = None) -> None:
    if condition:
        raise RefusedError(message, param=param)


def words(text: str) -> frozenset[str]:
    """Return the names in *text*."""
    return frozenset(text.split())


def matches(pattern: str, value: object) -> bool:
    """Say if *value* is text and all of it fits *pattern*."""
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def is_number(value: object, low: float, high: float) -> bool:
    """Say if *value* is a number from *low* to *high*; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
