"""Answers what of a context a provider would take as unchanged: which reasoning is still valid, what its cache holds.

A reasoning block is valid only behind exactly what it was produced from, so each reply keeps the digest of its
request. Going through a context from the front, a reply is alive if the request about to be sent begins with
that digest; what is dead is left out, and what comes after is judged by what is really sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from tract.errors import InvalidInputError, shown
from tract.formats.anthropic import to_anthropic
from tract.formats.gemini import to_gemini
from tract.formats.openai_chat import to_openai
from tract.formats.prefix import Chain, chain_of, is_bound, tools_digest, unbound
from tract.formats.report import Loss, Rendered
from tract.formats.responses import to_openai_responses
from tract.objects.message import Message

FORMATS: Final[Mapping[str, Callable[..., Rendered[Any]]]] = {
    "openai": to_openai,
    "openai_responses": to_openai_responses,
    "anthropic": to_anthropic,
    "gemini": to_gemini,
}
"""How messages are written for each provider, by the name of the format."""

Life: TypeAlias = Literal["bound", "dead", "unknown"]


def format_named(name: object) -> Callable[..., Rendered[Any]]:
    """Return what writes the format called *name*.

    Raises:
        InvalidInputError: There is none.
    """
    if not isinstance(name, str) or name not in FORMATS:
        raise InvalidInputError(f"Unknown format {shown(name)}.", hint=f"Known are {', '.join(FORMATS)}.")
    return FORMATS[name]


@dataclass(frozen=True, slots=True)
class ReasoningLife:
    """What became of the reasoning of one reply.

    Attributes:
        commit: Hash of the commit that placed the reply.
        message_index: Its place among the messages compiled.
        life: `bound` to an unchanged prefix, so it is sent; `dead`, so it is left out (a Gemini signature on a
            call is replaced); `unknown`, sent as it is, because it came from elsewhere.
    """

    commit: str
    message_index: int
    life: Life


@dataclass(frozen=True)
class PrefixProof:
    """A context ready for one provider, with what is known of its prefix.

    Attributes:
        format: The wire format.
        messages: What to send: the messages without dead reasoning.
        indexes: For each message to send, its place among the messages compiled.
        reasoning: What became of each reply's reasoning, in order.
        rendered: The messages in the provider's format, with losses and repairs.
    """

    format: str
    messages: Sequence[Message]
    indexes: Sequence[int]
    reasoning: tuple[ReasoningLife, ...]
    rendered: Rendered[Any] = field(repr=False)

    @property
    def written(self) -> Rendered[Any]:
        """The messages in the provider's format; losses and repairs name the messages compiled."""
        lost = [Loss("reasoning", one.message_index, "what came before it has changed") for one in self.dead]
        if not lost:
            return self.rendered
        losses = [replace(loss, message_index=self._index(loss.message_index)) for loss in self.rendered.losses]
        return replace(
            self.rendered,
            losses=tuple(sorted([*losses, *lost], key=lambda loss: loss.message_index or 0)),
            repairs=tuple(replace(one, message_index=self._index(one.message_index)) for one in self.rendered.repairs),
            sources=[tuple(self.indexes[at] for at in source) for source in self.rendered.sources],
            origins=[tuple(self._index(at) for at in origin) for origin in self.rendered.origins],
        )

    def _index(self, at: int | None) -> int | None:
        return None if at is None else self.indexes[at]

    @property
    def dead(self) -> tuple[ReasoningLife, ...]:
        """The reasoning that is left out."""
        return tuple(one for one in self.reasoning if one.life == "dead")

    @cached_property
    def chain(self) -> Chain:
        """The running digests of the request's blocks."""
        return chain_of(self.format, self.rendered)

    @property
    def digest(self) -> str:
        """Digest of the whole request but its tools; what a reply to it keeps as its prefix."""
        return self.chain.end.hex()


Sent: TypeAlias = Mapping[str, Any]
"""What a reply keeps of its request: `format`, `prefix` (its digest), `tools` (their digest), `model`."""


def prove(
    messages: Sequence[Message],
    hashes: Sequence[str],
    wire: str,
    *,
    tools: Iterable[Mapping[str, Any]] | None = None,
    sent_of: Callable[[int], Sent | None],
) -> PrefixProof:
    """Return *messages* as they may be sent in the format *wire*.

    Args:
        messages: The compiled messages.
        hashes: Commit hash of each.
        wire: Name of the format.
        tools: Definitions sent along; `None` leaves them out of the question.
        sent_of: What the reply at an index keeps of its request, `None` if nothing is known.

    Raises:
        InvalidInputError: There is no such format.

    Cost:
        O(messages); O(bytes) for each time live and dead reasoning alternate.
    """
    write = format_named(wire)
    bound = [at for at, message in enumerate(messages) if is_bound(message, wire)]
    if not bound:
        return PrefixProof(wire, messages, range(len(messages)), (), write(messages, hashes=hashes))
    digest = None if tools is None else tools_digest(tools)
    prefixes = {at: _prefix(sent_of(at), wire, digest) for at in bound}
    judged = {at: prefix for at, prefix in prefixes.items() if prefix is not None}
    dead: set[int] = set()
    while True:
        kept, indexes = _kept(messages, wire, dead)
        proof = PrefixProof(
            wire, kept, indexes, _lives(hashes, prefixes, dead), write(kept, hashes=[hashes[at] for at in indexes])
        )
        wrong = _first_wrong(judged, proof, dead)
        if wrong is None:
            return proof
        # What was judged wrong is mended for all later ones as well: they mostly share its fate. Each is judged
        # again in its turn, so the first wrong one is later each time.
        later = {at for at in judged if at >= wrong}
        dead = dead - later if wrong in dead else dead | later


_NEVER: Final = "never"
"""A prefix no request has."""


def _prefix(sent: Sent | None, wire: str, tools: str | None) -> str | None:
    """Return the digest a request must begin with for the reply's reasoning to be valid, `None` if not known."""
    if sent is None or "prefix" not in sent:
        return None
    if sent.get("format") != wire or (tools is not None and sent.get("tools", "") != tools):
        return _NEVER
    return str(sent["prefix"])


def _first_wrong(judged: Mapping[int, str], proof: PrefixProof, dead: set[int]) -> int | None:
    starts = {proof.indexes[at]: digest.hex() for at, digest in proof.chain.starts().items()}
    for at, prefix in judged.items():
        start = starts.get(at)
        if start is None:
            # Without its reasoning nothing of it is sent, so its place is where the next one begins.
            start = next((starts[later] for later in sorted(starts) if later > at), proof.digest)
        if (prefix == start) == (at in dead):
            return at
    return None


def _kept(messages: Sequence[Message], wire: str, dead: set[int]) -> tuple[Sequence[Message], Sequence[int]]:
    if not dead:
        return messages, range(len(messages))
    pairs = [(unbound(message, wire) if at in dead else message, at) for at, message in enumerate(messages)]
    return [message for message, _ in pairs if message is not None], [
        at for message, at in pairs if message is not None
    ]


def _lives(hashes: Sequence[str], prefixes: Mapping[int, str | None], dead: set[int]) -> tuple[ReasoningLife, ...]:
    lives: dict[bool, Life] = {True: "dead", False: "bound"}
    return tuple(
        ReasoningLife(hashes[at], at, "unknown" if prefix is None else lives[at in dead])
        for at, prefix in prefixes.items()
    )
