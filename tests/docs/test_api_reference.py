"""Keeps docs/reference/api.md complete and true."""

import inspect
import re

import pytest

from tests.gates import source
from tract import CompiledContext, Session, Tract

REFERENCE = source.ROOT / "docs" / "reference" / "api.md"
_ROW = re.compile(r"^\| `(\w+)(\(\))?` \| (.+) \|$", re.MULTILINE)


def _rows(name: str) -> dict[str, tuple[bool, str]]:
    section = REFERENCE.read_text(encoding="utf-8").partition(f"## `{name}`\n")[2].partition("\n## ")[0]
    return {row[1]: (row[2] is not None, row[3]) for row in _ROW.finditer(section)}


def _members(cls: type) -> dict[str, tuple[bool, str]]:
    found = {}
    inherited = [name for base in cls.__mro__ if base.__module__.startswith("tract.") for name in vars(base)]
    for name in inherited:
        member = inspect.getattr_static(cls, name)
        if not name.startswith("_") and (callable(member) or hasattr(member, "__get__")):
            said = (inspect.getdoc(getattr(cls, name) if callable(member) else member) or "").split("\n\n")[0]
            is_method = inspect.isfunction(member) or isinstance(member, classmethod)
            found[name] = (is_method, said.replace("\n", " "))
    return found


@pytest.mark.parametrize("cls", [Tract, Session, CompiledContext], ids=lambda cls: cls.__name__)
def test_every_method_has_its_line(cls: type) -> None:
    """Each public method and property is listed, in order, with the first sentence of its docstring."""
    rows = _rows(cls.__name__)

    assert rows == _members(cls)
    assert list(rows) == sorted(rows)
