"""Answers what the policies would have done about a history that is there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from tract.agent.policies.log import PolicyRecord
from tract.agent.policies.policy import Policy
from tract.agent.policies.view import PolicyView
from tract.compile.compiler import states_of
from tract.history.info import content_of
from tract.objects.policy import Event, Verdict
from tract.store import Store


def replay(store: Store, commit: bytes, rules: Iterable[Policy]) -> list[PolicyRecord]:
    """Return what *rules* say of each message in the history of *commit*, as if it came in now; the oldest first.

    What only allows is left out. Nothing is done and nothing is logged.

    Cost:
        O(messages) for each rule.
    """
    view = PolicyView(store, commit)
    records: list[PolicyRecord] = []
    for event in _events(store, commit):
        for rule in rules:
            if event.name in rule.watched:
                records += _said(rule, event, view)
    return records


def _events(store: Store, commit: bytes) -> Iterator[Event]:
    for entry in states_of(store).get(commit).entries:
        if entry.shown.message is not None:
            yield Event("before_commit", entry.placed.op, content_of(store, entry.shown.hash))
            yield Event("after_commit", entry.placed.op, commits=(entry.placed.hash.hex(),))


def _said(rule: Policy, event: Event, view: PolicyView) -> Iterator[PolicyRecord]:
    try:
        decision = rule.evaluate(event, view)
    except Exception as error:  # noqa: BLE001 - whatever an application's function raises
        kind, reason = "error", type(error).__name__
    else:
        if decision is None or (isinstance(decision, Verdict) and decision.kind == "allow"):
            return
        kind, reason = decision.kind if isinstance(decision, Verdict) else "action", decision.reason
    at = datetime.fromtimestamp(view.now / 1_000_000, UTC)
    yield PolicyRecord(at, event.name, event.verb, rule.name, kind, rule.mode, "replayed", reason)
