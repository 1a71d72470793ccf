"""Turns messages into OpenAI Chat Completions `messages` and back, exactly.

`to_openai` of what `from_openai` read gives valid input back as it was. What only OpenAI knows is
kept in `extra["openai"]` of the message or part. There the word under `content` is this file's own
mark of how the content was written where that cannot be seen from the parts: `list`, `null` or `missing`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tract.errors import FormatError
from tract.formats import media
from tract.formats.repair import repair_exchanges
from tract.formats.report import Notes, Rendered
from tract.objects.content import Content, DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import AnyPart, FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall, known_to

PROVIDER = "openai"

_SPEAKER = re.compile(r"[^\s<|\\/>]+")
_SPEAKER_OTHERS = re.compile(r"[\s<|\\/>]+")
_TOOL = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_OTHERS = re.compile(r"[^a-zA-Z0-9_-]+")

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})

LONGEST_ID = 40
_DIGEST = 12

# Any of these lets an assistant message go without content.
_INSTEAD_OF_CONTENT = ("refusal", "audio", "function_call")


# --- to OpenAI -----------------------------------------------------------------------------------


def to_openai(messages: Sequence[Message], *, hashes: Sequence[str] | None = None) -> Rendered[list[dict[str, Any]]]:
    """Return *messages* as Chat Completions messages, ready to send.

    Beside those of `repair_exchanges` the repairs are `name` and `tool_name` (characters OpenAI refuses
    become `_`), `tool_id` (more than 40 characters), `empty_tool_calls` (left out) and `null_content` (sent
    as empty text). Losses are `reasoning`, `image`, `file`, `block` (parts this place cannot hold), `order`
    (text after a tool call is sent before it), `is_error` and `extra` (fields only another provider knows).

    Args:
        messages: In order.
        hashes: Commit hash of each message; ids that are missing are derived from it.
    """
    repaired = repair_exchanges(messages, hashes=hashes)
    notes = Notes(repairs=list(repaired.repairs))
    out: list[dict[str, Any]] = []
    for message, source in zip(repaired.messages, repaired.sources, strict=True):
        parts = message.parts
        if len(parts) == 1 and not message.extra and message.name is None and not message.is_error:
            part = parts[0]
            # The common message, written without the passes below.
            if part.__class__ is TextPart and not part.extra:
                if message.role == "tool":
                    out.append({"role": "tool", "tool_call_id": _id(message, source, notes), "content": part.text})
                else:
                    out.append({"role": message.role, "content": part.text})
                continue
        out.append(_message(message, source, notes))
    return Rendered(
        out,
        tuple(notes.losses),
        tuple(notes.repairs),
        [() if source is None else (source,) for source in repaired.sources],
    )


def _message(message: Message, source: int | None, notes: Notes) -> dict[str, Any]:
    fields = known_to(PROVIDER, message.extra)
    mark = fields.pop("content", None)
    if message.extra:
        notes.lose_foreign(message.extra, PROVIDER, source)
    spoken, calls = _blocks(message, source, notes)
    out: dict[str, Any] = {"role": message.role}
    if message.role == "tool":
        out["tool_call_id"] = _id(message, source, notes)
        if message.is_error and source is not None:
            notes.lose("is_error", source, "a tool message cannot say that the tool failed")
    if message.name is not None:
        out["name"] = _name(message, source, notes)
    if calls:
        out["tool_calls"] = calls
    elif fields.get("tool_calls", ()) is None or fields.get("tool_calls") == []:
        del fields["tool_calls"]
        notes.repair("empty_tool_calls", source, "OpenAI refuses an empty or null list")
    mark = _honest(mark, message.role, spoken, fields)
    if mark in {"null", "missing"} and not (calls or any(fields.get(name) for name in _INSTEAD_OF_CONTENT)):
        notes.repair("null_content", source, "sent as empty text")
        mark = None
    if mark != "missing":
        out["content"] = None if mark == "null" else _content(spoken, mark, bare=bool(calls))
    if fields.get("name", "") is None:
        del fields["name"]
        notes.repair("name", source, "OpenAI refuses null")
    # What the message itself says goes before what its extra fields say.
    return {**fields, **out}


def _honest(mark: str | None, role: str, spoken: list[dict[str, Any]], fields: Mapping[str, Any]) -> str | None:
    """Return *mark*, but not one that leaves out content when more is said than a refusal with its own field."""
    if mark not in {"null", "missing"}:
        return mark
    silent = all(block.get("text", block) in ("", fields.get("refusal")) for block in spoken)
    return mark if silent and role in {"assistant", "tool"} else None


def _content(spoken: list[dict[str, Any]], mark: str | None, *, bare: bool) -> Any:
    if not spoken:
        return None if bare else ""
    if mark != "list" and len(spoken) == 1 and spoken[0].keys() == {"type", "text"}:
        return spoken[0]["text"]
    return spoken


def _name(message: Message, source: int | None, notes: Notes) -> str:
    name = message.name or ""
    if _SPEAKER.fullmatch(name):
        return name
    mended = _SPEAKER_OTHERS.sub("_", name) or "_"
    notes.repair("name", source, mended)
    return mended


def _blocks(message: Message, source: int | None, notes: Notes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    spoken: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    disordered = False
    for part in message.parts:
        if part.extra:
            notes.lose_foreign(part.extra, PROVIDER, source)
        if isinstance(part, ToolCall):
            calls.append(_call(part, source, notes))
            continue
        block = _block(part, message.role, source, notes)
        if block is not None:
            disordered = disordered or bool(calls)
            spoken.append(block)
    if disordered:
        notes.lose("order", source, "what was said after a tool call is sent before it")
    return spoken, calls


def _call(part: ToolCall, source: int | None, notes: Notes) -> dict[str, Any]:
    fields = known_to(PROVIDER, part.extra)
    kind = fields.pop("type", "function")
    name = part.name
    if not _TOOL.fullmatch(name):
        name = _TOOL_OTHERS.sub("_", name) or "_"
        notes.repair("tool_name", source, name)
    said = "input" if kind == "custom" else "arguments"
    body = {**fields.pop(kind, {}), "name": name, said: part.arguments}
    return {**fields, "id": _short_id(part.id, source, notes), "type": kind, kind: body}


def _id(message: Message, source: int | None, notes: Notes) -> str:
    return _short_id(message.call_id or "", source, notes)


def _short_id(call_id: str, source: int | None, notes: Notes) -> str:
    """Return an id OpenAI accepts: the same one for a call and its result, however long theirs is."""
    if len(call_id) <= LONGEST_ID:
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    short = f"{call_id[: LONGEST_ID - _DIGEST - 1]}_{digest}"
    notes.repair("tool_id", source, short)
    return short


def _block(part: AnyPart, role: str, source: int | None, notes: Notes) -> dict[str, Any] | None:
    """Return the content part for *part*, or `None` when this place cannot hold it, which is noted."""
    if isinstance(part, Reasoning):
        notes.lose("reasoning", source, f"{part.provider} reasoning")
        return None
    fields = known_to(PROVIDER, part.extra)
    if isinstance(part, TextPart):
        block = fields if "type" in fields else {**fields, "type": "text", "text": part.text}
        if _fits(block["type"], role):
            # A block of another provider that has no text here would be an empty text, which says nothing.
            return None if not part.text and _is_foreign(part) else block
        notes.lose("block", source, f"a {role} message cannot hold `{block['type']}`")
        return {"type": "text", "text": part.text} if part.text else None
    if role != "user":
        notes.lose(part.type, source, f"a {role} message cannot hold it")
        return None
    written = _image(part, fields) if isinstance(part, ImagePart) else _file(part, fields)
    if written is None:
        notes.lose(part.type, source, "its data is not at hand in a form OpenAI takes")
    return written


def _fits(kind: str, role: str) -> bool:
    return kind == "text" or role == "user" or (kind == "refusal" and role == "assistant")


def _is_foreign(part: TextPart) -> bool:
    return any("type" in fields for owner, fields in part.extra.items() if owner != PROVIDER)


def _image(part: ImagePart, fields: dict[str, Any]) -> dict[str, Any] | None:
    url = part.url
    if part.data is not None:
        kind = part.media_type or "image/png"
        url = media.data_url(kind, part.data) if kind in _IMAGES else None
    if url is None:
        return None
    return {**fields, "type": "image_url", "image_url": {**fields.get("image_url", {}), "url": url}}


def _file(part: AnyPart, fields: dict[str, Any]) -> dict[str, Any] | None:
    assert isinstance(part, FilePart)
    kind = fields.pop("type", "file")
    body = dict(fields.pop(kind, ()))
    if kind == "input_audio":
        if part.data is None:
            return None
        return {**fields, "type": kind, kind: {**body, "data": media.encode(part.data)}}
    if part.name is not None:
        body["filename"] = part.name
    if part.data is not None:
        body["file_data"] = media.data_url(part.media_type or "application/octet-stream", part.data)
    if "file_data" not in body and "file_id" not in body:
        return None
    return {**fields, "type": "file", "file": body}


# --- from OpenAI ---------------------------------------------------------------------------------


def from_openai(messages: Sequence[Mapping[str, Any]]) -> list[Content]:
    """Return one content per Chat Completions message.

    Raises:
        FormatError: A message is not in this format, or uses the deprecated `function` role.
    """
    return [_read(message, f"messages[{index}]") for index, message in enumerate(messages)]


def _read(message: Mapping[str, Any], path: str) -> Content:
    if not isinstance(message, Mapping) or not all(isinstance(name, str) for name in message):
        raise FormatError("A message is an object with text keys.", path=path)
    fields = dict(message)
    role = fields.pop("role", None)
    if role == "assistant":
        return _read_assistant(fields, path)
    if fields.get("tool_calls"):
        raise FormatError("Only an assistant message holds tool calls.", path=f"{path}.tool_calls")
    if role == "tool":
        return _read_tool(fields, path)
    if role == "function":
        raise FormatError(
            "The deprecated role `function` has no call id.",
            path=f"{path}.role",
            hint="Give the call an id: use `tool_calls` in the assistant message and the role `tool` here.",
        )
    if not isinstance(role, str) or role not in {"system", "developer", "user"}:
        raise FormatError(f"Unknown role {role!r}.", path=f"{path}.role")
    spoken = _read_content(fields, path)
    if spoken is None:
        raise FormatError("The content is missing.", path=f"{path}.content")
    name = _read_name(fields)
    if role == "user":
        return DialogueContent(role=role, name=name, extra=_extra(fields), **spoken)
    return InstructionContent(role=role, name=name, extra=_extra(fields), **spoken)


def _read_assistant(fields: dict[str, Any], path: str) -> Content:
    calls = _read_calls(fields, path)
    mark = "missing" if "content" not in fields else "null"
    spoken = _read_content(fields, path)
    if spoken is None:
        # Null is how content is written beside tool calls, so only the other ways need a mark.
        if mark == "missing" or not calls:
            fields["content"] = mark
        refusal = fields.get("refusal")
        spoken = {} if calls else {"text": refusal if isinstance(refusal, str) else ""}
    name = _read_name(fields)
    return DialogueContent(role="assistant", tool_calls=calls, name=name, extra=_extra(fields), **spoken)


def _read_tool(fields: dict[str, Any], path: str) -> Content:
    call_id = fields.pop("tool_call_id", None)
    if not isinstance(call_id, str) or not call_id:
        raise FormatError("A tool message names the call it answers.", path=f"{path}.tool_call_id")
    spoken = _read_content(fields, path)
    if spoken is None:
        spoken = {"text": ""}
        fields["content"] = "null"
    name = _read_name(fields)
    return ToolResultContent(call_id=call_id, name=name, extra=_extra(fields), **spoken)


def _read_name(fields: dict[str, Any]) -> str | None:
    # A null or otherwise odd name stays among the extra fields, so that it is written back as it was.
    return fields.pop("name") if isinstance(fields.get("name"), str) else None


def _extra(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {PROVIDER: dict(fields)} if fields else {}


def _read_content(fields: dict[str, Any], path: str) -> dict[str, Any] | None:
    """Take the content out of *fields*: `text` or `parts`, or `None` when there is none."""
    content = fields.pop("content", None)
    if content is None:
        return None
    if isinstance(content, str):
        return {"text": content}
    if not isinstance(content, Sequence):
        raise FormatError("Content is text or a list of parts.", path=f"{path}.content")
    parts = tuple(_read_part(part, f"{path}.content[{index}]") for index, part in enumerate(content))
    if not parts:
        return {"text": ""}
    # One plain text part would be written as text, so its list needs a mark.
    if len(parts) == 1 and isinstance(parts[0], TextPart) and not parts[0].extra:
        fields["content"] = "list"
    return {"parts": parts}


def _read_part(part: Any, path: str) -> TextPart | ImagePart | FilePart:
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        raise FormatError("A content part is an object with a `type`.", path=path)
    fields = dict(part)
    kind = fields["type"]
    reader = _PART_READERS.get(kind)
    if reader is not None:
        return reader(fields, path)
    refusal = fields.get("refusal")
    # A part of a kind this file does not know is kept whole and written back as it was.
    return TextPart(refusal if isinstance(refusal, str) else "", extra={PROVIDER: fields})


def _read_text(fields: dict[str, Any], path: str) -> TextPart:
    del fields["type"]
    text = fields.pop("text", None)
    if not isinstance(text, str):
        raise FormatError("A text part holds text.", path=f"{path}.text")
    return TextPart(text, extra=_extra(fields))


def _read_image(fields: dict[str, Any], path: str) -> ImagePart:
    del fields["type"]
    image = fields.pop("image_url", None)
    if not isinstance(image, Mapping) or not isinstance(image.get("url"), str):
        raise FormatError("An image part holds `image_url.url`.", path=f"{path}.image_url")
    rest = {name: value for name, value in image.items() if name != "url"}
    if rest:
        fields["image_url"] = rest
    found = media.split_data_url(image["url"])
    if found is None:
        return ImagePart(url=image["url"], extra=_extra(fields))
    return ImagePart(found[0], found[1], extra=_extra(fields))


def _read_audio(fields: dict[str, Any], path: str) -> FilePart:
    audio = fields.get("input_audio")
    text = audio.get("data") if isinstance(audio, Mapping) else None
    data = media.decode_exact(text) if isinstance(text, str) else None
    if data is None or not isinstance(audio, Mapping):
        raise FormatError("An audio part holds base64 `input_audio.data`.", path=f"{path}.input_audio")
    fields["input_audio"] = {name: value for name, value in audio.items() if name != "data"}
    return FilePart(f"audio/{audio.get('format', 'wav')}", data, extra={PROVIDER: fields})


def _read_file(fields: dict[str, Any], path: str) -> FilePart:
    del fields["type"]
    if not isinstance(fields.get("file"), Mapping):
        raise FormatError("A file part holds a `file` object.", path=f"{path}.file")
    body = dict(fields.pop("file"))
    name = body.pop("filename") if isinstance(body.get("filename"), str) else None
    found = media.split_data_url(body["file_data"]) if isinstance(body.get("file_data"), str) else None
    if found is not None:
        del body["file_data"]
    if body:
        fields["file"] = body
    media_type, data = found or (None, None)
    return FilePart(media_type, data, name=name, extra=_extra(fields))


_PartReader: TypeAlias = Callable[[dict[str, Any], str], TextPart | ImagePart | FilePart]

_PART_READERS: Mapping[str, _PartReader] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
}


def _read_calls(fields: dict[str, Any], path: str) -> tuple[ToolCall, ...]:
    calls = fields.get("tool_calls")
    if not calls:
        return ()
    if isinstance(calls, str) or not isinstance(calls, Sequence):
        raise FormatError("Tool calls are a list.", path=f"{path}.tool_calls")
    del fields["tool_calls"]
    return tuple(read_call(call, f"{path}.tool_calls[{index}]") for index, call in enumerate(calls))


def read_call(call: Any, path: str) -> ToolCall:
    """Return the tool call in OpenAI's shape found at *path*.

    Raises:
        FormatError: It lacks an id, a name or argument text.
    """
    if not isinstance(call, Mapping):
        raise FormatError("A tool call is an object.", path=path)
    fields = dict(call)
    call_id = fields.pop("id", None)
    kind = fields.pop("type", "function")
    body = fields.pop(kind, None) if isinstance(kind, str) else None
    if not isinstance(call_id, str) or not isinstance(body, Mapping):
        raise FormatError("A tool call holds an `id` and a `function` (or `custom`) object.", path=path)
    written = "input" if kind == "custom" else "arguments"
    rest = dict(body)
    name, arguments = rest.pop("name", None), rest.pop(written, None)
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise FormatError(f"A tool call's `name` and `{written}` are text.", path=f"{path}.{kind}")
    if rest:
        fields[kind] = rest
    if kind != "function":
        fields["type"] = kind
    return ToolCall(call_id, name, arguments, extra=_extra(fields))
