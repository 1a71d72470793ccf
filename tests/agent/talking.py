"""Gives tests models that interfere, and a look at a tract that shows what is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tract import Tract
from tract.formats.rules import Violation
from tract.formats.validate import RULE_BOOKS
from tract.llm.protocol import Request
from tract.testing import ScriptedLLM


def said(t: Tract) -> list[tuple[str, str]]:
    """Return role and text of each compiled message; a reply without text gives its calls."""
    return [
        (message.role, message.text or ", ".join(call.name for call in message.tool_calls))
        for message in t.compile().messages
    ]


def verbs(t: Tract) -> list[str]:
    """Return what was done, oldest first, without the creation of the tract."""
    return [operation.verb for operation in t.operations][::-1][1:]


def while_asked(do: Callable[[], object], answer: Any = "Hello.") -> Callable[[Request], Any]:
    """Return an answer of a script that first does something, as others may while a model works."""

    def reply(_: Request) -> Any:
        do()
        return answer

    return reply


def model(*script: Any, **options: Any) -> ScriptedLLM:
    """Return a scripted model."""
    return ScriptedLLM(list(script), **options)


def broken(llm: ScriptedLLM, request: Request) -> list[Violation]:
    """Return which rules of its format a request breaks, as *llm* would send it: messages, tools and all."""
    return RULE_BOOKS[llm.format].violations(_named(llm.prepare(request).body))


def _named(body: Any) -> Any:
    """Return a request with the names of Gemini's SDK, which its rules are told in, in place of those of the wire."""
    if isinstance(body, dict):
        wire = {"functionCall": "function_call", "functionResponse": "function_response"}
        wire |= {"thoughtSignature": "thought_signature", "systemInstruction": "system_instruction"}
        return {wire.get(name, name): _named(value) for name, value in body.items()}
    return [_named(one) for one in body] if isinstance(body, list) else body


def require_valid(t: Tract) -> None:
    """Assert that the context is valid in every format, and the store whole."""
    context = t.compile()
    requests: dict[str, Any] = {
        "openai": {"messages": context.to_openai()},
        "anthropic": {"tools": None, "system": None, **context.to_anthropic()},
        "openai_responses": context.to_openai_responses(),
        "gemini": context.to_gemini(),
    }
    assert [broken for name, book in RULE_BOOKS.items() for broken in book.violations(requests[name])] == []
    assert t.fsck() == []
