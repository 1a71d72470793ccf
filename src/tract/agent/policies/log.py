"""Keeps what policies were asked and said; no part of any history, so that a denial is known without being there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tract.objects.commit import from_microseconds
from tract.operations.aside import aside
from tract.storage import policy_log as q
from tract.storage.policy_log import PolicyRow
from tract.store import Store

_MOST_WAITING: Final = 1_000
_LOTS: Final = 8
"""In how many lots a full log is dropped: it holds up to an eighth more than its limit, which nobody is shown."""


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One evaluation of one policy.

    Attributes:
        at: When, UTC.
        event: What it was asked about, such as `before_commit`.
        verb: The operation, such as `commit` or `chat`.
        policy: Name of the policy.
        verdict: `allow`, `warn`, `fix`, `ask`, `deny`, `action`, or `error` if it raised.
        mode: `enforce` or `shadow`.
        outcome: What came of it: `allowed`, `warned`, `fixed`, `denied`, `done`, `proposed`, `said`, `resting`,
            `shadowed` or `failed`.
        reason: Why, in its words.
        operation: Number of the operation it was asked about, or `None` before one.
    """

    at: datetime
    event: str
    verb: str
    policy: str
    verdict: str
    mode: str
    outcome: str
    reason: str
    operation: int | None = None


class Journal:
    """What policies said on one handle, on its way into the store.

    What waits is written with the next write, at the latest when the log is read or the handle closed; a denial at
    once.
    """

    def __init__(self) -> None:
        # Threads share it: each step below is one of those that cannot be interrupted.
        self._waiting: deque[PolicyRow] = deque()
        self._written: list[PolicyRow] = []

    def add(self, row: PolicyRow) -> None:
        """Keep *row*; the oldest that wait go where far too many do, as on a handle that only reads."""
        self._waiting.append(row)
        self._last = row
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()

    @property
    def last(self) -> PolicyRecord:
        """What was said last."""
        return _record(self._last)

    @property
    def waiting(self) -> Sequence[PolicyRecord]:
        """What is not in the store yet, the oldest first."""
        return tuple(map(_record, self._waiting.copy()))

    def flush(self, store: Store) -> None:
        """Write what waits, unless *store* only reads or an operation is open, which will write it."""
        if not self._waiting or store.read_only:
            return
        is_kept = False
        try:
            with aside(store) as database:
                if database is None:
                    return
                self.write(store)
            is_kept = True
        finally:
            if not store.is_writing:
                self.settle(is_kept=is_kept)

    def write(self, store: Store) -> None:
        """Write what waits in the transaction that is open, and drop the oldest of more than `policy_log_limit`.

        Cost:
            O(what waits): the oldest go in lots, so that few writes look for them.
        """
        if not self._waiting:
            return
        database, limit = store.database, store.config.policy_log_limit
        found = database.one(q.LAST, tract_id=store.tract_id)
        last = before = 0 if found is None or found[0] is None else found[0]
        while self._waiting:
            row = self._waiting.popleft()
            self._written.append(row)
            last += 1
            database.execute(q.ADD, {**row._asdict(), "tract_id": store.tract_id, "no": last})
        lot = max(1, limit // _LOTS)
        if last // lot != before // lot:
            database.execute(q.DROP, {"of_tract": store.tract_id, "upto": last - limit})

    def settle(self, *, is_kept: bool) -> None:
        """Forget what was written, or let it wait again."""
        if not is_kept:
            self._waiting.extendleft(reversed(self._written))
        self._written = []


class PolicyLog:
    """What the policies of a tract said, the newest first: iteration, `len`, and `find`."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    def __iter__(self) -> Iterator[PolicyRecord]:
        self._journal.flush(self._store)
        limit = self._store.config.policy_log_limit
        rows = self._store.all(q.EVALUATIONS, tract_id=self._store.tract_id, limit=limit)
        return iter([*reversed(self._journal.waiting), *[_record(PolicyRow(*row)) for row in rows]])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<PolicyLog {len(self)}>"

    def find(
        self,
        *,
        policy: str | None = None,
        event: str | None = None,
        verdict: str | None = None,
        outcome: str | None = None,
    ) -> list[PolicyRecord]:
        """Return what fits all that is given, the newest first."""
        wanted = {"policy": policy, "event": event, "verdict": verdict, "outcome": outcome}
        given = {name: value for name, value in wanted.items() if value is not None}
        return [one for one in self if all(getattr(one, name) == value for name, value in given.items())]


def _record(row: PolicyRow) -> PolicyRecord:
    told = (row.event, row.verb, row.policy, row.verdict, row.mode, row.outcome, row.reason, row.operation_no)
    return PolicyRecord(from_microseconds(row.created_at), *told)
