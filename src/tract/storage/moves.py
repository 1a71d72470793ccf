"""Answers which refs an operation has moved so far, and how it gets into the log with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from tract.errors import CommitCollectedError, CorruptObjectError, RefConflictError, RefExistsError
from tract.objects.operation import OperationHeader, header_hash
from tract.objects.refs import HEAD, RefChange
from tract.storage import queries as q
from tract.storage.database import Database
from tract.storage.writing import Tip


@dataclass(slots=True)
class RefMoves:
    """The ref changes an operation has made so far, by ref name: first old value, last new value."""

    ids: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    hashes: dict[str, tuple[bytes | None, bytes | None]] = field(default_factory=dict)

    def add(self, name: str, old: tuple[int | None, bytes | None], new: tuple[int | None, bytes | None]) -> None:
        """Note that *name* went from *old* to *new*, each a row id and a hash."""
        first_id, first_hash = old
        if name in self.hashes:
            first_id, first_hash = self.ids[name][0], self.hashes[name][0]
        self.ids[name] = (first_id, new[0])
        self.hashes[name] = (first_hash, new[1])

    def copy(self) -> RefMoves:
        """Return a copy that later moves leave alone."""
        return RefMoves(dict(self.ids), dict(self.hashes))

    def changes(self) -> tuple[RefChange, ...]:
        """Return the changes by ref name, as the operation's hash covers them."""
        return tuple(RefChange(name, *self.hashes[name]) for name in sorted(self.hashes))


def write_operation(database: Database, tract_id: int, header: OperationHeader, moves: RefMoves) -> None:
    """Write the operation, and what it moved."""
    database.execute(
        q.ADD_OPERATION,
        {
            "tract_id": tract_id,
            "no": header.number,
            "hash": header_hash(header),
            "verb": header.verb,
            "args": header.args,
            "actor": header.actor,
            "created_at": header.created_at,
            "undoes": header.undoes,
        },
    )
    for name, (old_id, new_id) in moves.ids.items():
        old, new = moves.hashes[name]
        symbolic = name == HEAD
        database.execute(
            q.ADD_CHANGE,
            {
                "tract_id": tract_id,
                "operation_no": header.number,
                "name": name,
                "old_id": old_id,
                "new_id": new_id,
                "old_symbolic": old.decode() if symbolic and old is not None else None,
                "new_symbolic": new.decode() if symbolic and new is not None else None,
            },
        )


def conflict_at(name: str, expected: bytes | None, actual: bytes | None) -> RefConflictError:
    """Return the error that says where the ref *name* was expected and where it is."""
    return RefConflictError(
        name.partition("/")[2] or name,
        None if expected is None else expected.hex(),
        None if actual is None else actual.hex(),
    )


def swap(database: Database, ref: tuple[int, str], old: Tip | None, new: Tip | None) -> None:
    """Let the ref (tract id and name) point to *new* if it points to *old*; `None` stands for "does not exist".

    Raises:
        RefConflictError: It points elsewhere.
    """
    tract_id, name = ref
    if old is None:
        assert new is not None
        values = {"tract_id": tract_id, "name": name, "commit_id": new.id, "symbolic": None}
        cursor = database.execute(q.ADD_REF, values)
    elif new is None:
        cursor = database.execute(q.DROP_REF, {"tract_id": tract_id, "name": name, "old_id": old.id})
    else:
        values = {"in_tract": tract_id, "of_name": name, "old_id": old.id, "new_id": new.id}
        cursor = database.execute(q.MOVE_REF, values)
    if cursor.rowcount != 1:
        _raise_conflict(database, ref, old, new)


def _raise_conflict(database: Database, ref: tuple[int, str], old: Tip | None, new: Tip | None) -> NoReturn:
    """Say why a ref (tract id and name) could not be swapped from *old* to *new*."""
    tract_id, name = ref
    row = database.one(q.REF, tract_id=tract_id, name=name)
    if old is None and new is not None:
        kind, _, short = name.partition("/")
        if row is not None and row[0] is not None and row[2] is None:
            raise CorruptObjectError("ref", name, "the commit it points to is missing")
        raise RefExistsError({"heads": "branch", "tags": "tag"}.get(kind, "ref"), short)
    raise conflict_at(name, None if old is None else old.hash, None if row is None else row[2])


def require_kept(database: Database, commit: Tip) -> None:
    """Refuse to build on what gc has taken; asked under the write lock, since gc may have come in between.

    Raises:
        CommitCollectedError: It has taken *commit*.
    """
    row = database.one(q.COLLECTED_AT, id=commit.id)
    if row is not None and row[0] is not None:
        raise CommitCollectedError(commit.hash.hex(), row[0])


def point(database: Database, tract_id: int, name: str, target: str) -> str | None:
    """Let the symbolic ref *name* point to the ref *target*; return where it pointed before."""
    row = database.one(q.REF, tract_id=tract_id, name=name)
    if row is None:
        values = {"tract_id": tract_id, "name": name, "commit_id": None, "symbolic": target}
        database.execute(q.ADD_REF, values)
        return None
    old = str(row[1])
    if old != target:
        database.execute(q.MOVE_SYMBOLIC, {"in_tract": tract_id, "of_name": name, "symbolic": target})
    return old
