"""Proves that the same calls give the same hashes and the same context on SQLite and on PostgreSQL."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.databases import Postgres
from tract import Tract
from tract.errors import BranchNotFoundError, TractError

_text = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=()), max_size=20)
_index = st.integers(0, 9)
_call = st.one_of(
    st.tuples(st.just("user"), _text, _text),
    st.tuples(st.just("assistant"), _text, st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("edit"), _index, _text),
    st.tuples(
        st.just("annotate"), st.lists(_index, min_size=1, max_size=3), st.sampled_from(["skip", "normal", "pinned"])
    ),
    st.tuples(st.just("branch"), st.sampled_from("abc"), _index),
    st.tuples(st.just("switch"), st.sampled_from(["a", "b", "c", "main"]), _index),
    st.tuples(st.just("checkout"), _index, _index),
    st.tuples(st.just("usage"), _index, _index),
    st.tuples(st.just("batch"), st.booleans(), _text),
)


def run(t: Tract, calls: list[tuple[Any, ...]]) -> list[Any]:
    """Make each of *calls*; return what came of each: a hash, or the class of the error."""
    results: list[Any] = []
    for name, first, second in calls:
        try:
            results.append(CALLS[name](t, first, second))
        except (TractError, LookupError) as error:
            results.append(type(error))
    return results


def _batch(t: Tract, is_failing: bool, text: str) -> str | None:  # noqa: FBT001 - drawn by hypothesis
    with t.batch():
        t.user(text)
        t.skip("HEAD")
        if is_failing:
            raise LookupError(text)
    return t.head


def _nth(t: Tract, index: int) -> str:
    return t.log(10)[index].hash


CALLS: dict[str, Callable[[Tract, Any, Any], Any]] = {
    "user": lambda t, text, note: t.user(text, message=note, metadata={"note": note}),
    "assistant": lambda t, text, heat: t.assistant(text, generation_config={"temperature": heat}),
    "edit": lambda t, index, text: t.edit(_nth(t, index), text),
    "annotate": lambda t, indexes, priority: t.annotate([_nth(t, index) for index in indexes], priority),
    "branch": lambda t, name, index: t.branch(name, at=_nth(t, index)),
    "switch": lambda t, name, _: t.switch(name),
    "checkout": lambda t, index, _: t.checkout(_nth(t, index)),
    "usage": lambda t, read, written: t.record_usage({"input_tokens": read, "output_tokens": written}),
    "batch": _batch,
}


def operations(t: Tract) -> list[tuple[Any, ...]]:
    """Return number, verb and hash of every operation of *t*."""
    sql = f"SELECT no, verb, args, hash FROM operations WHERE tract_id = {t._store.tract_id} ORDER BY no"
    return t._store.database.run_text(sql)


@pytest.fixture(scope="module")
def shared_url(postgres: Postgres) -> Iterator[str]:
    """Return one database for all examples: each has its own tract, and blobs of others are in the way."""
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


_numbers = itertools.count()


@given(calls=st.lists(_call, max_size=14))
def test_the_same_calls_give_the_same_hashes_and_messages(shared_url: str, calls: list[tuple[Any, ...]]) -> None:
    """Commits, operations, errors and compiled contexts do not depend on the database."""
    name = f"example-{next(_numbers)}"
    with opened(":memory:", name) as one, opened(shared_url, name) as other:
        expected = run(one, calls)

        assert run(other, calls) == expected
        assert other.log(100) == one.log(100)
        assert (other.head, other.current_branch) == (one.head, one.current_branch)
        assert context(other) == context(one)
        assert operations(other) == operations(one)


def context(t: Tract) -> tuple[Any, ...]:
    """Return what *t* compiles to, without the row ids behind it."""
    c = t.compile(verify=True)
    return c.head, c.messages, c.token_count, c.token_source, c.warnings, c.provenance, c.generation_configs


@contextlib.contextmanager
def opened(url: str, name: str) -> Iterator[Tract]:
    """Open a new tract under a clock that gives 1, 2, 3, ... milliseconds."""
    ticks = itertools.count(1_000_000, 1_000_000)
    # Creating a tract is its first operation, so the clock must be in place before there is a handle.
    with mock.patch("time.time_ns", ticks.__next__):
        t = Tract.open(url, tract=name)
    t._store.clock = lambda: next(ticks) // 1_000
    with t:
        yield t


def test_operations_are_recorded_with_their_hashes(shared_url: str) -> None:
    """The comparison above compares something."""
    with opened(shared_url, "sample") as t:
        results = run(t, [("user", "a", "b"), ("batch", True, "x"), ("batch", False, "y"), ("switch", "nowhere", 0)])
        assert [row[1] for row in operations(t)] == ["init", "commit", "batch"]
        assert results[1] is LookupError
        assert results[3] is BranchNotFoundError
        assert t.log()[-1].created_at == datetime(1970, 1, 1, 0, 0, 0, 4_000, tzinfo=UTC)
