"""What does Anthropic answer at `/v1/messages`?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.providers.server.anthropic_rules import check
from tests.providers.server.prefix import Seal, Unit, canonical, count_tokens
from tests.providers.server.refusal import Json, RefusedError
from tests.providers.server.script import Call, Part, Refusal, Text, Thinking
from tests.providers.server.vendor import Job, Vendor, pieces, sse

VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
FAILURES = {
    400: "We could not process your request.",
    401: "invalid x-api-key",
    403: "Your API key does not have permission to use the specified resource.",
    404: "model: {model}",
    408: "Request timed out.",
    409: "Conflict: the resource was changed by another request.",
    413: "Request exceeds the maximum size",
    422: "Unprocessable entity.",
    429: "This request would exceed your organization's rate limit of 30,000 input tokens per minute.",
    500: "Internal server error",
    503: "Service unavailable",
    529: "Overloaded",
}


def authorise(headers: Mapping[str, str], key: str | None) -> None:
    # Clients before 2.0 send the key in `x-api-key`, later ones as a bearer token; both are taken.
    given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not given:
        raise RefusedError("x-api-key header is required", status=401)
    if key is not None and given != key:
        raise RefusedError("invalid x-api-key", status=401)
    if not headers.get("anthropic-version"):
        raise RefusedError("anthropic-version: header is required")
    if headers["anthropic-version"] not in VERSIONS:
        raise RefusedError(f'anthropic-version: "{headers["anthropic-version"]}" is not a valid version')


def failure(status: int, request: Json) -> RefusedError:
    text = FAILURES.get(status, f"Something went wrong ({status}).")
    return RefusedError(text.format(model=request.get("model")), status=status)


def error_body(refused: RefusedError) -> Json:
    kind = ERROR_TYPES.get(refused.status, "api_error" if refused.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": str(refused)}, "request_id": "req_test"}


def error_event(refused: RefusedError, _whole: Json, _number: int) -> bytes:
    return sse(error_body(refused), event="error")


def broken_seal(seal: Seal, verdict: str) -> RefusedError:
    if verdict == "content":
        return RefusedError(
            f"{seal.where}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
            "modified. These blocks must remain as they were in the original response."
        )
    field = "signature" if seal.kind == "thinking" else "data"
    why = " The content before this block is not what it was produced from." if verdict == "prefix" else ""
    return RefusedError(f"{seal.where}: Invalid `{field}` in `{seal.kind}` block.{why}")


def units(request: Json) -> list[Unit]:
    found = [Unit(canonical({"tool": tool}), mark=mark_of(tool)) for tool in request.get("tools") or []]
    system = request.get("system") or []
    found += [Unit(canonical({"system": block}), mark=mark_of(block)) for block in blocks_of(system)]
    for i, message in enumerate(request["messages"]):
        blocks = blocks_of(message["content"])
        found += [unit_of(message["role"], block, f"messages.{i}.content.{k}") for k, block in enumerate(blocks)]
    if request.get("cache_control") and found:
        last = found[-1]
        found[-1] = Unit(last.text, last.seal, mark_of(request))
    return found


def mark_of(block: Json) -> str | None:
    mark = block.get("cache_control")
    return mark.get("ttl", "5m") if mark else None


def blocks_of(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def unit_of(role: str, block: Json, where: str) -> Unit:
    mark = mark_of(block)
    if block["type"] == "tool_result":
        block = {**block, "content": blocks_of(block.get("content") or ""), "is_error": block.get("is_error") or None}
        inner = [mark_of(part) for part in block["content"]]
        mark = mark or next((each for each in inner if each), None)
    text = canonical({"role": role, "block": block})
    if block["type"] == "thinking":
        return Unit(text, Seal(block["signature"], block["thinking"], where, "thinking"))
    if block["type"] == "redacted_thinking":
        return Unit(text, Seal(block["data"], "", where, "redacted_thinking"))
    return Unit(text, mark=mark)


def reply(job: Job) -> Json:
    answer = job.answer
    before = list(job.prefix)
    content: list[Json] = []
    ids = job.call_ids("toolu_{}")
    for part in answer.parts:
        if isinstance(part, Refusal):
            continue
        block = block_for(job, part, before)
        if isinstance(part, Call):
            block["id"] = next(ids)
        before.append(unit_of("assistant", block, ""))
        content.append(block)
    refusals = answer.of(Refusal)
    reason: str = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal"}[answer.stop]
    if answer.stop == "stop" and answer.of(Call):
        reason = "tool_use"
    whole = {
        "id": f"msg_{job.number:06}",
        "type": "message",
        "role": "assistant",
        "model": job.model,
        "content": content,
        "stop_reason": "refusal" if refusals else reason,
        "stop_sequence": None,
        "usage": usage(job, count_tokens(canonical(content))),
    }
    if refusals:
        whole["stop_details"] = {"type": "refusal", "category": None, "explanation": refusals[0].text}
    return whole


def block_for(job: Job, part: Part, before: list[Unit]) -> Json:
    if isinstance(part, Thinking):
        if part.redacted:
            return {"type": "redacted_thinking", "data": job.sign(before, "")}
        shown = "" if (job.request.get("thinking") or {}).get("display") == "omitted" else part.text
        return {"type": "thinking", "thinking": shown, "signature": job.sign(before, shown)}
    if isinstance(part, Call):
        return {"type": "tool_use", "id": "", "name": part.name, "input": json.loads(part.arguments)}
    assert isinstance(part, Text)
    return {"type": "text", "text": part.text}


def usage(job: Job, said: int) -> Json:
    used = job.input
    return {
        "input_tokens": used.plain,
        "cache_creation_input_tokens": used.written_5m + used.written_1h,
        "cache_read_input_tokens": used.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.written_5m,
            "ephemeral_1h_input_tokens": used.written_1h,
        },
        "output_tokens": said,
        "service_tier": "standard",
    }


def stream(whole: Json, _request: Json, cuts: Mapping[str, Sequence[str]]) -> list[bytes]:
    started = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    started.pop("stop_details", None)
    events: list[Json] = [{"type": "message_start", "message": started}]
    for index, block in enumerate(whole["content"]):
        opened, deltas = opening(block, cuts)
        events.append({"type": "content_block_start", "index": index, "content_block": opened})
        if index == 0:
            events.append({"type": "ping"})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    if "stop_details" in whole:
        ended["stop_details"] = whole["stop_details"]
    counted = {key: value for key, value in whole["usage"].items() if isinstance(value, int)}
    events.append({"type": "message_delta", "delta": ended, "usage": counted})
    events.append({"type": "message_stop"})
    return [sse(event, event=event["type"]) for event in events]


def opening(block: Json, cuts: Mapping[str, Sequence[str]]) -> tuple[Json, Iterator[Json]]:
    """Return a block as a stream opens it, and what is added to it then."""
    if block["type"] == "text":
        return {**block, "text": ""}, ({"type": "text_delta", "text": piece} for piece in pieces(block["text"], cuts))
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, thinking_deltas(block, cuts)
    if block["type"] == "tool_use":
        arguments = json.dumps(block["input"], ensure_ascii=False)
        said = ["", *pieces(arguments, cuts)] if block["input"] else [""]
        return {**block, "input": {}}, ({"type": "input_json_delta", "partial_json": piece} for piece in said)
    return block, iter(())


def thinking_deltas(block: Json, cuts: Mapping[str, Sequence[str]]) -> Iterator[Json]:
    for piece in pieces(block["thinking"], cuts):
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": block["signature"]}


MESSAGES = Vendor(
    name="anthropic",
    authorise=authorise,
    check=check,
    units=units,
    count=lambda cache, model, given: cache.marked(model, given),
    reply=reply,
    stream=stream,
    broken_seal=broken_seal,
    failure=failure,
    error_body=error_body,
    error_event=error_event,
    too_long="prompt is too long: 205108 tokens > 200000 maximum",
    request_id_header="request-id",
)
