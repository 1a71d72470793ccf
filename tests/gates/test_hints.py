"""Keeps hints honest: a hint that names a method nobody has is worse than none."""

import ast

import pytest

import tract
from tests.gates import commands, hints, source


class _Branches:
    def create(self, name: str, *, at: str = "HEAD") -> None: ...


class _Sample:
    @property
    def branches(self) -> _Branches:
        return _Branches()

    def edit(self, target: str, content: str) -> None: ...


def _roots() -> dict[str, object]:
    roots: dict[str, object] = {"tract": tract}
    for name, value in {"t": "Tract", "Tract": "Tract", "Session": "Session"}.items():
        if hasattr(tract, value):
            roots[name] = getattr(tract, value)
    return roots


def test_every_hint_names_what_exists() -> None:
    """Each method, keyword and command in a hint of the package can be typed as it stands."""
    roots, known = _roots(), frozenset(commands.command_names())
    found = [
        f"{source.short(path)}:{line}: {problem}"
        for path in source.python_files("src")
        for line, text in hints.hint_texts(source.tree(path))
        for problem in hints.problems(text, roots, known)
    ]

    assert found == []


def test_hints_are_found_where_they_are_written() -> None:
    """Assignments, annotated attributes, keywords, both arms of a condition and f-strings are read."""
    code = """
hint: str = "a"
self.hint = f"b {name}" if near else "c"
Error(hint="d")
"""

    assert [text for _, text in hints.hint_texts(ast.parse(code))] == ["a", "b x", "c", "d"]


@pytest.mark.parametrize(
    "text",
    [
        "List them with `list(t.branches)`.",
        "Make one with `t.branches.create(name, at='HEAD')`.",
        "Use `Tract.edit(target, content)`, or run `tract --db PATH edit x`.",
        "Write `x` there.",
    ],
)
def test_a_true_hint_passes(text: str) -> None:
    """What exists is accepted, on the object, its collections and the command line."""
    assert hints.problems(text, {"t": _Sample, "Tract": _Sample}, frozenset({"edit"})) == []


@pytest.mark.parametrize(
    "text",
    [
        "Use `t.change(x)`.",
        "Use `t.branches.make(name)`.",
        "Use `t.edit(target, text='x')`.",
        "Run `tract change`.",
        "Use `t.edit(`.",
    ],
)
def test_a_false_hint_is_reported(text: str) -> None:
    """A wrong method, collection method, keyword, command or syntax is reported."""
    assert len(hints.problems(text, {"t": _Sample, "Tract": _Sample}, frozenset({"edit"}))) == 1
