"""Answers what a store holds, row by row, seen through a connection of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.on_postgresql import elsewhere
from tract.storage import schema

Rows = dict[str, list[tuple[Any, ...]]]


class _Beside:
    """A PostgreSQL connection that takes what tests write for SQLite: `?` for values."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Any = ()) -> psycopg.Cursor[Any]:
        return self._connection.execute(sql.replace("?", "%s").encode(), values or None)

    def commit(self) -> None:
        """Do nothing: each statement is its own transaction."""


@contextmanager
def connected(path: Path | str) -> Iterator[Any]:
    """Open the store beside every handle, each statement its own transaction."""
    found = elsewhere()
    if found is None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            yield connection
    else:
        address = f"host={found.server.socket_folder} user=postgres dbname={found.database_of(path)}"
        with psycopg.connect(address, autocommit=True) as beside:
            yield _Beside(beside)


@contextmanager
def held(path: Path | str) -> Iterator[None]:
    """Hold what every writer waits for."""
    with connected(path) as other:
        if elsewhere() is None:
            other.execute("BEGIN IMMEDIATE")
        else:
            other.execute("BEGIN")
            other.execute("SELECT 1 FROM tracts FOR NO KEY UPDATE")
        yield
        other.execute("ROLLBACK")


def rows_of(connection: Any) -> Rows:
    """Return every row of every table, in a fixed order; not the search index, which is no part of what is stored."""
    return {
        name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in sorted(schema.metadata.tables)
    }


def dump(path: Path | str) -> Rows:
    """Return every row of every table of the store at *path*."""
    with connected(path) as connection:
        return rows_of(connection)
