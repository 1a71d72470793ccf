"""A fork copies nothing: it and what the child does first cost the same whatever the length of the history."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tract import Tract
from tract.storage import schema

IN_A_BATCH = 5_000
SPAWN = {"blobs": 1, "commits": 1, "tracts": 1, "refs": 2, "operations": 2, "ref_changes": 3}
"""The spawn's own commit and its content; the child, its branch and HEAD; an operation of each."""


class _Letters:
    """Counts letters: a tokenizer would take most of the time it takes to build a long history."""

    name = "letters"
    is_approximate = False

    def count(self, text: str) -> int:
        return len(text)


def _filled(url: str, count: int) -> Tract:
    """Return a new tract with *count* commits."""
    t = Tract.open(url, durability="off", tokenizer=_Letters())
    for start in range(0, count, IN_A_BATCH):
        with t.batch():
            for number in range(start, min(count, start + IN_A_BATCH)):
                t.user(f"message {number}")
    return t


def _rows(t: Tract) -> dict[str, int]:
    """Return how many rows each table has."""
    run = t._store.database.run_text
    return {name: run(f"SELECT count(*) FROM {name}")[0][0] for name in schema.metadata.tables}


@contextlib.contextmanager
def _statements(t: Tract) -> Iterator[list[str]]:
    """Record what runs on the connection of *t*."""
    database, seen = t._store.database, []
    real = database._execute

    def recording(sql: str, *arguments: object) -> object:
        seen.append(sql)
        return real(sql, *arguments)

    database._execute = recording
    try:
        yield seen
    finally:
        database._execute = real


def _cost(t: Tract, call: Callable[[], object]) -> tuple[dict[str, int], list[str]]:
    """Return how many rows *call* adds by table, and which statements it runs."""
    before = _rows(t)
    with _statements(t) as seen:
        call()
    after = _rows(t)
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}, seen


def _fork_and_work(t: Tract) -> list[tuple[dict[str, int], list[str]]]:
    """Return what a fork, the child's first commit and its first context cost."""
    children: list[Tract] = []
    return [
        _cost(t, lambda: children.append(t.spawn("work"))),
        _cost(t, lambda: children[0].user("On it.")),
        _cost(t, lambda: len(children[0].compile())),
    ]


def _analyse(t: Tract) -> None:
    """Let PostgreSQL know how large its tables are, which autovacuum tells it within a minute."""
    if t._store.database.location.startswith("postgresql"):
        t._store.database.raw.execute("ANALYZE")


def _seconds(t: Tract) -> tuple[float, float]:
    """Return the seconds that a fork with the child's first commit takes, and those of its first context."""
    times = [time.perf_counter()]
    child = t.spawn("work")
    child.user("On it.")
    times.append(time.perf_counter())
    child.compile()
    times.append(time.perf_counter())
    return times[1] - times[0], times[2] - times[1]


def _compare_with_few(t: Tract, few: Tract) -> None:
    """Show that a fork of *t* and what its child does first cost what they do after a few commits."""
    for one in (few, t):
        one.compile()
        _fork_and_work(one)  # the first of a handle also reads settings

    fork, commit, context = _fork_and_work(t)
    expected = _fork_and_work(few)

    assert fork[0] == SPAWN
    # Its own commit on a lane of its own, which is what makes a shared history possible; no other row.
    assert commit[0] == {"lanes": 1, "commits": 1, "operations": 1, "ref_changes": 1}
    assert context[0] == {}
    assert [statements for _, statements in (fork, commit, context)] == [statements for _, statements in expected]
    assert len(fork[1]) < 40


def test_a_fork_copies_nothing_after_thousands_of_commits(store_url: str, tmp_path: Path) -> None:
    """The very statements and rows that a fork of three commits takes, and so the child's first commit and context."""
    with _filled(store_url, 3_000) as many, _filled(str(tmp_path / "few.db"), 3) as few:
        if "://" in store_url:
            assert _fork_and_work(many)[0][0] == SPAWN
        else:
            _compare_with_few(many, few)


@pytest.mark.slow
def test_a_fork_of_a_hundred_thousand_commits_takes_the_time_of_one_of_a_hundred(tmp_path: Path) -> None:
    """Medians of one run, taken in turns; the child knows what its parent has folded and reads nothing of it again."""
    with _filled(str(tmp_path / "few.db"), 100) as few, _filled(str(tmp_path / "many.db"), 100_000) as many:
        assert _rows(many)["commits"] == 100_000
        for one in (few, many):
            _analyse(one)
        _compare_with_few(many, few)

        rounds = [(_seconds(few), _seconds(many)) for _ in range(25)]
        begun = time.perf_counter()
        with Tract.open(tmp_path / "many.db", read_only=True, tokenizer=_Letters()) as other:
            assert len(other.compile()) == 100_000
        read = time.perf_counter() - begun

    # About 1.1 and a hundredth; the bounds leave room for a busy machine, a copy would take a thousand times as long.
    assert statistics.median(forked[0] / short[0] for short, forked in rounds) < 3
    assert statistics.median(forked[1] for _, forked in rounds) < read / 5
