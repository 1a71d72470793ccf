"""Answers whether a JSON value has the structure of an SDK's TypedDict parameter.

`pydantic.TypeAdapter` does not: it validates the SDKs' `Iterable[...]` lazily. Here an `Iterable` is a
list, a union is its best branch, `Required` is read from the hints, and an unknown key is an error.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict


def problems(value: Any, hint: Any, path: str = "$") -> list[str]:
    """Return where *value* differs from *hint*; nothing when it fits."""
    origin = get_origin(hint)
    if origin in {Annotated, Required, NotRequired}:
        return problems(value, get_args(hint)[0], path)
    if origin in {Union, types.UnionType}:
        # The branch whose tags fit, and then the one with the fewest problems, is the one that was meant.
        return min((problems(value, branch, path) for branch in get_args(hint)), key=_distance)
    if origin is Literal:
        return [] if value in get_args(hint) else [f"{path}: {value!r} is none of {get_args(hint)}"]
    if is_typeddict(hint):
        return _typed_dict(value, hint, path)
    if origin is not None:
        return _container(value, hint, path)
    return _plain(value, hint, path)


def _distance(found: list[str]) -> tuple[int, int]:
    return sum("is none of" in problem for problem in found), len(found)


def _plain(value: Any, hint: Any, path: str) -> list[str]:
    if hint is None or hint is type(None):
        return [] if value is None else [f"{path}: not null"]
    if hint is Any or hint is object:
        return []
    if isinstance(hint, type) and isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
        return []
    return [f"{path}: {type(value).__name__} is no {hint}"]


def _container(value: Any, hint: Any, path: str) -> list[str]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{path}: not an object"]
        return [found for key, item in value.items() for found in problems(item, arguments[1], f"{path}.{key}")]
    if origin in {Iterable, list} and isinstance(value, list):
        return [found for i, item in enumerate(value) for found in problems(item, arguments[0], f"{path}[{i}]")]
    # What is left has no JSON form (an open file, a path), or the value is no list.
    return [f"{path}: {type(value).__name__} is no {hint}"]


@cache
def _hints(typed_dict: Any) -> dict[str, Any]:
    return get_type_hints(typed_dict, include_extras=True)


def _typed_dict(value: Any, hint: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: not an object"]
    hints = _hints(hint)
    required = {name for name, field in hints.items() if get_origin(field) is Required}
    found = [f"{path}.{name}: unknown" for name in value if name not in hints]
    found += [f"{path}.{name}: missing" for name in sorted(required) if name not in value]
    for name, item in value.items():
        if name in hints:
            found += problems(item, hints[name], f"{path}.{name}")
    return found
