"""Runs the `>>>` examples of the docstrings."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import tract

# Alembic runs these in its own context; importing them alone is an error.
_NOT_IMPORTABLE = ".migrations"

MODULES = [
    "tract",
    *(
        module.name
        for module in pkgutil.walk_packages(tract.__path__, "tract.")
        if _NOT_IMPORTABLE not in module.name and not module.name.endswith(".__main__")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_give_what_they_show(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each interactive example in a docstring prints the result below it."""
    monkeypatch.chdir(tmp_path)

    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)

    assert result.failed == 0
