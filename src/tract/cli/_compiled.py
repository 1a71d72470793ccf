"""Answers how a compiled context is written down: as JSON, and as a page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tract.cli._describe import message_text
from tract.cli._render import Block, Body, Heading, Table

if TYPE_CHECKING:
    from tract.compile.context import CompiledContext

FORMATS: Final[Mapping[str, Callable[[CompiledContext], Any]]] = {
    "openai": lambda context: context.to_openai(),
    "openai_responses": lambda context: context.to_openai_responses(),
    "anthropic": lambda context: context.to_anthropic(),
    "gemini": lambda context: context.to_gemini(),
    "dicts": lambda context: context.to_dicts(),
}
"""What each format of `--format` prints."""


def context_json(context: CompiledContext, kind: str) -> dict[str, Any]:
    """Return everything known of a context, its messages in the format *kind*."""
    value = FORMATS[kind](context)
    return {
        "head": context.head,
        "format": kind,
        "token_count": context.token_count,
        "token_source": context.token_source,
        "commit_hashes": list(context.commit_hashes),
        "warnings": list(context.warnings),
        "left_out": [asdict(one) for one in context.left_out],
        **(value if isinstance(value, dict) else {"messages": value}),
    }


def context_blocks(context: CompiledContext) -> list[Block]:
    """Return a line for each message for programs, each in full for people."""
    pairs = list(zip(context.commit_hashes, context.messages, strict=True))
    if not sys.stdout.isatty():
        return [Table([[hash_[:8], message.role, message_text(message)] for hash_, message in pairs])]
    blocks: list[Block] = []
    for hash_, message in pairs:
        blocks += [Heading([(message.role, "bold"), "  ", (hash_[:8], "yellow")]), Body(message_text(message) + "\n")]
    total = f"{len(pairs)} messages, {context.token_count:,} tokens ({context.token_source})"
    return [*blocks, Heading([(total, "dim")])]
