"""Streams a reply that is already complete, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tract.llm.protocol import ReasoningDelta, Reply, StreamItem, TextDelta, ToolCallDelta

PIECE_CHARACTERS: Final = 24


def replayed(reply: Reply, *, piece_characters: int = PIECE_CHARACTERS) -> Iterator[StreamItem]:
    """Yield *reply* as a stream would: reasoning, text and calls in pieces, and itself as the last item."""
    for part in (*reply.content.reasoning, *reply.content.parts):
        if part.type == "reasoning":
            yield from (ReasoningDelta(piece) for piece in _pieces(part.text, piece_characters))
    yield from (TextDelta(piece) for piece in _pieces(reply.text, piece_characters))
    for index, call in enumerate(reply.tool_calls):
        yield ToolCallDelta(index, call.id, call.name)
        yield from (ToolCallDelta(index, arguments=piece) for piece in _pieces(call.arguments, piece_characters))
    yield reply


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]
