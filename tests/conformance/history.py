"""Answers whether the operation logs of a store explain what its agents were told: the history checker.

It trusts neither the agents nor the refs: each log is replayed, every acknowledged call is looked for in it by its
actor, and what a ref no longer reaches needs an operation that takes something away.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tract import OperationInfo, Tract

Told = Mapping[str, Any]
"""What an agent said of one call."""

WITHDRAWING: Final = frozenset({"reset", "undo", "redo", "rebase", "branch-delete"})
"""Verbs that may leave commits no ref reaches."""
MAY_DO_NOTHING: Final = frozenset({"switch", "configure", "merge", "cherry_pick", "rebase", "reset", "tag", "compress"})
"""Calls that leave no operation where all is as asked for already."""
EXPECTED: Final[dict[str, frozenset[str]]] = {
    "edit": frozenset({"invalid_target", "revision_not_found"}),
    "pin": frozenset({"invalid_target", "revision_not_found"}),
    "skip": frozenset({"invalid_target", "revision_not_found"}),
    "revert": frozenset({"invalid_target", "revision_not_found"}),
    "branch": frozenset({"ref_exists"}),
    "switch": frozenset({"branch_not_found"}),
    "delete": frozenset({"branch_not_found", "current_branch"}),
    "merge": frozenset({"revision_not_found", "branch_not_found", "invalid_input"}),
    "cherry_pick": frozenset({"revision_not_found", "missing_target", "invalid_input", "invalid_target"}),
    "rebase": frozenset({"revision_not_found", "missing_target", "invalid_input"}),
    "reset": frozenset({"revision_not_found"}),
    "undo": frozenset({"nothing_to_undo", "operation_conflict"}),
    "redo": frozenset({"nothing_to_undo", "operation_conflict"}),
    "tag": frozenset({"ref_exists", "revision_not_found"}),
    "compress": frozenset({"invalid_input"}),
    "collapse": frozenset({"invalid_input"}),
}
"""Errors a call may end with besides those any may: a lost race, and the branch gone that its handle stood on."""
ALWAYS: Final = frozenset({"ref_conflict", "branch_not_found"})


class Graph:
    """The commits of a store, as far as they were asked for."""

    def __init__(self, t: Tract) -> None:
        self._t = t
        self._known: dict[str, tuple[int, tuple[str, ...]]] = {}

    def _look(self, commit: str) -> tuple[int, tuple[str, ...]]:
        if commit not in self._known:
            info = self._t.get(commit)
            self._known[commit] = info.generation, info.parents
        return self._known[commit]

    def reaches(self, tips: Iterable[str], commit: str) -> bool:
        """Tell whether *commit* is one of *tips* or behind one."""
        lowest = self._look(commit)[0]
        waiting, seen = list(tips), set[str]()
        while waiting:
            one = waiting.pop()
            if one == commit:
                return True
            if one not in seen and self._look(one)[0] > lowest:
                seen.add(one)
                waiting += self._look(one)[1]
        return False


@dataclass(frozen=True)
class Report:
    """What a check has seen, so that a test can ask whether it saw enough.

    Attributes:
        acknowledged: Calls that ended well.
        commits: Commits they named.
        withdrawn: Of these, commits no ref of their tract reaches any more.
        errors: How often each error was met.
    """

    acknowledged: int
    commits: int
    withdrawn: int
    errors: Mapping[str, int]


def check(t: Tract, told: Sequence[Told], killed: int = 0) -> Report:
    """Compare what was *told* with the log of *t*, whose calls these are; *killed* agents may have done more.

    Raises:
        AssertionError: The log does not explain it.
    """
    log = sorted(t.operations, key=lambda one: one.number)
    done = [one for one in told if one["error"] is None]
    require_closed(t, log)
    require_expected_errors(told, log)
    made = _by_label(log)
    require_each_once(done, told, made, killed)
    require_real_time(done, made)
    graph = Graph(t)
    require_only_withdrawing_verbs_take_away(log, graph)
    withdrawn = require_acknowledged(t, done, made, graph)
    errors: dict[str, int] = {}
    for one in told:
        if one["error"]:
            errors[one["error"]] = errors.get(one["error"], 0) + 1
    return Report(len(done), sum(len(one["commits"]) for one in done), withdrawn, errors)


def require_closed(t: Tract, log: Sequence[OperationInfo]) -> None:
    """The numbers have no gap, time does not go back, and each ref goes from value to value up to what it is now."""
    assert [one.number for one in log] == list(range(1, len(log) + 1))
    assert all(a.created_at <= b.created_at for a, b in itertools.pairwise(log))
    refs: dict[str, str | None] = {}
    for one in log:
        for name, old, new in one.changes:
            assert refs.get(name) == old, (t.name, one.number, name)
            refs[name] = new
    now = {name: commit.hex() for name, commit in t._store.refs().items() if commit is not None}
    assert now == {name: value for name, value in refs.items() if value is not None and name != "HEAD"}


def require_expected_errors(told: Iterable[Told], log: Sequence[OperationInfo]) -> None:
    """Each error is one its call may end with; the loser of a race was told a value the ref really had."""
    values = {new for one in log for _, _, new in one.changes}
    for one in told:
        if one["error"] is not None:
            assert one["error"] in EXPECTED.get(one["verb"], frozenset()) | ALWAYS, one
            assert one.get("actual") is None or one["actual"] in values, one


def _by_label(log: Iterable[OperationInfo]) -> dict[str, list[OperationInfo]]:
    made: dict[str, list[OperationInfo]] = {}
    for one in log:
        made.setdefault(one.actor, []).append(one)
    return made


def require_each_once(
    done: Iterable[Told], told: Iterable[Told], made: Mapping[str, Sequence[OperationInfo]], killed: int
) -> None:
    """A call that ended well is one operation, one that failed none; each kill may have left one nobody was told of."""
    names = {one["label"] for one in told}
    for one in done:
        count = len(made.get(one["label"], ()))
        assert count == 1 or (count == 0 and one["verb"] in MAY_DO_NOTHING), (one, count)
    for one in told:
        assert one["error"] is None or one["label"] not in made, one
    untold = [label for label in made if ":" in label and label not in names]
    assert len(untold) <= killed, untold
    assert all(len(made[label]) == 1 for label in untold)


def require_real_time(done: Iterable[Told], made: Mapping[str, Sequence[OperationInfo]]) -> None:
    """What began after something else had ended has the higher number."""
    calls = sorted([(made[one["label"]][0].number, one) for one in done if one["label"] in made], key=lambda it: -it[0])
    first_end: float = float("inf")
    for number, one in calls:
        assert one["began"] <= first_end, f"operation {number} began after a later one had ended: {one}"
        first_end = min(first_end, one["ended"])


def _moves(log: Iterable[OperationInfo]) -> Iterator[tuple[OperationInfo, str, str, str | None]]:
    for one in log:
        for name, old, new in one.changes:
            if name.startswith("heads/") and old is not None:
                yield one, name, old, new


def require_only_withdrawing_verbs_take_away(log: Iterable[OperationInfo], graph: Graph) -> None:
    """All other verbs move a branch to a commit that has its old tip behind it."""
    for one, name, old, new in _moves(log):
        if one.verb not in WITHDRAWING:
            assert new is not None, (one, name)
            assert graph.reaches([new], old), (one, name)


def require_acknowledged(
    t: Tract, done: Iterable[Told], made: Mapping[str, Sequence[OperationInfo]], graph: Graph
) -> int:
    """Each named commit came in by its call's operation, and is reached, or was until an operation took it away.

    Returns how many are no longer reached.
    """
    tips = {commit.hex() for commit in t._store.refs().values() if commit is not None}
    log = [one for operations in made.values() for one in operations]
    taking = [(one.number, old, new) for one, _, old, new in _moves(log) if one.verb in WITHDRAWING]
    withdrawn = 0
    for one in done:
        for commit in one["commits"]:
            assert t.get(commit).hash == commit
            number = 0
            if one["label"] in made:
                (operation,) = made[one["label"]]
                number = operation.number
                came = [new for name, _, new in operation.changes if new is not None and name != "HEAD"]
                assert graph.reaches(came, commit), one
            if graph.reaches(tips, commit):
                continue
            withdrawn += 1
            assert any(
                later > number and graph.reaches([old], commit) and (new is None or not graph.reaches([new], commit))
                for later, old, new in taking
            ), one
    return withdrawn
