"""Turns messages into the Anthropic Messages `system` and `messages`.

Reading them back is `from_anthropic`, in `anthropic_read`, which this file re-exports. What only Anthropic
knows is kept in `extra["anthropic"]`, where the word under `content` marks a content written as a list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tract.formats import media
from tract.formats.anthropic_read import PROVIDER, from_anthropic
from tract.formats.arguments import object_arguments
from tract.formats.repair import repair_exchanges
from tract.formats.report import Notes, Rendered
from tract.objects.message import AnyPart, FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall, copied, known_to

__all__ = ["BEGIN", "from_anthropic", "to_anthropic"]

BEGIN = "(the conversation begins here)"
"""Text of the user message put first when a conversation begins with the assistant."""

_WORD = re.compile(r"[a-zA-Z0-9_-]+")
_OTHERS = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_NAME = 128
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_MOST_BREAKPOINTS = 4


def to_anthropic(messages: Sequence[Message], *, hashes: Sequence[str] | None = None) -> Rendered[dict[str, Any]]:
    """Return *messages* as `{"system": ..., "messages": [...]}`; `system` only when there is one.

    Beside those of `repair_exchanges` the repairs are `empty_text` and `empty_message` (left out),
    `first_user` (a fixed user message put before a conversation that begins with the assistant),
    `trailing_space` (cut from a final assistant message), `tool_id` and `tool_name` (characters
    Anthropic refuses, or an id used twice), `tool_input` (arguments that are no JSON object are sent
    as `{"arguments": text}`) and `cache_control` (more than four, or a longer one after a shorter one).
    Losses are `name`, `role` (developer sent as system), `position` (a later system message moved to
    the top), `reasoning` (another provider's, or at the end of a turn), `image`, `file`, `block` and `extra`.

    Args:
        messages: In order.
        hashes: Commit hash of each message; ids that cannot be sent as they are are derived from it.
    """
    repaired = repair_exchanges(messages, hashes=hashes)
    writer = _Writer(hashes, Notes(repairs=list(repaired.repairs)))
    for message, source in zip(repaired.messages, repaired.sources, strict=True):
        writer.add(message, source)
    return writer.finish()


@dataclass(slots=True)
class _Turn:
    """One message being written: everything said by one role until the other one speaks.

    `origins` is parallel to `blocks`: the message each block came from.
    """

    role: str
    as_text: bool
    blocks: list[dict[str, Any]] = field(default_factory=list)
    origins: list[int | None] = field(default_factory=list)

    def add(self, blocks: list[dict[str, Any]], source: int | None) -> None:
        self.blocks.extend(blocks)
        self.origins.extend([source] * len(blocks))

    @property
    def sources(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(origin for origin in self.origins if origin is not None))

    def written(self) -> dict[str, Any]:
        content: Any = self.blocks
        if self.as_text and len(self.blocks) == 1 and self.blocks[0].keys() == {"type", "text"}:
            content = self.blocks[0]["text"]
        return {"role": self.role, "content": content}


@dataclass(slots=True)
class _Writer:
    """The request being written, message by message."""

    hashes: Sequence[str] | None
    notes: Notes
    system: list[dict[str, Any]] = field(default_factory=list)
    system_as_text: bool = True
    turns: list[_Turn] = field(default_factory=list)
    has_turn: bool = False
    used_ids: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)

    def add(self, message: Message, source: int | None) -> None:
        if message.extra:
            self.notes.lose_foreign(message.extra, PROVIDER, source)
        if message.role in {"system", "developer"}:
            self._instruct(message, source)
            return
        self.has_turn = True
        if message.role == "tool":
            self._append("user", [self._result(message, source)], source, as_text=False)
            return
        if message.name is not None:
            self.notes.lose("name", source, "Anthropic messages have no speaker's name")
        if message.role == "assistant":
            self.ids = {}
        blocks = self._blocks(message, source)
        as_text = message.extra.get(PROVIDER, {}).get("content") != "list"
        self._append(message.role, blocks, source, as_text=as_text)

    def finish(self) -> Rendered[dict[str, Any]]:
        self._close()
        self._begin_with_user()
        self._cut_trailing_space()
        value: dict[str, Any] = {}
        if self.system:
            plain = self.system_as_text and len(self.system) == 1 and self.system[0].keys() == {"type", "text"}
            value["system"] = self.system[0]["text"] if plain else self.system
        value["messages"] = [turn.written() for turn in self.turns]
        self._limit_breakpoints()
        sources = [turn.sources for turn in self.turns]
        origins = [tuple(turn.origins) for turn in self.turns]
        return Rendered(value, tuple(self.notes.losses), tuple(self.notes.repairs), sources, origins)

    # --- turns

    def _instruct(self, message: Message, source: int | None) -> None:
        if self.has_turn:
            self.notes.lose("position", source, "sent with the system text at the top")
        if message.role == "developer":
            self.notes.lose("role", source, "developer sent as system")
        if message.name is not None:
            self.notes.lose("name", source, "Anthropic messages have no speaker's name")
        if message.extra.get(PROVIDER, {}).get("content") == "list":
            self.system_as_text = False
        self.system.extend(self._blocks(message, source))

    def _append(self, role: str, blocks: list[dict[str, Any]], source: int | None, *, as_text: bool) -> None:
        if not blocks:
            self.notes.repair("empty_message", source, "nothing in it can be sent")
            return
        if self.turns and self.turns[-1].role != role:
            self._close()
        if self.turns and self.turns[-1].role == role:
            self.turns[-1].as_text = False
        else:
            self.turns.append(_Turn(role, as_text))
        self.turns[-1].add(blocks, source)

    def _close(self) -> None:
        """Take reasoning off the end of the last turn: Anthropic refuses an assistant message that ends in it."""
        if not self.turns or self.turns[-1].role != "assistant":
            return
        turn = self.turns[-1]
        while turn.blocks and turn.blocks[-1]["type"] in {"thinking", "redacted_thinking"}:
            turn.blocks.pop()
            self.notes.lose("reasoning", turn.origins.pop(), "nothing follows it in its turn")
        if not turn.blocks:
            self.turns.pop()

    def _begin_with_user(self) -> None:
        if self.turns and self.turns[0].role != "user":
            self.notes.repair("first_user", self.turns[0].origins[0], BEGIN)
            self.turns.insert(0, _Turn("user", as_text=True, blocks=[{"type": "text", "text": BEGIN}], origins=[None]))

    def _cut_trailing_space(self) -> None:
        if not self.turns or self.turns[-1].role != "assistant":
            return
        turn = self.turns[-1]
        last = turn.blocks[-1]
        if last["type"] == "text" and last["text"] != last["text"].rstrip():
            turn.blocks[-1] = {**last, "text": last["text"].rstrip()}
            self.notes.repair("trailing_space", turn.origins[-1], "cut from the final assistant message")

    def _limit_breakpoints(self) -> None:
        marked = [block for block in self._all_blocks() if isinstance(block.get("cache_control"), dict)]
        for block in marked[:-_MOST_BREAKPOINTS]:
            del block["cache_control"]
            self.notes.repair("cache_control", None, "at most four breakpoints; the last four are kept")
        shorter = False
        for block in marked[-_MOST_BREAKPOINTS:]:
            control = block["cache_control"]
            if control.get("ttl") != "1h":
                shorter = True
            elif shorter:
                block["cache_control"] = {name: value for name, value in control.items() if name != "ttl"}
                self.notes.repair("cache_control", None, "a longer breakpoint after a shorter one was shortened")

    def _all_blocks(self) -> list[dict[str, Any]]:
        found = list(self.system)
        for turn in self.turns:
            for block in turn.blocks:
                inner = block.get("content") if block["type"] == "tool_result" else None
                found.extend(inner if isinstance(inner, list) else ())
                found.append(block)
        return found

    # --- blocks

    def _blocks(self, message: Message, source: int | None) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        for part in message.parts:
            if part.extra:
                self.notes.lose_foreign(part.extra, PROVIDER, source)
            if isinstance(part, ToolCall):
                block: dict[str, Any] | None = self._call(part, source)
            elif isinstance(part, Reasoning):
                block = self._reasoning(part, message.role, source)
            elif isinstance(part, TextPart):
                block = self._text(part, message.role, source)
            else:
                block = self._medium(part, message.role, source)
            if block is not None:
                blocks.append(block)
        return blocks

    def _text(self, part: TextPart, role: str, source: int | None) -> dict[str, Any] | None:
        fields = known_to(PROVIDER, part.extra)
        if "type" in fields:
            if role in {"user", "assistant", "tool"}:
                return fields
            self.notes.lose("block", source, f"a {role} message cannot hold `{fields['type']}`")
            fields = {}
        if not part.text.strip():
            self.notes.repair("empty_text", source, "Anthropic refuses text without a visible character")
            return None
        return {**fields, "type": "text", "text": part.text}

    def _reasoning(self, part: Reasoning, role: str, source: int | None) -> dict[str, Any] | None:
        if part.provider == PROVIDER and role == "assistant":
            raw: dict[str, Any] = copied(part.raw)
            return raw
        self.notes.lose("reasoning", source, f"{part.provider} reasoning in a {role} message")
        return None

    def _call(self, part: ToolCall, source: int | None) -> dict[str, Any]:
        name = part.name
        if not _WORD.fullmatch(name) or len(name) > _LONGEST_NAME:
            name = (_OTHERS.sub("_", name) or "_")[:_LONGEST_NAME]
            self.notes.repair("tool_name", source, name)
        fields = known_to(PROVIDER, part.extra)
        call_id = self._id(part.id, source)
        args = object_arguments(part, source, self.notes)
        return {**fields, "type": "tool_use", "id": call_id, "name": name, "input": args}

    def _id(self, call_id: str, source: int | None) -> str:
        """Return an id Anthropic accepts and has not seen in this request, the same one every time."""
        plain = _OTHERS.sub("_", call_id)
        wanted = plain
        if wanted != call_id:
            wanted = f"{plain}_{_digest(call_id)}"
        # The place is the number of calls before this one, so an id never depends on what comes later.
        place = len(self.used_ids)
        seed = self.hashes[source] if self.hashes is not None and source is not None else str(place)
        while wanted in self.used_ids:
            wanted = f"{plain}_{_digest(seed + wanted)}"
        if wanted != call_id:
            self.notes.repair("tool_id", source, wanted)
        self.used_ids.add(wanted)
        self.ids[call_id] = wanted
        return wanted

    def _result(self, message: Message, source: int | None) -> dict[str, Any]:
        fields = known_to(PROVIDER, message.extra)
        mark = fields.pop("content", None)
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self.ids[message.call_id or ""]}
        parts = message.parts
        if mark != "list" and len(parts) == 1 and isinstance(parts[0], TextPart) and not parts[0].extra:
            # Unlike a text block, the text of a result may be empty.
            block["content"] = parts[0].text
        else:
            content = self._blocks(message, source)
            if content or mark == "list":
                block["content"] = content
        if message.is_error:
            block["is_error"] = True
        return {**fields, **block}

    def _medium(self, part: AnyPart, role: str, source: int | None) -> dict[str, Any] | None:
        block: dict[str, Any] | None = None
        if role in {"user", "tool"}:
            block = _image(part) if isinstance(part, ImagePart) else _document(part)
        if block is None:
            self.notes.lose(part.type, source, f"a {role} message cannot hold it in this form")
        return block


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _image(part: ImagePart) -> dict[str, Any] | None:
    fields = known_to(PROVIDER, part.extra)
    source = _source(part, _IMAGES)
    source = source or fields.get("source")
    return None if source is None else {**fields, "type": "image", "source": source}


def _document(part: AnyPart) -> dict[str, Any] | None:
    assert isinstance(part, FilePart)
    fields = known_to(PROVIDER, part.extra)
    source = _text_source(part) or _source(part, frozenset({"application/pdf"})) or fields.get("source")
    if part.name is not None:
        fields["title"] = part.name
    return None if source is None else {**fields, "type": "document", "source": source}


def _source(part: ImagePart | FilePart, accepted: frozenset[str]) -> dict[str, Any] | None:
    if part.data is not None:
        if part.media_type not in accepted:
            return None
        return {"type": "base64", "media_type": part.media_type, "data": media.encode(part.data)}
    return None if part.url is None else {"type": "url", "url": part.url}


def _text_source(part: FilePart) -> dict[str, Any] | None:
    if part.data is None or part.media_type != "text/plain":
        return None
    try:
        return {"type": "text", "media_type": "text/plain", "data": part.data.decode()}
    except UnicodeDecodeError:
        return None
