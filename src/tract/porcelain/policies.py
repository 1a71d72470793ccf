"""The policies of a tract, as a mapping by name: add, change, pause, look at what they said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tract.agent.policies.builtin import KINDS
from tract.agent.policies.decider import Decider
from tract.agent.policies.kept import policy_of, with_rule, without_rule
from tract.agent.policies.log import PolicyLog, PolicyRecord
from tract.agent.policies.policy import FunctionPolicy, Policy, built
from tract.agent.policies.replay import replay
from tract.errors import InvalidInputError, PolicyNotFoundError, shown
from tract.history.revision import resolve
from tract.objects.commit import CommitInfo
from tract.objects.decision import AutonomyLevel, autonomy_level


class Policies(Mapping[str, Policy]):
    """The policies of a tract by name: `"secret_guard" in t.policies`, `len`, iteration, `t.policies["auto_pin"]`.

    Those that are data are kept in the store and are in force on every handle opened from then on; looking at
    `t.policies` takes in what other handles changed meanwhile.
    """

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        decider.read()

    def __getitem__(self, name: str) -> Policy:
        rules = self._decider.rules()
        if not isinstance(name, str) or name not in rules:
            raise PolicyNotFoundError(name, rules)
        return rules[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._decider.rules()

    def __iter__(self) -> Iterator[str]:
        rules = self._decider.rules().values()
        return iter([rule.name for rule in sorted(rules, key=lambda rule: (-rule.priority, rule.name))])

    def __len__(self) -> int:
        return len(self._decider.rules())

    def __repr__(self) -> str:
        return f"<Policies {', '.join(self)}>"

    @property
    def kinds(self) -> Mapping[str, type[Policy]]:
        """The kinds a tract can keep, by name."""
        return KINDS

    def add(self, policy: str | Policy | Mapping[str, Any] | Callable[..., Any], **fields: Any) -> Policy:
        """Put a policy in force, in place of one of the same name.

        Args:
            policy: A kind, such as `secret_guard`; its fields as a mapping with `kind`; a `Policy`; or a function
                `(event, view)`, which is in force on this handle and not kept.
            fields: Of a kind, its fields; of a function, `on` (the events it is asked about), `name`, `priority`,
                `mode`, `autonomy` and `cooldown_seconds`.

        Raises:
            InvalidInputError: There is no such kind, a field is unknown, or has a value it cannot have.
        """
        rule = _as_policy(policy, fields)
        if type(rule) in KINDS.values():
            self._decider.own.pop(rule.name, None)
            self._decider.change(with_rule(rule))
        else:
            self._decider.own[rule.name] = rule
            self._decider.use(self._decider.kept)
        return rule

    def remove(self, name: str) -> Policy:
        """Take the policy *name* out of force and return it.

        Raises:
            PolicyNotFoundError: There is none.
        """
        rule = self[name]
        if name in self._decider.own:
            del self._decider.own[name]
            self._decider.use(self._decider.kept)
        else:
            self._decider.change(without_rule(rule))
        return rule

    def change(self, name: str, **fields: Any) -> Policy:
        """Change fields of the policy *name*, such as `mode="shadow"`.

        Raises:
            PolicyNotFoundError: There is none.
            InvalidInputError: A field is unknown, or has a value it cannot have.
        """
        rule = self[name]
        now = {field: getattr(rule, field) for field in type(rule).model_fields}
        return self.add(built(type(rule), {**now, **fields}))

    def scan(self, name: str) -> PolicyRecord | None:
        """Let the policy *name* look at the whole context and act on it, in its mode and as far as it may.

        Returns:
            What it said, or `None` if there was nothing to do.

        Raises:
            PolicyNotFoundError: There is none.
            InvalidInputError: It looks at single events only.
        """
        return self._decider.scan(self[name])

    def test(self, ref: str | CommitInfo | None = None) -> list[PolicyRecord]:
        """Return what the policies would have said of each message in the history of *ref* (HEAD by default).

        Nothing is done and nothing is logged; what only allows is left out. Those that are off are asked as well.
        """
        store = self._decider.store
        commit = store.head_hash() if ref is None else resolve(store, ref)
        return [] if commit is None else replay(store, commit, self.values())

    def pause(self) -> None:
        """Ask no policy, on any handle opened from now on, until `resume`."""
        self._decider.change(lambda kept: replace(kept, is_paused=True))

    def resume(self) -> None:
        """Ask the policies again."""
        self._decider.change(lambda kept: replace(kept, is_paused=False))

    @property
    def is_paused(self) -> bool:
        """Whether no policy is asked."""
        return self._decider.kept.is_paused

    @property
    def ceiling(self) -> AutonomyLevel:
        """How far any policy may go, whatever its own `autonomy` says."""
        return self._decider.kept.ceiling

    @ceiling.setter
    def ceiling(self, level: AutonomyLevel | str) -> None:
        limit = autonomy_level(level)
        self._decider.change(lambda kept: replace(kept, ceiling=limit))

    @property
    def log(self) -> PolicyLog:
        """What each policy was asked and said, the newest first."""
        return PolicyLog(self._decider.store, self._decider.journal)

    def on_ask(self, decide: Callable[..., bool] | None) -> None:
        """Let *decide* answer verdicts `ask` on this handle: called with the event and the verdict, `True` goes on."""
        if decide is not None and not callable(decide):
            raise InvalidInputError(f"`decide` is a function, not {shown(decide)}.")
        self._decider.asks = decide


def _as_policy(policy: object, fields: Mapping[str, Any]) -> Policy:
    if isinstance(policy, Policy):
        if fields:
            raise InvalidInputError("A policy has its fields already.", hint="Change them: `t.policies.change(name)`.")
        return policy
    if isinstance(policy, str):
        return policy_of({**fields, "kind": policy})
    if isinstance(policy, Mapping):
        return policy_of({**policy, **fields})
    if callable(policy) and not isinstance(policy, type):
        name = getattr(policy, "__name__", "function")
        return built(FunctionPolicy, {"name": name, **fields, "function": policy})
    raise InvalidInputError(f"A policy is a kind, a mapping or a function, not {shown(policy)}.")
