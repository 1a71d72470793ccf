"""Answers how a store lives in one PostgreSQL database: opening, locking, errors.

One row lock per write: the tract's own, taken before anything is read, so tracts never wait for
each other and every later read in the transaction sees what the previous writer committed.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar, Final

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tract.errors import (
    BusyError,
    CorruptStoreError,
    DiskFullError,
    InvalidInputError,
    ReadOnlyError,
    StorageError,
    TractError,
)
from tract.storage.database import Database

_SYNCHRONOUS: Final = {"full": "on", "normal": "off", "off": "off"}
_IDLE: Final = 0  # libpq's PQTRANS_IDLE
_CREATE_LOCK: Final = 0x74726163  # advisory: one process creates or migrates the tables at a time


class PostgresDatabase(Database):
    """A store in one PostgreSQL database (in the first schema of its `search_path`)."""

    dialect: ClassVar[str] = "postgresql"

    def __init__(self, *args: Any, driver_errors: tuple[type[Exception], ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.driver_errors = driver_errors  # type: ignore[misc]  # psycopg is imported only when it is used
        self._timeout_set: float | None = None

    @property
    def has_transaction(self) -> bool:
        """Whether the connection is inside a transaction, a failed one included."""
        return not self.raw.closed and int(self.raw.info.transaction_status) != _IDLE

    def begin_write(self, tract_id: int | None) -> None:
        """Lock the tract's row, waiting up to `busy_timeout_seconds`."""
        if self._timeout_set != self.busy_timeout_seconds:
            self._control(f"SET lock_timeout = {int(self.busy_timeout_seconds * 1000)}")
            self._timeout_set = self.busy_timeout_seconds
        self._control("BEGIN")
        self.in_transaction = True
        started = time.monotonic()
        try:
            if tract_id is not None:
                self._execute("SELECT 1 FROM tracts WHERE id = %s FOR UPDATE", (tract_id,))
        except self.driver_errors as error:
            self.rollback()
            translated = self.translate(error)
            if isinstance(translated, BusyError):
                raise BusyError(time.monotonic() - started) from error
            raise translated from error
        except BaseException:
            self.rollback()
            raise

    def begin_read(self) -> None:
        """Begin a snapshot that no other commit changes."""
        self._control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.in_transaction = True

    def translate(self, error: BaseException) -> TractError:
        """Return the `TractError` for a psycopg error."""
        return translate(error, self.location)


def translate(error: BaseException, location: str) -> TractError:
    """Return the `TractError` for a psycopg error, by its SQLSTATE."""
    state = getattr(error, "sqlstate", None) or ""
    if state in {"55P03", "40P01", "40001"}:
        return BusyError(0.0)
    if state == "53100":
        return DiskFullError("The database server's disk is full.", hint="Free some space and try again.")
    if state in {"25006", "42501"}:
        return ReadOnlyError()
    if state.startswith("XX"):
        return CorruptStoreError(f"PostgreSQL cannot read `{location}`.")
    return StorageError(f"PostgreSQL: {str(error).splitlines()[0] if str(error) else type(error).__name__}.")


def connect(url: str, *, read_only: bool, durability: str) -> PostgresDatabase:
    """Return a connection to the PostgreSQL database at *url*.

    Raises:
        InvalidInputError: No URL SQLAlchemy understands, no PostgreSQL URL, or the driver is not installed.
        StorageError: The server refused.
    """
    if durability not in _SYNCHRONOUS:
        raise InvalidInputError(
            f"`durability` is one of full, normal, off, not `{durability!a}`.", hint="Leave it at `full`."
        )
    driver_errors = _driver_errors()
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidInputError(
            "This is no database URL tract can use.", hint="Write `postgresql+psycopg://user@host/database`."
        ) from error
    location = parsed.render_as_string(hide_password=True)
    event.listen(engine, "connect", lambda raw, _: _set_up(raw, read_only=read_only, durability=durability))
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except Exception as error:
        engine.dispose()
        raise translate(getattr(error, "orig", None) or error, location) from error
    return PostgresDatabase(engine, connection, location=location, read_only=read_only, driver_errors=driver_errors)


def _driver_errors() -> tuple[type[Exception], ...]:
    try:
        import psycopg
    except ImportError as error:
        raise InvalidInputError(
            "PostgreSQL needs the `psycopg` driver.", hint="Install it with `pip install 'tract-sdk[postgres]'`."
        ) from error
    return (psycopg.Error, ValueError, OverflowError)


def _set_up(raw: Any, *, read_only: bool, durability: str) -> None:
    raw.autocommit = True
    raw.execute(f"SET synchronous_commit = {_SYNCHRONOUS[durability]}")
    raw.execute("SET client_min_messages = warning")
    if read_only:
        raw.execute("SET default_transaction_read_only = on")


def create(connection: Connection, fill: Any) -> None:
    """Let *fill* create the tables unless they exist; one process at a time."""
    connection.execute(text("BEGIN"))
    try:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
        if not has_tables(connection):
            fill(connection)
        connection.execute(text("COMMIT"))
    except BaseException:
        connection.execute(text("ROLLBACK"))
        raise


def has_tables(connection: Connection) -> bool:
    """Tell whether the database holds a store."""
    return connection.execute(text("SELECT to_regclass('operations') IS NOT NULL")).scalar() is True
