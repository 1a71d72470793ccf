"""Answers whether compressing now pays: what each later turn saves, against the cache it loses and the summaries."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tract.compile.context import CompiledContext
from tract.compile.preview import Prices, as_prices, preview
from tract.operations.compress import CompressOptions, limits_of, nothing, planned
from tract.operations.grouping import Group
from tract.operations.summary import aim_of
from tract.store import Store

RELATIVE: Final = Prices(input=1_000_000, output=5_000_000, cache_read=100_000, cache_write=1_250_000)
"""Prices in tokens of input, as Anthropic publishes them for its models: a cached token costs a tenth to read and a
quarter more to write, a token of output five times as much (platform.claude.com/docs, prompt caching, 2026)."""


class Sending(NamedTuple):
    """How a context is sent: the format, the model if one is named, and the definitions sent along."""

    format: str
    model: str | None = None
    tools: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class CompressPlan:
    """What compressing now would save and cost, as far as it can be told before.

    Attributes:
        groups: How many summaries it would write.
        commits: Hashes of the commits they would cover.
        tokens_before: Tokens of what would be covered.
        tokens_after: Tokens the summaries aim at, together.
        cache_lost_tokens: Tokens behind the first summary that stay, and that the provider has cached now: they are
            written anew once.
        saved_per_turn: What each later turn costs less: in the currency of the prices, without prices in tokens of
            input.
        cost_once: What the first turn and the summaries cost more, in the same; less than 0 if it pays at once.
        cost_of_summaries: What of that the model is paid that writes them, at the same prices; 0 without one.
        turns_until_paid: After how many turns it has paid; `None` if it never does.
    """

    groups: int
    commits: tuple[str, ...] = field(repr=False)
    tokens_before: int
    tokens_after: int
    cache_lost_tokens: int
    saved_per_turn: float
    cost_once: float
    cost_of_summaries: float = 0.0

    @property
    def turns_until_paid(self) -> int | None:
        """After how many turns it has paid; 0 if at once, `None` if it never does."""
        if self.cost_once <= 0:
            return 0
        return None if self.saved_per_turn <= 0 else math.ceil(self.cost_once / self.saved_per_turn)

    def __str__(self) -> str:
        turns = self.turns_until_paid
        when = "never pays" if turns is None else "pays at once" if turns == 0 else f"pays after {turns} turns"
        return f"{self.tokens_before:,} -> {self.tokens_after:,} tokens, {when}"


def compress_plan(
    store: Store,
    context: CompiledContext,
    options: CompressOptions,
    sending: Sending,
    *,
    prices: Prices | Mapping[str, float] | None = None,
    asks_model: bool = False,
) -> CompressPlan:
    """Return what compressing what *options* mean would save and cost; nothing is summarized or written.

    Args:
        store: The store.
        context: What HEAD compiles to.
        options: What to compress.
        sending: How the context is sent.
        prices: Per million tokens.
        asks_model: Whether a model at these prices writes the summaries.

    Raises:
        InvalidInputError: There is nothing to compress, or an argument is not what it should be.
    """
    costs = as_prices(prices) or RELATIVE
    if context.head is None:
        raise nothing()
    groups = planned(store, store.tip(bytes.fromhex(context.head)), options).groups
    before, aimed = sum(group.tokens for group in groups), _aimed(store, groups, options)
    kept = preview(store, context, sending.format, model=sending.model, tools=sending.tools).kept_messages
    lost, fresh = _moved(context, groups, set(context.prove(sending.format, tools=sending.tools).indexes[:kept]))
    read = costs.cost(fresh=0, cached=1)
    # Once cached, a token is read from the cache each turn; until then it has to be written there.
    extra = costs.cost(fresh=1) - read
    call = (before * costs.input + aimed * costs.output) / 1_000_000 if asks_model else 0.0
    return CompressPlan(
        groups=len(groups),
        commits=tuple([commit for group in groups for commit in group.commits]),
        tokens_before=before,
        tokens_after=aimed,
        cache_lost_tokens=lost,
        saved_per_turn=(before - aimed) * read,
        cost_once=(aimed + lost - fresh) * extra + call,
        cost_of_summaries=call,
    )


def _aimed(store: Store, groups: Sequence[Group], options: CompressOptions) -> int:
    """Return the tokens the summaries of *groups* aim at, together."""
    if options.target_tokens is not None:
        return sum(limits_of(store, groups, options.target_tokens))
    return sum(aim_of(group.tokens) for group in groups)


def _moved(context: CompiledContext, groups: Sequence[Group], cached: Collection[int]) -> tuple[int, int]:
    """Return the cached tokens behind the first summary that stay, and those to be covered that are not cached."""
    covered = {entry.placed.id for group in groups for entry in group.entries}
    is_behind, lost, fresh = False, 0, 0
    for index, entry in enumerate(context.shown):
        is_covered = entry.placed.id in covered
        is_behind = is_behind or is_covered
        if is_covered and index not in cached:
            fresh += entry.shown.tokens
        elif is_behind and not is_covered and index in cached:
            lost += entry.shown.tokens
    return lost, fresh
