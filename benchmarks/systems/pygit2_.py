"""What would git itself cost? One commit per message through libgit2.

A commit's tree holds its own message alone; history is the conversation. (A tree of all
messages would cost O(N) per commit.) libgit2 does not call fsync as shipped, so `pygit2` may
lose commits that were reported as done; `pygit2-fsync` turns that on and is the fair rival.
"""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workload import Message

_MODULE = "pygit2"
_REF = "refs/heads/main"
_FILE = 0o100644


class GitHandle:
    """One bare repository."""

    def __init__(self, path: Path, *, is_synced: bool) -> None:
        """Open or create the repository."""
        self._pygit2: Any = importlib.import_module(_MODULE)
        is_new = not path.exists()
        self._is_synced = is_synced
        self._repo = (
            self._pygit2.init_repository(str(path), bare=True, initial_head="main")
            if is_new
            else self._pygit2.Repository(str(path))
        )
        self._author = self._pygit2.Signature("bench", "bench@example.org", 0, 0)
        reference = self._repo.references.get(_REF)
        self._tip = None if reference is None else reference.target

    def append(self, item: Message) -> None:
        """Write a blob, a tree, a commit and move the branch."""
        # The switch is global to the process, and both variants run in one process.
        self._pygit2.settings.enable_fsync_gitdir(self._is_synced)
        blob = self._repo.create_blob(json.dumps(item, ensure_ascii=False).encode())
        builder = self._repo.TreeBuilder()
        builder.insert("message.json", blob, _FILE)
        parents = [] if self._tip is None else [self._tip]
        self._tip = self._repo.create_commit(_REF, self._author, self._author, "append", builder.write(), parents)

    def read_all(self) -> list[Message]:
        """Walk from the tip to the root and read each blob."""
        found = [json.loads(commit.tree["message.json"].data) for commit in self._repo.walk(self._tip)]
        found.reverse()
        return found

    def compile(self) -> object:
        """Walk again."""
        return self.read_all()

    def close(self) -> None:
        """Free the repository."""
        self._repo.free()


@dataclass(frozen=True)
class Pygit2:
    """A bare repository of loose objects."""

    name: str
    is_synced: bool
    note: str
    store: str = "pygit2"
    max_n: int = 10_000

    def missing(self) -> str | None:
        """Return why `pygit2` cannot be imported, if so."""
        try:
            importlib.import_module(_MODULE)
        except ImportError as error:
            return str(error)
        return None

    def open(self, directory: Path, *, is_durable: bool = True) -> GitHandle:
        """Open or create the repository."""
        return GitHandle(directory / "repo.git", is_synced=self.is_synced and is_durable)
