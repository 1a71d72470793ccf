"""What any valid value looks like: JSON, contents of every type, generation configs; for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tract import (
    ArtifactContent,
    DialogueContent,
    FilePart,
    FreeformContent,
    ImagePart,
    InstructionContent,
    OutputContent,
    Reasoning,
    ReasoningContent,
    SessionContent,
    TextPart,
    ToolCall,
    ToolResultContent,
    ToolResultPart,
)

# Text that has broken JSON, terminals and databases before; never half of a surrogate pair.
TEXT = st.text(max_size=12) | st.sampled_from(["", "\0", '"\\/\b\f\n\r\t', "\u2028\u2029", "<|endoftext|>", "é", "🙂"])
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXT,
    lambda child: st.lists(child, max_size=3) | st.dictionaries(TEXT, child, max_size=3),
    max_leaves=8,
)
EXTRA: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.dictionaries(
    st.sampled_from(["openai", "anthropic"]), st.dictionaries(TEXT, JSON, max_size=2)
)
NAMES = st.none() | TEXT
BYTES = st.binary(max_size=8)
"""Bytes of a file; what they are is nobody's business here."""

TEXT_PARTS = st.builds(TextPart, TEXT, extra=EXTRA)
IMAGES = st.builds(ImagePart, NAMES, BYTES, extra=EXTRA) | st.builds(ImagePart, url=TEXT, extra=EXTRA)
FILES = st.builds(FilePart, NAMES, BYTES, name=NAMES) | st.builds(FilePart, url=TEXT, name=NAMES, extra=EXTRA)
CALLS = st.builds(ToolCall, TEXT, TEXT, TEXT, extra=EXTRA)
REASONING = st.builds(Reasoning, TEXT, st.dictionaries(TEXT, JSON, max_size=2), TEXT, extra=EXTRA)
RESULTS = st.builds(
    ToolResultPart,
    TEXT,
    TEXT,
    parts=st.lists(TEXT_PARTS | IMAGES | FILES, max_size=2).map(tuple),
    name=NAMES,
    is_error=st.booleans(),
    extra=EXTRA,
)
PARTS = TEXT_PARTS | IMAGES | FILES | CALLS | REASONING | RESULTS


def _spoken(content: Any, *, least: int = 1, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    shared = {"extra": EXTRA, "sensitive": st.booleans(), **fields}
    parts = st.lists(PARTS, min_size=least, max_size=3).map(tuple)
    return st.builds(content, text=TEXT, **shared) | st.builds(content, parts=parts, **shared)


def _some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=2).map(tuple)


INSTRUCTIONS = _spoken(InstructionContent, role=st.sampled_from(["system", "developer"]), name=NAMES)
USER_TURNS = _spoken(DialogueContent, role=st.just("user"), name=NAMES)
ASSISTANT_TURNS = _spoken(
    DialogueContent,
    role=st.just("assistant"),
    tool_calls=_some(CALLS),
    reasoning=_some(REASONING),
    name=NAMES,
    interrupted=st.booleans(),
)
TOOL_RESULTS = _spoken(ToolResultContent, least=0, call_id=TEXT.filter(bool), name=NAMES, is_error=st.booleans())
CONTENTS = st.one_of(
    INSTRUCTIONS,
    USER_TURNS,
    ASSISTANT_TURNS,
    TOOL_RESULTS,
    st.builds(ReasoningContent, text=TEXT, sensitive=st.booleans()),
    st.builds(ArtifactContent, text=TEXT, kind=TEXT, title=NAMES, sensitive=st.booleans()),
    st.builds(OutputContent, text=TEXT, format=TEXT, sensitive=st.booleans()),
    st.builds(FreeformContent, data=JSON, sensitive=st.booleans()),
    st.builds(
        SessionContent,
        kind=st.sampled_from(["start", "end", "handoff", "checkpoint"]),
        summary=TEXT,
        decisions=_some(TEXT),
        failed_approaches=_some(TEXT),
        next_steps=_some(TEXT),
        sensitive=st.booleans(),
    ),
)
"""Any valid content of any built-in type."""


class Measurement(BaseModel):
    """A custom type with awkward fields: an alias, nesting, and names that the built-in types use."""

    unit: str = Field(alias="of")
    values: list[float] = []
    nonce: str | None = None
    hash: str = ""


class Remark(BaseModel):
    """A custom type with a text."""

    text: str
    name: str | None = None


CUSTOM = st.builds(Measurement, of=TEXT, values=st.lists(FLOATS, max_size=3), nonce=NAMES, hash=TEXT) | st.builds(
    Remark, text=TEXT, name=NAMES
)
"""Any valid content of a registered custom type; register them with `register`."""


def register(t: Any) -> None:
    """Register the custom types on the tract *t*."""
    t.register_content_type("measurement", Measurement)
    t.register_content_type("remark", Remark)


CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["gpt-4o", "claude"]),
        "temperature": st.sampled_from([0, 0.5, 1.0]),
        "max_tokens": st.integers(1, 4096),
        "stop": st.lists(TEXT, max_size=2),
        "top_k": INTEGERS,
        "response_format": st.dictionaries(TEXT, JSON, max_size=2),
    },
)
"""Any generation config, with fields of a provider's own."""
