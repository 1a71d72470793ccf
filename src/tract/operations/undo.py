"""Takes operations back, and does them again: every ref to where the operation found it, or left it.

Which operations are in effect is found from the newest back: the last undo or redo that names an
operation decides. So undo works step by step, after reopening, and for another process's operations.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tract.errors import InvalidInputError, NothingToUndoError, OperationConflictError
from tract.history.operations import newest_first, operation
from tract.objects.operation import OperationInfo
from tract.objects.refs import BRANCH_PREFIX, HEAD
from tract.operations.configure import stored_config
from tract.operations.usage import usage_values
from tract.store import Head, Operation, Store

Verb: TypeAlias = Literal["undo", "redo"]

_STEPS = frozenset({"undo", "redo"})


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What an undo or redo did.

    Attributes:
        verb: `undo` or `redo`.
        operations: The operations taken back or done again, in the order that was done.
        head: Hash the current branch is at now, or `None`.
    """

    verb: Verb
    operations: tuple[OperationInfo, ...] = field(repr=False)
    head: str | None


def undo(store: Store, steps: int, *, number: int | None) -> UndoResult:
    """Take back the last *steps* operations, or the one with this *number*.

    Raises:
        NothingToUndoError: There are not that many.
        OperationConflictError: A ref has moved on since.

    Cost:
        O(operations since), not O(operations).
    """
    chosen = [operation(store, number)] if number is not None else _last_done(store, _count(steps))
    if any(done.verb in _STEPS or done.number == 1 for done in chosen):
        raise InvalidInputError(
            f"Operation {chosen[0].number} cannot be undone by number.", hint="Use `t.undo()` and `t.redo()`."
        )
    return _apply(store, "undo", chosen)


def redo(store: Store, steps: int) -> UndoResult:
    """Do the last *steps* undone operations again.

    Raises:
        NothingToUndoError: There are not that many, or something else was done since.
        OperationConflictError: A ref has moved on since.
    """
    return _apply(store, "redo", _last_undone(store, _count(steps)))


def _count(steps: int) -> int:
    if not isinstance(steps, int) or steps < 1:
        raise InvalidInputError("The number of steps is at least 1.", hint="`t.undo()` takes back one operation.")
    return steps


def _last_done(store: Store, steps: int) -> list[OperationInfo]:
    """Return the newest *steps* operations in effect, newest first."""
    undone: dict[int, bool] = {}
    found: list[OperationInfo] = []
    for done in newest_first(store):
        if done.verb in _STEPS:
            _decide(undone, done)
        elif done.number > 1 and not undone.get(done.number, False):
            found.append(done)
            if len(found) == steps:
                return found
    raise NothingToUndoError("undo")


def _last_undone(store: Store, steps: int) -> list[OperationInfo]:
    """Return the *steps* operations undone last, the last one first; anything new since ends them."""
    undone: dict[int, bool] = {}
    found: list[int] = []
    for step in itertools.takewhile(lambda done: done.verb in _STEPS, newest_first(store)):
        found += [number for number in reversed(step.args["operations"]) if number not in undone]
        _decide(undone, step)
    wanted = [number for number in found if undone[number]][:steps]
    if len(wanted) < steps:
        raise NothingToUndoError("redo")
    return [operation(store, number) for number in wanted]


def _decide(undone: dict[int, bool], step: OperationInfo) -> None:
    for number in step.args["operations"]:
        undone.setdefault(number, step.verb == "undo")


def _apply(store: Store, verb: Verb, chosen: list[OperationInfo]) -> UndoResult:
    store.pause(verb)
    numbers = [done.number for done in chosen]
    with store.operation(verb, {"operations": numbers}, undoes=numbers[0]) as gate:
        for done in chosen:
            for name, old, new in done.changes:
                found, wanted = (new, old) if verb == "undo" else (old, new)
                _put(gate, done, name, (found, wanted))
            _put_settings(gate, done, verb)
        _stand_somewhere(gate)
        has_settings = any("settings" in done.args for done in chosen)
        config = stored_config(store) if has_settings else store.config
        head = None if gate.tip is None else gate.tip.hash.hex()
    # Nothing is read after the write: a read that fails would report as failed what was done.
    store.use_config(config)
    return UndoResult(verb, tuple(chosen), head)


def _put(gate: Operation, done: OperationInfo, name: str, values: tuple[str | None, str | None]) -> None:
    """Put one ref where it was, if nothing has moved it since."""
    found, wanted = values
    if name == HEAD:
        # Where new handles start: a later switch wins, and this handle follows only if it stood there.
        branch = gate.store.head.branch
        if wanted is not None and branch is not None and found == BRANCH_PREFIX + branch:
            gate.stand_on(Head(wanted.removeprefix(BRANCH_PREFIX)))
        return
    actual = gate.find(name)
    if (None if actual is None else actual.hash.hex()) != found:
        raise OperationConflictError(gate.verb, done.number, name)
    new = None if wanted is None else gate.store.tip(bytes.fromhex(wanted))
    gate.move(name, actual, new)


def _put_settings(gate: Operation, done: OperationInfo, verb: Verb) -> None:
    settings: dict[str, list[str]] = done.args.get("settings", {})
    for key, (before, after) in settings.items():
        gate.set_meta(key, before if verb == "undo" else after)
    usage: dict[str, Any] | None = done.args.get("usage")
    if usage is not None:
        tip = gate.store.tip(bytes.fromhex(done.args["commit"]))
        gate.add_usage(usage_values(tip.id, usage, is_withdrawn=verb == "undo"))


def _stand_somewhere(gate: Operation) -> None:
    """Leave a branch that no longer exists, unless it has not been born yet."""
    branch = gate.store.head.branch
    if branch is None or gate.find(BRANCH_PREFIX + branch) is not None:
        return
    start = gate.start()
    if start is not None and start != branch and gate.find(BRANCH_PREFIX + start) is not None:
        gate.stand_on(Head(start))
