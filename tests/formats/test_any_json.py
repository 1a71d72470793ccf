"""Readers and rules meet any JSON with a value or their own error, never with another one."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tract.errors import FormatError
from tract.formats.anthropic import from_anthropic
from tract.formats.gemini import from_gemini
from tract.formats.openai_chat import from_openai
from tract.formats.responses import from_openai_responses
from tract.formats.validate import validate_anthropic, validate_gemini, validate_openai, validate_openai_responses

KEYS = st.sampled_from(
    [
        *(
            "role",
            "content",
            "type",
            "text",
            "tool_calls",
            "tool_call_id",
            "name",
            "id",
            "function",
            "arguments",
            "custom",
        ),
        *(
            "input",
            "image_url",
            "url",
            "source",
            "data",
            "media_type",
            "tool_use_id",
            "is_error",
            "thinking",
            "signature",
        ),
        *("cache_control", "ttl", "title", "file", "file_data", "input_audio", "refusal"),
        *("call_id", "output", "summary", "encrypted_content", "detail", "status", "phase"),
        *("parts", "function_call", "functionResponse", "function_response", "response", "args", "inline_data"),
        *("mime_type", "mimeType", "file_uri", "thought", "thought_signature", "file_url", "filename"),
    ]
)
WORDS = st.sampled_from(
    [
        *("system", "developer", "user", "assistant", "tool", "function", "text", "image", "image_url", "tool_use"),
        *("message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "input_text"),
        *("output_text", "input_image", "input_file", "compaction", "model", "data:image/png;base64,AAAA"),
        *("tool_result", "thinking", "document", "file", "input_audio", "base64", "url", "1h", "AAAA", "x"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def _block(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    own = {"text": JSON, "id": JSON, "name": JSON, "input": JSON}
    return st.fixed_dictionaries({"type": WORDS}, optional=own | fields)


BLOCKS = _block(source=JSON, content=JSON, tool_use_id=JSON, cache_control=JSON, thinking=JSON)
CONTENT = JSON | st.lists(BLOCKS | JSON, max_size=3)
CALLS = st.lists(JSON | st.fixed_dictionaries({"id": JSON, "type": WORDS, "function": JSON}), max_size=2)
MESSAGES = st.lists(
    JSON
    | st.fixed_dictionaries(
        {"role": WORDS}, optional={"content": CONTENT, "tool_calls": CALLS | JSON, "tool_call_id": JSON}
    ),
    max_size=3,
)


@given(MESSAGES)
def test_openai_reading_and_rules_take_any_json(messages: Any) -> None:
    """Any JSON is read, or refused with `FormatError`; the rules always answer."""
    with contextlib.suppress(FormatError):
        assert len(from_openai(messages)) == len(messages)

    assert isinstance(validate_openai(messages), list)


@given(MESSAGES, CONTENT, CONTENT)
def test_anthropic_reading_and_rules_take_any_json(messages: Any, system: Any, tools: Any) -> None:
    """Any JSON is read, or refused with `FormatError`; the rules always answer."""
    with contextlib.suppress(FormatError):
        assert from_anthropic(messages, system=system) or not messages

    assert isinstance(validate_anthropic(system, messages, tools), list)


ITEMS = st.lists(
    JSON
    | st.fixed_dictionaries(
        {"type": WORDS},
        optional={
            "role": WORDS,
            "content": CONTENT,
            "call_id": JSON,
            "output": CONTENT,
            "name": JSON,
            "arguments": JSON,
        },
    ),
    max_size=3,
)


@given(ITEMS, JSON)
def test_responses_reading_and_rules_take_any_json(items: Any, instructions: Any) -> None:
    """Any JSON is read, or refused with `FormatError`; the rules always answer."""
    with contextlib.suppress(FormatError):
        assert from_openai_responses(items, instructions=instructions) or not items

    assert isinstance(validate_openai_responses(items, instructions=instructions), list)


BODIES = JSON | st.fixed_dictionaries({}, optional={"name": WORDS, "id": JSON, "response": JSON, "args": JSON})
PARTS = st.lists(
    JSON
    | st.fixed_dictionaries({}, optional={"function_call": BODIES, "functionCall": BODIES, "thought": JSON})
    | st.fixed_dictionaries({}, optional={"function_response": BODIES, "text": JSON, "inline_data": JSON}),
    max_size=3,
)
TURNS = st.lists(
    JSON | st.fixed_dictionaries({"role": st.sampled_from(["user", "model"]), "parts": PARTS | JSON}), max_size=3
)


@given(TURNS, JSON | PARTS)
def test_gemini_reading_and_rules_take_any_json(contents: Any, system: Any) -> None:
    """Any JSON is read, or refused with `FormatError`; the rules always answer."""
    with contextlib.suppress(FormatError):
        assert from_gemini(contents, system_instruction=system) or not contents

    assert isinstance(validate_gemini(contents, system_instruction=system), list)


def test_tools_of_no_known_form_are_not_looked_at() -> None:
    """The rules are about messages; what a tool looks like is left to the provider."""
    tools: Any = ["x"]

    assert validate_anthropic(None, [{"role": "user", "content": "hi"}], tools) == []
