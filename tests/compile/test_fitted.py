"""A context that fits a budget: whole exchanges, in order, never larger, and a provider takes it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.build import assistant, call, conversations, histories, result, user
from tests.strategies import TEXT
from tract import (
    CompiledContext,
    DialogueContent,
    Entry,
    LeftOut,
    Message,
    MessageGroup,
    Reasoning,
    ReasoningContent,
    TextPart,
    TokenBudget,
    ToolCall,
    Tract,
)
from tract.errors import BudgetExceededError, InvalidInputError
from tract.formats.validate import RULE_BOOKS, Violation

STRATEGIES = ["newest", "window", "importance", "relevant"]
PRIMING = 3
THOUGHT = Reasoning("anthropic", {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, "hm")


def fit(t: Tract, budget: int, strategy: Any) -> CompiledContext:
    """Compile within *budget*; to be relevant a message has to have to do with something."""
    return t.compile(budget=budget, strategy=strategy, query="message e 4" if strategy == "relevant" else None)


def refused(context: CompiledContext) -> dict[str, list[Violation]]:
    """Return what each format's rules refuse in *context*."""
    sent = {name: context.report(name).value for name in RULE_BOOKS}
    return {
        name: found
        for name, value in sent.items()
        if (found := RULE_BOOKS[name].violations(value if isinstance(value, Mapping) else {"messages": value}))
    }


def assert_fits(whole: CompiledContext, part: CompiledContext, budget: int, tokens: Sequence[int]) -> None:
    """Assert that *part* is *whole* without what it says was left out, and no larger than the budget.

    Where each message has a commit of its own, which are told apart by it; *tokens* are those of each.
    """
    costs = dict(zip(whole.commit_hashes, tokens, strict=True))
    left_out = [one.commit for one in part.left_out]
    kept = [commit for commit in whole.commit_hashes if commit not in left_out]
    assert list(part.commit_hashes) == kept
    assert len(kept) + len(left_out) == len(whole)
    said = dict(zip(whole.commit_hashes, whole.messages, strict=True))
    assert list(part.messages) == [said[commit] for commit in kept]
    assert part.token_count == sum(costs[commit] for commit in kept) + (PRIMING if kept else 0)
    assert part.token_count <= budget
    assert [(one.role, one.tokens) for one in part.left_out] == [(said[c].role, costs[c]) for c in left_out]
    assert part.head == whole.head
    assert len(part.prefix_hash()) == 64
    assert len(part.provenance) == len(part.generation_configs) == len(kept)


# --- any history of public writes -----------------------------------------------------------------


def talk(t: Tract, rand: random.Random, turns: int) -> None:
    """Write turns with parallel calls, late results, reasoning, then edits, pins and skips of anything."""
    placed = [t.system("Be brief.").hash] if rand.random() < 0.7 else []
    for turn in range(turns):
        placed.append(t.user(f"question {turn} " + "why " * rand.randrange(30)).hash)
        ids = [f"call_{turn}_{number}" for number in range(rand.choice([0, 0, 1, 1, 3]))]
        if rand.random() < 0.2:
            thought = t.commit(ReasoningContent(text="let me think " * rand.randrange(1, 9)))
            t.unskip(thought)
            placed.append(thought.hash)
        if ids:
            calls = [ToolCall(one, "look_up", '{"k": 1}') for one in ids]
            placed.append(t.assistant(None, tool_calls=calls, reasoning=[THOUGHT] * rand.randrange(2)).hash)
            if rand.random() < 0.2:
                placed.append(t.user("are you still there?").hash)
            rand.shuffle(ids)
            placed += [t.tool_result(one, "found " * rand.randrange(40)).hash for one in ids]
        if rand.random() < 0.8:
            placed.append(t.assistant(f"answer {turn}", reasoning=[THOUGHT] * rand.randrange(2)).hash)
    for target in rand.sample(placed, rand.randrange(len(placed) // 3 + 1)):
        verb = rand.choice(["edit", "pin", "skip"])
        content = t.show(target)
        if verb != "edit":
            getattr(t, verb)(target)
        elif isinstance(content, DialogueContent) and not content.tool_calls:
            t.edit(target, content.model_copy(update={"text": "something else " * rand.randrange(9)}))


def exchanges_of(context: CompiledContext) -> list[set[int]]:
    """Return the indexes of each call with its results, by pairs, and of reasoning with its reply."""
    found: list[set[int]] = []
    for index, message in enumerate(context.messages):
        ids = {one.id for one in message.tool_calls}
        for at in range(index + 1, len(context.messages)):
            if context.messages[at].call_id in ids:
                found.append({index, at})
            ids -= {one.id for one in context.messages[at].tool_calls}
        following = context.messages[index + 1 : index + 2]
        if context.provenance[index].content_type == "reasoning" and following and following[0].role == "assistant":
            found.append({index, index + 1})
    return found


def kept_of(whole: CompiledContext, part: CompiledContext) -> set[int]:
    """Return the indexes of the messages of *whole* that are in *part*."""
    return {index for index, commit in enumerate(whole.commit_hashes) if commit in part.commit_hashes}


def groups_of(context: CompiledContext) -> list[set[int]]:
    """Return the indexes of messages that go together, those of no exchange alone."""
    groups = [{index} for index in range(len(context.messages))]
    for exchange in exchanges_of(context):
        together = [group for group in groups if group & exchange]
        groups = [group for group in groups if not group & exchange] + [set().union(*together)]
    return sorted(groups, key=max)


def must_keep(context: CompiledContext) -> set[int]:
    """Return what no strategy may leave out: instructions, pins and the last group that is no instruction."""
    groups = groups_of(context)
    said = [group for group in groups if any(context.messages[index].role != "system" for index in group)]
    kept = set().union(*said[-1:])
    for group in groups:
        if any(context.messages[i].role == "system" or context.provenance[i].priority == "pinned" for i in group):
            kept |= group
    return kept


@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(0.05, 1.1), st.sampled_from(STRATEGIES))
def test_any_history_fits(seed: int, turns: int, share: float, strategy: Any) -> None:
    """Never larger, whole exchanges, pins and the last word kept, valid everywhere; an error only if it must be."""
    with Tract.open(tokenizer="estimate") as t:
        with t.batch():
            talk(t, random.Random(seed), turns)
        whole = t.compile()
        tokens = [entry.shown.tokens for entry in whole.shown]
        budget = max(1, int(whole.token_count * share))
        must = must_keep(whole)
        least = sum(tokens[index] for index in must) + PRIMING

        operations = len(t.operations)
        if whole.token_count > budget and least > budget:
            with pytest.raises(BudgetExceededError) as caught:
                fit(t, budget, strategy)
            assert (caught.value.tokens, caught.value.limit_tokens) == (least, budget)
            return
        part = fit(t, budget, strategy)

        assert_fits(whole, part, budget, tokens)
        kept = kept_of(whole, part)
        assert must <= kept or not part.left_out
        assert all(group <= kept or not group & kept for group in groups_of(whole))
        assert refused(part) == {}
        assert bool(part.left_out) == (whole.token_count > budget)
        assert fit(t, budget, strategy) == part
        assert len(t.operations) == operations


@given(histories(), st.sets(st.integers(0, 9), max_size=2), st.integers(1, 99), st.sampled_from(STRATEGIES))
def test_any_messages_stay_valid(history: list[Message], pinned: set[int], share: int, strategy: Any) -> None:
    """Also calls without results, results in odd places, ids used twice, empty texts: valid before, valid after."""

    def compiler(entries: Sequence[Entry]) -> list[tuple[Message, Entry]]:
        return list(zip(history, entries, strict=True))

    with Tract.open(compiler=compiler, tokenizer="estimate") as t:
        with t.batch():
            commits = [t.user(f"message {number}") for number in range(len(history))]
        for number in pinned & set(range(len(history))):
            t.pin(commits[number])
        whole = t.compile()
        budget = max(1, whole.token_count * share // 100)
        try:
            part = fit(t, budget, strategy)
        except BudgetExceededError:
            return  # when that is so is shown above

        assert part.token_count <= budget
        assert set(refused(part)) <= set(refused(whole))
        assert len(part) + len(part.left_out) == len(whole)


# --- forty real conversations ---------------------------------------------------------------------


@pytest.mark.parametrize("number", range(40))
def test_real_conversations_fit_twenty_budgets(number: int) -> None:
    """With each strategy: never larger, no exchange broken, no rule of any format broken, the same when asked again."""
    with Tract.open() as t:
        with t.batch():
            for message in conversations()[number]:
                t.commit(message)
        whole = t.compile()
        tokens = [entry.shown.tokens for entry in whole.shown]
        least = sum(tokens[index] for index in must_keep(whole)) + PRIMING
        groups = groups_of(whole)
        cut = 0
        for step in range(1, 21):
            budget = least - 1 + step * (whole.token_count - least) // 19 - (step == 1)
            for strategy in STRATEGIES:
                if budget < least:
                    with pytest.raises(BudgetExceededError):
                        fit(t, budget, strategy)
                    continue
                part = fit(t, budget, strategy)
                assert_fits(whole, part, budget, tokens)
                kept = kept_of(whole, part)
                assert all(group <= kept or not group & kept for group in groups)
                assert refused(part) == {}
                cut += bool(part.left_out)
        assert cut > 40


# --- what is kept ---------------------------------------------------------------------------------


@pytest.fixture
def t() -> Tract:
    """A tract of an instruction, then ten turns; message *n* of the turns costs the same as any other."""
    t = Tract.open()
    t.system("Be brief.")
    for number in range(10):
        t.user(f"question {number}")
        t.assistant(f"answer {number}")
    return t


def texts(context: CompiledContext) -> list[str]:
    return [message.text for message in context.messages]


def test_newest_keeps_the_end_and_what_is_pinned(t: Tract) -> None:
    """In the order they had."""
    t.pin("HEAD~18")

    fitted = t.compile(budget=50)

    assert texts(fitted) == ["Be brief.", "answer 0", "question 8", "answer 8", "question 9", "answer 9"]
    assert fitted.warnings == ("Left out 15 of 21 messages, 105 tokens, to fit 50 tokens (newest).",)
    assert fitted.left_out[0] == LeftOut(t.log(limit=30)[-2].hash, "user", 7, "older")
    assert "question" not in repr((fitted, fitted.left_out))
    assert repr(fitted).endswith("messages=6 tokens=45 left_out=15>")


def test_the_window_keeps_the_cached_prefix(t: Tract) -> None:
    """Over thirty more turns what is sent begins the same way but for a few moves; newest changes each time."""
    beginnings: dict[str, set[str]] = {"window": set(), "newest": set()}
    for number in range(10, 40):
        t.user(f"question {number}")
        t.assistant(f"answer {number}")
        for strategy, seen in beginnings.items():
            seen.add(t.compile(budget=300, strategy=strategy).prefix_hash(3))  # type: ignore[arg-type]  # a name

    assert {name: len(seen) for name, seen in beginnings.items()} == {"window": 5, "newest": 21}
    assert t.compile(budget=300, strategy="window").messages[1].role == "user"


def test_importance_keeps_what_is_edited_answered_and_full_of_facts() -> None:
    """Old small talk goes before an old message that matters."""
    with Tract.open() as t:
        edited = t.assistant("so it is")
        t.edit(edited, DialogueContent(role="assistant", text="so it was"))
        t.user("booking BK-77 for A12 on 2026-05-01")
        asked = t.assistant("which one of them")
        for _ in range(15):
            t.assistant("well well well well well well well well")
        t.commit(DialogueContent(role="assistant", text="that one"), reply_to=asked)
        t.user("and now")

        fitted = t.compile(budget=80, strategy="importance")

        assert texts(fitted)[:3] == ["so it was", "booking BK-77 for A12 on 2026-05-01", "which one of them"]
        assert texts(fitted)[-2:] == ["that one", "and now"]
        assert {one.why for one in fitted.left_out} == {"less_important"}


def test_a_strategy_of_ones_own(t: Tract) -> None:
    """It sees groups, oldest first, and its choice is named as the reason."""
    seen: list[MessageGroup] = []

    def first_turns(groups: Sequence[MessageGroup], room_tokens: int) -> list[int]:
        seen.extend(groups)
        return [1, 2]

    fitted = t.compile(budget=31, strategy=first_turns)

    assert texts(fitted) == ["Be brief.", "question 0", "answer 0", "answer 9"]
    assert {one.why for one in fitted.left_out} == {"not_chosen"}
    assert fitted.warnings[0].endswith("to fit 31 tokens (a strategy of your own).")
    assert [one.is_pinned for one in seen] == [True] + [False] * 20
    assert [one.is_newest for one in seen] == [False] * 20 + [True]
    assert [one.starts_turn for one in seen[:3]] == [False, True, False]


def test_a_group_without_room_is_said_to_be_too_large(t: Tract) -> None:
    """What could not be kept whatever else went is told apart from what was only older."""
    t.user("word " * 200)
    t.assistant("fine")

    fitted = t.compile(budget=60)

    assert texts(fitted) == ["Be brief.", "fine"]
    assert {one.why for one in fitted.left_out if one.tokens > 100} == {"too_large"}
    assert {one.why for one in fitted.left_out if one.tokens < 100} == {"older"}


def test_what_cannot_be_left_out_is_named_with_its_numbers(t: Tract) -> None:
    """Instructions and the last message are too much: the error says how much, and of what."""
    with pytest.raises(BudgetExceededError, match="Instructions, pins and what was said last would hold 17 tokens"):
        t.compile(budget=16)

    assert t.compile(budget=17).token_count == 17


def test_parallel_results_and_reasoning_go_with_their_call() -> None:
    """The last group is a call, its late results and the thought before it: nothing of it can go."""
    with Tract.open() as t:
        t.user("old " * 50)
        t.unskip(t.commit(ReasoningContent(text="think")))
        t.assistant(None, tool_calls=[ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")])
        t.tool_result("b", "2")
        t.user("between")
        t.tool_result("a", "1")

        fitted = t.compile(budget=50)

        assert texts(fitted) == ["think", "", "2", "between", "1"]
        assert texts(t.compile(budget=fitted.token_count - 1)) == ["think", "", "2", "1"]


def test_reasoning_without_a_reply_is_a_group_of_its_own() -> None:
    """A thought the user interrupted belongs to nothing, at the end or before."""
    with Tract.open() as t:
        t.unskip(t.commit(ReasoningContent(text="old thought " * 20)))
        t.user("stop")
        t.unskip(t.commit(ReasoningContent(text="new thought")))

        assert texts(t.compile(budget=30)) == ["stop", "new thought"]


def test_a_last_message_without_text_keeps_the_one_before() -> None:
    """Anthropic takes no blank text: what says something stays, so that there is a message to send."""
    with Tract.open() as t:
        for number in range(9):
            t.user(f"question {number}")
        t.user(" ")

        fitted = t.compile(budget=18)

        assert texts(fitted) == ["question 8", " "]
        assert refused(fitted) == {}


def test_a_conversation_cut_before_a_reply_gets_a_first_user_message() -> None:
    """What is left may begin with the assistant: the format puts a user message before it, and says so."""
    with Tract.open() as t:
        t.user("question " * 30)
        t.assistant("answer")

        fitted = t.compile(budget=20)

        assert texts(fitted) == ["answer"]
        assert [one.kind for one in fitted.report("anthropic").repairs] == ["first_user"]


# --- what a budget is, and what it goes together with ---------------------------------------------


def test_the_reserve_is_kept_free(t: Tract) -> None:
    """A `TokenBudget` counts as its limit less its reserve; what it does when exceeded is not asked."""
    budget = TokenBudget(limit_tokens=70, reserve_tokens=20, on_exceed="reject")

    assert t.compile(budget=budget) == t.compile(budget=50)


def test_a_strategy_uses_the_tracts_own_budget(t: Tract) -> None:
    """Without one it is an error; a plain compile never cuts."""
    with pytest.raises(InvalidInputError, match="needs a budget"):
        t.compile(strategy="newest")
    t.configure(budget=TokenBudget(limit_tokens=50))

    assert t.compile(strategy="newest") == t.compile(budget=50)
    assert len(t.compile()) == 21


@pytest.mark.parametrize("budget", [0, -1, 1.5, True, "50", {"limit_tokens": 50}])
def test_what_is_no_budget_is_refused(t: Tract, budget: Any) -> None:
    """A positive number or a `TokenBudget`."""
    with pytest.raises(InvalidInputError, match="is no budget"):
        t.compile(budget=budget)


def test_a_budget_nothing_fits_into_is_exceeded(t: Tract) -> None:
    """A reserve as large as the limit leaves nothing."""
    with pytest.raises(BudgetExceededError):
        t.compile(budget=TokenBudget(limit_tokens=9, reserve_tokens=9))


def test_what_fits_is_what_a_plain_compile_gives(t: Tract) -> None:
    """The very same value, from the cache."""
    assert t.compile(budget=10_000) is t.compile()
    with Tract.open() as empty:
        assert empty.compile(budget=1) == empty.compile()


def test_recorded_usage_does_not_move_the_cut(t: Tract) -> None:
    """A budget is measured with the tokenizer, so what is kept does not jump with each recorded reply."""
    before = t.compile(budget=50)
    t.record_usage({"input_tokens": 9_000, "output_tokens": 100})
    assert t.compile().token_source.startswith("api:")

    assert texts(t.compile(budget=50)) == texts(before)
    assert t.compile(budget=50).token_source == before.token_source
    assert len(t.compile(budget=1_000)) == 21
    assert t.compile(budget=1_000).token_count == 150


def test_an_estimate_stays_a_warning() -> None:
    """Whoever counted it: beside what was left out, the reader learns that counts are estimates."""
    with Tract.open(tokenizer="estimate") as t:
        t.user("question " * 30)
        t.assistant("answer")
        t.record_usage({"input_tokens": 90, "output_tokens": 10})

        assert [text.split()[0] for text in t.compile(budget=20).warnings] == ["Token", "Left"]


def test_it_goes_together_with_the_other_options(t: Tract) -> None:
    """An earlier commit, another order, marks of edits, verification: compiled first, then cut."""
    t.edit("HEAD~1", DialogueContent(role="user", text="edited 9"))

    assert texts(t.compile("HEAD~3", budget=29)) == ["Be brief.", "question 8", "answer 8"]
    assert texts(t.compile(budget=29, order=["HEAD~1", "HEAD~2"]))[-2:] == ["answer 9", "edited 9"]
    marked = t.compile(budget=29, mark_edits=True, verify=True)
    assert texts(marked) == ["Be brief.", "[edited] edited 9", "answer 9"]
    assert marked.token_count <= 29 < marked.token_count + 6


def test_a_custom_compiler_is_counted_by_what_it_says(t: Tract, tmp_path: Any) -> None:
    """What it rewrote is what has to fit, and a message may stand for an entry more than once."""

    def shout(entries: Sequence[Entry]) -> list[tuple[Message, Entry]]:
        pairs = [(entry.shown.message, entry) for entry in entries if entry.shown.message is not None]
        return [(Message(said.role, (TextPart(said.text.upper() * 3),)), entry) for said, entry in pairs for _ in "ab"]

    with Tract.open(compiler=shout) as loud:
        for number in range(5):
            loud.user(f"question {number} ")
        whole = loud.compile()

        fitted = loud.compile(budget=whole.token_count // 2)

        assert fitted.messages == whole.messages[-len(fitted) :]
        assert 0 < whole.token_count // 2 - fitted.token_count < 30


# --- pairing --------------------------------------------------------------------------------------


@given(TEXT)
def test_ids_used_again_belong_to_the_nearest_call(text: str) -> None:
    """Models repeat ids from turn to turn; each result stays with its own call."""
    history = [user("q"), assistant("x", call("a")), result("a", "1"), assistant("y", call("a")), result("a", "2")]

    with Tract.open(compiler=lambda entries: zip(history, entries, strict=True), tokenizer="estimate") as t:
        for _ in history:
            t.user("so")
        tokens = t.compile().token_count

        assert texts(t.compile(budget=tokens - 1)) == ["x", "1", "y", "2"]
        assert texts(t.compile(budget=tokens // 2 + 2)) == ["y", "2"]
