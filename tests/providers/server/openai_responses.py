"""What does OpenAI take and answer at `/v1/responses`?"""

from __future__ import annotations

import re
from typing import Any

from tests.providers.server import openai_common as common
from tests.providers.server.openai_events import error_event, stream
from tests.providers.server.prefix import Seal, Unit, canonical, count_tokens
from tests.providers.server.refusal import Json, RefusedError, matches, refuse_if, words
from tests.providers.server.script import Call, Part, Refusal, Text, Thinking
from tests.providers.server.vendor import Job, Vendor

KNOWN = words(
    "access_programs background background_options context_management conversation image include input "
    "instructions max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls "
    "previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention reasoning "
    "safety_identifier service_tier store stream stream_options temperature text tool_choice tools top_logprobs "
    "top_p truncation user"
)
INPUT: dict[str, str | None] = {"input_text": "text", "input_image": None, "input_file": None}
CONTENT: dict[str, dict[str, str | None]] = {
    "user": INPUT,
    "system": INPUT,
    "developer": INPUT,
    "assistant": {"output_text": "text", "refusal": "refusal"},
}
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
OUTPUTS = ("function_call_output", "custom_tool_call_output")
ITEMS = {*CALLS, *OUTPUTS, *words("message reasoning compaction item_reference web_search_call mcp_approval_response")}
ID_STARTS = {"message": "msg", "function_call": "fc", "reasoning": "rs", "compaction": "cmp"}


def check(request: Json) -> None:
    refuse_if(not request.get("model"), "Missing required parameter: 'model'.", param="model")
    common.check_known(request, KNOWN)
    if request.get("previous_response_id") is not None:
        found = request["previous_response_id"]
        raise RefusedError(
            f"Previous response with id '{found}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    given = request.get("input")
    refuse_if(given is None, "Missing required parameter: 'input'.", param="input")
    refuse_if(
        not isinstance(given, str | list), "Invalid type for 'input': expected one of a string or array.", param="input"
    )
    refuse_if(given == [], "Invalid 'input': empty array. Expected an array with minimum length 1.", param="input")
    instructions = request.get("instructions")
    refuse_if(
        instructions is not None and not isinstance(instructions, str),
        "Invalid type for 'instructions': expected a string.",
        param="instructions",
    )
    if isinstance(given, list):
        check_items(given, stored=request.get("store") is not False)
    check_options(request)


def check_items(items: list[Any], *, stored: bool) -> None:
    for i, item in enumerate(items):
        refuse_if(not isinstance(item, dict), f"Invalid type for 'input[{i}]': expected an object.")
        check_item(item, f"input[{i}]", stored=stored)
    check_calls(items)
    check_reasoning(items)


def kind_of(item: Json) -> Any:
    return item.get("type", "message" if "role" in item else None)


def check_item(item: Json, where: str, *, stored: bool) -> None:
    kind = kind_of(item)
    refuse_if(
        kind not in ITEMS, f"Invalid value: '{kind}'. Supported values are: {sorted(ITEMS)}.", param=f"{where}.type"
    )
    if kind == "item_reference":
        raise RefusedError(f"Item with id '{item.get('id')}' not found.", status=404, param="input")
    start = ID_STARTS.get(kind)
    given_id = item.get("id")
    refuse_if(
        start and given_id is not None and not str(given_id).startswith(start),
        f"Invalid '{where}.id': '{given_id}'. Expected an ID that begins with '{start}'.",
        param=f"{where}.id",
    )
    if kind == "message":
        check_message(item, where)
    elif kind in CALLS:
        check_call(item, where)
    elif kind in OUTPUTS:
        require(item, where, "call_id")
        check_call_id(item, where)
        check_output(item.get("output"), f"{where}.output")
    elif kind == "compaction":
        require(item, where, "encrypted_content")
    elif kind == "reasoning":
        check_reasoning_item(item, where, stored=stored)


def check_call(item: Json, where: str) -> None:
    require(item, where, "call_id", "name", CALLS[item["type"]])
    refuse_if(
        not matches(r"[a-zA-Z0-9_-]+", item["name"]),
        f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern "
        "'^[a-zA-Z0-9_-]+$'.",
        param=f"{where}.name",
    )
    check_call_id(item, where)


def require(item: Json, where: str, *names: str) -> None:
    for name in names:
        refuse_if(item.get(name) is None, f"Missing required parameter: '{where}.{name}'.", param=f"{where}.{name}")
        refuse_if(
            not isinstance(item[name], str),
            f"Invalid type for '{where}.{name}': expected a string.",
            param=f"{where}.{name}",
        )


def check_call_id(item: Json, where: str) -> None:
    length = len(item["call_id"])
    refuse_if(length == 0, f"Invalid '{where}.call_id': empty string.", param=f"{where}.call_id")
    refuse_if(
        length > 64,
        f"Invalid '{where}.call_id': string too long. Expected a string with maximum length 64, but got a string with "
        f"length {length} instead.",
        param=f"{where}.call_id",
    )


def check_message(item: Json, where: str) -> None:
    role = item.get("role")
    refuse_if(
        not isinstance(role, str) or role not in CONTENT,
        f"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
        param=f"{where}.role",
    )
    content = item.get("content")
    refuse_if(content is None, f"Missing required parameter: '{where}.content'.", param=f"{where}.content")
    if not isinstance(content, str):
        check_content(content, f"{where}.content", CONTENT[str(role)])
    phase = item.get("phase")
    refuse_if(
        phase not in (None, "commentary", "final_answer"),
        f"Invalid value: '{phase}'. Supported values are: 'commentary' and 'final_answer'.",
        param=f"{where}.phase",
    )
    refuse_if(phase and role != "assistant", f"Unknown parameter: '{where}.phase'.", param=f"{where}.phase")


def check_output(output: Any, where: str) -> None:
    refuse_if(output is None, f"Missing required parameter: '{where}'.", param=where)
    if not isinstance(output, str):
        check_content(output, where, INPUT)


def check_content(content: Any, where: str, allowed: dict[str, str | None]) -> None:
    refuse_if(
        not isinstance(content, list), f"Invalid type for '{where}': expected one of a string or array.", param=where
    )
    refuse_if(not content, f"Invalid '{where}': empty array. Expected an array with minimum length 1.", param=where)
    for k, part in enumerate(content):
        refuse_if(not isinstance(part, dict), f"Invalid type for '{where}[{k}]': expected an object.", param=where)
        kind = part.get("type")
        refuse_if(
            not isinstance(kind, str) or kind not in allowed,
            f"Invalid value: '{kind}'. Supported values are: {sorted(allowed)}.",
            param=f"{where}[{k}]",
        )
        field = allowed[kind]
        refuse_if(
            field and not isinstance(part.get(field), str),
            f"Missing required parameter: '{where}[{k}].{field}'.",
            param=f"{where}[{k}].{field}",
        )
        check_media(part, f"{where}[{k}]")


def check_media(part: Json, where: str) -> None:
    if part["type"] == "input_image":
        refuse_if(
            not part.get("image_url") and not part.get("file_id"),
            f"Missing required parameter: '{where}.image_url'.",
            param=f"{where}.image_url",
        )
        refuse_if(
            part.get("image_url") is not None and not matches(common.IMAGE_URL, part["image_url"]),
            f"Invalid '{where}.image_url'. Expected a valid URL, but got a value with an invalid format.",
            param=f"{where}.image_url",
        )
    if part["type"] == "input_file":
        refuse_if(
            not any(part.get(name) for name in ("file_id", "file_data", "file_url")),
            f"Missing required parameter: '{where}.file_id'.",
            param=f"{where}.file_id",
        )


def check_reasoning_item(item: Json, where: str, *, stored: bool) -> None:
    require(item, where, "id")
    summary = item.get("summary")
    refuse_if(summary is None, f"Missing required parameter: '{where}.summary'.", param=f"{where}.summary")
    refuse_if(
        not isinstance(summary, list)
        or not all(
            isinstance(part, dict) and part.get("type") == "summary_text" and isinstance(part.get("text"), str)
            for part in summary
        ),
        f"Invalid type for '{where}.summary': expected an array of summary_text.",
        param=f"{where}.summary",
    )
    if item.get("encrypted_content") is None and not stored:
        raise RefusedError(
            f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false. Try again "
            "with `store` set to true, or remove this item from your input.",
            status=404,
            param="input",
        )


def check_calls(items: list[Json]) -> None:
    called: list[str] = []
    waiting: list[tuple[str, str]] = []
    for item in items:
        kind = kind_of(item)
        if kind in CALLS:
            call_id = item["call_id"]
            refuse_if(call_id in called, f"Duplicate function call found with call_id {call_id}.", param="input")
            called.append(call_id)
            waiting.append((f"{kind}_output", call_id))
        elif kind in OUTPUTS:
            refuse_if(
                (kind, item["call_id"]) not in waiting,
                f"No tool call found for function call output with call_id {item['call_id']}.",
                param="input",
            )
            waiting.remove((kind, item["call_id"]))
    missing = "".join(call_id for _, call_id in waiting[:1])
    refuse_if(waiting, f"No tool output found for function call {missing}.", param="input")


def check_reasoning(items: list[Json]) -> None:
    """Refuse reasoning without what it led to, and what it led to without it."""
    ids: set[str] = set()
    for i, item in enumerate(items):
        item_id = item.get("id")
        refuse_if(
            item_id is not None and item_id in ids,
            f"Duplicate item found with id {item_id}. Remove duplicate items from your input and try again.",
            param="input",
        )
        ids.add(str(item_id))
        if kind_of(item) == "reasoning":
            following = next((other for other in items[i + 1 :] if kind_of(other) != "reasoning"), {})
            refuse_if(
                not is_said_by_model(following),
                f"Item '{item_id}' of type 'reasoning' was provided without its required following item.",
                param="input",
            )
        # Ids say what they belong to: `fc_00000700x1` and `msg_00000700x2` follow `rs_00000700`.
        led = re.fullmatch(r"(?:fc|msg)_(\d+)x\d+", str(item_id))
        refuse_if(
            led and f"rs_{led[1]}" not in ids,
            f"Item '{item_id}' of type '{kind_of(item)}' was provided without its required 'reasoning' item: "
            f"'rs_{led[1] if led else ''}'.",
            param="input",
        )


def is_said_by_model(item: Json) -> bool:
    kind = kind_of(item)
    return kind in CALLS or kind == "web_search_call" or (kind == "message" and item["role"] == "assistant")


def check_options(request: Json) -> None:
    common.check_numbers(request, temperature=(0, 2), top_p=(0, 1), max_output_tokens=(16, 1e9))
    tools = request.get("tools") or []
    refuse_if(not isinstance(tools, list), "Invalid type for 'tools': expected an array of objects.", param="tools")
    for k, tool in enumerate(tools):
        refuse_if(not isinstance(tool, dict) or "type" not in tool, f"Missing required parameter: 'tools[{k}].type'.")
        if tool["type"] == "function":
            common.check_function(tool, f"tools[{k}]")
    choice = request.get("tool_choice")
    names = [tool.get("name") for tool in tools]
    if isinstance(choice, dict) and choice.get("type") == "function":
        refuse_if(
            choice.get("name") not in names, f"Tool choice '{choice.get('name')}' not found in 'tools' parameter.",
            param="tool_choice",
        )  # fmt: skip
    check_text_format((request.get("text") or {}).get("format"))


def check_text_format(wanted: Any) -> None:
    if wanted is None:
        return
    kind = wanted.get("type")
    refuse_if(
        kind not in ("text", "json_object", "json_schema"),
        f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'.",
        param="text.format.type",
    )
    if kind == "json_schema":
        refuse_if(
            not matches(common.NAME, wanted.get("name")),
            "Missing required parameter: 'text.format.name'.",
            param="text.format.name",
        )
        refuse_if(
            not isinstance(wanted.get("schema"), dict),
            "Missing required parameter: 'text.format.schema'.",
            param="text.format.schema",
        )
        if wanted.get("strict"):
            common.check_strict(wanted["schema"], f"response_format '{wanted['name']}'", ())


def units(request: Json) -> list[Unit]:
    found = [Unit(canonical({"tool": tool})) for tool in request.get("tools") or []]
    if request.get("instructions"):
        found.append(Unit(canonical({"instructions": request["instructions"]})))
    given = request["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return [*found, *(unit_of(item, f"input[{i}]") for i, item in enumerate(items))]


def unit_of(item: Json, where: str) -> Unit:
    """Return an item without what the server adds to it: ids, status, annotations."""
    kind = kind_of(item)
    if kind == "message":
        field = "output_text" if item["role"] == "assistant" else "input_text"
        content = item["content"]
        parts = [{"type": field, "text": content}] if isinstance(content, str) else content
        slim = [{key: part[key] for key in part if key not in ("annotations", "logprobs")} for part in parts]
        return Unit(canonical({"role": item["role"], "content": slim, "phase": item.get("phase")}))
    if kind == "reasoning":
        seal = None
        if item.get("encrypted_content") is not None:
            seal = Seal(item["encrypted_content"], item["id"], where, kind)
        return Unit(canonical({"type": kind, "id": item["id"]}), seal=seal)
    kept = {key: item[key] for key in item if key not in ("id", "status")}
    return Unit(canonical(kept))


def reply(job: Job) -> Json:
    answer = job.answer
    before = list(job.prefix)
    output: list[Json] = []
    ids = job.call_ids("call_{}")
    for part in answer.parts:
        item = output_item(job, part, before, len(output))
        if isinstance(part, Call):
            item["call_id"] = next(ids)
        before.append(unit_of(item, "output"))
        output.append(item)
    thought = sum(count_tokens(part.text) for part in answer.of(Thinking))
    said = count_tokens(canonical([part for part in output if part["type"] != "reasoning"])) + thought
    status, reason = {
        "stop": ("completed", None),
        "length": ("incomplete", "max_output_tokens"),
        "filter": ("incomplete", "content_filter"),
    }[answer.stop]
    if output and status == "incomplete":
        output[-1]["status"] = "incomplete"
    used = {
        "input_tokens": job.input.total,
        "input_tokens_details": {"cached_tokens": job.input.read, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": job.input.total + said,
    }
    details = {"reason": reason} if reason else None
    return {**shell(job), "status": status, "incomplete_details": details, "output": output, "usage": used}


def output_item(job: Job, part: Part, before: list[Unit], index: int) -> Json:
    thoughts = sum(unit.seal is not None for unit in before[len(job.prefix) :])
    number = f"{job.number:06}{thoughts - 1:02}x{index}" if thoughts else f"{job.number:06}n{index}"
    if isinstance(part, Thinking):
        item_id = f"rs_{job.number:06}{thoughts:02}"
        summary = [] if part.redacted else [{"type": "summary_text", "text": part.text}]
        return {
            "id": item_id,
            "type": "reasoning",
            "summary": summary,
            "encrypted_content": job.sign(before, item_id),
        }
    if isinstance(part, Call):
        return {
            "id": f"fc_{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": "",
            "name": part.name,
            "arguments": part.arguments,
        }
    content: Json = {"type": "output_text", "annotations": [], "logprobs": [], "text": part.text}
    if isinstance(part, Refusal):
        content = {"type": "refusal", "refusal": part.text}
    is_comment = isinstance(part, Text) and bool(job.answer.of(Call))
    return {
        "id": f"msg_{number}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [content],
        "phase": "commentary" if is_comment else "final_answer",
    }


def shell(job: Job) -> Json:
    """Return the fields of a response that say what was asked."""
    request = job.request
    return {
        "id": f"resp_{job.number:06}",
        "object": "response",
        "created_at": 1_700_000_000 + job.number,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "max_tool_calls": None,
        "metadata": request.get("metadata") or {},
        "model": job.model,
        "output": [],
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": request.get("prompt_cache_key"),
        "reasoning": request.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
        "store": request.get("store", True),
        "temperature": request.get("temperature", 1.0),
        "text": request.get("text") or {"format": {"type": "text"}},
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools") or [],
        "top_p": request.get("top_p", 1.0),
        "truncation": request.get("truncation", "disabled"),
        "usage": None,
        "user": None,
    }


RESPONSES = Vendor(
    name="openai_responses",
    authorise=common.authorise,
    check=check,
    units=units,
    count=lambda cache, model, given: cache.automatic(model, given),
    reply=reply,
    stream=stream,
    broken_seal=common.broken_seal,
    failure=common.failure,
    error_body=common.error_body,
    error_event=error_event,
    too_long="Your input exceeds the context window of this model. Please adjust your input and try again.",
    request_id_header="x-request-id",
)
