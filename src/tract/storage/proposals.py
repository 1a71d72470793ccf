"""Answers which statements keep and find proposals: drafts of operations that wait to be decided."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import func, literal_column, select, update

from tract.storage import schema as s
from tract.storage.database import Query
from tract.storage.queries import parameter as _p


class ProposalRow(NamedTuple):
    """One revision of a proposal, as stored."""

    number: int
    revision: int
    kind: str
    head: bytes
    payload: str
    hash: bytes
    created_at: int
    state: str


_GONE: Final = ("replaced", "withdrawn", "erased")
"""What is listed no more: edited, its making undone, or erased."""

_rows = (
    select(
        s.proposals.c.number,
        s.proposals.c.revision,
        s.proposals.c.kind,
        s.commits.c.hash,
        s.proposals.c.payload,
        s.proposals.c.hash.label("payload_hash"),
        s.proposals.c.created_at,
        s.proposals.c.state,
    )
    .select_from(s.proposals.join(s.commits, s.commits.c.id == s.proposals.c.head_id))
    .where(
        s.proposals.c.tract_id == _p("tract_id"),
        s.proposals.c.state.not_in([literal_column(f"'{state}'") for state in _GONE]),
    )
)
PROPOSALS: Final = Query(_rows.order_by(s.proposals.c.number))
PROPOSAL: Final = Query(_rows.where(s.proposals.c.number == _p("number")))
LAST: Final = Query(
    select(func.max(s.proposals.c.number), func.max(s.proposals.c.revision)).where(
        s.proposals.c.tract_id == _p("tract_id")
    )
)
STATE: Final = Query(
    select(s.proposals.c.state).where(
        s.proposals.c.tract_id == _p("tract_id"),
        s.proposals.c.number == _p("number"),
        s.proposals.c.revision == _p("revision"),
    )
)
SET_STATE: Final = Query(
    update(s.proposals)
    .where(
        s.proposals.c.tract_id == _p("in_tract"),
        s.proposals.c.number == _p("of_number"),
        s.proposals.c.revision == _p("of_revision"),
    )
    .values(state=_p("state"))
)
ADD: Final = Query(
    s.proposals.insert().values({column.name: _p(column.name) for column in s.proposals.c if column.name != "id"})
)
