"""Shows that equal values have equal bytes, and that any other value has other bytes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.objects import encoder
from tests.strategies import FLOATS, JSON
from tract.errors import NotCanonicalError
from tract.objects.hashing import blob_hash, canonical_json, commit_hash, config_hash, operation_hash, parse_json


def shuffled(value: Any, order: Any) -> Any:
    """Return *value* with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = sorted(value, key=order)
        return {key: shuffled(value[key], order) for key in keys}
    if isinstance(value, list):
        return [shuffled(child, order) for child in value]
    return value


def is_same(left: Any, right: Any) -> bool:
    """Say whether two JSON values are the same, `1`, `1.0` and `True` kept apart, and `0.0` and `-0.0`."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(is_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(JSON)
def test_bytes_are_those_of_an_independent_encoder(value: Any) -> None:
    """Two encoders written apart agree on every byte."""
    assert canonical_json(value) == encoder.encode(value)


@given(JSON, st.randoms(use_true_random=False))
def test_key_order_changes_nothing(value: Any, random: Any) -> None:
    """The same object with its keys in another order has the same hash."""
    other = shuffled(value, lambda _: random.random())

    assert blob_hash(canonical_json(other)) == blob_hash(canonical_json(value))


@given(JSON, JSON)
def test_another_value_has_another_hash(left: Any, right: Any) -> None:
    """Two values have the same hash exactly when they are the same value."""
    assert (blob_hash(canonical_json(left)) == blob_hash(canonical_json(right))) == is_same(left, right)


@st.composite
def changed_once(draw: st.DrawFn) -> tuple[Any, Any]:
    """A value and the same with one leaf, key or item changed."""
    value = draw(JSON)
    return value, _changed(draw, value)


def _changed(draw: st.DrawFn, value: Any) -> Any:
    if not isinstance(value, (dict, list)) or not value or draw(st.booleans()):
        return draw(JSON)
    key: Any = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    child = _changed(draw, value[key])
    return {**value, key: child} if isinstance(value, dict) else [*value[:key], child, *value[key + 1 :]]


@given(changed_once())
def test_one_change_anywhere_changes_the_hash(pair: tuple[Any, Any]) -> None:
    """A change of one value, however deep, gives another hash."""
    before, after = pair
    assume(not is_same(before, after))

    assert canonical_json(before) != canonical_json(after)


@given(JSON)
def test_canonical_json_reads_back_as_the_value(value: Any) -> None:
    """Encoding loses nothing: the value read back is the value, to the sign of zero."""
    assert is_same(parse_json(canonical_json(value)), value)


@given(FLOATS)
def test_floats_are_the_shortest_that_read_back(value: float) -> None:
    """No shorter digits read back as the same float."""
    text = canonical_json(value).decode()
    digits = text.lstrip("-").partition("e")[0].replace(".", "").strip("0")

    assert float(text) == value
    assert all(float(f"{value:.{fewer}g}") != value for fewer in range(1, len(digits)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, b"1"),
        (1.0, b"1.0"),
        (-0.0, b"-0.0"),
        (0.0, b"0.0"),
        (0, b"0"),
        (1e16, b"1e+16"),
        (1e-7, b"1e-07"),
        (0.1 + 0.2, b"0.30000000000000004"),
        (2**53 - 1, b"9007199254740991"),
        (-(2**53) + 1, b"-9007199254740991"),
        (True, b"true"),
        ("\0\x1f\x7f\u2028é🙂/", '"\\u0000\\u001f\x7f\u2028é🙂/"'.encode()),
        ({"b": [], "a": {}, "é": None, "": 0, "\U00010000": 1, "\uffff": 2}, None),
        ((1, [2]), b"[1,[2]]"),
    ],
)
def test_chosen_values_have_these_bytes(value: Any, expected: bytes | None) -> None:
    """What is easy to get wrong is written down."""
    assert canonical_json(value) == (expected if expected is not None else encoder.encode(value))


def test_a_hash_belongs_to_one_kind_of_object() -> None:
    """The same bytes as blob, config, commit and operation have four hashes."""
    hashes = {one(b"{}") for one in (blob_hash, config_hash, commit_hash, operation_hash)}

    assert len(hashes) == 4
    assert blob_hash(b"{}").hex() == encoder.digest("blob", b"{}")


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        2**53,
        -(2**53),
        10**5000,
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {None: 2},
        {("a",): 2},
        {Text("a"): 2},
        Text("a"),
        b"bytes",
        {1, 2},
        object(),
        nested(129),
        nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """Alone or inside an object, the value is refused by the error that says so."""
    for given_value in (value, {"key": [value]}):
        with pytest.raises(NotCanonicalError) as caught:
            canonical_json(given_value)
        assert str(caught.value).endswith(".")


def test_a_value_that_holds_itself_is_refused() -> None:
    """A cycle is too deep, not a hang."""
    value: list[Any] = []
    value.append(value)

    with pytest.raises(NotCanonicalError, match="128 levels"):
        canonical_json(value)


def test_128_levels_are_allowed() -> None:
    """The limit is the last depth that passes, both ways."""
    value = nested(128)

    assert parse_json(canonical_json(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9007199254740992",
        b"1" * 5000,
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b"\xff",
        b"[" * 129 + b"]" * 129,
        b"[" * 100_000 + b"]" * 100_000,
        "\ufeff1",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_reading_refuses_what_writing_refuses(text: str | bytes) -> None:
    """Text that is no JSON, or that no value would be written as, is refused."""
    with pytest.raises(NotCanonicalError):
        parse_json(text)
