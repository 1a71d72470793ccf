"""Answers how tests written for files run on PostgreSQL: what a test opens as a file is a database of its own there.

`pytest --store=postgresql` does it. Only where a store is found is changed, in this process and in those it starts;
what is then done is done by the package as it is. A file's name stands for a database named after it, which exists
from the first opening on. A store in memory is one of a few databases that are emptied and used again.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import errors

from tests.databases import Postgres
from tract.porcelain import opening as place
from tract.storage import opening, schema
from tract.storage.database import Database

SOCKETS: Final = "TRACT_TESTS_POSTGRESQL"
"""Variable that names the folder of the server's socket; set, where files are databases."""

FOLDER_OF_HOOK: Final = Path(__file__).parent / "elsewhere"
"""Holds a `sitecustomize`, so that processes started by tests find their stores where the tests do."""

TEMPLATE: Final = "empty_store"
_TABLES: Final = (*schema.metadata.tables, *schema.INDEX_TABLES)
_NUMBERED: Final = tuple(name for name, table in schema.metadata.tables.items() if "id" in table.columns)
_RESET: Final = "; ".join([
    "SET session_replication_role = replica",  # no order among tables, no links to check
    *(f"DELETE FROM {name}" for name in _TABLES if name != "meta"),
    "SELECT " + ", ".join(f"setval('{name}_id_seq', 1, false)" for name in _NUMBERED),
    "DELETE FROM meta WHERE key NOT IN ('store_id', 'schema_version', 'created_by')",
    "UPDATE meta SET value = md5(random()::text) WHERE key = 'store_id'",
])  # fmt: skip

_open_database = opening.open_database


class Elsewhere:
    """Finds on a server what tests open as files.

    Attributes:
        server: The running server.
    """

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._made: dict[str, str] = {}
        self._free: list[str] = []
        self._in_memory = 0
        self._admin = psycopg.connect(f"host={server.socket_folder} user=postgres dbname=postgres", autocommit=True)
        atexit.register(self._admin.close)

    def run(self, sql: str) -> list[Any]:
        cursor = self._admin.execute(sql.encode())
        return cursor.fetchall() if cursor.description is not None else []

    def make_template(self) -> None:
        """Make the empty store that others are copies of."""
        self.run(f"CREATE DATABASE {TEMPLATE}")
        _open_database(self.server.url(TEMPLATE), create=True, read_only=False, durability="off").close()

    def open_database(self, path: str, *, create: bool, read_only: bool, durability: str) -> Database:
        """Open what *path* stands for."""
        if "://" in path:
            return _open_database(path, create=create, read_only=read_only, durability=durability)
        if path == ":memory:":
            return self._open_in_memory(read_only=read_only, durability=durability)
        name = self.database_of(path, is_new=create and not read_only)
        return _open_database(self.server.url(name), create=create, read_only=read_only, durability=durability)

    def database_of(self, path: str | Path, *, is_new: bool = False) -> str:
        """Return the name of the database that *path* stands for; if there was none, it is made, empty or a store."""
        if "://" in str(path):  # what a handle says of where it is
            return str(path).partition("@/")[2].partition("?")[0]
        where = os.path.abspath(path)  # noqa: PTH100 - not resolved: a link is a name of its own
        name = self._made.get(where)
        if name is not None:
            return name
        name = f"file_{hashlib.sha256(os.fsencode(where)).hexdigest()[:24]}"
        with contextlib.suppress(errors.DuplicateDatabase, errors.UniqueViolation):  # by another process
            self.run(f"CREATE DATABASE {name}{f' TEMPLATE {TEMPLATE}' if is_new else ''}")
        self._made[where] = name
        return name

    def _open_in_memory(self, *, read_only: bool, durability: str) -> Database:
        name = self._free.pop() if self._free else self._new_in_memory()
        try:
            database = _open_database(self.server.url(name), create=True, read_only=read_only, durability=durability)
        except BaseException:
            self._free.append(name)
            raise
        close = database.close

        def closing() -> None:
            is_first = not database.is_closed
            close()
            if is_first:
                self._empty(name)

        database.close = closing  # type: ignore[method-assign]
        return database

    def _new_in_memory(self) -> str:
        self._in_memory += 1
        name = f"memory_{os.getpid()}_{self._in_memory}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def _empty(self, name: str) -> None:
        address = f"host={self.server.socket_folder} user=postgres dbname={name} application_name=empties"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(_RESET.encode())
        self._free.append(name)

    def copy(self, source: str | Path, target: str | Path) -> None:
        """Let *target* stand for a copy of what *source* stands for; nobody may have that open."""
        name, copy = self.database_of(source), self.database_of(target)
        self.run(f"DROP DATABASE {copy}")
        self.run(f"CREATE DATABASE {copy} TEMPLATE {name}")

    def forget_below(self, folder: Path | None) -> None:
        """Drop the databases of files in *folder*, and of those whose folder is gone."""
        for where, name in list(self._made.items()):
            is_below = folder is not None and Path(where).is_relative_to(folder)
            if is_below or not Path(where).parent.exists():
                self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                del self._made[where]


_elsewhere: Elsewhere | None = None


def elsewhere() -> Elsewhere | None:
    """Return where stores are found instead, if they are."""
    return _elsewhere


def copy_store(source: Path, target: Path) -> Path:
    """Copy a store that nobody has open, and return *target*."""
    if _elsewhere is None:
        return Path(shutil.copy(source, target))
    _elsewhere.copy(source, target)
    return target


def redirect(server: Postgres) -> Elsewhere:
    """Let this process, and those it starts, open databases of *server* for files."""
    global _elsewhere  # noqa: PLW0603 - one for the process, as the environment is
    _elsewhere = Elsewhere(server)
    place.open_database = _elsewhere.open_database  # type: ignore[attr-defined]
    os.environ[SOCKETS] = str(server.socket_folder)
    paths = [str(FOLDER_OF_HOOK), os.environ.get("PYTHONPATH", "")]
    if str(FOLDER_OF_HOOK) not in paths[1].split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return _elsewhere
