"""Answers which error an HTTP status stands for, in whichever provider's words it comes.

What a provider wrote is quoted on one line, short and without control characters, and never when it refused
a key, since some providers repeat parts of it.
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tract.errors import (
    AuthenticationError,
    ContextTooLongError,
    ModelError,
    ModelRequestError,
    ModelResponseError,
    ModelUnavailableError,
    RateLimitedError,
)

_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-goog-request-id")
_LONGEST_QUOTE: Final = 300
_LONGEST_WAIT_SECONDS: Final = 24 * 3600.0

# The vendors' own sentences, and those of servers that speak OpenAI's format. `limit` and `sent` where they say.
_TOO_LONG: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"context_length_exceeded",
        # OpenAI, DeepSeek, vLLM
        r"maximum context length is (?P<limit>\d+) tokens(?:\D+(?P<sent>\d+) (?:input )?tokens)?",
        r"exceeds the context window",
        # Anthropic
        r"prompt is too long(?:: (?P<sent>\d+) tokens > (?P<limit>\d+))?",
        r"input length and `max_tokens` exceed context limit: (?P<sent>\d+) \+ \d+ > (?P<limit>\d+)",
        # Gemini
        r"input token count(?: \((?P<sent>\d+)\))? exceeds the maximum number of tokens allowed \(?(?P<limit>\d+)",
        # llama.cpp, Mistral, older vLLM
        r"exceeds the available context size",
        r"(?P<sent>\d+) tokens.{0,60}too large for model with (?P<limit>\d+) maximum context",
        r"\(length (?P<sent>\d+)\) is longer than the maximum model length of (?P<limit>\d+)",
        r"maximum context length",
    )
)

_KEYLIKE: Final = re.compile(r"\b(?:sk|pk|AIza|gsk|xai|Bearer)[-_ ][\w*.\-]{3,}|\bAIza[\w*\-]{3,}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a provider said when it refused.

    Attributes:
        code: Its own words for the kind, joined; `""` if there are none.
        message: Its sentence, on one line.
        details: The whole error object.
    """

    code: str
    message: str
    details: Any


def read_refusal(body: str) -> Refusal:
    """Return what the *body* of a refused request says, whatever it is."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal("", "" if "<" in body[:200] else _one_line(body), None)
    # Gemini streams a list of one; a gateway may send the error without its envelope.
    if isinstance(value, list) and value:
        value = value[0]
    found = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(found, dict):
        return Refusal("", _one_line(found) if isinstance(found, str) else "", None)
    words = [found.get(name) for name in ("code", "type", "status")]
    code = " ".join(word for word in words if isinstance(word, str))
    message = found.get("message") or found.get("detail") or ""
    return Refusal(_one_line(code), _one_line(message) if isinstance(message, str) else "", found)


def _one_line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST_QUOTE]).split())
    line = _KEYLIKE.sub("***", line)
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def model_error(provider: str, status: int, headers: Mapping[str, str], body: str) -> ModelError:
    """Return the error that *status* stands for.

    Args:
        provider: Who answered.
        status: The HTTP status.
        headers: Of the answer, by any spelling of their names.
        body: The text of the answer.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    refusal = read_refusal(body)
    request_id = next((lower[name] for name in _REQUEST_IDS if lower.get(name)), None)
    details: dict[str, Any] = {"provider": provider, "status": status, "request_id": request_id}
    if 300 <= status < 400:
        return ModelResponseError(
            f"{provider} answered with a redirect ({status}).", hint="Check `base_url`.", **details
        )
    if status in {401, 403}:
        return AuthenticationError(f"{provider} did not accept the key, or it may not do this ({status}).", **details)
    wait = retry_after_seconds(lower, refusal.details)
    error = _by_status(refusal, wait, details)
    asked = lower.get("x-should-retry")
    if asked in {"true", "false"}:
        error.is_transient = asked == "true"
    return error


def _by_status(refusal: Refusal, wait: float | None, details: dict[str, Any]) -> ModelError:
    provider, status = details["provider"], details["status"]
    said = f": {refusal.message}" if refusal.message else "."
    if status == 429:
        error = RateLimitedError(f"{provider} limits requests ({status}){said}", retry_after_seconds=wait, **details)
        if "insufficient_quota" in refusal.code:
            # Waiting buys no quota.
            error.is_transient = False
            error.hint = "Check the plan and billing of the account; the conversation is as it was."
        return error
    if status in {408, 409, 425} or status >= 500:
        return ModelUnavailableError(f"{provider} failed ({status}){said}", retry_after_seconds=wait, **details)
    too_long = _too_long(refusal)
    if too_long is not None:
        return ContextTooLongError(f"The messages are too long for the model{said}", **_counts(too_long), **details)
    return ModelRequestError(f"{provider} refused the request ({status}){said}", **details)


def _too_long(refusal: Refusal) -> re.Match[str] | None:
    text = f"{refusal.code} {refusal.message}"
    found = [match for pattern in _TOO_LONG if (match := pattern.search(text))]
    # The one that also says how many tokens, if there is one.
    return max(found, key=lambda match: len(_counts(match)), default=None)


def _counts(match: re.Match[str]) -> dict[str, int]:
    return {f"{name}_tokens": int(value) for name, value in match.groupdict().items() if value and len(value) < 16}


# --- how long to wait ----------------------------------------------------------------------------


def retry_after_seconds(headers: Mapping[str, str], details: Any = None) -> float | None:
    """Return how long the provider asks to wait, or `None` if it does not say.

    Args:
        headers: Of the answer, by lower-case names: `retry-after-ms`, `retry-after` (seconds or a date).
        details: The error object, which may hold Gemini's `RetryInfo`.
    """
    for seconds in _waits(headers, details):
        if seconds is not None and math.isfinite(seconds):
            return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)
    return None


def _waits(headers: Mapping[str, str], details: Any) -> Iterator[float | None]:
    milliseconds = _number(headers.get("retry-after-ms"))
    yield None if milliseconds is None else milliseconds / 1000
    said = headers.get("retry-after")
    yield _number(said)
    yield _until(said)
    infos = details.get("details") if isinstance(details, dict) else None
    for info in infos if isinstance(infos, list) else ():
        delay = info.get("retryDelay") if isinstance(info, dict) else None
        if isinstance(delay, str):
            yield _number(delay.removesuffix("s"))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _until(date: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time() if date else None
    except (ValueError, TypeError, OverflowError):
        return None
