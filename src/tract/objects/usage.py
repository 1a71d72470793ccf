"""Answers what a provider said a call cost, whichever provider said it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tract.errors import InvalidInputError
from tract.objects.refs import check_label


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as its provider counted them.

    Attributes:
        input_tokens: Everything sent, tokens read from and written to a cache included.
        output_tokens: Everything received, reasoning included.
        cache_read_tokens: How many of the input came from the provider's cache.
        cache_write_tokens: How many of the input were put into it.
        model: Model that answered, `""` if not said.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    model: str = ""


_HINT: Final = "Pass the `usage` of an OpenAI or Anthropic response, or the `usage_metadata` of a Gemini one."


def read_usage(usage: Usage | Mapping[str, Any] | object) -> Usage:
    """Return *usage* in one shape: a `Usage`, a provider's usage object, or its dict.

    Raises:
        InvalidInputError: No known shape, or counts that are no non-negative integers.
    """
    if isinstance(usage, Usage):
        return _checked(usage)
    fields = _fields(usage)
    if "prompt_tokens" in fields:
        return _checked(_openai_chat(fields))
    if "prompt_token_count" in fields or "promptTokenCount" in fields:
        return _checked(_gemini(fields))
    if "cache_read_input_tokens" in fields or "cache_creation_input_tokens" in fields:
        return _checked(_anthropic(fields))
    if "input_tokens" in fields:
        return _checked(_plain(fields))
    raise InvalidInputError("This is no usage any provider reports.", hint=_HINT)


def _checked(usage: Usage) -> Usage:
    """Return *usage* if a store can keep it."""
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    if not all(type(count) is int and 0 <= count < 2**53 for count in counts):
        raise InvalidInputError("A count of tokens is no integer from 0 to 2**53.", hint=_HINT)
    check_label(usage.model, "model")
    return usage


def _fields(usage: Any) -> Mapping[str, Any]:
    if isinstance(usage, Mapping):
        return usage
    dump = getattr(usage, "model_dump", None) or getattr(usage, "to_dict", None)
    fields = dump() if callable(dump) else getattr(usage, "__dict__", None)
    if not isinstance(fields, Mapping):
        raise InvalidInputError("This is no usage any provider reports.", hint=_HINT)
    return fields


def _count(fields: Mapping[str, Any], *names: str) -> int:
    value = next((fields[name] for name in names if fields.get(name) is not None), 0)
    if type(value) is not int or value < 0 or value >= 2**53:
        raise InvalidInputError(f"`{names[0]}` is no count of tokens.", hint=_HINT)
    return value


def _details(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = fields.get(name)
    return _fields(details) if details is not None else {}


def _model(fields: Mapping[str, Any]) -> str:
    return str(fields.get("model") or "")


def _openai_chat(fields: Mapping[str, Any]) -> Usage:
    cached = _count(_details(fields, "prompt_tokens_details"), "cached_tokens")
    return Usage(_count(fields, "prompt_tokens"), _count(fields, "completion_tokens"), cached, 0, _model(fields))


def _plain(fields: Mapping[str, Any]) -> Usage:
    """OpenAI Responses, and any dict with our own names."""
    cached = _count(_details(fields, "input_tokens_details"), "cached_tokens")
    return Usage(
        _count(fields, "input_tokens"),
        _count(fields, "output_tokens"),
        cached or _count(fields, "cache_read_tokens"),
        _count(fields, "cache_write_tokens"),
        _model(fields),
    )


def _anthropic(fields: Mapping[str, Any]) -> Usage:
    """Anthropic's `input_tokens` leaves out what the cache read and wrote; here it is included."""
    read = _count(fields, "cache_read_input_tokens")
    written = _count(fields, "cache_creation_input_tokens")
    sent = _count(fields, "input_tokens") + read + written
    return Usage(sent, _count(fields, "output_tokens"), read, written, _model(fields))


def _gemini(fields: Mapping[str, Any]) -> Usage:
    """Gemini's candidates leave out its thoughts, its prompt the results of its own tools; here both are included."""
    received = _count(fields, "candidates_token_count", "candidatesTokenCount")
    received += _count(fields, "thoughts_token_count", "thoughtsTokenCount")
    sent = _count(fields, "prompt_token_count", "promptTokenCount")
    sent += _count(fields, "tool_use_prompt_token_count", "toolUsePromptTokenCount")
    return Usage(
        sent,
        received,
        _count(fields, "cached_content_token_count", "cachedContentTokenCount"),
        0,
        _model(fields),
    )
