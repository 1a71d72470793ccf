"""Answers what the policies would have done about a history that is there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from tract.agent.policies.log import PolicyRecord
from tract.agent.policies.policy import Policy
from tract.agent.policies.view import PolicyView
from tract.compile.compiler import states_of
from tract.history.info import content_of
from tract.objects.policy import Event, PolicyAction, Verdict
from tract.store import Store


def replay(store: Store, commit: bytes, rules: Iterable[Policy]) -> list[PolicyRecord]:
    """Return what *rules* say of each message in the history of *commit*, as if it came in now; the oldest first.

    What only allows is left out. Nothing is done and nothing is logged.

    Cost:
        O(messages) for each rule.
    """
    asked = tuple(rules)
    records: list[PolicyRecord] = []
    done: list[tuple[str, PolicyAction]] = []
    for event, view in _events(store, commit):
        for rule in asked:
            if event.name in rule.watched:
                records += _said(rule, event, view, done)
    return records


def _events(store: Store, commit: bytes) -> Iterator[tuple[Event, PolicyView]]:
    """Yield what was committed, and what could be seen of the context before it and after it."""
    before: bytes | None = None
    for entry in states_of(store).get(commit).entries:
        placed = entry.placed
        if entry.shown.message is not None:
            content = content_of(store, entry.shown.hash)
            yield Event("before_commit", placed.op, content), PolicyView(store, before or placed.hash)
            yield Event("after_commit", placed.op, commits=(placed.hash.hex(),)), PolicyView(store, placed.hash)
        before = placed.hash


def _said(rule: Policy, event: Event, view: PolicyView, done: list[tuple[str, PolicyAction]]) -> Iterator[PolicyRecord]:
    """Yield what *rule* says, unless it allows; what it wants a second time is in *done* already."""
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
