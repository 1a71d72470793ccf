"""Whatever a model does and whoever interferes, the history stays valid and can be gone on from."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.talking import model, require_valid
from tests.strategies import TEXT
from tract import DialogueContent, Reasoning, RunBudget, TextPart, ToolCall, Tract
from tract.errors import ModelTimeoutError, TractError
from tract.testing import ScriptedLLM

# A user who says nothing at all gives some providers nothing to answer.
_SAID = TEXT.map(lambda text: text if text.strip() else "Hm?")
_IDS = st.sampled_from(["", "a", "a", "b", "c"])
_NAMES = st.sampled_from(["good", "bad", "other", "nope", "no name!"])
_ARGUMENTS = st.sampled_from(["", "{}", '{"n": 1}', '{"n": "x"}', "{", "null", '{"n": 1, "z": []}'])
_CALLS = st.lists(st.builds(ToolCall, _IDS, _NAMES, _ARGUMENTS), min_size=1, max_size=3)
_THOUGHT = st.builds(Reasoning, st.just("anthropic"), st.just({"type": "thinking", "thinking": "", "signature": "s"}))
_REPLIES = (
    st.builds(lambda text: DialogueContent(role="assistant", text=text), TEXT)
    | st.builds(lambda calls: DialogueContent(role="assistant", tool_calls=tuple(calls)), _CALLS)
    | st.builds(
        lambda text, calls, thought: DialogueContent(
            role="assistant", text=text, tool_calls=tuple(calls), reasoning=(thought,)
        ),
        TEXT,
        _CALLS,
        _THOUGHT,
    )
    | st.builds(lambda calls: DialogueContent(role="assistant", parts=(TextPart("I look."), *calls)), _CALLS)
    | st.just(ModelTimeoutError("Late."))
)
_BUDGETS = st.none() | st.builds(RunBudget, tokens=st.integers(0, 2000)) | st.builds(RunBudget, seconds=st.just(0.0))
_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("chat"), _SAID, st.lists(_REPLIES, min_size=1, max_size=1)),
        st.tuples(st.just("stream"), _SAID, st.lists(_REPLIES, min_size=1, max_size=1)),
        st.tuples(st.just("leave"), _SAID, st.lists(_REPLIES, min_size=1, max_size=1)),
        st.tuples(st.just("run"), _SAID, st.lists(_REPLIES, min_size=1, max_size=4), st.integers(1, 3), _BUDGETS),
        st.tuples(st.just("go on"), st.lists(_REPLIES, min_size=1, max_size=4)),
        st.tuples(st.just("undo"), st.integers(1, 3)),
        st.tuples(st.just("skip"), st.integers(0, 5)),
        st.tuples(st.just("user"), _SAID),
    ),
    max_size=6,
)


def good(n: int = 0) -> int:
    """Give back a number."""
    return n


def bad() -> None:
    """Fail."""
    raise ValueError("no")


def other() -> list[Any]:
    """Give something back."""
    return [1, None]


def _act(t: Tract, act: tuple[Any, ...]) -> None:
    match act:
        case ("chat", text, replies):
            t.chat(text, llm=ScriptedLLM(replies))
        case ("stream", text, replies):
            list(t.stream(text, llm=ScriptedLLM(replies)))
        case ("leave", text, replies):
            for _ in t.stream(text, llm=ScriptedLLM(replies), keep_partial=True):
                break
        case ("run", text, replies, turns, budget):
            t.run(text, llm=ScriptedLLM(replies), max_turns=turns, budget=budget)
        case ("go on", replies):
            t.run(llm=ScriptedLLM(replies))
        case ("undo", count):
            t.undo(count)
        case ("skip", place):
            hashes = t.compile().commit_hashes
            t.skip(hashes[place % len(hashes)] if hashes else "HEAD")
        case ("user", text):
            t.user(text)


@given(_ACTS)
@settings(max_examples=40)
def test_any_behaviour_leaves_a_valid_history(acts: list[tuple[Any, ...]]) -> None:
    """In every format after every act; errors are ours; and a run can always go on to an end."""
    with Tract.open(durability="off") as t:
        for tool in (good, bad, other):
            t.tools.add(tool)
        for act in acts:
            with suppress(TractError):
                _act(t, act)
            if t.compile().messages:
                require_valid(t)
        if t.compile().messages:
            result = t.run(llm=model("Done."))
            assert result.state == "finished"
            require_valid(t)
