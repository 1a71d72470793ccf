"""Which requests does Gemini refuse at `generateContent`?"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Any

from tests.providers.server.prefix import canonical
from tests.providers.server.refusal import Json, is_number, matches, refuse_if, words

KNOWN = words(
    "model contents systemInstruction tools toolConfig generationConfig safetySettings cachedContent labels store "
    "serviceTier"
)
GENERATION = words(
    "temperature topP topK candidateCount maxOutputTokens stopSequences responseLogprobs logprobs presencePenalty "
    "frequencyPenalty seed responseMimeType responseSchema responseJsonSchema responseModalities thinkingConfig "
    "mediaResolution speechConfig audioTimestamp imageConfig enableEnhancedCivicAnswers"
)
DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult")
PART = {
    *DATA,
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "mediaResolution",
    "partMetadata",
    "toolCall",
    "toolResponse",
}
# Their keys belong to the user and are not field names.
FREE = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
BASE64 = r"[A-Za-z0-9+/_-]*={0,2}"
MIME_TYPE = r"image/(png|jpeg|webp|heic|heif)|(audio|video|text)/[\w.+-]+|application/(pdf|json|rtf|x-javascript)"
# Said by Google's documentation to be taken for calls that no Gemini model made.
DUMMY_SIGNATURES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")


def camel(value: Any) -> Any:
    """Return a request with the field names of the JSON mapping, which takes `snake_case` as well."""
    if isinstance(value, list):
        return [camel(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    renamed = {re.sub(r"_([a-z])", lambda found: found[1].upper(), key): inner for key, inner in value.items()}
    return {key: inner if key in FREE else camel(inner) for key, inner in renamed.items()}


def check(request: Json) -> None:
    check_fields(request, KNOWN, "")
    contents = request.get("contents")
    refuse_if(contents is None or contents == [], "* GenerateContentRequest.contents: contents is not specified\n")
    refuse_if(not isinstance(contents, list), "Invalid value at 'contents', expected a list")
    assert isinstance(contents, list)
    for i, content in enumerate(contents):
        check_content(content, f"contents[{i}]")
    check_turns(contents)
    check_signatures(request, contents)
    if request.get("systemInstruction") is not None:
        check_system(request["systemInstruction"])
    check_tools(request.get("tools") or [])
    check_generation(request.get("generationConfig") or {})


def check_fields(value: Json, known: AbstractSet[str], where: str) -> None:
    for name in sorted(set(value) - known):
        place = f" at '{where}'" if where else ""
        refuse_if(name, f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def check_content(content: Any, where: str) -> None:
    refuse_if(not isinstance(content, dict), f"Invalid value at '{where}', expected an object")
    check_fields(content, {"role", "parts"}, where)
    refuse_if(content.get("role", "user") not in ("user", "model"), "Please use a valid role: user, model.")
    parts = content.get("parts")
    refuse_if(
        not isinstance(parts, list) or not parts,
        f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n",
    )
    assert isinstance(parts, list)
    for k, part in enumerate(parts):
        check_part(part, f"{where}.parts[{k}]", content.get("role", "user"))


def check_part(part: Any, where: str, role: str) -> None:
    refuse_if(not isinstance(part, dict), f"Invalid value at '{where}', expected an object")
    check_fields(part, PART, where)
    present = [name for name in DATA if part.get(name) is not None]
    refuse_if(
        not present,
        f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field\n",
    )
    refuse_if(len(present) > 1, f"Invalid value at '{where}' (oneof), oneof field 'data' is already set.")
    kind = present[0]
    if "thoughtSignature" in part:
        signature = part["thoughtSignature"]
        refuse_if(
            not matches(BASE64, signature) and signature not in DUMMY_SIGNATURES,
            f"Invalid value at '{where}.thought_signature' (TYPE_BYTES), Base64 decoding failed",
        )
    if kind == "text":
        check_text(part, where)
    elif kind in ("inlineData", "fileData"):
        check_media(part[kind], f"{where}.{kind}", kind)
        refuse_if(role == "model" and kind == "fileData", "File data is not supported in model turns.")
    elif kind in ("functionCall", "functionResponse"):
        check_function_part(part[kind], f"{where}.{kind}", kind)
        refuse_if(
            role != ("model" if kind == "functionCall" else "user"),
            "Please ensure that function call turns are from the model and function response turns from the user.",
        )


def check_text(part: Json, where: str) -> None:
    refuse_if(not isinstance(part["text"], str), f"Invalid value at '{where}.text' (TYPE_STRING)")
    # A stream may bring a signature in a part of its own, whose text is empty.
    refuse_if(
        not part["text"] and not part.get("thoughtSignature") and not part.get("thought"),
        "Unable to submit request because it must have a text parameter.",
    )


def check_media(data: Any, where: str, kind: str) -> None:
    refuse_if(not isinstance(data, dict), f"Invalid value at '{where}', expected an object")
    field = "data" if kind == "inlineData" else "fileUri"
    check_fields(data, {"mimeType", "displayName", field}, where)
    refuse_if(not data.get(field), f"Invalid value at '{where}': {field} is required")
    refuse_if(
        kind == "inlineData" and not matches(BASE64, data["data"] if kind == "inlineData" else ""),
        f"Invalid value at '{where}.data' (TYPE_BYTES), Base64 decoding failed",
    )
    refuse_if(
        not matches(MIME_TYPE, data.get("mimeType")) and (kind == "inlineData" or data.get("mimeType") is not None),
        f"Unable to process input: unsupported MIME type: {data.get('mimeType')}",
    )


def check_function_part(said: Any, where: str, kind: str) -> None:
    refuse_if(not isinstance(said, dict), f"Invalid value at '{where}', expected an object")
    check_fields(said, {"id", "name", "args", "response", "willContinue", "scheduling", "parts", "partialArgs"}, where)
    refuse_if(not said.get("name"), f"* GenerateContentRequest.{where}.name: Name cannot be empty.\n")
    refuse_if(
        not matches(r"[a-zA-Z_][\w.:-]{0,127}", said["name"]),
        f"* GenerateContentRequest.{where}.name: Invalid function name.\n",
    )
    for k, part in enumerate(said.get("parts") or []):
        for media in ("inlineData", "fileData"):
            if media in part:
                check_media(part[media], f"{where}.parts[{k}].{media}", media)
    field = "args" if kind == "functionCall" else "response"
    value = said.get(field)
    refuse_if(
        not isinstance(value, dict) and (value is not None or field == "response"),
        f"Invalid value at '{where}.{field}' (type.googleapis.com/google.protobuf.Struct), {value!r}",
    )


def named(content: Json, kind: str) -> list[Json]:
    return [part[kind] for part in content["parts"] if kind in part]


def check_turns(contents: list[Json]) -> None:
    roles = ["function" if named(content, "functionResponse") else content.get("role", "user") for content in contents]
    refuse_if(contents[0].get("role", "user") != "user", "First content should be with role 'user', got model")
    # A turn of results and what the user says next may stand one after the other; results are a role of their own.
    refuse_if(
        any(first == second for first, second in pairwise(roles)),
        "Please ensure that multiturn requests alternate between user and model.",
    )
    calls: list[Json] = []
    for content in contents:
        check_results(content, named(content, "functionResponse"), calls)
        calls = named(content, "functionCall")
    refuse_if(calls, "Please ensure that multiturn requests ends with a user role or a function response.")


def check_results(content: Json, answers: list[Json], calls: list[Json]) -> None:
    refuse_if(
        bool(answers) != bool(calls),
        "Please ensure that function response turn comes immediately after a function call turn.",
    )
    refuse_if(
        answers and len(content["parts"]) != len(calls),
        "Please ensure that the number of function response parts is equal to the number of function call parts of "
        "the function call turn.",
    )
    said = [sorted((one["name"], str(one.get("id"))) for one in side) for side in (answers, calls)]
    refuse_if(
        said[0] != said[1],
        "Please ensure that the names and ids of function responses match those of the function call turn.",
    )


def check_signatures(request: Json, contents: list[Json]) -> None:
    """Refuse a step of the current turn whose first call came without its signature; Gemini 3 needs it."""
    if not str(request.get("model")).startswith("gemini-3"):
        return
    asked = [i for i, content in enumerate(contents) if content.get("role", "user") == "user" and is_prompt(content)]
    for i in range(asked[-1] if asked else 0, len(contents)):
        with_calls = [(k, part) for k, part in enumerate(contents[i]["parts"]) if "functionCall" in part]
        for k, part in with_calls[:1]:
            refuse_if(
                not part.get("thoughtSignature"),
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{part['functionCall']['name']}` , position {k + 1}. Please refer to "
                "https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
            )


def is_prompt(content: Json) -> bool:
    return not named(content, "functionResponse")


def check_system(system: Any) -> None:
    refuse_if(not isinstance(system, dict), "Invalid value at 'system_instruction', expected an object")
    check_fields(system, {"role", "parts"}, "system_instruction")
    parts = system.get("parts")
    refuse_if(
        not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts),
        "* GenerateContentRequest.system_instruction.parts: must not be empty.\n",
    )
    assert isinstance(parts, list)
    for part in parts:
        refuse_if(not part.get("text"), "System instruction only supports text parts.")


def check_tools(tools: Any) -> None:
    refuse_if(not isinstance(tools, list), "Invalid value at 'tools', expected a list")
    names = []
    for i, tool in enumerate(tools):
        for k, declared in enumerate(tool.get("functionDeclarations") or []):
            where = f"tools[{i}].function_declarations[{k}]"
            refuse_if(
                not matches(r"[a-zA-Z_][\w.:-]{0,127}", declared.get("name")),
                f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an "
                "underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or "
                "dashes (-), with a maximum length of 128.\n",
            )
            refuse_if(
                "parameters" in declared and "parametersJsonSchema" in declared,
                f"* GenerateContentRequest.{where}: parameters and parameters_json_schema are mutually exclusive.\n",
            )
            check_schema(declared.get("parameters"), f"{where}.parameters")
            names.append(declared["name"])
    refuse_if(len(names) != len(set(names)), "Duplicate function declaration found.")


def check_schema(schema: Any, where: str) -> None:
    """Refuse what Google's own schema, a subset of OpenAPI 3.0, has no field for."""
    if schema is None:
        return
    refuse_if(not isinstance(schema, dict), f"Invalid value at '{where}', expected an object")
    known = words(
        "type format title description nullable enum maxItems minItems properties required minProperties "
        "maxProperties minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum "
        "additionalProperties defs ref"
    )
    check_fields(camel_keys(schema), known, where)
    for name, inner in (schema.get("properties") or {}).items():
        check_schema(inner, f"{where}.properties[{name}]")
    check_schema(schema.get("items"), f"{where}.items")


def camel_keys(value: Json) -> Json:
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), key): inner for key, inner in value.items()}


def check_generation(config: Any) -> None:
    refuse_if(not isinstance(config, dict), "Invalid value at 'generation_config', expected an object")
    check_fields(config, GENERATION, "generation_config")
    for name, low, high in (("temperature", 0, 2), ("topP", 0, 1), ("maxOutputTokens", 1, 1e9)):
        value = config.get(name)
        refuse_if(
            value is not None and not is_number(value, low, high),
            f"* GenerateContentRequest.generation_config.{name}: {name} must be in the range [{low}, {high}].\n",
        )
    wants_schema = config.get("responseSchema") or config.get("responseJsonSchema")
    refuse_if(
        wants_schema and config.get("responseMimeType") not in ("application/json", "text/x.enum"),
        "Function calling config or response schema is set, but response_mime_type is not 'application/json'. "
        f"Got {canonical(config.get('responseMimeType'))}.",
    )
    check_schema(config.get("responseSchema"), "generation_config.response_schema")
