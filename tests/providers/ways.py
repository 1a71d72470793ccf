"""The four ways to ask with a vendor's own client: sync, async, and either as a stream put together by that client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, get_args

import anthropic
import openai
from google import genai
from google.genai import types

from tests.providers.server import Provider

Way = Literal["sync", "async", "stream", "async stream"]
WAYS: tuple[Way, ...] = get_args(Way)
Ask = Callable[[Provider, Way, dict[str, Any]], Any]


def ask_chat(server: Provider, way: Way, request: dict[str, Any], **options: Any) -> Any:
    """Return the chat completion."""
    arguments = {"model": "gpt", **request}
    options = {"base_url": server.openai_url, "api_key": server.key, "max_retries": 0, "timeout": 30.0, **options}
    if "async" in way:
        return asyncio.run(_ask_chat(way, arguments, options))
    with openai.OpenAI(**options) as client:
        if way == "sync":
            return client.chat.completions.create(**arguments)
        arguments["stream_options"] = {"include_usage": True}
        with client.chat.completions.stream(**arguments) as stream:
            return stream.get_final_completion()


async def _ask_chat(way: Way, arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    async with openai.AsyncOpenAI(**options) as client:
        if way == "async":
            return await client.chat.completions.create(**arguments)
        arguments["stream_options"] = {"include_usage": True}
        async with client.chat.completions.stream(**arguments) as stream:
            return await stream.get_final_completion()


def ask_responses(server: Provider, way: Way, request: dict[str, Any], **options: Any) -> Any:
    """Return the response."""
    arguments = {"model": "gpt", "store": False, **request}
    options = {"base_url": server.openai_url, "api_key": server.key, "max_retries": 0, "timeout": 30.0, **options}
    if "async" in way:
        return asyncio.run(_ask_responses(way, arguments, options))
    with openai.OpenAI(**options) as client:
        if way == "sync":
            return client.responses.create(**arguments)
        with client.responses.stream(**arguments) as stream:
            return stream.get_final_response()


async def _ask_responses(way: Way, arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    async with openai.AsyncOpenAI(**options) as client:
        if way == "async":
            return await client.responses.create(**arguments)
        async with client.responses.stream(**arguments) as stream:
            return await stream.get_final_response()


def ask_anthropic(server: Provider, way: Way, request: dict[str, Any], **options: Any) -> Any:
    """Return the message."""
    arguments = {"model": "claude", "max_tokens": 4096, **request}
    options = {"base_url": server.anthropic_url, "api_key": server.key, "max_retries": 0, "timeout": 30.0, **options}
    if "async" in way:
        return asyncio.run(_ask_anthropic(way, arguments, options))
    with anthropic.Anthropic(**options) as client:
        if way == "sync":
            return client.messages.create(**arguments)
        with client.messages.stream(**arguments) as stream:
            return stream.get_final_message()


async def _ask_anthropic(way: Way, arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    async with anthropic.AsyncAnthropic(**options) as client:
        if way == "async":
            return await client.messages.create(**arguments)
        async with client.messages.stream(**arguments) as stream:
            return await stream.get_final_message()


def ask_gemini(
    server: Provider, way: Way, request: dict[str, Any], **options: Any
) -> list[types.GenerateContentResponse]:
    """Return the responses: one, or the chunks of a stream, which this client does not put together."""
    arguments = {"model": "gemini-3-pro", **request}
    http = types.HttpOptions(base_url=server.gemini_url, timeout=30_000)
    made = {"api_key": server.key, "http_options": http, **options}
    if "async" in way:
        return asyncio.run(_ask_gemini(way, arguments, made))
    with genai.Client(**made) as client:
        if way == "sync":
            return [client.models.generate_content(**arguments)]
        return list(client.models.generate_content_stream(**arguments))


async def _ask_gemini(
    way: Way, arguments: dict[str, Any], options: dict[str, Any]
) -> list[types.GenerateContentResponse]:
    async with genai.Client(**options).aio as client:
        if way == "async":
            return [await client.models.generate_content(**arguments)]
        return [chunk async for chunk in await client.models.generate_content_stream(**arguments)]
