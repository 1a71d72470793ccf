"""What the format tests build on: real conversations, contents read as messages, and any history at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tract.objects.content import Content, encode_payload, to_message
from tract.objects.message import (
    AnyPart,
    FilePart,
    ImagePart,
    Message,
    Reasoning,
    TextPart,
    ToolCall,
    ToolResultPart,
)

DATA = Path(__file__).parent.parent / "data" / "airline-conversations.jsonl"

PNG = b"\x89PNG\r\n\x1a\n"


@cache
def conversations() -> tuple[list[dict[str, Any]], ...]:
    """The 40 real conversations, as OpenAI messages."""
    return tuple(json.loads(line)["messages"] for line in DATA.read_text(encoding="utf-8").splitlines())


def messages_of(contents: Iterable[Content]) -> list[Message]:
    """Return the messages contents become once they are stored and compiled."""
    return [_message_of(content) for content in contents]


def _message_of(content: Content) -> Message:
    message = to_message(content.content_type, json.loads(encode_payload(content.payload())))
    # Bytes are stored apart from the payload and put back when compiling.
    media = iter([part for part in getattr(content, "parts", ()) if isinstance(part, (ImagePart, FilePart))])
    return replace(message, parts=tuple(_with_data(part, media) for part in message.parts))


def _with_data(part: AnyPart, media: Iterator[ImagePart | FilePart]) -> AnyPart:
    return replace(part, data=next(media).data) if isinstance(part, (ImagePart, FilePart)) else part


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def assistant(*parts: AnyPart | str) -> Message:
    return Message("assistant", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def result(call_id: str | None, text: str = "done") -> Message:
    return Message("tool", (TextPart(text),), call_id=call_id)


def call(call_id: str, arguments: str = "{}", name: str = "look_up") -> ToolCall:
    return ToolCall(call_id, name, arguments)


# --- any history ---------------------------------------------------------------------------------

TEXTS = st.sampled_from(["", " ", "\n\t", "hello", "trailing  ", "twee", "\u2028 line", "🙂", "a < b"])
IDS = st.sampled_from(["", "a", "b", "c", "call.1", "call/2", "toolu_01", "a b", "ä"])
ARGUMENTS = st.sampled_from(
    [
        "{}",
        '{"a": 1}',
        '{"b":{"c":[1,2.5]}}',
        "",
        "[1]",
        "not json",
        '{"x": NaN}',
        '{"x": 1e999}',
        '{"x": "\\ud800"}',
        "7",
    ]
)
CACHE = st.sampled_from([{}, {}, {"anthropic": {"cache_control": {"type": "ephemeral"}}}])
HOURS = st.sampled_from([{}, {"anthropic": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}}])
MARKS = st.sampled_from(
    [
        {},
        {"openai": {"content": "list"}},
        {"openai": {"content": "null"}},
        {"openai": {"content": "missing", "tool_calls": None}},
        {"openai": {"refusal": None, "annotations": []}},
        {"anthropic": {"content": "list"}},
        {"gemini": {"part_metadata": {"a": 1}}},
        {"openai_responses": {"id": "msg_1", "content": "list untyped"}},
        {"openai_responses": {"status": "completed", "content": "inline"}},
        {"gemini": {"content": "text list"}},
    ]
)
OWN = st.sampled_from(
    [
        {"openai_responses": {"annotations": [], "message": {"id": "msg_2", "phase": "commentary"}, "content": "list"}},
        {"openai_responses": {"annotations": [], "content": "continued"}},
        {"gemini": {"thought_signature": "c2ln"}},
    ]
)
TEXT_PARTS = st.builds(TextPart, TEXTS, extra=CACHE | HOURS | OWN)
# What only one provider knows, kept whole.
OPAQUE_PARTS = (
    TextPart("", extra={"openai_responses": {"item": {"type": "compaction", "encrypted_content": "x"}}}),
    TextPart("no", extra={"openai_responses": {"part": {"type": "refusal", "refusal": "no"}}}),
    TextPart("", extra={"gemini": {"part": {"executable_code": {"code": "1", "language": "PYTHON"}}}}),
)
OPAQUE = st.sampled_from(OPAQUE_PARTS)
IMAGES = st.sampled_from(
    [
        ImagePart("image/png", PNG),
        ImagePart("image/tiff", b"II*"),
        ImagePart(url="https://example.org/a.png"),
        ImagePart(hash="00"),
    ]
)
FILES = st.sampled_from(
    [
        FilePart("application/pdf", b"%PDF", name="a.pdf"),
        FilePart("text/plain", b"text"),
        FilePart("text/plain", b"\xff"),
        FilePart(url="https://example.org/a.pdf"),
    ]
)
REASONING = st.sampled_from(
    [
        Reasoning("anthropic", {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, "hm"),
        Reasoning("anthropic", {"type": "redacted_thinking", "data": "eA=="}),
        Reasoning("openai", {"type": "reasoning", "id": "rs_1", "summary": []}),
        Reasoning("openai", {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "ZQ=="}),
        Reasoning("gemini", {"text": "hm", "thought": True, "thought_signature": "c2ln"}, "hm"),
    ]
)
CALL_EXTRA = st.sampled_from(
    [
        {},
        {},
        {"openai": {"type": "custom"}},
        {"openai_responses": {"id": "fc_1", "status": "completed"}},
        {"gemini": {"thought_signature": "c2ln", "content": "no_args"}},
    ]
)
CALLS = st.builds(
    ToolCall, IDS, st.sampled_from(["look_up", "functions.search", "", "n" * 140]), ARGUMENTS, extra=CALL_EXTRA
)
RESULTS = st.builds(ToolResultPart, IDS, TEXTS, parts=st.lists(TEXT_PARTS | IMAGES, max_size=2).map(tuple))
PARTS = TEXT_PARTS | TEXT_PARTS | CALLS | CALLS | IMAGES | FILES | REASONING | RESULTS | OPAQUE
NAMES = st.none() | st.sampled_from(["ann", "Ann Smith", "<x>", ""])

MESSAGES = st.one_of(
    st.builds(
        Message,
        st.sampled_from(["system", "developer", "user", "user", "assistant", "assistant", "assistant"]),
        st.lists(PARTS, max_size=4).map(tuple),
        NAMES,
        extra=MARKS,
    ),
    st.builds(
        Message,
        st.just("tool"),
        st.lists(TEXT_PARTS | IMAGES | REASONING, max_size=2).map(tuple),
        NAMES,
        call_id=st.none() | IDS,
        is_error=st.booleans(),
        extra=MARKS,
    ),
)


def histories() -> st.SearchStrategy[list[Message]]:
    """Any messages in any order, valid or not."""
    return st.lists(MESSAGES, min_size=1, max_size=10)


@st.composite
def exchanges(draw: st.DrawFn) -> list[Message]:
    """A valid conversation with parallel tool calls; ids are used once."""
    out = [Message("system", (TextPart("Be brief."),))]
    for turn in range(draw(st.integers(1, 4))):
        out.append(user(f"question {turn}"))
        ids = [f"call_{turn}_{k}" for k in range(draw(st.integers(0, 3)))]
        if ids:
            said: list[AnyPart] = [TextPart(f"looking {turn}")] if draw(st.booleans()) else []
            out.append(assistant(*said, *[call(call_id, f'{{"k": "{call_id}"}}') for call_id in ids]))
            out.extend(result(call_id, f"answer {call_id}") for call_id in draw(st.permutations(ids)))
        out.append(assistant(f"answer {turn}"))
    return out


def tools_of(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an Anthropic definition of every tool the messages call."""
    names = {
        block["name"]
        for message in messages
        for block in (message["content"] if isinstance(message["content"], list) else ())
        if block["type"] == "tool_use"
    }
    return [{"name": name, "input_schema": {"type": "object"}} for name in sorted(names)]
