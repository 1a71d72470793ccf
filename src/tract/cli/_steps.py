"""Says on a terminal what is being done while that takes its time; in the end the line is gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

_CLEARED: Final = "\r\x1b[K"


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show *what* is being done until the block ends, where stderr is a terminal; else nothing."""
    is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if is_shown:
        click.echo(f"{_CLEARED}{what} ...", nl=False, err=True)
    try:
        yield
    finally:
        if is_shown:
            click.echo(_CLEARED, nl=False, err=True)
