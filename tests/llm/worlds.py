"""Makes clients for the provider of a test, one for each format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.providers.server import Provider
from tract.llm.http import HttpLLM
from tract.llm.protocol import LLM, Format, Reply, Request, StreamItem
from tract.llm.retry import RetryPolicy
from tract.objects.content import DialogueContent, to_message
from tract.objects.message import Message, TextPart

KEY = "test-key"
FORMATS: Sequence[Format] = ("openai", "openai_responses", "anthropic", "gemini")
MODELS: Mapping[str, str] = {
    "openai": "gpt-5",
    "openai_responses": "gpt-5",
    "anthropic": "claude-test",
    "gemini": "gemini-2.5-pro",
}
ONCE = RetryPolicy(max_attempts=1)
QUICK = RetryPolicy(max_attempts=4, first_wait_seconds=0.001, longest_wait_seconds=0.002)

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def url_of(provider: Provider, format: Format) -> str:  # noqa: A002  # the field's name
    return provider.openai_url if format.startswith("openai") else provider.url


def client(provider: Provider, format: Format, **options: Any) -> HttpLLM:  # noqa: A002  # the field's name
    given = {"api_key": KEY, "model": MODELS[format], "base_url": url_of(provider, format), "retry": ONCE, **options}
    return HttpLLM(format, **given)


def ask(*texts: str, **fields: Any) -> Request:
    """Return a request in which user and assistant speak in turn."""
    roles = ("user", "assistant")
    return Request(
        messages=tuple(Message(roles[i % 2], (TextPart(text),)) for i, text in enumerate(texts)),  # type: ignore[arg-type]  # two of the roles
        **fields,
    )


def said(turn: DialogueContent) -> Message:
    """Return the message a committed turn compiles to."""
    return to_message("dialogue", turn.payload())


def send(llm: LLM, request: Request) -> Reply:
    return llm.send(request)


def stream(llm: LLM, request: Request) -> Reply:
    return last(list(llm.stream(request)))


def asend(llm: LLM, request: Request) -> Reply:
    return asyncio.run(llm.asend(request))


def astream(llm: LLM, request: Request) -> Reply:
    return last(asyncio.run(collect(llm, request)))


async def collect(llm: LLM, request: Request) -> list[StreamItem]:
    return [item async for item in llm.astream(request)]


def last(items: Sequence[StreamItem]) -> Reply:
    assert isinstance(items[-1], Reply)
    assert not any(isinstance(item, Reply) for item in items[:-1])
    return items[-1]


WAYS: Sequence[Callable[[LLM, Request], Reply]] = (send, stream, asend, astream)
