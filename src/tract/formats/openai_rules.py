"""Answers which rules of OpenAI Chat Completions a list of messages breaks.

Facts from the API reference and the errors the API answers with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tract.formats.rules import Finding, Request, RuleBook, is_filled_text, is_list, is_one_of

BOOK = RuleBook("openai")

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_SPEAKER = re.compile(r"[^\s<|\\/>]+")
_TOOL = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_ID = 40
_PARTS = {
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "tool": frozenset({"text"}),
    "assistant": frozenset({"text", "refusal"}),
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
}
# The field of each part that holds what it says, and the type of that field.
_BODIES: Mapping[str, tuple[str, type[Any]]] = {
    "text": ("text", str),
    "refusal": ("refusal", str),
    "image_url": ("image_url", dict),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
}


def _messages(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, message in enumerate(request["messages"]):
        yield f"messages[{index}]", message


def _parts(request: Request) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, message in _messages(request):
        if is_list(message.get("content")):
            for index, part in enumerate(message["content"]):
                yield f"{path}.content[{index}]", message["role"], part


def _calls(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, message in _messages(request):
        for index, call in enumerate(message.get("tool_calls") or ()):
            yield f"{path}.tool_calls[{index}]", call


# --- shape ---------------------------------------------------------------------------------------


@BOOK.rule("messages.empty", shape=True)
def _some_messages(request: Request) -> Iterator[Finding]:
    """Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."""
    if not is_list(request["messages"]) or not request["messages"]:
        yield "messages", "there is no message"


@BOOK.rule("message.role", shape=True)
def _known_role(request: Request) -> Iterator[Finding]:
    """Invalid value. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.

    The deprecated `function` role is refused here, because nothing pairs it with its call.
    """
    for path, message in _messages(request):
        if not isinstance(message, Mapping) or not is_one_of(message.get("role"), _ROLES):
            yield f"{path}.role", "the role is unknown"


@BOOK.rule("content.type", shape=True)
def _content_type(request: Request) -> Iterator[Finding]:
    """Invalid type for 'messages[0].content': expected a string or array of objects, but got an integer."""
    for path, message in _messages(request):
        content = message.get("content") if isinstance(message, Mapping) else None
        if content is None or isinstance(content, str):
            continue
        if not is_list(content):
            yield f"{path}.content", "content is neither text nor a list"
        elif not all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in content):
            yield f"{path}.content", "a part is no object with a type"


@BOOK.rule("tool_calls.shape", shape=True)
def _tool_calls_shape(request: Request) -> Iterator[Finding]:
    """Missing required parameter: 'messages[1].tool_calls[0].id'."""
    for path, message in _messages(request):
        if not isinstance(message, Mapping) or "tool_calls" not in message:
            continue
        calls = message["tool_calls"]
        if not is_list(calls):
            yield f"{path}.tool_calls", "tool calls are no list"
            continue
        for index, call in enumerate(calls):
            if not _is_call(call):
                yield f"{path}.tool_calls[{index}]", "the call lacks an id, a type, a name or arguments as text"


def _is_call(call: Any) -> bool:
    if not isinstance(call, Mapping) or not is_filled_text(call.get("id")):
        return False
    kind = call.get("type")
    body = call.get(kind) if is_one_of(kind, {"function", "custom"}) else None
    said = "arguments" if kind == "function" else "input"
    return isinstance(body, Mapping) and isinstance(body.get("name"), str) and isinstance(body.get(said), str)


# --- content -------------------------------------------------------------------------------------


@BOOK.rule("content.required")
def _content_required(request: Request) -> Iterator[Finding]:
    """Invalid value for 'content': expected a string, got null."""
    for path, message in _messages(request):
        if message.get("content") is not None:
            continue
        instead = ("tool_calls", "function_call", "refusal", "audio") if message["role"] == "assistant" else ()
        if not any(message.get(name) for name in instead):
            yield f"{path}.content", "content is missing and nothing stands in its place"


@BOOK.rule("content.empty_list")
def _content_not_empty_list(request: Request) -> Iterator[Finding]:
    """Invalid 'messages[0].content': empty array. Expected an array with minimum length 1."""
    for path, message in _messages(request):
        if is_list(message.get("content")) and not message["content"]:
            yield f"{path}.content", "the list of parts is empty"


@BOOK.rule("content.part_type")
def _part_type(request: Request) -> Iterator[Finding]:
    """Invalid value: 'image_url'. Supported values are: 'text'."""
    for path, role, part in _parts(request):
        if part["type"] not in _PARTS[role]:
            yield f"{path}.type", f"a {role} message cannot hold this part"


@BOOK.rule("content.part_body")
def _part_body(request: Request) -> Iterator[Finding]:
    """Missing required parameter: 'messages[0].content[0].text'."""
    for path, _, part in _parts(request):
        name, kind = _BODIES.get(part["type"], ("type", str))
        if not isinstance(part.get(name), kind):
            yield f"{path}.{name}", "the part says nothing of its type"


@BOOK.rule("name.pattern")
def _name_pattern(request: Request) -> Iterator[Finding]:
    r"""Invalid 'messages[0].name': string does not match pattern. Expected a string that matches '^[^\s<|\\/>]+$'."""
    for path, message in _messages(request):
        if "name" in message and not (isinstance(message["name"], str) and _SPEAKER.fullmatch(message["name"])):
            yield f"{path}.name", "the name holds white space or one of < | \\ / >"


# --- tool calls ----------------------------------------------------------------------------------


@BOOK.rule("tool_calls.empty")
def _tool_calls_not_empty(request: Request) -> Iterator[Finding]:
    """Invalid 'messages[1].tool_calls': empty array. Expected an array with minimum length 1."""
    for path, message in _messages(request):
        if "tool_calls" in message and not message["tool_calls"]:
            yield f"{path}.tool_calls", "the list of calls is empty"


@BOOK.rule("tool_calls.role")
def _tool_calls_role(request: Request) -> Iterator[Finding]:
    """Unrecognized request argument supplied: tool_calls (in a message that is not the assistant's)."""
    for path, message in _messages(request):
        if "tool_calls" in message and message["role"] != "assistant":
            yield f"{path}.tool_calls", "only an assistant message holds tool calls"


@BOOK.rule("tool_calls.name")
def _tool_calls_name(request: Request) -> Iterator[Finding]:
    """Invalid 'messages[1].tool_calls[0].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'."""
    for path, call in _calls(request):
        if not _TOOL.fullmatch(call[call["type"]]["name"]):
            yield f"{path}.{call['type']}.name", "the tool's name holds other characters than letters, digits, _ and -"


@BOOK.rule("tool_calls.duplicate_id")
def _tool_calls_duplicate(request: Request) -> Iterator[Finding]:
    """Duplicate value for 'tool_call_id' in 'messages[1].tool_calls'."""
    for path, message in _messages(request):
        ids = [call["id"] for call in message.get("tool_calls") or ()]
        if len(set(ids)) != len(ids):
            yield f"{path}.tool_calls", "two calls of one message have the same id"


@BOOK.rule("tool_calls.long_id")
def _tool_calls_long(request: Request) -> Iterator[Finding]:
    """Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40."""
    for path, call in _calls(request):
        if len(call["id"]) > _LONGEST_ID:
            yield f"{path}.id", f"the call's id has more than {_LONGEST_ID} characters"


@BOOK.rule("tool.id_missing")
def _tool_id(request: Request) -> Iterator[Finding]:
    """Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'."""
    for path, message in _messages(request):
        if message["role"] == "tool" and not is_filled_text(message.get("tool_call_id")):
            yield f"{path}.tool_call_id", "the tool message names no call"


@BOOK.rule("tool.unanswered")
def _unanswered(request: Request) -> Iterator[Finding]:
    """An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."""
    for path, _, open_ids in _exchanges(request):
        if open_ids:
            yield f"{path}.tool_calls", f"{len(open_ids)} calls are not answered at once"


@BOOK.rule("tool.orphan")
def _orphan(request: Request) -> Iterator[Finding]:
    """Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'."""
    for _, orphans, _ in _exchanges(request):
        for path in orphans:
            yield path, "the tool message answers no call right before it, or one that has its answer"


def _exchanges(request: Request) -> Iterator[tuple[str, list[str], set[str]]]:
    """Yield each run: the message it starts with, tool messages without a call in it, calls left open."""
    start, orphans, open_ids = "messages", list[str](), set[str]()
    for path, message in _messages(request):
        if message["role"] == "tool":
            if is_one_of(message.get("tool_call_id"), open_ids):
                open_ids.remove(message["tool_call_id"])
            else:
                orphans.append(path)
            continue
        yield start, orphans, open_ids
        start, orphans, open_ids = path, [], {call["id"] for call in message.get("tool_calls") or ()}
    yield start, orphans, open_ids
