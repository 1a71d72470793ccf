"""Answers what a context is like once it fits a token budget; what to keep is decided in `fit`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tract.compile.compiler import context_tokens, count_warnings, source_of, tokens_of
from tract.compile.context import CompiledContext
from tract.compile.fit import FitStrategy, LeftOut, MessageGroup, Why, decide, strategy_named
from tract.compile.fold import Entry
from tract.compile.proof import FORMATS
from tract.compile.relevance import RELEVANT, relevant
from tract.errors import InvalidInputError, shown
from tract.formats.repair import exchanges
from tract.history.replies import replies
from tract.objects.config import TokenBudget
from tract.objects.message import Message
from tract.objects.policy import Event
from tract.store import Store

_BY_PLACE = frozenset({"newest", "window", RELEVANT})
"""Strategies that ask nothing of who answers whom."""


@dataclass(frozen=True, slots=True)
class _Sized:
    """A message of the context, the entry it came from, and its tokens by the tokenizer in force."""

    message: Message
    entry: Entry
    tokens: int


def fitted(
    store: Store,
    context: CompiledContext,
    budget: int | TokenBudget | None,
    strategy: str | FitStrategy | None,
    *,
    query: str | None = None,
) -> CompiledContext:
    """Return *context*, or what of it fits.

    Counts are those of the tokenizer, also where a provider's usage was recorded: what is kept must not jump
    with each recorded reply.

    Args:
        store: The open store.
        context: What was compiled, whole.
        budget: Largest `token_count`; `None` for the tract's own budget if there is a strategy, else for no limit.
        strategy: What to keep; `None` for `newest`.
        query: What `relevant` looks for.

    Raises:
        BudgetExceededError: What cannot be left out is larger.
        InvalidInputError: No such budget or strategy, a strategy without any budget, or a query for another one.
        PolicyDeniedError: A policy does not let it be compiled.

    Cost:
        O(messages), and with `importance` or a strategy of the caller's own O(commits that have a note).
    """
    if store.policies is None:
        return _fitted(store, context, budget, strategy, query=query)
    args = {"tokens": context.token_count, "messages": len(context.messages)}
    store.policies.before(Event("before_compile", "compile", args=args))
    made = _fitted(store, context, budget, strategy, query=query)
    store.policies.after(Event("after_compile", "compile", args={**args, "left_out": len(made.left_out)}))
    return made


def _fitted(
    store: Store,
    context: CompiledContext,
    budget: int | TokenBudget | None,
    strategy: str | FitStrategy | None,
    *,
    query: str | None,
) -> CompiledContext:
    if budget is None and strategy is None and query is None:
        return context
    name, choose, why = _chosen("newest" if strategy is None else strategy, query)
    limit = _limit(store, budget)
    pairs = zip(context.messages, context.shown, strict=True)
    sized = [_Sized(message, entry, tokens_of(store, message, entry)) for message, entry in pairs]
    if _total(sized) <= limit:
        return _counted(store, context, sized)
    answered = _answered(store, context, sized) if name not in _BY_PLACE else frozenset()
    places = _places(sized)
    groups = list(_groups(sized, places, answered))
    kept = decide(groups, limit, choose)
    anyway = sum(group.tokens for group in groups if group.is_kept_anyway)
    room = limit - context_tokens(anyway, is_empty=False)
    left: dict[int, Why] = {}
    for index, group in enumerate(groups):
        if index not in kept:
            left.update(dict.fromkeys(places[index], "too_large" if group.tokens > room else why))
    return _without(_counted(store, context, sized), sized, left, f"{limit:,} tokens ({name})")


def _chosen(strategy: str | FitStrategy, query: object) -> tuple[str, FitStrategy, Why]:
    """Return the strategy's name, the strategy, and why it leaves something out."""
    is_relevant = isinstance(strategy, str) and strategy == RELEVANT
    if query is None and not is_relevant:
        return strategy_named(strategy)
    if not isinstance(query, str) or not is_relevant:
        raise InvalidInputError(
            "The strategy `relevant` and a `query` of text belong together.",
            hint="Write `t.compile(strategy='relevant', query='...')`.",
        )
    return RELEVANT, relevant(query), "less_relevant"


def _limit(store: Store, budget: object) -> int:
    if budget is None:
        budget = store.config.budget
        if budget is None:
            raise InvalidInputError(
                "A strategy needs a budget to fit.", hint="Pass `t.compile(budget=...)`, or set one with `t.configure`."
            )
    if isinstance(budget, TokenBudget):
        return budget.usable_tokens
    if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0:
        return budget
    raise InvalidInputError(
        f"{shown(budget)} is no budget.", hint="Give a positive number of tokens or a `TokenBudget`."
    )


def _total(sized: Collection[_Sized]) -> int:
    return context_tokens(sum(one.tokens for one in sized), is_empty=not sized)


def _counted(store: Store, context: CompiledContext, sized: Collection[_Sized]) -> CompiledContext:
    """Return *context* counted by the tokenizer in force."""
    source = source_of(store)
    if context.token_source == source:
        return context
    warnings = (*context.warnings, *count_warnings(store, source))
    return replace(context, token_count=_total(sized), token_source=source, warnings=warnings)


def _answered(store: Store, context: CompiledContext, sized: Iterable[_Sized]) -> frozenset[bytes]:
    """Return the hashes of the commits that messages of *context* reply to."""
    assert context.head is not None  # else nothing has to be left out
    reply_to = replies(store, bytes.fromhex(context.head))
    return frozenset(reply_to[one.entry.placed.hash] for one in sized if one.entry.placed.hash in reply_to)


# --- groups --------------------------------------------------------------------------------------


def _places(sized: Sequence[_Sized]) -> list[tuple[int, ...]]:
    """Return the indexes of the messages of each group: exchanges, and reasoning with the reply behind it."""
    followed = [
        (index, index + 1)
        for index, (one, following) in enumerate(pairwise(sized))
        if following.message.role == "assistant" and _is_reasoning(one)
    ]
    return exchanges([one.message for one in sized], followed)


def _is_reasoning(one: _Sized) -> bool:
    message = one.message
    if message.role != "assistant":
        return False
    if one.entry.shown.content_type == "reasoning":
        return True
    return bool(message.parts) and len(message.reasoning) == len(message.parts)


def _groups(
    sized: Sequence[_Sized], places: Sequence[Sequence[int]], answered: frozenset[bytes]
) -> Iterator[MessageGroup]:
    newest = _newest(sized, places)
    for index, group in enumerate(places):
        held = [sized[place] for place in group]
        yield MessageGroup(
            tuple([one.message for one in held]),
            tuple([one.entry.placed.hash.hex() for one in held]),
            sum(one.tokens for one in held),
            is_pinned=any(map(_is_pinned, held)),
            is_newest=index in newest,
            is_summary=any(one.entry.placed.op == "compress" for one in held),
            is_edited=any(one.entry.shown.id != one.entry.placed.id for one in held),
            is_answered=any(one.entry.placed.hash in answered for one in held),
        )


def _is_pinned(one: _Sized) -> bool:
    return one.entry.priority == "pinned" or _is_instruction(one.message)


def _is_instruction(message: Message) -> bool:
    return message.role in {"system", "developer"}


def _newest(sized: Sequence[_Sized], places: Sequence[Sequence[int]]) -> set[int]:
    """Return the last group that is more than instructions, and for each format the last it has anything to send for.

    Mostly they are one. But formats leave out blank texts, or results without a call: without an earlier
    group a request could be left without any message, which providers refuse.
    """
    newest: set[int] = set()
    silent = set(FORMATS)
    for index in reversed(range(len(places))):
        held = [message for place in places[index] if not _is_instruction(message := sized[place].message)]
        sent = {provider for provider in silent if held and any(FORMATS[provider](held).sources)}
        if sent or (held and not newest):
            newest.add(index)
        silent -= sent
        if not silent:
            break
    return newest


# --- what is left --------------------------------------------------------------------------------


def _without(context: CompiledContext, sized: Sequence[_Sized], left: dict[int, Why], budget: str) -> CompiledContext:
    """Return *context* without the messages *left* out, each for its reason."""
    kept = [one for place, one in enumerate(sized) if place not in left]
    left_out = tuple([_left_out(sized[place], left[place]) for place in sorted(left)])
    tokens = sum(one.tokens for one in left_out)
    said = f"Left out {len(left_out)} of {len(sized)} messages, {tokens:,} tokens, to fit {budget}."
    return replace(
        context,
        messages=tuple([one.message for one in kept]),
        token_count=_total(kept),
        warnings=(*context.warnings, said),
        shown=tuple([one.entry for one in kept]),
        left_out=left_out,
    )


def _left_out(one: _Sized, why: Why) -> LeftOut:
    return LeftOut(one.entry.placed.hash.hex(), one.message.role, one.tokens, why)
