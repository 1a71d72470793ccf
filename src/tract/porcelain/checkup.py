"""Answers whether this installation and a store are in working order, in a second; `fsck` looks at every byte."""

from __future__ import annotations

import os
import platform
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from tract.errors import TractError
from tract.porcelain.tract import Tract
from tract.storage.sqlite import library_version
from tract.tokens import counter_for

_PACKAGES: Final = ("sqlalchemy", "pydantic", "tiktoken", "alembic", "httpx", "click", "rich")
_OLDEST_SQLITE: Final = (3, 37)  # STRICT tables
_SAMPLE: Final = ("Hello, world!", 4)
"""A text, and its tokens by `o200k_base`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing examined.

    Attributes:
        name: What was examined.
        is_ok: Whether it is as it should be.
        detail: What was found.
    """

    name: str
    is_ok: bool
    detail: str


def checkup(path: str | None, *, tract: str = "default") -> list[Check]:
    """Examine the installation, and the store at *path* if there is one. Writes nothing."""
    return [*_installation(), *_store(path, tract)]


def _installation() -> Iterator[Check]:
    yield Check("python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.system()}")
    yield _package("tract-sdk")
    for name in _PACKAGES:
        yield _package(name)
    sqlite = library_version()
    yield Check("sqlite", tuple(int(part) for part in sqlite.split(".")[:2]) >= _OLDEST_SQLITE, sqlite)
    yield _tokenizer()


def _package(name: str) -> Check:
    try:
        return Check(name, is_ok=True, detail=version(name))
    except PackageNotFoundError:
        return Check(name, is_ok=False, detail="not installed")


def _tokenizer() -> Check:
    text, expected = _SAMPLE
    try:
        counter = counter_for(None)
        found = counter.count(text)
    except TractError as error:
        return Check("tokenizer", is_ok=False, detail=error.message)
    return Check("tokenizer", found == expected, f"{counter.name} counts offline")


def _store(path: str | None, tract: str) -> Iterator[Check]:
    if path is None:
        yield Check("store", is_ok=True, detail="none here or in a folder above")
        return
    if "://" not in path:
        yield from _file(Path(path))
    try:
        with Tract.open(path, tract=tract, create=False, read_only=True) as t:
            yield Check("store", is_ok=True, detail=repr(t).strip("<>"))
            context = t.compile()
            yield Check("compile", is_ok=True, detail=f"{len(context)} messages, {context.token_count} tokens")
    except TractError as error:
        yield Check("store", is_ok=False, detail=error.message)


def _file(path: Path) -> Iterator[Check]:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return
    if os.name == "posix":
        mode = stat.S_IMODE(found.st_mode)
        is_private = not mode & (stat.S_IRWXG | stat.S_IRWXO)
        yield Check("permissions", is_private, f"{mode:04o}" if is_private else f"{mode:04o}: others may read it")
    yield Check("writable", os.access(path, os.W_OK), "yes" if os.access(path, os.W_OK) else "no")
    yield Check("size", is_ok=True, detail=f"{found.st_size} bytes")
