"""Shows which time a text names."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tract.cli._moment import age, moment
from tract.errors import InvalidInputError

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 3, 10, 15, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=ZONE)),
        ("2026-01-31T12:00", datetime(2026, 1, 31, 12, tzinfo=ZONE)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (" 2H ", datetime(2026, 3, 10, 13, 30, tzinfo=ZONE)),
        ("3d", datetime(2026, 3, 7, 15, 30, tzinfo=ZONE)),
        ("90s", datetime(2026, 3, 10, 15, 28, 30, tzinfo=ZONE)),
        ("2 weeks ago", datetime(2026, 2, 24, 15, 30, tzinfo=ZONE)),
        ("5 min ago", datetime(2026, 3, 10, 15, 25, tzinfo=ZONE)),
        ("now", NOW),
        ("today", datetime(2026, 3, 10, tzinfo=ZONE)),
        ("yesterday", datetime(2026, 3, 9, tzinfo=ZONE)),
    ],
)
def test_a_text_names_a_time(text: str, expected: datetime) -> None:
    """Dates and times of the local zone unless they have one, ages, and named days."""
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "2x", "2026-13-01", "999999w", "-2h", "٣d", "2 hours later"])
def test_other_texts_name_none(text: str) -> None:
    """They are refused, and so is an age before the first year."""
    with pytest.raises(InvalidInputError, match="is no time"):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0s ago"), (59, "59s ago"), (60, "1m ago"), (7_199, "1h ago"), (86_400, "1d ago"), (1_300_000, "2w ago")],
)
def test_an_age_is_in_its_largest_unit(seconds: int, expected: str) -> None:
    """Rounded down; a time that lies ahead is just now."""
    assert age(NOW - timedelta(seconds=seconds), NOW) == expected
