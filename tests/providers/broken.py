"""Requests each provider refuses, by what is wrong with them, with the rule that says so."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def _call(call_id: Any = "c1", **function: Any) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}", **function}}


def _assistant(*calls: Any, **fields: Any) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **fields}


def _tool(call_id: str = "c1", **fields: Any) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": "ok", **fields}


HI: Json = {"role": "user", "content": "hi"}

OPENAI: dict[str, tuple[str, Any]] = {
    "no message": ("openai.messages.empty", []),
    "message is text": ("openai.message.role", ["hi"]),
    "unknown role": ("openai.message.role", [{"role": "human", "content": "x"}]),
    "deprecated function role": ("openai.message.role", [{"role": "function", "name": "f", "content": "x"}]),
    "content is a number": ("openai.content.type", [{"role": "user", "content": 7}]),
    "content is a list of texts": ("openai.content.type", [{"role": "user", "content": ["x"]}]),
    "user content is null": ("openai.content.required", [{"role": "user", "content": None}]),
    "assistant says nothing": ("openai.content.required", [HI, {"role": "assistant"}]),
    "tool content is null": ("openai.content.required", [_assistant(_call()), _tool(content=None)]),
    "empty list of parts": ("openai.content.empty_list", [{"role": "user", "content": []}]),
    "image from the assistant": (
        "openai.content.part_type",
        [{"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
    ),
    "image from a tool": (
        "openai.content.part_type",
        [_assistant(_call()), _tool(content=[{"type": "image_url", "image_url": {"url": "u"}}])],
    ),
    "text part without text": ("openai.content.part_body", [{"role": "user", "content": [{"type": "text"}]}]),
    "name with a space": ("openai.name.pattern", [{"role": "user", "content": "x", "name": "Ann Smith"}]),
    "name is null": ("openai.name.pattern", [{"role": "user", "content": "x", "name": None}]),
    "tool calls are null": ("openai.tool_calls.shape", [{"role": "assistant", "content": "x", "tool_calls": None}]),
    "call without id": ("openai.tool_calls.shape", [_assistant(_call("")), _tool("")]),
    "call without type": ("openai.tool_calls.shape", [_assistant({"id": "c1", "function": {}}), _tool()]),
    "arguments are an object": ("openai.tool_calls.shape", [_assistant(_call(arguments={})), _tool()]),
    "no tool call in the list": ("openai.tool_calls.empty", [{"role": "assistant", "content": "x", "tool_calls": []}]),
    "call by the user": ("openai.tool_calls.role", [{**HI, "tool_calls": [_call()]}, _tool()]),
    "tool name with a dot": ("openai.tool_calls.name", [_assistant(_call(name="a.b")), _tool()]),
    "call with a long id": ("openai.tool_calls.long_id", [_assistant(_call("c" * 41)), _tool("c" * 41)]),
    "two calls with one id": ("openai.tool_calls.duplicate_id", [_assistant(_call(), _call()), _tool()]),
    "tool message without id": (
        "openai.tool.id_missing",
        [_assistant(_call()), {"role": "tool", "content": "x"}],
    ),
    "call without result": ("openai.tool.unanswered", [HI, _assistant(_call())]),
    "one of two results": ("openai.tool.unanswered", [_assistant(_call(), _call("c2")), _tool()]),
    "user before the result": ("openai.tool.unanswered", [_assistant(_call()), HI, _tool()]),
    "result without call": ("openai.tool.orphan", [HI, _tool()]),
    "result of another call": ("openai.tool.orphan", [_assistant(_call()), _tool(), _tool("c9")]),
    "two results of one call": ("openai.tool.orphan", [_assistant(_call()), _tool(), _tool()]),
    "result before its call": ("openai.tool.orphan", [_tool(), _assistant(_call()), _tool()]),
}


def _use(call_id: str = "t1", **fields: Any) -> Json:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {}, **fields}


def _result(call_id: str = "t1", **fields: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "ok", **fields}


def _text(text: str = "x", **fields: Any) -> Json:
    return {"type": "text", "text": text, **fields}


def _turns(*contents: Any) -> Json:
    return {"messages": [{"role": "assistant" if i % 2 else "user", "content": c} for i, c in enumerate(contents)]}


THINKING: Json = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
IMAGE: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
MARK: Json = {"cache_control": {"type": "ephemeral"}}
HOUR: Json = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}

ANTHROPIC: dict[str, tuple[str, Json]] = {
    "no message": ("anthropic.messages.empty", {"messages": []}),
    "message is text": ("anthropic.message.role", {"messages": ["hi"]}),
    "system role": ("anthropic.message.role", {"messages": [{"role": "system", "content": "x"}]}),
    "unknown field": ("anthropic.message.extra", {"messages": [{"role": "user", "content": "x", "name": "ann"}]}),
    "content is null": ("anthropic.content.type", _turns(None)),
    "unknown block": ("anthropic.block.type", _turns([{"type": "video"}])),
    "block without type": ("anthropic.block.type", _turns([{"text": "x"}])),
    "input is text": ("anthropic.block.fields", _turns("hi", [_use(input="{}")], [_result()])),
    "thinking without signature": (
        "anthropic.block.fields",
        _turns("hi", [{"type": "thinking", "thinking": "x"}, _text()]),
    ),
    "result content is an object": ("anthropic.result.content", _turns("hi", [_use()], [_result(content={})])),
    "call inside a result": ("anthropic.result.content", _turns("hi", [_use()], [_result(content=[_use("t2")])])),
    "system holds an image": ("anthropic.system.shape", {"system": [IMAGE], **_turns("hi")}),
    "begins with the assistant": (
        "anthropic.messages.first_user",
        {"messages": [{"role": "assistant", "content": "x"}]},
    ),
    "two users in a row": ("anthropic.messages.alternate", {"messages": [HI, HI]}),
    "empty user message": ("anthropic.content.empty", _turns("")),
    "empty list in the middle": ("anthropic.content.empty", _turns("hi", [], "hi")),
    "empty text block": ("anthropic.text.blank", _turns([_text("")])),
    "blank text block": ("anthropic.text.blank", _turns([_text(" \n")])),
    "blank system text": ("anthropic.text.blank", {"system": " ", **_turns("hi")}),
    "blank system block": ("anthropic.text.blank", {"system": [_text(" ")], **_turns("hi")}),
    "blank text in a result": ("anthropic.text.blank", _turns("hi", [_use()], [_result(content=[_text("")])])),
    "final white space": ("anthropic.text.final_space", _turns("hi", "so ")),
    "ends in thinking": ("anthropic.thinking.final", _turns("hi", [_text(), THINKING])),
    "image from the assistant": ("anthropic.block.role", _turns("hi", [IMAGE])),
    "call by the user": ("anthropic.block.role", _turns([_use()])),
    "thinking by the user": ("anthropic.block.role", _turns([THINKING, _text()])),
    "image type": (
        "anthropic.source.media_type",
        _turns([{"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "AAAA"}}]),
    ),
    "id with a dot": ("anthropic.tool.id_pattern", _turns("hi", [_use("a.b")], [_result("a.b")])),
    "tool name with a dot": ("anthropic.tool.name", _turns("hi", [_use(name="a.b")], [_result()])),
    "one id for two calls": (
        "anthropic.tool.duplicate_id",
        _turns("hi", [_use()], [_result()], [_use()], [_result()]),
    ),
    "call without result": ("anthropic.tool.unanswered", _turns("hi", [_use()], "hi")),
    "final call": ("anthropic.tool.unanswered", _turns("hi", [_use()])),
    "one of two results": ("anthropic.tool.unanswered", _turns("hi", [_use(), _use("t2")], [_result()])),
    "text before the result": ("anthropic.tool.unanswered", _turns("hi", [_use()], [_text(), _result()])),
    "result two messages later": (
        "anthropic.tool.orphan",
        _turns("hi", [_use()], [_result()], "so", [_result()]),
    ),
    "result at the start": ("anthropic.tool.orphan", _turns([_result()])),
    "two results of one call": ("anthropic.tool.duplicate_result", _turns("hi", [_use()], [_result(), _result()])),
    "no tool defined": ("anthropic.tools.missing", {"tools": [], **_turns("hi", [_use()], [_result()])}),
    "five breakpoints": ("anthropic.cache.count", _turns([_text(**MARK) for _ in range(5)])),
    "longer breakpoint last": ("anthropic.cache.ttl_order", _turns([_text(**MARK), _text(**HOUR)])),
}
