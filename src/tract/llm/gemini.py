"""Speaks Gemini `generateContent`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

from tract.errors import FormatError, ModelError, StreamBrokenError
from tract.formats.gemini import from_gemini, gemini_body, to_gemini
from tract.formats.params import gemini_settings, gemini_tools
from tract.formats.repair import derived_id
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
    interrupted,
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

FORMAT: Final[Format] = "gemini"
VERSION: Final = "v1beta"

_FINISH: Final[Mapping[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "IMAGE_SAFETY": "refusal",
}

_MODES: Final = {"auto": "AUTO", "none": "NONE", "any": "ANY", "tool": "ANY"}


@dataclass(frozen=True, slots=True)
class Gemini:
    """The Gemini API.

    Attributes:
        provider: Who answers.
    """

    provider: str = "gemini"

    @property
    def format(self) -> Format:
        """`gemini`."""
        return FORMAT

    def headers(self, key: str | None) -> dict[str, str]:
        """Return `x-goog-api-key`; a key in the URL would stand in every log."""
        return {"x-goog-api-key": key} if key else {}

    def body(self, request: Request, *, model: str, stream: bool = False) -> Outgoing:
        """Return the body of `generateContent`, in the REST API's spelling."""
        settings = settings_of(request)
        stop_list(settings)
        lost = [name for name in ("parallel_tool_calls",) if settings.pop(name, None) is not None]
        _spell(settings)
        rendered = to_gemini(request.messages, hashes=request.hashes)
        config = gemini_settings(settings)
        tools = gemini_tools(request.tools)
        if tools:
            config["tools"] = tools
        name = quote(model.removeprefix("models/"), safe="-._~")
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return Outgoing(
            path=f"{VERSION}/models/{name}:{method}",
            body=gemini_body({**rendered.value, "config": config}),
            model=model,
            settings=settings,
            losses=(*rendered.losses, *(Loss("setting", None, f"Gemini has no `{name}`") for name in lost)),
            repairs=rendered.repairs,
        )

    def read(self, answer: Any, outgoing: Outgoing) -> Reply:
        """Return the reply in a `GenerateContentResponse`."""
        with reading(self.provider):
            answer = healed(object_at(answer, "answer"))
            candidate = _candidate(answer)
            content = _turn(candidate, outgoing)
            found = Found(
                content=content,
                model=text_at(answer.get("modelVersion"), "modelVersion"),
                usage=answer.get("usageMetadata"),
                finish_reason=_finish(candidate, content),
            )
            return reply_of(found, answer, outgoing, format=FORMAT)

    def stream(self, outgoing: Outgoing) -> Accumulator:
        """Return what joins the chunks, each a `GenerateContentResponse`."""
        return _Chunks(self, outgoing)

    def error(self, status: int, headers: Mapping[str, str], body: str) -> ModelError:
        """Return the error the *status* stands for."""
        # A wrong key is a bad request here.
        if status == 400 and ("API_KEY_INVALID" in body or "API key not valid" in body):
            status = 401
        return model_error(self.provider, status, headers, body)


def _spell(settings: dict[str, Any]) -> None:
    """Write what was asked in another provider's words in these."""
    choice = read_tool_choice(settings.get("tool_choice"))
    if choice is not None:
        del settings["tool_choice"]
        calling: dict[str, Any] = {"mode": _MODES[choice.mode]}
        if choice.name:
            calling["allowed_function_names"] = [choice.name]
        settings["tool_config"] = {**object_in(settings, "tool_config"), "function_calling_config": calling}
    if "response_format" in settings:
        wanted = read_response_format(settings.pop("response_format"))
        if wanted is not None:
            settings["response_mime_type"] = "application/json"
            if wanted.schema is not None:
                settings["response_json_schema"] = wanted.schema


def _candidate(answer: Json) -> dict[str, Any]:
    candidates = list_at(answer.get("candidates"), "candidates")
    if candidates:
        return object_at(candidates[0], "candidates[0]")
    feedback = object_at(answer.get("promptFeedback") or {}, "promptFeedback")
    if not feedback.get("blockReason"):
        raise FormatError("There is no candidate.", path="candidates")
    return {"finishReason": "SAFETY"}


def _turn(candidate: Json, outgoing: Outgoing) -> DialogueContent:
    said = object_at(candidate.get("content") or {}, "candidates[0].content")
    parts = list_at(said.get("parts"), "candidates[0].content.parts")
    if not parts:
        return DialogueContent(role="assistant", text="")
    return _with_ids(turn_of(from_gemini([{"role": "model", "parts": parts}])), outgoing)


def _with_ids(turn: DialogueContent, outgoing: Outgoing) -> DialogueContent:
    """Return *turn* with ids of its own for calls that came without: the same call in another turn has another id.

    They are sent along from then on, so that the results name the calls they answer.
    """
    asked = hashlib.sha256(json.dumps(outgoing.body.get("contents"), sort_keys=True).encode()).hexdigest()
    place = iter(range(len(turn.tool_calls) + len(turn.parts)))

    def named(part: AnyPart) -> AnyPart:
        fields = dict(part.extra.get(FORMAT, {}))
        marks = str(fields.pop("content", "")).split()
        if not isinstance(part, ToolCall) or "no_id" not in marks:
            return part
        kept = " ".join(mark for mark in marks if mark != "no_id")
        fields = {**fields, "content": kept} if kept else fields
        extra = {**part.extra, FORMAT: fields}
        return replace(part, id=derived_id(asked, next(place)), extra=extra if fields else {})

    calls = tuple(call for call in map(named, turn.tool_calls) if isinstance(call, ToolCall))
    return turn.model_copy(update={"tool_calls": calls, "parts": tuple(named(part) for part in turn.parts)})


def _finish(candidate: Json, content: DialogueContent) -> FinishReason:
    reason = text_at(candidate.get("finishReason"), "candidates[0].finishReason") or "STOP"
    if reason == "STOP" and (content.tool_calls or any(isinstance(part, ToolCall) for part in content.parts)):
        return "tool_calls"
    return _FINISH.get(reason, "other")


@dataclass(slots=True)
class _Chunks:
    """The chunks of one streamed answer; text that continues the part before is joined to it."""

    codec: Gemini
    outgoing: Outgoing
    top: dict[str, Any] = field(default_factory=dict)
    candidate: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    is_done: bool = False

    @property
    def is_whole(self) -> bool:
        blocked = isinstance(self.top.get("promptFeedback"), dict) and not self.parts
        return bool(self.candidate.get("finishReason")) or blocked

    def feed(self, event: str, data: Any) -> list[Delta]:
        del event  # chunks have no names
        with reading(self.codec.provider):
            chunk = object_at(data or {}, "chunk")
            if chunk.get("error"):
                raise stream_error(self.codec, chunk["error"])
            self.top.update({name: value for name, value in chunk.items() if name != "candidates"})
            candidates = list_at(chunk.get("candidates"), "candidates")
            if not candidates:
                return []
            candidate = object_at(candidates[0], "candidates[0]")
            self.candidate.update({name: value for name, value in candidate.items() if name != "content"})
            said = object_at(candidate.get("content") or {}, "candidates[0].content")
            parts = list_at(said.get("parts"), "candidates[0].content.parts")
            return [delta for part in parts for delta in self._part(object_at(part, "candidates[0].content.parts"))]

    def _part(self, part: dict[str, Any]) -> list[Delta]:
        text = text_at(part.get("text"), "candidates[0].content.parts.text")
        before = self.parts[-1] if self.parts else {}
        if _continues(part, before):
            before.update({**part, "text": text_at(before["text"], "text") + text})
        else:
            self.parts.append(dict(part))
        if part.get("functionCall"):
            return [self._call(object_at(part["functionCall"], "functionCall"))]
        if not text:
            return []
        return [ReasoningDelta(text) if part.get("thought") is True else TextDelta(text)]

    def _call(self, call: Json) -> Delta:
        self.calls += 1
        arguments = json.dumps(call.get("args") or {}, ensure_ascii=False, separators=(",", ":"))
        call_id, name = text_at(call.get("id"), "functionCall.id"), text_at(call.get("name"), "functionCall.name")
        return ToolCallDelta(self.calls - 1, call_id, name, arguments)

    def _answer(self) -> dict[str, Any]:
        if not self.candidate and not self.parts:
            return dict(self.top)
        return {**self.top, "candidates": [{**self.candidate, "content": {"role": "model", "parts": self.parts}}]}

    def finish(self) -> Reply:
        if not self.is_whole:
            raise StreamBrokenError(
                f"The answer of {self.codec.provider} broke off.", partial=arrived(self), provider=self.codec.provider
            )
        return self.codec.read(self._answer(), self.outgoing)

    def partial(self) -> DialogueContent | None:
        with reading(self.codec.provider):
            return interrupted(_turn(healed({"content": {"parts": self.parts}}), self.outgoing))


def _continues(part: Json, before: Json) -> bool:
    """Say whether *part* goes on with the text *before*; the signature of a text comes behind it, with no text."""
    if not ("text" in part and before.keys() <= {"text", "thought"} and "text" in before):
        return False
    same = part.get("thought") == before.get("thought") and part.keys() <= {"text", "thought", "thoughtSignature"}
    return same and ("thoughtSignature" not in part or part["text"] == "")
