"""Answers what the policies would have done about a history that is there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tract.agent.policies.log import PolicyRecord
from tract.agent.policies.policy import Policy
from tract.agent.policies.spending import Call, Spent, estimated, is_question, total
from tract.agent.policies.view import PolicyView
from tract.compile.compiler import compile_commit, size_of, states_of
from tract.compile.fold import Entry, State
from tract.history.info import content_of
from tract.objects.policy import Event, PolicyAction, Verdict
from tract.objects.usage import Usage
from tract.operations.usage import known_usage
from tract.store import Store

_ASKED: tuple[str, ...] = ("before_generate", "before_tool_call")


def replay(store: Store, commit: bytes, rules: Iterable[Policy]) -> list[PolicyRecord]:
    """Return what *rules* say of each message in the history of *commit*, as if it came in now; the oldest first.

    Each reply counts as one call of its model, and each tool call it makes is asked about as in a run. What only
    allows is left out. Nothing is done and nothing is logged.

    Cost:
        O(messages) for each rule; where one asks what a model is sent, O(messages) for each reply.
    """
    rules = tuple(rules)
    watched = frozenset(name for rule in rules for name in rule.watched)
    records: list[PolicyRecord] = []
    done: list[tuple[str, PolicyAction]] = []
    for step in _steps(store, commit, is_asked=not watched.isdisjoint(_ASKED)):
        for rule in rules:
            if step.event.name in rule.watched:
                records += _said(rule, step, done)
    return records


class _Step(NamedTuple):
    """An event, and what a policy could see then."""

    event: Event
    view: PolicyView


class _Tally:
    """What the replies of a history have cost up to one of them."""

    def __init__(self, turn: Sequence[Call], session: Spent) -> None:
        self._turn = total(turn)
        self._session = session

    def turn(self, _: Store, __: bytes | None) -> Spent:
        """Return what was spent since the user last said something."""
        return self._turn

    def session(self, _: Store) -> Spent:
        """Return what was spent since the history began."""
        return self._session


def _steps(store: Store, commit: bytes, *, is_asked: bool) -> Iterator[_Step]:
    """Yield what happened, in order; what a model was asked and called only with *is_asked*."""
    state = states_of(store).get(commit)
    before: bytes | None = None
    turn: list[Call] = []
    every: list[Call] = []
    for entry in state.entries:
        placed = entry.placed
        ahead, before = before or placed.hash, placed.hash
        if entry.shown.message is None:
            continue
        is_reply = is_asked and entry.placed.origin == "model"
        if is_asked and is_question(entry.placed):
            turn = []
        if is_reply:
            yield _question(store, state, entry, _Tally(turn, total(every)))
            call = _call(store, entry)
            turn.append(call)
            every.append(call)
        content = content_of(store, entry.shown.hash)
        yield _Step(Event("before_commit", placed.op, content), PolicyView(store, ahead))
        yield _Step(Event("after_commit", placed.op, commits=(placed.hash.hex(),)), PolicyView(store, placed.hash))
        if is_reply:
            yield from _tool_calls(store, entry, _Tally(turn, total(every)))


def _question(store: Store, state: State, entry: Entry, tally: _Tally) -> _Step:
    """Return the event of the call whose reply *entry* is."""
    at = state.position(entry.placed.id)
    before = state.events[at - 1].hash if at else None
    size = 0 if before is None else compile_commit(store, before).token_count
    args: dict[str, Any] = {"model": _settings(store, entry).get("model"), "tokens": size}
    return _Step(Event("before_generate", "run", args=args), PolicyView(store, before, tally))


def _call(store: Store, entry: Entry) -> Call:
    known = known_usage(store, store.tip(entry.placed.hash))
    if known is not None:
        counts = {name: value for name, value in known.items() if name != "model"}
        return Call(str(known["model"] or _settings(store, entry).get("model") or ""), Usage(**counts))
    size = size_of(states_of(store).get(entry.placed.hash))
    return Call(str(_settings(store, entry).get("model") or ""), estimated(entry.placed.tokens, size))


def _settings(store: Store, entry: Entry) -> dict[str, Any]:
    config = entry.placed.config
    return {} if config is None else dict(states_of(store).config(config))


def _tool_calls(store: Store, entry: Entry, tally: _Tally) -> Iterator[_Step]:
    assert entry.shown.message is not None
    for call in entry.shown.message.tool_calls:
        args = {"id": call.id, "name": call.name, "arguments": call.arguments}
        yield _Step(Event("before_tool_call", "run", args=args), PolicyView(store, entry.placed.hash, tally))


def _said(rule: Policy, step: _Step, done: list[tuple[str, PolicyAction]]) -> Iterator[PolicyRecord]:
    """Yield what *rule* says, unless it allows; what it wants a second time is in *done* already."""
    event, view = step
    try:
        if not rule.is_due(view):
            return
        decision = rule.evaluate(event, view)
    except Exception as error:  # noqa: BLE001 - whatever an application's function raises
        kind, reason = "error", type(error).__name__
    else:
        if decision is None or (isinstance(decision, Verdict) and decision.kind == "allow"):
            return
        if isinstance(decision, PolicyAction):
            if (rule.name, decision) in done:
                return
            done.append((rule.name, decision))
        kind, reason = decision.kind if isinstance(decision, Verdict) else "action", decision.reason
    at = datetime.fromtimestamp(view.now / 1_000_000, UTC)
    yield PolicyRecord(at, event.name, event.verb, rule.name, kind, rule.mode, "replayed", reason)
