"""Answers which rules of OpenAI Responses a list of input items breaks.

Facts from the API reference and the errors the API answers with. Items of tools that run at the provider
are known by name only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tract.formats import media
from tract.formats.rules import Finding, Request, RuleBook, is_filled_text, is_list, is_one_of

BOOK = RuleBook("openai_responses")

_TOOL = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_ID = 64
_ROLES = frozenset({"user", "assistant", "system", "developer"})
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_CALLS: Mapping[str, str] = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
}
_OUTPUTS: Mapping[str, str] = {output: call for call, output in _CALLS.items()}
# Required fields of each item and their types.
_FIELDS: Mapping[str, Mapping[str, type[Any]]] = {
    "message": {"role": str},
    "function_call": {"call_id": str, "name": str, "arguments": str},
    "custom_tool_call": {"call_id": str, "name": str, "input": str},
    "function_call_output": {"call_id": str},
    "custom_tool_call_output": {"call_id": str},
    "reasoning": {"id": str, "summary": list},
    "compaction": {"encrypted_content": str},
    "item_reference": {"id": str},
}
_OTHERS = frozenset(
    {"file_search_call", "computer_call", "computer_call_output", "web_search_call", "tool_search_call"}
    | {"tool_search_output", "additional_tools", "configuration_update", "image_generation_call"}
    | {"code_interpreter_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output"}
    | {"apply_patch_call", "apply_patch_call_output", "mcp_list_tools", "mcp_approval_request"}
    | {"mcp_approval_response", "mcp_call", "compaction_trigger", "program", "program_output"}
)
_INPUT_PARTS = frozenset({"input_text", "input_image", "input_file"})
_OUTPUT_PARTS = frozenset({"output_text", "refusal"})
# What a content part says, any of these.
_BODIES: Mapping[str, tuple[str, ...]] = {
    "input_text": ("text",),
    "output_text": ("text",),
    "refusal": ("refusal",),
    "input_image": ("image_url", "file_id"),
    "input_file": ("file_data", "file_id", "file_url"),
}

Place = tuple[str, Mapping[str, Any]]


def _items(request: Request) -> Iterator[Place]:
    for index, item in enumerate(request["input"]):
        yield f"input[{index}]", item


def _kind(item: Any) -> Any:
    """Return the type of *item*; a message may go without."""
    if not isinstance(item, Mapping):
        return None
    return item.get("type", "message" if "role" in item else None)


def _said(path: str, item: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return where *item* says something as text or parts, and that."""
    name = "content" if _kind(item) == "message" else "output" if _kind(item) in _OUTPUTS else None
    return None if name is None else (f"{path}.{name}", item.get(name))


def _parts(request: Request) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield path, item and part of every content part."""
    for path, item in _items(request):
        said = _said(path, item)
        if said is not None and is_list(said[1]):
            for index, part in enumerate(said[1]):
                yield f"{said[0]}[{index}]", item, part


def _is_from_model(item: Mapping[str, Any]) -> bool:
    kind = _kind(item)
    if kind == "message":
        return bool(item["role"] == "assistant")
    return kind != "mcp_approval_response" and not kind.endswith("_output")


# --- shape ---------------------------------------------------------------------------------------


@BOOK.rule("input.empty", shape=True)
def _some_items(request: Request) -> Iterator[Finding]:
    """Missing required parameter: 'input'. Expected a string or an array of items with at least one item."""
    if not is_list(request["input"]) or not request["input"]:
        yield "input", "there is no item"


@BOOK.rule("instructions.type", shape=True)
def _instructions_type(request: Request) -> Iterator[Finding]:
    """Invalid type for 'instructions': expected a string, but got an array instead."""
    if not isinstance(request.get("instructions"), (str, type(None))):
        yield "instructions", "the instructions are no text"


@BOOK.rule("item.type", shape=True)
def _known_type(request: Request) -> Iterator[Finding]:
    """Invalid value: 'x'. Supported values are: 'message', 'function_call', 'function_call_output', 'reasoning', ..."""
    for path, item in _items(request):
        kind = _kind(item)
        if not is_one_of(kind, _FIELDS) and not is_one_of(kind, _OTHERS):
            yield f"{path}.type", "the item is of no known type"


@BOOK.rule("item.fields", shape=True)
def _item_fields(request: Request) -> Iterator[Finding]:
    """Missing required parameter: 'input[1].call_id'."""
    for path, item in _items(request):
        kind = _kind(item)
        for name, wanted in _FIELDS.get(kind, {}).items() if isinstance(kind, str) else ():
            value = item.get(name)
            if not isinstance(value, wanted) or (name in {"call_id", "id"} and not value):
                yield f"{path}.{name}", "the field is missing or of the wrong type"


@BOOK.rule("message.role", shape=True)
def _known_role(request: Request) -> Iterator[Finding]:
    """Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'."""
    for path, item in _items(request):
        if _kind(item) == "message" and not is_one_of(item.get("role"), _ROLES):
            yield f"{path}.role", "the role is unknown"


@BOOK.rule("content.type", shape=True)
def _content_type(request: Request) -> Iterator[Finding]:
    """Invalid type for 'input[0].content': expected one of a string or array of objects, but got an integer instead."""
    for path, item in _items(request):
        said = _said(path, item) if isinstance(item, Mapping) and isinstance(_kind(item), str) else None
        if said is None or isinstance(said[1], str):
            continue
        if not is_list(said[1]):
            yield said[0], "content is neither text nor a list"
        elif not all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in said[1]):
            yield said[0], "a part is no object with a type"


# --- content -------------------------------------------------------------------------------------


@BOOK.rule("content.empty_list")
def _content_not_empty_list(request: Request) -> Iterator[Finding]:
    """Invalid 'input[0].content': empty array. Expected an array with minimum length 1, but got an empty array."""
    for path, item in _items(request):
        said = _said(path, item)
        if said is not None and is_list(said[1]) and not said[1]:
            yield said[0], "the list of parts is empty"


@BOOK.rule("content.part_type")
def _part_type(request: Request) -> Iterator[Finding]:
    """Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'."""
    for path, item, part in _parts(request):
        accepted = _OUTPUT_PARTS if item.get("role") == "assistant" else _INPUT_PARTS
        if part["type"] not in accepted:
            yield f"{path}.type", "this item cannot hold this part"


@BOOK.rule("content.part_body")
def _part_body(request: Request) -> Iterator[Finding]:
    """Missing required parameter: 'input[0].content[0].text'."""
    for path, _, part in _parts(request):
        names = _BODIES.get(part["type"], ("type",))
        if not any(isinstance(part.get(name), str) for name in names):
            yield f"{path}.{names[0]}", "the part says nothing of its type"


@BOOK.rule("content.image_format")
def _image_format(request: Request) -> Iterator[Finding]:
    """Provide a valid image in one of these formats: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'].

    The image data you provided does not represent a valid image.
    """
    for path, _, part in _parts(request):
        url = part.get("image_url") if part["type"] == "input_image" else None
        if not isinstance(url, str) or not url.startswith("data:"):
            continue
        found = media.split_data_url(url)
        if found is None or found[0] not in _IMAGES or not found[1]:
            yield f"{path}.image_url", "the image is of a kind that is not accepted, or there is none"


# --- items ---------------------------------------------------------------------------------------


@BOOK.rule("item.duplicate_id")
def _duplicate_item(request: Request) -> Iterator[Finding]:
    """Duplicate item found with id rs_1. Remove duplicate items from your input and try again."""
    seen: set[str] = set()
    for path, item in _items(request):
        item_id = item.get("id")
        if isinstance(item_id, str) and _kind(item) != "item_reference":
            if item_id in seen:
                yield f"{path}.id", "an earlier item has this id"
            seen.add(item_id)


@BOOK.rule("reasoning.alone")
def _reasoning_alone(request: Request) -> Iterator[Finding]:
    """Item 'rs_1' of type 'reasoning' was provided without its required following item."""
    items = request["input"]
    for index, (path, item) in enumerate(_items(request)):
        if _kind(item) == "reasoning" and not (index + 1 < len(items) and _is_from_model(items[index + 1])):
            yield path, "nothing the model said follows the reasoning"


@BOOK.rule("reasoning.stored")
def _reasoning_stored(request: Request) -> Iterator[Finding]:
    """Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."""
    for path, item in _items(request):
        if (
            request.get("stateless")
            and _kind(item) == "reasoning"
            and not is_filled_text(item.get("encrypted_content"))
        ):
            yield f"{path}.encrypted_content", "without it only a stored response knows the reasoning"


# --- tools ---------------------------------------------------------------------------------------


@BOOK.rule("call.name")
def _call_name(request: Request) -> Iterator[Finding]:
    """Invalid 'input[1].name': string does not match pattern. Expected a string that matches '^[a-zA-Z0-9_-]+$'."""
    for path, item in _items(request):
        if _kind(item) in _CALLS and not _TOOL.fullmatch(item["name"]):
            yield f"{path}.name", "the tool's name holds other characters than letters, digits, _ and -"


@BOOK.rule("call.long_id")
def _call_long_id(request: Request) -> Iterator[Finding]:
    """Invalid 'input[1].call_id': string too long. Expected a string with maximum length 64."""
    for path, item in _items(request):
        if _kind(item) in _CALLS and len(item["call_id"]) > _LONGEST_ID:
            yield f"{path}.call_id", f"the call's id has more than {_LONGEST_ID} characters"


@BOOK.rule("call.duplicate_id")
def _call_duplicate(request: Request) -> Iterator[Finding]:
    """Duplicate function call found with call_id call_1 in 'input'."""
    seen: set[str] = set()
    for path, item in _items(request):
        if _kind(item) in _CALLS:
            if item["call_id"] in seen:
                yield f"{path}.call_id", "an earlier call has this id"
            seen.add(item["call_id"])


@BOOK.rule("call.unanswered")
def _unanswered(request: Request) -> Iterator[Finding]:
    """No tool output found for function call call_1."""
    answered = {(_kind(item), item["call_id"]) for _, item in _items(request) if _kind(item) in _OUTPUTS}
    for path, item in _items(request):
        if _kind(item) in _CALLS and (_CALLS[_kind(item)], item["call_id"]) not in answered:
            yield path, "the call has no output"


@BOOK.rule("output.orphan")
def _orphan(request: Request) -> Iterator[Finding]:
    """No tool call found for function call output with call_id call_1.

    Also said of a second output of one call.
    """
    open_calls: set[tuple[str, str]] = set()
    for path, item in _items(request):
        kind = _kind(item)
        if kind in _CALLS:
            open_calls.add((kind, item["call_id"]))
        elif kind in _OUTPUTS:
            answered = (_OUTPUTS[kind], item["call_id"])
            if answered not in open_calls:
                yield f"{path}.call_id", "no call before has this id, or it has its output"
            open_calls.discard(answered)
