"""Answers how a store lives in one SQLite file: opening, pragmas, locking, errors.

Every connection is opened with `isolation_level=None`: the driver's own transaction handling
starts writes deferred, which loses updates. Writers begin IMMEDIATE, readers begin deferred.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import stat
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from tract.errors import (
    BusyError,
    CorruptStoreError,
    DiskFullError,
    InvalidInputError,
    NotAStoreError,
    ReadOnlyError,
    SchemaTooNewError,
    StorageError,
    StoreNotFoundError,
    TractError,
    shown,
)
from tract.storage import schema
from tract.storage.database import Database

Result = TypeVar("Result")

MEMORY: Final = ":memory:"
BACKUP_SUFFIX: Final = ".backup-"
"""Between the name of a store and the schema version of the copy made before a migration."""
_SYNCHRONOUS: Final = {"full": 2, "normal": 1, "off": 0}
OPENING_SECONDS: Final = 30.0  # how long an opening waits; the configured deadline is in the store
_HEADER_ATTEMPTS: Final = 100
_ATTEMPT_MS: Final = 50  # one wait inside SQLite; short, so that Ctrl-C is answered soon


class SqliteDatabase(Database):
    """A store in one SQLite file, or in memory."""

    dialect: ClassVar[str] = "sqlite"
    driver_errors: ClassVar[tuple[type[Exception], ...]] = (
        sqlite3.Error,
        sqlite3.Warning,
        OverflowError,
        UnicodeError,
    )

    @property
    def has_transaction(self) -> bool:
        """Whether SQLite has a transaction open on this connection."""
        is_open: bool = self.raw.in_transaction
        return is_open

    def begin_write(self, tract_id: int | None) -> None:  # noqa: ARG002 - a file has one lock for all tracts
        """Take the file's one write lock, waiting up to `busy_timeout_seconds`."""
        self._drop_leftover()
        self._patiently(lambda: self._control("BEGIN IMMEDIATE"))
        self.in_transaction = True

    def begin_alone(self) -> None:
        """Take the file's one write lock: it is for all tracts."""
        self.begin_write(None)

    def begin_index(self) -> None:
        """Take the file's one write lock."""
        self.begin_write(None)

    def size(self) -> tuple[int, int]:
        """Return the bytes of the file and its write-ahead log, and those of its free pages."""
        page, pages, free = (
            self.run_text(f"PRAGMA {name}")[0][0] for name in ("page_size", "page_count", "freelist_count")
        )
        log = 0
        if self.location != MEMORY:
            with contextlib.suppress(FileNotFoundError):
                log = Path(f"{self.location}-wal").stat().st_size
        return page * pages + log, page * free

    def copies(self) -> list[str]:
        """Return the paths of the copies beside the file that migrations made."""
        if self.location == MEMORY:
            return []
        file = Path(self.location).absolute()
        return sorted(str(one) for one in file.parent.iterdir() if one.name.startswith(file.name + BACKUP_SUFFIX))

    def overwrite_what_is_dropped(self) -> None:
        """Fill with zeros what is deleted or replaced from now on."""
        self.run_text("PRAGMA secure_delete=ON")

    def shrink(self, *, thoroughly: bool) -> None:  # noqa: ARG002 - a vacuum leaves nothing behind anyway
        """Write the file anew, and empty the write-ahead log."""
        self._patiently(lambda: self._control("VACUUM"))

        def empty_log() -> None:
            # A reader that still looks at an older state needs the log; the pragma says so in its answer.
            if self.location != MEMORY and self.run_text("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]:
                raise BusyError(0.0)

        self._patiently(empty_log)

    # A read waits for no writer, but for a process that puts the log in order after another one was killed, or
    # that takes it down on leaving. SQLite refuses such a read before it saw anything, so it can be tried again.

    def _again(self, error: Exception, call: Callable[[], Result]) -> Result:
        """Return what *call* gives once the database is free; raise any *error* but a busy database."""
        translated = self.translate(error)
        if not isinstance(translated, BusyError):
            raise translated from error

        def attempt() -> Result:
            try:
                return call()
            except self.driver_errors as again:
                raise self.translate(again) from again

        return self._patiently(attempt)

    def _patiently(self, call: Callable[[], Result]) -> Result:
        return patiently(call, self.busy_timeout_seconds)

    def begin_read(self) -> None:
        """Begin a deferred transaction: a snapshot from its first read on."""
        self._drop_leftover()
        self._control("BEGIN")
        self.in_transaction = True

    def _drop_leftover(self) -> None:
        # Ctrl-C may have come as the first thing in `rollback`; nobody waits for that transaction.
        if self.raw.in_transaction:
            self._control("ROLLBACK")

    def translate(self, error: BaseException) -> TractError:
        """Return the `TractError` for an `sqlite3` error."""
        return translate(error, self.location)


def _code(error: BaseException) -> int:
    """Return SQLite's primary result code of an error, 0 if it has none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def patiently(call: Callable[[], Result], deadline_seconds: float) -> Result:
    """Return what *call* gives once the database is free.

    Raises:
        BusyError: It was not within *deadline_seconds*.
    """
    started = time.monotonic()
    while True:
        try:
            return call()
        except BusyError as error:
            waited = time.monotonic() - started
            if waited >= deadline_seconds:
                raise BusyError(waited) from error
        # Jitter: writers that failed together must not try again together.
        time.sleep(random.uniform(0.0005, 0.004))  # noqa: S311 - jitter, no secret


def translate(error: BaseException, location: str) -> TractError:
    """Return the `TractError` for an `sqlite3` error, by its result code."""
    if isinstance(error, UnicodeDecodeError):
        return _unreadable_schema(location)
    if not isinstance(error, sqlite3.Error):
        return StorageError(f"SQLite cannot take this value: {error}.")
    code = _code(error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return BusyError(0.0)
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError("The disk is full; nothing was written.", hint="Free some space and try again.")
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnlyError()
    # Without a code: text that is no UTF-8. "No such table": the file's own schema is damaged.
    is_damage = not code or (code == sqlite3.SQLITE_ERROR and str(error).startswith("no such "))
    if is_damage or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}:
        return CorruptStoreError(f"SQLite cannot read `{location}`: {error}.")
    return StorageError(f"SQLite: {error}.", hint="Look at the disk and the file's permissions.")


def _unreadable_schema(location: str) -> CorruptStoreError:
    # SQLite quotes the damaged schema in its message, which the driver then cannot decode.
    return CorruptStoreError(f"SQLite cannot read `{location}`: its schema is no UTF-8.")


def library_version() -> str:
    """Return the version of the SQLite library in use."""
    return sqlite3.sqlite_version


def connect(path: str, *, read_only: bool, durability: str) -> SqliteDatabase:
    """Return a connection to the SQLite file *path*, with every pragma set and read back.

    The file must exist, unless it is `":memory:"`.
    """
    if not isinstance(durability, str) or durability not in _SYNCHRONOUS:
        raise InvalidInputError(
            f"`durability` is one of full, normal, off, not {shown(durability)}.", hint="Leave it at `full`."
        )
    uri = (
        MEMORY
        if path == MEMORY
        else f"file:{quote(os.fsencode(Path(path).absolute()))}?mode={'ro' if read_only else 'rw'}"
    )

    def driver() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=0
        )

    engine = create_engine("sqlite://", creator=driver, poolclass=StaticPool, paramstyle="named")
    event.listen(engine, "connect", lambda raw, _: _set_pragmas(raw, path, read_only=read_only, durability=durability))
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except Exception as error:
        engine.dispose()
        raise _cannot_open(path, error) from error
    return SqliteDatabase(engine, connection, location=path, read_only=read_only)


def _cannot_open(path: str, error: Exception) -> TractError:
    if isinstance(error, TractError):
        return error
    original = getattr(error, "orig", None) or error
    if isinstance(original, UnicodeDecodeError):
        return _unreadable_schema(path)
    if getattr(original, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return CorruptStoreError(f"SQLite cannot read `{path}`: {original}.")
    return StorageError(f"Cannot open `{path}`: {original}.", hint="Look at the path and its permissions.")


def _set_pragmas(raw: Any, path: str, *, read_only: bool, durability: str) -> None:
    wanted = {
        "busy_timeout": _ATTEMPT_MS,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "mmap_size": 0,
        "synchronous": _SYNCHRONOUS[durability],
        "query_only": int(read_only),
    }

    def run(pragma: str) -> Any:
        try:
            return raw.execute(f"PRAGMA {pragma}").fetchone()
        except sqlite3.Error as error:
            translated = translate(error, path)
            raise translated if isinstance(translated, BusyError) else error from error

    for name, value in wanted.items():
        patiently(partial(run, f"{name}={value}"), OPENING_SECONDS)
        row = patiently(partial(run, name), OPENING_SECONDS)
        # mmap_size answers nothing for a database in memory.
        if row is not None and row[0] != value:
            raise StorageError(f"SQLite did not accept `PRAGMA {name}={value}`.")
    if path != MEMORY and not read_only and patiently(partial(run, "journal_mode=WAL"), OPENING_SECONDS)[0] != "wal":
        raise StorageError(f"`{path}` cannot use a write-ahead log.", hint="Put it on a local disk.")


# --- files ---------------------------------------------------------------------------------------


def inspect(path: str) -> int | None:
    """Return the schema version of the store at *path*, or `None` where there is none yet.

    Nothing is written and nothing locked, so somebody else's file stays as it is. The version is that
    of the file's last checkpoint; `current_version` knows better once connected.

    Raises:
        NotAStoreError: A directory, no SQLite file, or the file of another application.
        SchemaTooNewError: Written by a newer version.
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotAStoreError(path, (error.strerror or "it cannot be read").lower()) from error
    if not stat.S_ISREG(status.st_mode):
        raise NotAStoreError(path, "it is no file")
    if not status.st_size:
        return None
    application_id, version = _header(path)
    if application_id != schema.APPLICATION_ID:
        raise NotAStoreError(path, "it is another application's SQLite file")
    if version > schema.SCHEMA_VERSION:
        raise SchemaTooNewError(version, schema.SCHEMA_VERSION)
    return version


def _header(path: str) -> tuple[int, int]:
    """Return the application id and schema version in the file's header.

    SQLite reads it, not `open`: closing a file drops every POSIX lock this process holds on it, those of
    an open handle included, and then the last process to leave would delete the write-ahead log under
    it. `immutable` keeps SQLite from locking, recovering or creating anything.
    """
    uri = f"file:{quote(os.fsencode(Path(path).absolute()))}?mode=ro&immutable=1"
    for attempt in range(_HEADER_ATTEMPTS):
        try:
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as raw:
                pragmas = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
                return next(pragmas), next(pragmas)
        except sqlite3.Error as error:
            # Without a lock, another process's checkpoint can be seen half done: page counts differ for a moment.
            if _code(error) == sqlite3.SQLITE_CORRUPT and attempt < _HEADER_ATTEMPTS - 1:
                time.sleep(0.01)
                continue
            is_readable = os.access(path, os.R_OK)
            raise NotAStoreError(path, "it is no SQLite file" if is_readable else "permission denied") from error
    raise AssertionError


def current_version(database: Database) -> int:
    """Return the schema version of the store behind *database*, its write-ahead log included."""
    version: int = database.run_text("PRAGMA user_version")[0][0]
    return version


def create(path: str, fill: Any) -> None:
    """Create the file *path* (mode 0600) and let *fill* write a new store into it.

    The file appears under its name only when complete. If another process was faster, its file stays.
    An existing empty file is filled in place.
    """
    if Path(path).exists():
        _fill(path, fill)
        return
    temporary = f"{path}.{os.getpid()}-{random.getrandbits(32):08x}.new"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StorageError(
            f"Cannot create `{path}`: {error.strerror}.", hint="Name a folder that exists and can be written."
        ) from error
    try:
        _fill(temporary, fill)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        sync_folder(path)
    finally:
        Path(temporary).unlink()


def _fill(path: str, fill: Any) -> None:
    """Write the new store with a rollback journal, so the header is in the file itself at commit.

    Raises:
        StorageError: SQLite refused; the file is as it was.
    """
    try:
        _fill_or_raise(path, fill)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise translate(getattr(error, "orig", None) or error, path) from error


def _fill_or_raise(path: str, fill: Any) -> None:
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None, timeout=30), poolclass=StaticPool
    )
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            if connection.exec_driver_sql("PRAGMA application_id").scalar() != schema.APPLICATION_ID:
                fill(connection)
                connection.exec_driver_sql(f"PRAGMA application_id={schema.APPLICATION_ID}")
                connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA_VERSION}")
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    finally:
        engine.dispose()


def sync_folder(path: str) -> None:
    """Make the names in the folder of *path* durable."""
    # The new name must survive a power cut as well as the file does.
    descriptor = os.open(Path(path).absolute().parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_file(path: str) -> None:
    """Refuse a path with no store.

    Raises:
        StoreNotFoundError: No file there, or an empty one.
    """
    if inspect(path) is None:
        raise StoreNotFoundError(path)
