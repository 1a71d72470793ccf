"""How many SQL statements does a call run? Counted by SQLite itself, whoever opened it.

`sqlite3.connect` is replaced while a system opens its store, so every connection reports its
statements: those of SQLAlchemy and of other threads too, with nothing asked of the system.
"""

import sqlite3
import sqlite3.dbapi2
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FRAMES = ("BEGIN", "COMMIT", "END", "ROLLBACK")


class StatementLog:
    """The statements run since the last `clear`."""

    def __init__(self) -> None:
        """Start empty."""
        self._seen: list[str] = []

    def add(self, statement: str) -> None:
        """Record one statement; those inside a trigger are reported as comments."""
        self._seen.append(statement)

    def clear(self) -> None:
        """Forget everything seen."""
        self._seen.clear()

    @property
    def statements(self) -> list[str]:
        """What ran, without the frames of transactions."""
        lines = (statement.lstrip() for statement in self._seen)
        return [line for line in lines if not line.upper().startswith((*_FRAMES, "--"))]


@contextmanager
def recorded_statements() -> Iterator[StatementLog]:
    """Trace every SQLite connection opened inside the block."""
    log = StatementLog()
    connect: Any = sqlite3.dbapi2.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(log.add)
        return connection

    modules: tuple[Any, ...] = (sqlite3, sqlite3.dbapi2)
    for module in modules:
        module.connect = traced
    try:
        yield log
    finally:
        for module in modules:
            module.connect = connect
