"""In which events does OpenAI stream a response?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.providers.server.refusal import Json, RefusedError
from tests.providers.server.vendor import pieces, sse

Cuts = Mapping[str, Sequence[str]]


def stream(whole: Json, _request: Json, cuts: Cuts) -> list[bytes]:
    started = {**whole, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    events: list[Json] = [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
    ]
    for index, item in enumerate(whole["output"]):
        events += item_events(item, index, cuts)
    events.append({"type": f"response.{whole['status']}", "response": whole})
    return [sse({**event, "sequence_number": number}, event=event["type"]) for number, event in enumerate(events)]


def item_events(item: Json, index: int, cuts: Cuts) -> Iterator[Json]:
    at = {"output_index": index, "item_id": item["id"]}
    if item["type"] == "reasoning":
        # What is shown first is not the whole of it: only the item that is done counts.
        opened = {**item, "summary": [], "encrypted_content": item["encrypted_content"][:20]}
        inner = summary_events(item, at, cuts)
    elif item["type"] == "function_call":
        opened = {**item, "status": "in_progress", "arguments": ""}
        inner = argument_events(item, at, cuts)
    else:
        opened = {**item, "status": "in_progress", "content": []}
        inner = content_events(item, at, cuts)
    yield {"type": "response.output_item.added", "output_index": index, "item": opened}
    yield from inner
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def summary_events(item: Json, at: Json, cuts: Cuts) -> Iterator[Json]:
    for number, part in enumerate(item["summary"]):
        where = {**at, "summary_index": number}
        empty = {"type": "summary_text", "text": ""}
        yield {"type": "response.reasoning_summary_part.added", **where, "part": empty}
        for piece in pieces(part["text"], cuts):
            yield {"type": "response.reasoning_summary_text.delta", **where, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **where, "part": part}


def argument_events(item: Json, at: Json, cuts: Cuts) -> Iterator[Json]:
    for piece in pieces(item["arguments"], cuts):
        yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
    yield {
        "type": "response.function_call_arguments.done",
        **at,
        "name": item["name"],
        "arguments": item["arguments"],
    }


def content_events(item: Json, at: Json, cuts: Cuts) -> Iterator[Json]:
    for number, part in enumerate(item["content"]):
        where = {**at, "content_index": number}
        field = "refusal" if part["type"] == "refusal" else "text"
        kind = "response.refusal" if field == "refusal" else "response.output_text"
        extra: Json = {} if field == "refusal" else {"logprobs": []}
        yield {"type": "response.content_part.added", **where, "part": {**part, field: ""}}
        for piece in pieces(part[field], cuts):
            yield {"type": f"{kind}.delta", **where, "delta": piece, **extra}
        yield {"type": f"{kind}.done", **where, field: part[field], **extra}
        yield {"type": "response.content_part.done", **where, "part": part}


def error_event(refused: RefusedError, whole: Json, number: int) -> bytes:
    """Return the event of a response that failed while it was made."""
    code = refused.code or ("rate_limit_exceeded" if refused.status == 429 else "server_error")
    failed = {**whole, "status": "failed", "output": [], "usage": None}
    failed["error"] = {"code": code, "message": str(refused)}
    return sse({"type": "response.failed", "sequence_number": number, "response": failed}, event="response.failed")
