"""Answers what a run says while it goes on, for display; each event comes after what it tells of is committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from tract.agent.conversation import ChatResponse
from tract.llm.protocol import ReasoningDelta, TextDelta, ToolCallDelta
from tract.objects.commit import CommitInfo
from tract.objects.message import ToolCall


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The model is about to be asked.

    Attributes:
        turn: Which turn of the run, from 1.
        messages: How many messages are sent.
    """

    turn: int
    messages: int


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """The model's reply is committed."""

    turn: int
    response: ChatResponse


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool is about to be run."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool's result is committed.

    Attributes:
        call: The call it answers.
        commit_info: The commit of the result.
        is_error: The model was told that it failed.
        seconds: How long it ran.
    """

    call: ToolCall
    commit_info: CommitInfo = field(repr=False)
    is_error: bool
    seconds: float


RunEvent: TypeAlias = (
    TurnStarted | TextDelta | ReasoningDelta | ToolCallDelta | TurnFinished | ToolStarted | ToolFinished
)
"""What `on_event` is called with; the deltas come only with `stream=True`."""
