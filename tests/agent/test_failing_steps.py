"""A turn whose n-th statement fails, for every n: what is kept is valid, and asking again comes to the same end."""

from pathlib import Path

import pytest

from tests.agent.talking import model, require_valid, said
from tests.reliability.faults import Fault
from tract import RunResult, ToolCall, Tract, Usage
from tract.errors import TractError
from tract.llm.protocol import Reply

_MOST_STATEMENTS = 150
_CALLS = [ToolCall("a", "double", '{"n": 1}'), ToolCall("b", "double", '{"n": 2}')]


def double(n: int) -> int:
    """Double a number."""
    return 2 * n


@pytest.mark.parametrize("after", [False, True])
def test_a_chat_may_fail_at_each_statement(tmp_path: Path, *, after: bool) -> None:
    """The question is kept once or not at all; a reply that was paid for is in the error."""
    had_reply = False
    for number in range(1, _MOST_STATEMENTS):
        with Tract.open(tmp_path / f"{number}.db", durability="off") as t:
            fault = Fault(t, number, after=after)
            error: TractError | None = None
            with fault:
                try:
                    t.chat("Hi!", llm=model("Hello.", usage=Usage(9, 2)))
                except TractError as raised:
                    error = raised
            if not fault.happened:
                break
            if said(t) in ([], [("user", "Hi!")]):
                assert error is not None
                had_reply = had_reply or isinstance(error.reply, Reply)
                t.chat("Hi!", llm=model("Hello.", usage=Usage(9, 2)))

            assert said(t) == [("user", "Hi!"), ("assistant", "Hello.")]
            assert t.compile().token_source == "api:scripted"
            require_valid(t)
    else:
        raise AssertionError("a chat of more statements than expected")
    assert number > 10
    assert had_reply


def _to_the_end(t: Tract, script: list[object]) -> RunResult:
    """Go on with the run until it is finished, with what the model had not said."""
    texts = said(t)
    if not texts:
        return t.run("Go.", tools=[double], llm=model(*script))
    made = sum(role == "assistant" for role, _ in texts)
    return t.run(tools=[double], llm=model(*script[made:]))


def test_a_run_may_fail_at_each_statement(tmp_path: Path) -> None:
    """It goes on from where it was; every call has one result."""
    number = 0
    for number in range(1, _MOST_STATEMENTS):
        with Tract.open(tmp_path / f"{number}.db", durability="off") as t:
            fault = Fault(t, number)
            with fault:
                try:
                    t.run("Go.", tools=[double], llm=model(_CALLS, "Done."))
                except TractError:
                    assert fault.happened
            if not fault.happened:
                break
            if said(t):
                require_valid(t)
            result = _to_the_end(t, [_CALLS, "Done."])

            assert (result.state, result.text) == ("finished", "Done.")
            assert [role for role, _ in said(t)] == ["user", "assistant", "tool", "tool", "assistant"]
            require_valid(t)
    else:
        raise AssertionError("a run of more statements than expected")
    assert number > 20
