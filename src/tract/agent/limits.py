"""Answers how far a run may go: tokens, cost and time, and what it has used of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tract.errors import InvalidInputError, shown
from tract.objects.usage import Usage

RunState: TypeAlias = Literal["finished", "max_turns", "tokens", "cost", "seconds", "context", "paused"]

_EXAMPLE = "Such as `t.run(prompt, budget=RunBudget(tokens=50_000))`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a million tokens cost, in whatever currency the budget is in.

    Attributes:
        input: Of what is sent.
        output: Of what is received.
        cache_read: Of what is read from the provider's cache; as `input` if not given.
        cache_write: Of what is written to it; as `input` if not given.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cache_read", "cache_write"):
            _require_positive(name, getattr(self, name), least=0)
        if self.input is None or self.output is None:
            raise InvalidInputError(
                "A price says what `input` and `output` cost.", hint="Such as `Price(input=2, output=8)`."
            )

    def cost(self, usage: Usage) -> float:
        """Return what a call cost."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        plain = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        total = max(0, plain) * self.input + usage.output_tokens * self.output
        return (total + usage.cache_read_tokens * read + usage.cache_write_tokens * write) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBudget:
    """How far a run may go; checked before each call of the model.

    Attributes:
        tokens: Tokens sent and received by all its calls together; a call that would not fit is not made.
        cost: What its calls may cost together; needs `prices`.
        seconds: How long it may take; tools still running then are told to the model as timed out.
        prices: The price of every model, or by the beginning of the model's name.
    """

    tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    prices: Price | Mapping[str, Price] | None = None

    def __post_init__(self) -> None:
        for name in ("tokens", "cost", "seconds"):
            _require_positive(name, getattr(self, name), least=0)
        known = self.prices.values() if isinstance(self.prices, Mapping) else [self.prices]
        named = all(isinstance(name, str) for name in (self.prices if isinstance(self.prices, Mapping) else ()))
        if self.prices is not None and not (named and all(isinstance(price, Price) for price in known)):
            raise InvalidInputError("`prices` is a Price, or a mapping from model to Price.", hint=_EXAMPLE)
        if self.cost is not None and not self.prices:
            raise InvalidInputError("A budget of cost needs `prices`.", hint="Give `prices=Price(input=2, output=8)`.")

    def price(self, model: str) -> Price | None:
        """Return the price of *model*: of the longest name it begins with."""
        if not isinstance(self.prices, Mapping):
            return self.prices
        names = [name for name in self.prices if model.startswith(name)]
        return self.prices[max(names, key=len)] if names else None


def _require_positive(name: str, value: Any, *, least: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (is_number and least <= value < float("inf")):
        raise InvalidInputError(f"`{name}` is a number from {least:g}, not {shown(value)}.", hint=_EXAMPLE)


@dataclass(slots=True)
class Meter:
    """What a run has used of its budget.

    Attributes:
        cost: So far, or `None` where a price is not known.
    """

    budget: RunBudget
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost: float | None = 0.0
    _began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float | None:
        """Until its time is up, or `None` without a limit."""
        return None if self.budget.seconds is None else max(0.0, self.budget.seconds - self.seconds)

    @property
    def usage(self) -> Usage:
        """Of all calls together."""
        return Usage(self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens)

    def add(self, usage: Usage, model: str) -> None:
        """Count one call."""
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cache_read_tokens += usage.cache_read_tokens
        self.cache_write_tokens += usage.cache_write_tokens
        price = self.budget.price(model)
        self.cost = None if price is None or self.cost is None else self.cost + price.cost(usage)

    def exceeded(self, next_tokens: int) -> tuple[RunState, str] | None:
        """Return which limit forbids a call that sends *next_tokens*, and why in words; `None` if none does."""
        budget, used = self.budget, self.input_tokens + self.output_tokens
        if budget.tokens is not None and used + next_tokens > budget.tokens:
            return "tokens", f"{used:,} tokens are used and {next_tokens:,} are to be sent, of {budget.tokens:,}."
        if budget.cost is not None and self.cost is None:
            return "cost", "The model that answered has no price, so the cost is not known."
        if budget.cost is not None and self.cost is not None and self.cost >= budget.cost:
            return "cost", f"The calls cost {self.cost:g} of {budget.cost:g}."
        if self.seconds_left == 0.0:
            return "seconds", f"The run took {self.seconds:.1f} of {budget.seconds:g} seconds."
        return None
