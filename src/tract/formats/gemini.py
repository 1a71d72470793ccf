"""Turns messages into Gemini `system_instruction` and `contents`, spelled as the Python SDK spells them.

Reading them back is `from_gemini`, in `gemini_read`, and the body of a REST call is `gemini_body`; this file
re-exports both. What only Gemini knows is kept in `extra["gemini"]`; what its keys mean is said in `gemini_read`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tract.formats import media
from tract.formats.anthropic import BEGIN
from tract.formats.arguments import object_arguments
from tract.formats.gemini_names import gemini_body
from tract.formats.gemini_read import NO_SIGNATURE, PROVIDER, UNSIGNED, as_object, from_gemini
from tract.formats.marks import take_marks
from tract.formats.repair import repair_exchanges
from tract.formats.report import Notes, Rendered
from tract.objects.message import AnyPart, FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall, copied, known_to

__all__ = ["BEGIN", "from_gemini", "gemini_body", "takes_inline", "to_gemini"]

LONGEST_NAME: Final = 128
_NAME_OTHERS = re.compile(r"[^a-zA-Z0-9_.:-]+")
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_FILES: Final = frozenset({"application/pdf", "application/json", "application/rtf", "application/x-javascript"})
# A file by its URL needs its type, and a URL from another provider says it by its end alone.
_BY_END: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".pdf": "application/pdf",
    ".txt": "text/plain",
}


def takes_inline(media_type: Any) -> bool:
    """Say whether Gemini takes bytes of *media_type*."""
    if not isinstance(media_type, str):
        return False
    return media_type in _IMAGES | _FILES or media_type.startswith(("text/", "audio/", "video/"))


def to_gemini(messages: Sequence[Message], *, hashes: Sequence[str] | None = None) -> Rendered[dict[str, Any]]:
    """Return *messages* as `{"system_instruction": ..., "contents": [...]}`; the former only when there is one.

    Neighbours of one role become one turn, but for the responses to a turn's calls, which make a turn of their
    own. A result that is a JSON object is sent as the `response`, any other as `{"result": text}`, a failed
    one as `{"error": text}`.

    Beside those of `repair_exchanges` the repairs are `empty_text` and `empty_message` (left out), `first_user`
    (a fixed user turn put before a conversation that begins with the model), `tool_name` and `tool_input`
    (arguments that are no JSON object are sent as `{"arguments": text}`), `thought_signature` (the one that says
    there is none, on the first of the calls made at once). Losses are `name`, `role` (developer
    sent as system), `position` (a later system message moved to the top), `reasoning` (another provider's),
    `image`, `file`, `block` and `extra`.

    Args:
        messages: In order.
        hashes: Commit hash of each message; ids that are missing are derived from it.
    """
    repaired = repair_exchanges(messages, hashes=hashes)
    writer = _Writer(Notes(repairs=list(repaired.repairs)))
    for message, source in zip(repaired.messages, repaired.sources, strict=True):
        writer.add(message, source)
    return writer.finish()


@dataclass(slots=True)
class _Turn:
    """Everything one role says until the other one speaks; responses to calls are a turn of their own.

    `places` is parallel to the parts of a response turn: which call each answers, counted in the order of the calls.
    """

    role: str
    is_response: bool
    parts: list[dict[str, Any]] = field(default_factory=list)
    origins: list[int | None] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    @property
    def sources(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(origin for origin in self.origins if origin is not None))

    def in_order_of_calls(self) -> list[int]:
        """Return where each part goes so that responses without id answer the calls of their name in order."""
        by_name: dict[str, list[int]] = {}
        for index, part in enumerate(self.parts):
            body = part["function_response"]
            if "id" not in body:
                by_name.setdefault(body["name"], []).append(index)
        order = list(range(len(self.parts)))
        for indexes in by_name.values():
            for index, wanted in zip(indexes, sorted(indexes, key=self.places.__getitem__), strict=True):
                order[index] = wanted
        return order


@dataclass(slots=True)
class _Writer:
    """The request being written, turn by turn. `calls` holds the tool's name and the place of each call by its id."""

    notes: Notes
    system: list[dict[str, Any]] = field(default_factory=list)
    system_as_text: bool = False
    turns: list[_Turn] = field(default_factory=list)
    has_turn: bool = False
    calls: dict[str, tuple[str, int]] = field(default_factory=dict)
    call_count: int = 0

    def add(self, message: Message, source: int | None) -> None:
        if message.extra:
            self.notes.lose_foreign(message.extra, PROVIDER, source)
        if message.name is not None and message.role != "tool":
            self.notes.lose("name", source, "Gemini turns have no speaker's name")
        if message.role in {"system", "developer"}:
            self._instruct(message, source)
            return
        self.has_turn = True
        if message.role == "tool":
            self._append("user", [self._result(message, source)], source, is_response=True)
            self.turns[-1].places.append(self.calls[message.call_id or ""][1])
            return
        parts = self._parts(message, source)
        if message.role == "assistant":
            self._sign(parts, message)
        self._append("model" if message.role == "assistant" else "user", parts, source)

    def finish(self) -> Rendered[dict[str, Any]]:
        if self.turns and self.turns[0].role != "user":
            self.notes.repair("first_user", self.turns[0].origins[0], BEGIN)
            self.turns.insert(0, _Turn("user", is_response=False, parts=[{"text": BEGIN}], origins=[None]))
        for turn in self.turns:
            if turn.is_response:
                self._arrange(turn)
        value: dict[str, Any] = {}
        if self.system:
            plain = self.system_as_text and len(self.system) == 1 and self.system[0].keys() == {"text"}
            value["system_instruction"] = self.system[0]["text"] if plain else {"parts": self.system}
        value["contents"] = [{"role": turn.role, "parts": turn.parts} for turn in self.turns]
        sources = [turn.sources for turn in self.turns]
        origins = [tuple(turn.origins) for turn in self.turns]
        return Rendered(value, tuple(self.notes.losses), tuple(self.notes.repairs), sources, origins)

    def _sign(self, parts: list[dict[str, Any]], message: Message) -> None:
        """Sign the first of the calls made at once if it is not: newer models refuse one that never was.

        Always, since what is sent now is to stay the beginning of what is sent later; but what came from Gemini
        without a signature goes back without one. It changes nothing of what is said, so it is no repair.
        """
        at = next((at for at, part in enumerate(parts) if "function_call" in part), None)
        if at is None or "thought_signature" in parts[at]:
            return
        if UNSIGNED in take_marks(known_to(PROVIDER, message.tool_calls[0].extra)):
            return
        parts[at] = {**parts[at], "thought_signature": NO_SIGNATURE}

    def _arrange(self, turn: _Turn) -> None:
        """Put responses that only name their tool in the order of the calls, which is how Gemini tells them apart."""
        order = turn.in_order_of_calls()
        for index, wanted in enumerate(order):
            if index != wanted:
                self.notes.repair("result_moved", turn.origins[wanted], "without an id the order says what it answers")
        turn.parts = [turn.parts[index] for index in order]
        turn.origins = [turn.origins[index] for index in order]

    def _instruct(self, message: Message, source: int | None) -> None:
        if self.has_turn:
            self.notes.lose("position", source, "sent with the system text at the top")
        if message.role == "developer":
            self.notes.lose("role", source, "developer sent as system")
        self.system_as_text = "text" in take_marks(known_to(PROVIDER, message.extra))
        self.system.extend(self._parts(message, source))

    def _append(self, role: str, parts: list[dict[str, Any]], source: int | None, *, is_response: bool = False) -> None:
        if not parts:
            self.notes.repair("empty_message", source, "nothing in it can be sent")
            return
        last = self.turns[-1] if self.turns else None
        if last is None or (last.role, last.is_response) != (role, is_response):
            last = _Turn(role, is_response)
            self.turns.append(last)
        last.parts.extend(parts)
        last.origins.extend([source] * len(parts))

    # --- parts

    def _parts(self, message: Message, source: int | None) -> list[dict[str, Any]]:
        found = []
        for part in message.parts:
            if part.extra:
                self.notes.lose_foreign(part.extra, PROVIDER, source)
            written = self._part(part, message.role, source)
            if written is not None:
                found.append(written)
        return found

    def _part(self, part: AnyPart, role: str, source: int | None) -> dict[str, Any] | None:
        if isinstance(part, ToolCall):
            return self._call(part, source)
        if isinstance(part, Reasoning):
            if part.provider == PROVIDER and role == "assistant":
                raw: dict[str, Any] = copied(part.raw)
                return raw
            self.notes.lose("reasoning", source, f"{part.provider} reasoning in a {role} message")
            return None
        if isinstance(part, TextPart):
            return self._text(part, role, source)
        if isinstance(part, FilePart) and part.name is not None:
            self.notes.lose("name", source, "Gemini takes no name of a file")
        written = _media(part) if role in {"user", "assistant", "tool"} else None
        if written is None:
            self.notes.lose(part.type, source, f"a {role} message cannot hold it in this form")
        return written

    def _text(self, part: TextPart, role: str, source: int | None) -> dict[str, Any] | None:
        fields = known_to(PROVIDER, part.extra)
        whole = fields.pop("part", None)
        if isinstance(whole, dict):
            if role in {"user", "assistant"}:
                return whole
            self.notes.lose("block", source, f"a {role} message cannot hold it")
            fields = {}
        if not part.text and (role in {"system", "developer"} or "thought_signature" not in fields):
            self.notes.repair("empty_text", source, "Gemini refuses text without a character")
            return None
        return {**fields, "text": part.text}

    def _call(self, part: ToolCall, source: int | None) -> dict[str, Any]:
        fields = known_to(PROVIDER, part.extra)
        mark = take_marks(fields)
        args = object_arguments(part, source, self.notes)
        body = {**fields.pop("function_call", {}), "name": self._name(part.name, source), "args": args}
        if "no_id" not in mark:
            body["id"] = part.id
        if "no_args" in mark and not args:
            del body["args"]
        self.calls[part.id] = body["name"], self.call_count
        self.call_count += 1
        return {**fields, "function_call": body}

    def _name(self, name: str, source: int | None) -> str:
        mended = _NAME_OTHERS.sub("_", name)
        if not mended or not (mended[0].isalpha() or mended[0] == "_"):
            mended = f"_{mended}"
        mended = mended[:LONGEST_NAME]
        if mended != name:
            self.notes.repair("tool_name", source, mended)
        return mended

    def _result(self, message: Message, source: int | None) -> dict[str, Any]:
        fields = known_to(PROVIDER, message.extra)
        mark = take_marks(fields)
        texts, shown = self._answer(message, source)
        body = {**fields.pop("function_response", {}), "name": self.calls[message.call_id or ""][0]}
        if "no_id" not in mark:
            body["id"] = message.call_id
        body["response"] = _response(texts, mark, is_error=message.is_error)
        if shown:
            body["parts"] = shown
        return {**fields, "function_response": body}

    def _answer(self, message: Message, source: int | None) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the texts and the media of a tool's answer."""
        texts: list[str] = []
        shown = []
        for part in message.parts:
            if part.extra:
                self.notes.lose_foreign(part.extra, PROVIDER, source)
            if isinstance(part, TextPart):
                if part.text or not part.extra:
                    texts.append(part.text)
                continue
            written = self._part(part, "tool", source)
            if written is not None:
                shown.append(written)
        return texts, shown


def _response(texts: list[str], mark: list[str], *, is_error: bool) -> dict[str, Any]:
    said: Any = texts
    if len(texts) < 2 and "list" not in mark:
        said = texts[0] if texts else ""
    if is_error:
        return {"error": said}
    if isinstance(said, str) and "text" not in mark:
        given = as_object(said)
        if given is not None:
            return given
    return {"result": said}


def _media(part: AnyPart) -> dict[str, Any] | None:
    assert isinstance(part, (ImagePart, FilePart))
    fields = known_to(PROVIDER, part.extra)
    mark = take_marks(fields)
    if part.url is not None and part.data is None:
        rest = fields.pop("file_data", {})
        media_type = part.media_type or _BY_END.get(part.url[part.url.rfind(".") :].lower())
        if media_type is None and "no_mime" not in mark:
            return None
        known = {} if "no_mime" in mark else {"mime_type": media_type}
        return {**fields, "file_data": {**rest, **known, "file_uri": part.url}}
    rest = fields.pop("inline_data", {})
    if not takes_inline(part.media_type):
        return None
    if part.data is not None:
        as_text = base64.urlsafe_b64encode(part.data).decode() if "urlsafe" in mark else media.encode(part.data)
        rest = {**rest, "data": as_text}
    if not rest.get("data"):
        return None
    return {**fields, "inline_data": {**rest, "mime_type": part.media_type}}
