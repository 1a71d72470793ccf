"""Keeps the policies of a tract in its store: data only, checked when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tract.agent.policies.builtin import KINDS, removed
from tract.agent.policies.policy import Policy, built
from tract.errors import CorruptStoreError, InvalidInputError, NotCanonicalError, shown
from tract.objects.decision import AutonomyLevel, autonomy_level
from tract.objects.hashing import canonical_json, parse_json
from tract.operations.configure import policies_key
from tract.storage import queries as q
from tract.store import Store


@dataclass(frozen=True, slots=True)
class KeptPolicies:
    """What a tract's policies are.

    Attributes:
        rules: By name.
        ceiling: How far any of them may go.
        is_paused: Whether none of them is asked.
    """

    rules: Mapping[str, Policy] = field(default_factory=dict)
    ceiling: AutonomyLevel = AutonomyLevel.AUTONOMOUS
    is_paused: bool = False

    def text(self) -> str:
        """Return it as it is kept, `""` for nothing."""
        rules = [
            {"kind": rule.kind, **rule.model_dump(mode="json", exclude_defaults=True)} for rule in self.rules.values()
        ]
        told = {"rules": rules, "ceiling": self.ceiling.value, "paused": self.is_paused}
        return "" if self == KeptPolicies() else canonical_json(told).decode()


def policy_of(fields: Mapping[str, Any]) -> Policy:
    """Return the policy *fields* say, its kind among them.

    Raises:
        InvalidInputError: There is no such kind, a field is unknown, or has a value it cannot have.
    """
    named = dict(fields)
    kind = named.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInputError(f"{shown(kind)} is no kind of policy.", hint=f"Kinds are {', '.join(KINDS)}.")
    return built(KINDS[kind], named)


def kept_policies(store: Store) -> tuple[str, str]:
    """Return what counts the changes of the policies kept for *store*'s tract, and their text."""
    row = store.one(q.KEPT_POLICIES, rules=q.RULES + store.tract, policies=policies_key(store))
    assert row is not None
    return row[0] or "", row[1] or ""


def read_policies(store: Store, text: str) -> KeptPolicies:
    """Return the policies kept as *text*.

    Raises:
        CorruptStoreError: They cannot be read.
    """
    if not text:
        return KeptPolicies()
    try:
        told = parse_json(text)
        rules = [policy_of(fields) for fields in told["rules"]]
        by_name = {rule.name: rule for rule in rules}
        return KeptPolicies(by_name, autonomy_level(told["ceiling"]), bool(told["paused"]))
    except (NotCanonicalError, InvalidInputError, KeyError, TypeError, ValueError) as error:
        raise CorruptStoreError(f"The policies of `{store.tract}` cannot be read.") from error


def change_policies(store: Store, change: Callable[[KeptPolicies], KeptPolicies]) -> tuple[KeptPolicies, str | None]:
    """Keep what *change* makes of the policies kept, in one operation; nothing is written if that is the same.

    Returns:
        The policies that are kept now, and what counts this change, or `None` if there was none.

    Raises:
        ReadOnlyError: The handle only reads.
    """
    change(read_policies(store, kept_policies(store)[1]))  # refuses what cannot be before anything is locked
    store.pause("policies")
    with store.operation("policies") as operation:
        key = policies_key(store)
        before = operation.meta(key)
        now = change(read_policies(store, before))
        is_other = now.text() != before
        if is_other:
            operation.set_meta(key, now.text())
    return now, str(operation.number) if is_other else None


def with_rule(rule: Policy) -> Callable[[KeptPolicies], KeptPolicies]:
    """Return the change that adds *rule*, in place of one of the same name."""
    return lambda kept: replace(kept, rules={**kept.rules, rule.name: rule})


def without_rule(rule: Policy) -> Callable[[KeptPolicies], KeptPolicies]:
    """Return the change that takes *rule* out of force, so that it does not come back by itself either."""
    left = removed(rule)
    stays = {} if left is None else {left.name: left}
    return lambda kept: replace(
        kept, rules={**{key: one for key, one in kept.rules.items() if key != rule.name}, **stays}
    )
