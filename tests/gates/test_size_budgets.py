"""Keeps files, functions and classes small enough to read in one go."""

import ast
from pathlib import Path

from tests.gates import source

FILE_LINES = 600
FUNCTION_LINES = 60
PUBLIC_METHODS = 25

FACADE = source.PACKAGE / "porcelain" / "tract.py"
_PARTS = ("conversation.py", "family.py", "handle.py")
FACADE_PARTS = (FACADE, *(source.PACKAGE / "porcelain" / name for name in _PARTS))
FACADE_FILE_LINES = 1_500
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
        limit = FACADE_FILE_LINES if path == FACADE else FILE_LINES
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > limit:
            found.append(f"{source.short(path)}: {count} lines, limit {limit}")
    return found


def _too_long_functions(name: str, module: ast.Module) -> list[str]:
    return [
        f"{name}:{function.lineno} {function.name}: {_body_lines(function)} lines, limit {FUNCTION_LINES}"
        for function in source.functions(module)
        if _body_lines(function) > FUNCTION_LINES
    ]


def _too_wide_classes(name: str, module: ast.Module, limit: int) -> list[str]:
    return [
        f"{name}:{cls.lineno} {cls.name}: {_public_methods(cls)} public methods, limit {limit}"
        for cls in ast.walk(module)
        if isinstance(cls, ast.ClassDef) and _public_methods(cls) > limit
    ]


def _too_thick_facade(name: str, module: ast.Module) -> list[str]:
    return [
        f"{name}:{function.lineno} {function.name}: {_statements(function)} statements, limit {FACADE_STATEMENTS}"
        for function in source.functions(module)
        if _statements(function) > FACADE_STATEMENTS
    ]


def test_files_are_within_their_line_budget() -> None:
    """No Python file is longer than 600 lines; the facade may have 1,500."""
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
    """No class in src has more than 25 public methods; `Tract` may have 64 besides those it inherits."""
    found = []
    for path in source.python_files("src"):
        limit = FACADE_PUBLIC_METHODS if path == FACADE else PUBLIC_METHODS
        found += _too_wide_classes(source.short(path), source.tree(path), limit)

    assert found == []


def test_facade_bodies_are_a_few_statements() -> None:
    """The facade only resolves names, enters an operation, calls one function and returns."""
    found = [line for path in FACADE_PARTS for line in _too_thick_facade(source.short(path), source.tree(path))]

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
    assert len(_too_wide_classes("c.py", ast.parse("class C:\n" + methods), PUBLIC_METHODS)) == 1
    assert len(_too_thick_facade("t.py", thick)) == 1
