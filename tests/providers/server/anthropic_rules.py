"""Which requests does Anthropic refuse at `/v1/messages`?"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.providers.server.refusal import Json, is_number, matches, refuse_if, words

KNOWN = words(
    "max_tokens messages model cache_control container diagnostics inference_geo metadata output_config "
    "service_tier speed stop_sequences stream system temperature thinking tool_choice tools top_k top_p "
    "user_profile_id"
)
REQUIRED: dict[str, dict[str, Any]] = {
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
USER_ONLY = {"image", "document", "tool_result", "search_result"}
ASSISTANT_ONLY = {"tool_use", "server_tool_use", "thinking", "redacted_thinking"}
THINKING = ("thinking", "redacted_thinking")
NEXT_MESSAGE = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
Block = dict[str, Any]


def check(request: Json) -> None:
    refuse_if(not request.get("model"), "model: Field required")
    refuse_if("max_tokens" not in request, "max_tokens: Field required")
    refuse_if(
        not isinstance(request["max_tokens"], int) or isinstance(request["max_tokens"], bool),
        "max_tokens: Input should be a valid integer",
    )
    # 0 fills the prompt cache and answers nothing.
    refuse_if(request["max_tokens"] < 0, "max_tokens: must be greater than or equal to 0")
    extra = sorted(set(request) - KNOWN)
    refuse_if(extra, f"{extra[0] if extra else ''}: Extra inputs are not permitted")
    messages = request.get("messages")
    refuse_if(not isinstance(messages, list) or not messages, "messages: at least one message is required")
    assert isinstance(messages, list)
    tools = request.get("tools") or []
    marked: list[Block] = check_tools(tools)
    if request.get("system") is not None:
        check_system(request["system"], marked)
    turns = [check_message(message, i, marked) for i, message in enumerate(messages)]
    check_roles(messages)
    check_exchanges(turns, has_tools=bool(tools))
    check_ends(messages, turns)
    check_breakpoints([*marked, *([request] if request.get("cache_control") else [])])
    check_options(request, tools)
    check_thinking(request, messages, turns)


def check_tools(tools: Any) -> list[Block]:
    refuse_if(not isinstance(tools, list), "tools: Input should be a valid list")
    names = []
    for k, tool in enumerate(tools):
        refuse_if(not isinstance(tool, dict), f"tools.{k}: Input should be a valid dictionary")
        if tool.get("type") not in (None, "custom"):
            continue
        refuse_if("name" not in tool, f"tools.{k}.custom.name: Field required")
        refuse_if(
            not matches(r"[a-zA-Z0-9_-]{1,128}", tool["name"]),
            f"tools.{k}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'",
        )
        schema = tool.get("input_schema")
        refuse_if(not isinstance(schema, dict), f"tools.{k}.custom.input_schema: Field required")
        assert isinstance(schema, dict)
        refuse_if(schema.get("type") != "object", f"tools.{k}.custom.input_schema.type: Input should be 'object'")
        names.append(tool["name"])
    refuse_if(len(names) != len(set(names)), "tools: Tool names must be unique.")
    return [tool for tool in tools if tool.get("cache_control")]


def check_system(system: Any, marked: list[Block]) -> None:
    if isinstance(system, str):
        refuse_if(not system.strip(), "system: text content blocks must contain non-whitespace text")
        return
    refuse_if(not isinstance(system, list), "system: Input should be a valid list")
    for i, block in enumerate(system):
        refuse_if(
            not isinstance(block, dict) or block.get("type") != "text", f"system.{i}.type: Input should be 'text'"
        )
        check_block(block, f"system.{i}", marked)


def check_message(message: Any, i: int, marked: list[Block]) -> list[Block]:
    refuse_if(not isinstance(message, dict), f"messages.{i}: Input should be a valid dictionary")
    role, content = message.get("role"), message.get("content")
    refuse_if(
        role not in ("user", "assistant"),
        f'messages: Unexpected role "{role}". Allowed roles are "user" or "assistant".',
    )
    extra = set(message) - {"role", "content"}
    refuse_if(extra, f"messages.{i}.{min(extra, default='')}: Extra inputs are not permitted")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    refuse_if(not isinstance(content, list), f"messages.{i}.content: Input should be a valid list")
    assert isinstance(content, list)
    for k, block in enumerate(content):
        where = f"messages.{i}.content.{k}"
        check_block(block, where, marked)
        kind = block["type"]
        refuse_if(role == "assistant" and kind in USER_ONLY, f"{where}: `{kind}` blocks can only be in `user` messages")
        refuse_if(
            role == "user" and kind in ASSISTANT_ONLY, f"{where}: `{kind}` blocks can only be in `assistant` messages"
        )
    return content


def check_block(block: Any, where: str, marked: list[Block]) -> None:
    refuse_if(not isinstance(block, dict), f"{where}: Input should be a valid dictionary")
    kind = block.get("type")
    refuse_if(
        not isinstance(kind, str) or kind not in REQUIRED,
        f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags",
    )
    for name, wanted in REQUIRED[kind].items():
        refuse_if(name not in block, f"{where}.{kind}.{name}: Field required")
        refuse_if(
            not isinstance(block[name], wanted), f"{where}.{kind}.{name}: Input should be a valid {wanted.__name__}"
        )
    refuse_if(
        kind == "text" and not block["text"].strip(), "messages: text content blocks must contain non-whitespace text"
    )
    if kind in ("image", "document"):
        check_source(kind, block["source"], where)
    if kind in ("tool_use", "tool_result"):
        check_tool_block(block, where, marked)
    if block.get("cache_control"):
        refuse_if(kind in THINKING, f"{where}.{kind}.cache_control: Extra inputs are not permitted")
        marked.append(block)


def check_tool_block(block: Block, where: str, marked: list[Block]) -> None:
    field = "id" if block["type"] == "tool_use" else "tool_use_id"
    refuse_if(
        not matches(r"[a-zA-Z0-9_-]+", block[field]),
        f"{where}.{block['type']}.{field}: String should match pattern '^[a-zA-Z0-9_-]+$'",
    )
    if block["type"] == "tool_use":
        refuse_if(
            not matches(r"[a-zA-Z0-9_-]{1,128}", block["name"]),
            f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'",
        )
        return
    if isinstance(block.get("content", ""), str):
        return
    refuse_if(not isinstance(block["content"], list), f"{where}.content: Input should be a valid list")
    for k, part in enumerate(block["content"]):
        check_block(part, f"{where}.content.{k}", marked)
        refuse_if(
            part["type"] not in ("text", "image", "document", "search_result"),
            f"{where}.content.{k}: Input tag '{part['type']}' not expected",
        )


def check_source(kind: str, source: Json, where: str) -> None:
    if source.get("type") == "url":
        refuse_if(not matches(r"https://\S+", source.get("url")), f"{where}.source.url: Only HTTPS URLs are supported.")
    if source.get("type") != "base64":
        return
    types = ["image/jpeg", "image/png", "image/gif", "image/webp"] if kind == "image" else ["application/pdf"]
    refuse_if(
        source.get("media_type") not in types,
        f"{where}.{kind}.source.base64.media_type: Input should be one of {types}",
    )
    refuse_if(
        not matches(r"[A-Za-z0-9+/]+={0,2}", source.get("data")),
        f"{where}.{kind}.source.base64.data: invalid base64 data",
    )


def check_roles(messages: list[Json]) -> None:
    refuse_if(messages[0]["role"] != "user", 'messages: first message must use the "user" role')
    for before, after in pairwise(messages):
        refuse_if(
            before["role"] == after["role"],
            f'messages: roles must alternate between "user" and "assistant", but found multiple "{after["role"]}" '
            "roles in a row",
        )


def check_exchanges(turns: list[list[Block]], *, has_tools: bool) -> None:
    every: list[str] = []
    previous: list[str] = []
    for i, blocks in enumerate(turns):
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        check_results(i, blocks, results, previous)
        previous = [block["id"] for block in blocks if block["type"] == "tool_use"]
        every.extend(previous)
        refuse_if(
            (results or previous) and not has_tools,
            "Requests which include `tool_use` or `tool_result` blocks must define tools",
        )
    refuse_if(
        previous,
        f"messages.{len(turns) - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(previous)}. {NEXT_MESSAGE}",
    )
    refuse_if(len(every) != len(set(every)), "messages: `tool_use` ids must be unique")


def check_results(i: int, blocks: list[Block], results: list[str], previous: list[str]) -> None:
    for call_id in results:
        refuse_if(
            call_id not in previous,
            f"messages.{i}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each "
            "`tool_result` block must have a corresponding `tool_use` block in the previous message.",
        )
        refuse_if(
            results.count(call_id) > 1,
            f"messages.{i}: each tool_use must have a single result. Found multiple `tool_result` "
            f"blocks with id: {call_id}",
        )
    in_front = {block["type"] for block in blocks[: len(results)]} <= {"tool_result"}
    missing = [call_id for call_id in previous if call_id not in results or not in_front]
    refuse_if(
        missing,
        f"messages.{i - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(missing)}. {NEXT_MESSAGE}",
    )


def check_ends(messages: list[Json], turns: list[list[Block]]) -> None:
    last = len(messages) - 1
    for i, (message, blocks) in enumerate(zip(messages, turns, strict=True)):
        optional = i == last and message["role"] == "assistant"
        refuse_if(
            not blocks and not optional,
            f"messages.{i}: all messages must have non-empty content except for the optional final assistant message",
        )
        kind = blocks[-1]["type"] if blocks else ""
        refuse_if(
            message["role"] == "assistant" and kind in THINKING,
            f"messages.{i}: The final block in an assistant message cannot be `{kind}`.",
        )
    if messages[last]["role"] == "assistant" and turns[last] and turns[last][-1]["type"] == "text":
        text = turns[last][-1]["text"]
        refuse_if(text.rstrip() != text, "messages: final assistant content cannot end with trailing whitespace")


def check_breakpoints(marked: list[Block]) -> None:
    refuse_if(len(marked) > 4, f"A maximum of 4 blocks with cache_control may be provided. Found {len(marked)}.")
    for block in marked:
        mark = block["cache_control"]
        refuse_if(
            not isinstance(mark, dict) or mark.get("type") != "ephemeral" or mark.get("ttl", "5m") not in ("5m", "1h"),
            "cache_control: Input should be {'type': 'ephemeral', 'ttl': '5m' or '1h'}",
        )
    ttls = [block["cache_control"].get("ttl", "5m") for block in marked]
    refuse_if(
        ttls != sorted(ttls),
        "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are "
        "processed in the following order: `tools`, `system`, `messages`.",
    )


def check_options(request: Json, tools: list[Json]) -> None:
    for name, high in (("temperature", 1), ("top_p", 1)):
        value = request.get(name)
        refuse_if(value is not None and not is_number(value, 0, high), f"{name}: range: 0..{high}")
    stops = request.get("stop_sequences") or []
    refuse_if(
        not all(isinstance(stop, str) and stop.strip() for stop in stops),
        "stop_sequences: each stop sequence must contain non-whitespace",
    )
    choice = request.get("tool_choice")
    if choice is not None:
        kind = choice.get("type")
        refuse_if(
            kind not in ("auto", "any", "tool", "none"),
            f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags",
        )
        refuse_if(not tools, "tool_choice: tool_choice may only be specified while providing tools.")
        refuse_if(
            kind == "tool" and choice.get("name") not in [tool.get("name") for tool in tools],
            f"Tool '{choice.get('name')}' not found in provided tools",
        )
    wanted = (request.get("output_config") or {}).get("format")
    if wanted is not None:
        refuse_if(wanted.get("type") != "json_schema", "output_config.format.type: Input should be 'json_schema'")
        check_schema(wanted.get("schema"))


def check_schema(schema: Any) -> None:
    refuse_if(not isinstance(schema, dict), "output_config.format.schema: Field required")
    if schema.get("type") == "object":
        refuse_if(
            schema.get("additionalProperties") is not False,
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        )
        for inner in schema.get("properties", {}).values():
            check_schema(inner)
    if isinstance(schema.get("items"), dict):
        check_schema(schema["items"])


def check_thinking(request: Json, messages: list[Json], turns: list[list[Block]]) -> None:
    wanted = request.get("thinking")
    if wanted is None:
        return
    kind = wanted.get("type")
    refuse_if(
        kind not in ("enabled", "disabled", "adaptive", "between_tools"),
        f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'disabled', "
        "'enabled', 'adaptive'",
    )
    if kind == "disabled":
        return
    forced = (request.get("tool_choice") or {}).get("type") in ("any", "tool")
    refuse_if(forced, "Thinking may not be enabled when tool_choice forces tool use.")
    refuse_if(request.get("temperature", 1) != 1, "`temperature` may only be set to 1 when thinking is enabled.")
    if kind != "enabled":
        return
    budget = wanted.get("budget_tokens")
    refuse_if(budget is None, "thinking.enabled.budget_tokens: Field required")
    refuse_if(budget < 1024, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    refuse_if(
        request["max_tokens"] <= budget,
        "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
        "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
    )
    check_turn_begins_with_thinking(messages, turns)


def check_turn_begins_with_thinking(messages: list[Json], turns: list[list[Block]]) -> None:
    """Refuse a tool loop under way whose assistant message lost its thinking."""
    if messages[-1]["role"] == "user" and not any(block["type"] == "tool_result" for block in turns[-1]):
        return
    at = len(messages) - (1 if messages[-1]["role"] == "assistant" else 2)
    if at < 0 or not turns[at]:
        return
    kind = turns[at][0]["type"]
    refuse_if(
        kind not in THINKING,
        f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kind}`. When "
        "`thinking` is enabled, a final `assistant` message must start with a thinking block. To avoid this "
        "requirement, disable `thinking`.",
    )
