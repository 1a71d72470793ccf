"""Answers whether a text can stand for messages: asks a summarizer, checks what it says, asks once more.

A summarizer is any callable; which model it asks, if any, is its own business. What it returns is not
trusted: it must be text, shorter than what it stands for and within the target, hold every literal
that must be kept, and not be a refusal. No transaction is open while it runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from tract.compile.extract import NAME, Said, extract, kept_line
from tract.compile.fold import Entry
from tract.errors import InvalidInputError, SummaryError, TractError, shown
from tract.objects.content import SUMMARY_MARK, SummaryContent, to_message
from tract.objects.message import (
    FilePart,
    ImagePart,
    Message,
    Reasoning,
    TextPart,
    ToolCall,
    ToolResultPart,
    searchable,
)
from tract.tokens.counter import TokenCounter
from tract.tokens.message import message_tokens

LEAST_TOKENS: Final = 8
"""Fewer tokens than these say nothing: groups that leave less room are not compressed."""

_AIM: Final = 4
"""Without a target a summary aims at this part of what it stands for."""

# No token of any tokenizer in use is longer, so a longer text is over the limit without being counted.
_LONGEST_TOKEN_CHARACTERS: Final = 128
_NAME_CHARACTERS: Final = 200
_REFUSAL: Final = re.compile(
    r"\W*(?:(?:i'm|i am) (?:very |so )?(?:sorry|unable|not able)|sorry,|i apologi[sz]e|"
    r"i (?:can't|cannot|won't|will not)\b|as an ai\b|unfortunately, i (?:can|am|will))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """One message a summary is to stand for.

    Attributes:
        commit: Hash of the commit that placed it.
        role: `system`, `user`, `assistant` or `tool`.
        text: What it says: texts, `name(arguments)` for a tool call, names of images and files.
        priority: Its priority.
        origin: Who it came from.
        is_summary: Whether it is a summary itself.
    """

    commit: str
    role: str
    text: str = field(repr=False)
    priority: str = "normal"
    origin: str = "user"
    is_summary: bool = False


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    """What a summarizer is asked.

    Attributes:
        messages: What to summarize, in order.
        target_tokens: How long the text may be, counted by `counter`.
        must_keep: Literals that have to be in it as they are.
        instructions: What the caller wants, added to the summarizer's own prompt.
        system_prompt: Replaces the summarizer's own prompt, where it has one.
        counter: Counts tokens.
        attempt: 1, or 2 for the last and stricter one.
        reason: What was wrong with the attempt before.
        previous: What the attempt before said.
    """

    messages: tuple[SourceMessage, ...] = field(repr=False)
    target_tokens: int
    must_keep: tuple[str, ...] = field(default=(), repr=False)
    instructions: str | None = field(default=None, repr=False)
    system_prompt: str | None = field(default=None, repr=False)
    counter: TokenCounter = field(kw_only=True, repr=False, compare=False)
    attempt: int = 1
    reason: str | None = None
    previous: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a summarizer says.

    Attributes:
        text: The summary.
        name: Which summarizer, for the record.
        settings: How it was set, such as the model; any JSON.
    """

    text: str = field(repr=False)
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


Summarizer: TypeAlias = Callable[[SummaryRequest], Summary | str]
"""Returns a summary of the request's messages. Called with no transaction open."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller wants of every summary.

    Attributes:
        must_keep: Literals, and patterns whose matches are literals to keep.
    """

    must_keep: tuple[str | re.Pattern[str], ...] = ()
    instructions: str | None = None
    system_prompt: str | None = None


def extractive(request: SummaryRequest) -> Summary:
    """Summarize by whole sentences of the messages, offline and the same each time; needs no model.

    Keeps what must be kept, what is recent, facts (numbers, identifiers, paths) and decisions; leaves
    out repeats and the middle of long tool output.
    """
    said = [Said(one.role, one.text, one.is_summary) for one in request.messages]
    limit = request.target_tokens
    text = extract(said, limit_tokens=limit, count=request.counter.count, must_keep=request.must_keep)
    return Summary(text, NAME)


def as_summarizer(value: object) -> Summarizer:
    """Return *value* as a summarizer, the extractive one for `None`.

    Raises:
        InvalidInputError: It cannot be called.
    """
    if value is None:
        return extractive
    if not callable(value):
        raise InvalidInputError(
            f"`summarizer` is a function, not `{type(value).__name__}`.",
            hint="It is given a `SummaryRequest` and returns a text or a `Summary`.",
        )
    return value


def as_wishes(must_keep: object, instructions: object, system_prompt: object) -> Wishes:
    """Return what the caller wants, checked.

    Raises:
        InvalidInputError: A literal is empty, a pattern is of bytes, or an instruction is no text.
    """
    listed: list[Any] = [must_keep] if isinstance(must_keep, (str, re.Pattern)) else []
    if not listed and isinstance(must_keep, Iterable):
        listed = list(must_keep)
    elif not listed:
        raise InvalidInputError(f"`must_keep` is a list of texts and patterns, not `{type(must_keep).__name__}`.")
    for one in listed:
        is_pattern = isinstance(one, re.Pattern) and isinstance(one.pattern, str)
        if not is_pattern and not (isinstance(one, str) and one.strip()):
            raise InvalidInputError(f"`must_keep` holds texts and compiled patterns, not {shown(one)}.")
    for name, value in (("instructions", instructions), ("system_prompt", system_prompt)):
        if value is not None and not isinstance(value, str):
            raise InvalidInputError(f"`{name}` is text, not `{type(value).__name__}`.")
    return Wishes(tuple(listed), instructions, system_prompt)  # type: ignore[arg-type]  # checked above


# --- what is to be summarized --------------------------------------------------------------------


def source_of(entry: Entry) -> SourceMessage:
    """Return *entry* as a summarizer sees it."""
    message = entry.shown.message
    assert message is not None  # it is visible
    is_summary = entry.shown.content_type == SummaryContent.content_type
    text = _said(message)
    return SourceMessage(
        entry.placed.hash.hex(),
        message.role,
        text.removeprefix(SUMMARY_MARK) if is_summary else text,
        entry.priority,
        entry.shown.origin,
        is_summary,
    )


def _said(message: Message) -> str:
    lines: list[str] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            lines.append(f"{part.name}({part.arguments})")
        elif isinstance(part, (ImagePart, FilePart)):
            name = part.name if isinstance(part, FilePart) else None
            lines.append(f"({' '.join(word for word in (part.type, name, part.url, part.media_type) if word)})")
        elif isinstance(part, ToolResultPart):
            lines += [part.text, *[one.text for one in part.parts if isinstance(one, TextPart)]]
        elif not isinstance(part, Reasoning):
            lines.append(part.text)
    return "\n".join(line for line in lines if line)


def literals_in(wishes: Wishes, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return what must be kept of *entries*: each literal and each match of a pattern that occurs in them."""
    texts = [text for entry in entries if entry.shown.message is not None for text in searchable(entry.shown.message)]
    found: dict[str, None] = {}
    for wish in wishes.must_keep:
        if isinstance(wish, str):
            found |= {wish: None} if any(wish in text for text in texts) else {}
        else:
            matches = (match.group() for text in texts for match in wish.finditer(text))
            found |= dict.fromkeys(match for match in matches if match.strip())
    return tuple(found)


def aim_of(tokens: int) -> int:
    """Return the tokens a summary of *tokens* aims at without a target."""
    return max(tokens // _AIM, min(tokens - 1, 4 * LEAST_TOKENS))


def tokens_of_text(text: str, counter: TokenCounter) -> int:
    """Return the tokens of the message of a summary that says *text*."""
    return message_tokens(to_message(SummaryContent.content_type, {"text": text}), counter)


# --- asking and checking -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One answer, and what is wrong with it: `problem` in itself, `missing` what has to be carried."""

    summary: Summary
    text: str
    tokens: int
    missing: tuple[str, ...] = ()
    problem: str | None = None


def summarized(request: SummaryRequest, summarizer: Summarizer, *, limit_tokens: int) -> tuple[Summary, int]:
    """Return what *summarizer* makes of *request*, and the tokens of its message, at most *limit_tokens*.

    Asked once more, with the reason, where the first answer is too long, a refusal, empty, or lacks
    what must be kept. What the second lacks as well is carried verbatim in a line at its end.

    Raises:
        SummaryError: Neither answer can be used, it is no text, or the summarizer raised an error of its own.
        TractError: The summarizer raised it.
        MemoryError: There was no memory for it.
    """
    attempts: list[_Attempt] = []
    while True:
        attempt = _checked(request, _asked(request, summarizer), limit_tokens)
        if attempt.problem is None and not attempt.missing:
            return replace(attempt.summary, text=attempt.text), attempt.tokens
        attempts.append(attempt)
        if request.attempt == 2:
            break
        request = replace(request, attempt=2, reason=_reason(attempt), previous=attempt.text)
    carried = [_carried(request, attempt, limit_tokens) for attempt in reversed(attempts)]
    for attempt in carried:
        if attempt.problem is None:
            return replace(attempt.summary, text=attempt.text), attempt.tokens
    said = [attempt for attempt in carried if attempt.text]
    best = min(said, key=lambda attempt: attempt.tokens, default=carried[0])
    raise SummaryError(
        carried[0].problem or "",
        best=best.text or None,
        tokens=best.tokens,
        limit_tokens=limit_tokens,
        commits=tuple([one.commit for one in request.messages]),
    )


def _asked(request: SummaryRequest, summarizer: Summarizer) -> Summary:
    """Return the answer of *summarizer*, which may be anything, as a `Summary`."""
    try:
        return _read(summarizer(request), str(getattr(summarizer, "__name__", type(summarizer).__name__)))
    except (TractError, MemoryError):  # no memory says nothing of the summarizer, and another one needs some as well
        raise
    except Exception as error:
        commits = tuple([one.commit for one in request.messages])
        raise SummaryError(f"the summarizer raised {type(error).__name__}", commits=commits) from error


def _read(answer: object, name: str) -> Summary:
    if isinstance(answer, str):
        answer = Summary(str(answer))
    if not (isinstance(answer, Summary) and isinstance(answer.text, str)):
        raise SummaryError(f"the summarizer returned a `{type(answer).__name__}`, not a text")
    if not (isinstance(answer.name, str) and isinstance(answer.settings, Mapping)):
        raise SummaryError("the summarizer's `name` is no text, or its `settings` no mapping")
    name = answer.name or ("custom" if name == "<lambda>" else name)
    return Summary(answer.text.strip(), name[:_NAME_CHARACTERS], dict(answer.settings))


def _checked(request: SummaryRequest, summary: Summary, limit_tokens: int) -> _Attempt:
    text = summary.text
    if not text:
        return _Attempt(summary, "", 0, problem="it is empty")
    if len(text) > limit_tokens * _LONGEST_TOKEN_CHARACTERS:
        # Counting megabytes would take minutes, and keeping them as the best attempt is of no use.
        return _Attempt(summary, "", 0, problem=f"it has {len(text):,} characters for {limit_tokens:,} tokens")
    tokens = tokens_of_text(text, request.counter)
    if _is_refusal(request, text):
        return _Attempt(summary, text, tokens, problem="it is a refusal")
    missing = tuple([literal for literal in request.must_keep if not _holds(text, literal, request.messages)])
    problem = None if tokens <= limit_tokens else f"it has {tokens:,} tokens; the limit is {limit_tokens:,}"
    return _Attempt(summary, text, tokens, missing, problem)


def _reason(attempt: _Attempt) -> str:
    lacks = f"it lacks {'; '.join(attempt.missing)}" if attempt.missing else ""
    return ", and ".join(part for part in (attempt.problem, lacks) if part)


def _carried(request: SummaryRequest, attempt: _Attempt, limit_tokens: int) -> _Attempt:
    """Return *attempt* with what it lacks in a line at its end."""
    if not attempt.missing or attempt.problem is not None:
        return attempt
    text = f"{attempt.text}\n{kept_line(attempt.missing)}"
    tokens = tokens_of_text(text, request.counter)
    if tokens <= limit_tokens:
        return replace(attempt, text=text, tokens=tokens, missing=())
    problem = f"with what must be kept it has {tokens:,} tokens; the limit is {limit_tokens:,}"
    return replace(attempt, text=text, tokens=tokens, problem=problem)


def _is_refusal(request: SummaryRequest, text: str) -> bool:
    """Tell whether *text* begins as a refusal does, and not because the conversation says so itself."""
    found = _REFUSAL.match(_plain(text))
    return found is not None and not any(found.group() in _plain(one.text) for one in request.messages)


def _plain(text: str) -> str:
    return text.replace("\u2019", "'")  # models like typographic apostrophes


def _holds(text: str, literal: str, messages: Iterable[SourceMessage]) -> bool:
    """Tell whether *text* has *literal* as the messages have it: `12` is not kept by `123`."""
    if literal not in text:
        return False
    whole = re.compile(rf"(?<!\w){re.escape(literal)}(?!\w)")
    return whole.search(text) is not None or not any(whole.search(one.text) for one in messages)
