"""Takes operations back, and does them again: every ref to where the operation found it, or left it.

Which operations are in effect is found from the newest back: the last undo or redo that names an
operation decides. So undo works step by step, after reopening, and for another process's operations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from tract.errors import (
    InvalidInputError,
    IrreversibleError,
    NothingToUndoError,
    OperationConflictError,
    OperationOpenError,
)
from tract.history.operations import newest_first, operation
from tract.objects.operation import OperationInfo
from tract.objects.refs import BRANCH_PREFIX, HEAD, ORIG_HEAD, Head
from tract.operations.configure import config_key, put_in_force, stored_config
from tract.operations.proposal import put_state
from tract.operations.usage import is_same_usage, known_usage, usage_values
from tract.storage import proposals as kept
from tract.storage import queries as q
from tract.store import Operation, Store

Verb: TypeAlias = Literal["undo", "redo"]

_STEPS = frozenset({"undo", "redo"})
_FOR_GOOD = frozenset({"gc", "erase"})


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


class _Plan(NamedTuple):
    """What is to be taken back or done again, in the order it will be.

    Attributes:
        operations: The operations.
        left: Refs that undo left alone, by operation number: redo leaves them alone as well.
    """

    operations: list[OperationInfo]
    left: Mapping[str, Sequence[str]]


def undo(store: Store, steps: int, *, number: int | None) -> UndoResult:
    """Take back the last *steps* operations, or the one with this *number*.

    What a policy proposed by itself is no step: a number takes it back. A ref goes back only if it is where the
    operation left it. HEAD and ORIG_HEAD, which every later switch and reset moves, are left alone if they have
    moved on.

    Raises:
        NothingToUndoError: There are not that many.
        IrreversibleError: What gc or erase has removed would have to come back.
        CommitCollectedError: So would a commit that gc has collected.
        OperationConflictError: A ref has moved on since, or another operation came in between.
        OperationOpenError: A batch is open.

    Cost:
        O(operations since), not O(operations).
    """
    count = _count(steps)
    return _apply(store, "undo", lambda: _last_done(store, count) if number is None else _by_number(store, number))


def redo(store: Store, steps: int) -> UndoResult:
    """Do the last *steps* undone operations again.

    Raises:
        NothingToUndoError: There are not that many, or something else was done since.
        OperationConflictError: A ref has moved on since, or another operation came in between.
        OperationOpenError: A batch is open.
    """
    count = _count(steps)
    return _apply(store, "redo", lambda: _last_undone(store, count))


def _count(steps: int) -> int:
    if not isinstance(steps, int) or steps < 1:
        raise InvalidInputError("The number of steps is at least 1.", hint="`t.undo()` takes back one operation.")
    return steps


def _by_number(store: Store, number: int) -> _Plan:
    """Return the operation with this *number*, which must be in effect."""
    chosen = operation(store, number)
    if chosen.verb in _STEPS or number == 1:
        raise InvalidInputError(
            f"Operation {number} cannot be undone by number.", hint="Use `t.undo()` and `t.redo()`."
        )
    if chosen.verb in _FOR_GOOD:
        raise IrreversibleError(number, chosen.verb, None)
    undone: dict[int, bool] = {}
    for step in itertools.takewhile(lambda done: done.number > number, newest_first(store)):
        if step.verb in _STEPS:
            _decide(undone, step)
    if undone.get(number, False):
        raise InvalidInputError(f"Operation {number} is undone already.", hint="`t.redo()` does it again.")
    return _Plan([chosen], {})


def _last_done(store: Store, steps: int) -> _Plan:
    """Return the newest *steps* operations in effect, newest first."""
    undone: dict[int, bool] = {}
    found: list[OperationInfo] = []
    stop: OperationInfo | None = None
    for done in newest_first(store):
        if done.verb in _STEPS:
            _decide(undone, done)
        elif done.verb in _FOR_GOOD:
            stop = stop or done
        elif done.number > 1 and not undone.get(done.number, False) and not _is_proposed(done):
            if stop is not None:
                raise IrreversibleError(stop.number, stop.verb, done.number)
            found.append(done)
            if len(found) == steps:
                return _Plan(found, {})
    if stop is not None:
        raise IrreversibleError(stop.number, stop.verb, None)
    raise NothingToUndoError("undo")


def taken_back(store: Store, most: int) -> list[OperationInfo]:
    """Return which of the newest *most* operations were undone and are not in effect, newest first."""
    undone: dict[int, bool] = {}
    found: list[OperationInfo] = []
    for done in itertools.islice(newest_first(store), most):
        if done.verb in _STEPS:
            _decide(undone, done)
        elif undone.get(done.number, False):
            found.append(done)
    return found


def _is_proposed(done: OperationInfo) -> bool:
    """Tell whether a policy only asked for something: nobody's step, and nothing is as it was without it."""
    return done.verb == "propose" and bool(done.args.get("policies"))


def _last_undone(store: Store, steps: int) -> _Plan:
    """Return the *steps* operations undone last, the last one first; anything new since ends them."""
    undone: dict[int, bool] = {}
    found: list[int] = []
    left: dict[str, Sequence[str]] = {}
    for step in itertools.takewhile(lambda done: done.verb in _STEPS, newest_first(store)):
        found += [number for number in reversed(step.args["operations"]) if number not in undone]
        left = {**step.args.get("left", {}), **left}
        _decide(undone, step)
    wanted = [number for number in found if undone[number]][:steps]
    if len(wanted) < steps:
        raise NothingToUndoError("redo")
    return _Plan([operation(store, number) for number in wanted], left)


def _decide(undone: dict[int, bool], step: OperationInfo) -> None:
    for number in step.args["operations"]:
        undone.setdefault(number, step.verb == "undo")


def _apply(store: Store, verb: Verb, choose: Callable[[], _Plan]) -> UndoResult:
    with store.lock:  # another thread's batch ends first
        if store.is_writing:
            raise OperationOpenError(verb)
        seen = store.last_operation()
    store.notice_erasures()
    plan = choose()
    numbers = [done.number for done in plan.operations]
    store.pause(verb)
    with store.operation(verb, {"operations": numbers}, undoes=numbers[0]) as gate:
        gate.require_nothing_erased()
        if gate.number != seen + 1:
            _require_same(choose, verb, numbers)
        waiting = _waiting(gate)
        for done in plan.operations:
            _put_all(gate, done, plan.left.get(str(done.number), ()))
        _require_start(gate, numbers, waiting)
        _stand_somewhere(gate)
        config = store.config
        if any(config_key(store) in done.args.get("settings", {}) for done in plan.operations):
            config = stored_config(store)
        head = store.head_hash()
    # Nothing is read after the write: a read that fails would report as failed what was done.
    if config is not store.config:
        put_in_force(store, config)
    return UndoResult(verb, tuple(plan.operations), None if head is None else head.hex())


def _require_same(choose: Callable[[], _Plan], verb: Verb, numbers: list[int]) -> None:
    """Refuse if an operation that came in between changes which ones are meant."""
    try:
        again = [done.number for done in choose().operations]
    except (NothingToUndoError, InvalidInputError):
        again = []
    if again != numbers:
        raise OperationConflictError(verb, numbers[0], "")


def _put_all(gate: Operation, done: OperationInfo, skipped: Sequence[str]) -> None:
    """Put the refs, settings and usages of one operation where they were."""
    wanted = [change for change in done.changes if change[0] not in skipped]
    left = [change[0] for change in wanted if not _put(gate, done, change)]
    settings, usages = done.args.get("settings", {}), done.args.get("usages", [])
    proposals = done.args.get("proposals", [])
    if left and len(left) == len(wanted) and not (settings or usages or proposals):
        raise OperationConflictError(gate.verb, done.number, left[0])
    if left:
        gate.args.setdefault("left", {})[str(done.number)] = left
    for key, (old, new) in settings.items():
        found, value = (new, old) if gate.verb == "undo" else (old, new)
        if gate.meta(key) != found:
            raise OperationConflictError(gate.verb, done.number, key)
        gate.set_meta(key, value)
    for noted in reversed(usages) if gate.verb == "undo" else usages:
        _put_usage(gate, done, noted)
    for noted in reversed(proposals) if gate.verb == "undo" else proposals:
        _put_proposal(gate, done, noted)


def _put(gate: Operation, done: OperationInfo, change: tuple[str, str | None, str | None]) -> bool:
    """Put one ref where it was; return whether that was done, for refs that may be left alone."""
    name, old, new = change
    found, wanted = (new, old) if gate.verb == "undo" else (old, new)
    if name == HEAD:
        return _put_start(gate, str(found), str(wanted))
    actual = gate.find(name)
    if (None if actual is None else actual.hash.hex()) != found:
        if name == ORIG_HEAD:
            return False
        raise OperationConflictError(gate.verb, done.number, name)
    gate.move(name, actual, None if wanted is None else gate.store.tip(bytes.fromhex(wanted)))
    return True


def _put_start(gate: Operation, found: str, wanted: str) -> bool:
    """Let new handles start where they did; this handle follows only if it stood there."""
    branch, back = found.removeprefix(BRANCH_PREFIX), wanted.removeprefix(BRANCH_PREFIX)
    if gate.store.start() != branch:
        return False
    if gate.store.head.branch == branch:
        gate.stand_on(Head(back))
    else:
        gate.point(HEAD, wanted)
    return True


def _put_usage(gate: Operation, done: OperationInfo, noted: Mapping[str, Any]) -> None:
    tip = gate.store.tip(bytes.fromhex(noted["commit"]))
    found, wanted = (noted["usage"], noted["before"]) if gate.verb == "undo" else (noted["before"], noted["usage"])
    if not is_same_usage(known_usage(gate.store, tip), found):
        raise OperationConflictError(gate.verb, done.number, noted["commit"])
    gate.put(q.ADD_USAGE, **usage_values(tip.id, wanted))


def _put_proposal(gate: Operation, done: OperationInfo, noted: Sequence[Any]) -> None:
    number, revision, old, new = noted
    found, wanted = (new, old) if gate.verb == "undo" else (old, new)
    row = gate.store.one(kept.STATE, tract_id=gate.store.tract_id, number=number, revision=revision)
    if row is None or row[0] != found:
        raise OperationConflictError(gate.verb, done.number, f"proposal/{number}")
    put_state(gate, number, revision, wanted)


def _waiting(gate: Operation) -> str | None:
    """Return the branch new handles start on if it has no commit; else `None`."""
    start = gate.store.start()
    return start if start is not None and gate.find(BRANCH_PREFIX + start) is None else None


def _require_start(gate: Operation, numbers: Sequence[int], waiting: str | None) -> None:
    """Refuse to leave new handles on a branch that is gone, unless it really had no commit back then."""
    now = _waiting(gate)
    if now is None or now == waiting:
        return
    moment = min(numbers) - 1 if gate.verb == "undo" else max(numbers)
    place = {"tract_id": gate.store.tract_id, "no": moment}
    start = gate.store.one(q.SYMBOLIC_AFTER, name=HEAD, **place)
    tip = gate.store.one(q.REF_AFTER, name=BRANCH_PREFIX + now, **place)
    if start != (BRANCH_PREFIX + now,) or (tip is not None and tip[0] is not None):
        raise OperationConflictError(gate.verb, numbers[0], HEAD)


def _stand_somewhere(gate: Operation) -> None:
    """Leave a branch that no longer exists for the one new handles start on."""
    branch, start = gate.store.head.branch, gate.store.start()
    if branch is None or start is None or gate.find(BRANCH_PREFIX + branch) is not None:
        return
    if gate.store.is_gone(branch):
        gate.stand_on(Head(start))
