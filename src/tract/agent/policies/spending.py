"""Answers what the calls of models have cost: in this turn, and since the tract began.

A session is the life of a tract, as its operation log has it, on whatever branch and undone or not: what was paid is
paid. A turn is what the model has said since the user last did, in the history of HEAD. Counted are the replies to
`chat`, `generate` and `run`, by the usage that was recorded for them and else by the tokenizer; usage that was recorded
for replies committed by hand; and the calls of summaries and merges that a model decided. A call that failed, or whose
reply was refused, is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from tract.agent.limits import Price
from tract.compile.compiler import states_of
from tract.compile.fold import Event as Written
from tract.compile.preview import Prices
from tract.history.info import commit_info
from tract.objects.usage import Usage
from tract.storage import spending as q
from tract.storage.spending import ASKING, CallRow
from tract.store import Store

# Read from what was written long ago, so nothing of it is taken for granted.
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


@dataclass(frozen=True, slots=True)
class Spent:
    """What some calls of models have cost.

    Attributes:
        calls: How many they were.
        by_model: Tokens of all calls together, by the model that answered, `""` where that is not known.
    """

    calls: int = 0
    by_model: Mapping[str, Usage] = field(default_factory=dict, hash=False)

    @property
    def tokens(self) -> int:
        """Tokens sent and received, of all models together."""
        return sum(usage.input_tokens + usage.output_tokens for usage in self.by_model.values())

    def cost(self, prices: Mapping[str, Prices]) -> float | None:
        """Return what they cost by *prices*, or `None` where a model has none; see `price_of`."""
        found = [(price_of(prices, model), usage) for model, usage in self.by_model.items()]
        costs = [price.cost(usage) for price, usage in found if price is not None]
        return sum(costs) if len(costs) == len(found) else None


def price_of(prices: Mapping[str, Prices], model: str) -> Price | None:
    """Return the price of *model*: that of the longest beginning of its name; `""` is the beginning of every name."""
    names = [name for name in prices if model.startswith(name)]
    return Price(**prices[max(names, key=len)].model_dump()) if names else None


class Call(NamedTuple):
    """What the calls behind one commit cost."""

    model: str
    usage: Usage
    number: int = 1


def total(calls: Iterable[Call]) -> Spent:
    """Return what *calls* cost together."""
    sums = _Sums()
    for call in calls:
        sums.add(call)
    return sums.spent()


class Spending(Protocol):
    """Where a view finds what was spent."""

    def turn(self, store: Store, head: bytes | None) -> Spent:
        """Return what was spent since the user last said something in the history of *head*."""
        ...

    def session(self, store: Store) -> Spent:
        """Return what was spent since the tract began."""
        ...


class _Sums:
    """Sums by model, which can be added to and taken from."""

    def __init__(self) -> None:
        self._calls = 0
        self._by_model: dict[str, list[int]] = {}

    def add(self, call: Call, sign: int = 1) -> None:
        """Add what *call* cost, or with a *sign* of -1 take it out again."""
        self._calls += sign * call.number
        sums = self._by_model.setdefault(call.model, [0, 0, 0, 0])
        for at, name in enumerate(_COUNTS):
            sums[at] += sign * getattr(call.usage, name)

    def spent(self) -> Spent:
        """Return the sums as they are now."""
        return Spent(self._calls, {model: _counted(sums) for model, sums in self._by_model.items() if any(sums)})


class Ledger:
    """What a tract's calls cost, read from its operation log: all of it once, then what was added.

    Cost:
        O(operations since it was last looked at), and of a turn O(commits of the turn).
    """

    def __init__(self) -> None:
        self._upto = 0
        self._calls: dict[str, Call] = {}
        self._sums = _Sums()

    def turn(self, store: Store, head: bytes | None) -> Spent:
        """Return what was spent since the user last said something in the history of *head*."""
        self._read(store)
        return total(self._calls[name] for name in _replies(store, head) if name in self._calls)

    def session(self, store: Store) -> Spent:
        """Return what was spent since the tract began."""
        self._read(store)
        return self._sums.spent()

    def _read(self, store: Store) -> None:
        with store.lock:
            upto = store.last_operation()
            if upto == self._upto:
                return
            found = store.all(q.CALLS, tract_id=store.tract_id, since=self._upto, upto=upto)
            for row in map(CallRow._make, found):
                for name, call in (*_told(row), *_summarized(store, row)):
                    self._put(name, call)
            self._upto = upto

    def _put(self, name: str, call: Call) -> None:
        # A usage recorded again corrects the one before.
        before = self._calls.get(name)
        if before is not None:
            self._sums.add(before, -1)
        self._calls[name] = call
        self._sums.add(call)


def _replies(store: Store, head: bytes | None) -> Iterator[str]:
    """Yield the hash of each reply since the user last said something, the newest first."""
    if head is None:
        return
    events = states_of(store).get(head).events
    for at in range(len(events) - 1, -1, -1):
        event = events[at]
        if is_question(event):
            return
        if event.origin == "model" or event.op == "compress":
            yield event.hash.hex()


def is_question(event: Written) -> bool:
    """Tell whether *event* added what a user said; one that was erased said it as well."""
    role = "user" if event.message is None and event.content_type == "dialogue" else None
    role = event.message.role if event.message is not None else role
    return event.op == "append" and role == "user" and event.origin != "model"


def _told(row: CallRow) -> Iterator[tuple[str, Call]]:
    """Yield what an operation tells of calls, by the commit they are behind, or by a name of their own."""
    args, config = json.loads(row.args), json.loads(row.config) if row.config else {}
    noted = [one for one in args.get("usages", ()) if isinstance(one.get("usage"), dict)]
    for one in noted:
        yield (
            str(one["commit"]),
            Call(str(one["usage"].get("model") or config.get("model") or ""), _usage(one["usage"])),
        )
    if row.hash is not None and not noted and row.verb in ASKING and row.origin == "model":
        yield row.hash.hex(), Call(str(config.get("model") or ""), estimated(row.tokens, row.context_tokens))
    for at, one in enumerate(args.get("calls", ())):
        yield f"{row.number}:{at}", Call(str(one.get("model") or ""), _usage(one))


def _summarized(store: Store, row: CallRow) -> Iterator[tuple[str, Call]]:
    """Yield what the models cost that wrote the summaries of a compression; its last commit tells of all of them."""
    if row.hash is None or row.op != "compress":
        return
    told = commit_info(store, row.hash).metadata.get("summary", {}).get("settings", {})
    calls = told.get("calls", ()) if isinstance(told, dict) else ()
    if calls:
        used = [_usage(one) for one in calls]
        sums = [sum(getattr(usage, name) for usage in used) for name in _COUNTS]
        yield row.hash.hex(), Call(str(calls[0].get("model") or ""), _counted(sums), len(used))


def _usage(fields: Mapping[str, Any]) -> Usage:
    return _counted([max(0, int(fields.get(name) or 0)) for name in _COUNTS])


def _counted(counts: Sequence[int]) -> Usage:
    return Usage(**dict(zip(_COUNTS, counts, strict=True)))  # type: ignore[arg-type]  # no model among them


def estimated(tokens: int | None, context_tokens: int | None) -> Usage:
    """Return what a call cost whose provider said nothing, by the tokenizer: the context, and the reply behind it."""
    received = tokens or 0
    return Usage(max(0, (context_tokens or 0) - received), received)
