"""Keeps files, functions and classes small enough to read in one go."""

import ast
import inspect
from pathlib import Path

from tests.gates import source
from tract import Tract

FILE_LINES = 600
FUNCTION_LINES = 60
PUBLIC_METHODS = 25

FACADE_PUBLIC_METHODS = 64
FACADE_STATEMENTS = 5


def _body_lines(function: source.Function) -> int:
    statements = source.body(function)
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def _statements(function: source.Function) -> int:
    return sum(isinstance(node, ast.stmt) for part in source.body(function) for node in ast.walk(part))


def _public_methods(cls: ast.ClassDef) -> int:
    methods = [node for node in cls.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    # An overloaded method is one name to learn. Properties are the collections methods are moved to, so they are free.
    return len({method.name for method in methods if not method.name.startswith("_") and not _is_property(method)})


def _is_property(method: source.Function) -> bool:
    return any(ast.unparse(d).rpartition(".")[2] in {"property", "setter"} for d in method.decorator_list)


def _too_long_files(paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > FILE_LINES:
            found.append(f"{source.short(path)}: {count} lines, limit {FILE_LINES}")
    return found


def _too_long_functions(name: str, module: ast.Module) -> list[str]:
    return [
        f"{name}:{function.lineno} {function.name}: {_body_lines(function)} lines, limit {FUNCTION_LINES}"
        for function in source.functions(module)
        if _body_lines(function) > FUNCTION_LINES
    ]


def _too_wide_classes(name: str, module: ast.Module) -> list[str]:
    return [
        f"{name}:{cls.lineno} {cls.name}: {_public_methods(cls)} public methods, limit {PUBLIC_METHODS}"
        for cls in ast.walk(module)
        if isinstance(cls, ast.ClassDef) and _public_methods(cls) > PUBLIC_METHODS
    ]


def _callable_names(cls: type) -> list[str]:
    """Return every public method of *cls*, inherited ones too."""
    members = ((name, inspect.getattr_static(cls, name)) for name in dir(cls) if not name.startswith("_"))
    return [name for name, member in members if not isinstance(member, property)]


def _facade_parts() -> list[Path]:
    return [Path(inspect.getfile(part)) for part in Tract.__mro__ if part.__module__.startswith("tract.")]


def _too_thick_facade(name: str, module: ast.Module) -> list[str]:
    return [
        f"{name}:{function.lineno} {function.name}: {_statements(function)} statements, limit {FACADE_STATEMENTS}"
        for function in source.functions(module)
        if _statements(function) > FACADE_STATEMENTS
    ]


def test_files_are_within_their_line_budget() -> None:
    """No Python file is longer than 600 lines."""
    paths = source.python_files("src", "tests", "benchmarks", "cookbook")

    assert paths
    assert _too_long_files(paths) == []


def test_functions_are_within_their_line_budget() -> None:
    """No function body in src is longer than 60 lines."""
    found = [
        line
        for path in source.python_files("src")
        for line in _too_long_functions(source.short(path), source.tree(path))
    ]

    assert found == []


def test_classes_are_within_their_method_budget() -> None:
    """No class in src defines more than 25 public methods."""
    found = [
        line for path in source.python_files("src") for line in _too_wide_classes(source.short(path), source.tree(path))
    ]

    assert found == []


def test_the_facade_is_within_its_method_budget() -> None:
    """All parts of `Tract` together have at most 64 public methods."""
    names = _callable_names(Tract)

    assert {"open", "commit", "close"} <= set(names)
    assert len(names) <= FACADE_PUBLIC_METHODS, names


def test_facade_bodies_are_a_few_statements() -> None:
    """The facade only resolves names, enters an operation, calls one function and returns."""
    parts = _facade_parts()
    found = [line for path in parts for line in _too_thick_facade(source.short(path), source.tree(path))]

    assert len(parts) > 1
    assert found == []


def test_the_budgets_notice_what_is_too_big(tmp_path: Path) -> None:
    """A file, a function, a class and a facade method one over their budget are each reported."""
    long_file = tmp_path / "long.py"
    long_file.write_text("pass\n" * (FILE_LINES + 1))
    long_function = ast.parse("def f():\n    '''Doc.'''\n" + "    pass\n" * (FUNCTION_LINES + 1))
    methods = "".join(f"    def m{number}(self): ...\n" for number in range(PUBLIC_METHODS + 1))
    thick = ast.parse("def f():\n    '''Doc.'''\n    if a:\n" + "        b()\n" * FACADE_STATEMENTS)

    assert len(_too_long_files([long_file])) == 1
    assert len(_too_long_functions("f.py", long_function)) == 1
    assert len(_too_wide_classes("c.py", ast.parse("class C:\n" + methods))) == 1
    assert len(_too_thick_facade("t.py", thick)) == 1
