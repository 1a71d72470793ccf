"""Keeps G15: no code path can run what a store holds, whatever was put into it."""

import ast

import pytest

from tests.gates import source

BANNED_NAMES = frozenset({"eval", "exec", "__import__"})
BANNED_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "joblib"})
BANNED_ATTRIBUTES = frozenset(
    {
        ("yaml", "load"),
        ("yaml", "unsafe_load"),
        ("yaml", "full_load"),
        ("os", "system"),
        ("os", "popen"),
        ("builtins", "eval"),
        ("builtins", "exec"),
    }
)


def _imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _reason(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name) and node.id in BANNED_NAMES:
        return node.id
    for module in _imported_modules(node):
        if module.split(".")[0] in BANNED_MODULES:
            return f"import {module}"
    if isinstance(node, ast.ImportFrom):
        return next((f"{node.module}.{a.name}" for a in node.names if (node.module, a.name) in BANNED_ATTRIBUTES), None)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        pair = (node.value.id, node.attr)
        return ".".join(pair) if pair in BANNED_ATTRIBUTES else None
    if isinstance(node, ast.keyword) and node.arg == "shell":
        return "shell="
    return None


def _executes(module: ast.Module) -> list[str]:
    return [reason for node in ast.walk(module) if (reason := _reason(node))]


def test_source_cannot_execute_data() -> None:
    """No file of the package names eval, exec, pickle or a relative of theirs, not even under another name."""
    paths = source.python_files("src")
    found = {source.short(path): reasons for path in paths if (reasons := _executes(source.tree(path)))}

    assert paths
    assert found == {}


@pytest.mark.parametrize(
    "code",
    [
        "eval(text)",
        "run = exec",
        "import pickle",
        "from marshal import loads",
        "import os\nos.system(command)",
        "from os import system",
        "yaml.load(text)",
        "__import__(name)",
        "subprocess.run(command, shell=True)",
    ],
)
def test_the_gate_notices_each_way_to_execute(code: str) -> None:
    """Each banned construct is found, so an empty result means something."""
    assert _executes(ast.parse(code))
