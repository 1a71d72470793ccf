"""Keeps the page of errors complete."""

import inspect
from pathlib import Path

from tract import errors

_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def test_every_error_is_on_the_page_with_its_code() -> None:
    """Each class has one row, and no row names a class that is gone."""
    rows = [line.split("|")[1:3] for line in _PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = {(name.strip(" `"), code.strip(" `")) for name, code in rows}

    actual = {
        (name, kind.code)
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.TractError)
    }
    assert listed == actual
    assert len(rows) == len(listed)


def test_every_code_is_of_one_class() -> None:
    """So a program can tell errors apart by it."""
    codes = [
        kind.code for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.TractError)
    ]

    assert len(codes) == len(set(codes))
