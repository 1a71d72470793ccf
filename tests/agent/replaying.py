"""The 40 real conversations, run again: the model says what it said, and tools give what they gave."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tract import PolicyRecord, Tract
from tract.agent.tools import as_tool
from tract.errors import PolicyDeniedError
from tract.testing import ScriptedLLM

Message = dict[str, Any]


@dataclass
class Told:
    """What came of a conversation.

    Attributes:
        asked: How often the model was asked.
        ran: Names of the tools that ran, in order.
        ended: Turns a policy ended before the model was done.
    """

    asked: int = 0
    ran: list[str] = field(default_factory=list)
    ended: int = 0


def run_again(t: Tract, messages: Sequence[Message]) -> Told:
    """Let the user say each thing again, with a model and tools from what was recorded."""
    told = Told()
    first, *turns = _turns(messages)
    for message in first:
        t.commit(message)
    for prompt, *answers in turns:
        replies = [one for one in answers if one["role"] == "assistant"]
        results = deque(one["content"] or "" for one in answers if one["role"] == "tool")
        names = {call["function"]["name"] for one in replies for call in one.get("tool_calls") or ()}
        llm = ScriptedLLM([_said(one) for one in (*replies, *_ending(answers))])
        try:
            t.run(prompt["content"], llm=llm, tools=[_tool(name, results, told) for name in names], max_turns=99)
        except PolicyDeniedError:
            told.ended += 1
        told.asked += llm.calls
    return told


def told_by(records: Iterator[PolicyRecord] | Sequence[PolicyRecord], policy: str) -> list[tuple[str, str, str]]:
    """Return what *policy* said that was more than `allow`: event, verdict and reason."""
    return [(one.event, one.verdict, one.reason) for one in records if one.policy == policy and one.verdict != "allow"]


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    """Return what comes before the user's first word, then each of the user's words with what it led to."""
    turns: list[list[Message]] = [[]]
    for message in messages:
        if message["role"] == "user":
            turns.append([])
        turns[-1].append(message)
    return turns


def _said(message: Message) -> Message:
    return {name: value for name, value in message.items() if value is not None}


def _ending(answers: Sequence[Message]) -> list[Message]:
    """Return what the model says where the record ends with a tool."""
    is_open = bool(answers) and (answers[-1]["role"] == "tool" or bool(answers[-1].get("tool_calls")))
    return [{"role": "assistant", "content": "That is all."}] if is_open or not answers else []


def _tool(name: str, results: deque[str], told: Told) -> Any:
    def call(**_: Any) -> str:
        told.ran.append(name)
        return results.popleft() if results else "Nothing was recorded."

    return as_tool(call, name=name, description="As recorded.", schema={"type": "object"})
