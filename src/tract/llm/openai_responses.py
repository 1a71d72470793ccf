"""Speaks OpenAI Responses, statelessly: every request holds the whole conversation, and nothing is kept there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tract.errors import ModelError, StreamBrokenError
from tract.formats.params import responses_settings, responses_tools
from tract.formats.report import Loss
from tract.formats.responses import from_openai_responses, to_openai_responses
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

FORMAT: Final[Format] = "openai_responses"

ENCRYPTED: Final = "reasoning.encrypted_content"
"""What reasoning needs so that it can be sent back without being stored there."""

# Others refuse to be asked for it.
_REASONING_MODEL: Final = re.compile(r"(?:o\d|gpt-[5-9]|codex|computer-use)(?!.*-chat)")

_INCOMPLETE: Final[Mapping[str, FinishReason]] = {"max_output_tokens": "length", "content_filter": "refusal"}

_CALLS: Final = ("function_call", "custom_tool_call")


@dataclass(frozen=True, slots=True)
class OpenAIResponses:
    """The Responses API.

    Attributes:
        provider: Who answers.
    """

    provider: str = "openai_responses"

    @property
    def format(self) -> Format:
        """`openai_responses`."""
        return FORMAT

    def headers(self, key: str | None) -> dict[str, str]:
        """Return `Authorization`."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, *, model: str, stream: bool = False) -> Outgoing:
        """Return the arguments of `responses.create`; `store` is false unless the settings say otherwise."""
        settings = settings_of(request)
        stop_list(settings)
        lost = [name for name in ("stop", "seed") if settings.pop(name, None) is not None]
        _spell(settings)
        is_stored = settings.get("store") is True
        rendered = to_openai_responses(request.messages, hashes=request.hashes, stateless=not is_stored)
        tools = responses_tools(request.tools)
        body = {"model": model, "store": False, **responses_settings(settings), **rendered.value}
        if not is_stored and "include" not in body and _REASONING_MODEL.match(model):
            body["include"] = [ENCRYPTED]
        if tools:
            body["tools"] = tools
        if stream:
            body["stream"] = True
        return Outgoing(
            path="responses",
            body=body,
            model=model,
            settings=settings,
            losses=(*rendered.losses, *(Loss("setting", None, f"Responses has no `{name}`") for name in lost)),
            repairs=rendered.repairs,
        )

    def read(self, answer: Any, outgoing: Outgoing) -> Reply:
        """Return the reply in a `response`."""
        with reading(self.provider):
            answer = healed(object_at(answer, "answer"))
            if answer.get("error"):
                raise stream_error(self, answer["error"])
            items = list_at(answer.get("output"), "output")
            found = Found(
                content=_turn(items),
                model=text_at(answer.get("model"), "model"),
                usage=answer.get("usage"),
                finish_reason=_finish(answer, items),
            )
            return reply_of(found, answer, outgoing, format=FORMAT)

    def stream(self, outgoing: Outgoing) -> Accumulator:
        """Return what takes the events up to `response.completed`, which holds the answer."""
        return _Events(self, outgoing)

    def error(self, status: int, headers: Mapping[str, str], body: str) -> ModelError:
        """Return the error the *status* stands for."""
        return model_error(self.provider, status, headers, body)


def _spell(settings: dict[str, Any]) -> None:
    """Write what was asked in another provider's words in these."""
    choice = read_tool_choice(settings.get("tool_choice"))
    if choice is not None:
        named = {"type": "function", "name": choice.name}
        settings["tool_choice"] = named if choice.mode == "tool" else {"any": "required"}.get(choice.mode, choice.mode)
    effort = settings.pop("reasoning_effort", None)
    if effort is not None:
        settings["reasoning"] = {"effort": effort, **object_in(settings, "reasoning")}
    if "response_format" not in settings:
        return
    wanted = read_response_format(settings.pop("response_format"))
    if wanted is None:
        return
    written: dict[str, Any] = {"type": "json_object"}
    if wanted.schema is not None:
        strict = {} if wanted.is_strict is None else {"strict": wanted.is_strict}
        written = {"type": "json_schema", "name": wanted.name, "schema": wanted.schema, **strict}
    settings["text"] = {**object_in(settings, "text"), "format": written}


def _turn(items: list[Any]) -> DialogueContent:
    if not items:
        return DialogueContent(role="assistant", text="")
    return turn_of(from_openai_responses([_bare(item) for item in items]))


def _bare(item: Any) -> Any:
    """Return *item* without what is null, so that it can be sent back; reasoning exactly as it is."""
    if not isinstance(item, dict) or item.get("type") == "reasoning":
        return item
    return {name: value for name, value in item.items() if value is not None}


def _finish(answer: Json, items: list[Any]) -> FinishReason:
    status = text_at(answer.get("status"), "status")
    if status == "incomplete":
        why = object_at(answer.get("incomplete_details") or {}, "incomplete_details").get("reason")
        return _INCOMPLETE.get(str(why), "other")
    kinds = [item.get("type") for item in items if isinstance(item, dict)]
    if any(kind in _CALLS for kind in kinds):
        return "tool_calls"
    said = [item for item in items if isinstance(item, dict) and item.get("type") == "message"]
    parts = [part for item in said for part in list_at(item.get("content"), "content")]
    if any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts):
        return "refusal"
    return "stop" if status in {"", "completed"} else "other"


# What each event adds to, as a delta for display.
_TEXTS: Final = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHTS: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ARGUMENTS: Final = frozenset({"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


@dataclass(slots=True)
class _Events:
    """The events of one streamed response; `texts` and `done` by the index of their item."""

    codec: OpenAIResponses
    outgoing: Outgoing
    texts: dict[int, list[str]] = field(default_factory=dict)
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    final: dict[str, Any] | None = None

    @property
    def is_done(self) -> bool:
        return self.final is not None

    @property
    def is_whole(self) -> bool:
        return self.is_done

    def feed(self, event: str, data: Any) -> list[Delta]:
        with reading(self.codec.provider):
            data = object_at(data or {}, "event")
            kind = text_at(data.get("type"), "type") or event
            if kind == "error":
                raise stream_error(self.codec, data.get("error") or data)
            if kind in _ENDS:
                self._end(object_at(data.get("response"), "response"))
            elif kind == "response.output_item.added":
                return self._added(data)
            elif kind == "response.output_item.done":
                self.done[index_at(data.get("output_index"), "output_index")] = object_at(data.get("item"), "item")
            elif kind in _TEXTS | _THOUGHTS | _ARGUMENTS:
                return [self._delta(kind, data)]
            return []

    def _end(self, response: dict[str, Any]) -> None:
        if response.get("status") == "failed":
            raise stream_error(self.codec, response.get("error"))
        if not response.get("output") and self.done:
            response = {**response, "output": [self.done[index] for index in sorted(self.done)]}
        self.final = response

    def _added(self, data: Json) -> list[Delta]:
        index = index_at(data.get("output_index"), "output_index")
        item = object_at(data.get("item"), "item")
        if item.get("type") not in _CALLS:
            return []
        if index not in self.calls:
            self.calls.append(index)
        call_id, name = text_at(item.get("call_id"), "item.call_id"), text_at(item.get("name"), "item.name")
        return [ToolCallDelta(self.calls.index(index), call_id, name)]

    def _delta(self, kind: str, data: Json) -> Delta:
        piece = text_at(data.get("delta"), "delta")
        if kind in _THOUGHTS:
            return ReasoningDelta(piece)
        index = index_at(data.get("output_index"), "output_index")
        if kind in _TEXTS:
            self.texts.setdefault(index, []).append(piece)
            return TextDelta(piece)
        if index not in self.calls:
            self.calls.append(index)
        return ToolCallDelta(self.calls.index(index), arguments=piece)

    def finish(self) -> Reply:
        if self.final is None:
            raise StreamBrokenError(
                f"The answer of {self.codec.provider} broke off.", partial=arrived(self), provider=self.codec.provider
            )
        return self.codec.read(self.final, self.outgoing)

    def partial(self) -> DialogueContent | None:
        items = dict(self.done)
        for index, pieces in self.texts.items():
            block = {"type": "output_text", "text": "".join(pieces)}
            items.setdefault(index, {"type": "message", "role": "assistant", "content": [block]})
        kept = [items[index] for index in sorted(items) if _is_usable(items[index])]
        with reading(self.codec.provider):
            return interrupted(_turn(healed(kept)))


def _is_usable(item: Json) -> bool:
    return item.get("type") != "function_call" or is_complete(item.get("arguments"))
