"""What do both OpenAI formats share? Keys, errors and schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.server.prefix import Seal
from tests.providers.server.refusal import Json, RefusedError, is_number, matches, refuse_if

IMAGE_URL = r"https?://\S+|data:image/(png|jpeg|jpg|gif|webp);base64,[A-Za-z0-9+/=\s]+"
NAME = r"[a-zA-Z0-9_-]{1,64}"


def authorise(headers: Mapping[str, str], key: str | None) -> None:
    given = headers.get("authorization", "")
    if not given.startswith("Bearer ") or not given[7:].strip():
        raise RefusedError(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
        )
    if key is not None and given[7:] != key:
        raise RefusedError(
            f"Incorrect API key provided: {given[7:11]}****. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            status=401,
            code="invalid_api_key",
        )


RATE_LIMIT = (
    "Rate limit reached for {model} in organization org-test on tokens per min (TPM): Limit 30000, Used 29000, "
    "Requested 2000. Please try again in 2s. Visit https://platform.openai.com/account/rate-limits to learn more."
)
FAILURES: dict[int, tuple[str, str | None]] = {
    400: ("We could not process your request.", None),
    401: ("Incorrect API key provided: sk-t****.", "invalid_api_key"),
    403: ("Country, region, or territory not supported", "unsupported_country_region_territory"),
    404: ("The model `{model}` does not exist or you do not have access to it.", "model_not_found"),
    408: ("Request timed out.", None),
    409: ("Conflict: the resource was changed by another request. Please try again.", None),
    413: ("Maximum content size limit (26214400) exceeded.", None),
    422: ("Unprocessable entity.", None),
    429: (
        RATE_LIMIT,
        "rate_limit_exceeded",
    ),
    500: ("The server had an error while processing your request. Sorry about that!", None),
    503: ("The engine is currently overloaded, please try again later", None),
}


def failure(status: int, request: Json) -> RefusedError:
    text, code = FAILURES.get(status, (f"Something went wrong ({status}).", None))
    return RefusedError(text.format(model=request.get("model")), status=status, code=code)


def error_body(refused: RefusedError) -> Json:
    return {"error": _error(refused)}


def _error(refused: RefusedError) -> Json:
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    if refused.status == 429:
        kind = refused.code if refused.code == "insufficient_quota" else "tokens"
    if refused.status == 403:
        kind = "request_forbidden"
    return {"message": str(refused), "type": kind, "param": refused.param, "code": refused.code}


def check_numbers(request: Json, **limits: tuple[float, float]) -> None:
    for name, (low, high) in limits.items():
        value = request.get(name)
        refuse_if(
            value is not None and not is_number(value, low, high),
            f"Invalid '{name}': expected a number from {low} to {high}, but got {value!r} instead.",
            param=name,
        )


def check_known(request: Json, known: frozenset[str]) -> None:
    extra = sorted(set(request) - known)
    refuse_if(extra, f"Unrecognized request argument supplied: {', '.join(extra)}")


def check_function(function: Any, where: str) -> None:
    """Refuse a function a model could not be given; *where* holds its name and parameters."""
    refuse_if(not isinstance(function, dict), f"Missing required parameter: '{where}'.", param=where)
    refuse_if("name" not in function, f"Missing required parameter: '{where}.name'.", param=f"{where}.name")
    refuse_if(
        not matches(NAME, function["name"]),
        f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern "
        "'^[a-zA-Z0-9_-]+$'.",
        param=f"{where}.name",
    )
    parameters = function.get("parameters")
    if parameters is not None:
        refuse_if(
            not isinstance(parameters, dict) or parameters.get("type", "object") != "object",
            f"Invalid schema for function '{function['name']}': schema must be a JSON Schema of 'type: \"object\"'.",
            param=f"{where}.parameters",
        )
        if function.get("strict"):
            check_strict(parameters, f"function '{function['name']}'", ())


def check_strict(schema: Any, name: str, path: tuple[str, ...]) -> None:
    """Refuse a schema that strict mode does not take: each object closed, each property required."""
    if not isinstance(schema, dict):
        return
    context = f"Invalid schema for {name}: In context={path}"
    if schema.get("type") == "object":
        refuse_if(
            schema.get("additionalProperties") is not False,
            f"{context}, 'additionalProperties' is required to be supplied and to be false.",
        )
        properties = schema.get("properties", {})
        missing = sorted(set(properties) - set(schema.get("required", [])))
        refuse_if(
            missing,
            f"{context}, 'required' is required to be supplied and to be an array including every key in properties. "
            f"Missing '{missing[0] if missing else ''}'.",
        )
        for key, inner in properties.items():
            check_strict(inner, name, (*path, "properties", key))
    check_strict(schema.get("items"), name, (*path, "items"))


def broken_seal(seal: Seal, verdict: str) -> RefusedError:
    reasons = {
        "forged": "Encrypted content could not be decrypted or parsed.",
        "content": "Encrypted content item_id did not match the target item id.",
        "prefix": "Encrypted content does not match the input that precedes it.",
    }
    return RefusedError(
        f"The encrypted content for item {seal.content} could not be verified. Reason: {reasons[verdict]}",
        code="invalid_encrypted_content",
        param=seal.where,
    )
