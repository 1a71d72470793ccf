"""How does the OpenAI Agents SDK branch a conversation? `AdvancedSQLiteSession`."""

import importlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.systems.openai_session import SessionHandle

_MODULE = "agents.extensions.memory.advanced_sqlite_session"


@dataclass(frozen=True)
class AdvancedSession:
    """`AdvancedSQLiteSession` on a file, as shipped."""

    name: str = "openai-advanced"
    store: str = "openai-advanced"
    max_n: int = 10_000
    note: str = "WAL, SQLite's default synchronous=FULL; branches copy rows"

    def missing(self) -> str | None:
        """Return why `openai-agents` cannot be imported, if so."""
        try:
            importlib.import_module(_MODULE)
        except ImportError as error:
            return str(error)
        return None

    def open(self, directory: Path, *, is_durable: bool = True) -> SessionHandle:  # noqa: ARG002 -- cannot be chosen
        """Open or create the session; it is durable whatever is asked for."""
        path = directory / "advanced.db"
        kind = importlib.import_module(_MODULE).AdvancedSQLiteSession
        return SessionHandle(kind(session_id="s", db_path=path, create_tables=True))
