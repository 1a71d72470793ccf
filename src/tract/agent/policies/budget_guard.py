"""Answers whether a model may be asked once more: what this turn and this session have cost, and may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tract.agent.policies.policy import Decision, Policy
from tract.agent.policies.spending import Spent, price_of
from tract.agent.policies.view import PolicyView
from tract.compile.preview import Prices
from tract.objects.policy import Event, Verdict
from tract.objects.usage import Usage

_CALL: Final = "before_generate"
_TOOL: Final = "before_tool_call"


class SpendLimits(BaseModel):
    """How much may be spent; `None` for as much as it takes.

    Attributes:
        tokens: Sent and received, by all calls together.
        cost: In whatever currency the prices are in.
        calls: How often a model may be asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int | None = Field(default=None, ge=0, lt=2**53)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    calls: int | None = Field(default=None, ge=0, lt=2**53)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is limited."""
        return self == SpendLimits()


class BudgetGuard(Policy):
    """Lets a model be asked only while tokens, cost and number of calls stay within limits.

    It is asked before each call, and a call that would not fit is not made; what the reply will cost is not known
    yet, so the last one may end above a limit. What counts as spent is said in `tract.agent.policies.spending`.

    Attributes:
        turn: Limits since the user last said something: those of one `t.chat` or `t.run`.
        session: Limits since the tract began.
        prices: What a million tokens cost, by the beginning of the model's name; `""` stands for every model.
        on_exceed: `deny` the call, `warn`, or `ask` for leave.
        tool_calls: Once a limit is reached, hold back tool calls as well: no model is asked what their results mean.
    """

    kind: ClassVar[str] = "budget_guard"
    events: ClassVar[tuple[str, ...]] = (_CALL,)

    priority: int = 700
    turn: SpendLimits = SpendLimits()
    session: SpendLimits = SpendLimits()
    prices: Mapping[str, Prices] = {}
    on_exceed: Literal["deny", "warn", "ask"] = "deny"
    tool_calls: bool = False

    @model_validator(mode="after")
    def _is_useful(self) -> Self:
        if self.turn.is_empty and self.session.is_empty:
            raise ValueError("give `turn` or `session` a limit: `tokens`, `cost` or `calls`")
        if not self.prices and (self.turn.cost is not None or self.session.cost is not None):
            raise ValueError("a limit of cost needs `prices`")
        return self

    @property
    def watched(self) -> tuple[str, ...]:
        """The events it is asked about."""
        return (_CALL, _TOOL) if self.tool_calls else (_CALL,)

    def evaluate(self, event: Event, view: PolicyView) -> Decision:
        """Compare what was spent, and what is to be sent, with the limits."""
        problem = next(self._problems(event, view), None)
        return None if problem is None else Verdict(self.on_exceed, problem)

    def _problems(self, event: Event, view: PolicyView) -> Iterator[str]:
        if not self.turn.is_empty:
            yield from self._over("This turn", self.turn, view.turn_spent, event)
        if not self.session.is_empty:
            yield from self._over("This session", self.session, view.session_spent, event)

    def _over(self, what: str, limits: SpendLimits, spent: Spent, event: Event) -> Iterator[str]:
        is_call = event.name == _CALL
        # Before a tool call nothing is to be sent: what is asked is whether a model could still read its result.
        to_send = int(event.args.get("tokens") or 0) if is_call else 0
        if limits.calls is not None and spent.calls >= limits.calls:
            yield f"{what} has asked a model {spent.calls:,} times of {limits.calls:,}."
        if limits.tokens is not None and _is_over(spent.tokens, to_send, limits.tokens):
            yield f"{what} has used {spent.tokens:,} tokens and {to_send:,} are to be sent, of {limits.tokens:,}."
        if limits.cost is not None:
            yield from self._over_cost(what, limits.cost, spent, Usage(to_send, 0, model=_model(event)))

    def _over_cost(self, what: str, limit: float, spent: Spent, sent: Usage) -> Iterator[str]:
        cost, price = spent.cost(self.prices), price_of(self.prices, sent.model)
        if cost is None or (price is None and sent.input_tokens):
            yield f"What {what.lower()} costs is not known: a model has no price."
            return
        next_cost = price.cost(sent) if price is not None else 0.0
        if _is_over(cost, next_cost, limit):
            yield f"{what} has cost {cost:g} and the next call costs {next_cost:g} or more, of {limit:g}."


def _is_over(spent: float, to_send: float, limit: float) -> bool:
    return spent + to_send > limit or (not to_send and spent >= limit)


def _model(event: Event) -> str:
    return str(event.args.get("model") or "")
