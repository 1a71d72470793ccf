"""Turns Gemini `system_instruction` and `contents` into contents, in the SDK's spelling or that of the REST API.

What only Gemini knows is kept in `extra["gemini"]`, in the SDK's spelling: of a part or tool result, the
other fields of its part, `thought_signature` as base64 text among them, and

    part: a whole part of a kind this file does not know, such as executed code;
    content: words that say how it was written: `text` (a system text that was no object, a result's text that
        looks like JSON), `list` (one text of a result in a list), `no_id`, `no_args`, `no_mime`, `urlsafe`, `unsigned`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tract.errors import FormatError
from tract.formats import media
from tract.formats.gemini_names import as_read
from tract.formats.marks import marked
from tract.formats.repair import derived_id
from tract.objects.content import Content, DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import AnyPart, FilePart, ImagePart, Reasoning, TextPart, ToolCall

PROVIDER: Final = "gemini"
UNSIGNED: Final = "unsigned"

NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""Stands where Gemini requires a signature and there is none that is still valid (its documentation names it)."""

# Any of these says what a part is; the others say something about it.
_DATA: Final = frozenset(
    {"text", "function_call", "function_response", "inline_data", "file_data", "executable_code"}
    | {"code_execution_result", "tool_call", "tool_response"}
)


def from_gemini(
    contents: Sequence[Mapping[str, Any]], *, system_instruction: str | Mapping[str, Any] | Sequence[Any] | None = None
) -> list[Content]:
    """Return contents: the system text first, then one per turn, tool results one each.

    A call without id gets one derived from its place, and so does the response that answers it.

    Args:
        contents: The request's `contents`, keys in `snake_case` or `camelCase`.
        system_instruction: The request's `system_instruction`: text, an object with `parts`, or a list of parts.

    Raises:
        FormatError: Something is not in this format.
    """
    if isinstance(contents, (str, bytes, Mapping)) or not isinstance(contents, Sequence):
        raise FormatError("The contents are a list.", path="contents")
    found: list[Content] = []
    if system_instruction is not None and system_instruction != "":
        found.append(_instruction(system_instruction))
    reader = _Reader()
    for index, content in enumerate(contents):
        found.extend(reader.read(content, f"contents[{index}]"))
    return found


def _instruction(given: Any) -> Content:
    if isinstance(given, str):
        return InstructionContent(text=given, extra={PROVIDER: {"content": "text"}})
    path = "system_instruction"
    parts = given.get("parts") if isinstance(given, Mapping) else given
    texts = []
    for index, part in enumerate(_listed(parts, f"{path}.parts")):
        fields = {"text": part} if isinstance(part, str) else _fields(part, f"{path}.parts[{index}]")
        texts.append(_part(fields, f"{path}.parts[{index}]"))
    if len(texts) == 1 and isinstance(texts[0], TextPart) and not texts[0].extra:
        return InstructionContent(text=texts[0].text)
    return InstructionContent(parts=tuple(texts))


def _listed(parts: Any, path: str) -> Sequence[Any]:
    if isinstance(parts, (str, bytes, Mapping)) or not isinstance(parts, Sequence) or not parts:
        raise FormatError("The parts are a list that is not empty.", path=path)
    return parts


def _fields(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise FormatError("A part is an object with text keys.", path=path)
    fields: dict[str, Any] = as_read(value)
    return fields


class _Reader:
    """Reads turns in order, and remembers the calls the next responses may answer."""

    def __init__(self) -> None:
        self.waiting: list[ToolCall] = []

    def read(self, content: Any, path: str) -> list[Content]:
        if not isinstance(content, Mapping):
            raise FormatError("A content is an object.", path=path)
        unknown = sorted(str(name) for name in content.keys() - {"role", "parts"})
        if unknown:
            raise FormatError(f"Unknown field `{unknown[0]}`.", path=path)
        role = content.get("role", "user")
        if role not in ("user", "model", "function"):
            raise FormatError(f"Unknown role {role!r}.", path=f"{path}.role")
        places = [f"{path}.parts[{index}]" for index in range(len(_listed(content.get("parts"), f"{path}.parts")))]
        parts = [_fields(part, place) for part, place in zip(content["parts"], places, strict=True)]
        if role == "model":
            return [self._model(parts, places)]
        return self._user(parts, places)

    def _model(self, parts: Sequence[dict[str, Any]], places: Sequence[str]) -> Content:
        self.waiting = []
        read: list[AnyPart] = []
        for fields, place in zip(parts, places, strict=True):
            if "function_call" in fields:
                call = read_function_call(fields, place, is_first=not self.waiting)
                self.waiting.append(call)
                read.append(call)
            elif "function_response" in fields:
                raise FormatError("A function response stands in a user turn.", path=place)
            else:
                read.append(_part(fields, place))
        return _turn(tuple(read))

    def _user(self, parts: Sequence[dict[str, Any]], places: Sequence[str]) -> list[Content]:
        found: list[Content] = []
        said: list[AnyPart] = []
        for fields, place in zip(parts, places, strict=True):
            if "function_response" in fields:
                found.append(self._result(fields, place))
            elif "function_call" in fields:
                raise FormatError("A function call stands in a model turn.", path=place)
            else:
                said.append(_part(fields, place))
        if said:
            found.append(_dialogue("user", said))
        return found

    def _result(self, fields: dict[str, Any], path: str) -> Content:
        body = fields.pop("function_response")
        if not isinstance(body, Mapping) or not isinstance(body.get("response"), Mapping):
            raise FormatError("A function response holds an object `response`.", path=f"{path}.function_response")
        body = dict(body)
        mark: list[str] = []
        call_id = self._answered(body, path)
        if body.get("id") == call_id:
            del body["id"]
        else:
            mark.append("no_id")
        name = body.pop("name") if isinstance(body.get("name"), str) else None
        spoken = _response(body.pop("response"), mark, f"{path}.function_response.response")
        _add_media(spoken, body, f"{path}.function_response.parts")
        if body:
            fields["function_response"] = body
        return ToolResultContent(call_id=call_id, name=name, extra=marked(PROVIDER, fields, mark), **spoken)

    def _answered(self, body: Mapping[str, Any], path: str) -> str:
        """Return the id of the call that is answered: the one of the id given, else the first of the name."""
        given = body.get("id")
        if not isinstance(given, (str, type(None))):
            raise FormatError("An id is text.", path=f"{path}.function_response.id")
        own = [call for call in self.waiting if given and call.id == given and not _is_derived(call)]
        # Clients often answer by name alone, whether or not the call has an id.
        named = [call for call in self.waiting if call.name == body.get("name") and (not given or _is_derived(call))]
        for call in own or named:
            self.waiting.remove(call)
            return call.id
        if given:
            return given
        raise FormatError("The response answers no call of its name.", path=f"{path}.function_response")


def _is_derived(part: ToolCall) -> bool:
    """Say whether the call came without an id."""
    return "no_id" in str(part.extra.get(PROVIDER, {}).get("content", "")).split()


def _turn(parts: tuple[AnyPart, ...]) -> Content:
    reasoning = tuple(part for part in parts if isinstance(part, Reasoning))
    calls = tuple(part for part in parts if isinstance(part, ToolCall))
    said = tuple(part for part in parts if not isinstance(part, (Reasoning, ToolCall)))
    if parts != (*reasoning, *said, *calls):
        # Only `parts` keeps an order that is not the usual one.
        return DialogueContent(role="assistant", parts=parts)
    return _dialogue("assistant", said, reasoning=reasoning, tool_calls=calls)


def _dialogue(role: Any, said: Sequence[AnyPart], **fields: Any) -> Content:
    if len(said) == 1 and isinstance(said[0], TextPart) and not said[0].extra:
        return DialogueContent(role=role, text=said[0].text, **fields)
    return DialogueContent(role=role, parts=tuple(said), **fields)


# --- parts ---------------------------------------------------------------------------------------


def _part(fields: dict[str, Any], path: str) -> AnyPart:
    data = fields.keys() & _DATA
    if data == {"text"}:
        if not isinstance(fields["text"], str):
            raise FormatError("A text part holds text.", path=f"{path}.text")
        if fields.get("thought") is True:
            return Reasoning(PROVIDER, fields, fields["text"])
        return TextPart(fields.pop("text"), extra=marked(PROVIDER, fields))
    if fields.get("thought") is True:
        return Reasoning(PROVIDER, fields)
    if data == {"inline_data"}:
        return _inline(fields, path)
    if data == {"file_data"}:
        return _file(fields, path)
    return TextPart("", extra={PROVIDER: {"part": fields}})


def _inline(fields: dict[str, Any], path: str) -> ImagePart | FilePart:
    blob = fields.pop("inline_data")
    if not isinstance(blob, Mapping) or not isinstance(blob.get("mime_type"), str):
        raise FormatError("Inline data has a `mime_type`.", path=f"{path}.inline_data")
    rest = {name: value for name, value in blob.items() if name != "mime_type"}
    data, mark = _decoded(rest.get("data"))
    if data is not None:
        del rest["data"]
    if rest:
        fields["inline_data"] = rest
    kind = ImagePart if blob["mime_type"].startswith("image/") else FilePart
    return kind(blob["mime_type"], data, extra=marked(PROVIDER, fields, mark))


def _decoded(text: Any) -> tuple[bytes | None, list[str]]:
    """Return the bytes of base64 *text* if they give it back, in either of the two alphabets."""
    if not isinstance(text, str):
        return None, []
    data = media.decode_exact(text)
    if data is not None:
        return data, []
    try:
        data = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None, []
    return (data, ["urlsafe"]) if base64.urlsafe_b64encode(data).decode() == text else (None, [])


def _file(fields: dict[str, Any], path: str) -> ImagePart | FilePart:
    named = fields.pop("file_data")
    if not isinstance(named, Mapping) or not isinstance(named.get("file_uri"), str):
        raise FormatError("File data has a `file_uri`.", path=f"{path}.file_data")
    rest = dict(named)
    url, media_type = rest.pop("file_uri"), rest.pop("mime_type", None)
    if not isinstance(media_type, (str, type(None))):
        raise FormatError("A MIME type is text.", path=f"{path}.file_data.mime_type")
    if rest:
        fields["file_data"] = rest
    mark = ["no_mime"] if media_type is None else []
    kind = ImagePart if media_type is not None and media_type.startswith("image/") else FilePart
    return kind(media_type, url=url, extra=marked(PROVIDER, fields, mark))


# --- calls and results ---------------------------------------------------------------------------


def read_function_call(part: Mapping[str, Any], path: str, *, is_first: bool = True) -> ToolCall:
    """Return the tool call in a `function_call` part found at *path*; without an id it gets one from its place.

    The first of the calls made at once keeps in mind if Gemini gave it no signature.

    Raises:
        FormatError: It lacks a name, or its arguments are no object.
    """
    fields = dict(part)
    body = fields.pop("function_call")
    if not isinstance(body, Mapping) or not isinstance(body.get("name"), str):
        raise FormatError("A function call has a `name`.", path=f"{path}.function_call")
    rest = {name: value for name, value in body.items() if name != "name"}
    mark = [word for word, name in (("no_id", "id"), ("no_args", "args")) if name not in rest]
    if fields.get("thought_signature") == NO_SIGNATURE:
        del fields["thought_signature"]  # it only says that there is none
    elif is_first and "thought_signature" not in fields:
        mark.append(UNSIGNED)
    call_id, args = rest.pop("id", ""), rest.pop("args", {})
    if not isinstance(args, Mapping) or not isinstance(call_id, str):
        raise FormatError("A call's `args` are an object, its `id` is text.", path=f"{path}.function_call")
    if rest:
        fields["function_call"] = rest
    arguments = compact(args, f"{path}.function_call.args")
    call_id = call_id or derived_id(f"{path}:{body['name']}:{arguments}", 0)
    return ToolCall(call_id, body["name"], arguments, extra=marked(PROVIDER, fields, mark))


def compact(value: Mapping[str, Any], path: str) -> str:
    """Return *value* as JSON text, as short as it goes.

    Raises:
        FormatError: It is no JSON.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError("This is no JSON object.", path=path) from error


def _response(response: Mapping[str, Any], mark: list[str], path: str) -> dict[str, Any]:
    """Return what a result's `response` says; anything but our own two words for it is its JSON text."""
    is_error = response.keys() == {"error"}
    said = response.get("error" if is_error else "result") if len(response) == 1 else None
    failed = {"is_error": True} if is_error else {}
    if isinstance(said, str):
        if as_object(said) is not None and not is_error:
            mark.append("text")
        return {"text": said, **failed}
    if isinstance(said, list) and said and all(isinstance(text, str) for text in said):
        if len(said) == 1:
            mark.append("list")
        return {"parts": tuple(TextPart(text) for text in said), **failed}
    return {"text": compact(response, path)}


def as_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object *text* is, or `None` if writing that would not give *text* back."""
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
        same = isinstance(value, dict) and compact(value, "") == text and text.encode() is not None
    except (ValueError, RecursionError, FormatError):
        return None
    if not same:
        return None
    only = next(iter(value.values())) if value.keys() in ({"result"}, {"error"}) else None
    is_ours = isinstance(only, str) or (isinstance(only, list) and only and all(isinstance(one, str) for one in only))
    return None if is_ours else value


def _add_media(spoken: dict[str, Any], body: dict[str, Any], path: str) -> None:
    """Take the media of a result out of *body* and add them to what is said."""
    if not body.get("parts"):
        return
    parts = tuple(_part(_fields(part, path), path) for part in _listed(body.pop("parts"), path))
    text = spoken.pop("text", None)
    spoken["parts"] = (*(spoken.get("parts", ()) if text is None else (TextPart(text),)), *parts)
