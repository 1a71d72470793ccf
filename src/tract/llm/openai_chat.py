"""Speaks OpenAI Chat Completions, which many other servers speak as well."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tract.errors import FormatError, ModelError, StreamBrokenError
from tract.formats.openai_chat import from_openai, to_openai
from tract.formats.params import openai_tools
from tract.llm.options import read_response_format, read_tool_choice
from tract.llm.protocol import Delta, FinishReason, Format, ReasoningDelta, Reply, Request, TextDelta, ToolCallDelta
from tract.llm.refused import model_error
from tract.llm.wire import (
    Accumulator,
    Found,
    Json,
    Outgoing,
    arrived,
    healed,
    index_at,
    interrupted,
    is_complete,
    list_at,
    object_at,
    reading,
    reply_of,
    settings_of,
    stop_list,
    stream_error,
    text_at,
    turn_of,
)
from tract.objects.content import DialogueContent
from tract.objects.message import Reasoning

FORMAT: Final[Format] = "openai"

# These take no `max_tokens`; older servers know no other name.
_REASONING_MODEL: Final = re.compile(r"(?:o\d|gpt-[5-9])(?:[.-]|$)")

_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
}

_THOUGHT: Final = ("reasoning_content", "reasoning")
"""Where servers that speak this format put readable reasoning, which OpenAI itself does not send."""

_UNSENDABLE: Final = "openai_compatible"
"""Provider of such reasoning: no format sends it back."""


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """Chat Completions.

    Attributes:
        provider: Who answers.
        is_original: It is OpenAI itself, which wants `max_completion_tokens`, and not a server that speaks its format.
    """

    provider: str = "openai"
    is_original: bool = True

    @property
    def format(self) -> Format:
        """`openai`."""
        return FORMAT

    def headers(self, key: str | None) -> dict[str, str]:
        """Return `Authorization`."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, *, model: str, stream: bool = False) -> Outgoing:
        """Return the arguments of `chat.completions.create`."""
        settings = settings_of(request)
        stop_list(settings)
        _spell_choice(settings)
        rendered = to_openai(request.messages, hashes=request.hashes)
        tools = openai_tools(request.tools)
        body = {"model": model, "messages": rendered.value, **self._spelled(settings, model)}
        if tools:
            body["tools"] = tools
        if stream:
            options = body.get("stream_options")
            body["stream"] = True
            body["stream_options"] = {"include_usage": True, **(options if isinstance(options, dict) else {})}
        return Outgoing(
            path="chat/completions",
            body=body,
            model=model,
            settings=settings,
            losses=rendered.losses,
            repairs=rendered.repairs,
        )

    def _spelled(self, settings: Json, model: str) -> dict[str, Any]:
        out = dict(settings)
        if "max_tokens" in out and (self.is_original or _REASONING_MODEL.match(model)):
            out.setdefault("max_completion_tokens", out["max_tokens"])
            del out["max_tokens"]
        return out

    def read(self, answer: Any, outgoing: Outgoing) -> Reply:
        """Return the reply in a `chat.completion`."""
        with reading(self.provider):
            answer = healed(object_at(answer, "answer"))
            choices = list_at(answer.get("choices"), "choices")
            if not choices:
                raise FormatError("There is no choice.", path="choices")
            choice = object_at(choices[0], "choices[0]")
            message = object_at(choice.get("message"), "choices[0].message")
            found = Found(
                content=_turn(message),
                model=text_at(answer.get("model"), "model"),
                usage=answer.get("usage"),
                finish_reason=_finish(choice, message),
            )
            return reply_of(found, answer, outgoing, format=FORMAT)

    def stream(self, outgoing: Outgoing) -> Accumulator:
        """Return what joins `chat.completion.chunk` objects."""
        return _Chunks(self, outgoing)

    def error(self, status: int, headers: Mapping[str, str], body: str) -> ModelError:
        """Return the error the *status* stands for."""
        return model_error(self.provider, status, headers, body)


def _spell_choice(settings: dict[str, Any]) -> None:
    """Write what was asked in another provider's words in these."""
    choice = read_tool_choice(settings.get("tool_choice"))
    if choice is not None:
        named = {"type": "function", "function": {"name": choice.name}}
        settings["tool_choice"] = named if choice.mode == "tool" else {"any": "required"}.get(choice.mode, choice.mode)
    if "response_format" in settings:
        wanted = read_response_format(settings["response_format"])
        if wanted is None:
            del settings["response_format"]
        elif wanted.schema is None:
            settings["response_format"] = {"type": "json_object"}
        else:
            inner: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
            if wanted.is_strict is not None:
                inner["strict"] = wanted.is_strict
            settings["response_format"] = {"type": "json_schema", "json_schema": inner}


def _turn(message: dict[str, Any]) -> DialogueContent:
    # What says nothing is left out, so that the same turn is the same content whoever sent it.
    kept = {name: value for name, value in message.items() if name == "content" or value not in (None, [], {}, "")}
    thoughts = [kept.pop(name) for name in _THOUGHT if name in kept]
    kept.setdefault("role", "assistant")
    if kept.get("content") is None and not kept.get("tool_calls") and not kept.get("refusal"):
        kept["content"] = ""
    elif not kept.get("content") and kept.get("tool_calls"):
        kept["content"] = None
    turn = turn_of(from_openai([kept]))
    text = next((thought for thought in thoughts if isinstance(thought, str)), "")
    if not text:
        return turn
    return turn.model_copy(update={"reasoning": (Reasoning(_UNSENDABLE, {"reasoning_content": text}, text),)})


def _finish(choice: Json, message: Json) -> FinishReason:
    if message.get("refusal"):
        return "refusal"
    reason = text_at(choice.get("finish_reason"), "choices[0].finish_reason")
    return _FINISH.get(reason, "other") if reason else "stop"


@dataclass(slots=True)
class _Call:
    """A tool call while it arrives."""

    fields: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def whole(self) -> dict[str, Any]:
        kind = self.fields.get("type", "function")
        named = {name: value for name, value in self.fields.items() if name != "name"}
        said = "input" if kind == "custom" else "arguments"
        return {**named, "type": kind, kind: {"name": self.fields.get("name"), said: "".join(self.arguments)}}


@dataclass(slots=True)
class _Chunks:
    """The chunks of one streamed completion."""

    codec: OpenAIChat
    outgoing: Outgoing
    top: dict[str, Any] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    said: dict[str, list[str]] = field(default_factory=dict)
    calls: dict[int, _Call] = field(default_factory=dict)
    finish_reason: str | None = None
    is_done: bool = False

    @property
    def is_whole(self) -> bool:
        # Some servers send no [DONE], so the reason to end is an end as well.
        return self.is_done or self.finish_reason is not None

    def feed(self, event: str, data: Any) -> list[Delta]:
        del event  # chunks have no names
        if data is None:
            self.is_done = True
            return []
        with reading(self.codec.provider):
            chunk = object_at(data, "chunk")
            if chunk.get("error"):
                raise stream_error(self.codec, chunk["error"])
            self.top.update({name: chunk[name] for name in ("id", "model", "usage") if chunk.get(name)})
            choices = list_at(chunk.get("choices"), "choices")
            return self._choice(object_at(choices[0], "choices[0]")) if choices else []

    def _choice(self, choice: dict[str, Any]) -> list[Delta]:
        if choice.get("index"):
            return []
        reason = text_at(choice.get("finish_reason"), "choices[0].finish_reason")
        self.finish_reason = reason or self.finish_reason
        delta = object_at(choice.get("delta") or {}, "choices[0].delta")
        out: list[Delta] = []
        text = text_at(delta.get("content"), "choices[0].delta.content")
        if text:
            self.text.append(text)
            out.append(TextDelta(text))
        for name in ("refusal", *_THOUGHT):
            piece = delta.get(name)
            if isinstance(piece, str) and piece:
                self.said.setdefault(name, []).append(piece)
                out.append(TextDelta(piece) if name == "refusal" else ReasoningDelta(piece))
        for place, call in enumerate(list_at(delta.get("tool_calls"), "choices[0].delta.tool_calls")):
            out.append(self._call(object_at(call, f"choices[0].delta.tool_calls[{place}]"), place))
        return out

    def _call(self, piece: dict[str, Any], place: int) -> Delta:
        path = f"choices[0].delta.tool_calls[{place}]"
        given = piece.get("index")
        index = place if given is None else index_at(given, f"{path}.index")
        call = self.calls.setdefault(index, _Call())
        kind = text_at(piece.get("type"), f"{path}.type")
        body = object_at(piece.get(kind or call.fields.get("type", "function")) or {}, path)
        call_id, name = text_at(piece.get("id"), f"{path}.id"), text_at(body.get("name"), f"{path}.name")
        arguments = text_at(body.get("arguments", body.get("input")), f"{path}.arguments")
        # Some servers repeat the id and the name with every piece.
        is_first = "id" not in call.fields
        for key, value in (("id", call_id), ("type", kind), ("name", name)):
            if value:
                call.fields.setdefault(key, value)
        call.arguments.append(arguments)
        return ToolCallDelta(index, call_id if is_first else "", name if is_first else "", arguments)

    def _answer(self, *, calls: list[dict[str, Any]]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.text) or None}
        message.update({name: "".join(pieces) for name, pieces in self.said.items()})
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        return {**self.top, "object": "chat.completion", "choices": [choice]}

    def finish(self) -> Reply:
        if not self.is_whole:
            raise StreamBrokenError(
                f"The answer of {self.codec.provider} broke off.", partial=arrived(self), provider=self.codec.provider
            )
        calls = [self.calls[index].whole() for index in sorted(self.calls)]
        return self.codec.read(self._answer(calls=calls), self.outgoing)

    def partial(self) -> DialogueContent | None:
        calls = [self.calls[index].whole() for index in sorted(self.calls)]
        complete = [call for call in calls if is_complete(call[call["type"]].get("arguments"))]
        with reading(self.codec.provider):
            answer = healed(self._answer(calls=complete))
            return interrupted(_turn(answer["choices"][0]["message"]))
