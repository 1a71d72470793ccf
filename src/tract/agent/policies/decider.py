"""Asks the policies of one handle, by priority, and does what they say, as far as they may."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import takewhile
from typing import Any, Final
from weakref import ref

from tract.agent.policies.acting import carry_out
from tract.agent.policies.builtin import defaults
from tract.agent.policies.kept import KeptPolicies, change_policies, kept_policies, read_policies
from tract.agent.policies.log import Journal, PolicyRecord
from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.spending import Ledger
from tract.agent.policies.view import PolicyView
from tract.compile.compiler import states_of
from tract.errors import InvalidInputError, PolicyDeniedError, TractError, shown
from tract.objects.decision import AutonomyLevel
from tract.objects.policy import ACTING, Event, PolicyAction, Verdict, acting
from tract.operations.budget import caller_level
from tract.operations.configure import policies_key
from tract.operations.proposal import Proposal
from tract.storage.policy_log import PolicyRow
from tract.storage.writing import Tip
from tract.store import Store

_DEEPEST: Final = 4
"""How many policies may act on behalf of each other; further ones are not asked after what was done."""

_ASKING: Final = ("chat", "generate", "run")
_AFTER: Final[Mapping[str, str]] = {
    **dict.fromkeys(("commit", "edit", "annotate", "pin", "unpin", "skip", "unskip", "batch"), "commit"),
    **{verb: verb for verb in ("merge", "compress", "spawn", "collapse")},
    **dict.fromkeys(_ASKING, "commit"),
}
_PASSED: Final = Verdict("allow")


class PolicyWarning(UserWarning):
    """A policy warns of something, or could not be asked."""


class Decider:
    """The policies in force on one handle: those kept in the store, and functions of the application.

    Attributes:
        kept: What the store keeps, as this handle last read it.
        own: Functions of the application, by name.
        asks: Called with an event and a verdict `ask`; tells whether it may go on.
    """

    def __init__(self, store: Store, kept: KeptPolicies | None = None) -> None:
        # The store keeps this; strong both ways, a handle that is dropped would stay open.
        self._store = ref(store)
        self.journal = Journal()
        self._ledger = Ledger()
        self.kept = KeptPolicies()
        self.own: dict[str, Policy] = {}
        self.asks: Any = None
        self._rested: dict[str, int] = {}
        self._failed: dict[str, str] = {}
        self._rules: tuple[Policy, ...] = ()
        self._watched: frozenset[str] = frozenset()
        if kept is None:
            self.read()
        else:
            self.use(kept)
            store.rules = None
        store.reread = partial(_reread, ref(self))

    @property
    def store(self) -> Store:
        """The handle's store."""
        store = self._store()
        assert store is not None
        return store

    def read(self) -> None:
        """Take what the store keeps now."""
        store = self.store
        rules, text = kept_policies(store)
        try:
            self.use(read_policies(store, text))
        finally:
            # Last, for other threads; and also for what cannot be read, which is not read again with each write.
            store.rules = rules

    def change(self, change: Callable[[KeptPolicies], KeptPolicies]) -> None:
        """Keep what *change* makes of the policies kept, and put it in force.

        Raises:
            ReadOnlyError: The handle only reads.
        """
        kept, rules = change_policies(self.store, change)
        self.use(kept)
        if rules is not None:
            self.store.rules = rules

    def use(self, kept: KeptPolicies) -> None:
        """Put *kept* in force, and let the store ask only if anything is."""
        self.kept = kept
        rules = [rule for rule in self.rules().values() if rule.mode != "off"]
        self._rules = () if kept.is_paused else tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name)))
        self._watched = frozenset(name for rule in self._rules for name in rule.watched)
        self.store.policies = self if self._rules else None

    def rules(self) -> dict[str, Policy]:
        """Return every policy by name, those that are off too; the application's own hide kept ones."""
        rules = {**self.kept.rules, **self.own}
        known = {rule.kind for rule in rules.values()} | rules.keys()
        return {**{rule.name: rule for rule in defaults(self.store.config) if rule.kind not in known}, **rules}

    # --- what a store asks -----------------------------------------------------------------------

    def watches(self, name: str) -> bool:
        """Tell whether any policy is asked about events of that name."""
        return name in self._watched

    def before(self, event: Event) -> Event:
        """Return *event* as it may be done.

        Raises:
            PolicyDeniedError: It may not.
        """
        if event.name in self._watched:
            for rule in self._asked(event):
                event = self._before(rule, event)
        return event

    def after(self, event: Event) -> None:
        """Let policies see what was done; what goes wrong is a warning."""
        if event.name not in self._watched or len(ACTING.get()) >= _DEEPEST:
            return
        for rule in self._asked(event):
            self._after(rule, event)

    def done(
        self, verb: str, number: int, written: frozenset[int], args: Mapping[str, Any], *, tip: Tip | None
    ) -> None:
        """Let policies see the operation *number*."""
        if policies_key(self.store) in args.get("settings", {}) and verb != "policies":
            self.reread()  # such as undo
        what = _AFTER.get(verb)
        if what is None or self._watched.isdisjoint((f"after_{what}", "after_generate")):
            return  # finding what was written is not free
        if not self._concerns(f"after_{what}", verb, tip):
            return
        commits, is_reply = self._written(written)
        event = Event(f"after_{what}", verb, commits=commits, operation=number)
        self.after(event)
        if is_reply and verb in _ASKING:
            usage = args["usages"][-1]["usage"] if args.get("usages") else None
            self.after(replace(event, name="after_generate", args={"usage": usage}))

    def _concerns(self, name: str, verb: str, tip: Tip | None) -> bool:
        """Tell whether any policy is asked about it: what nobody asks for is not read."""
        names = (name, "after_generate") if verb in _ASKING else (name,)
        view = PolicyView(self.store, tip=tip)
        return any(_is_due(rule, view) for one in names for rule in self._watching(one))

    def keep_log(self) -> None:
        """Write what policies said with the operation that is being recorded."""
        self.journal.write(self.store)

    def settle_log(self, *, is_kept: bool) -> None:
        """Forget what was written, or let it wait again where the operation was dropped."""
        self.journal.settle(is_kept=is_kept)

    def close(self) -> None:
        """Write what waits for the next write, as there will be none; a handle that cannot write keeps it to itself."""
        with suppress(TractError):
            self.journal.flush(self.store)

    # --- one policy ------------------------------------------------------------------------------

    def _asked(self, event: Event) -> Iterator[Policy]:
        view = PolicyView(self.store)
        return (rule for rule in self._watching(event.name) if _is_due(rule, view))

    def _watching(self, name: str) -> list[Policy]:
        acting = ACTING.get() if name in self._watched else ()
        return [rule for rule in self._rules if name in rule.watched and rule.name not in acting]

    def _before(self, rule: Policy, event: Event) -> Event:
        """Return *event* as *rule* lets it be done."""
        verdict: str | None = None
        decision: Verdict | PolicyAction
        try:
            decision = self.ask(rule, event)
        except Exception as error:  # noqa: BLE001 - whatever an application's function raises
            decision, verdict = Verdict("deny", f"it could not be asked: {type(error).__name__}"), "error"
        if rule.mode == "shadow" and decision != _PASSED:
            self._note(rule, event, decision, "shadowed", verdict=verdict)
            return event
        if isinstance(decision, PolicyAction):
            self._act(rule, event, decision)
            return event
        return self._judged(rule, event, decision, verdict)

    def _judged(self, rule: Policy, event: Event, decision: Verdict, verdict: str | None) -> Event:
        if decision.kind == "fix" and self.reach(rule) is AutonomyLevel.AUTONOMOUS:
            self._note(rule, event, decision, "fixed")
            content = event.content if decision.content is None else decision.content
            args, names = {**event.args, **decision.args}, (*event.policies, rule.name)
            return replace(event, content=content, args=args, policies=names)
        if decision.kind in {"allow", "warn"}:
            self._note(rule, event, decision, f"{decision.kind}ed")
            if decision.kind == "warn":
                _warn(f"The policy `{rule.name}` warns: {decision.reason}")
            return event
        if decision.kind == "ask" and self.asks is not None and self.asks(event, decision) is True:
            self._note(rule, event, decision, "allowed")
            return event
        self._note(rule, event, decision, "denied", verdict=verdict)
        self._flush()
        # What it may not change by itself it asks about.
        raise PolicyDeniedError(rule.name, event.name, decision.reason, is_asking=decision.kind in {"ask", "fix"})

    def _after(self, rule: Policy, event: Event) -> None:
        try:
            decision = self.ask(rule, event)
        except Exception as error:  # noqa: BLE001 - whatever an application's function raises
            said = Verdict("warn", f"it could not be asked: {type(error).__name__}")
            self._note(rule, event, said, "failed", verdict="error")
            _warn(f"The policy `{rule.name}` could not be asked: {type(error).__name__}: {error}")
            return
        if isinstance(decision, Verdict) and decision.kind == "allow":
            self._note(rule, event, decision, "allowed")
        elif rule.mode == "shadow":
            self._note(rule, event, decision, "shadowed")
        elif isinstance(decision, PolicyAction):
            self._act(rule, event, decision)
        else:
            # It was done already.
            self._note(rule, event, decision, "warned")
            _warn(f"The policy `{rule.name}` warns: {decision.reason}")

    def ask(self, rule: Policy, event: Event) -> Verdict | PolicyAction:
        """Return what *rule* says about *event*; its own writes are not its own business.

        Raises:
            InvalidInputError: It says nothing that could be.
        """
        with acting(rule.name):
            decision: Decision = rule.evaluate(event, PolicyView(self.store, spending=self._ledger))
        if decision is None:
            return _PASSED
        if not isinstance(decision, (Verdict, PolicyAction)):
            raise InvalidInputError(
                f"A policy returned {shown(decision)}.", hint="Return a `Verdict`, a `PolicyAction` or `None`."
            )
        return decision

    def scan(self, rule: Policy) -> PolicyRecord | None:
        """Let *rule* look at the whole context, and do what it says.

        Raises:
            InvalidInputError: It looks at single events only.
        """
        decision = rule.scan(PolicyView(self.store))
        if not isinstance(decision, PolicyAction) or rule.mode == "off" or self.kept.is_paused:
            return None
        event = Event("after_commit", "scan")
        if rule.mode == "shadow":
            self._note(rule, event, decision, "shadowed")
        else:
            self._act(rule, event, decision)
        said = self.journal.last
        self._flush()
        return said

    def reach(self, rule: Policy) -> AutonomyLevel:
        """Return how far *rule* may go: as it says, and never over the ceiling."""
        return min(rule.autonomy, self.kept.ceiling)

    def _act(self, rule: Policy, event: Event, action: PolicyAction) -> None:
        """Do what *rule* wants, propose it or say so; a failure is a warning."""
        if self._is_resting(rule):
            self._note(rule, event, action, "resting")
            return
        level = self.reach(rule)
        if action.args.get("issues"):  # there is something to decide
            level = min(level, AutonomyLevel.COLLABORATIVE)
        if level is AutonomyLevel.MANUAL or self.store.is_writing:
            self._note(rule, event, action, "said")
            return
        try:
            with acting(rule.name):
                done = carry_out(self.store, action, rule.name, is_proposal=level is AutonomyLevel.COLLABORATIVE)
        except TractError as error:
            self._note(rule, event, replace(action, reason=f"{action}: {error.message}"), "failed")
            if self._failed.get(rule.name) != error.message:  # once, and not with every commit
                _warn(f"The policy `{rule.name}` could not {action.verb.replace('_', ' ')}: {error.message}")
            self._failed[rule.name] = error.message
            return
        self._failed.pop(rule.name, None)
        self._rested[rule.name] = self.store.clock()
        self._note(rule, event, action, "proposed" if isinstance(done, Proposal) else "done")

    def _is_resting(self, rule: Policy) -> bool:
        last = self._rested.get(rule.name)
        return last is not None and self.store.clock() - last < rule.cooldown_seconds * 1_000_000

    # --- what is kept ----------------------------------------------------------------------------

    def _note(
        self,
        rule: Policy,
        event: Event,
        decision: Verdict | PolicyAction,
        outcome: str,
        *,
        verdict: str | None = None,
    ) -> None:
        said = verdict or (decision.kind if isinstance(decision, Verdict) else "action")
        told = (event.name, event.verb, rule.name, said, rule.mode, outcome, decision.reason, event.operation)
        self.journal.add(PolicyRow(0, self.store.clock(), *told))

    def _flush(self) -> None:
        try:
            self.journal.flush(self.store)
        except TractError as error:
            _warn(f"What policies said is not in the log yet: {error.message}")

    def reread(self) -> None:
        """Take what the store keeps now; what cannot be read is a warning, and what was in force stays so."""
        try:
            self.read()
        except TractError as error:
            _warn(f"The policies in force could not be read again: {error.message}")

    def _written(self, written: frozenset[int]) -> tuple[tuple[str, ...], bool]:
        """Return the hashes of what was written on HEAD's branch, the oldest first, and whether a model said it."""
        head = self.store.head_hash()
        events = () if head is None or not written else states_of(self.store).get(head).events
        found = list(takewhile(lambda one: one.id in written, reversed(events)))
        return tuple([one.hash.hex() for one in reversed(found)]), bool(found) and found[0].origin == "model"


def _is_due(rule: Policy, view: PolicyView) -> bool:
    try:
        return rule.is_due(view)
    except Exception:  # noqa: BLE001 - whatever it could not read it says when it is asked
        return True


def _reread(decider: ref[Decider], *, is_config: bool = False) -> None:
    """Let *decider*, if its handle is still there, take the policies in force; it warns where it cannot.

    With *is_config* only the settings are others, and nothing is read.
    """
    found = decider()
    if found is None:
        return
    if is_config:
        found.use(found.kept)
    else:
        found.reread()


def _warn(text: str) -> None:
    warnings.warn(text, PolicyWarning, stacklevel=caller_level())
