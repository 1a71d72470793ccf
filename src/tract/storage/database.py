"""Answers how statements, transactions and driver errors work, whatever the database.

A `Database` is one held connection. SQLAlchemy owns the engine, the DDL and the dialect; each
`Query` is compiled by it once and then run on the driver's connection, which is what keeps a
commit near the cost of raw SQL. Nothing here retries a statement that may have done something.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError, StatementError
from sqlalchemy.sql.expression import Executable

from tract.errors import TractError

Result = TypeVar("Result")


class Query:
    """A statement built once; each database compiles it once more into its own SQL."""

    __slots__ = ("statement",)

    def __init__(self, statement: Executable) -> None:
        self.statement = statement


class Database(ABC):
    """One held connection to a store's database.

    Not safe for concurrent use: the store's lock serialises callers.
    """

    dialect: ClassVar[str]
    driver_errors: ClassVar[tuple[type[Exception], ...]]

    def __init__(self, engine: Engine, connection: Connection, *, location: str, read_only: bool) -> None:
        self.engine = engine
        self.connection = connection
        self.location = location
        self.read_only = read_only
        self.in_transaction = False
        self.is_closed = False
        self.busy_timeout_seconds = 30.0
        raw = connection.connection.driver_connection
        assert raw is not None
        self._execute = raw.execute
        self.raw: Any = raw
        self._compiled: dict[Query, tuple[str, Mapping[str, Any]]] = {}

    # --- statements ------------------------------------------------------------------------------

    def execute(self, query: Query, parameters: Mapping[str, Any]) -> Any:
        """Run *query* and return the driver's cursor.

        Raises:
            StorageError: The database refused or failed.
        """
        sql, constants = self._compiled.get(query) or self._compile(query)
        values = {**constants, **parameters} if constants else parameters
        try:
            return self._execute(sql, values)
        except self.driver_errors as error:
            return self._again(error, lambda: self._execute(sql, values))

    def one(self, query: Query, **parameters: Any) -> tuple[Any, ...] | None:
        """Return the first row of *query*, or `None`."""
        cursor = self.execute(query, parameters)
        try:
            row: tuple[Any, ...] | None = cursor.fetchone()
        except self.driver_errors as error:
            raise self.translate(error) from error
        return row

    def all(self, query: Query, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return every row of *query*."""
        cursor = self.execute(query, parameters)
        try:
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        except self.driver_errors as error:
            raise self.translate(error) from error
        return rows

    def run_text(self, sql: str) -> list[tuple[Any, ...]]:
        """Return every row of constant SQL that only one dialect knows, such as a pragma."""
        try:
            rows: list[tuple[Any, ...]] = self._execute(sql).fetchall()
        except self.driver_errors as error:
            rows = self._again(error, lambda: self._execute(sql).fetchall())
        return rows

    def select(self, statement: Executable) -> Sequence[Sequence[Any]]:
        """Return every row of a statement built for this call (lists of ids, filters)."""

        def run() -> Sequence[Sequence[Any]]:
            try:
                return self.connection.execute(statement).fetchall()
            except StatementError as error:
                raise (error.orig or error) from error

        failures: tuple[type[Exception], ...] = (*self.driver_errors, SQLAlchemyError)
        try:
            return run()
        except failures as error:
            return self._again(error, run)

    def _again(self, error: Exception, call: Callable[[], Result]) -> Result:  # noqa: ARG002 - for databases that wait
        """Raise the `TractError` for a statement's *error*, or return what *call* gives where trying again may help."""
        raise self.translate(error) from error

    def _compile(self, query: Query) -> tuple[str, Mapping[str, Any]]:
        compiled = query.statement.compile(dialect=self.engine.dialect)  # type: ignore[attr-defined]
        # SQLAlchemy makes parameters of constants too (SQLite's `OFFSET 0`): keep their values.
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._compiled[query] = (str(compiled), constants)
        return self._compiled[query]

    # --- transactions ----------------------------------------------------------------------------

    @abstractmethod
    def begin_write(self, tract_id: int | None) -> None:
        """Begin a transaction that no other writer of the tract can interleave with.

        Raises:
            BusyError: Others held the lock past the deadline.
        """

    @abstractmethod
    def begin_alone(self) -> None:
        """Begin a transaction that no other writer of any tract can interleave with.

        Raises:
            BusyError: Others held a lock past the deadline.
        """

    @abstractmethod
    def begin_index(self) -> None:
        """Begin a transaction that writes to nothing but the search index, apart from others that do, and from erasing.

        Raises:
            BusyError: Others held the lock past the deadline.
        """

    @abstractmethod
    def begin_read(self) -> None:
        """Begin a transaction in which all reads see one moment."""

    def commit(self) -> None:
        """Make the transaction durable."""
        self._control("COMMIT")
        self.in_transaction = False

    @property
    @abstractmethod
    def has_transaction(self) -> bool:
        """Whether the driver knows of an open transaction; it may have ended ours by itself."""

    def rollback(self) -> None:
        """Drop the transaction; does nothing when none is open."""
        self.in_transaction = False
        if self.has_transaction:
            try:
                self._control_quietly("ROLLBACK")
            finally:
                # Interrupted or refused: once more, because the next write needs a connection without one.
                if self.has_transaction:
                    self._control_quietly("ROLLBACK")

    def begin_part(self) -> None:
        """Begin a part of the transaction that can be dropped on its own."""
        self._control("SAVEPOINT part")

    def end_part(self, *, keep: bool) -> None:
        """End the part begun last; does nothing when the whole transaction is gone."""
        if self.has_transaction:
            if not keep:
                self._control("ROLLBACK TO part")
            self._control("RELEASE part")

    def _control(self, sql: str) -> None:
        try:
            self._execute(sql)
        except self.driver_errors as error:
            raise self.translate(error) from error

    def _control_quietly(self, sql: str) -> None:
        try:
            self._execute(sql)
        except self.driver_errors:
            # SQLite has already rolled back by itself after a full disk or an I/O error; a lost
            # PostgreSQL connection has too. The error that brought us here is the one to report.
            return

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Return the bytes the store takes on disk, and how many of them hold nothing."""

    @abstractmethod
    def copies(self) -> list[str]:
        """Return the paths of the copies of the store made before migrations, as far as they are beside it."""

    @abstractmethod
    def overwrite_what_is_dropped(self) -> None:
        """Let what this connection drops from now on be overwritten, where the database can do that."""

    @abstractmethod
    def shrink(self, *, thoroughly: bool) -> None:
        """Give back the space of what was dropped; outside any transaction.

        Args:
            thoroughly: Leave no copy of what was dropped in any file of the database.

        Raises:
            BusyError: Others were reading or writing until the deadline.
            StorageError: The database refused; nothing stored has changed.
        """

    def close(self) -> None:
        """Close the connection; any open transaction is dropped."""
        self.rollback()
        self.is_closed = True
        # A connection the server has ended cannot say goodbye.
        with contextlib.suppress(SQLAlchemyError):
            self.connection.close()
        self.engine.dispose()

    @abstractmethod
    def translate(self, error: BaseException) -> TractError:
        """Return the `TractError` that stands for a driver's error."""
