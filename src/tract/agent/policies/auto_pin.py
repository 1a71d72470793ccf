"""Answers which messages are to be pinned, so that no compression takes them."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import field_validator

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.view import PolicyView
from tract.compile.fold import Entry
from tract.objects.policy import Event, PolicyAction


class AutoPin(Policy):
    """Pins what is committed, if it fits any of what is given.

    A message whose priority anybody has set, or which starts with another one, is left as it is.

    Attributes:
        types: Content types, such as `artifact`.
        roles: Roles of messages, such as `user`.
        patterns: Regular expressions; a message whose text one is found in.
    """

    kind: ClassVar[str] = "auto_pin"
    events: ClassVar[tuple[str, ...]] = ("after_commit", "after_merge")

    priority: int = 100
    types: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()

    @field_validator("patterns")
    @classmethod
    def _are_useful(cls, patterns: tuple[re.Pattern[str], ...]) -> tuple[re.Pattern[str], ...]:
        if any(not pattern.pattern for pattern in patterns):
            raise ValueError("an empty pattern is found everywhere")
        return patterns

    def evaluate(self, event: Event, view: PolicyView) -> Decision:
        """Look at what was written."""
        entries = [entry for commit in event.commits if (entry := view.entry(commit)) is not None]
        return self._pinning(entries)

    def scan(self, view: PolicyView) -> Decision:
        """Look at the whole context."""
        return self._pinning(view.entries)

    def _pinning(self, entries: list[Entry] | tuple[Entry, ...] | object) -> Decision:
        assert isinstance(entries, (list, tuple))
        found = [entry.placed.hash.hex() for entry in entries if self._fits(entry)]
        if not found:
            return None
        args = {"commits": list(dict.fromkeys(found)), "priority": "pinned"}
        return PolicyAction("annotate", args, f"{self.name} keeps it")

    def _fits(self, entry: Entry) -> bool:
        message = entry.shown.message
        if message is None or entry.priority != "normal" or entry.annotated is not None or entry.covers:
            return False
        if entry.shown.content_type in self.types or message.role in self.roles:
            return True
        return any(pattern.search(message.text) for pattern in self.patterns)
