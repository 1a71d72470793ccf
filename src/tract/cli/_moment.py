"""Answers which time a text such as `2h` or `yesterday` names, and how long ago a time was."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from tract.errors import InvalidInputError

_AGE: Final = re.compile(
    r"(\d{1,6})\s*(s|m|h|d|w|(?:second|minute|min|hour|day|week)s?)(?:\s+ago)?\Z",
    re.ASCII,
)
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def moment(text: str, now: datetime) -> datetime:
    """Return the time *text* names: an ISO date or time, an age (`2h`, `3 days ago`), `today`, `yesterday`, `now`.

    A day begins at midnight of *now*'s time zone, in which times without one are read as well.

    Raises:
        InvalidInputError: It names none.
    """
    said = " ".join(text.lower().split())
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if said in named:
        return named[said]
    age = _AGE.match(said)
    try:
        if age is not None:
            return now - int(age[1]) * _UNITS[age[2][0]]
        found = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"`{text}` is no time.", hint="Write 2026-01-31, 2026-01-31T12:00, 2h, 3d or yesterday."
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """A time: `2026-01-31`, `2026-01-31T12:00`, `2h`, `3d`, `yesterday`."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time *value* names."""
        try:
            return moment(value, datetime.now(UTC).astimezone())
        except InvalidInputError as error:
            self.fail(f"{error.message} {error.hint}", param, ctx)


MOMENT: Final = Moment()


def age(then: datetime, now: datetime) -> str:
    """Return how long before *now* a time was, in its largest unit: `5m ago`."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"
