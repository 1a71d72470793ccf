"""What does a commit cost with a policy in force, against one without any?"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from benchmarks.bench import Bench, Row, append_seconds, interleave
from benchmarks.figures.registry import figure
from benchmarks.systems import Handle

_LENGTH = 1_000
_LIMIT = 1.4
_POLICIES: dict[str, dict[str, Any]] = {
    "none": {},
    "secret_guard": {"kind": "secret_guard"},
    # Asked before a model is, so that it costs a commit nothing but its being there.
    "budget_guard": {"kind": "budget_guard", "session": {"calls": 1_000_000}},
    # What every policy costs: asked, and its answer logged.
    "function": {},
}


@figure("commit-with-policies")
def commit_with_policies(bench: Bench) -> Iterator[Row]:
    """Time one durable commit with each policy in force, against none."""
    n = max((n for n in bench.ns if n <= _LENGTH), default=min(bench.ns))
    for system in bench.taking_part(["tract"], n).values():
        with ExitStack() as stack:
            handles = {name: stack.enter_context(bench.opened(system, n)) for name in _POLICIES}
            for name, fields in _POLICIES.items():
                _put_in_force(handles[name], name, fields)
            blocks = {name: _Block(handle, n, bench.appends).run for name, handle in handles.items()}
            wall = interleave(blocks, rounds=bench.rounds)
        for name, samples in wall.items():
            ratio = samples.ratio(wall["none"])
            is_judged = name == "secret_guard"
            yield Row(
                figure="commit-with-policies",
                system=name,
                n=n,
                value=samples.median * 1e6,
                unit="us",
                against="none",
                ratio=ratio,
                target=f"<= {_LIMIT}x none" if is_judged else "",
                is_met=ratio <= _LIMIT if is_judged else None,
            )


def _put_in_force(handle: Any, name: str, fields: dict[str, Any]) -> None:
    policies = handle.tract.policies
    if name == "function":
        policies.add(lambda _event, _view: None, name="function", on=["before_commit"])
    elif fields:
        policies.add(fields)


class _Block:
    """Appends blocks to one store, each behind the one before."""

    def __init__(self, handle: Handle, n: int, count: int) -> None:
        self._handle = handle
        self._next = n
        self._count = count

    def run(self) -> float:
        """Append one block; return the mean seconds of one append."""
        seconds = append_seconds(self._handle, self._next, self._count)
        self._next += self._count
        return seconds
