"""Answers whether the policies in force let something be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.objects.policy import Event
from tract.store import Store


def permit(store: Store, what: str, verb: str, args: Mapping[str, Any]) -> None:
    """Ask whether *what*, one of `SUBJECTS`, may be done by *verb*.

    Raises:
        PolicyDeniedError: A policy does not let it be done.
    """
    policies = store.policies_now()
    if policies is not None:
        policies.before(Event(f"before_{what}", verb, args=args))
