"""Answers whether a generation config meets a condition such as `temperature > 0.5`. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

from tract.errors import InvalidInputError


class Condition(NamedTuple):
    """One comparison of a field, which may be a dotted path, with a value."""

    field: str
    op: str
    value: Any


_MISSING: Final = object()


def parse_conditions(given: Sequence[Any]) -> list[Condition]:
    """Return the conditions *given*: one as `(field, op, value)`, or several of such triples.

    Raises:
        InvalidInputError: Neither, an unknown operator, or a value the operator cannot take.
    """
    triples = [given] if given and isinstance(given[0], str) else given
    return [_condition(triple) for triple in triples] or [_condition(())]


def _condition(triple: Any) -> Condition:
    if not isinstance(triple, (tuple, list)) or len(triple) != 3 or not isinstance(triple[0], str):
        raise InvalidInputError(
            "A condition is a field, an operator and a value.",
            hint="Write `t.query_by_config('temperature', '>', 0.5)`.",
        )
    condition = Condition(*triple)
    if not isinstance(condition.op, str) or condition.op not in OPERATORS:
        raise InvalidInputError(
            f"Unknown operator `{condition.op!a}`.", hint=f"Known are {', '.join(f'`{name}`' for name in OPERATORS)}."
        )
    if condition.op == "in" and not isinstance(condition.value, (list, tuple, AbstractSet)):
        raise InvalidInputError("`in` takes a list, tuple or set of values.")
    if condition.op == "between" and not (isinstance(condition.value, (list, tuple)) and len(condition.value) == 2):
        raise InvalidInputError("`between` takes the lowest and the highest value: `(0.2, 0.8)`.")
    return condition


def meets(config: Mapping[str, Any], condition: Condition) -> bool:
    """Return whether *config* has the field and its value compares so.

    A missing field and a value of another type meet no condition, not even `!=`. Integers and
    floats are one type; booleans are another.
    """
    found = _at(config, condition.field)
    return found is not _MISSING and OPERATORS[condition.op](found, condition.value)


def _at(config: Any, path: str) -> Any:
    """Return the value at a dotted path; a field whose own name has the dots comes first."""
    if not isinstance(config, Mapping):
        return _MISSING
    if path in config:
        return config[path]
    first, dot, rest = path.partition(".")
    return _at(config.get(first), rest) if dot else _MISSING


def _kind(value: Any) -> Any:
    if isinstance(value, bool):
        return bool
    if isinstance(value, (int, float)):
        return float
    return list if isinstance(value, (list, tuple)) else type(value)


def _comparing(compare: Callable[[Any, Any], bool], *, ordered: bool) -> Callable[[Any, Any], bool]:
    kinds = (float, str)

    def met(found: Any, value: Any) -> bool:
        if _kind(found) is not _kind(value) or (ordered and _kind(found) not in kinds):
            return False
        return compare(list(found), list(value)) if _kind(found) is list else compare(found, value)

    return met


_equal = _comparing(operator.eq, ordered=False)
_at_least = _comparing(operator.ge, ordered=True)
_at_most = _comparing(operator.le, ordered=True)


def _is_in(found: Any, values: Any) -> bool:
    return any(_equal(found, value) for value in values)


def _is_between(found: Any, bounds: Any) -> bool:
    return _at_least(found, bounds[0]) and _at_most(found, bounds[1])


OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": _equal,
    "!=": _comparing(operator.ne, ordered=False),
    "<": _comparing(operator.lt, ordered=True),
    "<=": _at_most,
    ">": _comparing(operator.gt, ordered=True),
    ">=": _at_least,
    "in": _is_in,
    "between": _is_between,
}
"""Each operator by its name; both bounds of `between` are included."""
