"""The rules of OpenAI Responses and of Gemini, as `server` enforces them.

Written without `tract`, from the vendors' documentation, so that it can prove the rules in `tract.formats` wrong.
"""

from __future__ import annotations

import base64
import re
from typing import Any

Json = dict[str, Any]


class RefusedError(Exception):
    """The request breaks a rule; the text is the vendor's."""


def refuse_if(condition: object, text: str) -> None:
    if condition:
        raise RefusedError(text)


# --- OpenAI Responses ----------------------------------------------------------------------------

ITEMS = {
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "compaction",
    "item_reference",
    "web_search_call",
    "mcp_approval_response",
}
INPUT_PARTS: dict[str, list[str]] = {
    "input_text": ["text"],
    "input_image": ["image_url", "file_id"],
    "input_file": ["file_data", "file_id", "file_url"],
}
OUTPUT_PARTS = {"output_text": ["text"], "refusal": ["refusal"]}


def check_responses(request: Json) -> None:
    refuse_if(not request.get("model"), "Missing required parameter: 'model'.")
    refuse_if(not isinstance(request.get("instructions", ""), str), "Invalid type for 'instructions'.")
    items = request.get("input")
    refuse_if(not isinstance(items, list) or not items, "Missing required parameter: 'input'.")
    assert isinstance(items, list)
    for i, item in enumerate(items):
        refuse_if(not isinstance(item, dict), f"Invalid type for 'input[{i}]': expected an object.")
        item.setdefault("type", "message" if "role" in item else None)
        refuse_if(item["type"] not in ITEMS, f"Invalid value: '{item['type']}'. Supported values are: 'message', ...")
        check_responses_item(item, f"input[{i}]")
    ids = [item["id"] for item in items if item.get("id") and item["type"] != "item_reference"]
    refuse_if(len(ids) != len(set(ids)), "Duplicate item found. Remove duplicate items from your input and try again.")
    check_responses_reasoning(items, stored=request.get("store", True))
    check_responses_tools(items)


def check_responses_item(item: Json, where: str) -> None:
    kind = item["type"]
    if kind == "message":
        refuse_if(
            item.get("role") not in ("user", "assistant", "system", "developer"),
            f"Invalid value: '{item.get('role')}'. Supported values are: 'assistant', 'system', ...",
        )
        parts = OUTPUT_PARTS if item["role"] == "assistant" else INPUT_PARTS
        check_responses_content(item.get("content"), parts, f"{where}.content")
    if kind == "reasoning":
        refuse_if(not item.get("id"), f"Missing required parameter: '{where}.id'.")
        refuse_if(not isinstance(item.get("summary"), list), f"Missing required parameter: '{where}.summary'.")
    if kind == "compaction":
        refuse_if(not isinstance(item.get("encrypted_content"), str), f"Missing required parameter: '{where}'.")
    if kind in ("function_call", "custom_tool_call"):
        said = "arguments" if kind == "function_call" else "input"
        for name in ("call_id", "name", said):
            refuse_if(not isinstance(item.get(name), str), f"Missing required parameter: '{where}.{name}'.")
        refuse_if(not re.match(r"^[a-zA-Z0-9_-]+\Z", item["name"]), f"Invalid '{where}.name': pattern.")
        refuse_if(not 0 < len(item["call_id"]) <= 64, f"Invalid '{where}.call_id': string too long.")
    if kind.endswith("tool_call_output") or kind == "function_call_output":
        refuse_if(not isinstance(item.get("call_id"), str), f"Missing required parameter: '{where}.call_id'.")
        check_responses_content(item.get("output"), INPUT_PARTS, f"{where}.output")


def check_responses_content(content: Any, accepted: dict[str, list[str]], where: str) -> None:
    if isinstance(content, str):
        return
    refuse_if(not isinstance(content, list), f"Invalid type for '{where}': expected one of a string or array.")
    refuse_if(not content, f"Invalid '{where}': empty array. Expected an array with minimum length 1.")
    for k, part in enumerate(content):
        refuse_if(not isinstance(part, dict), f"Invalid type for '{where}[{k}]': expected an object.")
        kind = part.get("type")
        refuse_if(kind not in accepted, f"Invalid value: '{kind}'. Supported values are: {sorted(accepted)}.")
        said = [part.get(name) for name in accepted[kind]]
        refuse_if(
            not any(isinstance(one, str) for one in said),
            f"Missing required parameter: '{where}[{k}].{accepted[kind][0]}'.",
        )
        url = part.get("image_url")
        if isinstance(url, str) and url.startswith("data:"):
            image = re.match(r"^data:image/(jpeg|png|gif|webp);base64,([A-Za-z0-9+/]+=*)\Z", url)
            refuse_if(not image, "The image data you provided does not represent a valid image.")


def check_responses_reasoning(items: list[Json], *, stored: bool) -> None:
    for item, after in zip(items, [*items[1:], {"type": "end"}], strict=True):
        if item["type"] != "reasoning":
            continue
        is_model = after.get("role", "assistant") == "assistant" and not after["type"].endswith(("_output", "response"))
        refuse_if(
            after["type"] == "end" or not is_model,
            f"Item '{item['id']}' of type 'reasoning' was provided without its required following item.",
        )
        refuse_if(
            not stored and not item.get("encrypted_content"),
            f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false.",
        )


def check_responses_tools(items: list[Json]) -> None:
    waiting: list[tuple[str, str]] = []
    seen: list[str] = []
    for item in items:
        if item["type"] in ("function_call", "custom_tool_call"):
            refuse_if(item["call_id"] in seen, f"Duplicate function call found with call_id {item['call_id']}.")
            seen.append(item["call_id"])
            waiting.append((item["type"] + "_output", item["call_id"]))
        elif item["type"] in ("function_call_output", "custom_tool_call_output"):
            answered = (item["type"], item["call_id"])
            refuse_if(
                answered not in waiting, f"No tool call found for function call output with call_id {item['call_id']}."
            )
            waiting.remove(answered)
    refuse_if(waiting, f"No tool output found for function call {waiting[0][1] if waiting else ''}.")


def responses_reply(request: Json) -> Json:
    text = {"type": "output_text", "text": f"Got {len(request['input'])}.", "annotations": []}
    message = {"id": "msg_9", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": request["model"],
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
    }


def answer_responses(request: Json) -> tuple[int, Json]:
    """Return status and body of `POST /v1/responses`."""
    try:
        check_responses(request)
    except RefusedError as refused:
        return 400, {"error": {"message": str(refused), "type": "invalid_request_error", "param": "input"}}
    return 200, responses_reply(request)


# --- Gemini --------------------------------------------------------------------------------------

KINDS = {
    "text": str,
    "inlineData": dict,
    "fileData": dict,
    "functionCall": dict,
    "functionResponse": dict,
    "executableCode": dict,
    "codeExecutionResult": dict,
}
ABOUT = {"thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution"}
MIME_TYPES = re.compile(
    r"^(image/(png|jpeg|webp|heic|heif)|(audio|video|text)/.+|application/(pdf|json|rtf|x-javascript))\Z"
)


def check_gemini(request: Json) -> None:
    contents = request.get("contents")
    unknown = set(request) - {"contents", "systemInstruction", "generationConfig", "tools", "toolConfig"}
    refuse_if(unknown, f"Invalid JSON payload received. Unknown name {unknown}: Cannot find field.")
    refuse_if(not isinstance(contents, list) or not contents, "* GenerateContentRequest.contents: not specified")
    assert isinstance(contents, list)
    system = request.get("systemInstruction", {"parts": []})
    refuse_if(not isinstance(system, dict) or not isinstance(system.get("parts"), list), "Invalid value: system")
    for part in system["parts"]:
        refuse_if(not isinstance(part, dict) or not isinstance(part.get("text"), str), "Invalid value: system")
        refuse_if(part["text"] == "", "Unable to submit request because it has an empty text parameter.")
    for i, content in enumerate(contents):
        check_gemini_content(content, f"contents[{i}]")
    check_gemini_order(contents)


def check_gemini_content(content: Any, where: str) -> None:
    refuse_if(not isinstance(content, dict), f"Invalid value at '{where}'")
    refuse_if(content.get("role") not in ("user", "model"), "Please use a valid role: user, model.")
    refuse_if(set(content) - {"role", "parts"}, f"Unknown name at '{where}': Cannot find field.")
    parts = content.get("parts")
    refuse_if(not isinstance(parts, list) or not parts, f"* {where}.parts: contents.parts must not be empty.")
    assert isinstance(parts, list)
    for k, part in enumerate(parts):
        at = f"{where}.parts[{k}]"
        refuse_if(not isinstance(part, dict), f"Invalid value at '{at}'")
        refuse_if(set(part) - set(KINDS) - ABOUT, f"Unknown name at '{at}': Cannot find field.")
        kinds = [name for name in KINDS if name in part]
        refuse_if(len(kinds) != 1, f"* {at}.data: required oneof field 'data' must have one initialized field")
        refuse_if(not isinstance(part[kinds[0]], KINDS[kinds[0]]), f"Invalid value at '{at}.{kinds[0]}'")
        if part.get("text") == "":
            refuse_if(
                not part.get("thoughtSignature") and not part.get("thought"),
                "Unable to submit request because it has an empty text parameter.",
            )
        check_gemini_bytes(part, at)
        check_gemini_call(part, content["role"], at)


def either(fields: Json, name: str) -> Any:
    """Return a field the API takes in both spellings; the SDK itself sends some as `snake_case`."""
    return fields.get(name, fields.get(re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)))


def check_gemini_bytes(part: Json, at: str) -> None:
    if "thoughtSignature" in part:
        base64.b64decode(part["thoughtSignature"], altchars=b"-_", validate=True)
    inner = part.get("functionResponse", {}).get("parts", [])
    for shown in [part, *inner]:
        blob = either(shown, "inlineData")
        if blob is not None:
            kind = str(either(blob, "mimeType"))
            refuse_if(not MIME_TYPES.match(kind), f"Unsupported MIME type: {kind}")
            refuse_if(not isinstance(blob.get("data"), str) or not blob["data"], f"* {at}.inline_data: no data")
        named = either(shown, "fileData")
        if named is not None:
            refuse_if(not isinstance(either(named, "fileUri"), str), f"Invalid value at '{at}.file_data'")


def check_gemini_call(part: Json, role: str, at: str) -> None:
    if "functionCall" in part:
        call = part["functionCall"]
        refuse_if(role != "model", "Please ensure that function calls are in turns of the model.")
        refuse_if(
            not re.match(r"^[a-zA-Z_][\w.:-]{0,127}\Z", str(call.get("name")), re.ASCII)
            or not isinstance(call.get("name"), str),
            "Invalid function name. Must start with a letter or an underscore.",
        )
        refuse_if(not isinstance(call.get("args", {}), dict), f"Invalid value at '{at}.function_call.args'")
    if "functionResponse" in part:
        body = part["functionResponse"]
        refuse_if(role != "user", "Please ensure that function responses are in turns of the user.")
        refuse_if(not isinstance(body.get("name"), str), f"* {at}.function_response.name: Name cannot be empty.")
        refuse_if(not isinstance(body.get("response"), dict), f"Invalid value at '{at}.function_response.response'")


def check_gemini_order(contents: list[Json]) -> None:
    refuse_if(contents[0]["role"] != "user", "First content should be with role 'user', got model")
    waiting: list[tuple[Any, Any]] = []
    before = ""
    for content in contents:
        answers = [part for part in content["parts"] if "functionResponse" in part]
        kind = "function" if answers else content["role"]
        refuse_if(kind == before, "Please ensure that multiturn requests alternate between user and model.")
        refuse_if(
            bool(waiting) != bool(answers),
            "Please ensure that function response turn comes immediately after a function call turn.",
        )
        if answers:
            refuse_if(
                len(content["parts"]) != len(waiting),
                "Please ensure that the number of function response parts is equal to that of calls",
            )
            left = list(waiting)
            for one in sorted((part["functionResponse"] for part in answers), key=lambda body: "id" not in body):
                fits = [call for call in left if call[0] == one["name"] and one.get("id", call[1]) == call[1]]
                refuse_if(not fits, "Please ensure that name and id are those of the call.")
                left.remove(fits[0])
        waiting = [
            (part["functionCall"]["name"], part["functionCall"].get("id"))
            for part in content["parts"]
            if "functionCall" in part
        ]
        before = kind
    refuse_if(waiting, "Please ensure that function response turn comes immediately after a function call turn.")


def gemini_reply(request: Json) -> Json:
    content = {"role": "model", "parts": [{"text": f"Got {len(request['contents'])}."}]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2, "totalTokenCount": 12},
        "modelVersion": "gemini",
    }


def answer_gemini(request: Json) -> tuple[int, Json]:
    """Return status and body of `POST /v1beta/models/gemini:generateContent`."""
    try:
        check_gemini(request)
    except RefusedError as refused:
        return 400, {"error": {"code": 400, "message": str(refused), "status": "INVALID_ARGUMENT"}}
    return 200, gemini_reply(request)
