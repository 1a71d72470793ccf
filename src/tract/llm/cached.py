"""Answers again what was answered before: replies kept by the exact request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from tract.errors import InvalidInputError, ModelResponseError, TractError
from tract.llm.adapt import as_llm
from tract.llm.opened import aopened, opened
from tract.llm.protocol import Format, Reply, Request, StreamItem
from tract.llm.providers import codec_for
from tract.llm.replay import replayed
from tract.llm.wire import Outgoing, encoded, parse_json


@runtime_checkable
class Cache(Protocol):
    """Keeps bytes by key. What it forgets is asked again."""

    def get(self, key: str) -> bytes | None:
        """Return what was put under *key*, or `None`."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Keep *value* under *key*."""
        ...


class MemoryCache:
    """A `Cache` that lasts as long as the process."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return what was put under *key*, or `None`."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Keep *value* under *key*."""
        with self._lock:
            self._kept[key] = value

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<MemoryCache replies={len(self)}>"


class CachedLLM:
    """A client that asks each request once.

    The key is the SHA-256 of the body that would be sent, the provider and its address (of a function its name), so a
    changed word, setting or tool is another request. Failures are never kept. A kept reply is streamed in pieces. A
    cache that cannot be read or written costs a call, never an answer.

    Attributes:
        hits: How many requests were answered from the cache.
        misses: How many were asked.
    """

    def __init__(self, llm: Any, cache: Cache | None = None) -> None:
        """Take the client to ask and where replies are kept.

        Args:
            llm: Anything `llm=` takes.
            cache: Such as `t.reply_cache`, which keeps them in the store; this process's memory if `None`.

        Raises:
            InvalidInputError: One of the two is none.
        """
        self._llm = as_llm(llm)
        self._cache: Cache = MemoryCache() if cache is None else cache
        if not isinstance(self._cache, Cache):
            raise InvalidInputError("A cache has `get` and `put`.")
        self._codec = codec_for(self._llm.format, self._llm.provider)
        self.hits = 0
        self.misses = 0

    @property
    def format(self) -> Format:
        """The wire format of the client."""
        return self._llm.format

    @property
    def model(self) -> str | None:
        """The model of the client."""
        return self._llm.model

    @property
    def provider(self) -> str:
        """The provider of the client."""
        return self._llm.provider

    def __repr__(self) -> str:
        return f"<CachedLLM {self._llm!r} hits={self.hits} misses={self.misses}>"

    def prepare(self, request: Request, *, stream: bool = False) -> Outgoing:
        """Return what would be sent."""
        prepare = getattr(self._llm, "prepare", None)
        if callable(prepare):
            prepared: Outgoing = prepare(request, stream=stream)
            return prepared
        return self._codec.body(request, model=request.model or self._llm.model or "", stream=stream)

    def send(self, request: Request) -> Reply:
        """Return the kept reply, or ask and keep it.

        Raises:
            ModelError: The client could not answer.
        """
        outgoing, key, kept = self._find(request)
        return kept or self._keep(key, outgoing, self._llm.send(request))

    def stream(self, request: Request) -> Iterator[StreamItem]:
        """As `send`, in pieces."""
        outgoing, key, kept = self._find(request)
        if kept:
            yield from replayed(kept)
            return
        with opened(self._llm, request) as items:
            for item in items:
                yield self._keep(key, outgoing, item) if isinstance(item, Reply) else item

    async def asend(self, request: Request) -> Reply:
        """As `send`."""
        outgoing, key, kept = self._find(request)
        return kept or self._keep(key, outgoing, await self._llm.asend(request))

    async def astream(self, request: Request) -> AsyncIterator[StreamItem]:
        """As `stream`."""
        outgoing, key, kept = self._find(request)
        if kept:
            for item in replayed(kept):
                yield item
            return
        async with aopened(self._llm, request) as items:
            async for item in items:
                yield self._keep(key, outgoing, item) if isinstance(item, Reply) else item

    def _find(self, request: Request) -> tuple[Outgoing, str, Reply | None]:
        outgoing = self.prepare(request)
        key = self._key(outgoing)
        kept = self._read(self._got(key), outgoing)
        if kept is None:
            self.misses += 1
        else:
            self.hits += 1
        return outgoing, key, kept

    def _got(self, key: str) -> bytes | None:
        try:
            return self._cache.get(key)
        except TractError:
            return None

    def _key(self, outgoing: Outgoing) -> str:
        where = [self.format, self.provider, getattr(self._llm, "base_url", None), outgoing.path, outgoing.body]
        return hashlib.sha256(encoded(where, sort_keys=True)).hexdigest()

    def _keep(self, key: str, outgoing: Outgoing, reply: Reply) -> Reply:
        fields = {"format": reply.format, "provider": reply.provider, "answer": reply.raw}
        try:
            value = encoded(fields)
            # A client of one's own may leave out the answer as it came; then there is nothing to read back.
            again = self._read(value, outgoing)
            if again is not None and again.content == reply.content:
                self._cache.put(key, value)
        except TractError:
            pass
        return reply

    def _read(self, value: bytes | None, outgoing: Outgoing) -> Reply | None:
        """Return the reply kept as *value*, or `None` if it cannot be read, which is as good as none."""
        if value is None:
            return None
        try:
            fields = parse_json(value.decode(), "the cache")
            codec = codec_for(fields["format"], fields["provider"])
            return replace(codec.read(fields["answer"], outgoing), provider=fields["provider"])
        except (ModelResponseError, InvalidInputError, ValueError, KeyError, TypeError):
            return None
