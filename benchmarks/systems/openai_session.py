"""How does the OpenAI Agents SDK keep a conversation? `SQLiteSession`, one row per message.

`openai-session` awaits the public methods on one event loop, as an agent does; the SDK hands
each call to a thread. `openai-session-inline` runs the same statements in the calling thread
with `synchronous=FULL` set: the rival with everything but SQLite taken away.
"""

import asyncio
import importlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workload import Message

_MODULE = "agents.memory.sqlite_session"


class SessionHandle:
    """A session behind its public, asynchronous methods."""

    def __init__(self, session: Any) -> None:
        """Keep one event loop for the life of the handle."""
        self._session = session
        self._loop = asyncio.new_event_loop()

    def append(self, item: Message) -> None:
        """Add one item."""
        self._loop.run_until_complete(self._session.add_items([item]))

    def read_all(self) -> list[Message]:
        """Get all items."""
        items: list[Message] = self._loop.run_until_complete(self._session.get_items())
        return items

    def compile(self) -> object:
        """Get all items again: a session keeps nothing between reads."""
        return self.read_all()

    def close(self) -> None:
        """Close the session and its event loop."""
        self._session.close()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


class InlineSessionHandle(SessionHandle):
    """The same session without the event loop and the thread on the way to its statements."""

    def __init__(self, session: Any, *, is_durable: bool) -> None:
        """Set the durability explicitly on the connection of this thread."""
        super().__init__(session)
        connection: sqlite3.Connection = session._get_connection()
        connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}")

    def append(self, item: Message) -> None:
        """Run the body of `add_items` here."""
        with self._session._write_connection() as connection:
            self._session._insert_items(connection, [item])
            connection.commit()


@dataclass(frozen=True)
class OpenAISession:
    """`SQLiteSession` on a file."""

    name: str
    is_inline: bool
    store: str = "openai-session"
    max_n: int = 100_000
    note: str = "WAL, SQLite's default synchronous=FULL; no hashes, no history"

    def missing(self) -> str | None:
        """Return why `openai-agents` cannot be imported, if so."""
        try:
            importlib.import_module(_MODULE)
        except ImportError as error:
            return str(error)
        return None

    def open(self, directory: Path, *, is_durable: bool = True) -> SessionHandle:
        """Open or create the session; not durable only ever inline."""
        session = importlib.import_module(_MODULE).SQLiteSession("s", directory / "session.db")
        if self.is_inline or not is_durable:
            return InlineSessionHandle(session, is_durable=is_durable)
        return SessionHandle(session)
