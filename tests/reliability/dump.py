"""Answers what a store holds, row by row, seen through a connection of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

Rows = dict[str, list[tuple[Any, ...]]]


@contextmanager
def connected(path: Path | str) -> Iterator[sqlite3.Connection]:
    """Open the file beside every handle, each statement its own transaction."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        yield connection


def rows_of(connection: sqlite3.Connection) -> Rows:
    """Return every row of every table, in a fixed order; not the search index, which is no part of what is stored."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'search%'")
    tables = [name for (name,) in names]
    return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in sorted(tables)}


def dump(path: Path | str) -> Rows:
    """Return every row of every table of the store at *path*."""
    with connected(path) as connection:
        return rows_of(connection)
