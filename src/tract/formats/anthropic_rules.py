"""Answers which rules of Anthropic Messages a request breaks.

Facts from the API reference and the errors the API answers with. Roles must alternate here although
newer versions of the API also take neighbours of one role, because everything else understands it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tract.formats.rules import Finding, Request, RuleBook, is_filled_text, is_list, is_one_of

BOOK = RuleBook("anthropic")

_WORD = re.compile(r"[a-zA-Z0-9_-]+")
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
# Required fields of each block and their types; blocks of server tools are known by name only.
_FIELDS: Mapping[str, Mapping[str, type[Any]]] = {
    "text": {"text": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
    "thinking": {"thinking": str, "signature": str},
    "redacted_thinking": {"data": str},
    "search_result": {"content": list, "source": str, "title": str},
    "container_upload": {"file_id": str},
    "server_tool_use": {"id": str, "name": str, "input": dict},
    "web_search_tool_result": {"tool_use_id": str},
    "web_fetch_tool_result": {"tool_use_id": str},
    "code_execution_tool_result": {"tool_use_id": str},
    "bash_code_execution_tool_result": {"tool_use_id": str},
    "text_editor_code_execution_tool_result": {"tool_use_id": str},
    "tool_search_tool_result": {"tool_use_id": str},
}
_USER_ONLY = frozenset({"image", "document", "tool_result", "search_result", "container_upload"})
_INSIDE_RESULTS = frozenset({"text", "image", "document", "search_result", "tool_reference", "browser_state"})
_REASONING = frozenset({"thinking", "redacted_thinking"})

Place = tuple[str, str, Mapping[str, Any]]


def _messages(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, message in enumerate(request["messages"]):
        yield f"messages[{index}]", message


def _blocks_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _blocks(request: Request) -> Iterator[Place]:
    """Yield path, role and block of every block of the messages, those inside results not included."""
    for path, message in _messages(request):
        for index, block in enumerate(_blocks_of(message)):
            yield f"{path}.content[{index}]", message["role"], block


def _inner(path: str, block: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if block["type"] == "tool_result" and is_list(block.get("content")):
        for index, part in enumerate(block["content"]):
            yield f"{path}.content[{index}]", part


def _all_blocks(request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every block in the order the provider reads them: tools, system, messages."""
    for name in ("tools", "system"):
        if is_list(request.get(name)):
            for index, block in enumerate(request[name]):
                if isinstance(block, Mapping):
                    yield f"{name}[{index}]", block
    for path, _, block in _blocks(request):
        yield from _inner(path, block)
        yield path, block


# --- shape ---------------------------------------------------------------------------------------


@BOOK.rule("messages.empty", shape=True)
def _some_messages(request: Request) -> Iterator[Finding]:
    """Messages: at least one message is required."""
    if not is_list(request["messages"]) or not request["messages"]:
        yield "messages", "there is no message"


@BOOK.rule("message.role", shape=True)
def _known_role(request: Request) -> Iterator[Finding]:
    """Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as a role."""
    for path, message in _messages(request):
        if not isinstance(message, Mapping) or not is_one_of(message.get("role"), {"user", "assistant"}):
            yield f"{path}.role", "the role is neither user nor assistant"


@BOOK.rule("message.extra", shape=True)
def _no_extra(request: Request) -> Iterator[Finding]:
    """messages.0.name: Extra inputs are not permitted."""
    for path, message in _messages(request):
        if isinstance(message, Mapping):
            for name in sorted(str(name) for name in message.keys() - {"role", "content"}):
                yield f"{path}.{name}", "the field is unknown"


@BOOK.rule("content.type", shape=True)
def _content_type(request: Request) -> Iterator[Finding]:
    """messages.0.content: Input should be a valid list."""
    for path, message in _messages(request):
        content = message.get("content") if isinstance(message, Mapping) else ""
        if not isinstance(content, str) and not is_list(content):
            yield f"{path}.content", "content is neither text nor a list"


@BOOK.rule("block.type", shape=True)
def _block_type(request: Request) -> Iterator[Finding]:
    """messages.0.content.0: Input tag 'x' found using 'type' does not match any of the expected tags."""
    for path, block in _loose_blocks(request):
        kind = block.get("type") if isinstance(block, Mapping) else None
        if not isinstance(kind, str) or kind not in _FIELDS:
            yield path, "the block is of no known type"


@BOOK.rule("block.fields", shape=True)
def _block_fields(request: Request) -> Iterator[Finding]:
    """messages.1.content.0.tool_use.input: Input should be a valid dictionary."""
    for path, block in _loose_blocks(request):
        kind = block.get("type") if isinstance(block, Mapping) else None
        for name, wanted in _FIELDS.get(kind, {}).items() if isinstance(kind, str) else ():
            if not isinstance(block.get(name), wanted):
                yield f"{path}.{name}", "the field is missing or of the wrong type"


@BOOK.rule("result.content", shape=True)
def _result_content(request: Request) -> Iterator[Finding]:
    """messages.2.content.0.tool_result.content: Input should be a valid list."""
    for path, block in _loose_blocks(request):
        if not isinstance(block, Mapping) or block.get("type") != "tool_result":
            continue
        content = block.get("content", "")
        if isinstance(content, str):
            continue
        if not is_list(content) or not all(_is_inside_result(part) for part in content):
            yield f"{path}.content", "the content is neither text nor blocks a result can hold"


def _is_inside_result(part: Any) -> bool:
    if not isinstance(part, Mapping) or not is_one_of(part.get("type"), _INSIDE_RESULTS):
        return False
    return all(isinstance(part.get(name), kind) for name, kind in _FIELDS.get(part["type"], {}).items())


def _loose_blocks(request: Request) -> Iterator[tuple[str, Any]]:
    """Yield the blocks of messages that may still have any shape."""
    for path, message in _messages(request):
        content = message.get("content") if isinstance(message, Mapping) else None
        for index, block in enumerate(content if is_list(content) else ()):  # type: ignore[arg-type]  # a list
            yield f"{path}.content[{index}]", block


@BOOK.rule("system.shape", shape=True)
def _system_shape(request: Request) -> Iterator[Finding]:
    """System: Input should be a valid list of text blocks."""
    system = request.get("system")
    if system is None or isinstance(system, str):
        return
    for index, block in enumerate(system if is_list(system) else [None]):
        if not isinstance(block, Mapping) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            yield f"system[{index}]", "the system text holds text blocks only"


# --- order and content ---------------------------------------------------------------------------


@BOOK.rule("messages.first_user")
def _first_user(request: Request) -> Iterator[Finding]:
    """Messages: first message must use the "user" role."""
    if request["messages"][0]["role"] != "user":
        yield "messages[0].role", "the first message is not the user's"


@BOOK.rule("messages.alternate")
def _alternate(request: Request) -> Iterator[Finding]:
    """Messages: roles must alternate between "user" and "assistant", but found multiple roles of one kind in a row."""
    before = None
    for path, message in _messages(request):
        if message["role"] == before:
            yield f"{path}.role", "the message before has the same role"
        before = message["role"]


@BOOK.rule("content.empty")
def _content_empty(request: Request) -> Iterator[Finding]:
    """messages.0: all messages must have non-empty content except for the optional final assistant message."""
    last = len(request["messages"]) - 1
    for index, (path, message) in enumerate(_messages(request)):
        if not message["content"] and not (index == last and message["role"] == "assistant"):
            yield f"{path}.content", "the message is empty"


@BOOK.rule("text.blank")
def _text_blank(request: Request) -> Iterator[Finding]:
    """Messages: text content blocks must contain non-whitespace text."""
    for path, block in _all_blocks(request):
        if block.get("type") == "text" and not block["text"].strip():
            yield f"{path}.text", "the text has no visible character"
    if isinstance(request.get("system"), str) and not request["system"].strip():
        yield "system", "the text has no visible character"


@BOOK.rule("text.final_space")
def _final_space(request: Request) -> Iterator[Finding]:
    """Messages: final assistant content cannot end with trailing whitespace."""
    last = request["messages"][-1]
    blocks = _blocks_of(last)
    if last["role"] == "assistant" and blocks and blocks[-1]["type"] == "text":
        text = blocks[-1]["text"]
        if text != text.rstrip():
            yield f"messages[{len(request['messages']) - 1}].content", "the text ends in white space"


@BOOK.rule("thinking.final")
def _thinking_final(request: Request) -> Iterator[Finding]:
    """messages.1: The final block in an assistant message cannot be `thinking`."""
    for path, message in _messages(request):
        blocks = _blocks_of(message)
        if message["role"] == "assistant" and blocks and blocks[-1]["type"] in _REASONING:
            yield f"{path}.content[{len(blocks) - 1}]", "nothing follows the reasoning"


@BOOK.rule("block.role")
def _block_role(request: Request) -> Iterator[Finding]:
    """messages.1.content.0: `tool_use` blocks can only be in `assistant` messages (`tool_result` in `user` ones)."""
    for path, role, block in _blocks(request):
        kind = block["type"]
        if kind in _USER_ONLY and role != "user":
            yield path, "only a user message holds this block"
        elif (kind in {"tool_use", "server_tool_use"} or kind in _REASONING) and role != "assistant":
            yield path, "only an assistant message holds this block"


@BOOK.rule("source.media_type")
def _media_type(request: Request) -> Iterator[Finding]:
    """messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', ..."""
    for path, block in _all_blocks(request):
        source = block.get("source") if block.get("type") in {"image", "document"} else None
        if not isinstance(source, Mapping) or source.get("type") != "base64":
            continue
        accepted = _IMAGES if block["type"] == "image" else {"application/pdf"}
        if not is_one_of(source.get("media_type"), accepted) or not is_filled_text(source.get("data")):
            yield f"{path}.source", "the media type is not accepted, or there is no data"


# --- tools ---------------------------------------------------------------------------------------


@BOOK.rule("tool.id_pattern")
def _id_pattern(request: Request) -> Iterator[Finding]:
    """messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'."""
    names = {"tool_use": "id", "tool_result": "tool_use_id"}
    for path, _, block in _blocks(request):
        name = names.get(block["type"])
        if name is not None and not _WORD.fullmatch(block[name]):
            yield f"{path}.{name}", "the id holds other characters than letters, digits, _ and -"


@BOOK.rule("tool.name")
def _tool_name(request: Request) -> Iterator[Finding]:
    """messages.1.content.0.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'."""
    for path, _, block in _blocks(request):
        if block["type"] == "tool_use" and not (_WORD.fullmatch(block["name"]) and len(block["name"]) <= 128):
            yield f"{path}.name", "the tool's name is too long or holds other characters"


@BOOK.rule("tool.duplicate_id")
def _duplicate_id(request: Request) -> Iterator[Finding]:
    """Messages: `tool_use` ids must be unique."""
    seen: set[str] = set()
    for path, _, block in _blocks(request):
        if block["type"] == "tool_use":
            if block["id"] in seen:
                yield f"{path}.id", "an earlier call has this id"
            seen.add(block["id"])


@BOOK.rule("tool.unanswered")
def _unanswered(request: Request) -> Iterator[Finding]:
    """messages.1: `tool_use` ids were found without `tool_result` blocks immediately after.

    Also the answer to results that do not stand first in their message.
    """
    for path, called, answers in _exchanges(request):
        first = set()
        for block in answers:
            if block["type"] != "tool_result":
                break
            first.add(block["tool_use_id"])
        if called - first:
            yield path, f"{len(called - first)} calls have no result at the start of the next message"


@BOOK.rule("tool.orphan")
def _orphan(request: Request) -> Iterator[Finding]:
    """messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks."""
    for path, called, answers in _exchanges(request):
        if {block["tool_use_id"] for block in answers if block["type"] == "tool_result"} - called:
            yield path, "the next message holds a result of no call in this one"


@BOOK.rule("tool.duplicate_result")
def _duplicate_result(request: Request) -> Iterator[Finding]:
    """messages.2.content.1: each tool_use must have a single result. Found multiple `tool_result` blocks."""
    for path, message in _messages(request):
        ids = [block["tool_use_id"] for block in _blocks_of(message) if block["type"] == "tool_result"]
        if len(set(ids)) != len(ids):
            yield path, "two results answer one call"


def _exchanges(request: Request) -> Iterator[tuple[str, set[str], list[Mapping[str, Any]]]]:
    """Yield for each message the ids it calls and the blocks of the message after it."""
    following = [_blocks_of(message) for message in request["messages"]]
    yield "messages", set(), following[0]
    for index, (path, _) in enumerate(_messages(request)):
        called = {block["id"] for block in following[index] if block["type"] == "tool_use"}
        yield path, called, following[index + 1] if index + 1 < len(following) else []


@BOOK.rule("tools.missing")
def _tools_missing(request: Request) -> Iterator[Finding]:
    """Requests which include `tool_use` or `tool_result` blocks must define tools."""
    if request.get("tools") is None or request["tools"]:
        return
    if any(block["type"] in {"tool_use", "tool_result"} for _, _, block in _blocks(request)):
        yield "tools", "the messages hold tool calls and no tool is defined"


# --- cache breakpoints ---------------------------------------------------------------------------


@BOOK.rule("cache.count")
def _cache_count(request: Request) -> Iterator[Finding]:
    """A maximum of 4 blocks with cache_control may be provided."""
    marked = [path for path, block in _all_blocks(request) if block.get("cache_control")]
    for path in marked[4:]:
        yield f"{path}.cache_control", "there are four breakpoints before this one"


@BOOK.rule("cache.ttl_order")
def _cache_order(request: Request) -> Iterator[Finding]:
    """A ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."""
    shorter = False
    for path, block in _all_blocks(request):
        control = block.get("cache_control")
        if not isinstance(control, Mapping) or not control:
            continue
        if control.get("ttl") != "1h":
            shorter = True
        elif shorter:
            yield f"{path}.cache_control.ttl", "a shorter breakpoint comes before this longer one"
