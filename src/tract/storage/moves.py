"""Answers which refs an operation has moved so far: for each the first old value and the last new one."""

from __future__ import annotations

from dataclasses import dataclass, field

from tract.errors import RefConflictError


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


def conflict_at(name: str, expected: bytes | None, actual: bytes | None) -> RefConflictError:
    """Return the error that says where the ref *name* was expected and where it is."""
    return RefConflictError(
        name.partition("/")[2] or name,
        None if expected is None else expected.hex(),
        None if actual is None else actual.hex(),
    )
