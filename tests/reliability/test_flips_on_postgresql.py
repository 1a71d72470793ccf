"""G6 and G7 on PostgreSQL: a flipped bit of any value is found by fsck and never reaches a reader."""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.databases import Postgres
from tests.reliability.flips import PROMISED, flipped
from tests.reliability.test_flips import fill_whole, findings, messages_of, require_no_lie
from tract.storage import schema

_FLIPS = 60


@contextlib.contextmanager
def _flip(connection: psycopg.Connection[Any], chance: random.Random) -> Iterator[str]:
    """Flip one bit of one promised value until the block ends; the block learns which."""
    while True:
        table = chance.choice(list(PROMISED))
        column = chance.choice(PROMISED[table].split())
        keys = [one.name for one in schema.metadata.tables[table].primary_key.columns]
        rows = connection.execute(f"SELECT {', '.join(keys)}, {column} FROM {table}".encode()).fetchall()
        rows = [row for row in rows if row[-1] not in {None, b"", ""}]
        if not rows:
            continue
        *found, value = chance.choice(rows)
        changed = _changed(value, chance)
        after = [changed if key == column else old for key, old in zip(keys, found, strict=True)]
        where = " AND ".join(f"{key} = %s" for key in keys)
        update = f"UPDATE {table} SET {column} = %s WHERE {where}".encode()
        try:
            connection.execute(update, (changed, *found))
        except (psycopg.IntegrityError, psycopg.DataError):
            continue  # the database itself refuses this one
        yield f"{table}.{column} {found}: {value!r} -> {changed!r}"
        connection.execute(update, (value, *after))
        return


def _changed(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, str):
        return flipped(value, chance)
    while True:
        with contextlib.suppress(UnicodeDecodeError):  # no text of a database
            return flipped(value.encode(), chance).decode()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_fsck_finds_every_flipped_bit_and_compile_none(
    postgres: Postgres, postgres_url: str, seeded: Callable[[], random.Random]
) -> None:
    """In values a reader trusts: each is found; compile raises or returns exactly what was committed."""
    fill_whole(postgres_url)
    expected, chance, missed = messages_of(postgres_url), seeded(), []
    name = postgres_url.partition("@/")[2].partition("?")[0]
    address = f"host={postgres.socket_folder} user=postgres dbname={name}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # past the foreign keys
        for _ in range(_FLIPS):
            with _flip(connection, chance) as flip:
                if not findings(postgres_url):
                    missed.append(flip)
            with _flip(connection, chance) as flip:
                require_no_lie(postgres_url, expected, flip)
        assert missed == []
        assert findings(postgres_url) == [], "each flip was taken back"
