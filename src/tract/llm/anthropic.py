"""Speaks Anthropic Messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tract.errors import FormatError, ModelError, StreamBrokenError
from tract.formats.anthropic import from_anthropic, to_anthropic
from tract.formats.params import anthropic_settings, anthropic_tools
from tract.formats.report import Loss
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
    object_in,
    reading,
    reply_of,
    settings_of,
    stop_list,
    stream_error,
    text_at,
    turn_of,
)
from tract.objects.content import DialogueContent
from tract.objects.message import AnyPart, ToolCall

FORMAT: Final[Format] = "anthropic"
VERSION: Final = "2023-06-01"

_FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}

_BREAKPOINT: Final = {"type": "ephemeral"}


@dataclass(frozen=True, slots=True)
class Anthropic:
    """The Messages API.

    Attributes:
        provider: Who answers.
    """

    provider: str = "anthropic"

    @property
    def format(self) -> Format:
        """`anthropic`."""
        return FORMAT

    def headers(self, key: str | None) -> dict[str, str]:
        """Return `x-api-key` and the version of the API."""
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    def body(self, request: Request, *, model: str, stream: bool = False) -> Outgoing:
        """Return the arguments of `messages.create`."""
        settings = settings_of(request)
        stop_list(settings)
        losses = _spell(settings)
        rendered = to_anthropic(_with_breakpoints(request), hashes=request.hashes)
        tools = anthropic_tools(request.tools)
        written = anthropic_settings(settings)
        settings["max_tokens"] = written["max_tokens"]
        body = {"model": model, **written, **rendered.value}
        if tools:
            body["tools"] = tools
        if stream:
            body["stream"] = True
        return Outgoing(
            path="v1/messages",
            body=body,
            model=model,
            settings=settings,
            losses=(*rendered.losses, *losses),
            repairs=rendered.repairs,
        )

    def read(self, answer: Any, outgoing: Outgoing) -> Reply:
        """Return the reply in a `message`."""
        with reading(self.provider):
            answer = healed(object_at(answer, "answer"))
            found = Found(
                content=_turn(answer),
                model=text_at(answer.get("model"), "model"),
                usage=answer.get("usage"),
                finish_reason=_finish(answer),
            )
            return reply_of(found, answer, outgoing, format=FORMAT)

    def stream(self, outgoing: Outgoing) -> Accumulator:
        """Return what joins the events of a streamed message."""
        return _Events(self, outgoing)

    def error(self, status: int, headers: Mapping[str, str], body: str) -> ModelError:
        """Return the error the *status* stands for."""
        return model_error(self.provider, status, headers, body)


def _spell(settings: dict[str, Any]) -> list[Loss]:
    """Write what was asked in another provider's words in these; return what has none."""
    lost = [name for name in ("seed",) if settings.pop(name, None) is not None]
    choice = read_tool_choice(settings.get("tool_choice"))
    parallel = settings.pop("parallel_tool_calls", None)
    if choice is not None or parallel is False:
        given = settings.get("tool_choice")
        written = dict(given) if isinstance(given, dict) else {}
        written.pop("function", None)
        written["type"] = choice.mode if choice else "auto"
        if choice and choice.mode == "tool":
            written["name"] = choice.name
        if parallel is False and written["type"] != "none":
            written["disable_parallel_tool_use"] = True
        settings["tool_choice"] = written
    if "response_format" in settings:
        wanted = read_response_format(settings.pop("response_format"))
        if wanted is not None and wanted.schema is None:
            lost.append("response_format")
        elif wanted is not None:
            output = object_in(settings, "output_config")
            settings["output_config"] = {**output, "format": {"type": "json_schema", "schema": wanted.schema}}
    return [Loss("setting", None, f"Anthropic has no `{name}`") for name in lost]


def _with_breakpoints(request: Request) -> list[Any]:
    """Return the messages, the last part of each that ends a stable prefix marked to be cached."""
    messages = list(request.messages)
    for index in request.breakpoints:
        if not 0 <= index < len(messages) or not messages[index].parts:
            continue
        message = messages[index]
        if message.role == "tool":
            messages[index] = replace(message, extra=_marked(message.extra))
            continue
        parts = list(message.parts)
        # A thinking block cannot hold a mark, so the last part that can does.
        place = next((i for i in reversed(range(len(parts))) if parts[i].type != "reasoning"), None)
        if place is not None:
            parts[place] = replace(parts[place], extra=_marked(parts[place].extra))
            messages[index] = replace(message, parts=tuple(parts))
    return messages


def _marked(extra: Mapping[str, Any]) -> dict[str, Any]:
    return {**extra, FORMAT: {**extra.get(FORMAT, {}), "cache_control": dict(_BREAKPOINT)}}


def _turn(answer: Json) -> DialogueContent:
    blocks = list_at(answer.get("content"), "content")
    if not blocks:
        return DialogueContent(role="assistant", text="")
    return turn_of(from_anthropic([{"role": "assistant", "content": [_bare(block) for block in blocks]}]))


def _bare(block: Any) -> Any:
    """Return *block* without what is null, so that it can be sent back; one of reasoning exactly as it is."""
    if not isinstance(block, dict) or block.get("type") in ("thinking", "redacted_thinking"):
        return block
    return {name: value for name, value in block.items() if value is not None}


def _finish(answer: Json) -> FinishReason:
    reason = text_at(answer.get("stop_reason"), "stop_reason")
    return _FINISH.get(reason, "other") if reason else "stop"


@dataclass(slots=True)
class _Block:
    """One block of content while it arrives; `pieces` by the field they belong to."""

    fields: dict[str, Any]
    pieces: dict[str, list[str]] = field(default_factory=dict)
    citations: list[Any] = field(default_factory=list)
    is_done: bool = False

    @property
    def json(self) -> str:
        return "".join(self.pieces.get("partial_json", ()))

    def whole(self) -> dict[str, Any]:
        out = dict(self.fields)
        for name, pieces in self.pieces.items():
            if name != "partial_json":
                out[name] = text_at(out.get(name), name) + "".join(pieces)
        if self.citations:
            out["citations"] = [*list_at(out.get("citations"), "citations"), *self.citations]
        if self.json:
            out["input"] = self._input()
        return out

    def _input(self) -> Any:
        try:
            value = json.loads(self.json)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


# Which field of its block each kind of delta adds to.
_DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


@dataclass(slots=True)
class _Events:
    """The events of one streamed message."""

    codec: Anthropic
    outgoing: Outgoing
    message: dict[str, Any] = field(default_factory=dict)
    blocks: dict[int, _Block] = field(default_factory=dict)
    is_done: bool = False

    @property
    def is_whole(self) -> bool:
        return self.is_done

    def feed(self, event: str, data: Any) -> list[Delta]:
        with reading(self.codec.provider):
            data = object_at(data, "event")
            kind = text_at(data.get("type"), "type") or event
            if kind == "error":
                raise stream_error(self.codec, data.get("error"))
            if kind == "message_start":
                self.message = dict(object_at(data.get("message"), "message"))
            elif kind == "message_delta":
                self._ending(data)
            elif kind == "message_stop":
                self.is_done = True
            elif kind.startswith("content_block_"):
                return self._block(kind, data)
            return []

    def _ending(self, data: Json) -> None:
        delta = object_at(data.get("delta") or {}, "delta")
        self.message.update({name: value for name, value in delta.items() if value is not None})
        usage = object_at(data.get("usage") or {}, "usage")
        before = object_at(self.message.get("usage") or {}, "message.usage")
        self.message["usage"] = {**before, **{name: value for name, value in usage.items() if value is not None}}

    def _block(self, kind: str, data: Json) -> list[Delta]:
        index = index_at(data.get("index"), "index")
        if kind == "content_block_start":
            block = _Block(dict(object_at(data.get("content_block"), "content_block")))
            self.blocks[index] = block
            return self._started(index, block)
        if index not in self.blocks:
            raise FormatError("The block was not started.", path="index")
        if kind == "content_block_stop":
            self.blocks[index].is_done = True
            return []
        return self._piece(index, object_at(data.get("delta"), "delta"))

    def _started(self, index: int, block: _Block) -> list[Delta]:
        fields = block.fields
        if fields.get("type") != "tool_use":
            text = fields.get("text")
            return [TextDelta(text)] if isinstance(text, str) and text else []
        name, call_id = text_at(fields.get("name"), "name"), text_at(fields.get("id"), "id")
        return [ToolCallDelta(self._call_number(index), call_id, name)]

    def _call_number(self, index: int) -> int:
        return sum(1 for at, block in self.blocks.items() if at < index and block.fields.get("type") == "tool_use")

    def _piece(self, index: int, delta: Json) -> list[Delta]:
        kind = text_at(delta.get("type"), "delta.type")
        block = self.blocks[index]
        if kind == "citations_delta":
            block.citations.append(delta.get("citation"))
            return []
        name = _DELTAS.get(kind)
        if name is None:
            return []
        piece = text_at(delta.get(name), f"delta.{name}")
        block.pieces.setdefault(name, []).append(piece)
        if name == "text":
            return [TextDelta(piece)]
        if name == "thinking":
            return [ReasoningDelta(piece)]
        if name == "partial_json" and block.fields.get("type") == "tool_use":
            return [ToolCallDelta(self._call_number(index), arguments=piece)]
        return []

    def _answer(self, indexes: list[int]) -> dict[str, Any]:
        return {**self.message, "content": [self.blocks[index].whole() for index in indexes]}

    def finish(self) -> Reply:
        if not self.is_done:
            raise StreamBrokenError(
                f"The answer of {self.codec.provider} broke off.", partial=arrived(self), provider=self.codec.provider
            )
        with reading(self.codec.provider):
            reply = self.codec.read(self._answer(sorted(self.blocks)), self.outgoing)
        return replace(reply, content=self._with_arguments(reply.content))

    def _with_arguments(self, turn: DialogueContent) -> DialogueContent:
        """Return *turn* with the argument text that is no JSON object, such as one cut short, as the model sent it."""
        texts = {
            block.fields.get("id"): healed(block.json)
            for block in self.blocks.values()
            if block.json and not is_complete(block.json)
        }
        if not texts:
            return turn

        def mended(part: AnyPart) -> AnyPart:
            return replace(part, arguments=texts[part.id]) if isinstance(part, ToolCall) and part.id in texts else part

        calls = tuple(mended(call) for call in turn.tool_calls)
        return turn.model_copy(update={"tool_calls": calls, "parts": tuple(mended(part) for part in turn.parts)})

    def partial(self) -> DialogueContent | None:
        with reading(self.codec.provider):
            kept = [index for index in sorted(self.blocks) if self._is_usable(self.blocks[index])]
            return interrupted(_turn(healed(self._answer(kept))))

    def _is_usable(self, block: _Block) -> bool:
        """Say whether *block* is complete, or text that may stop anywhere."""
        return block.is_done or (block.fields.get("type") == "text" and bool(block.whole().get("text")))
