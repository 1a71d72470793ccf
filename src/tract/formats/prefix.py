"""Answers what a provider ties its cache and its reasoning to: everything a request holds before a place.

A request is its tools, a head (the system text) and then blocks: of Anthropic and Gemini the blocks or parts of
their turns, of OpenAI whole messages or items. Two requests with equal tools agree up to a block exactly when their
chains agree there. Cache breakpoints are no part of it: they say where to cache, not what.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from tract.formats.params import openai_tools
from tract.formats.report import Rendered
from tract.objects.hashing import blob_hash, canonical_json
from tract.objects.message import AnyPart, Extra, Message, Reasoning
from tract.objects.secret import without_secrets

_DOMAIN: Final = b"tract\0sent\0v1\0"


@dataclass(frozen=True, slots=True)
class Chain:
    """The running digests of one request.

    Attributes:
        before: For each block, the digest of everything before it.
        origins: For each block, the message it came from, or `None` for an inserted one.
        end: The digest of the whole request.
    """

    before: Sequence[bytes]
    origins: Sequence[int | None]
    end: bytes

    def starts(self) -> dict[int, bytes]:
        """Return for each message the digest of everything before its first block."""
        found: dict[int, bytes] = {}
        for digest, origin in zip(self.before, self.origins, strict=True):
            if origin is not None:
                found.setdefault(origin, digest)
        return found


def kept_tools(tools: Iterable[Mapping[str, Any]]) -> bytes | None:
    """Return the canonical bytes tool definitions are kept as, in OpenAI's shape; `None` for none.

    A key in one, such as the `authorization` of a remote tool, is not kept.

    Raises:
        NotCanonicalError: A value has no JSON form.
    """
    written = openai_tools(tools)
    return canonical_json(without_secrets(written)) if written else None


def tools_digest(tools: Iterable[Mapping[str, Any]]) -> str:
    """Return what names a list of tool definitions, `""` for none; the same in OpenAI's and in Anthropic's shape."""
    kept = kept_tools(tools)
    return "" if kept is None else blob_hash(kept).hex()


def chain_of(wire: str, rendered: Rendered[Any]) -> Chain:
    """Return the chain of the request that sends *rendered* in the format *wire*.

    Cost:
        O(bytes rendered).
    """
    head, blocks = _FLATTEN[wire](rendered)
    digest = hashlib.sha256(_DOMAIN + canonical_json([wire, head])).digest()
    before: list[bytes] = []
    origins: list[int | None] = []
    for origin, block in blocks:
        before.append(digest)
        origins.append(origin)
        digest = hashlib.sha256(digest + canonical_json(block)).digest()
    return Chain(before, origins, digest)


_Blocks: TypeAlias = Iterator[tuple[int | None, Any]]


def _openai(rendered: Rendered[Any]) -> tuple[Any, _Blocks]:
    return None, _whole(rendered.value, rendered.sources)


def _responses(rendered: Rendered[Any]) -> tuple[Any, _Blocks]:
    return rendered.value.get("instructions"), _whole(rendered.value["input"], rendered.sources)


def _whole(items: Sequence[Any], sources: Sequence[tuple[int, ...]]) -> _Blocks:
    for item, source in zip(items, sources, strict=True):
        yield (source[0] if source else None), item


def _anthropic(rendered: Rendered[Any]) -> tuple[Any, _Blocks]:
    head = [_unmarked(block) for block in _as_blocks(rendered.value.get("system") or [])]
    return head, _turns(rendered.value["messages"], rendered.origins, lambda turn: _as_blocks(turn["content"]))


def _gemini(rendered: Rendered[Any]) -> tuple[Any, _Blocks]:
    head = rendered.value.get("system_instruction")
    return head, _turns(rendered.value["contents"], rendered.origins, lambda turn: turn["parts"])


def _turns(
    turns: Sequence[Mapping[str, Any]],
    origins: Sequence[Sequence[int | None]],
    blocks_of: Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
) -> _Blocks:
    for turn, places in zip(turns, origins, strict=True):
        for block, origin in zip(blocks_of(turn), places, strict=True):
            yield origin, [turn["role"], _unmarked(block)]


def _as_blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    # Text is Anthropic's short form of one text block.
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in block.items() if name != "cache_control"}
    if isinstance(plain.get("content"), list):
        plain["content"] = [_unmarked(inner) if isinstance(inner, Mapping) else inner for inner in plain["content"]]
    return plain


_FLATTEN: Final[Mapping[str, Callable[[Rendered[Any]], tuple[Any, _Blocks]]]] = {
    "openai": _openai,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}


# --- what is bound to its prefix -----------------------------------------------------------------


def has_reasoning(part: AnyPart) -> bool:
    """Whether *part* is reasoning, or signed with what the model reasoned."""
    return isinstance(part, Reasoning) or _signature(part.extra, "gemini") is not None


def is_bound(message: Message, wire: str) -> bool:
    """Whether *message* holds something the provider may tie to everything before it."""
    if message.role != "assistant" or wire not in _READS:
        return False
    return any(_reads(part, wire) or _signature(part.extra, wire) is not None for part in message.parts)


def unbound(message: Message, wire: str) -> Message | None:
    """Return *message* without what its provider ties to a prefix; `None` if nothing else is in it."""
    parts = tuple(_plain(part, wire) for part in message.parts if not _reads(part, wire))
    return replace(message, parts=parts) if parts else None


_READS: Final = {"openai_responses": "openai", "anthropic": "anthropic", "gemini": "gemini"}
"""Whose reasoning each format sends; Chat Completions sends none."""


def _reads(part: AnyPart, wire: str) -> bool:
    return isinstance(part, Reasoning) and part.provider == _READS[wire]


def _signature(extra: Extra, wire: str) -> object:
    return extra.get(wire, {}).get("thought_signature") if wire == "gemini" else None


def _plain(part: AnyPart, wire: str) -> AnyPart:
    """Return *part* without its signature; an OpenAI item without its id, not allowed without its reasoning."""
    fields = dict(part.extra.get(wire, {}))
    name = "thought_signature" if wire == "gemini" else "id"
    if name in fields and wire != "anthropic":
        del fields[name]
    shell = fields.get("message")
    if wire == "openai_responses" and isinstance(shell, Mapping) and "id" in shell:
        fields["message"] = {key: value for key, value in shell.items() if key != "id"}
    return replace(part, extra={**part.extra, wire: fields}) if fields != part.extra.get(wire, {}) else part
