"""Answers how a path or URL becomes a connected store: found, created, migrated or refused."""

from __future__ import annotations

import secrets
from typing import Any, Final

from sqlalchemy.engine import Connection

from tract.errors import CorruptStoreError, SchemaTooNewError, StorageError, StoreNotFoundError, TractError
from tract.storage import schema, sqlite
from tract.storage.database import Database

_EXPECTED_OBJECTS: Final = frozenset({"table", "index"})


def open_database(path: str, *, create: bool, read_only: bool, durability: str) -> Database:
    """Return a connection to the store at *path*: a file, `":memory:"` or a PostgreSQL URL.

    An older store is migrated first (after a backup), unless *read_only*.

    Raises:
        StoreNotFoundError: Nothing there, and *create* is false or *read_only* true.
        NotAStoreError: Something else is there; it was not touched.
        SchemaTooNewError: Written by a newer version; it was not touched.
    """
    if "://" in path:
        return _open_postgres(path, create=create and not read_only, read_only=read_only, durability=durability)
    return _open_sqlite(path, create=create and not read_only, read_only=read_only, durability=durability)


def _open_sqlite(path: str, *, create: bool, read_only: bool, durability: str) -> Database:
    if path == sqlite.MEMORY:
        database = sqlite.connect(path, read_only=False, durability=durability)
        _fill(database.connection)
        if read_only:
            database.raw.execute("PRAGMA query_only=1")
        return database
    version = sqlite.inspect(path)
    if version is None:
        if not create:
            raise StoreNotFoundError(path)
        sqlite.create(path, _fill)
        version = sqlite.inspect(path)
    if version is not None and version < schema.SCHEMA_VERSION:
        _migrate_sqlite(path, durability=durability, read_only=read_only)
    database = sqlite.connect(path, read_only=read_only, durability=durability)
    return _checked(database, _check_file)


def _open_postgres(url: str, *, create: bool, read_only: bool, durability: str) -> Database:
    from tract.storage import postgres

    database = postgres.connect(url, read_only=read_only, durability=durability)

    def prepare(_: Database) -> None:
        if not postgres.holds_store(database):
            if not create:
                raise StoreNotFoundError(database.location)
            postgres.in_turn(database, _fill_if_empty)
        version = postgres.stored_version(database.connection)
        if version > schema.SCHEMA_VERSION:
            raise SchemaTooNewError(version, schema.SCHEMA_VERSION)
        if version < schema.SCHEMA_VERSION:
            _require_writable(version, read_only=read_only)
            from tract.storage.migrate import migrate_postgres

            postgres.in_turn(database, lambda _: migrate_postgres(database.connection, target=schema.SCHEMA_VERSION))

    def _fill_if_empty(_: Database) -> None:
        if not postgres.holds_store(database):
            _fill(database.connection)

    return _checked(database, prepare)


def _checked(database: Database, check: Any) -> Database:
    try:
        check(database)
    except TractError:
        database.close()
        raise
    except Exception as error:
        database.close()
        raise database.translate(getattr(error, "orig", None) or error) from error
    return database


def _migrate_sqlite(path: str, *, durability: str, read_only: bool) -> None:
    if read_only:
        # The header may be older than the store: the migration can still be in the write-ahead log.
        database = sqlite.connect(path, read_only=True, durability=durability)
        try:
            version = sqlite.current_version(database)
        finally:
            database.close()
        if version < schema.SCHEMA_VERSION:
            _require_writable(version, read_only=True)
        return
    from tract.storage.migrate import migrate_sqlite

    migrate_sqlite(path, target=schema.SCHEMA_VERSION)


def _require_writable(version: int, *, read_only: bool) -> None:
    if read_only:
        raise StorageError(
            f"The store has schema {version} and must be brought up to date first.",
            hint="Open it once for writing with `Tract.open(path)`.",
        )


def _check_file(database: Database) -> None:
    version = sqlite.current_version(database)
    if version > schema.SCHEMA_VERSION:
        raise SchemaTooNewError(version, schema.SCHEMA_VERSION)
    _refuse_foreign_objects(database)


def _refuse_foreign_objects(database: Database) -> None:
    # A trigger or view we did not make would run inside our transactions.
    rows = database.run_text("SELECT type, name FROM sqlite_schema")
    foreign = [f"{kind} `{name}`" for kind, name in rows if kind not in _EXPECTED_OBJECTS]
    if foreign:
        raise CorruptStoreError(
            f"The file holds what no tract store has: {', '.join(foreign)}.",
            hint="Somebody changed the file by hand; drop what does not belong, then run `tract fsck`.",
        )


def _fill(connection: Connection) -> None:
    """Create the tables and the rows every store starts with."""
    schema.metadata.create_all(connection)
    connection.execute(
        schema.meta.insert(),
        [
            {"key": "store_id", "value": secrets.token_hex(16)},
            {"key": "schema_version", "value": str(schema.SCHEMA_VERSION)},
            {"key": "created_by", "value": "tract"},
        ],
    )
