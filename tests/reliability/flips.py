"""Answers how to damage a store by one bit, in a value or in the file, through a connection of its own."""

import random
import sqlite3
from pathlib import Path
from typing import Any, Final

# Where a flip must be found, by table. Token counts, usage, settings and times of tracts are derived or
# not promised; row ids of objects are (everything that names one must still find it).
PROMISED: Final = {
    "blobs": "id hash data size codec kind",
    "configs": "id hash json",
    "commits": "id hash generation lane_id parent_id op content_type blob_id config_id note_id origin author "
    "created_at",
    "commit_parents": "commit_id position parent_id",
    "commit_targets": "commit_id position target_id",
    "lanes": "id fork_lane_id fork_generation start_generation",
    "refs": "tract_id name commit_id symbolic",
    "operations": "tract_id no hash verb args actor created_at",
    "ref_changes": "tract_id operation_no name old_id new_id old_symbolic new_symbolic",
    "tracts": "id name parent_tract_id parent_commit_id mode",
    "proposals": "payload hash",
}


def flip_value(path: Path, chance: random.Random) -> str:
    """Flip one bit of one promised value; return which."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.text_factory = bytes
        while True:
            table = chance.choice(list(PROMISED))
            column = chance.choice(PROMISED[table].split())
            key = ", ".join(
                row[1].decode() for row in connection.execute(f"PRAGMA table_info({table})").fetchall() if row[5]
            )
            rows = connection.execute(f"SELECT {key}, typeof({column}), {column} FROM {table}").fetchall()
            rows = [row for row in rows if row[-1] not in {None, b""}]
            if not rows:
                continue
            *keys, kind, value = chance.choice(rows)
            changed = flipped(value, chance)
            where = " AND ".join(f"{name} = {_typed(k)}" for name, k in zip(key.split(", "), keys, strict=True))
            target = f"CAST(? AS {'TEXT' if kind == b'text' else 'BLOB'})" if isinstance(changed, bytes) else "?"
            try:
                connection.execute(f"UPDATE {table} SET {column} = {target} WHERE {where}", (changed,))
            except sqlite3.IntegrityError:
                continue  # the database itself refuses this one
            return f"{table}.{column} {keys}: {value!r} -> {changed!r}"


def _typed(key: int | bytes) -> str:
    return f"CAST(x'{key.hex()}' AS TEXT)" if isinstance(key, bytes) else str(key)


def flipped(value: Any, chance: random.Random) -> Any:
    """Return *value* with one bit changed."""
    if not isinstance(value, bytes):
        # Sign and high bits of small numbers too, but mostly the ones that give a plausible number.
        return value ^ (1 << chance.choice([*range(8), *range(0, 62, 7)]))
    place = chance.randrange(len(value))
    return value[:place] + bytes([value[place] ^ (1 << chance.randrange(8))]) + value[place + 1 :]


def flip_in_file(path: Path, chance: random.Random) -> str:
    """Flip one bit of the file; return where."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        place = chance.randrange(size)
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ (1 << chance.randrange(8))]))
        return f"byte {place} of {size}"
