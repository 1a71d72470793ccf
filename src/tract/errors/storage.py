"""What can go wrong below: the database, the file, what is stored in it, the installation."""

from __future__ import annotations

from tract.errors.base import TractError


class StorageError(TractError):
    """The database refused or failed; nothing of the operation was kept."""

    code = "storage"


class BusyError(StorageError, TimeoutError):
    """Other writers held the store for longer than the deadline."""

    code = "busy"

    def __init__(self, waited_seconds: float) -> None:
        super().__init__(
            f"The store stayed locked for {waited_seconds:.1f} seconds.",
            hint="Raise `busy_timeout_seconds` in `TractConfig`, or look for a process that holds it.",
        )
        self.waited_seconds = waited_seconds


class ConnectionLostError(StorageError, ConnectionError):
    """The connection to the database server broke during an operation; the next call takes a new one.

    Attributes:
        is_unknown: Whether it broke while the operation was made durable, so that nobody knows if it was; else
            nothing was kept.
    """

    code = "connection_lost"

    def __init__(self, location: str, *, is_unknown: bool = False) -> None:
        kept = "it is unknown whether the operation was kept" if is_unknown else "nothing of the operation was kept"
        super().__init__(
            f"The connection to `{location}` broke; {kept}.",
            hint="Look at `t.log(1)`, then call again if it is not there." if is_unknown else "Make the call again.",
        )
        self.is_unknown = is_unknown


class DiskFullError(StorageError, OSError):
    """There is no room for the write."""

    code = "disk_full"


class NotAStoreError(StorageError):
    """The file is no tract store; it was not touched."""

    code = "not_a_store"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"`{path}` is not a tract store: {reason}.", hint="Name another file in `Tract.open(path)`.")
        self.path = path
        self.reason = reason


class SchemaTooNewError(StorageError):
    """The store was written by a newer version of this package; it was not touched."""

    code = "schema_too_new"

    def __init__(self, found: int, supported: int) -> None:
        super().__init__(
            f"The store has schema {found}; this version knows schemas up to {supported}.",
            hint="Install a newer `tract-sdk`.",
        )
        self.found = found
        self.supported = supported


class CorruptStoreError(StorageError):
    """Stored data contradicts itself."""

    code = "corrupt"

    def __init__(self, message: str, *, hint: str | None = "Run `tract fsck` to see all of it.") -> None:
        super().__init__(message, hint=hint)


class CorruptObjectError(CorruptStoreError):
    """A stored object does not match its hash, or is missing.

    Attributes:
        kind: `blob`, `commit`, `config`, `operation` or `ref`.
        object_id: Hash or name of the object.
    """

    code = "corrupt_object"

    def __init__(self, kind: str, object_id: str, reason: str) -> None:
        super().__init__(f"The {kind} {object_id[:12]} is damaged: {reason}.")
        self.kind = kind
        self.object_id = object_id
        self.reason = reason


class CorruptGraphError(CorruptStoreError):
    """The commit graph has a cycle or a missing parent."""

    code = "corrupt_graph"


class MigrationError(StorageError):
    """Bringing the schema up to date failed; the store is as it was.

    Attributes:
        found: Schema version of the store.
        wanted: Schema version it could not be brought to.
        reason: What went wrong.
        backup: Path of the copy made before, or `None` (a PostgreSQL store, or no copy could be made).
    """

    code = "migration"

    def __init__(self, found: int, wanted: int, reason: str, *, backup: str | None = None) -> None:
        copy = "" if backup is None else f" A copy is at {backup}."
        super().__init__(
            f"The store could not be brought from schema {found} to {wanted}: {reason}.",
            hint=f"The store is as it was and opens with the version that wrote it.{copy}",
        )
        self.found = found
        self.wanted = wanted
        self.reason = reason
        self.backup = backup


# --- installation --------------------------------------------------------------------------------


class CorruptRanksError(TractError):
    """A rank file shipped with this package is missing or not what was shipped.

    Attributes:
        tokenizer: The tokenizer whose ranks they are.
        reason: What is wrong with the file.
    """

    code = "corrupt_ranks"

    def __init__(self, tokenizer: str, reason: str) -> None:
        super().__init__(f"The ranks of `{tokenizer}` cannot be used: {reason}.", hint="Reinstall `tract-sdk`.")
        self.tokenizer = tokenizer
        self.reason = reason
