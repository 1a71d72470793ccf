"""Do looking around and moving around cost the same in a long history as in a short one?"""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.bench import Bench, Row, interleave
from benchmarks.figures.registry import figure
from benchmarks.systems.tract_ import TractHandle

_SHORT = 100
_LIMIT = 1.5
_REPEATS = 10
_DIVERGENT = 10

_numbers = itertools.count()


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _undo(t: Any) -> float:
    """Commit outside the clock, undo inside it."""
    t.user("to be undone")
    return _timed(t.undo)


def _switch(t: Any) -> float:
    """Go to the branch `other` outside the clock, back to main inside it."""
    t.switch("other")
    return _timed(lambda: t.switch("main"))


def _merge(t: Any, change: Callable[[Any, str], object] = lambda *_: None, **how: Any) -> float:
    """Let two branches part by ten messages each outside the clock, merge them inside it."""
    name = f"m{next(_numbers)}"
    t.branch(name)
    for branch in (name, "main"):
        t.switch(branch)
        with t.batch():
            for number in range(_DIVERGENT):
                t.user(f"{branch} {number}")
            change(t, branch)
        t.compile()
    return _timed(lambda: t.merge(name, **how))


def _merge_changes(t: Any) -> float:
    """The same, and each side edits two shared messages and annotates two, far apart."""
    commits = t.compile().commit_hashes
    step = max(len(commits) // 8, 1)

    def change(t: Any, branch: str) -> None:
        first = 4 * (branch == "main")
        for number, commit in enumerate(commits[first * step : (first + 4) * step : step]):
            if number % 2:
                t.pin(commit)
            else:
                t.edit(commit, f"edited on {branch}, {next(_numbers)}")

    return _merge(t, change)


def _merge_conflict(t: Any) -> float:
    """The same, and both edit one message in the middle; the merge decides for one side."""
    commits = t.compile().commit_hashes
    middle = commits[len(commits) // 2]
    return _merge(t, lambda t, branch: t.edit(middle, f"{branch} {next(_numbers)}"), strategy="theirs")


def _spawn(t: Any) -> float:
    """Start a child that knows everything; `spawn rows` counts what that adds to the store."""
    return _timed(lambda: t.spawn("work"))


def _first_commit(t: Any) -> float:
    """Start a child outside the clock, let it say its first word inside it."""
    child = t.spawn("work")
    return _timed(lambda: child.user("On it."))


_VERBS: dict[str, Callable[[Any], float]] = {
    "log": lambda t: _timed(lambda: t.log(limit=20)),
    "status": lambda t: _timed(t.status),
    "branch": lambda t: _timed(lambda: t.branch(f"b{next(_numbers)}", switch=False)),
    "switch": _switch,
    "tag": lambda t: _timed(lambda: t.tag(f"t{next(_numbers)}")),
    "undo": _undo,
    "spawn": _spawn,
    "spawn, first commit": _first_commit,
    "merge": _merge,
    "merge changes": _merge_changes,
    "merge conflict": _merge_conflict,
}


def _mean(verb: str, t: Any) -> float:
    """Return the mean seconds of one call, after one that does not count."""
    _VERBS[verb](t)
    return sum(_VERBS[verb](t) for _ in range(_REPEATS)) / _REPEATS


def _flat(verb: str, bench: Bench) -> Iterator[Row]:
    """Time *verb* at each length against the shortest, in the same rounds."""
    systems = bench.taking_part(["tract"], max(bench.ns))
    shortest = min(bench.ns)
    for system in systems.values():
        with ExitStack() as stack:
            contestants: dict[str, Callable[[], float]] = {}
            for n in bench.ns:
                handle = stack.enter_context(bench.opened(system, n))
                assert isinstance(handle, TractHandle)
                handle.tract.branch("other", at="HEAD~10", switch=False)
                contestants[str(n)] = partial(_mean, verb, handle.tract)
            found = interleave(contestants, rounds=bench.rounds)
        for n in bench.ns:
            ratio = found[str(n)].ratio(found[str(shortest)])
            is_judged = n > shortest == _SHORT
            yield Row(
                figure=verb,
                system="tract",
                n=n,
                value=found[str(n)].median * 1e6,
                unit="us",
                against=f"n={shortest:,}",
                ratio=ratio,
                target=f"<= {_LIMIT}x" if is_judged else "",
                is_met=ratio <= _LIMIT if is_judged else None,
            )


for _verb in _VERBS:
    figure(_verb)(partial(_flat, _verb))
