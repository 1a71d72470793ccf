"""What can be wrong with policies, and what they refuse."""

from __future__ import annotations

from collections.abc import Collection

from tract.errors.base import NotFoundError, StateError, nearest, shown


class PolicyNotFoundError(NotFoundError):
    """No policy has this name."""

    code = "policy_not_found"

    def __init__(self, name: object, known: Collection[str]) -> None:
        self.name = name
        near = nearest(name if isinstance(name, str) else "", known, "Look at `list(t.policies)` for what exists.")
        super().__init__(f"No policy {shown(name)}.", hint=near)


class PolicyDeniedError(StateError):
    """A policy did not let this happen; nothing was written.

    Attributes:
        policy: Name of the policy.
        event: What it was asked about, such as `before_commit`.
        reason: Why.
        is_asking: It would let it happen if somebody said yes.
    """

    code = "policy_denied"

    def __init__(self, policy: str, event: str, reason: str, *, is_asking: bool = False) -> None:
        self.policy = policy
        self.event = event
        self.reason = reason
        self.is_asking = is_asking
        verb = "asks for leave" if is_asking else "denied this"
        super().__init__(
            f"The policy `{policy}` {verb}: {reason or 'it gave no reason'}",
            hint="Look at `t.policies.log`; change the rule with `t.policies.change(name, mode='shadow')`.",
        )
