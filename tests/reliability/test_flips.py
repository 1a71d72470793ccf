"""G6 and G7: a flipped bit is found by fsck and never reaches a reader."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.dump import connected, dump, rows_of
from tests.reliability.flips import flip_in_file, flip_value
from tests.reliability.verbs import make_history
from tract import Tract
from tract.errors import BranchNotFoundError, CorruptStoreError, NotAStoreError, SchemaTooNewError, TractError
from tract.storage.writing import Draft

pytestmark = pytest.mark.about_files  # bytes and pragmas; rows on PostgreSQL have a file of their own

_BRANCHES = ("main", "other")  # what a merge compiles to comes with its verb


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with every kind of row, a merge commit and a second tract included, in one file."""
    path = tmp_path_factory.mktemp("whole") / "a.db"
    fill_whole(path)
    with connected(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        assert all(rows for rows in rows_of(connection).values())
    return path


def fill_whole(path: Path | str) -> None:
    """Make a store with every kind of row."""
    make_history(path)
    with Tract.open(path) as t:
        t.compress(summarizer=lambda _: "Said.", autonomy="collaborative")
        _merge(t)
        t.reply_cache.put("asked", b"answered")
        t.policies.add("auto_pin", roles=["tool"])
        t.user("Seen by a policy.")
    with Tract.open(path, tract="second", actor="tester") as t:
        t.user("Another context.")
        assert t.search("context")
        t.spawn("look it up", name="third")


def _merge(t: Tract) -> None:
    """Write a merge through the gate; its verb comes later."""
    store = t._store
    t.branch("merged")
    with store.operation("merge") as operation:
        other = operation.find("heads/other")
        assert operation.tip is not None
        assert other is not None
        draft = Draft("merge", None, None, "developer", "", store.clock(), 0, 0)
        merged = operation.add(draft, (operation.tip, other))
        operation.move("heads/merged", operation.tip, merged)
        operation.tip = merged
    t.user("After the merge.")
    t.switch("main")


def messages_of(path: Path | str) -> dict[str, Any]:
    """Compile each branch with fresh handles."""
    found: dict[str, Any] = {}
    with Tract.open(path) as t:
        found["HEAD"] = t.compile().to_openai()
    for branch in _BRANCHES:
        with Tract.open(path, read_only=True) as t:
            t.switch(branch)
            found[branch] = t.compile().to_openai()
    return found


def findings(path: Path | str) -> list[str]:
    """Run fsck on a fresh handle; an opening that refuses the store counts as found."""
    try:
        with Tract.open(path) as t:
            return [finding.id for finding in t.fsck()]
    except TractError as error:
        return [error.code]


def require_no_lie(path: Path | str, expected: dict[str, Any], flip: str) -> None:
    """Require that a reader gets what was committed, or an error."""
    try:
        messages = messages_of(path)
    except (CorruptStoreError, NotAStoreError, SchemaTooNewError, BranchNotFoundError):
        return
    assert messages == expected, flip


def _flip_many(whole: Path, path: Path, chance: random.Random, flips: int) -> None:
    expected = messages_of(whole)
    missed = []
    for _ in range(flips):
        shutil.copy(whole, path)
        flip = flip_value(path, chance)
        if not findings(path):
            missed.append(flip)
        shutil.copy(whole, path)
    assert missed == []
    for _ in range(flips):
        shutil.copy(whole, path)
        require_no_lie(path, expected, flip_value(path, chance))


def test_fsck_finds_every_flipped_bit_and_compile_none(
    whole: Path, tmp_path: Path, seeded: Callable[[], random.Random]
) -> None:
    """200 flips in values a reader trusts: each found; compile raises or returns exactly what was committed."""
    _flip_many(whole, tmp_path / "a.db", seeded(), 200)


@pytest.mark.torture
def test_fsck_finds_10000_flipped_bits(whole: Path, tmp_path: Path, seeded: Callable[[], random.Random]) -> None:
    """The same 10,000 times."""
    _flip_many(whole, tmp_path / "a.db", seeded(), 10_000)


def _flip_file(whole: Path, path: Path, chance: random.Random, flips: int) -> None:
    expected, rows = messages_of(whole), dump(whole)
    for _ in range(flips):
        shutil.copy(whole, path)
        flip = flip_in_file(path, chance)
        found = findings(path)
        require_no_lie(path, expected, flip)
        if not found:
            # Unused bytes of the file, or values that are derived.
            assert _trusted(dump(path)) == _trusted(rows), flip


def _trusted(rows: dict[str, Any]) -> dict[str, Any]:
    derived = {"usage", "counters", "meta", "replies", "policy_log"}
    # SQLite takes names in any case: a flip in one changes nothing.
    kept = {table.lower(): found for table, found in rows.items() if table.lower() not in derived}
    # Without token counts, and without the times of tracts.
    return kept | {"commits": [row[:13] for row in kept["commits"]], "tracts": [row[:2] for row in kept["tracts"]]}


def test_a_flipped_bit_in_the_file_never_reaches_a_reader(
    whole: Path, tmp_path: Path, seeded: Callable[[], random.Random]
) -> None:
    """200 flips anywhere in the file: an error that is ours, or exactly what was committed."""
    _flip_file(whole, tmp_path / "a.db", seeded(), 200)


def test_a_schema_that_is_no_utf8_is_damage(whole: Path, tmp_path: Path) -> None:
    """SQLite quotes it in a message the driver cannot decode; opening says so in the tract's own words."""
    path = tmp_path / "a.db"
    data = whole.read_bytes()
    places = [at for at in range(data.index(b"CREATE TABLE"), len(data)) if data[at : at + 7] == b"CREATE "]
    assert len(places) > 10
    for place in places:
        for offset in (3, 8, 15):
            damaged = bytearray(data)
            damaged[place + offset] ^= 0x80
            path.write_bytes(damaged)
            for is_read_only in (False, True):
                with pytest.raises(CorruptStoreError), Tract.open(path, read_only=is_read_only) as t:
                    t.compile()


def _positions(path: Path) -> list[tuple[str, int, int]]:
    """Return table, commit and position of each further parent and each target."""
    with connected(path) as connection:
        return [
            (table, *row)
            for table in ("commit_parents", "commit_targets")
            for row in connection.execute(f"SELECT commit_id, position FROM {table}")
        ]


def test_every_bit_of_a_position_counts(whole: Path, tmp_path: Path) -> None:
    """Also where the order stays the same, as for an only target: fsck says that there is a gap."""
    path = tmp_path / "a.db"
    missed = []
    places = _positions(whole)
    assert {table for table, _, _ in places} == {"commit_parents", "commit_targets"}
    for table, commit, position in places:
        for bit in (0, 1, 2, 5, 8, 31, 61):
            shutil.copy(whole, path)
            with connected(path) as connection:
                try:
                    connection.execute(
                        f"UPDATE {table} SET position = ? WHERE commit_id = ? AND position = ?",
                        (position ^ 1 << bit, commit, position),
                    )
                except sqlite3.IntegrityError:
                    continue  # another one is there already
            if not findings(path):
                missed.append((table, commit, position, bit))

    assert missed == []


@pytest.mark.torture
def test_10000_flipped_bits_in_the_file_never_reach_a_reader(
    whole: Path, tmp_path: Path, seeded: Callable[[], random.Random]
) -> None:
    """The same 10,000 times."""
    _flip_file(whole, tmp_path / "a.db", seeded(), 10_000)


_DAMAGE = {
    "cycle in parents": "UPDATE commits SET parent_id = (SELECT max(id) FROM commits) WHERE generation = 1",
    "own parent": "UPDATE commits SET parent_id = id WHERE generation = 3",
    "missing blob": "DELETE FROM blobs WHERE id = (SELECT blob_id FROM commits WHERE generation = 2 LIMIT 1)",
    "missing note": "DELETE FROM blobs WHERE kind = 'note'",
    "emptied blob": "UPDATE blobs SET data = NULL WHERE kind = 'content'",
    "oversized blob": "UPDATE blobs SET data = zeroblob(20000000) WHERE id = 1",
    "missing commit": "DELETE FROM commits WHERE generation = 4",
    "missing config": "DELETE FROM configs",
    "missing lane": "DELETE FROM lanes WHERE id = 2",
    "missing targets": "DELETE FROM commit_targets",
    "dangling branch": "UPDATE refs SET commit_id = 9999 WHERE name = 'heads/main'",
    "moved branch": "UPDATE refs SET commit_id = 3 WHERE name = 'heads/main'",
    "missing branch": "DELETE FROM refs WHERE name = 'heads/main'",
    "missing HEAD": "DELETE FROM refs WHERE name = 'HEAD'",
    "HEAD on a branch that never was": "UPDATE refs SET symbolic = 'heads/mair' WHERE name = 'HEAD'",
    "renamed tract": "UPDATE tracts SET name = 'defaulu' WHERE name = 'default'",
    "missing operation": "DELETE FROM operations WHERE no = 5",
    "missing log": "DELETE FROM operations",
    "missing last operation": "DELETE FROM operations WHERE no = (SELECT max(no) FROM operations)",
    "text that is no UTF-8": "UPDATE commits SET author = CAST(x'ff' AS TEXT) WHERE generation = 2",
    "trigger": "CREATE TRIGGER intruder AFTER INSERT ON refs BEGIN SELECT 1; END",
    "view": "CREATE VIEW intruder AS SELECT 1",
    "dropped table": "DROP TABLE configs",
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_damage_is_found_and_not_read(whole: Path, tmp_path: Path, damage: str) -> None:
    """Rows changed by hand: fsck says so, and compile of HEAD raises a `CorruptStoreError` or is exact."""
    expected = messages_of(whole)["HEAD"]
    path = tmp_path / "a.db"
    shutil.copy(whole, path)
    with connected(path) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(_DAMAGE[damage])

    try:
        with Tract.open(path) as t:
            compiled = t.compile().to_openai()
    except CorruptStoreError:
        pass
    else:
        assert compiled == expected

    assert findings(path)
