"""Answers what any provider would refuse of a compiled context: the rules of all four formats at once."""

from __future__ import annotations

from tract.compile.context import CompiledContext
from tract.formats.validate import (
    Violation,
    validate_anthropic,
    validate_gemini,
    validate_openai,
    validate_openai_responses,
)

NOTHING_TO_SEND = frozenset(
    {"openai.messages.empty", "openai_responses.input.empty", "anthropic.messages.empty", "gemini.contents.empty"}
)


def refused(context: CompiledContext) -> list[Violation]:
    """Return every rule of every provider that *context* breaks."""
    anthropic, gemini, responses = context.to_anthropic(), context.to_gemini(), context.to_openai_responses()
    return [
        *validate_openai(context.to_openai()),
        *validate_openai_responses(responses["input"], instructions=responses.get("instructions")),
        *validate_anthropic(anthropic.get("system"), anthropic["messages"]),
        *validate_gemini(gemini["contents"], system_instruction=gemini.get("system_instruction")),
    ]
