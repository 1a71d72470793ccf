"""Requests OpenAI Responses and Gemini refuse, by what is wrong with them, with the rule that says so."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def _call(call_id: Any = "c1", **fields: Any) -> Json:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **fields}


def _output(call_id: Any = "c1", **fields: Any) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": "ok", **fields}


def _reasoning(item_id: str = "rs_1", **fields: Any) -> Json:
    return {"type": "reasoning", "id": item_id, "summary": [], "encrypted_content": "e", **fields}


def _says(*parts: Json, role: str = "user") -> list[Json]:
    return [{"type": "message", "role": role, "content": list(parts)}]


HI: Json = {"role": "user", "content": "hi"}

RESPONSES: dict[str, tuple[str, Any]] = {
    "no item": ("openai_responses.input.empty", []),
    "item is text": ("openai_responses.item.type", ["hi"]),
    "item of an unknown type": ("openai_responses.item.type", [{"type": "thought"}]),
    "call without name": ("openai_responses.item.fields", [{"type": "function_call", "call_id": "c1"}, _output()]),
    "arguments are an object": ("openai_responses.item.fields", [_call(arguments={}), _output()]),
    "output without id": ("openai_responses.item.fields", [_call(), _output(None)]),
    "reasoning without id": ("openai_responses.item.fields", [{"type": "reasoning", "summary": []}, HI]),
    "compaction of nothing": ("openai_responses.item.fields", [{"type": "compaction"}]),
    "role of a tool": ("openai_responses.message.role", [{"role": "tool", "content": "x"}]),
    "content is a number": ("openai_responses.content.type", [{"role": "user", "content": 7}]),
    "content is a list of texts": ("openai_responses.content.type", [{"role": "user", "content": ["x"]}]),
    "output is an object": ("openai_responses.content.type", [_call(), _output(output={})]),
    "empty list of parts": ("openai_responses.content.empty_list", _says()),
    "input text from the assistant": (
        "openai_responses.content.part_type",
        _says({"type": "input_text", "text": "x"}, role="assistant"),
    ),
    "output text from the user": ("openai_responses.content.part_type", _says({"type": "output_text", "text": "x"})),
    "text part of Chat Completions": ("openai_responses.content.part_type", _says({"type": "text", "text": "x"})),
    "text part without text": ("openai_responses.content.part_body", _says({"type": "input_text"})),
    "image of nothing": ("openai_responses.content.part_body", _says({"type": "input_image"})),
    "image as TIFF": (
        "openai_responses.content.image_format",
        _says({"type": "input_image", "image_url": "data:image/tiff;base64,SUkq"}),
    ),
    "reasoning before the user": ("openai_responses.reasoning.alone", [_reasoning(), HI]),
    "reasoning at the end": ("openai_responses.reasoning.alone", [HI, _reasoning()]),
    "reasoning only a stored response knows": (
        "openai_responses.reasoning.stored",
        [_reasoning(encrypted_content=None), {"role": "assistant", "content": "x"}],
    ),
    "one item twice": (
        "openai_responses.item.duplicate_id",
        [_reasoning(), _reasoning(), {"role": "assistant", "content": "x"}],
    ),
    "tool name with a dot": ("openai_responses.call.name", [_call(name="a.b"), _output()]),
    "call with a long id": ("openai_responses.call.long_id", [_call("c" * 65), _output("c" * 65)]),
    "two calls with one id": ("openai_responses.call.duplicate_id", [_call(), _output(), _call(), _output()]),
    "call without output": ("openai_responses.call.unanswered", [HI, _call()]),
    "custom call with the output of a function": (
        "openai_responses.call.unanswered",
        [{"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "x"}, _output()],
    ),
    "output without call": ("openai_responses.output.orphan", [HI, _output()]),
    "output before its call": ("openai_responses.output.orphan", [_output(), _call()]),
    "two outputs of one call": ("openai_responses.output.orphan", [_call(), _output(), _output()]),
}

# Instructions that are no text are refused whatever the items are.
BAD_INSTRUCTIONS = "openai_responses.instructions.type"


def _user(*parts: Any) -> Json:
    return {"role": "user", "parts": list(parts) or [{"text": "hi"}]}


def _model(*parts: Any) -> Json:
    return {"role": "model", "parts": list(parts) or [{"text": "ok"}]}


def _asks(call_id: str = "c1", **fields: Any) -> Json:
    return {"function_call": {"id": call_id, "name": "f", "args": {}, **fields}}


def _answers(call_id: str = "c1", **fields: Any) -> Json:
    return {"function_response": {"id": call_id, "name": "f", "response": {"result": "ok"}, **fields}}


def _blob(**fields: Any) -> Json:
    return _user({"inline_data": {"mime_type": "image/png", "data": "iVBORw==", **fields}})


GEMINI: dict[str, tuple[str, Any]] = {
    "no content": ("gemini.contents.empty", []),
    "content is text": ("gemini.content.role", ["hi"]),
    "role of the assistant": ("gemini.content.role", [{"role": "assistant", "parts": [{"text": "x"}]}]),
    "field of another provider": (
        "gemini.content.fields",
        [{"role": "user", "parts": [{"text": "x"}], "content": "x"}],
    ),
    "no part": ("gemini.content.parts", [{"role": "user", "parts": []}]),
    "parts are text": ("gemini.content.parts", [{"role": "user", "parts": "hi"}]),
    "part of nothing": ("gemini.part.data", [_user({"thought_signature": "c2ln"})]),
    "part of two kinds": ("gemini.part.data", [_user({"text": "x", "inline_data": {}})]),
    "text is a number": ("gemini.part.data", [_user({"text": 7})]),
    "part with a type": ("gemini.part.unknown", [_user({"type": "text", "text": "x"})]),
    "response is text": ("gemini.part.body", [_user(), _model(_asks()), _user(_answers(response="x"))]),
    "response without name": ("gemini.part.body", [_user(), _model(_asks()), _user(_answers(name=None))]),
    "args are text": ("gemini.part.body", [_user(), _model(_asks(args="{}")), _user(_answers())]),
    "file without URI": ("gemini.part.body", [_user({"file_data": {"mime_type": "image/png"}})]),
    "model speaks first": ("gemini.contents.first_user", [_model(), _user()]),
    "call comes first": ("gemini.contents.first_user", [_model(_asks()), _user(_answers())]),
    "two turns of the user": ("gemini.contents.alternate", [_user(), _user()]),
    "two turns of the model": ("gemini.contents.alternate", [_user(), _model(), _model()]),
    "empty text": ("gemini.text.empty", [_user({"text": ""})]),
    "image as TIFF": ("gemini.media.type", [_blob(mime_type="image/tiff")]),
    "image of no bytes": ("gemini.media.empty", [_blob(data="")]),
    "call by the user": ("gemini.tool.role", [_user(_asks()), _user(_answers())]),
    "response by the model": ("gemini.tool.role", [_user(), _model(_answers())]),
    "tool name with a space": ("gemini.tool.name", [_user(), _model(_asks(name="a b")), _user(_answers(name="a b"))]),
    "call without response": ("gemini.tool.unanswered", [_user(), _model(_asks())]),
    "user before the response": ("gemini.tool.unanswered", [_user(), _model(_asks()), _user(), _user(_answers())]),
    "response without call": ("gemini.tool.orphan", [_user(), _model(), _user(_answers())]),
    "response comes first": ("gemini.tool.orphan", [_user(_answers()), _model()]),
    "one of two responses": ("gemini.tool.count", [_user(), _model(_asks(), _asks("c2")), _user(_answers())]),
    "text beside the response": ("gemini.tool.count", [_user(), _model(_asks()), _user(_answers(), {"text": "x"})]),
    "response of another tool": ("gemini.tool.match", [_user(), _model(_asks()), _user(_answers(name="g"))]),
    "response of another call": ("gemini.tool.match", [_user(), _model(_asks()), _user(_answers("c9"))]),
}

# A system instruction that is no text is refused whatever the contents are.
BAD_SYSTEM = "gemini.system.shape"
