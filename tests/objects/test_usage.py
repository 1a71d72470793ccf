"""Shows that every provider's own usage object is read, and what means the same reads the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anthropic.types
import openai.types
import openai.types.responses.response_usage as responses
import pytest
from google.genai import types as genai

from tests.ids import shown
from tract import Usage
from tract.errors import InvalidInputError
from tract.objects.usage import read_usage

CHAT = openai.types.CompletionUsage.model_validate(
    {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
)
RESPONSES = responses.ResponseUsage.model_validate(
    {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 8},
    }
)
MESSAGES = anthropic.types.Usage(
    input_tokens=30, output_tokens=20, cache_read_input_tokens=64, cache_creation_input_tokens=6
)
GEMINI = genai.GenerateContentResponseUsageMetadata(
    prompt_token_count=90,
    tool_use_prompt_token_count=10,
    candidates_token_count=12,
    thoughts_token_count=8,
    cached_content_token_count=64,
    total_token_count=120,
)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (CHAT, Usage(100, 20, 64)),
        (CHAT.model_dump(), Usage(100, 20, 64)),
        ({"prompt_tokens": 100, "completion_tokens": 20, "model": "gpt-4o"}, Usage(100, 20, model="gpt-4o")),
        ({"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": None}, Usage(100, 20)),
        (RESPONSES, Usage(100, 20, 64)),
        (RESPONSES.model_dump(), Usage(100, 20, 64)),
        (MESSAGES, Usage(100, 20, 64, 6)),
        (MESSAGES.model_dump(), Usage(100, 20, 64, 6)),
        (anthropic.types.Usage(input_tokens=100, output_tokens=20), Usage(100, 20)),
        ({"input_tokens": 100, "output_tokens": 20}, Usage(100, 20)),
        (GEMINI, Usage(100, 20, 64)),
        (GEMINI.model_dump(), Usage(100, 20, 64)),
        (GEMINI.model_dump(by_alias=True), Usage(100, 20, 64)),
        ({"promptTokenCount": 100, "candidatesTokenCount": 20}, Usage(100, 20)),
        (Usage(100, 20, 64, 6, "m"), Usage(100, 20, 64, 6, "m")),
        (SimpleNamespace(input_tokens=100, output_tokens=20, cache_read_tokens=64), Usage(100, 20, 64)),
        (
            {"input_tokens": 1, "output_tokens": 2, "cache_read_tokens": 3, "cache_write_tokens": 4, "model": "m"},
            Usage(1, 2, 3, 4, "m"),
        ),
        ({"input_tokens": 5, "output_tokens": None}, Usage(5, 0)),
    ],
    ids=shown,
)
def test_each_shape_is_read(usage: Any, expected: Usage) -> None:
    """The SDKs' own objects, their dicts and their JSON give the same counts."""
    assert read_usage(usage) == expected


@pytest.mark.parametrize("usage", [GEMINI, CHAT, RESPONSES])
def test_nothing_a_provider_counted_is_left_out(usage: Any) -> None:
    """Input and output together are the provider's own total."""
    read = read_usage(usage)
    total = getattr(usage, "total_tokens", None) or usage.total_token_count

    assert read.input_tokens + read.output_tokens == total


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "100",
        5,
        {},
        [],
        {"tokens": 5},
        {"input_tokens": -1},
        {"input_tokens": 1.5},
        {"input_tokens": True},
        {"input_tokens": "5"},
        {"input_tokens": 2**53},
        {"prompt_tokens": 1, "prompt_tokens_details": "none"},
        object(),
    ],
    ids=shown,
)
def test_anything_else_is_refused(usage: Any) -> None:
    """What no provider sends, and counts that are none, are refused with a hint."""
    with pytest.raises(InvalidInputError) as caught:
        read_usage(usage)

    assert caught.value.hint is not None
