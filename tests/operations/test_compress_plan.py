"""What a compression is said to save and cost is what the requests after it cost."""

from __future__ import annotations

import pytest

from tests.formats.build import conversations
from tract import CompressResult, Prices, Tract, Usage, extractive
from tract.errors import InvalidInputError
from tract.testing import ScriptedLLM

PRICES = Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)
LONG = "and it is said at some length, so that there is something to leave out"


def talked(turns: int) -> Tract:
    """Return a tract that chatted, so that every request but the last question is cached."""
    t = Tract.open(llm=ScriptedLLM([f"answer {n} {LONG}" for n in range(turns)], model="small", usage=Usage(1, 1)))
    t.system("You are terse.")
    for number in range(turns):
        t.chat(f"question {number} {LONG}")
    return t


def steady(t: Tract) -> float:
    """Return what a request costs once all of it is cached."""
    return PRICES.cost(fresh=0, cached=t.preview().token_count)


def first(t: Tract) -> float:
    """Return what the next request costs."""
    cost = t.preview(prices=PRICES).cost
    assert cost is not None
    return cost


@pytest.mark.parametrize("pinned", [None, 3, 8])
def test_the_plan_foretells_what_requests_cost(pinned: int | None) -> None:
    """The first request after compressing costs what was said, and each later one saves what was said."""
    with talked(12) as t:
        if pinned is not None:
            t.pin(t.compile().commit_hashes[pinned])
        plan = t.compress_plan(prices=PRICES)
        before_first, before_steady = first(t), steady(t)

        result = t.compress(summarizer=extractive)

        assert isinstance(result, CompressResult)
        # The plan knows what summaries aim at; how long they are is known behind them.
        longer = result.tokens_after - plan.tokens_after
        read, write = PRICES.cost(fresh=0, cached=1), PRICES.cost(fresh=1)
        assert (plan.groups, plan.tokens_before) == (len(result.summaries), result.tokens_before)
        assert before_steady - steady(t) == pytest.approx(plan.saved_per_turn - longer * read)
        spent = first(t) - before_first + plan.saved_per_turn - longer * read
        assert spent == pytest.approx(plan.cost_once - plan.cost_of_summaries + longer * (write - read))


def test_it_pays_after_the_turns_it_says() -> None:
    """Not one turn before."""
    with talked(12) as t:
        t.pin(t.compile().commit_hashes[3])
        plan = t.compress_plan(prices=PRICES)
        turns = plan.turns_until_paid

    assert turns is not None
    assert turns > 0
    assert plan.cache_lost_tokens > 0
    assert plan.saved_per_turn * turns >= plan.cost_once > plan.saved_per_turn * (turns - 1)
    assert str(plan).endswith(f"pays after {turns} turns")


def test_a_model_that_summarizes_costs_too() -> None:
    """It reads what is covered, and writes the summaries."""
    with Tract.open() as t:
        for number in range(10):
            t.user(f"message {number} {LONG}")
        alone = t.compress_plan(prices=PRICES)
        t.configure_operations(compress={"llm": ScriptedLLM([])})
        asked = t.compress_plan(prices=PRICES)

    call = (alone.tokens_before * PRICES.input + alone.tokens_after * PRICES.output) / 1_000_000
    assert alone.cost_of_summaries == 0
    assert asked.cost_of_summaries == pytest.approx(call)
    assert asked.cost_once - alone.cost_once == pytest.approx(call)


def test_nothing_cached_pays_at_once() -> None:
    """What no provider has seen is cheaper sent short; without prices the costs are tokens of input."""
    with Tract.open() as t:
        for number in range(10):
            t.user(f"message {number} {LONG}")
        plan = t.compress_plan()

    assert (plan.turns_until_paid, plan.cache_lost_tokens) == (0, 0)
    assert plan.saved_per_turn == pytest.approx((plan.tokens_before - plan.tokens_after) / 10)
    assert str(plan).endswith("pays at once")


def test_there_has_to_be_something() -> None:
    """As for `compress`."""
    with Tract.open() as t:
        with pytest.raises(InvalidInputError, match="nothing to compress"):
            t.compress_plan()
        t.system("You are terse.")
        with pytest.raises(InvalidInputError, match="nothing to compress"):
            t.compress_plan()


def test_real_conversations_have_a_plan() -> None:
    """Each that compress takes; a target is what the summaries have together, at most."""
    for messages in conversations()[:10]:
        with Tract.open() as t:
            for message in messages:
                if message["role"] in {"user", "assistant"} and isinstance(message.get("content"), str):
                    t.commit({"role": message["role"], "content": message["content"] or "nothing"})
            plan = t.compress_plan(target_tokens=200)
            assert 0 < plan.tokens_after <= 200 < plan.tokens_before
