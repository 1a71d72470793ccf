"""Tool calls are taken straight from the reply of any of the newer APIs, as objects or as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types
from openai.types.responses import ResponseCustomToolCall, ResponseFunctionToolCall

from tract import Tract
from tract.errors import FormatError
from tract.formats.calls import read_tool_calls
from tract.objects.message import ToolCall

ITEM = ResponseFunctionToolCall(type="function_call", call_id="c1", name="f", arguments=' {"a":1} ', id="fc_1")
CUSTOM = ResponseCustomToolCall(type="custom_tool_call", call_id="c1", name="sql", input="select 1")
CALL = types.FunctionCall(id="c1", name="f", args={"a_b": 1})
PART = types.Part(function_call=CALL, thought_signature=b"\xfb\xff")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ITEM, ToolCall("c1", "f", ' {"a":1} ', extra={"openai_responses": {"id": "fc_1"}})),
        (
            ITEM.model_dump(exclude_unset=True),
            ToolCall("c1", "f", ' {"a":1} ', extra={"openai_responses": {"id": "fc_1"}}),
        ),
        (CUSTOM, ToolCall("c1", "sql", "select 1", extra={"openai": {"type": "custom"}})),
        (CALL, ToolCall("c1", "f", '{"a_b":1}')),
        (PART, ToolCall("c1", "f", '{"a_b":1}', extra={"gemini": {"thought_signature": "+/8="}})),
        (
            {"functionCall": {"id": "c1", "name": "f", "args": {}}},
            ToolCall("c1", "f", "{}", extra={"gemini": {"content": "unsigned"}}),
        ),
    ],
)
def test_calls_of_a_reply_are_read(given: Any, expected: ToolCall) -> None:
    """Argument text, signature and item id are kept."""
    assert read_tool_calls([given]) == (expected,)


def test_a_reply_of_gemini_goes_back_as_it_came() -> None:
    """The signature stands on its exact part when the turn is sent again, to the REST API and through the SDK."""
    with Tract.open() as t:
        t.user("hi")
        t.assistant(tool_calls=[PART])
        t.tool_result("c1", "ok")
        turns = t.compile().to_gemini()["contents"]

    assert types.Part.model_validate(turns[1]["parts"][0]) == PART


@pytest.mark.parametrize("given", [{"call_id": "c1", "name": "f"}, {"function_call": {}}, {"args": {}}, {"call_id": 7}])
def test_what_is_no_call_is_refused(given: Any) -> None:
    """The error says which one."""
    with pytest.raises(FormatError, match=r"tool_calls\[0\]"):
        read_tool_calls([given])
