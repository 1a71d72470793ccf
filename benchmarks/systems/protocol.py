"""What must a system offer to take part? A store in a directory: append, read, close."""

from pathlib import Path
from typing import Protocol

from benchmarks.workload import Message


class Handle(Protocol):
    """One open store."""

    def append(self, item: Message) -> None:
        """Store one message durably; it must survive a crash once this returns."""

    def read_all(self) -> list[Message]:
        """Return every message in order, as dicts ready to send."""

    def compile(self) -> object:
        """Return what the next model call needs, the cheapest way the system has."""

    def close(self) -> None:
        """Release the store."""


class System(Protocol):
    """One contestant; systems with the same `store` write the same files."""

    @property
    def name(self) -> str:
        """The name in tables and after `--systems`."""

    @property
    def store(self) -> str:
        """The name under which built stores are kept and shared."""

    @property
    def max_n(self) -> int:
        """The longest history it is asked to hold, so that a run ends."""

    @property
    def note(self) -> str:
        """Durability, and what a reader must know to judge the figures fairly."""

    def missing(self) -> str | None:
        """Import what is needed; return why the system cannot take part, if so."""

    def open(self, directory: Path, *, is_durable: bool = True) -> Handle:
        """Open or create the store in *directory*; not durable only to build it fast."""
