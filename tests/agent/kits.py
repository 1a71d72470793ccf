"""Gives tests a conversation, and calls of tools that have to work or to be refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.dump import Rows
from tests.reliability.dump import dump as every_row
from tract import Toolkit, Tract

TRIP = "Book a flight to Lisbon on Friday, and a room with two beds for three nights near the river, please."


@pytest.fixture
def t(tmp_path: Path) -> Iterator[Tract]:
    """A conversation of three messages on a file."""
    with Tract.open(tmp_path / "store.db", actor="ann") as opened:
        opened.system("Be terse.")
        opened.user(TRIP)
        opened.assistant("Both are booked: flight TP 571 and a room at the river, until Monday.")
        yield opened


def done(kit: Toolkit, name: str, /, **arguments: Any) -> str:
    """Make a call that has to work, and return what it says."""
    result = kit.execute(name, arguments)
    assert not result.is_error, result.text
    return result.text or ""


def refused(kit: Toolkit, name: str, /, **arguments: Any) -> str:
    """Make a call that has to be refused, and return why."""
    result = kit.execute(name, arguments)
    assert result.is_error, result.text
    return result.text or ""


def short(t: Tract, back: int = 0) -> str:
    """Return the short hash of a commit of HEAD's history, as the tools print it."""
    return t.log(back + 1)[back].short_hash


def dump(file: Path) -> Rows:
    """Return every row of the store at *file*, but for the index, which searching brings up to date."""
    rows = {name: found for name, found in every_row(file).items() if not name.startswith("search")}
    return {**rows, "meta": [row for row in rows["meta"] if row[0] != "search"]}
