"""How does LangGraph keep a conversation? `SqliteSaver`, one checkpoint of all messages per step.

Messages go in as plain dicts through `put`, without running a graph: the cheapest use there is.
Each checkpoint holds the whole list, so size grows with the square of the length.
"""

import importlib
import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workload import Message

_MODULE = "langgraph.checkpoint.sqlite"
_THREAD: dict[str, Any] = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


class SaverHandle:
    """One saver and the state a graph would hold in memory."""

    def __init__(self, path: Path, *, is_durable: bool) -> None:
        """Open the file and load the newest checkpoint."""
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}")
        self._saver = importlib.import_module(_MODULE).SqliteSaver(self._connection)
        self._config = _THREAD
        self._messages = self._load()

    def _load(self) -> list[Message]:
        found = self._saver.get_tuple(_THREAD)
        if found is None:
            return []
        self._config = found.config
        messages: list[Message] = found.checkpoint["channel_values"]["messages"]
        return messages

    def append(self, item: Message) -> None:
        """Put a checkpoint that holds every message so far and this one."""
        self._messages.append(item)
        step = len(self._messages)
        checkpoint = {
            "v": 4,
            "ts": "2024-01-01T00:00:00+00:00",
            # Checkpoints are found newest first by comparing ids, so they must ascend.
            "id": str(uuid.UUID(int=step)),
            "channel_values": {"messages": self._messages},
            "channel_versions": {"messages": f"{step:032}"},
            "versions_seen": {},
            "updated_channels": ["messages"],
        }
        metadata = {"source": "loop", "step": step, "parents": {}}
        self._config = self._saver.put(self._config, checkpoint, metadata, {})

    def read_all(self) -> list[Message]:
        """Load the newest checkpoint."""
        return self._load()

    def compile(self) -> object:
        """Load the newest checkpoint, as a resumed graph does."""
        return self._load()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(frozen=True)
class LangGraphSaver:
    """`SqliteSaver` on a file."""

    name: str = "langgraph"
    store: str = "langgraph"
    max_n: int = 1_000
    note: str = "WAL, synchronous=FULL; each step stores every message again"

    def missing(self) -> str | None:
        """Return why the saver cannot be imported, if so."""
        try:
            importlib.import_module(_MODULE)
        except ImportError as error:
            return str(error)
        return None

    def open(self, directory: Path, *, is_durable: bool = True) -> SaverHandle:
        """Open or create the file."""
        return SaverHandle(directory / "langgraph.db", is_durable=is_durable)
