"""Answers which statements keep and find what policies said."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import select

from tract.storage import schema as s
from tract.storage.database import Query
from tract.storage.queries import parameter as _p


class PolicyRow(NamedTuple):
    """One evaluation, as stored."""

    id: int
    created_at: int
    event: str
    verb: str
    policy: str
    verdict: str
    mode: str
    outcome: str
    reason: str
    operation_no: int | None


_columns = [s.policy_log.c[name] for name in PolicyRow._fields]

EVALUATIONS: Final = Query(
    select(*_columns).where(s.policy_log.c.tract_id == _p("tract_id")).order_by(s.policy_log.c.id.desc())
)
ADD: Final = Query(
    s.policy_log.insert().values({column.name: _p(column.name) for column in s.policy_log.c if column.name != "id"})
)
