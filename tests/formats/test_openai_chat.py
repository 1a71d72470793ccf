"""OpenAI Chat Completions: exact round trips, refused input, and what is repaired or lost."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.formats.build import PNG, assistant, call, conversations, messages_of, result, user
from tests.formats.typed import problems
from tract.errors import FormatError
from tract.formats.openai_chat import from_openai, to_openai
from tract.formats.validate import validate_openai
from tract.objects.content import DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall

PNG_TEXT = base64.b64encode(PNG).decode()

FUNCTION_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ' {"a":1.0} '}}


def pair(call_fields: dict[str, Any], **assistant_fields: Any) -> list[dict[str, Any]]:
    return [
        {"role": "assistant", "tool_calls": [call_fields], **assistant_fields},
        {"role": "tool", "tool_call_id": call_fields["id"], "content": "ok"},
    ]


VALID: dict[str, list[dict[str, Any]]] = {
    "text": [{"role": "user", "content": "hi"}],
    "empty text": [{"role": "user", "content": ""}],
    "list of one text": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "list of texts": [{"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    "developer with a name": [{"role": "developer", "content": "x", "name": "ops"}],
    "content null beside calls": pair(FUNCTION_CALL, content=None),
    "content missing beside calls": pair(FUNCTION_CALL),
    "content empty beside calls": pair(FUNCTION_CALL, content=""),
    "content list beside calls": pair(FUNCTION_CALL, content=[{"type": "text", "text": "x"}]),
    "what a reply dumps": pair(
        FUNCTION_CALL, content=None, refusal=None, annotations=[], audio=None, function_call=None, reasoning_content="r"
    ),
    "refusal": [{"role": "assistant", "content": None, "refusal": "no"}],
    "refusal without content": [{"role": "assistant", "refusal": "no"}],
    "refusal part": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
    "audio reply": [{"role": "assistant", "content": None, "audio": {"id": "audio_1"}}],
    "function call of old": [{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{"}}],
    "arguments that are no JSON": pair({**FUNCTION_CALL, "function": {"name": "f", "arguments": '{"a": '}}),
    "unknown fields of a call": pair({**FUNCTION_CALL, "index": 0, "function": {**FUNCTION_CALL["function"], "x": 1}}),  # type: ignore[dict-item]
    "custom tool": pair({"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}),
    "tool result with name": [
        *pair(FUNCTION_CALL)[:1],
        {"role": "tool", "tool_call_id": "c1", "name": "f", "content": ""},
    ],
    "tool result as list": [
        *pair(FUNCTION_CALL)[:1],
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}]},
    ],
    "image url": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.org/a"}}]}],
    "image bytes": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_TEXT}", "detail": "low"}},
            ],
        }
    ],
    "image with odd base64": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iV\n=="}}]}
    ],
    "file bytes": [
        {
            "role": "user",
            "content": [
                {"type": "file", "file": {"filename": "a", "file_data": "data:application/pdf;base64,JVBERg=="}}
            ],
        }
    ],
    "file id": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}],
    "file with bare base64": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERg=="}}]}],
    "audio": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}]}],
    "cache breakpoint on a part": [
        {"role": "user", "content": [{"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}]}
    ],
    "unknown message field": [{"role": "user", "content": "x", "weight": 0}],
}


@pytest.mark.parametrize("name", VALID)
def test_valid_messages_come_back_as_they_were(name: str) -> None:
    """Reading and writing gives the input, key for key, with nothing lost or repaired."""
    messages = VALID[name]

    rendered = to_openai(messages_of(from_openai(messages)))

    assert rendered.value == messages
    assert rendered.losses == ()
    assert rendered.repairs == ()
    assert validate_openai(messages) == []


@pytest.mark.parametrize("number", range(40))
def test_real_conversations_come_back_as_they_were(number: int) -> None:
    """Every real conversation is read and written without any change."""
    messages = conversations()[number]

    rendered = to_openai(messages_of(from_openai(messages)))

    assert rendered.value == messages
    assert (rendered.losses, rendered.repairs) == ((), ())


def test_real_conversations_have_the_structure_of_the_sdk() -> None:
    """Every message fits `ChatCompletionMessageParam`, but for the `name` old tool messages carry."""
    found = [
        problem
        for messages in conversations()
        for message in to_openai(messages_of(from_openai(messages))).value
        for problem in problems({k: v for k, v in message.items() if (message["role"], k) != ("tool", "name")}, SDK)
    ]

    assert found == []


SDK: Any = ChatCompletionMessageParam


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"role": "user", "content": "x"}, []),
        ({"role": "user", "content": 7}, ["$.content: int is no <class 'str'>"]),
        ({"role": "tool", "content": "x"}, ["$.tool_call_id: missing"]),
        ({"role": "user", "content": "x", "y": 1}, ["$.y: unknown"]),
        (
            {"role": "assistant", "tool_calls": [{**FUNCTION_CALL, "id": 7}]},
            ["$.tool_calls[0].id: int is no <class 'str'>"],
        ),
    ],
)
def test_the_walker_finds_what_pydantic_does_not(value: Any, expected: list[str]) -> None:
    """The structural check sees inside iterables and reports missing and unknown keys."""
    assert problems(value, SDK) == expected


def test_contents_say_what_the_messages_said() -> None:
    """System and developer are instructions, tool messages results, the rest dialogue."""
    contents = from_openai(
        [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": "hi", "name": "ann"},
            {"role": "assistant", "content": "let me see", "tool_calls": [FUNCTION_CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "42", "name": "f"},
        ]
    )

    assert contents == [
        InstructionContent(role="developer", text="be brief"),
        DialogueContent(role="user", text="hi", name="ann"),
        DialogueContent(role="assistant", text="let me see", tool_calls=(ToolCall("c1", "f", ' {"a":1.0} '),)),
        ToolResultContent(call_id="c1", text="42", name="f"),
    ]


def test_refusals_are_readable() -> None:
    """A refusal is the text of its message for everyone else."""
    (message,) = messages_of(from_openai([{"role": "assistant", "content": None, "refusal": "no"}]))

    assert message.text == "no"


def test_bytes_are_kept_as_bytes() -> None:
    """A data URL becomes its bytes and media type."""
    (message,) = messages_of(from_openai(VALID["image bytes"]))

    assert message.parts[1] == ImagePart("image/png", PNG, extra={"openai": {"image_url": {"detail": "low"}}})


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("hi", "messages[0]"),
        ({"role": "user", "content": "x", 1: 2}, "messages[0]"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": "", "content": "x"}, "messages[0].role"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "system", "content": None}, "messages[0].content"),
        ({"role": "user", "content": 7}, "messages[0].content"),
        ({"role": "user", "content": ["x"]}, "messages[0].content[0]"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}, "messages[0].content[0].image_url"),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            "messages[0].content[0].input_audio",
        ),
        ({"role": "user", "content": [{"type": "file"}]}, "messages[0].content[0].file"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "tool", "content": "x", "tool_call_id": ""}, "messages[0].tool_call_id"),
        ({"role": "user", "content": "x", "tool_calls": [FUNCTION_CALL]}, "messages[0].tool_calls"),
        ({"role": "assistant", "tool_calls": "f"}, "messages[0].tool_calls"),
        ({"role": "assistant", "tool_calls": ["f"]}, "messages[0].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "messages[0].tool_calls[0]"),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]},
            "messages[0].tool_calls[0].function",
        ),
    ],
)
def test_what_cannot_be_read_says_where(message: Any, path: str) -> None:
    """Input in no known form is refused with its place."""
    with pytest.raises(FormatError) as caught:
        from_openai([message])

    assert caught.value.path == path


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"role": "assistant", "content": None}, "null_content"),
        ({"role": "assistant"}, "null_content"),
        ({"role": "assistant", "content": "x", "tool_calls": None}, "empty_tool_calls"),
        ({"role": "assistant", "content": "x", "tool_calls": []}, "empty_tool_calls"),
        ({"role": "user", "content": "x", "name": "Ann Smith"}, "name"),
        ({"role": "user", "content": "x", "name": None}, "name"),
    ],
)
def test_small_faults_are_repaired_and_reported(message: dict[str, Any], kind: str) -> None:
    """What OpenAI would refuse is mended in the same way every time."""
    rendered = to_openai(messages_of(from_openai([message])))

    assert [repair.kind for repair in rendered.repairs] == [kind]
    assert validate_openai(rendered.value) == []


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (assistant(Reasoning("anthropic", {"type": "thinking"}), "x"), "reasoning"),
        (assistant(ImagePart(url="u"), "x"), "image"),
        (Message("user", (ImagePart(hash="00"),)), "image"),
        (Message("user", (FilePart(url="u"),)), "file"),
        (Message("user", (FilePart("audio/wav", extra={"openai": {"type": "input_audio"}}),)), "file"),
        (Message("user", (TextPart("x"),), extra={"anthropic": {"k": 1}}), "extra"),
        (Message("user", (TextPart("x", extra={"anthropic": {"cache_control": {"type": "ephemeral"}}}),)), "extra"),
        (Message("system", (TextPart("no", extra={"openai": {"type": "refusal", "refusal": "no"}}),)), "block"),
    ],
)
def test_what_openai_cannot_carry_is_reported(message: Message, kind: str) -> None:
    """Each loss names its message."""
    rendered = to_openai([user("hi"), message])

    assert [(loss.kind, loss.message_index) for loss in rendered.losses] == [(kind, 1)]
    assert validate_openai(rendered.value) == []


def test_a_tool_message_without_content_is_sent_as_empty_text() -> None:
    """Logs hold null here; OpenAI wants text."""
    history = pair(FUNCTION_CALL, content=None)
    history[1]["content"] = None

    rendered = to_openai(messages_of(from_openai(history)))

    assert rendered.value == [history[0], {**history[1], "content": ""}]
    assert [repair.kind for repair in rendered.repairs] == ["null_content"]


def test_an_empty_list_of_parts_is_read_as_empty_text() -> None:
    """OpenAI refuses the empty list, so it is not kept."""
    assert from_openai([{"role": "user", "content": []}]) == [DialogueContent(role="user", text="")]


def test_what_the_message_says_goes_before_its_extra_fields() -> None:
    """Extra fields cannot change role, calls or ids."""
    extra = {"openai": {"role": "system", "tool_call_id": "z", "tool_calls": None, "weight": 1}}
    history = [Message("assistant", (call("a"),), extra=extra), Message("tool", (), call_id="a", extra=extra)]

    first, second = to_openai(history).value

    assert (first["role"], first["tool_calls"][0]["id"], first["weight"]) == ("assistant", "a", 1)
    assert (second["role"], second["tool_call_id"], second["content"]) == ("tool", "a", "")


def test_a_failed_tool_and_text_after_a_call_are_losses() -> None:
    """`is_error` and the order of text and calls are not in this format."""
    history = [
        assistant(call("a"), "and then"),
        Message("tool", (ImagePart(url="u"),), call_id="a", is_error=True),
    ]

    rendered = to_openai(history)

    assert [(loss.kind, loss.message_index) for loss in rendered.losses] == [
        ("order", 0),
        ("image", 1),
        ("is_error", 1),
    ]
    assert rendered.value[1]["content"] == ""


def test_a_tool_name_openai_refuses_is_mended() -> None:
    """Other characters become underscores; the arguments are untouched."""
    rendered = to_openai([assistant(call("a", "not json", name="functions.search")), result("a")])

    assert rendered.value[0]["tool_calls"][0]["function"] == {"name": "functions_search", "arguments": "not json"}
    assert [repair.kind for repair in rendered.repairs] == ["tool_name"]


def test_a_long_id_is_shortened_alike_in_the_call_and_its_result() -> None:
    """Ids of other providers may be longer than OpenAI's 40 characters; those that begin alike stay apart."""
    ids = ["i" * 40, "i" * 41, "i" * 42]
    rendered = to_openai([assistant(*[call(one) for one in ids]), *[result(one) for one in ids]])

    calls = [each["id"] for each in rendered.value[0]["tool_calls"]]
    assert calls == [message["tool_call_id"] for message in rendered.value[1:]]
    assert calls[0] == ids[0]
    assert len(set(calls)) == 3
    assert {len(one) for one in calls} == {40}
    assert [repair.kind for repair in rendered.repairs] == ["tool_id"] * 4
    assert validate_openai(rendered.value) == []


def test_reports_are_short_and_show_no_content() -> None:
    """What is printed in a notebook holds no text of the conversation."""
    rendered = to_openai([user("secret"), assistant(Reasoning("anthropic", {"secret": 1}), call("a"))])

    assert repr(rendered) == "<Rendered messages=3 losses=1 repairs=1>"
    assert repr(rendered.losses[0]) == "<Loss reasoning at 1>"
    assert repr(rendered.repairs[0]) == "<Repair interrupted_result at 1>"
