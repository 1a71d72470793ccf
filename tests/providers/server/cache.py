"""How many tokens of this request were cached? Remembers prefixes as the vendors' prompt caches do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.providers.server.prefix import Unit, digests

# Anthropic looks for an earlier entry at most this many blocks before each breakpoint.
LOOK_BACK_BLOCKS = 20


@dataclass(frozen=True, slots=True)
class Input:
    """The tokens of a request: read from the cache, written to it, and all of them."""

    total: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def plain(self) -> int:
        """Tokens that are neither read from the cache nor written to it."""
        return self.total - self.read - self.written_5m - self.written_1h


class Cache:
    """Prefixes seen before, by model."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, bytes]] = set()

    def automatic(self, model: str, units: Sequence[Unit]) -> Input:
        """Count the longest prefix equal to one of an earlier request, then remember all of this one."""
        ends = digests(units)[1:]
        known = max((at + 1 for at, end in enumerate(ends) if (model, end) in self._seen), default=0)
        self._seen.update((model, end) for end in ends)
        return Input(_tokens(units), read=_tokens(units[:known]))

    def marked(self, model: str, units: Sequence[Unit]) -> Input:
        """Count up to the breakpoints only: what is behind the last is neither read nor written."""
        ends = digests(units)[1:]
        marks = [at for at, unit in enumerate(units) if unit.mark]
        in_reach = [at for mark in marks for at in range(max(0, mark - LOOK_BACK_BLOCKS + 1), mark + 1)]
        read_to = max((at + 1 for at in in_reach if (model, ends[at]) in self._seen), default=0)
        written = {"5m": 0, "1h": 0}
        start = read_to
        for mark in marks:
            lifetime = units[mark].mark or "5m"
            written[lifetime] += _tokens(units[start : mark + 1])
            start = max(start, mark + 1)
        self._seen.update((model, ends[mark]) for mark in marks)
        return Input(_tokens(units), _tokens(units[:read_to]), written["5m"], written["1h"])


def _tokens(units: Sequence[Unit]) -> int:
    return sum(unit.tokens for unit in units)
