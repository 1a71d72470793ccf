"""Answers what a model says to one question that is no conversation: a prompt, a document, a strict JSON answer.

What comes back is not trusted. It is JSON of exactly the fields asked for and within its limits, or a
`ModelAnswerError` that holds all that was said; nothing is guessed, cut or mended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, NoReturn, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tract.agent.settings import Use
from tract.errors import ContextTooLongError, ModelAnswerError, ModelResponseError, NotCanonicalError, shown
from tract.llm.protocol import Reply, Request
from tract.objects.config import GenerationConfig
from tract.objects.decision import ModelCall
from tract.objects.hashing import parse_json
from tract.objects.message import Message, TextPart
from tract.objects.usage import read_usage

MOST_SENT: Final = 300_000
"""Characters of one document; a question that needs more is not asked."""

MOST_ANSWERED: Final = 400_000
"""Characters of one answer; what is longer is not read."""

_FENCED: Final = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)
_STRANGE: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|<\|[^|\n]{1,40}\|>"
)
"""What controls a terminal, the direction of text, or a model that was trained on such marks."""

A = TypeVar("A", bound=BaseModel)
Sentence: TypeAlias = Annotated[str, Field(min_length=1, max_length=2_000)]


class Answer(BaseModel):
    """What is asked of a model: these fields, of these types, and no other."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Decided(Answer):
    """What a model decided about one issue."""

    issue: str = Field(max_length=200)
    action: Literal["use", "ours", "theirs", "skip", "abort"]
    content: str | None = None
    reason: Sentence


class Noticed(Answer):
    """Something a model noticed."""

    kind: Literal["contradiction", "repetition", "outdated", "dependency", "other"]
    messages: list[Annotated[str, Field(max_length=20)]] = Field(min_length=1, max_length=50)
    text: Sentence


class Noticings(Answer):
    """What a model noticed in all."""

    concerns: list[Noticed] = Field(max_length=50)


@cache
def prompt(name: str) -> str:
    """Return the prompt kept in the file of this name."""
    return (files("tract.agent") / "prompts" / f"{name}.txt").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a model, one question at a time.

    Attributes:
        use: The client, the model and the settings.
        calls: What was asked so far, and what it cost; failed answers are paid for as well.
    """

    use: Use
    calls: list[ModelCall] = field(default_factory=list)

    def ask(self, about: str, system: str, text: str, *, schema: Mapping[str, Any] | None = None) -> Reply:
        """Return what the model says to *text*, where *system* says what to do with it.

        Raises:
            ContextTooLongError: The text is longer than is sent.
            ModelError: The provider refused or failed.
        """
        if len(text) > MOST_SENT:
            raise too_much(
                f"What is to be decided has {len(text):,} characters; a model is asked about {MOST_SENT:,} at most."
            )
        wanted = {} if schema is None else {"response_format": dict(schema)}
        messages = (Message("system", (TextPart(system),)), Message("user", (TextPart(text),)))
        request = Request(messages=messages, model=self.use.model, settings={**wanted, **self.use.settings})
        reply = self.use.llm.send(request)
        if not isinstance(reply, Reply):
            raise ModelResponseError(f"The client returned {shown(reply)}, not a Reply.")
        usage = None if reply.usage is None else read_usage(reply.usage)
        self.calls.append(ModelCall(about, reply.model or self.use.model or "", usage))
        return reply


def too_much(said: str) -> ContextTooLongError:
    """Return the error for what no model is asked about."""
    return ContextTooLongError(
        said, hint="Decide it yourself, as with `result.resolve(0, 'ours')` after `autonomy='manual'`."
    )


def document(fields: Mapping[str, Any]) -> str:
    """Return *fields* as the JSON that is sent: what is quoted stays within its quotes, whatever it holds."""
    # Lone surrogates cannot be sent; stored text has none, so nothing is lost.
    return json.dumps(fields, ensure_ascii=False, indent=1)


def settings_of(reply: Reply) -> dict[str, Any]:
    """Return the settings *reply* was generated with, as the generation config of what it wrote."""
    known = {name: reply.settings[name] for name in GenerationConfig.model_fields if name in reply.settings}
    return {**known, "model": reply.model}


# --- reading an answer ---------------------------------------------------------------------------


def read_answer(reply: Reply, kind: type[A]) -> A:
    """Return what *reply* says.

    Raises:
        ModelAnswerError: It is not one JSON object of these fields.
    """
    text = text_of(reply)
    fenced = _FENCED.fullmatch(text)
    try:
        value = parse_json(text if fenced is None else fenced[1])
    except NotCanonicalError as error:
        refuse(reply, f"it is not strict JSON ({_first(error.message)})")
    if not isinstance(value, dict):
        refuse(reply, "it is no JSON object")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        refuse(reply, f"{shown(where)}: {_first(first['msg'])}")


def text_of(reply: Reply) -> str:
    """Return the text of *reply*, if it is a whole answer.

    Raises:
        ModelAnswerError: It is none, a refusal, cut off, too long, or calls tools.
    """
    if reply.finish_reason == "refusal":
        refuse(reply, "it is a refusal")
    if reply.tool_calls:
        refuse(reply, "it calls tools, and none were offered")
    if reply.finish_reason == "length":
        refuse(reply, "it was cut off; `max_tokens` is too small")
    text = reply.text
    if not text.strip():
        refuse(reply, "it is empty")
    if len(text) > MOST_ANSWERED:
        refuse(reply, f"it has {len(text):,} characters; {MOST_ANSWERED:,} are read")
    return text


def require_plain(reply: Reply, texts: Iterable[str], known: Sequence[str] = ()) -> None:
    """Refuse *texts* of an answer with control characters or marks that no *known* text has.

    Raises:
        ModelAnswerError: One has.
    """
    there = {mark for text in known for mark in _STRANGE.findall(text)}
    for text in texts:
        strange = [mark for mark in _STRANGE.findall(text) if mark not in there]
        if strange:
            refuse(reply, f"it holds {shown(strange[0])}")
        if not text.strip():
            refuse(reply, "a text of it says nothing")


def refuse(reply: Reply, problem: str) -> NoReturn:
    """Raise that *reply* cannot be used.

    Raises:
        ModelAnswerError: Always.
    """
    error = ModelAnswerError(problem, answer=reply.text, provider=reply.provider)
    error.reply = reply
    raise error


def _first(sentence: str) -> str:
    return sentence.strip().rstrip(".")[:200]
