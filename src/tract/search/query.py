"""Answers what a query asks for. Pure, and no text is a wrong query: what is no operator is text to find.

Words and "phrases" must all occur, `-word` must not. `role: type: branch: tract: tag:` name what a commit is
or where it stands; several of one kind mean any of them. `before:` and `after:` name times; all must hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from tract.objects.commit import from_microseconds, to_microseconds
from tract.objects.folding import fold

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})

_ITEM: Final = re.compile(
    r"""(?P<minus>-(?=[^\W_]|["_]))?              # before a letter, digit or quote: not `->`, not `--flag`
        (?:(?P<name>role|type|branch|tract|tag|before|after):(?=\S))?
        (?:"(?P<quoted>[^"]*)(?:"|\Z)|(?P<plain>\S+))""",
    re.VERBOSE | re.IGNORECASE,
)
_AGE: Final = re.compile(r"(\d{1,6})([smhdw])\Z", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query asks for, or asks not to be.

    Attributes:
        terms: Folded texts.
        roles: Any of these says it.
        types: Content types, any of them.
        branches: It stands behind one of these.
        tracts: It belongs to one of these.
        tags: One of these points to it.
    """

    terms: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    branches: frozenset[str] = frozenset()
    tracts: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Query:
    """A query, understood.

    Attributes:
        wanted: What has to be.
        excluded: What must not be, none of it.
        after: Committed then or later, microseconds UTC.
        before: Committed before then.
    """

    wanted: Asked = field(default_factory=Asked)
    excluded: Asked = field(default_factory=Asked)
    after: int | None = None
    before: int | None = None


def parse(text: str, now: int) -> Query:
    """Return what *text* asks for at the time *now* (microseconds UTC)."""
    sides: dict[bool, dict[str, list[str]]] = {False: {}, True: {}}
    times: dict[str, list[int]] = {"before": [], "after": []}
    for item in _ITEM.finditer(text):
        is_excluded = item["minus"] is not None
        kind, value = _read(item, now)
        if isinstance(value, str):
            sides[is_excluded].setdefault(kind, []).append(value)
        else:
            # Not before a time is at that time or later.
            times[_OPPOSITE[kind] if is_excluded else kind].append(value)
    return Query(
        _asked(sides[False]), _asked(sides[True]), max(times["after"], default=None), min(times["before"], default=None)
    )


_OPPOSITE: Final = {"before": "after", "after": "before"}


def _asked(found: Mapping[str, list[str]]) -> Asked:
    terms = tuple([term for term in dict.fromkeys(found.get("terms", ())) if term])
    return Asked(terms, *[frozenset(found.get(name, ())) for name in ("roles", "types", "branches", "tracts", "tags")])


def _read(item: re.Match[str], now: int) -> tuple[str, str | int]:
    """Return the field an item belongs to, and its value."""
    name = (item["name"] or "").lower()
    value: str = item["plain"] if item["quoted"] is None else item["quoted"]
    read = _OPERATORS.get(name)
    found = None if read is None else read[1](value, now)
    if read is None or found is None:
        said = value if not name else item.group()[len(item["minus"] or "") :]
        return "terms", fold(said)
    return read[0], found


def _role(value: str, _: int) -> str | None:
    role = value.lower()
    return role if role in ROLES else None


def _name(value: str, _: int) -> str | None:
    return value or None


def moment(value: str, now: int) -> int | None:
    """Return the time *value* names, microseconds UTC; `None` if it names none.

    An ISO date or time, UTC unless it says otherwise, or an age such as `3d`.
    """
    age = _AGE.match(value)
    try:
        if age is not None:
            return to_microseconds(from_microseconds(now) - timedelta(**{_UNITS[age[2]]: int(age[1])}))
        found = datetime.fromisoformat(value)
        return to_microseconds(found if found.tzinfo is not None else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


_OPERATORS: Final[Mapping[str, tuple[str, Callable[[str, int], str | int | None]]]] = {
    "role": ("roles", _role),
    "type": ("types", _name),
    "branch": ("branches", _name),
    "tract": ("tracts", _name),
    "tag": ("tags", _name),
    "before": ("before", moment),
    "after": ("after", moment),
}
