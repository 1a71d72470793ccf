"""Keeps the words of docs/glossary.md: names say what a thing is, not that it does something."""

import ast
import re
from pathlib import Path

from tests.gates import source

BANNED_WORDS = frozenset({"manager", "helper", "util", "engine", "handler", "processor"})
# SQLAlchemy's own noun: storage makes and holds an `Engine`.
ALLOWED_IN_STORAGE = frozenset({"engine"})
STORAGE = source.PACKAGE / "storage"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _banned_words(name: str) -> set[str]:
    words = {word.lower() for word in _WORD.findall(name)}
    return (words | {word.removesuffix("s") for word in words}) & BANNED_WORDS


def _defined_names(module: ast.Module) -> list[str]:
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [node.name for node in ast.walk(module) if isinstance(node, kinds)]


def _offences(path: Path) -> list[str]:
    allowed = ALLOWED_IN_STORAGE if path.is_relative_to(STORAGE) else frozenset()
    module_names = path.relative_to(source.SRC).with_suffix("").parts
    return [name for name in (*module_names, *_defined_names(source.tree(path))) if _banned_words(name) - allowed]


def test_names_use_the_glossary() -> None:
    """No module, class or function in src is called a manager, helper, util, engine, handler or processor."""
    paths = source.python_files("src")
    found = {source.short(path): names for path in paths if (names := _offences(path))}

    assert paths
    assert found == {}


def test_the_gate_reads_words_inside_names() -> None:
    """Snake case, camel case and plurals are read as words; a word inside another word is not."""
    assert _banned_words("TractManager") == {"manager"}
    assert _banned_words("_tool_helpers") == {"helper"}
    assert _banned_words("SQLEngine") == {"engine"}
    assert _banned_words("utility_of_engineers") == set()
