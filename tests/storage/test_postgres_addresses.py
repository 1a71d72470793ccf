"""Proves that a PostgreSQL address works or fails with a sentence, and that no password is ever shown."""

import io
import logging
import socket
import traceback
from pathlib import Path

import pytest

from tests.databases import PASSWORD, Postgres
from tract import Tract
from tract.errors import InvalidInputError, NotAStoreError, StorageError, StoreNotFoundError, TractError

SECRET = "hunter2-canary"


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg", "postgres"])
def test_the_driver_may_be_left_out(postgres_url: str, driver: str) -> None:
    """Every common way to write the scheme leads to the same store."""
    url = postgres_url.replace("postgresql+psycopg", driver)
    with Tract.open(url) as t:
        t.user("hi")
    with Tract.open(postgres_url, create=False) as t:
        assert len(t.log()) == 1


@pytest.mark.parametrize("where", ["address", "option"])
def test_a_password_works_and_is_shown_nowhere(postgres: Postgres, postgres_url: str, where: str) -> None:
    """Neither by the handle, nor by what it is made of."""
    database = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    if where == "address":
        url = postgres.url(database, user="guarded", password=PASSWORD)
    else:
        url = f"{postgres.url(database, user='guarded')}&password={PASSWORD}"
    with Tract.open(url) as t:
        t.user("hi")
        shown = [repr(t), str(t), repr(t._store), repr(t._store.database.engine), t._store.database.location]
        assert not any(PASSWORD in text for text in shown)
        with pytest.raises(TractError) as caught:
            t.get("nothing")
        assert PASSWORD not in full_text(caught.value)


def full_text(error: BaseException) -> str:
    """Return everything a log would show of *error*, causes included."""
    hint = getattr(error, "hint", None)
    return f"{error!r} {error} {hint} {''.join(traceback.format_exception(error))}"


def bad_addresses(postgres: Postgres) -> dict[str, str]:
    """Return addresses that cannot work, each with the canary as password."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    host = f"host={postgres.socket_folder}"
    return {
        "wrong password": f"postgresql://guarded:{SECRET}@/postgres?{host}",
        "wrong password as an option": f"postgresql://guarded@/postgres?{host}&password={SECRET}",
        "no such user": f"postgresql://nobody-here:{SECRET}@/postgres?{host}",
        "no such database": f"postgresql://postgres:{SECRET}@/nowhere?{host}",
        "nobody listens": f"postgresql://user:{SECRET}@127.0.0.1:{port}/x?connect_timeout=2",
        "no such option": f"postgresql://user:{SECRET}@/postgres?{host}&no_such_option={SECRET}",
        "no such socket": f"postgresql://user:{SECRET}@/x?host=/nonexistent",
        "port is no number": f"postgresql://user:{SECRET}@localhost:{SECRET}/x",
        "slash in password": f"postgresql://user:{SECRET}/{SECRET}@localhost/x",
        "another database": f"mysql://user:{SECRET}@localhost/x",
        "another driver": f"postgresql+psycopg2://user:{SECRET}@localhost/x",
        "sqlite": f"sqlite:///{SECRET}.db",
        "web": f"https://user:{SECRET}@localhost/x",
        "nothing": f"://{SECRET}",
    }


@pytest.mark.parametrize("number", range(14))
def test_an_address_that_cannot_work_gives_a_sentence(
    postgres: Postgres, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `TractError` with a hint; the password is in no message, cause, traceback or log."""
    monkeypatch.chdir(tmp_path)
    _, url = list(bad_addresses(postgres).items())[number]
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises((StorageError, InvalidInputError)) as caught:
            Tract.open(url)
    finally:
        logging.getLogger().removeHandler(handler)

    assert caught.value.hint
    # The traceback would quote this file's own lines, which name the variable and not its value.
    assert SECRET not in full_text(caught.value) + log.getvalue()
    assert not list(tmp_path.iterdir())


def test_every_address_is_tried(postgres: Postgres) -> None:
    """The numbers above cover the list."""
    assert len(bad_addresses(postgres)) == 14


def test_a_missing_store_is_not_created_unasked(postgres_url: str) -> None:
    """An empty database is no store."""
    with pytest.raises(StoreNotFoundError):
        Tract.open(postgres_url, create=False)


@pytest.mark.parametrize("table", ["usage", "operations", "meta"])
def test_a_database_of_another_application_is_left_alone(postgres: Postgres, postgres_url: str, table: str) -> None:
    """A table that only has one of our names is not taken for ours."""
    database = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    postgres.run(f"CREATE TABLE {table} (x int)", database)
    with pytest.raises(NotAStoreError):
        Tract.open(postgres_url)
    assert postgres.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database) == [(1,)]


def test_tables_beside_a_store_are_no_matter(postgres: Postgres, postgres_url: str) -> None:
    """An application may keep its own tables in the same database."""
    database = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    postgres.run("CREATE TABLE customers (x int)", database)
    with Tract.open(postgres_url) as t:
        t.user("hi")
        assert t.fsck() == []


def test_a_role_that_may_only_read_is_refused_by_the_server(postgres: Postgres, postgres_url: str) -> None:
    """Its writes fail with what PostgreSQL says, its reads work."""
    database = postgres_url.split("?", maxsplit=1)[0].rsplit("/", 1)[1]
    with Tract.open(postgres_url) as t:
        t.user("one")
    postgres.run("CREATE ROLE looker LOGIN")
    try:
        postgres.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker", database)
        with Tract.open(postgres.url(database, user="looker"), read_only=True) as t:
            assert len(t.compile().messages) == 1
        with (
            Tract.open(postgres.url(database, user="looker")) as t,
            pytest.raises(StorageError, match="permission denied"),
        ):
            t.user("two")
    finally:
        postgres.run("DROP OWNED BY looker", database)
        postgres.run("DROP ROLE looker")
