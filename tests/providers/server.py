"""A provider on the loopback interface: enforces the rules of OpenAI, Anthropic and Google and answers as they do.

Written without `tract`, from the vendors' documentation, so that it can prove the rules in
`tract.formats` wrong. A refused request gets status 400 and the vendor's error body.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

from tests.providers.server_newer import RefusedError, answer_gemini, answer_responses, refuse_if

# --- OpenAI --------------------------------------------------------------------------------------

OPENAI_PARTS = {
    "system": ["text"],
    "developer": ["text"],
    "tool": ["text"],
    "assistant": ["text", "refusal"],
    "user": ["text", "image_url", "input_audio", "file"],
}


def check_openai(request: dict[str, Any]) -> None:
    refuse_if(not request.get("model"), "you must provide a model parameter")
    messages = request.get("messages")
    refuse_if(not isinstance(messages, list) or not messages, "Invalid 'messages': empty array.")
    assert isinstance(messages, list)
    waiting: list[str] = []
    for i, message in enumerate(messages):
        refuse_if(not isinstance(message, dict), f"Invalid type for 'messages[{i}]': expected an object.")
        role = message.get("role")
        refuse_if(
            role not in OPENAI_PARTS, f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', ..."
        )
        if role == "tool":
            call_id = message.get("tool_call_id")
            refuse_if(not isinstance(call_id, str), f"Missing required parameter: 'messages[{i}].tool_call_id'.")
            refuse_if(
                call_id not in waiting,
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                "'tool_calls'.",
            )
            waiting.remove(call_id)
        else:
            refuse_if(
                waiting, "An assistant message with 'tool_calls' must be followed by tool messages: " + str(waiting)
            )
        check_openai_name(message, i)
        calls = check_openai_calls(message, i)
        check_openai_content(message, i, has_calls=bool(calls))
        if role != "tool":
            waiting = calls
    refuse_if(waiting, "An assistant message with 'tool_calls' must be followed by tool messages: " + str(waiting))


def check_openai_name(message: dict[str, Any], i: int) -> None:
    if "name" in message:
        name = message["name"]
        refuse_if(not isinstance(name, str), f"Invalid type for 'messages[{i}].name': expected a string.")
        refuse_if(
            not re.match(r"^[^\s<|\\/>]+\Z", name), f"Invalid 'messages[{i}].name': string does not match pattern."
        )


def check_openai_calls(message: dict[str, Any], i: int) -> list[str]:
    if "tool_calls" not in message:
        return []
    where = f"messages[{i}].tool_calls"
    calls = message["tool_calls"]
    refuse_if(message["role"] != "assistant", f"Unrecognized request argument supplied: {where}")
    refuse_if(not isinstance(calls, list), f"Invalid type for '{where}': expected an array of objects.")
    refuse_if(not calls, f"Invalid '{where}': empty array. Expected an array with minimum length 1.")
    ids = []
    for k, call in enumerate(calls):
        refuse_if(not isinstance(call, dict), f"Invalid type for '{where}[{k}]': expected an object.")
        refuse_if(
            not call.get("id") or not isinstance(call["id"], str), f"Missing required parameter: '{where}[{k}].id'."
        )
        refuse_if(call.get("type") not in ("function", "custom"), f"Missing required parameter: '{where}[{k}].type'.")
        body = call.get(call["type"])
        refuse_if(not isinstance(body, dict), f"Missing required parameter: '{where}[{k}].function'.")
        name = body.get("name")
        refuse_if(not isinstance(name, str), f"Missing required parameter: '{where}[{k}].function.name'.")
        refuse_if(re.search(r"[^\w-]", name, re.ASCII) or not name, f"Invalid '{where}[{k}].function.name': pattern.")
        said = body.get("arguments" if call["type"] == "function" else "input")
        refuse_if(not isinstance(said, str), f"Invalid type for '{where}[{k}].function.arguments': expected a string.")
        refuse_if(len(call["id"]) > 40, f"Invalid '{where}[{k}].id': string too long.")
        refuse_if(call["id"] in ids, f"Duplicate value for 'tool_call_id' of '{call['id']}'")
        ids.append(call["id"])
    return ids


def check_openai_content(message: dict[str, Any], i: int, *, has_calls: bool) -> None:
    content, role = message.get("content"), message["role"]
    where = f"messages[{i}].content"
    if content is None:
        instead = message.get("refusal") or message.get("audio") or message.get("function_call") or has_calls
        refuse_if(role != "assistant" or not instead, "Invalid value for 'content': expected a string, got null.")
        return
    if isinstance(content, str):
        return
    refuse_if(
        not isinstance(content, list), f"Invalid type for '{where}': expected one of a string or array of objects."
    )
    refuse_if(not content, f"Invalid '{where}': empty array. Expected an array with minimum length 1.")
    for k, part in enumerate(content):
        refuse_if(not isinstance(part, dict), f"Invalid type for '{where}[{k}]': expected an object.")
        kind = part.get("type")
        refuse_if(
            kind not in OPENAI_PARTS[role], f"Invalid value: '{kind}'. Supported values are: {OPENAI_PARTS[role]}"
        )
        wanted: Any = str if kind in ("text", "refusal") else dict
        refuse_if(not isinstance(part.get(kind), wanted), f"Missing required parameter: '{where}[{k}].{kind}'.")


def openai_reply(request: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": f"Got {len(request['messages'])}.", "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }


# --- Anthropic -----------------------------------------------------------------------------------

ANTHROPIC_REQUIRED: dict[str, dict[str, Any]] = {
    "text": {"text": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "search_result": {"source": str, "title": str, "content": list},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
    "thinking": {"thinking": str, "signature": str},
    "redacted_thinking": {"data": str},
    "server_tool_use": {"id": str, "name": str, "input": dict},
    "web_search_tool_result": {"tool_use_id": str},
}
ANTHROPIC_USER = {"image", "document", "tool_result", "search_result"}
ANTHROPIC_ASSISTANT = {"tool_use", "server_tool_use", "thinking", "redacted_thinking"}


def check_anthropic(request: dict[str, Any]) -> None:
    refuse_if(not request.get("model"), "model: Field required")
    refuse_if(not isinstance(request.get("max_tokens"), int), "max_tokens: Field required")
    messages = request.get("messages")
    refuse_if(not isinstance(messages, list) or not messages, "messages: at least one message is required")
    assert isinstance(messages, list)
    breakpoints: list[dict[str, Any]] = [tool for tool in request.get("tools", []) if tool.get("cache_control")]
    if "system" in request:
        check_anthropic_system(request["system"], breakpoints)
    turns = [check_anthropic_message(message, i, breakpoints) for i, message in enumerate(messages)]
    check_anthropic_roles(messages)
    check_anthropic_tools(turns, has_tools=bool(request.get("tools")))
    check_anthropic_end(messages[-1], turns[-1])
    refuse_if(
        len(breakpoints) > 4, f"A maximum of 4 blocks with cache_control may be provided. Found {len(breakpoints)}."
    )
    ttls = [block["cache_control"].get("ttl", "5m") for block in breakpoints]
    refuse_if(
        ttls != sorted(ttls), "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
    )


def check_anthropic_system(system: Any, breakpoints: list[dict[str, Any]]) -> None:
    if isinstance(system, str):
        refuse_if(not system.strip(), "system: text content blocks must contain non-whitespace text")
        return
    refuse_if(not isinstance(system, list), "system: Input should be a valid list")
    for i, block in enumerate(system):
        refuse_if(
            not isinstance(block, dict) or block.get("type") != "text", f"system.{i}.type: Input should be 'text'"
        )
        check_anthropic_block(block, f"system.{i}", breakpoints)


def check_anthropic_message(message: dict[str, Any], i: int, breakpoints: list[dict[str, Any]]) -> list[dict[str, Any]]:
    refuse_if(not isinstance(message, dict), f"messages.{i}: Input should be a valid dictionary")
    role, content = message.get("role"), message.get("content")
    refuse_if(role not in ("user", "assistant"), f'messages.{i}: Unexpected role "{role}".')
    extra = set(message) - {"role", "content"}
    refuse_if(extra, f"messages.{i}.{min(extra, default='')}: Extra inputs are not permitted")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    refuse_if(not isinstance(content, list), f"messages.{i}.content: Input should be a valid list")
    assert isinstance(content, list)
    for k, block in enumerate(content):
        where = f"messages.{i}.content.{k}"
        check_anthropic_block(block, where, breakpoints)
        kind = block["type"]
        refuse_if(
            role == "assistant" and kind in ANTHROPIC_USER, f"{where}: `{kind}` blocks can only be in `user` messages"
        )
        refuse_if(role == "user" and kind in ANTHROPIC_ASSISTANT, f"{where}: `{kind}` blocks not permitted in `user`")
    return content


def check_anthropic_block(block: Any, where: str, breakpoints: list[dict[str, Any]]) -> None:
    refuse_if(not isinstance(block, dict), f"{where}: Input should be a valid dictionary")
    kind = block.get("type")
    refuse_if(kind not in ANTHROPIC_REQUIRED, f"{where}: Input tag '{kind}' does not match any of the expected tags")
    for name, wanted in ANTHROPIC_REQUIRED[kind].items():
        refuse_if(name not in block, f"{where}.{kind}.{name}: Field required")
        refuse_if(
            not isinstance(block[name], wanted), f"{where}.{kind}.{name}: Input should be a valid {wanted.__name__}"
        )
    if kind == "text":
        refuse_if(not block["text"].strip(), f"{where}: text content blocks must contain non-whitespace text")
    if kind in ("image", "document"):
        check_anthropic_source(kind, block["source"], where)
    if kind in ("tool_use", "tool_result"):
        call_id = block["id" if kind == "tool_use" else "tool_use_id"]
        refuse_if(
            not re.match(r"^[a-zA-Z0-9_-]+\Z", call_id), f"{where}: String should match pattern '^[a-zA-Z0-9_-]+$'"
        )
    if kind == "tool_use":
        refuse_if(not re.match(r"^[a-zA-Z0-9_-]{1,128}\Z", block["name"]), f"{where}.name: String should match pattern")
    if kind == "tool_result" and not isinstance(block.get("content", ""), str):
        refuse_if(not isinstance(block["content"], list), f"{where}.content: Input should be a valid list")
        for k, part in enumerate(block["content"]):
            check_anthropic_block(part, f"{where}.content.{k}", breakpoints)
            allowed = {"text", "image", "document", "search_result"}
            refuse_if(part["type"] not in allowed, f"{where}.content.{k}: Input tag '{part['type']}' not expected")
    if block.get("cache_control"):
        breakpoints.append(block)


def check_anthropic_source(kind: str, source: dict[str, Any], where: str) -> None:
    if source.get("type") != "base64":
        return
    types = ["image/jpeg", "image/png", "image/gif", "image/webp"] if kind == "image" else ["application/pdf"]
    refuse_if(source.get("media_type") not in types, f"{where}.source.media_type: Input should be one of {types}")
    refuse_if(not source.get("data"), f"{where}.source.data: Field required")


def check_anthropic_roles(messages: list[dict[str, Any]]) -> None:
    refuse_if(messages[0]["role"] != "user", 'messages: first message must use the "user" role')
    for before, after in pairwise(messages):
        refuse_if(before["role"] == after["role"], "messages: roles must alternate, but found two in a row")


def check_anthropic_tools(turns: list[list[dict[str, Any]]], *, has_tools: bool) -> None:
    every: list[str] = []
    previous: list[str] = []
    for i, blocks in enumerate(turns):
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        leading = [block["type"] for block in blocks[: len(results)]]
        for call_id in results:
            refuse_if(
                call_id not in previous,
                f"messages.{i}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}",
            )
            refuse_if(results.count(call_id) > 1, f"messages.{i}: each tool_use must have a single result. {call_id}")
        in_front = set(leading) <= {"tool_result"}
        missing = [call_id for call_id in previous if call_id not in results or not in_front]
        refuse_if(
            missing,
            f"messages.{i - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: {missing}",
        )
        previous = [block["id"] for block in blocks if block["type"] == "tool_use"]
        every.extend(previous)
        refuse_if((results or previous) and not has_tools, "Requests which include `tool_use` blocks must define tools")
    refuse_if(
        previous, f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: {previous}"
    )
    refuse_if(len(every) != len(set(every)), "messages: `tool_use` ids must be unique")


def check_anthropic_end(message: dict[str, Any], blocks: list[dict[str, Any]]) -> None:
    if message["role"] == "assistant" and blocks and blocks[-1]["type"] == "text":
        text = blocks[-1]["text"]
        refuse_if(text.rstrip() != text, "messages: final assistant content cannot end with trailing whitespace")


def check_anthropic_turn_ends(messages: list[dict[str, Any]]) -> None:
    for i, message in enumerate(messages):
        content = message["content"]
        refuse_if(not content and i < len(messages) - 1, f"messages.{i}: all messages must have non-empty content")
        refuse_if(not content and message["role"] == "user", f"messages.{i}: user messages must have non-empty content")
        if message["role"] == "assistant" and isinstance(content, list) and content:
            kind = content[-1]["type"]
            refuse_if(
                kind.endswith("thinking"), f"messages.{i}: The final block in an assistant message cannot be `{kind}`."
            )


def anthropic_reply(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [{"type": "text", "text": f"Got {len(request['messages'])}."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 2},
    }


# --- the server ----------------------------------------------------------------------------------


def answer_openai(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    try:
        check_openai(request)
    except RefusedError as refused:
        error = {"message": str(refused), "type": "invalid_request_error", "param": "messages", "code": None}
        return 400, {"error": error}
    return 200, openai_reply(request)


def answer_anthropic(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    try:
        check_anthropic(request)
        check_anthropic_turn_ends(request["messages"])
    except RefusedError as refused:
        return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": str(refused)}}
    return 200, anthropic_reply(request)


class Vendor(BaseHTTPRequestHandler):
    """Answers `/v1/chat/completions`, `/v1/responses`, `/v1/messages` and Gemini's `:generateContent`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/chat/completions"):
            status, body = answer_openai(request)
        elif self.path.endswith("/messages"):
            status, body = answer_anthropic(request)
        elif self.path.endswith("/responses"):
            status, body = answer_responses(request)
        elif self.path.endswith(":generateContent"):
            status, body = answer_gemini(request)
        else:
            status, body = 404, {"error": {"message": "Not found", "type": "not_found_error"}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name the base class gives it
        """Keep the test output clean."""


@contextmanager
def running() -> Iterator[str]:
    """Run the server and yield its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
