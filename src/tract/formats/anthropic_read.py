"""Turns the Anthropic Messages `system` and `messages` into contents, blocks kept byte for byte and in order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tract.errors import FormatError
from tract.formats import media
from tract.objects.content import Content, DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import AnyPart, FilePart, ImagePart, Reasoning, TextPart, ToolCall

PROVIDER = "anthropic"


def from_anthropic(
    messages: Sequence[Mapping[str, Any]], *, system: str | Sequence[Mapping[str, Any]] | None = None
) -> list[Content]:
    """Return contents: the system text first, then one per message, tool results one each.

    Args:
        messages: The request's `messages`.
        system: The request's `system`.

    Raises:
        FormatError: Something is not in this format.
    """
    contents: list[Content] = []
    if system:
        contents.append(_instruction(system, "system"))
    for index, message in enumerate(messages):
        contents.extend(_read(message, f"messages[{index}]"))
    return contents


def _instruction(system: Any, path: str) -> Content:
    if isinstance(system, str):
        return InstructionContent(text=system)
    parts = _parts(system, path)
    return InstructionContent(parts=parts, extra=_list_mark(parts))


def _read(message: Any, path: str) -> list[Content]:
    if not isinstance(message, Mapping):
        raise FormatError("A message is an object.", path=path)
    role, content = message.get("role"), message.get("content")
    unknown = sorted(str(name) for name in message.keys() - {"role", "content"})
    if unknown:
        raise FormatError(f"Unknown field `{unknown[0]}`.", path=path)
    if role == "system":
        return [_instruction(content, f"{path}.content")]
    if role == "user":
        return _read_user(content, f"{path}.content")
    if role == "assistant":
        return _read_assistant(content, f"{path}.content")
    raise FormatError(f"Unknown role {role!r}.", path=f"{path}.role")


def _read_user(content: Any, path: str) -> list[Content]:
    if isinstance(content, str):
        return [DialogueContent(role="user", text=content)]
    contents: list[Content] = []
    said: list[AnyPart] = []
    for index, block in enumerate(_listed(content, path)):
        if isinstance(block, Mapping) and block.get("type") == "tool_result":
            contents.append(_result(block, f"{path}[{index}]"))
        else:
            said.append(_part(block, f"{path}[{index}]"))
    if said:
        # Beside results a message is a list anyway, so only a message of its own needs the mark.
        extra = {} if contents else _list_mark(said)
        contents.append(DialogueContent(role="user", parts=tuple(said), extra=extra))
    return contents


def _read_assistant(content: Any, path: str) -> list[Content]:
    if isinstance(content, str):
        return [DialogueContent(role="assistant", text=content)]
    parts = _parts(content, path)
    reasoning = tuple(part for part in parts if isinstance(part, Reasoning))
    calls = tuple(part for part in parts if isinstance(part, ToolCall))
    said = tuple(part for part in parts if not isinstance(part, (Reasoning, ToolCall)))
    extra = _list_mark(parts)
    if parts == (*reasoning, *said, *calls):
        # The usual order: the fields say what is what. Any other order needs `parts` to keep it.
        return [DialogueContent(role="assistant", reasoning=reasoning, parts=said, tool_calls=calls, extra=extra)]
    return [DialogueContent(role="assistant", parts=parts, extra=extra)]


def _listed(content: Any, path: str) -> Sequence[Any]:
    if isinstance(content, (str, bytes)) or not isinstance(content, Sequence):
        raise FormatError("Content is text or a list of blocks.", path=path)
    if not content:
        raise FormatError("The content is empty.", path=path)
    return content


def _parts(content: Any, path: str) -> tuple[AnyPart, ...]:
    return tuple(_part(block, f"{path}[{index}]") for index, block in enumerate(_listed(content, path)))


def _list_mark(parts: Sequence[AnyPart]) -> dict[str, Any]:
    """Mark a list that the parts alone would not show: one plain text is otherwise written as text."""
    if len(parts) == 1 and isinstance(parts[0], TextPart) and not parts[0].extra:
        return {PROVIDER: {"content": "list"}}
    return {}


def _extra(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {PROVIDER: dict(fields)} if fields else {}


# --- blocks --------------------------------------------------------------------------------------


def _part(block: Any, path: str) -> AnyPart:
    if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
        raise FormatError("A block is an object with a `type`.", path=path)
    if block["type"] == "tool_result":
        raise FormatError("A tool result stands in a user message.", path=path)
    reader = _READERS.get(block["type"])
    if reader is not None:
        return reader(dict(block), path)
    # A block of a kind this file does not know (a server tool, a search result) is kept whole.
    return TextPart("", extra={PROVIDER: dict(block)})


def _text(fields: dict[str, Any], path: str) -> AnyPart:
    del fields["type"]
    return TextPart(_string(fields, "text", path), extra=_extra(fields))


def _thinking(fields: dict[str, Any], path: str) -> AnyPart:
    text = fields.get("thinking", "")
    if not isinstance(text, str):
        raise FormatError("A thinking block holds text.", path=f"{path}.thinking")
    return Reasoning(PROVIDER, fields, text)


def read_tool_use(block: Mapping[str, Any], path: str) -> ToolCall:
    """Return the tool call in a `tool_use` block found at *path*.

    Raises:
        FormatError: It lacks an id, a name or an input object.
    """
    fields = {key: value for key, value in block.items() if key != "type"}
    call_id, name = _string(fields, "id", path), _string(fields, "name", path)
    given = fields.pop("input", None)
    if not isinstance(given, Mapping):
        raise FormatError("A tool call's input is an object.", path=f"{path}.input")
    arguments = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    return ToolCall(call_id, name, arguments, extra=_extra(fields))


def _image(fields: dict[str, Any], path: str) -> AnyPart:
    del fields["type"]
    media_type, data, url = _take_source(fields, path)
    return ImagePart(media_type, data, url, extra=_extra(fields))


def _document(fields: dict[str, Any], path: str) -> AnyPart:
    del fields["type"]
    media_type, data, url = _take_source(fields, path)
    name = fields.pop("title") if isinstance(fields.get("title"), str) else None
    return FilePart(media_type, data, url, name=name, extra=_extra(fields))


def _take_source(fields: dict[str, Any], path: str) -> tuple[str | None, bytes | None, str | None]:
    """Take the source out of *fields* if its bytes or URL say all of it; else leave it there."""
    source = fields.get("source")
    if not isinstance(source, Mapping):
        raise FormatError("The block has no `source`.", path=f"{path}.source")
    kind, data = source.get("type"), source.get("data")
    found: bytes | None = None
    media_type, url = source.get("media_type"), source.get("url")
    if isinstance(data, str) and isinstance(media_type, str) and source.keys() == {"type", "media_type", "data"}:
        if kind == "base64":
            found = media.decode_exact(data)
        elif kind == "text":
            found = data.encode("utf-8", "surrogatepass")
    if found is not None:
        del fields["source"]
        return media_type, found, None
    if kind == "url" and isinstance(url, str) and source.keys() == {"type", "url"}:
        del fields["source"]
        return None, None, url
    return None, None, None


def _result(block: Mapping[str, Any], path: str) -> Content:
    fields = dict(block)
    if not all(isinstance(name, str) for name in fields):
        raise FormatError("A block is an object with text keys.", path=path)
    del fields["type"]
    call_id = _string(fields, "tool_use_id", path)
    if not call_id:
        raise FormatError("A tool result names the call it answers.", path=f"{path}.tool_use_id")
    is_error = fields.get("is_error") is True
    if is_error:
        del fields["is_error"]
    content = fields.pop("content", None)
    if content is None:
        return ToolResultContent(call_id=call_id, is_error=is_error, extra=_extra(fields))
    if isinstance(content, str):
        return ToolResultContent(call_id=call_id, text=content, is_error=is_error, extra=_extra(fields))
    parts = _parts(content, f"{path}.content") if content else ()
    fields.update(_list_mark(parts).get(PROVIDER, {} if parts else {"content": "list"}))
    return ToolResultContent(call_id=call_id, parts=parts, is_error=is_error, extra=_extra(fields))


def _string(fields: dict[str, Any], name: str, path: str) -> str:
    value = fields.pop(name, None)
    if not isinstance(value, str):
        raise FormatError(f"`{name}` is text.", path=f"{path}.{name}")
    return value


_READERS = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _thinking,
    "tool_use": read_tool_use,
    "image": _image,
    "document": _document,
}
