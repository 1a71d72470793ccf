"""Answers which commit broke something: the first after which a test of the compiled context fails."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tract.compile.compiler import Compiler, compile_commit, states_of
from tract.compile.context import CompiledContext
from tract.compile.counts import counted
from tract.compile.fold import Event
from tract.errors import InvalidInputError
from tract.history.ancestry import Place, contains
from tract.history.info import commit_info
from tract.history.lanes import reach_of
from tract.objects.commit import SHORT_HASH, CommitInfo
from tract.store import Store

ContextTest: TypeAlias = Callable[[CompiledContext], bool | None]
"""Says whether a context is good; `None` if that cannot be told."""

Verdict: TypeAlias = Literal["good", "bad", "skipped"]


@dataclass(frozen=True, slots=True)
class BisectStep:
    """One run of the test.

    Attributes:
        commit: Hash of the commit tested.
        verdict: `good`, `bad`, or `skipped` if it could not be tested.
        remaining: How many commits may still be the first bad one.
    """

    commit: str
    verdict: Verdict
    remaining: int

    def __repr__(self) -> str:
        return f"<BisectStep {self.commit[:SHORT_HASH]} {self.verdict} remaining={self.remaining}>"


@dataclass(frozen=True, slots=True)
class BisectResult:
    """Which commit broke it.

    Attributes:
        first_bad: The first commit after which the test fails, `None` if commits that cannot be
            tested hide it.
        candidates: The commits one of which it is, oldest first; `first_bad` alone if it is known.
        steps: Every run of the test, in order.
    """

    first_bad: CommitInfo | None
    candidates: tuple[CommitInfo, ...] = field(repr=False)
    steps: tuple[BisectStep, ...] = field(repr=False)

    @property
    def runs(self) -> int:
        """How often the test ran."""
        return len(self.steps)

    def __repr__(self) -> str:
        found = "unknown" if self.first_bad is None else self.first_bad.short_hash
        return f"<BisectResult first_bad={found} candidates={len(self.candidates)} runs={self.runs}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(info.short_hash)}</td><td>{html.escape(info.message)}</td></tr>"
            for info in self.candidates
        )
        return f"<table><caption>{html.escape(repr(self))}</caption>{rows}</table>"


def bisect(
    store: Store, bounds: tuple[bytes, bytes], test: ContextTest, *, compiler: Compiler | None = None
) -> BisectResult:
    """Find the first commit after which *test* fails.

    Args:
        store: The open store; nothing is written to it.
        bounds: A good commit, and a bad one after it.
        test: Called with the context of a commit; no transaction is open meanwhile.
        compiler: Replaces the rendering.

    Raises:
        InvalidInputError: The good commit is not an ancestor of the bad one or fails, the bad one passes,
            or *test* is no function.

    Cost:
        One fold of the history, then at most `ceil(log2(n)) + 2` runs for n commits in a line, and
        one more for each that cannot be tested. Merges may take a few more.
    """
    if not callable(test):
        raise InvalidInputError(
            "`test` is a function of a context.", hint="Pass `lambda context: len(context) < 9`, for example."
        )
    search = _Search(store, test, compiler)
    good, bad = bounds
    candidates = search.between(good, bad)
    _require(search.run(good, len(candidates)), "good", good)
    _require(search.run(bad, len(candidates)), "bad", bad)
    left = list(search.narrowed(candidates))
    infos = tuple([counted(store, commit_info(store, event.hash)) for event in left])
    return BisectResult(infos[0] if len(infos) == 1 else None, infos, tuple(search.steps))


def _require(verdict: Verdict, expected: Literal["good", "bad"], commit: bytes) -> None:
    if verdict == expected:
        return
    name = commit.hex()[:SHORT_HASH]
    found = {"good": "passes", "bad": "fails", "skipped": "cannot be tested"}[verdict]
    raise InvalidInputError(
        f"The test {found} at `{name}`, which was given as {expected}."
        if verdict != "skipped"
        else f"The {expected} commit `{name}` cannot be tested.",
        hint="Name a commit where the test passes and a later one where it fails: `t.bisect(good, bad, test)`.",
    )


class _Search:
    """One search: what is known, and the runs so far."""

    def __init__(self, store: Store, test: ContextTest, compiler: Compiler | None) -> None:
        self._store = store
        self._test = test
        self._compiler = compiler
        self._states = states_of(store)
        self.steps: list[BisectStep] = []

    def between(self, good: bytes, bad: bytes) -> list[Event]:
        """Return the commits that *bad* has and *good* has not, oldest first."""
        state = self._states.get(bad)
        if good == bad or state.position(self._store.tip(good).id) is None:
            raise InvalidInputError(
                f"`{good.hex()[:SHORT_HASH]}` is not an ancestor of `{bad.hex()[:SHORT_HASH]}`.",
                hint="Pass the good commit first: `t.bisect(good, bad, test)`.",
            )
        reach = reach_of(self._store, good)
        return [event for event in state.events if not contains(reach, Place(event.lane, event.generation))]

    def run(self, commit: bytes, remaining: int) -> Verdict:
        """Run the test on the context of *commit*."""
        passed = self._test(compile_commit(self._store, commit, compiler=self._compiler))
        verdict: Verdict = "skipped" if passed is None else "good" if passed else "bad"
        self.steps.append(BisectStep(commit.hex(), verdict, remaining))
        return verdict

    def narrowed(self, candidates: list[Event]) -> list[Event]:
        """Return the commits that remain when nothing more can be told apart; the last one is bad."""
        skipped: set[int] = set()
        while (event := _middle(candidates, skipped)) is not None:
            verdict = self.run(event.hash, len(candidates))
            if verdict == "skipped":
                skipped.add(event.id)
                continue
            reach = reach_of(self._store, event.hash)
            # Bad: the first bad commit is this one or before it. Good: it is none of those.
            candidates = [e for e in candidates if contains(reach, Place(e.lane, e.generation)) == (verdict == "bad")]
        return candidates


def _middle(candidates: list[Event], skipped: set[int]) -> Event | None:
    """Return the commit nearest to the middle that can still tell something; the last one is known to be bad."""
    half = (len(candidates) - 1) // 2
    for place in _outwards(half, len(candidates) - 1):
        if candidates[place].id not in skipped:
            return candidates[place]
    return None


def _outwards(middle: int, count: int) -> Iterator[int]:
    """Yield 0 to *count* - 1, nearest to *middle* first."""
    return iter(sorted(range(count), key=lambda place: abs(place - middle)))
