"""Which systems take part? Each file here holds one; this lists them by name."""

from benchmarks import token_counts
from benchmarks.systems.advanced_session import AdvancedSession
from benchmarks.systems.kernel import Kernel
from benchmarks.systems.langgraph_saver import LangGraphSaver
from benchmarks.systems.openai_session import OpenAISession
from benchmarks.systems.protocol import Handle, System
from benchmarks.systems.pygit2_ import Pygit2
from benchmarks.systems.tract_ import TractSystem

__all__ = ["SYSTEMS", "Handle", "System"]

_ALL: tuple[System, ...] = (
    Kernel("kernel"),
    Kernel("kernel-tokens", count=token_counts.o200k),
    Kernel("kernel-verified", is_verified=True),
    TractSystem("tract", is_counting=True),
    TractSystem("tract-no-tokens", is_counting=False),
    OpenAISession("openai-session", is_inline=False),
    OpenAISession("openai-session-inline", is_inline=True),
    AdvancedSession(),
    LangGraphSaver(),
    Pygit2("pygit2", is_synced=False, note="as shipped: no fsync, a crash may lose commits"),
    Pygit2("pygit2-fsync", is_synced=True, note="fsync of objects and refs"),
)

SYSTEMS: dict[str, System] = {system.name: system for system in _ALL}
