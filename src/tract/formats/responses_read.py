"""Turns OpenAI Responses `instructions` and `input` items into contents: one per message, turn or tool output.

Everything the model says until someone else speaks is one content, so that its reasoning, texts and calls
stay together. What only Responses knows is kept in `extra["openai_responses"]`: of a message, the other
fields of its item; of a part, the other fields of its content part or item, and

    message: the fields of the message item the text stands in, where the assistant said it;
    item: a whole item of a kind this file does not know, such as a search call or a compaction;
    part: a whole content part of such a kind, such as a refusal;
    content: words that say how it was written: `list` (one text in a list), `untyped` (no `type`), `bare`
        (an image without `detail`), `continued` (a further part of the message before), `inline` (system text
        that stood among the items).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tract.errors import FormatError
from tract.formats import media
from tract.formats.marks import marked
from tract.objects.content import Content, DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import AnyPart, FilePart, ImagePart, Reasoning, TextPart, ToolCall

PROVIDER: Final = "openai_responses"
REASONING_PROVIDER: Final = "openai"
IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
OUTPUT_PARTS: Final = frozenset({"output_text", "refusal"})

# Items of other kinds come from the model, but for these and those that say so by the end of their name.
_FROM_CALLER: Final = frozenset(
    {"item_reference", "additional_tools", "compaction_trigger", "configuration_update", "mcp_approval_response"}
)


def from_openai_responses(
    items: str | Sequence[Mapping[str, Any]], *, instructions: str | None = None
) -> list[Content]:
    """Return contents: the instructions first, then one per message, assistant's turn or tool output.

    Args:
        items: The request's `input`.
        instructions: The request's `instructions`.

    Raises:
        FormatError: Something is not in this format.
    """
    contents: list[Content] = [] if instructions is None else [InstructionContent(text=_text(instructions))]
    if isinstance(items, str):
        return [*contents, DialogueContent(role="user", text=items)]
    if isinstance(items, (bytes, Mapping)) or not isinstance(items, Sequence):
        raise FormatError("The input is text or a list of items.", path="input")
    turn: list[AnyPart] = []
    for index, item in enumerate(items):
        path = f"input[{index}]"
        fields = _item(item, path)
        said = _said(fields, path)
        if said is not None:
            turn.extend(said)
            continue
        contents.extend(_turn(turn))
        turn = []
        contents.append(_told(fields, path))
    return [*contents, *_turn(turn)]


def _text(instructions: Any) -> str:
    if not isinstance(instructions, str):
        raise FormatError("The instructions are text.", path="instructions")
    return instructions


def _item(item: Any, path: str) -> dict[str, Any]:
    if not isinstance(item, Mapping) or not all(isinstance(name, str) for name in item):
        raise FormatError("An item is an object with text keys.", path=path)
    fields = dict(item)
    kind = fields.setdefault("type", "message" if "role" in fields else None)
    if not isinstance(kind, str):
        raise FormatError("An item has a `type` or a `role`.", path=f"{path}.type")
    if kind == "message" and "type" not in item:
        fields["type"] = "untyped"
    return fields


def _turn(parts: Sequence[AnyPart]) -> list[Content]:
    """Return the assistant's turn of *parts*, if there is one."""
    if not parts:
        return []
    reasoning = tuple(part for part in parts if isinstance(part, Reasoning))
    calls = tuple(part for part in parts if isinstance(part, ToolCall))
    said = tuple(part for part in parts if not isinstance(part, (Reasoning, ToolCall)))
    if tuple(parts) != (*reasoning, *said, *calls):
        return [DialogueContent(role="assistant", parts=tuple(parts))]
    # The usual order: the fields say what is what. Any other order needs `parts` to keep it.
    if len(said) == 1 and isinstance(said[0], TextPart) and not said[0].extra:
        return [DialogueContent(role="assistant", text=said[0].text, reasoning=reasoning, tool_calls=calls)]
    return [DialogueContent(role="assistant", parts=said, reasoning=reasoning, tool_calls=calls)]


def _said(fields: dict[str, Any], path: str) -> list[AnyPart] | None:
    """Return the parts of an item the model wrote, or `None` when someone else did."""
    kind = fields["type"]
    if kind in {"message", "untyped"}:
        return _assistant(fields, path) if fields.get("role") == "assistant" else None
    if kind == "reasoning":
        return [_reasoning(fields, path)]
    if kind in {"function_call", "custom_tool_call"}:
        return [read_function_call(fields, path)]
    if kind in _FROM_CALLER or kind.endswith("_output"):
        return None
    return [TextPart("", extra={PROVIDER: {"item": fields}})]


def _told(fields: dict[str, Any], path: str) -> Content:
    """Return the content of an item the model did not write."""
    kind = fields["type"]
    if kind in {"function_call_output", "custom_tool_call_output"}:
        return _output(fields, path)
    if kind not in {"message", "untyped"}:
        return DialogueContent(role="user", parts=(TextPart("", extra={PROVIDER: {"item": fields}}),))
    role = fields.pop("role", None)
    if not isinstance(role, str) or role not in {"system", "developer", "user"}:
        raise FormatError(f"Unknown role {role!r}.", path=f"{path}.role")
    mark = _take_type(fields)
    spoken = _spoken(fields, "content", path, mark)
    if role != "user" and not mark and not fields and "text" in spoken:
        # Without a mark the first system text would become `instructions`.
        mark = ["inline"] if role == "system" else []
    extra = marked(PROVIDER, fields, mark)
    if role == "user":
        return DialogueContent(role="user", extra=extra, **spoken)
    return InstructionContent(role=role, extra=extra, **spoken)


def _take_type(fields: dict[str, Any]) -> list[str]:
    return ["untyped"] if fields.pop("type") == "untyped" else []


def _spoken(fields: dict[str, Any], name: str, path: str, mark: list[str]) -> dict[str, Any]:
    """Take what is said out of *fields*: `text` or `parts`; a list of one plain text is added to *mark*."""
    content = fields.pop(name, None)
    if isinstance(content, str):
        return {"text": content}
    parts = tuple(_input_part(part, place) for part, place in _listed(content, f"{path}.{name}"))
    if not parts:
        return {"text": ""}
    if len(parts) == 1 and isinstance(parts[0], TextPart) and not parts[0].extra:
        mark.append("list")
    return {"parts": parts}


def _listed(content: Any, path: str) -> list[tuple[dict[str, Any], str]]:
    if isinstance(content, (bytes, Mapping)) or not isinstance(content, Sequence):
        raise FormatError("Content is text or a list of parts.", path=path)
    found = []
    for index, part in enumerate(content):
        place = f"{path}[{index}]"
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise FormatError("A content part is an object with a `type`.", path=place)
        found.append((dict(part), place))
    return found


# --- what the model wrote ------------------------------------------------------------------------


def _assistant(fields: dict[str, Any], path: str) -> list[AnyPart]:
    del fields["role"]
    mark = _take_type(fields)
    content = fields.pop("content", None)
    shell = {"message": fields} if fields else {}
    if isinstance(content, str):
        return [TextPart(content, extra=marked(PROVIDER, shell, mark))]
    parts: list[AnyPart] = []
    for part, place in _listed(content, f"{path}.content"):
        text, own = _output_part(part, place)
        words = ["continued"] if parts else [*mark, "list"]
        parts.append(TextPart(text, extra=marked(PROVIDER, {**own, **({} if parts else shell)}, words)))
    return parts or [TextPart("", extra=marked(PROVIDER, shell, mark))]


def _output_part(part: dict[str, Any], path: str) -> tuple[str, dict[str, Any]]:
    """Return the text of an assistant's content part and its other fields."""
    if part["type"] == "output_text":
        text = part.pop("text", None)
        if not isinstance(text, str):
            raise FormatError("A text part holds text.", path=f"{path}.text")
        del part["type"]
        return text, part
    # A refusal is the text of its message for everyone else; parts of unknown kinds are kept whole too.
    refusal = part.get("refusal")
    return refusal if isinstance(refusal, str) else "", {"part": part}


def _reasoning(fields: dict[str, Any], path: str) -> Reasoning:
    summary = fields.get("summary", ())
    if isinstance(summary, str) or not isinstance(summary, Sequence):
        raise FormatError("A reasoning item holds a list `summary`.", path=f"{path}.summary")
    texts = [part.get("text") for part in summary if isinstance(part, Mapping)]
    return Reasoning(REASONING_PROVIDER, fields, "\n".join(text for text in texts if isinstance(text, str)))


def read_function_call(item: Mapping[str, Any], path: str) -> ToolCall:
    """Return the tool call in a `function_call` or `custom_tool_call` item found at *path*.

    Raises:
        FormatError: It lacks a call id, a name or argument text.
    """
    fields = dict(item)
    is_custom = fields.pop("type", None) == "custom_tool_call"
    said = "input" if is_custom else "arguments"
    found = [fields.pop(name, None) for name in ("call_id", "name", said)]
    if not all(isinstance(value, str) for value in found) or not found[0]:
        raise FormatError(f"A tool call has `call_id`, `name` and `{said}`, all text.", path=path)
    # The word Chat Completions has for it, so that both formats know a custom tool.
    custom = {"openai": {"type": "custom"}} if is_custom else {}
    return ToolCall(found[0], found[1], found[2], extra={**custom, **marked(PROVIDER, fields)})


# --- what others wrote ---------------------------------------------------------------------------


def _output(fields: dict[str, Any], path: str) -> Content:
    del fields["type"]
    call_id = fields.pop("call_id", None)
    if not isinstance(call_id, str) or not call_id:
        raise FormatError("A tool's output names the call it answers.", path=f"{path}.call_id")
    mark: list[str] = []
    spoken = _spoken(fields, "output", path, mark)
    return ToolResultContent(call_id=call_id, extra=marked(PROVIDER, fields, mark), **spoken)


def _input_part(part: dict[str, Any], path: str) -> TextPart | ImagePart | FilePart:
    kind = part["type"]
    if kind == "input_text":
        text = part.pop("text", None)
        if not isinstance(text, str):
            raise FormatError("A text part holds text.", path=f"{path}.text")
        del part["type"]
        return TextPart(text, extra=marked(PROVIDER, part))
    if kind == "input_image":
        return _image(part)
    if kind == "input_file":
        return _file(part)
    return TextPart("", extra={PROVIDER: {"part": part}})


def _image(fields: dict[str, Any]) -> ImagePart:
    del fields["type"]
    mark = [] if "detail" in fields else ["bare"]
    if fields.get("detail") == "auto":
        del fields["detail"]
    url = fields.pop("image_url") if isinstance(fields.get("image_url"), str) else None
    found = None if url is None else media.split_data_url(url)
    if found is not None:
        return ImagePart(found[0], found[1], extra=marked(PROVIDER, fields, mark))
    return ImagePart(url=url, extra=marked(PROVIDER, fields, mark))


def _file(fields: dict[str, Any]) -> FilePart:
    del fields["type"]
    name = fields.pop("filename") if isinstance(fields.get("filename"), str) else None
    found = media.split_data_url(fields["file_data"]) if isinstance(fields.get("file_data"), str) else None
    if found is not None:
        del fields["file_data"]
        return FilePart(found[0], found[1], name=name, extra=marked(PROVIDER, fields))
    is_url = isinstance(fields.get("file_url"), str) and "file_data" not in fields
    return FilePart(url=fields.pop("file_url") if is_url else None, name=name, extra=marked(PROVIDER, fields))
