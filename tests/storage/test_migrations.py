"""Proves that the migration scripts make today's tables, and that moving a store to a newer schema is safe."""

import contextlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from tests.databases import Postgres
from tests.storage.make_store import fill
from tract import Tract
from tract.errors import BusyError, MigrationError, SchemaTooNewError, StorageError
from tract.storage import migrate, schema

STORES = sorted((Path(__file__).parents[1] / "data").glob("schema-*.db"))

GOOD_STEP = """
    op.add_column("tracts", sa.Column("color", sa.Text))
    op.execute("UPDATE tracts SET color = 'blue'")
    with op.batch_alter_table("usage") as table:
        table.add_column(sa.Column("seconds", sa.Integer))
    op.create_index("commits_by_author", "commits", ["author"])
"""
BAD_STEP = (
    GOOD_STEP
    + """
    op.execute("INSERT INTO meta (key, value) VALUES ('store_id', 'taken')")
"""
)
SLOW_STEP = (
    GOOD_STEP
    + """
    Path("{flag}").touch()
    time.sleep({seconds})
    op.execute("UPDATE tracts SET color = 'green'")
"""
)


def scripts(folder: Path, step: str) -> Path:
    """Return a copy of the shipped scripts in *folder*, with a step to schema 2."""
    shutil.copytree(migrate.SCRIPTS, folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "migrations" / "versions" / "0002_test.py").write_text(
        "import time\nfrom pathlib import Path\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n"
        f"revision = '0002'\ndown_revision = '0001'\n\n\ndef upgrade():{step}"
    )
    return folder / "migrations"


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes this the version of schema 2, with the step given."""

    def install(step: str) -> Path:
        folder = scripts(tmp_path, step)
        monkeypatch.setattr(schema, "SCHEMA_VERSION", 2)
        monkeypatch.setattr(migrate, "SCRIPTS", folder)
        return folder

    return install


def contents(url: str) -> tuple[Any, ...]:
    """Return what a reader sees of the store at *url*."""
    with Tract.open(url, read_only=True) as t:
        compiled = t.compile(verify=True)
        return [info.hash for info in t.log(100)], compiled.messages, compiled.token_count, t.fsck(), t.current_branch


# --- the scripts make today's tables -------------------------------------------------------------


def sqlite_shape(raw: sqlite3.Connection) -> dict[str, Any]:
    """Return everything SQLite knows of the tables, apart from the text they were made with."""
    found: dict[str, Any] = {}
    for _, name, kind, columns, without_rowid, strict in raw.execute("PRAGMA table_list").fetchall():
        if name.startswith("sqlite_"):
            continue
        indexes = {
            (unique, origin, partial, tuple(raw.execute(f"PRAGMA index_xinfo('{index}')").fetchall()))
            for _, index, unique, origin, partial in raw.execute(f"PRAGMA index_list('{name}')").fetchall()
        }
        links = {row[2:] for row in raw.execute(f"PRAGMA foreign_key_list('{name}')").fetchall()}
        details = raw.execute(f"PRAGMA table_xinfo('{name}')").fetchall()
        found[name] = (kind, columns, without_rowid, strict, details, indexes, links)
    found["checks"] = raw.execute(
        "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%CHECK (generation >= 1)%'"
    ).fetchall()
    return found


def postgres_shape(server: Postgres, database: str) -> tuple[Any, ...]:
    """Return everything PostgreSQL knows of the tables."""
    columns = server.run(
        "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3",
        database,
    )
    rules = server.run(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
        database,
    )
    indexes = server.run("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1", database)
    return columns, rules, indexes


def run_all_scripts(connection: Connection) -> None:
    """Make the tables by the scripts alone."""
    # The steps end by noting the version, so `meta` has a row to note it in.
    migrate._run_steps(connection, 0, schema.SCHEMA_VERSION)


def test_scripts_make_the_tables_of_this_version_on_sqlite() -> None:
    """All scripts from nothing give what creating a new store gives."""
    by_scripts, at_once = create_engine("sqlite://"), create_engine("sqlite://")
    with by_scripts.connect() as first, at_once.connect() as second:
        run_all_scripts(first)
        schema.metadata.create_all(second)

        expected = sqlite_shape(second.connection.driver_connection)  # type: ignore[arg-type]

        assert len(expected) > len(schema.metadata.tables)
        assert sqlite_shape(first.connection.driver_connection) == expected  # type: ignore[arg-type]
    by_scripts.dispose()
    at_once.dispose()


def test_scripts_make_the_tables_of_this_version_on_postgresql(postgres: Postgres) -> None:
    """All scripts from nothing give what creating a new store gives."""
    names = [postgres.new_database(), postgres.new_database()]
    makers: list[Callable[[Connection], None]] = [run_all_scripts, schema.metadata.create_all]
    for name, make in zip(names, makers, strict=True):
        engine = create_engine(postgres.url(name))
        with engine.begin() as connection:
            make(connection)
        engine.dispose()

    expected = postgres_shape(postgres, names[1])

    assert expected[0]
    assert postgres_shape(postgres, names[0]) == expected


# --- an older store opens ------------------------------------------------------------------------


def test_an_older_store_is_brought_up_to_date_and_keeps_everything(
    store_url: str, newer: Callable[[str], Path]
) -> None:
    """Opening for writing migrates; history, context and fsck are as before, and writing goes on."""
    fill(store_url)
    before = contents(store_url)
    newer(GOOD_STEP)

    with Tract.open(store_url) as t:
        assert t._store.database.select(schema.meta.select().where(schema.meta.c.key == "schema_version"))[0][1] == "2"
        assert t._store.database.run_text("SELECT color FROM tracts") == [("blue",)]
    assert contents(store_url) == before
    with Tract.open(store_url) as t:
        t.user("still writable")
        assert t.fsck() == []


@pytest.mark.about_files
def test_the_backup_is_the_store_before(tmp_path: Path, newer: Callable[[str], Path], monkeypatch: Any) -> None:
    """`<db>.backup-1` is readable by its owner only, and the version that wrote it opens it."""
    path = str(tmp_path / "store.db")
    fill(path)
    before = contents(path)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "SCHEMA_VERSION", 2)
        patched.setattr(migrate, "SCRIPTS", scripts(tmp_path, GOOD_STEP))
        Tract.open(path).close()

    backup = f"{path}.backup-1"
    assert stat.S_IMODE(Path(backup).stat().st_mode) == 0o600
    assert contents(backup) == before
    assert sorted(p.name for p in tmp_path.glob("store.db*")) == ["store.db", "store.db.backup-1"]
    with pytest.raises(SchemaTooNewError):
        Tract.open(path)


def test_a_read_only_opening_does_not_migrate(store_url: str, newer: Callable[[str], Path]) -> None:
    """It says what to do, and writes nothing."""
    fill(store_url)
    newer(GOOD_STEP)
    with pytest.raises(StorageError, match="schema 1"):
        Tract.open(store_url, read_only=True)
    Tract.open(store_url).close()
    Tract.open(store_url, read_only=True).close()


def test_a_newer_store_is_refused(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older version touches nothing."""
    fill(store_url)
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 0)
    with pytest.raises(SchemaTooNewError) as caught:
        Tract.open(store_url)
    assert (caught.value.found, caught.value.supported) == (1, 0)


@pytest.mark.about_files
def test_a_newer_schema_still_in_the_log_is_refused(tmp_path: Path) -> None:
    """The file's header may lag behind its write-ahead log."""
    path = str(tmp_path / "store.db")
    fill(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA user_version=99")
        with pytest.raises(SchemaTooNewError):
            Tract.open(path)


def test_there_is_a_store_of_every_schema() -> None:
    """A new schema comes with a file of it."""
    assert sorted(STORES) == [STORES[0].with_name(f"schema-{n}.db") for n in range(1, schema.SCHEMA_VERSION + 1)]


@pytest.mark.about_files
@pytest.mark.parametrize("stored", STORES, ids=lambda path: path.stem)
def test_a_kept_store_has_the_tables_its_scripts_make(stored: Path, tmp_path: Path) -> None:
    """So neither the file nor a released script has been changed since."""
    path = shutil.copy(stored, tmp_path)
    engine = create_engine("sqlite://")
    with contextlib.closing(sqlite3.connect(path)) as raw, engine.connect() as connection:
        migrate._run_steps(connection, 0, raw.execute("PRAGMA user_version").fetchone()[0])
        assert sqlite_shape(raw) == sqlite_shape(connection.connection.driver_connection)  # type: ignore[arg-type]
    engine.dispose()


@pytest.mark.about_files
@pytest.mark.parametrize("stored", STORES, ids=lambda path: path.stem)
def test_a_store_of_every_schema_opens_in_this_version(stored: Path, tmp_path: Path) -> None:
    """Nothing is missing, nothing is wrong, and it can be written to."""
    path = tmp_path / "store.db"
    shutil.copy(stored, path)
    with Tract.open(path) as t:
        assert t.fsck() == []
        texts = [message.text for message in t.compile(verify=True).messages]
        assert texts == ["You are terse.", "What is 6 x 7?\0", "42", "And 6 x 8?"]
        assert t.current_branch == "side"
        t.user("one more")
        assert t.fsck() == []


# --- a failing migration changes nothing ---------------------------------------------------------


def test_a_failing_step_leaves_the_store_as_it_was(
    store_url: str, newer: Callable[[str], Path], monkeypatch: Any
) -> None:
    """The error says where the backup is; the older version opens the store as if nothing had been."""
    fill(store_url)
    before = contents(store_url)
    newer(BAD_STEP)

    with pytest.raises(MigrationError) as caught:
        Tract.open(store_url)

    monkeypatch.undo()
    assert (caught.value.found, caught.value.wanted) == (1, 2)
    assert contents(store_url) == before
    if "://" not in store_url:
        assert caught.value.backup == f"{store_url}.backup-1"
        assert caught.value.backup in str(caught.value.hint)
        assert contents(caught.value.backup) == before


@pytest.mark.about_files
def test_a_step_that_breaks_links_is_taken_back(tmp_path: Path, newer: Callable[[str], Path], monkeypatch: Any) -> None:
    """Foreign keys are off during the steps and checked before the end."""
    path = str(tmp_path / "store.db")
    fill(path)
    before = contents(path)
    newer('\n    op.execute("DELETE FROM lanes")\n')
    with pytest.raises(MigrationError, match="names a missing"):
        Tract.open(path)
    monkeypatch.undo()
    assert contents(path) == before


@pytest.mark.about_files
def test_a_locked_store_is_busy_not_broken(tmp_path: Path, newer: Callable[[str], Path], monkeypatch: Any) -> None:
    """Another writer holds the file: `BusyError`, and no backup is left behind."""
    path = str(tmp_path / "store.db")
    fill(path)
    newer(GOOD_STEP)
    monkeypatch.setattr(migrate, "_WAIT_SECONDS", 0.05)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError):
            Tract.open(path)
    assert not Path(f"{path}.backup-1").exists()


# --- on PostgreSQL, which makes no backup ---------------------------------------------------------------


def name_of(url: str) -> str:
    """Return the database in *url*."""
    return url.partition("@/")[2].partition("?")[0]


def test_a_failing_step_takes_changed_tables_back(
    postgres: Postgres, postgres_url: str, newer: Callable[[str], Path], monkeypatch: Any
) -> None:
    """Columns, indexes, constraints and rows are what they were: the server rolls all of it back."""
    fill(postgres_url)
    name = name_of(postgres_url)
    before, said = postgres_shape(postgres, name), contents(postgres_url)
    newer(BAD_STEP)

    for _ in range(2):
        with pytest.raises(MigrationError) as caught:
            Tract.open(postgres_url)
        assert caught.value.backup is None
        assert postgres_shape(postgres, name) == before

    monkeypatch.undo()
    assert contents(postgres_url) == said
    with Tract.open(postgres_url) as t:
        t.user("the version before goes on")
        assert t.fsck() == []


def test_what_pg_dump_saved_before_is_the_store_before(
    postgres: Postgres, postgres_url: str, newer: Callable[[str], Path], monkeypatch: Any, tmp_path: Path
) -> None:
    """The way back that the docs name: restored into another database, the version that wrote it opens it."""
    fill(postgres_url)
    before = contents(postgres_url)
    postgres.call("pg_dump", name_of(postgres_url), "--format=custom", f"--file={tmp_path / 'tracts.dump'}")
    newer(GOOD_STEP)
    Tract.open(postgres_url).close()

    other = postgres.new_database()
    postgres.call("pg_restore", other, "--no-owner", tmp_path / "tracts.dump")

    monkeypatch.undo()
    assert contents(postgres.url(other)) == before
    with Tract.open(postgres.url(other)) as t:
        t.user("goes on")
        assert t.search("goes")
        assert t.fsck() == []
    with pytest.raises(SchemaTooNewError):
        Tract.open(postgres_url)


@pytest.mark.parametrize("table", ["tracts", "commits"])
def test_a_server_in_use_is_busy_not_broken(
    postgres: Postgres, postgres_url: str, newer: Callable[[str], Path], monkeypatch: Any, table: str
) -> None:
    """Whoever writes, or reads for long, is waited for, but not for ever; nothing has changed by then."""
    fill(postgres_url)
    name = name_of(postgres_url)
    before, said = postgres_shape(postgres, name), contents(postgres_url)
    newer(GOOD_STEP)
    monkeypatch.setattr(migrate, "_WAIT_SECONDS", 0.05)

    with psycopg.connect(f"host={postgres.socket_folder} user=postgres dbname={name}") as other:
        other.execute(f"SELECT 1 FROM {table}".encode())
        with pytest.raises(BusyError) as caught:
            Tract.open(postgres_url)

    assert caught.value.waited_seconds >= 0.05
    assert postgres_shape(postgres, name) == before
    monkeypatch.undo()
    assert contents(postgres_url) == said


def test_a_migration_waits_for_the_operation_under_way(postgres_url: str, newer: Callable[[str], Path]) -> None:
    """A batch of the version before ends whole, and its commits are in the new schema."""
    fill(postgres_url)
    begun = threading.Event()
    with Tract.open(postgres_url) as writer:
        newer(GOOD_STEP)

        def write() -> None:
            with writer.batch():
                writer.user("one")
                begun.set()
                time.sleep(0.3)
                writer.user("two")

        with ThreadPoolExecutor() as pool:
            writing = pool.submit(write)
            assert begun.wait(30)
            with Tract.open(postgres_url) as t:
                assert writing.done()
                assert [message.text for message in t.compile().messages][-2:] == ["one", "two"]
                assert t.fsck() == []
            writing.result()


# --- killed, and several at once -----------------------------------------------------------------

_OPEN_AS_SCHEMA_2 = """
import sys
from pathlib import Path
from tract import Tract
from tract.storage import migrate, schema

schema.SCHEMA_VERSION = 2
migrate.SCRIPTS = Path(sys.argv[2])
with Tract.open(sys.argv[1]) as t:
    print(t.head)
"""


@contextlib.contextmanager
def opening(url: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Open the store at *url* in another process, by a version whose scripts are in *folder*."""
    command = [sys.executable, "-c", _OPEN_AS_SCHEMA_2, url, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(flag: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the step has come to its pause."""
    deadline = time.monotonic() + 30
    while not flag.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", [0, 3, 20])
def test_a_killed_migration_leaves_the_old_store(store_url: str, tmp_path: Path, delay_ms: int) -> None:
    """After `kill -9` in the middle of a step the old version reads it all, and a new try succeeds."""
    fill(store_url)
    before = contents(store_url)
    flag = tmp_path / "flag"
    slow = scripts(tmp_path, SLOW_STEP.format(flag=flag, seconds=30))

    with opening(store_url, slow) as process:
        wait_for(flag, process)
        time.sleep(delay_ms / 1000)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    assert contents(store_url) == before
    (slow / "versions" / "0002_test.py").unlink()
    shutil.rmtree(slow)
    with opening(store_url, scripts(tmp_path, GOOD_STEP)) as process:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


@pytest.mark.slow
def test_two_processes_migrate_once(store_url: str, tmp_path: Path) -> None:
    """The second waits for the first, sees the work done and opens."""
    fill(store_url)
    flag = tmp_path / "flag"
    step = f"""
    with Path("{flag}").open("a") as runs:
        runs.write("run ")
    time.sleep(0.3)
    {GOOD_STEP}"""
    folder = scripts(tmp_path, step)

    with opening(store_url, folder) as first, opening(store_url, folder) as second:
        answers = [first.communicate(), second.communicate()]

    assert [first.returncode, second.returncode] == [0, 0], answers
    assert answers[0][0] == answers[1][0] != ""
    assert flag.read_text() == "run "
