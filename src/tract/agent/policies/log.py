"""Keeps what policies were asked and said; no part of any history, so that a denial is known without being there."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One evaluation of one policy.

    Attributes:
        at: When, UTC.
        event: What it was asked about, such as `before_commit`; `orchestrate` for what an orchestrator did.
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

    What waits is written with the next write, at the latest when the log is read; a denial at once.
    """

    def __init__(self) -> None:
        self._waiting: list[PolicyRecord] = []

    def add(self, record: PolicyRecord) -> None:
        """Keep *record*; the oldest that wait go where far too many do, as on a handle that only reads."""
        self._waiting.append(record)
        self._last = record
        del self._waiting[:-_MOST_WAITING]

    @property
    def last(self) -> PolicyRecord:
        """What was said last."""
        return self._last

    @property
    def waiting(self) -> Sequence[PolicyRecord]:
        """What is not in the store yet, the oldest first."""
        return tuple(self._waiting)

    def flush(self, store: Store) -> None:
        """Write what waits, unless *store* only reads or an operation is open, whose fate it would share."""
        if not self._waiting or store.read_only:
            return
        with aside(store) as database:
            if database is None:
                return
            records, self._waiting = self._waiting, []
            for record in records:
                values = {name: getattr(record, name) for name in ("event", "verb", "policy", "verdict", "mode")}
                values |= {"outcome": record.outcome, "reason": record.reason, "operation_no": record.operation}
                at = int(record.at.timestamp() * 1_000_000)
                database.execute(q.ADD, {**values, "tract_id": store.tract_id, "created_at": at})


class PolicyLog:
    """What the policies of a tract said, the newest first: iteration, `len`, and `find`."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal

    def __iter__(self) -> Iterator[PolicyRecord]:
        self._journal.flush(self._store)
        rows = self._store.all(q.EVALUATIONS, tract_id=self._store.tract_id)
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
