"""Answers how a store lives in one PostgreSQL database: opening, locking, errors.

One row lock per write: the tract's own, taken before anything is read, so tracts never wait for
each other and every later read in the transaction sees what the previous writer committed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import create_engine, event, text
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool

from tract.errors import (
    BusyError,
    ConnectionLostError,
    CorruptStoreError,
    DiskFullError,
    InvalidInputError,
    NotAStoreError,
    ReadOnlyError,
    StorageError,
    TractError,
    shown,
)
from tract.storage import schema
from tract.storage.database import Database, Result

_SYNCHRONOUS: Final = {"full": "on", "normal": "off", "off": "off"}
_IDLE: Final = 0  # libpq's PQTRANS_IDLE
_ACTIVE: Final = 1  # libpq's PQTRANS_ACTIVE
_CREATE_LOCK: Final = 0x74726163  # advisory: one process creates or migrates the tables at a time
_LONGEST_WAIT_MS: Final = 2**31 - 1
_CONNECT_SECONDS: Final = 10
_LOCK_TIMEOUT: Final = "55P03"
_WAITED_FOR_EACH_OTHER: Final = frozenset({"40P01", "40001"})
_NO_SUCH: Final = frozenset({"42P01", "42703"})  # table or column: somebody changed the schema by hand
_DRIVERS: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_SECRETS: Final = ("password", "sslpassword")
_INDEX_LOCK: Final = 0x74726164  # advisory: one process writes to the search index, or erases, at a time
_TABLES: Final = frozenset({"meta", "blobs", "commits", "tracts", "refs", "operations"})
_LOCK_INDEX: Final = ("SELECT pg_advisory_xact_lock(%s)", (_INDEX_LOCK,))


def _all_tables() -> tuple[str, ...]:
    return (*schema.metadata.tables, *schema.INDEX_TABLES)


@compiles(OnConflictDoNothing, "postgresql")
@compiles(OnConflictDoUpdate, "postgresql")
def _on_conflict(clause: Any, compiler: Any, **options: Any) -> str:
    """Write a clause built for SQLite, as all of `queries` are: files then load no PostgreSQL dialect."""
    clause.constraint_target = None  # what PostgreSQL's own clauses have besides
    sql: str = getattr(compiler, f"visit_{clause.__visit_name__}")(clause, **options)
    return sql


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

    def rollback(self) -> None:
        """Drop the transaction; where the connection cannot be told to, drop that: the next call takes a new one."""
        super().rollback()
        if self.has_transaction:
            self.raw.close()

    def _is_out_of_step(self) -> bool:
        """Whether the connection waits for an answer nobody reads: Ctrl-C came between a question and its answer."""
        return not self.raw.closed and int(self.raw.info.transaction_status) == _ACTIVE

    def begin_write(self, tract_id: int | None) -> None:
        """Lock the tract's row, waiting up to `busy_timeout_seconds`."""
        # Not FOR UPDATE: that would keep others from adding rows that only name this tract.
        lock = "SELECT 1 FROM tracts WHERE id = %s FOR NO KEY UPDATE"
        self._begin([] if tract_id is None else [(lock, (tract_id,))])

    def begin_alone(self) -> None:
        """Lock every tract's row, then what a tract made meanwhile would write to."""
        # In the order of their ids, because two that do this must not wait for each other.
        rows = "SELECT 1 FROM tracts ORDER BY id FOR NO KEY UPDATE"
        self._begin([(rows, ()), ("LOCK TABLE blobs, refs IN SHARE ROW EXCLUSIVE MODE", ()), _LOCK_INDEX])

    def begin_index(self) -> None:
        """Take the index's lock, which no commit asks for."""
        self._begin([_LOCK_INDEX])

    def _begin(self, locks: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        try:
            self._begin_once(locks)
        except ConnectionLostError:
            # Nothing was written yet, so the same may be begun on another connection.
            self._reconnect()
            self._begin_once(locks)

    def _begin_once(self, locks: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        if self._timeout_set != self.busy_timeout_seconds:
            # In milliseconds; 0 would mean "wait for ever".
            wait = min(max(1, round(self.busy_timeout_seconds * 1000)), _LONGEST_WAIT_MS)
            self._control(f"SET lock_timeout = {wait}")
            self._timeout_set = self.busy_timeout_seconds
        self._control("BEGIN")
        self.in_transaction = True
        started = time.monotonic()
        try:
            for lock, parameters in locks:
                self._execute(lock, parameters)
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
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        try:
            self._control(begin)
        except ConnectionLostError:
            self._reconnect()
            self._control(begin)
        self.in_transaction = True

    def commit(self) -> None:
        """Make the transaction durable.

        Raises:
            ConnectionLostError: The connection broke meanwhile, so nobody knows whether it is.
        """
        try:
            super().commit()
        except ConnectionLostError as error:
            raise ConnectionLostError(self.location, is_unknown=True) from error

    def _again(self, error: Exception, call: Callable[[], Result]) -> Result:
        """Ask once more on a new connection where the old one broke between two operations: then it only read."""
        translated = self.translate(error)
        if not isinstance(translated, ConnectionLostError) or self.in_transaction:
            raise translated from error
        self._reconnect()
        try:
            return call()
        except self.driver_errors as second:
            raise self.translate(second) from second

    def _reconnect(self) -> None:
        """Take a new connection to the same database.

        Raises:
            StorageError: The server refused.
        """
        self.in_transaction = False
        with contextlib.suppress(SQLAlchemyError):
            self.connection.invalidate()
            self.connection.close()
        self.connection = _connected(self.engine, self.location)
        raw = self.connection.connection.driver_connection
        assert raw is not None
        self.raw, self._execute = raw, raw.execute
        self._timeout_set = None

    def size(self) -> tuple[int, int]:
        """Return the bytes of our tables with their indexes; what of them is free the server does not say."""
        sizes = (self.run_text(f"SELECT pg_total_relation_size('{name}')")[0][0] for name in _all_tables())
        return sum(sizes), 0

    def copies(self) -> list[str]:
        """Return none: a server's backups are its own."""
        return []

    def overwrite_what_is_dropped(self) -> None:
        """Do nothing: the server keeps replaced rows until a vacuum."""

    def shrink(self, *, thoroughly: bool) -> None:
        """Vacuum our tables; thoroughly means that each is written anew, which locks it meanwhile."""
        for name in sorted(_all_tables()):
            self._control(f'VACUUM {"FULL " if thoroughly else ""}"{name}"')

    def translate(self, error: BaseException) -> TractError:
        """Return the `TractError` for a psycopg error."""
        if self._is_out_of_step():
            self.raw.close()
        if self.raw.closed and not isinstance(error, TractError):
            return ConnectionLostError(self.location)
        translated = translate(error, self.location)
        is_timeout = isinstance(translated, BusyError) and getattr(error, "sqlstate", None) == _LOCK_TIMEOUT
        return BusyError(self.busy_timeout_seconds) if is_timeout else translated


def translate(error: BaseException, location: str) -> TractError:
    """Return the `TractError` for a psycopg error, by its SQLSTATE."""
    state = getattr(error, "sqlstate", None) or ""
    if state in {_LOCK_TIMEOUT, *_WAITED_FOR_EACH_OTHER}:
        busy = BusyError(0.0)
        if state in _WAITED_FOR_EACH_OTHER:
            busy.hint = "Two operations waited for each other, and the server ended this one: make the call again."
        return busy
    if state == "53100":
        return DiskFullError("The database server's disk is full.", hint="Free some space and try again.")
    if state == "25006":
        return ReadOnlyError()
    if state.startswith("XX") or state in _NO_SUCH:
        return CorruptStoreError(f"PostgreSQL cannot read `{location}`: {str(error).splitlines()[0]}.")
    return StorageError(f"PostgreSQL: {str(error).splitlines()[0] if str(error) else type(error).__name__}.")


def connect(url: str, *, read_only: bool, durability: str) -> PostgresDatabase:
    """Return a connection to the PostgreSQL database at *url*.

    Raises:
        InvalidInputError: No URL SQLAlchemy understands, no PostgreSQL URL, or the driver is not installed.
        StorageError: The server refused.
    """
    if not isinstance(durability, str) or durability not in _SYNCHRONOUS:
        raise InvalidInputError(
            f"`durability` is one of full, normal, off, not {shown(durability)}.", hint="Leave it at `full`."
        )
    driver_errors = _driver_errors()
    address, secrets = _parse(url)
    location = _without_options(address)
    engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS, **secrets})
    event.listen(engine, "connect", lambda raw, _: _set_up(raw, read_only=read_only, durability=durability))
    try:
        connection = _connected(engine, location)
    except StorageError:
        engine.dispose()
        raise
    return PostgresDatabase(engine, connection, location=location, read_only=read_only, driver_errors=driver_errors)


def _connected(engine: Engine, location: str) -> Connection:
    try:
        return engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except Exception as error:
        said = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
        raise StorageError(
            f"Cannot connect to `{location}`: {said[0].rstrip('.')}.",
            hint="Look at the host, the user, the password and the name of the database.",
        ) from error


def _parse(url: str) -> tuple[URL, dict[str, str]]:
    """Return the address in *url*, and apart from it the secrets among its options."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        address = None
    if address is None or address.drivername not in _DRIVERS:
        # Not `from error`, and not naming the URL: it may hold a password.
        raise InvalidInputError(
            "This is no database URL tract can use.", hint="Write `postgresql+psycopg://user@host/database`."
        )
    options = dict(address.query)
    secrets: dict[str, str] = {name: str(options.pop(name)) for name in _SECRETS if name in options}
    return address.set(drivername="postgresql+psycopg", query=options), secrets


def _without_options(address: URL) -> str:
    """Return *address* for people: where it is, without password and options."""
    place = {name: value for name, value in address.query.items() if name in {"host", "port"}}
    return address.set(query=place).render_as_string(hide_password=True)


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


def in_turn(database: Database, change: Callable[[Database], None]) -> None:
    """Run *change* in one transaction, one process at a time; for the tables themselves."""
    connection = database.connection
    connection.execute(text("BEGIN"))
    try:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
        change(database)
        connection.execute(text("COMMIT"))
    except BaseException:
        connection.execute(text("ROLLBACK"))
        raise


def lock_tables(connection: Connection, seconds: float) -> None:
    """Keep everybody else out of the store's tables until the transaction ends; wait up to *seconds* for each.

    First the table that every writer begins with, so that no operation is under way when the others are taken.
    """
    connection.execute(text(f"SET LOCAL lock_timeout = {max(1, round(seconds * 1000))}"))
    others = sorted(_visible_tables(connection) - {"tracts"})
    for names in ("tracts", ", ".join(f'"{name}"' for name in others)):
        connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))


def is_busy(error: BaseException) -> bool:
    """Tell whether *error* says that others held a lock."""
    original = getattr(error, "orig", None) or error
    return getattr(original, "sqlstate", None) in {_LOCK_TIMEOUT, *_WAITED_FOR_EACH_OTHER}


def _visible_tables(connection: Connection) -> set[str]:
    # Not `to_regclass`: it answers from a cache that a process which waited for its turn has not renewed.
    sql = "SELECT relname FROM pg_catalog.pg_class WHERE relname = ANY(:names) AND pg_table_is_visible(oid)"
    return {name for (name,) in connection.execute(text(sql), {"names": sorted(_all_tables())})}


def holds_store(database: Database) -> bool:
    """Tell whether the database holds a store.

    Raises:
        NotAStoreError: It holds tables of other applications under our names.
    """
    found = _visible_tables(database.connection) & set(schema.metadata.tables)
    if found and not found >= _TABLES:
        raise NotAStoreError(database.location, f"it holds another application's table `{min(found)}`")
    return bool(found)


def stored_version(connection: Connection) -> int:
    """Return the schema version of the store behind *connection*.

    Raises:
        CorruptStoreError: It does not say.
    """
    row = connection.execute(schema.meta.select().where(schema.meta.c.key == "schema_version")).first()
    if row is None or not row[1].isdecimal():
        raise CorruptStoreError("The store does not say which schema it has.")
    return int(row[1])
