"""Answers when the stream of a client is closed: as soon as nobody reads on, however that came about.

A client of one's own may return any iterator; one that cannot be closed is left as it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager

from tract.llm.protocol import LLM, Request, StreamItem


@contextmanager
def opened(llm: LLM, request: Request) -> Generator[Iterator[StreamItem]]:
    """Ask *llm*, and give what it streams to the block, after which it is closed."""
    items = llm.stream(request)
    try:
        yield items
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


@asynccontextmanager
async def aopened(llm: LLM, request: Request) -> AsyncGenerator[AsyncIterator[StreamItem]]:
    """As `opened`. The event loop would close an async generator later, and not in the task that read it."""
    items = llm.astream(request)
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
