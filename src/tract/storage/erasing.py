"""Answers where a text may be kept beside the contents, and takes it from there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Text, func, literal_column, null, or_, select, update

from tract.storage import queries as q
from tract.storage import schema as s
from tract.storage.database import Database, Query

_p = q.parameter


class Removal(NamedTuple):
    """The operation that took a content away."""

    verb: str
    args: dict[str, Any]
    actor: str
    created_at: int


_verb = s.operations.c.verb
_is_removal = or_(_verb == literal_column("'erase'"), _verb == literal_column("'gc'"))
_REMOVAL: Final = Query(
    select(_verb, s.operations.c.args, s.operations.c.actor, s.operations.c.created_at).where(
        s.operations.c.created_at == _p("at"), _is_removal
    )
)
_REMOVALS: Final = Query(select(s.operations.c.created_at).where(_is_removal))
_ERASE_ARGS: Final = Query(select(s.operations.c.args).where(s.operations.c.verb == literal_column("'erase'")))


def removal_at(database: Database, erased_at: int | None, content: bytes | None) -> Removal | None:
    """Return the operation that took away the *content* whose tombstone says *erased_at*.

    Cost:
        O(operations): asked only for what is gone.
    """
    rows = [Removal(row[0], json.loads(row[1]), row[2], row[3]) for row in database.all(_REMOVAL, at=erased_at)]
    named = [one for one in rows if content is not None and content.hex() in one.args.get("blobs", ())]
    return next(iter(named or rows), None)


def removal_times(database: Database) -> set[int]:
    """Return when something was collected or erased, as the log says."""
    return {at for (at,) in database.all(_REMOVALS)}


def redactions(database: Database) -> set[tuple[str, int, str]]:
    """Return tract, number and hash of the new arguments of each operation something was erased from."""
    return {
        (tract, number, new)
        for (args,) in database.all(_ERASE_ARGS)
        for tract, number, new in json.loads(args).get("redacted", ())
    }


# --- where text is kept ------------------------------------------------------------------------------

_ARGS: Final = Query(
    select(s.tracts.c.name, s.operations.c.tract_id, s.operations.c.no, s.operations.c.args)
    .select_from(s.operations.join(s.tracts, s.tracts.c.id == s.operations.c.tract_id))
    .where(s.operations.c.args != literal_column("'{}'"))
    .order_by(s.operations.c.tract_id, s.operations.c.no)
)
_REDACT: Final = Query(
    update(s.operations)
    .where(s.operations.c.tract_id == _p("of_tract"), s.operations.c.no == _p("of_no"))
    .values(args=_p("args"), args_hash=func.coalesce(s.operations.c.args_hash, _p("args_hash", s.operations.c.hash)))
)
_USAGE: Final = Query(
    select(s.usage.c.id, s.usage.c.commit_id, s.usage.c.raw).where(s.usage.c.raw != literal_column("'{}'"))
)
_DROP_USAGE: Final = Query(update(s.usage).where(s.usage.c.id == _p("of_id")).values(raw=literal_column("'{}'")))
_META: Final = Query(select(s.meta.c.key, s.meta.c.value))


def operation_args(database: Database) -> list[tuple[str, int, int, str]]:
    """Return tract name, tract id, number and arguments of every operation that has some."""
    return [(name, tract, number, args) for name, tract, number, args in database.all(_ARGS)]


def redact(database: Database, operation: tuple[int, int], args: str, args_hash: bytes) -> None:
    """Replace the arguments of an operation (tract id and number); *args_hash* is what its hash covers."""
    database.execute(_REDACT, {"of_tract": operation[0], "of_no": operation[1], "args": args, "args_hash": args_hash})


def usage_texts(database: Database) -> list[tuple[int, int, str]]:
    """Return row id, commit and what the provider said, of every recorded usage that has some."""
    return [(id_, commit, raw) for id_, commit, raw in database.all(_USAGE)]


def drop_usage_texts(database: Database, usages: Iterable[int]) -> None:
    """Drop what providers said in these usages; the counts stay."""
    for id_ in usages:
        database.execute(_DROP_USAGE, {"of_id": id_})


class KeptProposal(NamedTuple):
    """One revision of a proposal: row id and payload."""

    id: int
    payload: str


_PROPOSALS: Final = Query(select(s.proposals.c.id, s.proposals.c.payload))
_EMPTY: Final = Query(
    update(s.proposals)
    .where(s.proposals.c.id == _p("of_id"))
    .values(payload=_p("payload"), hash=_p("hash"), state=literal_column("'erased'"))
)


def proposals(database: Database) -> list[KeptProposal]:
    """Return every proposal ever kept, whatever its state."""
    return [KeptProposal(*row) for row in database.all(_PROPOSALS)]


def empty(database: Database, proposal: int, payload: str, hash_: bytes) -> None:
    """Replace the payload of a proposal, which nobody can decide any more."""
    database.execute(_EMPTY, {"of_id": proposal, "payload": payload, "hash": hash_})


def settings(database: Database) -> dict[str, str]:
    """Return every setting of the store."""
    return dict(database.all(_META))


_PURPOSES: Final = Query(select(s.tracts.c.id, s.tracts.c.purpose).where(s.tracts.c.purpose.is_not(None)))
_DROP_PURPOSE: Final = Query(update(s.tracts).where(s.tracts.c.id == _p("of_id")).values(purpose=null()))


def purposes(database: Database) -> list[tuple[int, str]]:
    """Return row id and purpose of every tract that has one."""
    return [(id_, purpose) for id_, purpose in database.all(_PURPOSES)]


def drop_purposes(database: Database, tracts: Iterable[int]) -> None:
    """Forget what these tracts are for."""
    for id_ in tracts:
        database.execute(_DROP_PURPOSE, {"of_id": id_})


_REASONS: Final = Query(select(s.policy_log.c.id, s.policy_log.c.reason))
_DROP_REASON: Final = Query(
    update(s.policy_log).where(s.policy_log.c.id == _p("of_id")).values(reason=literal_column("''"))
)


def reasons(database: Database) -> list[tuple[int, str]]:
    """Return row id and reason of everything policies said."""
    return [(id_, reason) for id_, reason in database.all(_REASONS)]


def drop_reasons(database: Database, rows: Iterable[int]) -> None:
    """Forget why policies said what they said."""
    for id_ in rows:
        database.execute(_DROP_REASON, {"of_id": id_})


_REPLIES: Final = Query(select(s.replies.c.data))


def replies(database: Database) -> Iterator[bytes]:
    """Yield every answer of a model that is kept to be used again."""
    for (data,) in database.all(_REPLIES):
        yield bytes(data)


_HANDLED: Final = frozenset(
    {s.operations.c.args, s.usage.c.raw, s.meta.c.value, s.proposals.c.payload, s.tracts.c.purpose}
)
_OTHER_TEXTS: Final = tuple(
    (f"{table.name}.{column.name}", Query(select(column).distinct().where(column.is_not(None))))
    for table in s.metadata.sorted_tables
    for column in table.c
    if isinstance(column.type, Text) and column not in _HANDLED
)


def other_texts(database: Database) -> Iterator[tuple[str, str]]:
    """Yield every text kept anywhere else, with the name of its table and column."""
    for name, query in _OTHER_TEXTS:
        for (text,) in database.all(query):
            yield name, text
