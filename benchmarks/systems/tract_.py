"""The system under test, through its public API alone."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.workload import Message


class NullCounter:
    """Counts nothing, for the row without token counts."""

    name = "none"
    is_approximate = False

    def count(self, text: str) -> int:
        """Return 0 for any text."""
        return 0 * len(text)


class TractHandle:
    """One open tract."""

    def __init__(self, tract: Any) -> None:
        """Keep the open handle."""
        self.tract = tract

    def append(self, item: Message) -> None:
        """Commit one message by the method for its role."""
        match item["role"]:
            case "user":
                self.tract.user(item["content"])
            case "tool":
                self.tract.tool_result(item["tool_call_id"], item["content"])
            case _:
                self.tract.assistant(item["content"], tool_calls=item.get("tool_calls", ()))

    def read_all(self) -> list[Message]:
        """Compile, and render for OpenAI."""
        found: list[Message] = self.tract.compile().to_openai()
        return found

    def count(self) -> int:
        """Return how many messages are stored, before any repair for a provider."""
        return len(self.tract.compile())

    def compile(self) -> object:
        """Compile."""
        return self.tract.compile()

    def close(self) -> None:
        """Close the handle."""
        self.tract.close()


@dataclass(frozen=True)
class TractSystem:
    """tract on one SQLite file, with its default token counter or none."""

    name: str
    is_counting: bool
    store: str = "tract"
    max_n: int = 1_000_000
    note: str = "SQLite, durability=full"

    def missing(self) -> str | None:
        """Return that the package, or its `Tract`, is not there."""
        try:
            importlib.import_module("tract").Tract  # noqa: B018 -- loads what the name stands for
        except (ImportError, AttributeError):
            return "not built yet"
        return None

    def open(self, directory: Path, *, is_durable: bool = True) -> TractHandle:  # noqa: ARG002 -- cannot be chosen
        """Open or create the store; it is durable whatever is asked for."""
        kind: Any = importlib.import_module("tract").Tract
        tokenizer = None if self.is_counting else NullCounter()
        return TractHandle(kind.open(directory / "tract.db", tokenizer=tokenizer))
