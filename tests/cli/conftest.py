"""Gives tests a way to run the command line: in this process, as a program, and on a terminal."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tract.cli.main import root

Run = Callable[..., Result]


def environment() -> dict[str, str]:
    """Return the variables a run sees: none of the caller's that change output."""
    return {k: v for k, v in os.environ.items() if k not in {"TRACT_DB", "NO_COLOR", "FORCE_COLOR", "PAGER", "LESS"}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `tract` with arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("TRACT_DB", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str, stdin: str | bytes = b"") -> Result:
        return CliRunner().invoke(root, list(arguments), input=stdin, prog_name="tract")

    return call


def program(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m tract` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tract", *arguments],
        cwd=folder,
        env={**environment(), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


def on_terminal(*arguments: str, folder: Path, keys: bytes = b"", **variables: str) -> str:
    """Return what `tract` writes to a terminal of 100 columns where *keys* are typed; PAGER is `cat`: nothing waits."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tract", *arguments],
        cwd=folder,
        env={**environment(), "PAGER": "cat", "COLUMNS": "100", "LINES": "50", "TERM": "xterm", **variables},
        stdin=follower,
        stdout=follower,
        stderr=subprocess.STDOUT,
    )
    os.close(follower)
    os.write(leader, keys)
    data = b""
    while select.select([leader], [], [], 30)[0]:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        data += piece
    process.wait(timeout=30)
    os.close(leader)
    return data.decode()
