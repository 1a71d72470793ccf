"""Answers whether a provider would accept a request: one function per format, over its rules.

The types of the SDKs never say what must follow what, so these rules do. Each rule's docstring begins
with the provider's own error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tract.formats.anthropic_rules import BOOK as ANTHROPIC
from tract.formats.gemini_rules import BOOK as GEMINI
from tract.formats.openai_rules import BOOK as OPENAI
from tract.formats.responses_rules import BOOK as OPENAI_RESPONSES
from tract.formats.rules import RuleBook, Violation

__all__ = [
    "RULE_BOOKS",
    "Violation",
    "validate_anthropic",
    "validate_gemini",
    "validate_openai",
    "validate_openai_responses",
]

RULE_BOOKS: Mapping[str, RuleBook] = {book.provider: book for book in (OPENAI, OPENAI_RESPONSES, ANTHROPIC, GEMINI)}
"""The rules of each format, by the name `CompiledContext.report` takes."""


def validate_openai(messages: Sequence[Mapping[str, Any]]) -> list[Violation]:
    """Return what Chat Completions would refuse in *messages*; nothing when it would take them."""
    return OPENAI.violations({"messages": messages})


def validate_anthropic(
    system: str | Sequence[Mapping[str, Any]] | None,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> list[Violation]:
    """Return what Anthropic Messages would refuse; nothing when it would take it.

    Args:
        system: The request's `system`.
        messages: The request's `messages`.
        tools: The request's `tools`; an empty list says there are none, `None` leaves them out of the question.
    """
    return ANTHROPIC.violations({"system": system, "messages": messages, "tools": tools})


def validate_openai_responses(
    items: Sequence[Mapping[str, Any]], *, instructions: str | None = None, stateless: bool = True
) -> list[Violation]:
    """Return what OpenAI Responses would refuse; nothing when it would take it.

    Args:
        items: The request's `input`.
        instructions: The request's `instructions`.
        stateless: The provider keeps nothing (`store=False`), so reasoning needs its `encrypted_content`.
    """
    return OPENAI_RESPONSES.violations({"input": items, "instructions": instructions, "stateless": stateless})


def validate_gemini(
    contents: Sequence[Mapping[str, Any]], *, system_instruction: str | Mapping[str, Any] | None = None
) -> list[Violation]:
    """Return what Gemini would refuse; nothing when it would take it.

    Args:
        contents: The request's `contents`, spelled as the SDK spells them.
        system_instruction: The request's `system_instruction`.
    """
    return GEMINI.violations({"contents": contents, "system_instruction": system_instruction})
