"""Answers how an older store is brought to this version's schema.

All steps run in one transaction that holds the store's write lock, so a store has the old schema or
the new one, whatever happens in between. alembic finds the scripts, orders them and gives them their
operations; it neither begins nor commits anything and keeps no table of its own. The version is kept
where every opening looks for it: in `meta` and, on SQLite, in `user_version`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.pool import StaticPool

from tract.errors import BusyError, MigrationError, SchemaTooNewError, StorageError, TractError
from tract.storage import postgres, schema, sqlite

SCRIPTS = Path(__file__).parent / "migrations"
"""Folder whose `versions/` holds one script per schema version; script `0002` leads to schema 2."""

_WAIT_SECONDS: Final = 30.0
# The operations of alembic are module-wide names, so one migration at a time per process.
_lock: Final = threading.Lock()


def migrate_sqlite(path: str, *, target: int) -> str | None:
    """Bring the file *path* to schema *target*, after a backup beside it.

    Returns:
        Path of the backup; `None` if another process had migrated the file already.

    Raises:
        SchemaTooNewError: The file has a newer schema.
        BusyError: Others held the file for too long.
        MigrationError: A step failed; the file is as it was.
    """
    backup: str | None = None
    found = 0
    try:
        with _lock, _sqlite_transaction(path) as connection:
            found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
            if _is_reached(found, target):
                return None
            backup = back_up(path, found)
            _run_steps(connection, found, target)
            _check_links(connection)
            connection.exec_driver_sql(f"PRAGMA user_version={target}")
    except (SchemaTooNewError, BusyError):
        raise
    except Exception as error:
        original = getattr(error, "orig", None) or error
        if getattr(original, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise BusyError(_WAIT_SECONDS) from error
        raise MigrationError(found, target, _reason(error), backup=backup) from error
    _checkpoint(path)
    return backup


def migrate_postgres(connection: Connection, *, target: int) -> None:
    """Bring the store behind *connection* to schema *target*; the caller's transaction and lock are open.

    No backup is made: PostgreSQL takes back changes of tables as it does changes of rows, so a step that fails, or a
    process that is killed, leaves the tables and rows there were. First everybody who reads or writes is waited for.

    Raises:
        SchemaTooNewError: The store has a newer schema.
        BusyError: Others held its tables for too long; the caller rolls back.
        MigrationError: A step failed; the caller rolls back.
    """
    found = postgres.stored_version(connection)
    if _is_reached(found, target):
        return
    started = time.monotonic()
    try:
        with _lock:
            postgres.lock_tables(connection, _WAIT_SECONDS)
            _run_steps(connection, found, target)
    except Exception as error:
        if postgres.is_busy(error):
            raise BusyError(time.monotonic() - started) from error
        raise MigrationError(found, target, _reason(error)) from error


def _is_reached(found: int, target: int) -> bool:
    if found > target:
        raise SchemaTooNewError(found, target)
    return found == target


def _run_steps(connection: Connection, found: int, target: int) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    directory = ScriptDirectory(str(SCRIPTS))
    steps = list(directory.iterate_revisions(_revision(target), _revision(found) if found else "base"))
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(steps):
            step.module.upgrade()
    connection.execute(
        schema.meta.update().where(schema.meta.c.key == "schema_version").values(value=str(target)),
    )


def _revision(version: int) -> str:
    return f"{version:04d}"


def _reason(error: BaseException) -> str:
    said = error.message if isinstance(error, TractError) else str(getattr(error, "orig", None) or error)
    return (said.splitlines() or [type(error).__name__])[0].rstrip(".")


# --- SQLite files --------------------------------------------------------------------------------


@contextlib.contextmanager
def _sqlite_transaction(path: str) -> Iterator[Connection]:
    """Hold the file's write lock; commit at the end of the block, roll back if it raises."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(_uri(path, "rw"), uri=True, isolation_level=None, timeout=_WAIT_SECONDS),
        poolclass=StaticPool,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _set_up(raw: Any, _: Any) -> None:
    # SQLite changes most of a table by making it anew, which foreign keys would forbid half way;
    # they are checked before the end instead. The pragma does nothing inside a transaction.
    raw.execute("PRAGMA foreign_keys=0")
    raw.execute("PRAGMA trusted_schema=0")
    raw.execute("PRAGMA synchronous=FULL")


def _uri(path: str, mode: str) -> str:
    return f"file:{quote(str(Path(path).absolute()))}?mode={mode}"


def _check_links(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise StorageError(f"a row of `{broken[0]}` names a missing `{broken[2]}`")


def _checkpoint(path: str) -> None:
    """Move the new version into the file's header, where an opening looks first; left to later if others read."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(_uri(path, "rw"), uri=True, isolation_level=None, timeout=0)) as raw,
    ):
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def back_up(path: str, version: int) -> str:
    """Copy the store at *path*, check the copy and return its name, `<path>.backup-<version>`.

    Call it while nobody else can write. A backup of that name is replaced: every store only grows,
    so the newer one holds what the older did.

    Raises:
        StorageError: The copy is not whole.
    """
    backup = f"{path}{sqlite.BACKUP_SUFFIX}{version}"
    temporary = f"{backup}.new"
    Path(temporary).unlink(missing_ok=True)  # of a process that was killed
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        with (
            contextlib.closing(sqlite3.connect(_uri(path, "ro"), uri=True)) as source,
            contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as copy,
        ):
            copy.execute("PRAGMA synchronous=FULL")
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            _compare(copy, source)
        Path(temporary).replace(backup)
        sqlite.sync_folder(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return backup


def _compare(copy: sqlite3.Connection, source: sqlite3.Connection) -> None:
    is_sound = copy.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
    if not is_sound or _extent(copy) != _extent(source):
        raise StorageError("the backup is not whole")


def _extent(raw: sqlite3.Connection) -> tuple[Any, ...]:
    questions = ("PRAGMA user_version", "PRAGMA page_count", "SELECT count(*) FROM operations")
    return tuple(raw.execute(question).fetchone()[0] for question in questions)
