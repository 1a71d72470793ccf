"""Answers which rules of Gemini's `generateContent` a request breaks.

Facts from the API reference and the errors the API answers with. A turn of function responses counts as a
turn of its own, so that what the user says next may follow it. Ending with the model's turn is accepted:
only models of the first generation refuse it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tract.formats.rules import Finding, Request, RuleBook, is_filled_text, is_list, is_one_of

BOOK = RuleBook("gemini")

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
# What a part is, exactly one of these, and its type.
_DATA: Mapping[str, type[Any]] = {
    "text": str,
    **dict.fromkeys(("function_call", "function_response", "inline_data", "file_data"), dict),
    **dict.fromkeys(("executable_code", "code_execution_result", "tool_call", "tool_response"), dict),
}
# What else a part may say.
_ABOUT = frozenset(
    {"thought", "thought_signature", "video_metadata", "part_metadata", "media_resolution", "media_processing"}
    | {"audio_transcription", "speech_metadata", "document_metadata", "spreadsheet_metadata", "audio_metadata"}
)
# Required fields of each kind of part and their types.
_FIELDS: Mapping[str, Mapping[str, type[Any]]] = {
    "function_call": {"name": str},
    "function_response": {"name": str, "response": dict},
    "inline_data": {"mime_type": str, "data": str},
    "file_data": {"file_uri": str},
}
_ROLE: Mapping[str, str] = {"function_call": "model", "function_response": "user"}
_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_FILES = frozenset({"application/pdf", "application/json", "application/rtf", "application/x-javascript"})


def _contents(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, content in enumerate(request["contents"]):
        yield f"contents[{index}]", content


def _parts(request: Request) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield path, role and part of every part, those inside responses not included."""
    for path, content in _contents(request):
        for index, part in enumerate(content["parts"]):
            yield f"{path}.parts[{index}]", content["role"], part


def _system_parts(request: Request) -> Any:
    """Return the parts of the system instruction: none, or a value of the wrong type as it is."""
    system = request.get("system_instruction")
    if system is None:
        return []
    if isinstance(system, str):
        return [{"text": system}]
    return system.get("parts") if isinstance(system, Mapping) else system


def _loose_parts(request: Request) -> Iterator[tuple[str, Any]]:
    """Yield the parts of contents that may still have any shape."""
    for path, content in _contents(request):
        parts = content.get("parts") if isinstance(content, Mapping) else None
        for index, part in enumerate(parts if is_list(parts) else ()):  # type: ignore[arg-type]  # a list
            yield f"{path}.parts[{index}]", part


# --- shape ---------------------------------------------------------------------------------------


@BOOK.rule("contents.empty", shape=True)
def _some_contents(request: Request) -> Iterator[Finding]:
    """* GenerateContentRequest.contents: contents is not specified."""
    if not is_list(request["contents"]) or not request["contents"]:
        yield "contents", "there is no content"


@BOOK.rule("content.role", shape=True)
def _known_role(request: Request) -> Iterator[Finding]:
    """Please use a valid role: user, model."""
    for path, content in _contents(request):
        if not isinstance(content, Mapping) or not is_one_of(content.get("role"), {"user", "model"}):
            yield f"{path}.role", "the role is neither user nor model"


@BOOK.rule("content.fields", shape=True)
def _content_fields(request: Request) -> Iterator[Finding]:
    """Invalid JSON payload received. Unknown name "content" at 'contents[0]': Cannot find field."""
    for path, content in _contents(request):
        if isinstance(content, Mapping):
            for name in sorted(str(name) for name in content.keys() - {"role", "parts"}):
                yield f"{path}.{name}", "the field is unknown"


@BOOK.rule("content.parts", shape=True)
def _content_parts(request: Request) -> Iterator[Finding]:
    """* GenerateContentRequest.contents[0].parts: contents.parts must not be empty."""
    for path, content in _contents(request):
        parts = content.get("parts") if isinstance(content, Mapping) else [None]
        if not is_list(parts) or not parts:
            yield f"{path}.parts", "the parts are no list, or it is empty"


@BOOK.rule("part.data", shape=True)
def _part_data(request: Request) -> Iterator[Finding]:
    """* contents[0].parts[0].data: required oneof field 'data' must have one initialized field."""
    for path, part in _loose_parts(request):
        found = [name for name in _DATA if name in part] if isinstance(part, Mapping) else []
        if len(found) != 1 or not isinstance(part[found[0]], _DATA[found[0]]):
            yield path, "the part is not of exactly one kind"


@BOOK.rule("part.unknown", shape=True)
def _part_unknown(request: Request) -> Iterator[Finding]:
    """Invalid JSON payload received. Unknown name "type" at 'contents[0].parts[0]': Cannot find field."""
    for path, part in _loose_parts(request):
        if isinstance(part, Mapping):
            for name in sorted(str(name) for name in part.keys() - _DATA.keys() - _ABOUT):
                yield f"{path}.{name}", "the field is unknown"


@BOOK.rule("part.body", shape=True)
def _part_body(request: Request) -> Iterator[Finding]:
    """Invalid value at 'contents[2].parts[0].function_response.response' (google.protobuf.Struct), "text"."""
    for path, part in _loose_parts(request):
        for kind, fields in _FIELDS.items() if isinstance(part, Mapping) else ():
            body = part.get(kind)
            for name, wanted in fields.items() if isinstance(body, Mapping) else ():
                if not isinstance(body.get(name), wanted):
                    yield f"{path}.{kind}.{name}", "the field is missing or of the wrong type"
        call = part.get("function_call") if isinstance(part, Mapping) else None
        if isinstance(call, Mapping) and not isinstance(call.get("args", {}), dict):
            yield f"{path}.function_call.args", "the arguments are no object"


@BOOK.rule("system.shape", shape=True)
def _system_shape(request: Request) -> Iterator[Finding]:
    """Invalid value at 'system_instruction' (oneof), system instructions hold text parts only."""
    parts = _system_parts(request)
    if not is_list(parts):
        yield "system_instruction", "the parts are no list"
        return
    for index, part in enumerate(parts):
        if not isinstance(part, Mapping) or not isinstance(part.get("text"), str):
            yield f"system_instruction.parts[{index}]", "the part is no text"


# --- order ---------------------------------------------------------------------------------------


@BOOK.rule("contents.first_user")
def _first_user(request: Request) -> Iterator[Finding]:
    """First content should be with role 'user', got model."""
    if request["contents"][0]["role"] != "user":
        yield "contents[0].role", "the first turn is not the user's"


@BOOK.rule("contents.alternate")
def _alternate(request: Request) -> Iterator[Finding]:
    """Please ensure that multiturn requests alternate between user and model."""
    before: tuple[str, bool] | None = None
    for path, content in _contents(request):
        now = content["role"], any("function_response" in part for part in content["parts"])
        if before == now:
            yield f"{path}.role", "the turn before is of the same kind"
        before = now


@BOOK.rule("text.empty")
def _text_empty(request: Request) -> Iterator[Finding]:
    """Unable to submit request because it has an empty text parameter. Add a value to the parameter and try again.

    An empty text that carries a signature is one the model sent, and is taken back.
    """
    parts = [(path, part) for path, _, part in _parts(request)]
    parts += [(f"system_instruction.parts[{index}]", part) for index, part in enumerate(_system_parts(request))]
    for path, part in parts:
        if part.get("text") == "" and not part.get("thought_signature") and not part.get("thought"):
            yield f"{path}.text", "the text is empty"


@BOOK.rule("media.type")
def _media_type(request: Request) -> Iterator[Finding]:
    """Unsupported MIME type: image/tiff."""
    for path, blob in _blobs(request):
        kind = blob.get("mime_type")
        known = is_one_of(kind, _IMAGES) or is_one_of(kind, _FILES)
        if not known and not str(kind).startswith(("text/", "audio/", "video/")):
            yield f"{path}.mime_type", "the type is not accepted"


@BOOK.rule("media.empty")
def _media_empty(request: Request) -> Iterator[Finding]:
    """* contents[0].parts[0].inline_data: must have either data or a file URI."""
    for path, blob in _blobs(request):
        if not is_filled_text(blob.get("data")):
            yield f"{path}.data", "there is no data"


def _blobs(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, _, part in _parts(request):
        yield from _blob(path, part)
        inner = part.get("function_response", {}).get("parts")
        for index, shown in enumerate(inner if is_list(inner) else ()):
            if isinstance(shown, Mapping):
                yield from _blob(f"{path}.function_response.parts[{index}]", shown)


def _blob(path: str, part: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(part.get("inline_data"), Mapping):
        yield f"{path}.inline_data", part["inline_data"]


# --- tools ---------------------------------------------------------------------------------------


@BOOK.rule("tool.role")
def _tool_role(request: Request) -> Iterator[Finding]:
    """Please ensure that function calls are in turns of the model and function responses in turns of the user."""
    for path, role, part in _parts(request):
        for kind, wanted in _ROLE.items():
            if kind in part and role != wanted:
                yield f"{path}.{kind}", f"it stands in a turn of the {role}"


@BOOK.rule("tool.name")
def _tool_name(request: Request) -> Iterator[Finding]:
    """Invalid function name. Must start with a letter or an underscore. Must be alphameric, _, ., : or -."""
    for path, _, part in _parts(request):
        if "function_call" in part and not _NAME.fullmatch(part["function_call"]["name"]):
            yield f"{path}.function_call.name", "the tool's name is too long or holds other characters"


@BOOK.rule("tool.unanswered")
def _unanswered(request: Request) -> Iterator[Finding]:
    """Please ensure that function response turn comes immediately after a function call turn."""
    for path, called, answers in _exchanges(request):
        if called and not answers:
            yield path, f"{len(called)} calls have no response in the next turn"


@BOOK.rule("tool.orphan")
def _orphan(request: Request) -> Iterator[Finding]:
    """Please ensure that function response turn comes immediately after a function call turn (none before it)."""
    for path, called, answers in _exchanges(request):
        if answers and not called:
            yield path, "the next turn holds responses, and this one no call"


@BOOK.rule("tool.count")
def _count(request: Request) -> Iterator[Finding]:
    """Please ensure that the number of function response parts is equal to the number of function call parts."""
    for path, called, answers in _exchanges(request):
        if called and answers and len(called) != len(answers):
            yield path, f"{len(called)} calls and a next turn of {len(answers)} parts"


@BOOK.rule("tool.match")
def _match(request: Request) -> Iterator[Finding]:
    """Please ensure that the name and id of each function response are those of its function call.

    A response may go without the id.
    """
    for path, called, answers in _exchanges(request):
        if len(called) != len(answers) or not all(isinstance(body, Mapping) for body in answers):
            continue
        if _all_of(answers, "name") - _all_of(called, "name") or _all_of(answers, "id") - _all_of(called, "id"):
            yield path, "a response in the next turn is of no call in this one"


def _all_of(bodies: list[Any], name: str) -> Counter[str]:
    return Counter(repr(body[name]) for body in bodies if body.get(name) is not None)


def _exchanges(request: Request) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """Yield for each turn its calls, and the parts of the next turn if that holds responses."""
    turns = [content["parts"] for content in request["contents"]]
    answers = [
        [part.get("function_response") for part in parts] if any("function_response" in part for part in parts) else []
        for parts in turns
    ]
    yield "contents", [], answers[0]
    for index, parts in enumerate(turns):
        called = [part["function_call"] for part in parts if "function_call" in part]
        yield f"contents[{index}]", called, answers[index + 1] if index + 1 < len(turns) else []
