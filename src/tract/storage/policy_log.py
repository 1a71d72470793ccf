"""Answers which statements keep and find what policies said."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import delete, func, select

from tract.storage import schema as s
from tract.storage.database import Query
from tract.storage.queries import parameter as _p


class PolicyRow(NamedTuple):
    """One evaluation, as stored."""

    no: int
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

_log = s.policy_log.c

EVALUATIONS: Final = Query(
    select(*_columns).where(_log.tract_id == _p("tract_id")).order_by(_log.no.desc()).limit(_p("limit"))
)
LAST: Final = Query(select(func.max(_log.no)).where(_log.tract_id == _p("tract_id")))
ADD: Final = Query(s.policy_log.insert().values({column.name: _p(column.name) for column in _log}))
DROP: Final = Query(delete(s.policy_log).where(_log.tract_id == _p("of_tract"), _log.no <= _p("upto")))
