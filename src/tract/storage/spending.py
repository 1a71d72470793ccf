"""Answers which statement finds the calls of models in a tract's operation log, and what they cost."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import and_, literal_column, or_, select

from tract.storage import schema as s
from tract.storage.database import Query
from tract.storage.queries import parameter as _p


class CallRow(NamedTuple):
    """An operation that tells of calls: its arguments, and of the commit it moved a branch to what tells of them."""

    number: int
    verb: str
    args: str
    hash: bytes | None
    op: str | None
    origin: str | None
    tokens: int | None
    context_tokens: int | None
    config: str | None


ASKING: Final = ("chat", "generate", "run")
"""The operations whose replies are those of a model that was asked."""

_o, _r, _c = s.operations.c, s.ref_changes.c, s.commits.c

_is_telling = _o.verb.in_([literal_column(f"'{verb}'") for verb in (*ASKING, "compress")])
_LIKE: Final = [_o.args.like(literal_column(f"'%\"{name}\":%'")) for name in ("usages", "calls")]

CALLS: Final = Query(
    select(_o.no, _o.verb, _o.args, _c.hash, _c.op, _c.origin, _c.tokens, _c.context_tokens, s.configs.c.json)
    .select_from(
        s.operations.outerjoin(
            s.ref_changes,
            and_(_r.tract_id == _o.tract_id, _r.operation_no == _o.no, _is_telling),
        )
        .outerjoin(s.commits, _c.id == _r.new_id)
        .outerjoin(s.configs, s.configs.c.id == _c.config_id)
    )
    .where(
        _o.tract_id == _p("tract_id"),
        _o.no > _p("since"),
        _o.no <= _p("upto"),
        or_(_is_telling, *_LIKE),
    )
    .order_by(_o.no)
)
