"""Whether a generation config meets a condition."""

from __future__ import annotations

from typing import Any

import pytest

from tract.compile.conditions import Condition, meets, parse_conditions
from tract.errors import InvalidInputError

_CONFIG = {
    "model": "gpt-4o",
    "temperature": 0.5,
    "seed": 7,
    "stream": True,
    "stop": ["a", "b"],
    "response_format": {"type": "json", "schema": {"strict": False}},
    "a.b": "dotted",
    "a": {"b": "nested", "c": 1},
}


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("temperature", "=", 0.5, True),
        ("seed", "=", 7.0, True),
        ("seed", "!=", 8, True),
        ("seed", "!=", 7, False),
        ("temperature", "<", 0.5, False),
        ("temperature", "<=", 0.5, True),
        ("temperature", ">", 0, True),
        ("temperature", ">=", 1, False),
        ("model", ">", "gpt-3", True),
        ("model", "in", ("gpt-4o", "other"), True),
        ("model", "in", {"other"}, False),
        ("model", "in", [], False),
        ("temperature", "between", (0.5, 0.7), True),
        ("temperature", "between", [0.6, 0.7], False),
        ("temperature", "between", (0.1, 0.4), False),
        ("stop", "=", ("a", "b"), True),
        ("stop", "=", ["b", "a"], False),
        ("response_format.type", "=", "json", True),
        ("response_format.schema.strict", "=", False, True),
        ("a.b", "=", "dotted", True),
        ("a.c", "=", 1, True),
    ],
)
def test_values_compare(field: str, op: str, value: Any, expected: bool) -> None:  # noqa: FBT001 - a table
    """Each operator, nested fields, and a field whose name has dots."""
    assert meets(_CONFIG, Condition(field, op, value)) is expected


@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">=", "in", "between"])
@pytest.mark.parametrize(
    ("field", "value"),
    [("missing", 1), ("seed", "7"), ("stream", 1), ("model.name", "x"), ("a.", 1), ("seed", None), ("stop", 1)],
)
def test_a_missing_field_or_another_type_meets_nothing(op: str, field: str, value: Any) -> None:
    """Not even `!=`, and never an error."""
    given = {"in": [value], "between": (value, value)}.get(op, value)

    assert not meets(_CONFIG, Condition(field, op, given))


@pytest.mark.parametrize(("field", "value"), [("stream", True), ("stop", ["a", "b"]), ("a", {"b": "nested"})])
def test_what_has_no_order_is_not_less_or_more(field: str, value: Any) -> None:
    """Booleans, lists and objects are equal or not."""
    assert not any(meets(_CONFIG, Condition(field, op, value)) for op in ("<", "<=", ">", ">="))


def test_one_condition_or_several() -> None:
    """Three arguments are one condition; tuples are several."""
    one, other = Condition("model", "=", "x"), Condition("seed", "<", 1)

    assert parse_conditions(("model", "=", "x")) == [one]
    assert parse_conditions((("model", "=", "x"), ["seed", "<", 1])) == [one, other]


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("model", "="),
        (("model", "="),),
        (1, 2, 3),
        ((1, "=", 2),),
        ("model", "~", "x"),
        ("model", ["="], "x"),
        ("model", "in", "abc"),
        ("model", "between", 1),
        ("model", "between", (1, 2, 3)),
    ],
)
def test_what_is_no_condition_is_refused(given: Any) -> None:
    """With an error that says how to write one."""
    with pytest.raises(InvalidInputError):
        parse_conditions(given)
