"""What a context costs: recorded usage, tokenizers, budgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ids import shown
from tests.strategies import CONTENTS, CUSTOM, Remark, register
from tract import CompiledContext, Tract
from tract.errors import (
    BudgetExceededError,
    InvalidInputError,
    InvalidTargetError,
)
from tract.objects.config import TokenBudgetWarning
from tract.tokens import REPLY_PRIMING_TOKENS, counter_for, message_tokens

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7"


def counted(context: CompiledContext, tokenizer: str) -> int:
    """Return the tokens of the messages, counted here and now."""
    counter = counter_for(tokenizer)
    total = sum(message_tokens(message, counter) for message in context.messages)
    return total + REPLY_PRIMING_TOKENS if context.messages else 0


# --- usage ---------------------------------------------------------------------------------------


def test_recorded_usage_is_preferred_and_grows_with_appends() -> None:
    """What the provider counted, plus what was appended since; named by the model that answered."""
    with Tract.open() as t:
        t.user("question")
        reply = t.assistant("answer", generation_config={"model": "gpt-4o"})
        assert t.compile().token_source == "tokenizer:o200k_base"
        before = t.compile().token_count

        t.record_usage({"prompt_tokens": 1000, "completion_tokens": 50})
        assert (t.compile().token_count, t.compile().token_source) == (1050, "api:gpt-4o")
        more = t.user("more")
        t.commit({"content_type": "reasoning", "text": "not sent"})
        assert t.compile().token_count == 1050 + more.tokens
        assert t.get(reply).context_tokens == before
        assert t.compile(at=reply).token_count == 1050
        assert t.compile(at="HEAD~3").token_source == "tokenizer:o200k_base"


@pytest.mark.parametrize("verb", ["edit", "skip", "pin"])
def test_a_change_of_what_was_counted_falls_back_to_the_tokenizer(verb: str) -> None:
    """An edit or annotation after the usage makes the provider's count wrong; a new usage makes it right."""
    with Tract.open() as t:
        question = t.user("question")
        reply = t.assistant("answer")
        t.record_usage({"input_tokens": 1000, "output_tokens": 50, "model": "claude"})
        t.edit(question, "other") if verb == "edit" else getattr(t, verb)(question)

        context = t.compile()
        assert context.token_source == "tokenizer:o200k_base"
        assert context.token_count == counted(context, "o200k_base")
        assert t.compile(at=reply).token_source == "api:claude"

        t.assistant("again")
        t.record_usage({"input_tokens": 70, "output_tokens": 3, "model": "claude"})
        assert (t.compile().token_count, t.compile().token_source) == (73, "api:claude")


def test_usage_belongs_to_its_branch_and_the_last_one_counts() -> None:
    """Another branch does not see it; recording twice keeps the later; a hidden reply is no anchor."""
    with Tract.open() as t:
        t.user("question")
        t.branch("other")
        t.assistant("there")
        t.record_usage({"input_tokens": 900, "output_tokens": 9})
        t.record_usage({"input_tokens": 800, "output_tokens": 8})
        assert t.compile().token_count == 808
        t.switch("main")
        assert t.compile().token_source == "tokenizer:o200k_base"
        hidden = t.commit({"content_type": "reasoning", "text": "hm"})
        t.record_usage({"input_tokens": 5, "output_tokens": 5}, commit=hidden)
        assert t.compile().token_source == "tokenizer:o200k_base"


def test_usage_is_seen_by_every_handle_at_once(tmp_path: Path) -> None:
    """A handle that compiled before, on a branch or detached, sees what another one records."""
    with Tract.open(tmp_path / "a.db") as a, Tract.open(tmp_path / "a.db") as b, Tract.open(tmp_path / "a.db") as c:
        a.user("question")
        reply = a.assistant("answer")
        c.checkout(reply.hash)
        assert {t.compile().token_source for t in (a, b, c)} == {"tokenizer:o200k_base"}
        a.record_usage({"input_tokens": 1, "output_tokens": 2, "model": "m"})

        assert {t.compile().token_source for t in (a, b, c)} == {"api:m"}


def test_usage_needs_a_commit() -> None:
    """Before the first commit there is no reply it could belong to."""
    with Tract.open() as t, pytest.raises(InvalidTargetError, match="no commit"):
        t.record_usage({"input_tokens": 1, "output_tokens": 2})


# --- tokenizers ----------------------------------------------------------------------------------

TEXTS = ["The quick brown fox", "antidisestablishmentarianism 12345", "こんにちは世界", "été"]


class Letters:
    """A counter of the application: one token per character."""

    name = "letters"
    is_approximate = False

    def count(self, text: str) -> int:
        """Return the number of characters."""
        return len(text)


@pytest.mark.parametrize("first", ["cl100k_base", "estimate"])
def test_every_count_is_by_the_tokenizer_in_force(tmp_path: Path, first: str) -> None:
    """A store counted with one tokenizer and opened with another counts right everywhere, and goes on right."""
    path = tmp_path / "a.db"
    with Tract.open(path, tokenizer=first) as t:
        commits = [t.user(text) for text in TEXTS]
        t.edit(commits[0], "The slow brown fox")
        t.skip(commits[1])
        counts = [info.context_tokens for info in t.log()]
        assert t.compile().token_count == counted(t.compile(), first)
    with Tract.open(path, tokenizer="o200k_base") as t:
        other = [info.context_tokens for info in t.log()]
        assert other != counts
        assert other == [t.compile(at=info).token_count for info in t.log()]
        assert [info.tokens for info in t.log()] == [t.get(info.hash).tokens for info in t.log()]
        assert t.status().context_tokens == t.compile().token_count == counted(t.compile(), "o200k_base")
        assert t.pin(commits[0]).context_tokens == t.user("more").context_tokens - t.get("HEAD").tokens
        assert t.get("HEAD").context_tokens == t.compile(verify=True).token_count
    with Tract.open(path, read_only=True, tokenizer=Letters()) as t:
        assert t.compile().token_source == "tokenizer:letters"
        assert t.status().context_tokens == t.compile(verify=True).token_count > max(*counts, *other)


def test_the_tokenizer_can_be_changed_on_an_open_handle(tmp_path: Path) -> None:
    """From the next call on counts are the new one's, and the next handle opens with it."""
    with Tract.open(tmp_path / "a.db") as t:
        for text in TEXTS:
            t.user(text)
        before = t.compile().token_count
        t.configure(tokenizer="cl100k_base")
        assert t.compile().token_source == "tokenizer:cl100k_base"
        assert t.compile().token_count == t.get("HEAD").context_tokens == counted(t.compile(), "cl100k_base") != before
    with Tract.open(tmp_path / "a.db") as t:
        assert t.compile().token_source == "tokenizer:cl100k_base"


def test_a_tokenizer_is_chosen_by_model_name() -> None:
    """The model's own encoding for OpenAI; an estimate that says so for the rest."""
    with Tract.open(tokenizer="gpt-4") as t:
        t.user("hi")
        assert t.compile().token_source == "tokenizer:cl100k_base"
        assert t.compile().warnings == ()
    with Tract.open(tokenizer="claude-sonnet-4") as t:
        t.user("hi")
        assert t.compile().token_source == "estimate"
        assert t.compile().warnings == ("Token counts are estimates: the tokenizer `estimate` is approximate.",)


@pytest.mark.parametrize("tokenizer", ["p50k_base", "", 5, object()], ids=shown)
def test_an_unknown_tokenizer_creates_nothing(tmp_path: Path, tokenizer: Any) -> None:
    """The mistake is reported before a file is made."""
    if tokenizer == "":
        tokenizer = " "
    with pytest.raises(InvalidInputError):
        Tract.open(tmp_path / "a.db", tokenizer=tokenizer)
    assert list(tmp_path.iterdir()) == []


def test_equal_fields_of_two_types_are_counted_apart() -> None:
    """A name is counted where it is sent and not where it is not."""
    with Tract.open() as t:
        register(t)
        t.commit({"content_type": "instruction", "name": "ann", "text": "hi"})
        t.commit(Remark(name="ann", text="hi"))

        assert t.get("HEAD").context_tokens == counted(t.compile(), "o200k_base")


@given(st.lists(CONTENTS | CUSTOM, min_size=1, max_size=4))
def test_any_content_is_counted_as_it_is_compiled(contents: list[Any]) -> None:
    """Stored counts equal those of the messages, with files in place."""
    with Tract.open(durability="off") as t:
        register(t)
        for content in contents:
            info = t.commit(content)
            context = t.compile()
            assert info.context_tokens == context.token_count == counted(context, "o200k_base")
        assert t.fsck() == []


# --- budgets -------------------------------------------------------------------------------------


def budget(limit_tokens: int, on_exceed: Any = "warn", reserve_tokens: int = 0) -> dict[str, Any]:
    return {"budget": {"limit_tokens": limit_tokens, "on_exceed": on_exceed, "reserve_tokens": reserve_tokens}}


def test_a_budget_warns_at_the_callers_line() -> None:
    """The commit is written; the warning points to the application, whichever method it called."""
    with Tract.open(config=budget(20, reserve_tokens=8)) as t:
        first = t.user("one")
        calls: list[Callable[[], object]] = [
            lambda: t.user("a b c d e"),
            lambda: t.commit("two"),
            lambda: t.edit(first, "one two three"),
        ]
        for call in calls:
            with pytest.warns(TokenBudgetWarning, match="the budget is 12") as caught:
                call()
            assert caught[0].filename == __file__
        assert len(t.log()) == 4


def test_a_warning_turned_into_an_error_writes_nothing() -> None:
    """`-W error` refuses the commit and leaves the handle usable."""
    with Tract.open(config=budget(5)) as t:
        # Every warning is an error in these tests already.
        with pytest.raises(TokenBudgetWarning):
            t.user("one two three")
        assert t.log() == []
        t.configure(budget=None)
        t.user("one two three")


def test_a_rejecting_budget_refuses_what_grows_and_lets_the_rest_pass() -> None:
    """Over the budget an append, a longer edit and an unskip are refused; a skip, a pin and a shorter edit are not."""
    with Tract.open() as t:
        first, second = t.user("one two three four"), t.user("five six seven")
        skipped = t.user("eight nine")
        t.skip(skipped)
        t.configure(**budget(10, "reject"))
        before = t.head
        calls: list[Callable[[], object]] = [
            lambda: t.user("more"),
            lambda: t.edit(first, "one two three four five"),
            lambda: t.unskip(skipped),
        ]
        for call in calls:
            with pytest.raises(BudgetExceededError) as caught:
                call()
            assert caught.value.limit_tokens == 10 < caught.value.tokens
        assert t.head == before

        t.pin(first)
        t.edit(first, "one")
        t.skip(second)
        t.edit(first, "two")
        assert t.compile().token_count <= 10


def test_a_callback_decides_before_anything_is_locked(tmp_path: Path) -> None:
    """It may write with another handle, is told size and limit, and refuses by raising; it is not kept."""
    calls = []
    with Tract.open(tmp_path / "a.db") as other:

        def decide(tokens: int, limit_tokens: int) -> None:
            calls.append((tokens, limit_tokens))
            if len(calls) > 1:
                raise LookupError
            other.user("from outside")

        with Tract.open(tmp_path / "a.db", config=budget(10, decide)) as t:
            t.user("a b c d e f")
            assert calls == [(t.get("HEAD").context_tokens - t.get("HEAD~1").tokens, 10)]
            with pytest.raises(LookupError):
                t.user("again")
            assert len(t.log()) == 2
            assert t.compile().token_count == t.log(1)[0].context_tokens
    with Tract.open(tmp_path / "a.db") as t:
        assert t.config.budget is not None
        assert t.config.budget.on_exceed == "warn"


def test_settings_are_kept_for_the_next_opening(tmp_path: Path) -> None:
    """Naming a tokenizer changes nothing else; a whole config replaces the one kept; each tract has its own."""
    path = tmp_path / "a.db"
    with Tract.open(path, config={**budget(50, "reject"), "cached_states": 3}):
        pass
    with Tract.open(path, tokenizer="cl100k_base") as t:
        assert (t.config.cached_states, t.config.tokenizer) == (3, "cl100k_base")
    with Tract.open(path) as t:
        assert t.config.budget is not None
        assert (t.config.budget.limit_tokens, t.config.budget.on_exceed) == (50, "reject")
        assert t.compile().token_source == "tokenizer:cl100k_base"
        with Tract.open(path, tract="other") as other:
            assert other.config.budget is None
    with Tract.open(path, config={"cached_states": 5}) as t:
        assert (t.config.budget, t.config.tokenizer) == (None, None)
    with Tract.open(path, read_only=True, config={"cached_states": 7}) as t:
        assert t.config.cached_states == 7
    with Tract.open(path) as t:
        assert t.config.cached_states == 5
