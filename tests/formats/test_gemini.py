"""Gemini contents: exact round trips in either spelling, refused input, and what is repaired or lost."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from google.genai import types

from tests.formats.build import PNG, assistant, call, conversations, messages_of, result, user
from tract.errors import FormatError
from tract.formats.gemini import BEGIN, from_gemini, gemini_body, to_gemini
from tract.formats.openai_chat import from_openai
from tract.formats.repair import INTERRUPTED
from tract.formats.validate import validate_gemini
from tract.objects.content import DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall

PNG_TEXT = base64.b64encode(PNG).decode()
SIGNATURE = "CpQB+/8="


def said(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: Any) -> dict[str, Any]:
    return {**said(*parts), "role": "model"}


def asks(call_id: str | None = "c1", name: str = "f", **part: Any) -> dict[str, Any]:
    known = {} if call_id is None else {"id": call_id}
    return {"function_call": {**known, "name": name, "args": {"a_b": [1, 2.5, {"cD": None}]}}, **part}


def answers(call_id: str | None = "c1", name: str = "f", response: Any = None, **body: Any) -> dict[str, Any]:
    known = {} if call_id is None else {"id": call_id}
    given = {"result": "ok"} if response is None else response
    return {"function_response": {**known, "name": name, "response": given, **body}}


HI = said("hi")


def exchange(response: Any) -> list[dict[str, Any]]:
    return [HI, model(asks()), said(answers(response=response))]


VALID: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "text": (None, [HI]),
    "system object": ({"parts": [{"text": "s"}]}, [HI, model("ok"), said("more")]),
    "system text": ("s", [HI]),
    "system of two parts": ({"parts": [{"text": "s"}, {"text": "t"}]}, [HI]),
    "ends with the model": (None, [HI, model("ok")]),
    "white space": (None, [said(" \n")]),
    "two parts": (None, [said("a", "b")]),
    "call": (None, exchange({"result": "ok"})),
    "failed call": (None, exchange({"error": "no"})),
    "result in other words": (None, exchange({"output": "ok", "more": [1, None]})),
    "result that is a number": (None, exchange({"result": 1.0})),
    "result that looks like JSON": (None, exchange({"result": '{"a":1}'})),
    "result that looks like spaced JSON": (None, exchange({"result": '{"a": 1}'})),
    "result that looks like ours": (None, exchange({"result": '{"result":"x"}'})),
    "result of several texts": (None, exchange({"result": ["a", "b"]})),
    "result of one text in a list": (None, exchange({"result": ["a"]})),
    "result of nothing": (None, exchange({})),
    "result of an empty text": (None, exchange({"result": ""})),
    "error with its code": (None, exchange({"error": {"code": 7}})),
    "calls without ids": (
        None,
        [
            *[HI, model(asks(None), asks(None, "g"), asks(None))],
            said(answers(None), answers(None, "g"), answers(None, response={"n": 1})),
        ],
    ),
    "responses by name alone": (
        None,
        [HI, model(asks("c1"), asks("c2", "g"), asks("c3")), said(answers(None, "g"), answers(None), answers("c3"))],
    ),
    "call without arguments": (None, [HI, model({"function_call": {"id": "c1", "name": "f"}}), said(answers())]),
    "parallel calls": (
        None,
        [
            *[HI, model("let me see", asks("c1", thought_signature=SIGNATURE), asks("c2", "g"))],
            *[
                said(answers("c2", "g"), answers("c1")),
                model(asks("c3", thought_signature="eA==")),
                said(answers("c3")),
            ],
            *[said("and now?"), model("done")],
        ],
    ),
    "thoughts": (
        None,
        [
            *[HI, model({"text": "hm", "thought": True}, {"text": "ok", "thought_signature": SIGNATURE})],
            *[said("go on"), model("x", {"text": "", "thought_signature": SIGNATURE})],
        ],
    ),
    "image": (None, [said("look", {"inline_data": {"mime_type": "image/png", "data": PNG_TEXT}})]),
    "image as the SDK dumps it": (None, [said({"inline_data": {"mime_type": "image/png", "data": "-_8="}})]),
    "image of odd base64": (None, [said({"inline_data": {"mime_type": "image/png", "data": "a==="}})]),
    "a thought that is an image": (
        None,
        [HI, model({"inline_data": {"mime_type": "image/png", "data": PNG_TEXT}, "thought": True}, "ok")],
    ),
    "call that goes on": (
        None,
        [HI, model({"function_call": {**asks()["function_call"], "will_continue": True}}), said(answers())],
    ),
    "image from the model": (
        None,
        [HI, model({"inline_data": {"mime_type": "image/png", "data": PNG_TEXT}, "thought_signature": SIGNATURE})],
    ),
    "document": (None, [said({"inline_data": {"mime_type": "application/pdf", "data": "JVBERg=="}})]),
    "video with times": (
        None,
        [
            said(
                {
                    "file_data": {"mime_type": "video/mp4", "file_uri": "https://x.org/v"},
                    "video_metadata": {"start_offset": "1s", "end_offset": "2s"},
                }
            )
        ],
    ),
    "file without type": (None, [said({"file_data": {"file_uri": "https://x.org/files/1"}})]),
    "file with a name": (
        None,
        [said({"file_data": {"mime_type": "text/csv", "file_uri": "gs://a", "display_name": "a"}})],
    ),
    "a tool that shows things": (
        None,
        [
            *[HI, model(asks())],
            said(answers(parts=[{"inline_data": {"mime_type": "image/png", "data": PNG_TEXT}}])),
        ],
    ),
    "executed code": (
        None,
        [
            HI,
            model(
                {"executable_code": {"language": "PYTHON", "code": "1"}},
                {"code_execution_result": {"outcome": "OUTCOME_OK", "output": "1"}},
                "so 1",
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", VALID)
def test_valid_contents_come_back_as_they_were(name: str) -> None:
    """Reading and writing gives the input, key for key, with nothing lost or repaired."""
    system, contents = VALID[name]

    rendered = to_gemini(messages_of(from_gemini(contents, system_instruction=system)))

    assert rendered.value["contents"] == contents
    assert rendered.value.get("system_instruction") == system
    assert (rendered.losses, rendered.repairs) == ((), ())
    assert validate_gemini(contents, system_instruction=system) == []


@pytest.mark.parametrize("name", VALID)
def test_the_body_of_a_rest_call_comes_back_as_it_was(name: str) -> None:
    """Written as `camelCase` and read from it, nothing changes, and what the tools said keeps its own keys."""
    system, contents = VALID[name]
    body = gemini_body({"contents": contents, **({} if system is None else {"system_instruction": system})})

    read = from_gemini(body["contents"], system_instruction=body.get("systemInstruction"))

    assert gemini_body(to_gemini(messages_of(read)).value) == body
    assert all("_" not in key for content in body["contents"] for part in content["parts"] for key in part)


@pytest.mark.parametrize("name", [name for name in VALID if name != "image of odd base64"])
def test_valid_contents_fit_the_types_of_the_sdk(name: str) -> None:
    """The SDK takes both spellings, forbids unknown keys, and reads the same from both."""
    system, contents = VALID[name]
    body = gemini_body({"contents": contents})

    read = [types.Content.model_validate(content) for content in contents]

    assert read == [types.Content.model_validate(content) for content in body["contents"]]
    assert types.GenerateContentConfig.model_validate({"system_instruction": system}).model_dump(exclude_none=True) or (
        system is None
    )


@pytest.mark.parametrize("name", [name for name in VALID if name != "image of odd base64"])
def test_what_the_sdk_holds_can_be_read(name: str) -> None:
    """Contents dumped by the SDK, bytes and unset fields included, say what the plain ones say."""
    contents = [types.Content.model_validate(content) for content in VALID[name][1]]
    python: Any = [content.model_dump() for content in contents]
    wire: Any = [content.model_dump(mode="json", exclude_none=True, by_alias=True) for content in contents]

    for dumped in (python, wire):
        again = to_gemini(messages_of(from_gemini(dumped))).value["contents"]
        assert [types.Content.model_validate(content) for content in again] == contents


@pytest.mark.parametrize("number", range(40))
def test_real_conversations_are_sent_and_read_back(number: int) -> None:
    """Each real conversation fits the SDK's types, loses nothing and is read back the same."""
    messages = messages_of(from_openai(conversations()[number]))

    rendered = to_gemini(messages)
    value = rendered.value
    contents = from_gemini(value["contents"], system_instruction=value["system_instruction"])

    assert (rendered.losses, rendered.repairs) == ((), ())
    assert [types.Content.model_validate(content) for content in value["contents"]]
    assert to_gemini(messages_of(contents)).value == value
    assert [message.text for message in messages_of(contents) if message.text] == [
        message.text for message in messages if message.text
    ]


def test_contents_say_what_the_turns_said() -> None:
    """Responses are results, and a signature stays on its exact part."""
    thought = {"text": "hm", "thought": True, "thought_signature": SIGNATURE}

    contents = from_gemini(
        [HI, model(thought, "wait", asks(thought_signature="eA==")), said(answers(response={"error": "no"}))],
        system_instruction={"parts": [{"text": "be brief"}]},
    )

    arguments = '{"a_b":[1,2.5,{"cD":null}]}'
    assert contents == [
        InstructionContent(text="be brief"),
        DialogueContent(role="user", text="hi"),
        DialogueContent(
            role="assistant",
            reasoning=(Reasoning("gemini", thought, "hm"),),
            text="wait",
            tool_calls=(ToolCall("c1", "f", arguments, extra={"gemini": {"thought_signature": "eA=="}}),),
        ),
        ToolResultContent(call_id="c1", name="f", text="no", is_error=True),
    ]


def test_ids_that_are_missing_are_derived_from_the_place() -> None:
    """Equal calls of one turn get ids of their own, the same every time, and responses answer them in order."""
    contents = VALID["calls without ids"][1]

    _, turn, *results = messages_of(from_gemini(contents))

    ids = [one.id for one in turn.tool_calls]
    assert len(set(ids)) == 3
    assert [one.call_id for one in results] == ids
    assert from_gemini(contents) == from_gemini(contents)


def test_a_response_by_name_answers_the_first_call_of_that_name() -> None:
    """Whether or not the calls have ids, and even if the response has one the call does not."""
    mixed = [HI, model(asks("c1"), asks(None)), said(answers(None), answers("c9"))]
    orphan = [HI, model("ok"), said(answers("c9"))]

    _, turn, first, second = messages_of(from_gemini(mixed))

    assert [first.call_id, second.call_id] == [one.id for one in turn.tool_calls]
    assert to_gemini([user("hi"), turn, first, second]).value["contents"] == mixed
    assert messages_of(from_gemini(orphan))[-1].call_id == "c9"


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("hi", "contents[0]"),
        ({"role": "user", "parts": [{"text": "x"}], "x": 1}, "contents[0]"),
        ({"role": "assistant", "parts": [{"text": "x"}]}, "contents[0].role"),
        ({"role": "user"}, "contents[0].parts"),
        ({"role": "user", "parts": []}, "contents[0].parts"),
        ({"role": "user", "parts": "x"}, "contents[0].parts"),
        ({"role": "user", "parts": ["x"]}, "contents[0].parts[0]"),
        (said({"text": 7}), "contents[0].parts[0].text"),
        (said(asks()), "contents[0].parts[0]"),
        (model(answers()), "contents[0].parts[0]"),
        (model({"function_call": {"args": {}}}), "contents[0].parts[0].function_call"),
        (model({"function_call": {"name": "f", "args": "x"}}), "contents[0].parts[0].function_call"),
        (model({"function_call": {"name": "f", "args": {"x": {1}}}}), "contents[0].parts[0].function_call.args"),
        (said({"function_response": {"name": "f"}}), "contents[0].parts[0].function_response"),
        (said(answers(None)), "contents[0].parts[0].function_response"),
        (
            said({"function_response": {"id": 7, "name": "f", "response": {}}}),
            "contents[0].parts[0].function_response.id",
        ),
        (said({"inline_data": {"data": "x"}}), "contents[0].parts[0].inline_data"),
        (said({"file_data": {}}), "contents[0].parts[0].file_data"),
        (said({"file_data": {"file_uri": "x", "mime_type": 7}}), "contents[0].parts[0].file_data.mime_type"),
    ],
)
def test_what_cannot_be_read_says_where(content: Any, path: str) -> None:
    """Input in no known form is refused with its place."""
    with pytest.raises(FormatError) as caught:
        from_gemini([content])

    assert caught.value.path == path


@pytest.mark.parametrize("system", [7, {"parts": []}, {"parts": "x"}, {"parts": [7]}, [{"text": 7}]])
def test_a_system_instruction_of_no_known_form_is_refused(system: Any) -> None:
    """It is text, an object with parts, or parts."""
    with pytest.raises(FormatError, match="system_instruction"):
        from_gemini([HI], system_instruction=system)


def test_contents_are_a_list() -> None:
    """The SDK's short forms are not read."""
    contents: Any = "hi"

    with pytest.raises(FormatError, match="list"):
        from_gemini(contents)


# --- repairs -------------------------------------------------------------------------------------


def kinds(rendered: Any) -> list[tuple[str, int | None]]:
    return [(note.kind, note.message_index) for note in (*rendered.losses, *rendered.repairs)]


def test_a_conversation_that_begins_with_the_model_gets_a_user_turn() -> None:
    """The text is always the same, and what was said is untouched; a call at the start gets its interrupted result."""
    rendered = to_gemini([assistant("hello"), user("hi")])
    called = to_gemini([assistant(call("a"))])

    assert rendered.value["contents"] == [said(BEGIN), model("hello"), HI]
    assert kinds(rendered) == [("first_user", 0)]
    assert rendered.sources == [(), (0,), (1,)]
    assert [content["role"] for content in called.value["contents"]] == ["user", "model", "user"]
    assert called.value["contents"][2]["parts"][0]["function_response"]["response"] == {"error": INTERRUPTED}


def test_neighbours_of_a_role_become_one_turn_but_responses_stay_alone() -> None:
    """The response turn has as many parts as the call turn, whatever the user says after it."""
    history = [
        user("a"),
        user("b"),
        assistant("c"),
        assistant(call("x"), call("y")),
        result("y"),
        result("x"),
        user("d"),
    ]

    contents = to_gemini(history).value["contents"]

    assert [(content["role"], len(content["parts"])) for content in contents] == [
        ("user", 2),
        ("model", 3),
        ("user", 2),
        ("user", 1),
    ]
    assert validate_gemini(contents) == []


def test_responses_without_ids_are_put_in_the_order_of_their_calls() -> None:
    """Gemini tells two calls of one name apart by their order, so a result that was moved goes to its own call."""
    contents = [
        HI,
        model(asks(None), asks(None, "g"), asks(None)),
        said(answers(None), answers(None, "g"), answers(None, response={"n": 1})),
    ]
    first, turn, *results = messages_of(from_gemini(contents))

    rendered = to_gemini([first, turn, *reversed(results)])

    assert rendered.value["contents"] == contents
    assert kinds(rendered) == [("result_moved", 4), ("result_moved", 2)]
    assert rendered.sources == [(0,), (1,), (4, 3, 2)]


def test_text_that_is_empty_is_left_out_unless_it_carries_a_signature() -> None:
    """Gemini refuses the one and sends the other itself."""
    signed = TextPart("", extra={"gemini": {"thought_signature": SIGNATURE}})

    rendered = to_gemini([user("hi"), assistant(TextPart(""), signed), user("")])

    assert rendered.value["contents"] == [HI, model({"text": "", "thought_signature": SIGNATURE})]
    assert kinds(rendered) == [("empty_text", 1), ("empty_text", 2), ("empty_message", 2)]


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ("not json", {"arguments": "not json"}),
        ("[1]", {"arguments": "[1]"}),
        ("", {}),
        ('{"x": NaN}', {"arguments": '{"x": NaN}'}),
    ],
)
def test_arguments_that_are_no_object_are_sent_as_text(arguments: str, args: Any) -> None:
    """Gemini takes objects only."""
    rendered = to_gemini([user("hi"), assistant(call("a", arguments)), result("a")])

    assert rendered.value["contents"][1]["parts"][0]["function_call"]["args"] == args
    assert kinds(rendered) == [("tool_input", 1)]


def test_a_tool_name_gemini_refuses_is_mended_alike_in_the_response() -> None:
    """Other characters become underscores, and a name begins with a letter or an underscore."""
    names = {"1 f": "_1_f", "": "_", "a.b:c-d": "a.b:c-d", "n" * 140: "n" * 128}
    for name, mended in names.items():
        rendered = to_gemini([user("hi"), assistant(call("a", name=name)), result("a")])

        _, asked, answered = rendered.value["contents"]
        assert asked["parts"][0]["function_call"]["name"] == mended
        assert answered["parts"][0]["function_response"]["name"] == mended
        assert kinds(rendered) == ([] if name == mended else [("tool_name", 1)])


def test_a_url_says_its_type_by_its_end() -> None:
    """A file by its URL needs a type, and other providers' URLs come without one."""
    rendered = to_gemini([Message("user", (ImagePart(url="https://x.org/a.JPG"), FilePart(url="https://x.org/a.pdf")))])

    assert [part["file_data"]["mime_type"] for part in rendered.value["contents"][0]["parts"]] == [
        "image/jpeg",
        "application/pdf",
    ]
    assert kinds(rendered) == []


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        (replace(user("x"), name="ann"), ["name"]),
        (Message("developer", (TextPart("x"),)), ["position", "role"]),
        (assistant(Reasoning("anthropic", {"type": "thinking"}), "x"), ["reasoning"]),
        (Message("user", (TextPart("x"), Reasoning("gemini", {"text": "x", "thought": True}))), ["reasoning"]),
        (Message("user", (TextPart("x"), ImagePart("image/gif", b"GIF"))), ["image"]),
        (Message("user", (TextPart("x"), ImagePart(url="https://x.org/a"))), ["image"]),
        (Message("user", (TextPart("x"), FilePart("application/zip", b"PK"))), ["file"]),
        (Message("user", (TextPart("x"), FilePart("application/pdf", b"%PDF", name="a.pdf"))), ["name"]),
        (Message("system", (TextPart("x"), ImagePart("image/png", PNG))), ["position", "image"]),
        (Message("user", (TextPart("x"),), extra={"openai": {"weight": 1}}), ["extra"]),
        (
            Message("system", (TextPart("x", extra={"gemini": {"part": {"executable_code": {}}}}),)),
            ["position", "block"],
        ),
    ],
)
def test_what_gemini_cannot_carry_is_reported(message: Message, lost: list[str]) -> None:
    """Each loss names its message, and what is left is valid."""
    rendered = to_gemini([user("hi"), message])

    assert kinds(rendered) == [(kind, 1) for kind in lost]
    value = rendered.value
    assert validate_gemini(value["contents"], system_instruction=value.get("system_instruction")) == []


def test_a_tool_may_show_images() -> None:
    """Images and texts of a result are all sent."""
    shown = Message("tool", (TextPart("a"), TextPart("b"), ImagePart("image/png", PNG)), call_id="a")

    rendered = to_gemini([user("hi"), assistant(call("a")), shown])

    body = rendered.value["contents"][2]["parts"][0]["function_response"]
    assert body["response"] == {"result": ["a", "b"]}
    assert body["parts"] == [{"inline_data": {"mime_type": "image/png", "data": PNG_TEXT}}]
    assert kinds(rendered) == []
