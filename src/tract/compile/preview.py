"""Answers what the next request will be to its provider: how much of it is cached, what changed, what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tract.compile.compiler import compile_commit, states_of
from tract.compile.context import CompiledContext
from tract.compile.fold import Entry, Event, State
from tract.compile.proof import PrefixProof, ReasoningLife, Sent
from tract.errors import InvalidInputError, shown
from tract.formats.prefix import tools_digest
from tract.formats.report import Loss, Repair
from tract.history.info import commit_info
from tract.objects.message import Message
from tract.store import Store

_LOOKED_AT: Final = 200
"""How many of the last replies are asked for the request they answered."""


class Prices(BaseModel):
    """What a model costs, in any currency, per million tokens.

    Attributes:
        input: Tokens sent.
        output: Tokens received.
        cache_read: Tokens read from the cache; as `input` if not given.
        cache_write: Tokens put into it; as `input` if not given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(default=0.0, ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)

    def cost(self, *, fresh: int, cached: int = 0, output: int = 0) -> float:
        """Return the cost of a call: *fresh* tokens sent and put into the cache, *cached* ones read from it."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        return (fresh * write + cached * read + output * self.output) / 1_000_000


@dataclass(frozen=True, slots=True)
class Preview:
    """The next request, before it is sent.

    Attributes:
        format: The wire format.
        model: The model, if one was named.
        message_count: Messages to send.
        token_count: Their tokens, by the tract's tokenizer.
        previous: Hash of the last reply to the same format and model, or `None`: nothing can be cached yet.
        kept_messages: Messages the request has in common with the one before, from the front: what a prompt cache
            holds, as long as the provider keeps it.
        kept_tokens: Their tokens.
        first_difference: Index of the first message that is not what was sent before; `None` if the request only
            goes on from the one before, or there was none.
        caused_by: Hash of the commit that made that difference; `None` if it was no commit, as with other tools.
        tools_changed: Whether other tools are sent than before, which leaves nothing cached.
        reasoning: What became of each reply's reasoning.
        breakpoints: Indexes of the messages after which a cache breakpoint is set, where the provider wants them.
        cost: What sending costs, if prices were given.
        losses: What the provider will not see.
        repairs: What is changed so that it takes the messages.
    """

    format: str
    model: str | None
    message_count: int
    token_count: int
    previous: str | None
    kept_messages: int
    kept_tokens: int
    first_difference: int | None
    caused_by: str | None
    tools_changed: bool
    reasoning: tuple[ReasoningLife, ...]
    breakpoints: tuple[int, ...]
    cost: float | None
    losses: tuple[Loss, ...] = field(default=(), repr=False)
    repairs: tuple[Repair, ...] = field(default=(), repr=False)

    @property
    def dead(self) -> tuple[ReasoningLife, ...]:
        """The reasoning that will be left out, because what came before it has changed."""
        return tuple(one for one in self.reasoning if one.life == "dead")


@dataclass(frozen=True, slots=True)
class _Before:
    """The request before: the reply to it, what was sent, and how it went."""

    reply: Event
    sent: Sent
    context: CompiledContext
    proof: PrefixProof


def preview(
    store: Store,
    context: CompiledContext,
    wire: str,
    *,
    model: str | None = None,
    tools: Iterable[Mapping[str, Any]] = (),
    prices: Prices | Mapping[str, float] | None = None,
) -> Preview:
    """Return what sending *context* in the format *wire* will mean.

    Raises:
        InvalidInputError: There is no such format, or an argument of the wrong type.

    Cost:
        O(bytes) of both requests.
    """
    if not isinstance(context, CompiledContext):
        raise InvalidInputError(
            f"`context` is what `t.compile()` returned, not {shown(context)}.", hint="Leave it out for that of HEAD."
        )
    # Read twice; what is no list of tools is refused by the digest.
    tools, costs = list(tools) if isinstance(tools, Iterable) else tools, as_prices(prices)
    digest = tools_digest(tools)
    proof = context.prove(wire, tools=tools)
    before = _request_before(store, context, wire, model)
    tokens = [entry.shown.tokens for entry in context.shown]
    total = sum(tokens[at] for at in proof.indexes)
    kept, difference, changed = 0, None, False
    if before is not None:
        changed = before.sent.get("tools", "") != digest
        same = _in_common(before.proof, proof)
        kept = 0 if changed else same
        difference = _difference(before.proof, proof, same)
    kept_tokens = sum(tokens[at] for at in islice(proof.indexes, kept))
    return Preview(
        format=wire,
        model=model,
        message_count=len(proof.messages),
        token_count=total,
        previous=None if before is None else before.reply.hash.hex(),
        kept_messages=kept,
        kept_tokens=kept_tokens,
        first_difference=None if difference is None else proof.indexes[difference],
        caused_by=None if before is None or difference is None else _cause(store, before.context, context),
        tools_changed=changed,
        reasoning=proof.reasoning,
        breakpoints=breakpoints(proof.messages),
        cost=None if costs is None else costs.cost(fresh=total - kept_tokens, cached=kept_tokens),
        losses=proof.written.losses,
        repairs=proof.written.repairs,
    )


def as_prices(prices: Prices | Mapping[str, float] | None) -> Prices | None:
    """Return *prices* as they are used.

    Raises:
        InvalidInputError: They are no prices.
    """
    if prices is None or isinstance(prices, Prices):
        return prices
    try:
        return Prices.model_validate(prices)
    except ValidationError as error:
        raise InvalidInputError(
            "`prices` says what a million tokens cost: `input`, `output`, `cache_read`, `cache_write`.",
            hint="Give numbers, as in `{'input': 3.0, 'output': 15.0}`.",
        ) from error


def breakpoints(messages: Sequence[Message]) -> tuple[int, ...]:
    """Return the messages behind which a cached prefix may end.

    These are the instructions; what the last reply was sent, which this request reads; and the end, which the next
    one will. Marking them changes no hash, for they belong to the request alone.
    """
    instructions = next((at for at, m in enumerate(messages) if m.role not in {"system", "developer"}), len(messages))
    last = next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "assistant"), 0)
    return tuple(end - 1 for end in sorted({instructions, last, len(messages)} - {0}))


def _request_before(store: Store, context: CompiledContext, wire: str, model: str | None) -> _Before | None:
    """Return the last request in the history of *context* that went to this format and model."""
    if context.head is None:
        return None
    states = states_of(store)
    events = states.get(bytes.fromhex(context.head)).events
    replies = (event for event in (events[at] for at in range(len(events) - 1, -1, -1)) if event.origin == "model")
    for event in islice(replies, _LOOKED_AT):
        sent = states.sent(Entry(event, event, event.priority))
        if sent is None or sent.get("format") != wire or (model is not None and sent.get("model") != model):
            continue
        parents = commit_info(store, event.hash).parents
        if parents:
            earlier = compile_commit(store, bytes.fromhex(parents[0]), has_usage=False)
            before = _Before(event, sent, earlier, earlier.prove(wire))
            # A reply that landed behind what came in meanwhile does not say what it was sent.
            return before if before.proof.digest == sent.get("prefix") else None
    return None


def _in_common(before: PrefixProof, now: PrefixProof) -> int:
    """Return how many messages both requests begin with."""
    then, here = before.chain, now.chain
    # The digest before a block tells whether everything up to there is the same.
    last = -1
    for at, (mine, theirs) in enumerate(zip((*then.before, then.end), (*here.before, here.end), strict=False)):
        if mine != theirs:
            break
        last = at
    if last < 0:
        return 0
    if last == len(here.before):
        return len(now.messages)
    first = next((origin for origin in here.origins[last:] if origin is not None), None)
    return len(now.messages) if first is None else first


def _difference(before: PrefixProof, now: PrefixProof, same: int) -> int | None:
    """Return the first message to send that is not what was sent, `None` if the request only goes on."""
    if now.chain.before and before.chain.before and now.chain.before[0] != before.chain.before[0]:
        return 0  # what goes before all messages, such as Anthropic's system text
    goes_on = before.chain.end in {*now.chain.before, now.chain.end}
    return None if goes_on or not now.messages else min(same, len(now.messages) - 1)


def _cause(store: Store, before: CompiledContext, context: CompiledContext) -> str | None:
    """Return the commit that made the first difference between the contexts of two requests."""
    pair = _first_pair(before.shown, context.shown)
    if pair is None or context.head is None:
        return None
    now = states_of(store).get(bytes.fromhex(context.head))
    then = None if before.head is None else states_of(store).get(bytes.fromhex(before.head))
    known = set() if then is None else {event.id for event in then.events}
    touched = {name for state in (then, now) for entry in pair for name in _names(state, entry)}
    for event in now.events:
        is_change = event.id not in known and event.op not in {"append", "merge"}
        if is_change and not touched.isdisjoint((event.id, *event.targets)):
            return event.hash.hex()
    return None if pair[1] is None else pair[1].placed.hash.hex()


def _first_pair(old: Sequence[Entry], new: Sequence[Entry]) -> tuple[Entry | None, Entry | None] | None:
    for at in range(max(len(old), len(new))):
        mine, theirs = (old[at] if at < len(old) else None), (new[at] if at < len(new) else None)
        if mine is None or theirs is None or (mine.shown.id != theirs.shown.id):
            return mine, theirs
    return None


def _names(state: State | None, entry: Entry | None) -> set[int]:
    """Return the row ids a commit may name that changed *entry*: its own and those of all that acted on it."""
    here = None if state is None or entry is None else state.entry(entry.placed.id)
    if here is None:
        return set()
    return {here.placed.id, here.shown.id, *here.covers, *([] if here.annotated is None else [here.annotated.id])}
