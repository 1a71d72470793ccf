"""Answers how the n-th statement of a handle fails: with an error of the database itself, or with Ctrl-C."""

import sqlite3
from typing import Any, Self

from tract import Tract

_FAIL_ON_POSTGRESQL = "DO $$ BEGIN RAISE 'could not read block' USING ERRCODE = 'io_error'; END $$"


class Fault:
    """Counts the statements of a handle and lets the n-th fail, before or after it has run.

    Attributes:
        seen: How many ran.
        sql: The one that failed.
    """

    def __init__(self, t: Tract, number: int, error: BaseException | None = None, *, after: bool = False) -> None:
        self._database = t._store.database
        self._real = self._database._execute
        self._number = number
        self._error = error
        self._after = after
        self.seen = 0
        self.sql = ""

    def __enter__(self) -> Self:
        self._database._execute = self._run
        return self

    def __exit__(self, *_: object) -> None:
        self._database._execute = self._real

    @property
    def happened(self) -> bool:
        return self.seen >= self._number

    def _run(self, sql: str, *parameters: Any) -> Any:
        self.seen += 1
        if self.seen != self._number:
            return self._real(sql, *parameters)
        self.sql = sql
        if self._after:
            self._real(sql, *parameters)
        if self._error is not None:
            raise self._error
        if self._database.dialect == "postgresql":
            self._real(_FAIL_ON_POSTGRESQL)  # by the server, which then refuses the rest of the transaction
        raise _error_of_sqlite()


def _error_of_sqlite() -> BaseException:
    # A real one, so it carries SQLite's own code: reading a connection whose file is a folder fails.
    try:
        sqlite3.connect("file:/?mode=ro", uri=True).execute("SELECT * FROM x")
    except sqlite3.Error as error:
        return error
    raise AssertionError("SQLite opened a folder")
