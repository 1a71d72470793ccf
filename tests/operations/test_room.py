"""A budget that says `compress` makes room for what comes next, and loses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.test_compress import LONG, texts
from tract import Event, Request, SummaryContent, TokenBudgetWarning, Tract, Verdict
from tract.errors import ModelUnavailableError
from tract.testing import ScriptedLLM


def config(limit_tokens: int) -> dict[str, Any]:
    return {"budget": {"limit_tokens": limit_tokens, "on_exceed": "compress"}}


def test_old_messages_make_room_for_new_ones() -> None:
    """The context never exceeds the budget, the newest messages stay in full, expand shows every one."""
    with Tract.open(config=config(300)) as t:
        t.system("You are terse.")
        for number in range(40):
            t.user(f"message {number} {LONG}")
            assert t.status().context_tokens <= 300
        assert texts(t)[0] == "You are terse."
        assert texts(t)[-1] == "message 39"
        shown = t.compile(expand=[info.hash for info in t.log(1000, op="compress")])
        assert [one.text for one in shown.messages][1:] == [f"message {number} {LONG}" for number in range(40)]
        assert {one.verb for one in t.operations} >= {"commit", "compress"}
        assert t.fsck() == []


@given(st.lists(st.integers(1, 60), min_size=1, max_size=25), st.integers(30, 200))
def test_either_it_fits_or_it_warns(lengths: list[int], limit_tokens: int) -> None:
    """Whatever is said, it is committed, and no context over the budget goes unnoticed."""
    with Tract.open(config=config(limit_tokens), durability="off") as t:
        for number, length in enumerate(lengths):
            said = f"{number} " + "word " * length
            try:
                t.user(said)
            except TokenBudgetWarning:  # warnings are errors here, so it was not committed
                with pytest.warns(TokenBudgetWarning):
                    t.user(said)
            else:
                assert t.compile(verify=True).token_count <= limit_tokens
            assert t.compile().messages[-1].text == said


def test_a_model_makes_room_and_where_it_fails_sentences_are_picked() -> None:
    """The configured model is asked; a message is never lost because it cannot be reached."""
    answers: list[Any] = ["Told.", ModelUnavailableError("Down.", provider="scripted")]
    with Tract.open(config=config(150)) as t:
        model = ScriptedLLM(answers)
        t.configure_operations(compress={"llm": model})
        while model.remaining:
            t.user(f"So: {LONG}")
        made = [t.get(info.hash).metadata["summary"] for info in t.log(100, op="compress")]
        assert [one["summarizer"] for one in made] == ["extractive", "model"]


def test_a_reply_is_committed_and_then_room_is_made() -> None:
    """What was paid for is kept; the question and the reply are told of in the summary or stay."""

    def answer(request: Request) -> str:
        return f"reply {LONG * 2}"

    with Tract.open(config=config(200), llm=ScriptedLLM([answer] * 6)) as t:
        t.configure_operations(compress={"llm": ScriptedLLM(["They spoke."] * 12)})
        for number in range(6):
            assert t.chat(f"question {number} {LONG}").text.startswith("reply")
            assert t.status().context_tokens <= 200
        assert len(t.log(100, op="compress")) > 0
        assert t.fsck() == []


def test_where_there_is_nothing_to_compress_it_warns() -> None:
    """Pinned messages stay, a batch is not held up, and the message is committed."""
    with Tract.open(config=config(30)) as t:
        t.pin(t.user("one two three four five six seven eight nine"))
        with pytest.warns(TokenBudgetWarning):
            t.user(f"more {LONG}")
        with pytest.warns(TokenBudgetWarning), t.batch():
            t.user(f"even more {LONG}")
        assert len(t.compile().messages) == 3
        assert t.log(op="compress") == []


@pytest.mark.parametrize("event", ["before_compress", "before_commit"])
def test_a_policy_that_denies_the_compression_denies_no_message(event: str) -> None:
    """Neither that it is done nor what the summary says; the budget warns, as where there is nothing to compress."""
    with Tract.open(config=config(60)) as t:
        t.user(f"first {LONG} {LONG}")

        def deny(asked: Event, _view: object) -> Verdict:
            is_meant = asked.name == "before_compress" or isinstance(asked.content, SummaryContent)
            return Verdict("deny" if is_meant else "allow", "It is to stay.")

        t.policies.change("auto_compress", mode="off")  # it would be denied as well
        t.policies.add(deny, on=(event,))
        with pytest.warns(TokenBudgetWarning):
            t.user(f"second {LONG} {LONG}")
        assert texts(t) == ["first", "second"]
