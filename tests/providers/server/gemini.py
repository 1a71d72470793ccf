"""What does Gemini answer at `generateContent` and `streamGenerateContent`?"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

from tests.providers.server.gemini_rules import DUMMY_SIGNATURES, check
from tests.providers.server.prefix import Seal, Unit, canonical, count_tokens
from tests.providers.server.refusal import Json, RefusedError
from tests.providers.server.script import Call, Part, Refusal, Text, Thinking
from tests.providers.server.vendor import Job, Vendor, pieces, sse

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
FAILURES = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential.",
    403: "The caller does not have permission",
    404: "models/{model} is not found for API version v1beta, or is not supported for generateContent.",
    408: "Request timed out.",
    409: "The operation was aborted.",
    413: "Request payload size exceeds the limit: 20971520 bytes.",
    422: "Request contains an invalid argument.",
    429: "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.",
    500: "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    529: "The model is overloaded. Please try again later.",
}


def authorise(headers: Mapping[str, str], key: str | None) -> None:
    given = headers.get("x-goog-api-key")
    if not given:
        raise RefusedError(
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API.",
            status=403,
        )
    if key is not None and given != key:
        # 400 and not 401: so Google answers a key it does not know.
        raise RefusedError("API key not valid. Please pass a valid API key.", code="API_KEY_INVALID")


def failure(status: int, request: Json) -> RefusedError:
    text = FAILURES.get(status, f"Something went wrong ({status}).")
    return RefusedError(text.format(model=request.get("model")), status=status)


def error_body(refused: RefusedError) -> Json:
    name = STATUSES.get(refused.status, "UNKNOWN")
    error: Json = {"code": refused.status, "message": str(refused), "status": name}
    if refused.code == "API_KEY_INVALID":
        error["details"] = [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": refused.code,
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }
        ]
    if refused.status == 429:
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refused.param or 2}s"}
        ]
    return {"error": error}


def error_event(refused: RefusedError, _whole: Json, _number: int) -> bytes:
    return sse(error_body(refused), end="\r\n")


def broken_seal(seal: Seal, verdict: str) -> RefusedError:
    why = {
        "forged": "Corrupted thought signature.",
        "content": "Thought signature is not valid for this part.",
        "prefix": "Thought signature is not valid for the content before it.",
    }
    return RefusedError(f"* GenerateContentRequest.{seal.where}.thought_signature: {why[verdict]}\n")


def units(request: Json) -> list[Unit]:
    found = [Unit(canonical({"tool": tool})) for tool in request.get("tools") or []]
    if request.get("systemInstruction"):
        found.append(Unit(canonical({"system": request["systemInstruction"].get("parts")})))
    for i, content in enumerate(request["contents"]):
        found += units_of(content.get("role", "user"), content["parts"], f"contents[{i}]")
    return found


def units_of(role: str, parts: list[Json], where: str) -> list[Unit]:
    """Return parts as units; text that a stream cut in pieces is one again."""
    found: list[Unit] = []
    for k, part in enumerate(joined(parts) if role == "model" else parts):
        said = said_in(part)
        signature = part.get("thoughtSignature")
        seal = None
        if signature and not is_dummy(signature):
            seal = Seal(signature, signed_in(part), f"{where}.parts[{k}]", "part")
        found.append(Unit(canonical({"role": role, "part": said}), seal))
    return found


def said_in(part: Json) -> Json:
    said = {key: part[key] for key in part if key != "thoughtSignature"}
    if "functionCall" in said:
        said["functionCall"] = {**said["functionCall"], "args": said["functionCall"].get("args") or {}}
    return said


def signed_in(part: Json) -> str:
    """Return what a signature is of: the id of a call is not part of what the model thought of."""
    said = said_in(part)
    if "functionCall" in said:
        said["functionCall"].pop("id", None)
    return canonical(said)


def is_dummy(signature: str) -> bool:
    dummies = {base64.b64encode(dummy.encode()).decode() for dummy in DUMMY_SIGNATURES}
    return signature in DUMMY_SIGNATURES or signature.replace("-", "+").replace("_", "/") in dummies


def joined(parts: list[Json]) -> list[Json]:
    whole: list[Json] = []
    for part in parts:
        last = whole[-1] if whole else {}
        same = "text" in part and "text" in last and bool(part.get("thought")) == bool(last.get("thought"))
        if same and "thoughtSignature" not in last:
            whole[-1] = {**last, **part, "text": last["text"] + part["text"]}
        else:
            whole.append(part)
    return whole


def reply(job: Job) -> Json:
    answer = job.answer
    parts: list[Json] = []
    calls = 0
    for part in answer.parts:
        if isinstance(part, Refusal) or (isinstance(part, Thinking) and part.redacted):
            continue
        parts.append(part_for(part))
        # On the first of parallel calls only, and on the text that ends a reply.
        if signs(job) and (
            (isinstance(part, Call) and not calls) or (isinstance(part, Text) and part is answer.parts[-1])
        ):
            before = units_of("model", parts, "")[:-1]
            parts[-1]["thoughtSignature"] = job.sign([*job.prefix, *before], signed_in(joined(parts)[-1]))
        calls += isinstance(part, Call)
    finish = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}[answer.stop]
    candidate: Json = {"finishReason": "SAFETY" if answer.of(Refusal) else finish, "index": 0}
    if parts:
        candidate = {"content": {"parts": parts, "role": "model"}, **candidate}
    thought = sum(count_tokens(part.text) for part in answer.of(Thinking))
    return {
        "candidates": [candidate],
        "usageMetadata": usage(job, count_tokens(canonical(parts)), thought),
        "modelVersion": job.model,
        "responseId": f"resp-{job.number:06}",
    }


def signs(job: Job) -> bool:
    return bool(job.answer.of(Thinking)) or job.model.startswith("gemini-3")


def part_for(part: Part) -> Json:
    if isinstance(part, Call):
        call: Json = {"name": part.name, "args": json.loads(part.arguments)}
        return {"functionCall": {"id": part.call_id, **call} if part.call_id else call}
    if isinstance(part, Thinking):
        return {"text": part.text, "thought": True}
    return {"text": part.text}


def usage(job: Job, said: int, thought: int) -> Json:
    used = {
        "promptTokenCount": job.input.total,
        "candidatesTokenCount": said,
        "totalTokenCount": job.input.total + said + thought,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": job.input.total}],
    }
    if job.input.read:
        used["cachedContentTokenCount"] = job.input.read
        used["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": job.input.read}]
    if thought:
        used["thoughtsTokenCount"] = thought
    return used


def stream(whole: Json, _request: Json, cuts: Mapping[str, Sequence[str]]) -> list[bytes]:
    candidate = whole["candidates"][0]
    said: list[Json] = []
    for part in candidate.get("content", {}).get("parts", []):
        said += cut(part, cuts)
    chunks: list[Json] = [{"content": {"parts": [part], "role": "model"}, "index": 0} for part in said]
    if not chunks:
        chunks = [{"index": 0}]
    chunks[-1]["finishReason"] = candidate["finishReason"]
    tail = {"modelVersion": whole["modelVersion"], "responseId": whole["responseId"]}
    so_far = {"promptTokenCount": whole["usageMetadata"]["promptTokenCount"]}
    so_far["totalTokenCount"] = so_far["promptTokenCount"]
    used = [so_far] * (len(chunks) - 1) + [whole["usageMetadata"]]
    return [
        sse({"candidates": [chunk], "usageMetadata": counted, **tail}, end="\r\n")
        for chunk, counted in zip(chunks, used, strict=True)
    ]


def cut(part: Json, cuts: Mapping[str, Sequence[str]]) -> list[Json]:
    """Cut text in pieces; its signature comes in a part of its own with empty text."""
    if "text" not in part:
        return [part]
    flags = {"thought": True} if part.get("thought") else {}
    found: list[Json] = [{"text": piece, **flags} for piece in pieces(part["text"], cuts)]
    if "thoughtSignature" in part:
        found.append({"text": "", "thoughtSignature": part["thoughtSignature"], **flags})
    return found


GEMINI = Vendor(
    name="gemini",
    authorise=authorise,
    check=check,
    units=units,
    count=lambda cache, model, given: cache.automatic(model, given),
    reply=reply,
    stream=stream,
    broken_seal=broken_seal,
    failure=failure,
    error_body=error_body,
    error_event=error_event,
    too_long="The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    request_id_header="x-goog-request-id",
)
