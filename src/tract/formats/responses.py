"""Turns messages into OpenAI Responses `instructions` and `input` items.

Reading them back is `from_openai_responses`, in `responses_read`, which this file re-exports. What only
Responses knows is kept in `extra["openai_responses"]` of a message or part; what its keys mean is said there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tract.formats import media
from tract.formats.marks import take_marks
from tract.formats.repair import repair_exchanges
from tract.formats.report import Notes, Rendered
from tract.formats.responses_read import IMAGES, OUTPUT_PARTS, PROVIDER, REASONING_PROVIDER, from_openai_responses
from tract.objects.message import AnyPart, FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall, copied, known_to

__all__ = ["LONGEST_ID", "from_openai_responses", "to_openai_responses"]

LONGEST_ID = 64
_DIGEST = 12
_TOOL_OTHERS = re.compile(r"[^a-zA-Z0-9_-]+")


def to_openai_responses(
    messages: Sequence[Message], *, hashes: Sequence[str] | None = None, stateless: bool = True
) -> Rendered[dict[str, Any]]:
    """Return *messages* as `{"instructions": ..., "input": [...]}`; `instructions` only when there is one.

    The first message becomes `instructions` if it is a system message of plain text; every other system or
    developer message stays at its place. An assistant message becomes several items: its reasoning, each of
    its texts and each of its calls, in their order.

    Beside those of `repair_exchanges` the repairs are `tool_name` and `tool_id` (what OpenAI refuses, or an
    id used twice), `item_id` (an item id used twice, or one whose reasoning is not sent) and
    `empty_message` (nothing to send). Losses are `name`, `reasoning` (another provider's, without
    `encrypted_content`, or with nothing after it in its turn), `image`, `file`, `block` (parts this place cannot
    hold), `is_error` and `extra`.

    Args:
        messages: In order.
        hashes: Commit hash of each message; ids that cannot be sent as they are are derived from it.
        stateless: The provider keeps nothing (`store=False`), so reasoning needs its `encrypted_content`.
    """
    repaired = repair_exchanges(messages, hashes=hashes)
    writer = _Writer(hashes, Notes(repairs=list(repaired.repairs)), is_stateless=stateless)
    for message, source in zip(repaired.messages, repaired.sources, strict=True):
        writer.add(message, source)
    return writer.finish()


@dataclass(slots=True)
class _Writer:
    """The request being written, item by item; `origins` is parallel to `items`.

    `kinds` says for each call id as it was given what it is sent as, and whether the tool is a custom one.
    """

    hashes: Sequence[str] | None
    notes: Notes
    is_stateless: bool
    instructions: str | None = None
    items: list[dict[str, Any]] = field(default_factory=list)
    origins: list[int | None] = field(default_factory=list)
    used_ids: set[str] = field(default_factory=set)
    item_ids: set[str] = field(default_factory=set)
    calls: dict[str, tuple[str, bool]] = field(default_factory=dict)
    has_message: bool = False

    def add(self, message: Message, source: int | None) -> None:
        if message.extra:
            self.notes.lose_foreign(message.extra, PROVIDER, source)
        if message.name is not None and message.role != "tool":
            self.notes.lose("name", source, "Responses items have no speaker's name")
        if message.role == "assistant":
            self._say(message, source)
        elif message.role == "tool":
            self._answer(message, source)
        elif not self._instruct(message, source):
            self._tell(message, source)
        self.has_message = True

    def finish(self) -> Rendered[dict[str, Any]]:
        value: dict[str, Any] = {} if self.instructions is None else {"instructions": self.instructions}
        value["input"] = self.items
        sources = [() if origin is None else (origin,) for origin in self.origins]
        return Rendered(value, tuple(self.notes.losses), tuple(self.notes.repairs), sources)

    def _append(self, item: dict[str, Any], source: int | None) -> None:
        item_id = item.get("id")
        if isinstance(item_id, str) and item.get("type") != "item_reference":
            if item_id in self.item_ids:
                del item["id"]
                self.notes.repair("item_id", source, "an earlier item has this id")
            self.item_ids.add(item_id)
        self.items.append(item)
        self.origins.append(source)

    # --- instructions, what the user said, what tools answered

    def _instruct(self, message: Message, source: int | None) -> bool:
        """Take the first message as `instructions` if that holds all of it."""
        if self.has_message or message.role != "system" or message.extra.get(PROVIDER):
            return False
        if len(message.parts) != 1 or not isinstance(message.parts[0], TextPart):
            return False
        part = message.parts[0]
        if part.extra.get(PROVIDER):
            return False
        if part.extra:
            self.notes.lose_foreign(part.extra, PROVIDER, source)
        self.instructions = part.text
        return True

    def _tell(self, message: Message, source: int | None) -> None:
        fields = known_to(PROVIDER, message.extra)
        mark = take_marks(fields)
        parts = [part for part in message.parts if not self._is_item(part, source)]
        if len(parts) != len(message.parts) and not parts:
            return
        content = self._content(parts, source, as_list="list" in mark, role=message.role)
        if content == []:
            self.notes.repair("empty_message", source, "nothing in it can be sent")
            return
        kind = {} if "untyped" in mark else {"type": "message"}
        self._append({**fields, **kind, "role": message.role, "content": content}, source)

    def _is_item(self, part: AnyPart, source: int | None) -> bool:
        """Write *part* if it is a whole item of a kind this file does not know."""
        item = known_to(PROVIDER, part.extra).get("item")
        if not isinstance(item, dict):
            return False
        self.notes.lose_foreign(part.extra, PROVIDER, source)
        self._append(item, source)
        return True

    def _answer(self, message: Message, source: int | None) -> None:
        fields = known_to(PROVIDER, message.extra)
        mark = take_marks(fields)
        call_id, is_custom = self.calls[message.call_id or ""]
        if message.is_error and source is not None:
            self.notes.lose("is_error", source, "a tool's output cannot say that the tool failed")
        output = self._content(message.parts, source, as_list="list" in mark, role="tool")
        kind = "custom_tool_call_output" if is_custom else "function_call_output"
        self._append({**fields, "type": kind, "call_id": call_id, "output": output}, source)

    def _content(self, parts: Sequence[AnyPart], source: int | None, *, as_list: bool, role: str) -> Any:
        """Return what user, system, developer or tool says: text, or a list of input parts."""
        written = []
        for part in parts:
            self._lose_foreign(part, source)
            block = self._input_part(part, source, role)
            if block is not None:
                written.append(block)
        if not parts:
            return ""
        plain = len(written) == 1 and written[0].keys() == {"type", "text"} and written[0]["type"] == "input_text"
        if role == "tool" and not written:
            return ""
        return written[0]["text"] if plain and not as_list else written

    def _lose_foreign(self, part: AnyPart, source: int | None) -> None:
        if not part.extra:
            return
        extra = part.extra
        if isinstance(part, ToolCall) and _is_custom(part):
            # Chat Completions' word for a custom tool is said here by the type of the item.
            shared = {name: value for name, value in extra["openai"].items() if name != "type"}
            extra = {**extra, "openai": shared}
        self.notes.lose_foreign(extra, PROVIDER, source)

    def _input_part(self, part: AnyPart, source: int | None, role: str) -> dict[str, Any] | None:
        fields = known_to(PROVIDER, part.extra)
        mark = take_marks(fields)
        fields.pop("message", None)
        whole = self._whole(fields, role, source)
        if whole is not None:
            return whole
        if isinstance(part, TextPart):
            is_said = part.text or not part.extra or PROVIDER in part.extra
            return {**fields, "type": "input_text", "text": part.text} if is_said else None
        if isinstance(part, ImagePart):
            written = _image(part, fields, bare="bare" in mark)
        elif isinstance(part, FilePart):
            written = _file(part, fields)
        else:
            self.notes.lose(part.type, source, f"a {role} message cannot hold it")
            return None
        if written is None:
            self.notes.lose(part.type, source, "its data is not at hand in a form OpenAI takes")
        return written

    def _whole(self, fields: dict[str, Any], role: str, source: int | None) -> dict[str, Any] | None:
        """Return the content part kept whole in *fields*, if it is one that *role* can say."""
        whole: Any = fields.pop("part", None)
        if not isinstance(whole, dict):
            return None
        is_output = str(whole.get("type")) in OUTPUT_PARTS
        is_input = str(whole.get("type")).startswith("input_")
        if not (is_input if role == "assistant" else is_output):
            return whole
        self.notes.lose("block", source, f"a {role} message cannot hold `{whole.get('type')}`")
        return None

    # --- what the assistant said

    def _say(self, message: Message, source: int | None) -> None:
        start = len(self.items)
        is_bare = False
        for part in message.parts:
            if self._is_item(part, source):
                continue
            self._lose_foreign(part, source)
            if isinstance(part, Reasoning):
                is_bare = not self._think(part, source) or is_bare
            elif isinstance(part, ToolCall):
                self._call(part, source, is_bare=is_bare)
            elif isinstance(part, TextPart):
                self._text(part, source, start, is_bare=is_bare)
            else:
                self.notes.lose(part.type, source, "an assistant message cannot hold it")
        while len(self.items) > start and self.items[-1].get("type") == "reasoning":
            self.items.pop()
            self.notes.lose("reasoning", self.origins.pop(), "nothing follows it in its turn")
        if len(self.items) == start:
            self.notes.repair("empty_message", source, "nothing in it can be sent")

    def _think(self, part: Reasoning, source: int | None) -> bool:
        """Write reasoning if OpenAI can read it, and say whether what follows may refer to it."""
        if part.provider != REASONING_PROVIDER or part.raw.get("type") != "reasoning":
            self.notes.lose("reasoning", source, f"{part.provider} reasoning")
            return part.provider != REASONING_PROVIDER
        if self.is_stateless and not part.raw.get("encrypted_content"):
            self.notes.lose("reasoning", source, "without `encrypted_content` only a stored response knows it")
            return False
        if part.raw.get("id") in self.item_ids:
            self.notes.lose("reasoning", source, "an earlier item has its id")
            return False
        self._append(copied(part.raw), source)
        return True

    def _text(self, part: TextPart, source: int | None, start: int, *, is_bare: bool) -> None:
        fields = known_to(PROVIDER, part.extra)
        mark = take_marks(fields)
        shell = fields.pop("message", {})
        whole = self._whole(fields, "assistant", source)
        if whole is None and not part.text and part.extra and PROVIDER not in part.extra:
            return  # what only another provider knows, which was noted
        block = {**fields, "type": "output_text", "text": part.text} if whole is None else whole
        before = self.items[-1] if len(self.items) > start else {}
        if "continued" in mark and before.get("role") == "assistant" and isinstance(before["content"], list):
            before["content"].append(block)
            return
        as_text = "list" not in mark and block.keys() == {"type", "text"} and block["type"] == "output_text"
        item: dict[str, Any] = dict(shell)
        self._drop_id(item, source, is_bare=is_bare)
        if "untyped" not in mark:
            item["type"] = "message"
        self._append({**item, "role": "assistant", "content": block["text"] if as_text else [block]}, source)

    def _drop_id(self, item: dict[str, Any], source: int | None, *, is_bare: bool) -> None:
        # The provider knows by this id that reasoning came before, and refuses the one without the other.
        if is_bare and item.pop("id", None) is not None:
            self.notes.repair("item_id", source, "its reasoning is not sent")

    def _call(self, part: ToolCall, source: int | None, *, is_bare: bool) -> None:
        fields = known_to(PROVIDER, part.extra)
        self._drop_id(fields, source, is_bare=is_bare)
        name = _TOOL_OTHERS.sub("_", part.name) or "_"
        if name != part.name:
            self.notes.repair("tool_name", source, name)
        is_custom = _is_custom(part)
        kind, said = ("custom_tool_call", "input") if is_custom else ("function_call", "arguments")
        call_id = self._id(part.id, source, is_custom=is_custom)
        self._append({**fields, "type": kind, "call_id": call_id, "name": name, said: part.arguments}, source)

    def _id(self, call_id: str, source: int | None, *, is_custom: bool) -> str:
        """Return an id OpenAI accepts and has not seen in this request, the same one every time."""
        wanted = call_id if len(call_id) <= LONGEST_ID else _shortened(call_id, call_id)
        # The place is the number of calls before this one, so an id never depends on what comes later.
        place = len(self.used_ids)
        seed = self.hashes[source] if self.hashes is not None and source is not None else str(place)
        while wanted in self.used_ids:
            wanted = _shortened(call_id, seed + wanted)
        if wanted != call_id:
            self.notes.repair("tool_id", source, wanted)
        self.used_ids.add(wanted)
        self.calls[call_id] = wanted, is_custom
        return wanted


def _is_custom(part: ToolCall) -> bool:
    own = part.extra.get("openai")
    return own is not None and own.get("type") == "custom"


def _shortened(call_id: str, seed: str) -> str:
    digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{call_id[: LONGEST_ID - _DIGEST - 1]}_{digest}"


def _image(part: ImagePart, fields: dict[str, Any], *, bare: bool) -> dict[str, Any] | None:
    detail = {} if bare else {"detail": "auto"}
    block = {**detail, **fields, "type": "input_image"}
    if part.data is not None:
        media_type = part.media_type or "image/png"
        return {**block, "image_url": media.data_url(media_type, part.data)} if media_type in IMAGES else None
    if part.url is not None:
        return {**block, "image_url": part.url}
    return block if fields.get("file_id") or fields.get("image_url") else None


def _file(part: FilePart, fields: dict[str, Any]) -> dict[str, Any] | None:
    block = {**fields, "type": "input_file"}
    if part.name is not None:
        block["filename"] = part.name
    if part.data is not None:
        media_type = part.media_type or "application/octet-stream"
        if media_type.startswith(("audio/", "video/")):
            return None
        return {**block, "file_data": media.data_url(media_type, part.data)}
    if part.url is not None:
        return {**block, "file_url": part.url}
    return block if any(fields.get(name) for name in ("file_id", "file_data", "file_url")) else None
