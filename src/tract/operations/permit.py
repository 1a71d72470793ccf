"""Answers whether the policies in force let something be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.objects.policy import Decides, Event
from tract.storage import queries as q
from tract.store import Store


class RulesChangedError(Exception):
    """The policies that were asked are not those in force; whoever asked them asks again, so nobody else meets it."""


def policies_now(store: Store) -> Decides | None:
    """Return the policies as the store keeps them now, whichever handle changed them."""
    # While the gate is held nobody changes them, and it has looked.
    if store.reread is not None and not store.is_writing:
        row = store.one(q.META, key=q.RULES + store.tract)
        if ("" if row is None else row[0]) != store.rules:
            store.reread()
    return store.policies


def permit(store: Store, what: str, verb: str, args: Mapping[str, Any]) -> None:
    """Ask whether *what*, one of `SUBJECTS`, may be done by *verb*.

    Raises:
        PolicyDeniedError: A policy does not let it be done.
    """
    policies = policies_now(store)
    if policies is not None:
        policies.before(Event(f"before_{what}", verb, args=args))
