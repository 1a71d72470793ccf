"""Answers how tests let days pass: a clock that several handles share."""

from typing import Final

from tract import Tract

DAY: Final = 86_400_000_000
"""Microseconds."""


class Clock:
    """A clock that ticks with every look, and jumps when told to; it starts after any real one."""

    def __init__(self) -> None:
        self.now = 4_000_000_000_000_000

    def __call__(self) -> int:
        """Return the time, a millisecond later than the last."""
        self.now += 1000
        return self.now

    def pass_days(self, days: float) -> None:
        """Let *days* pass."""
        self.now += round(days * DAY)

    def on(self, *handles: Tract) -> None:
        """Let *handles* tell the time by this clock."""
        for t in handles:
            t._store.clock = self
