"""Answers whether the code that an error's hint shows can be typed by the reader."""

import ast
import inspect
import re
import typing
from collections.abc import Iterator, Mapping

_CODE = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"tract(?: --?[a-z][a-z-]*(?:[ =][A-Z_]+)?)* ([a-z][a-z-]*)")


def hint_texts(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string that is, or may become, a hint; `{...}` parts read as `x`."""
    for node in ast.walk(module):
        for value in _hint_values(node):
            yield from _texts(value)


def _texts(value: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(value, ast.JoinedStr):
        yield value.lineno, _joined(value)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.lineno, value.value
    else:
        for child in ast.iter_child_nodes(value):
            yield from _texts(child)


def _hint_values(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.keyword) and node.arg == "hint":
        return [node.value]
    if isinstance(node, ast.Assign) and any(_is_hint(target) for target in node.targets):
        return [node.value]
    if isinstance(node, ast.AnnAssign) and _is_hint(node.target) and node.value is not None:
        return [node.value]
    return []


def _is_hint(target: ast.expr) -> bool:
    name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
    return name.lower().strip("_").endswith("hint")


def _joined(text: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in text.values)


def problems(text: str, roots: Mapping[str, object], commands: frozenset[str]) -> list[str]:
    """Return what the backticked parts of *text* name that does not exist.

    Args:
        text: One hint.
        roots: What a name at the start of an expression stands for, such as `t`.
        commands: The commands of the `tract` command line; empty means there is none yet.
    """
    found = []
    for code in _CODE.findall(text):
        command = _COMMAND.fullmatch(code) or _COMMAND.match(code + " ")
        if command and not code.startswith("tract."):
            found += [f"no command `{code}`"] if commands and command[1] not in commands else []
        elif any(re.search(rf"\b{root}\.", code) for root in roots):
            found += _expression_problems(code, roots)
    return found


def _expression_problems(code: str, roots: Mapping[str, object]) -> list[str]:
    try:
        parsed = ast.parse(code)
    except SyntaxError:
        return [f"`{code}` is not Python"]
    found = []
    for node in ast.walk(parsed):
        if isinstance(node, ast.Attribute) and _resolve(node, roots) is _MISSING:
            found.append(f"`{ast.unparse(node)}` does not exist")
        elif isinstance(node, ast.Call):
            found += _keyword_problems(node, roots)
    return found


def _keyword_problems(call: ast.Call, roots: Mapping[str, object]) -> list[str]:
    function = _resolve(call.func, roots)
    if not inspect.isfunction(function) and not inspect.ismethod(function):
        return []
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return []
    return [
        f"`{ast.unparse(call.func)}` takes no `{word.arg}`"
        for word in call.keywords
        if word.arg is not None and word.arg not in parameters
    ]


_MISSING = object()
_UNKNOWN = object()


def _resolve(node: ast.expr, roots: Mapping[str, object]) -> object:
    """Return what *node* names, `_MISSING` if nothing, `_UNKNOWN` where types do not tell."""
    if isinstance(node, ast.Name):
        return roots.get(node.id, _UNKNOWN)
    if not isinstance(node, ast.Attribute):
        return _UNKNOWN
    owner = _resolve(node.value, roots)
    if owner is _UNKNOWN or owner is _MISSING:
        return _UNKNOWN
    value = getattr(owner, node.attr, _MISSING)
    if isinstance(value, property):
        kind = typing.get_type_hints(value.fget).get("return", _UNKNOWN)
        return kind if inspect.isclass(kind) else _UNKNOWN
    return value
