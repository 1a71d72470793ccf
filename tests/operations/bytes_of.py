"""Answers whether a text is anywhere in the bytes of a store: its files, or the pages of its database."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.databases import Postgres
from tests.on_postgresql import elsewhere


def windows(text: str) -> set[bytes]:
    """Return every 16 bytes of *text*, as they are and as they are written in JSON, in JSON and so on."""
    forms = {text.encode()}
    for is_ascii in (False, True):
        form = text
        for _ in range(2):
            form = json.dumps(form, ensure_ascii=is_ascii)[1:-1]
            forms.add(form.encode())
    return {form[at : at + 16] for form in forms for at in range(len(form) - 15)}


def hits(path: Path, *texts: str) -> int:
    """Return how many windows of *texts* stand in any file of the store, or in any page of its database."""
    wanted = set().union(*map(windows, texts))
    found = elsewhere()
    if found is not None:
        name = found.database_of(path)
        found.server.run("CHECKPOINT", name)
        return sum(window in page for page in pages(found.server, name) for window in wanted)
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    # Read by another process: closing a file drops the locks this one has on it.
    data = [subprocess.run(["cat", file], stdout=subprocess.PIPE, check=True).stdout for file in files]
    return sum(window in one for window in wanted for one in data)


def pages(postgres: Postgres, name: str) -> Iterator[bytes]:
    """Return the bytes of each table and index of the database *name*."""
    tables = postgres.run("SELECT relname FROM pg_class WHERE relkind IN ('r', 't', 'i') AND relnamespace <> 11", name)
    for (table,) in tables:
        for (page,) in postgres.run(
            f"SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class WHERE relname = '{table}'", name
        ):
            yield bytes(page)
