"""What does OpenAI take and answer at `/v1/chat/completions`?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.providers.server import openai_common as common
from tests.providers.server.prefix import Unit, canonical, count_tokens
from tests.providers.server.refusal import Json, RefusedError, matches, refuse_if, words
from tests.providers.server.script import Call, Refusal, Text, Thinking
from tests.providers.server.vendor import Job, Vendor, pieces, sse

PARTS = {
    "system": ["text"],
    "developer": ["text"],
    "tool": ["text"],
    "assistant": ["text", "refusal"],
    "user": ["text", "image_url", "input_audio", "file"],
}
KNOWN = words(
    "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
    "max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed "
    "service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user "
    "verbosity web_search_options"
)


def check(request: Json) -> None:
    refuse_if(not request.get("model"), "you must provide a model parameter")
    common.check_known(request, KNOWN)
    messages = request.get("messages")
    refuse_if(
        not isinstance(messages, list) or not messages,
        "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        param="messages",
    )
    assert isinstance(messages, list)
    check_messages(messages)
    check_options(request, messages)


def check_messages(messages: list[Any]) -> None:
    waiting: list[str] = []
    for i, message in enumerate(messages):
        refuse_if(not isinstance(message, dict), f"Invalid type for 'messages[{i}]': expected an object.")
        role = message.get("role")
        refuse_if(
            not isinstance(role, str) or role not in PARTS,
            f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'.",
            param=f"messages[{i}].role",
        )
        if role == "tool":
            answer_call(message, i, waiting)
        else:
            refuse_unanswered(waiting, i)
        check_name(message, i)
        calls = check_calls(message, i)
        check_content(message, i, has_calls=bool(calls))
        if role != "tool":
            waiting = calls
    refuse_unanswered(waiting, len(messages))


def answer_call(message: Json, i: int, waiting: list[str]) -> None:
    call_id = message.get("tool_call_id")
    refuse_if(
        not isinstance(call_id, str),
        f"Missing required parameter: 'messages[{i}].tool_call_id'.",
        param=f"messages[{i}].tool_call_id",
    )
    refuse_if(
        call_id not in waiting,
        "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
        param=f"messages[{i}].role",
    )
    waiting.remove(str(call_id))


def refuse_unanswered(waiting: list[str], i: int) -> None:
    refuse_if(
        waiting,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(waiting)}",
        param=f"messages[{i}].role",
    )


def check_name(message: Json, i: int) -> None:
    if "name" in message:
        name = message["name"]
        refuse_if(not isinstance(name, str), f"Invalid type for 'messages[{i}].name': expected a string.")
        refuse_if(
            not matches(r"[^\s<|\\/>]+", name),
            f"Invalid 'messages[{i}].name': string does not match pattern. Expected a string that matches the pattern "
            r"'^[^\s<|\\/>]+$'.",
        )


def check_calls(message: Json, i: int) -> list[str]:
    if "tool_calls" not in message:
        return []
    where = f"messages[{i}].tool_calls"
    calls = message["tool_calls"]
    refuse_if(message["role"] != "assistant", f"Unrecognized request argument supplied: {where}")
    refuse_if(not isinstance(calls, list), f"Invalid type for '{where}': expected an array of objects.")
    refuse_if(not calls, f"Invalid '{where}': empty array. Expected an array with minimum length 1.")
    ids: list[str] = []
    for k, call in enumerate(calls):
        check_call(call, f"{where}[{k}]")
        refuse_if(call["id"] in ids, f"Duplicate value for 'tool_call_id' of '{call['id']}' in message[{i}]")
        ids.append(call["id"])
    return ids


def check_call(call: Any, where: str) -> None:
    refuse_if(not isinstance(call, dict), f"Invalid type for '{where}': expected an object.")
    refuse_if(not call.get("id") or not isinstance(call["id"], str), f"Missing required parameter: '{where}.id'.")
    refuse_if(call.get("type") not in ("function", "custom"), f"Missing required parameter: '{where}.type'.")
    body = call.get(call["type"])
    refuse_if(not isinstance(body, dict), f"Missing required parameter: '{where}.function'.")
    name = body.get("name")
    refuse_if(not isinstance(name, str), f"Missing required parameter: '{where}.function.name'.")
    refuse_if(not matches(r"[\w-]+", name), f"Invalid '{where}.function.name': string does not match pattern.")
    said = body.get("arguments" if call["type"] == "function" else "input")
    refuse_if(not isinstance(said, str), f"Invalid type for '{where}.function.arguments': expected a string.")
    refuse_if(
        len(call["id"]) > 40,
        f"Invalid '{where}.id': string too long. Expected a string with maximum length 40, but got a string with "
        f"length {len(call['id'])} instead.",
    )


def check_content(message: Json, i: int, *, has_calls: bool) -> None:
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
        check_part(part, f"{where}[{k}]", PARTS[role])


def check_part(part: Any, where: str, allowed: list[str]) -> None:
    refuse_if(not isinstance(part, dict), f"Invalid type for '{where}': expected an object.")
    kind = part.get("type")
    refuse_if(kind not in allowed, f"Invalid value: '{kind}'. Supported values are: {allowed}", param=where)
    wanted: Any = str if kind in ("text", "refusal") else dict
    refuse_if(not isinstance(part.get(kind), wanted), f"Missing required parameter: '{where}.{kind}'.")
    if kind == "image_url":
        url = part["image_url"].get("url")
        refuse_if(url is None, f"Missing required parameter: '{where}.image_url.url'.")
        refuse_if(
            matches(r"data:image/(?!png|jpeg|jpg|gif|webp)[\w.+-]+;.*", url),
            "You uploaded an unsupported image. Please make sure your image has one of the following formats: "
            "['png', 'jpeg', 'gif', 'webp'].",
            param=f"{where}.image_url.url",
        )
        refuse_if(
            not matches(common.IMAGE_URL, url),
            "Invalid image URL. Expected a valid URL, but got a value with an invalid format.",
            param=f"{where}.image_url.url",
        )
    if kind == "file":
        file = part["file"]
        refuse_if(not (file.get("file_id") or file.get("file_data")), f"Missing required parameter: '{where}.file_id'.")


def check_options(request: Json, messages: list[Any]) -> None:
    common.check_numbers(request, temperature=(0, 2), top_p=(0, 1), presence_penalty=(-2, 2), frequency_penalty=(-2, 2))
    common.check_numbers(request, max_tokens=(1, 1e9), max_completion_tokens=(1, 1e9), n=(1, 128))
    refuse_if(
        request.get("stream_options") is not None and not request.get("stream"),
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        param="stream_options",
    )
    tools = request.get("tools")
    if tools is not None:
        check_tools(tools)
    refuse_if(
        request.get("tool_choice") is not None and not tools,
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        param="tool_choice",
    )
    if isinstance(request.get("tool_choice"), dict) and request["tool_choice"].get("type") == "function":
        wanted = request["tool_choice"]["function"]["name"]
        names = [tool["function"]["name"] for tool in tools or [] if tool["type"] == "function"]
        refuse_if(wanted not in names, f"Invalid value for 'tool_choice': function '{wanted}' not found in 'tools'.")
    check_response_format(request.get("response_format"), messages)


def check_tools(tools: Any) -> None:
    refuse_if(not isinstance(tools, list), "Invalid type for 'tools': expected an array of objects.", param="tools")
    refuse_if(not tools, "Invalid 'tools': empty array. Expected an array with minimum length 1.", param="tools")
    for k, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        refuse_if(kind not in ("function", "custom"), f"Missing required parameter: 'tools[{k}].type'.")
        if kind == "function":
            common.check_function(tool.get("function"), f"tools[{k}].function")


def check_response_format(wanted: Any, messages: list[Any]) -> None:
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    refuse_if(
        kind not in ("text", "json_object", "json_schema"),
        f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'.",
        param="response_format.type",
    )
    refuse_if(
        kind == "json_object" and "json" not in canonical(messages).lower(),
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        param="messages",
    )
    if kind == "json_schema":
        schema = wanted.get("json_schema")
        refuse_if(not isinstance(schema, dict), "Missing required parameter: 'response_format.json_schema'.")
        refuse_if(
            not matches(common.NAME, schema.get("name")),
            "Missing required parameter: 'response_format.json_schema.name'.",
        )
        if schema.get("strict"):
            common.check_strict(schema.get("schema"), f"response_format '{schema['name']}'", ())


def units(request: Json) -> list[Unit]:
    tools = [Unit(canonical({"tool": tool})) for tool in request.get("tools") or []]
    return [*tools, *(Unit(canonical(message)) for message in request["messages"])]


def reply(job: Job) -> Json:
    answer = job.answer
    ids = job.call_ids("call_{}")
    calls = [
        {"id": next(ids), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.of(Call)
    ]
    text = "".join(part.text for part in answer.of(Text))
    refusal = "".join(part.text for part in answer.of(Refusal))
    message: Json = {"role": "assistant", "content": text or None, "refusal": refusal or None, "annotations": []}
    if calls:
        message["tool_calls"] = calls
    elif not refusal:
        message["content"] = text
    # The thinking is not shown in this format; it is counted all the same.
    thought = sum(count_tokens(part.text) for part in answer.of(Thinking))
    finish = {"stop": "tool_calls" if calls else "stop", "length": "length", "filter": "content_filter"}[answer.stop]
    return {
        "id": f"chatcmpl-{job.number:06}",
        "object": "chat.completion",
        "created": 1_700_000_000 + job.number,
        "model": job.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage(job, count_tokens(canonical(message)) + thought, thought),
        "service_tier": "default",
        "system_fingerprint": "fp_test",
    }


def usage(job: Job, said: int, thought: int) -> Json:
    return {
        "prompt_tokens": job.input.total,
        "completion_tokens": said,
        "total_tokens": job.input.total + said,
        "prompt_tokens_details": {"cached_tokens": job.input.read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thought,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def stream(whole: Json, request: Json, cuts: Mapping[str, Sequence[str]]) -> list[bytes]:
    choice = whole["choices"][0]
    wants_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    head = {key: whole[key] for key in ("id", "created", "model", "service_tier", "system_fingerprint")}

    def chunk(choices: list[Json], used: Json | None = None) -> bytes:
        data = {**head, "object": "chat.completion.chunk", "choices": choices}
        return sse({**data, "usage": used} if wants_usage else data)

    def delta(content: Json, finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish}])

    events = [delta(change) for change in deltas(choice["message"], cuts)]
    events.append(delta({}, choice["finish_reason"]))
    if wants_usage:
        events.append(chunk([], whole["usage"]))
    return [*events, sse("[DONE]")]


def deltas(message: Json, cuts: Mapping[str, Sequence[str]]) -> list[Json]:
    first = {"role": "assistant", "content": None if message["content"] is None else "", "refusal": None}
    changes: list[Json] = [first]
    changes += [{"content": piece} for piece in pieces(message["content"] or "", cuts)]
    changes += [{"refusal": piece} for piece in pieces(message["refusal"] or "", cuts)]
    for index, call in enumerate(message.get("tool_calls", [])):
        opened = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        changes.append({"tool_calls": [{"index": index, **opened}]})
        changes += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in pieces(call["function"]["arguments"], cuts)
        ]
    return changes


def error_event(refused: RefusedError, _whole: Json, _number: int) -> bytes:
    return sse(common.error_body(refused))


CHAT = Vendor(
    name="openai_chat",
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
    too_long=(
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens. "
        "Please reduce the length of the messages."
    ),
    request_id_header="x-request-id",
)
