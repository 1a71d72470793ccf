"""OpenAI Responses: exact round trips, refused input, and what is repaired or lost."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from openai.types.responses import ResponseInputItemParam

from tests.formats.build import PNG, assistant, call, conversations, messages_of, result, user
from tests.formats.typed import problems
from tract.errors import FormatError
from tract.formats.openai_chat import from_openai, to_openai
from tract.formats.responses import from_openai_responses, to_openai_responses
from tract.formats.validate import validate_openai_responses
from tract.objects.content import DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall

PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"

SDK: Any = ResponseInputItemParam


def said(content: Any, role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **fields}


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": [], **fields}


def asks(call_id: str = "c1", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": ' {"a":1.0} ', **fields}


def answers(call_id: str = "c1", output: Any = "ok", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output, **fields}


def thought(number: int = 1, **fields: Any) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": "hm"}]
    return {"type": "reasoning", "id": f"rs_{number}", "summary": summary, "encrypted_content": "gAAA+/=", **fields}


def reply(*parts: Any, **fields: Any) -> dict[str, Any]:
    return said(list(parts), "assistant", **{"id": "msg_1", "status": "completed", **fields})


HI = said("hi")

# With `True` the input has the structure of the SDK's types; the API takes more than those say.
VALID: dict[str, tuple[bool, list[dict[str, Any]]]] = {
    "text": (True, [HI]),
    "message without type": (True, [{"role": "user", "content": "hi"}]),
    "empty text": (True, [said("")]),
    "list of one text": (True, [said([{"type": "input_text", "text": "hi"}])]),
    "list of one text without type": (True, [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]),
    "texts with a cache breakpoint": (
        True,
        [
            said(
                [
                    {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
                    {"type": "input_text", "text": "b"},
                ]
            )
        ],
    ),
    "system and developer in their places": (
        True,
        [said("s", "system"), HI, said("d", "developer"), said("t", "system")],
    ),
    "message of the assistant as text": (True, [HI, said("ok", "assistant")]),
    "two messages of the assistant": (True, [HI, said("a", "assistant"), said("b", "assistant")]),
    "message of the assistant without type": (True, [HI, {"role": "assistant", "content": "ok"}]),
    "output text without id": (False, [HI, said([{"type": "output_text", "text": "x"}], "assistant")]),
    "a reply": (True, [HI, thought(), reply(text("ok"), phase="final_answer")]),
    "a reply of two parts": (True, [HI, reply(text("a"), text("b", logprobs=[]))]),
    "a refusal": (True, [HI, reply({"type": "refusal", "refusal": "no"})]),
    "reasoning with its call": (True, [HI, thought(), asks(id="fc_1", status="completed"), answers(id="fco_1")]),
    "parallel calls with commentary": (
        True,
        [
            *[HI, thought(), reply(text("let me see"), phase="commentary"), asks("c1"), asks("c2")],
            *[answers("c2"), answers("c1", ""), thought(2), asks("c3"), answers("c3"), reply(text("done"), id="msg_2")],
        ],
    ),
    "a message after the calls": (True, [HI, asks(), reply(text("and so")), answers()]),
    "reasoning after a message": (True, [HI, reply(text("a")), thought(), thought(2), asks(), answers()]),
    "a custom tool": (
        True,
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "select 1", "id": "ctc_1"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"},
        ],
    ),
    "arguments that are no JSON": (True, [asks(arguments='{"a": '), answers()]),
    "a tool that shows things": (
        True,
        [
            asks(),
            answers(
                output=[
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": PNG_URL, "detail": "low"},
                    {"type": "input_file", "file_id": "file-1"},
                ]
            ),
        ],
    ),
    "a tool's list of one text": (True, [asks(), answers(output=[{"type": "input_text", "text": "a"}])]),
    "images": (
        True,
        [
            said(
                [
                    {"type": "input_image", "detail": "auto", "image_url": PNG_URL},
                    {"type": "input_image", "detail": "high", "image_url": "https://x.org/a"},
                    {"type": "input_image", "detail": "auto", "file_id": "file-1"},
                ]
            )
        ],
    ),
    "an image without detail": (False, [said([{"type": "input_image", "image_url": PNG_URL}])]),
    "files": (
        True,
        [
            said(
                [
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                    {"type": "input_file", "file_url": "https://x.org/a.pdf"},
                    {"type": "input_file", "file_id": "file-1", "filename": "b.pdf"},
                    {"type": "input_file", "file_data": "JVBERg=="},
                ]
            )
        ],
    ),
    "what the provider ran": (
        True,
        [
            HI,
            {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"type": "search", "query": "x"},
            },
            reply(text("found")),
        ],
    ),
    "a compaction": (True, [{"type": "compaction", "encrypted_content": "c+/=", "id": "cmp_1"}, HI]),
    "a reference": (True, [HI, {"type": "item_reference", "id": "msg_0"}, said("go on")]),
}


@pytest.mark.parametrize("name", VALID)
def test_valid_items_come_back_as_they_were(name: str) -> None:
    """Reading and writing gives the input, key for key, with nothing lost or repaired."""
    _, items = VALID[name]

    rendered = to_openai_responses(messages_of(from_openai_responses(items)))

    assert rendered.value == {"input": items}
    assert (rendered.losses, rendered.repairs) == ((), ())
    assert validate_openai_responses(items) == []


@pytest.mark.parametrize("name", [name for name, (is_typed, _) in VALID.items() if is_typed])
def test_valid_items_have_the_structure_of_the_sdk(name: str) -> None:
    """What is tested here is what `client.responses.create(input=...)` is typed to take."""
    assert [found for item in VALID[name][1] for found in problems(item, SDK)] == []


def test_the_walker_finds_what_is_wrong() -> None:
    """The structural check sees missing and unknown keys of items."""
    assert problems({"type": "function_call", "call_id": "c", "name": "f"}, SDK) != []
    assert problems({**asks(), "x": 1}, SDK) == ["$.x: unknown"]


@pytest.mark.parametrize("number", range(40))
def test_real_conversations_are_sent_and_read_back(number: int) -> None:
    """Each real conversation has the SDK's structure as items, loses nothing and is read back the same."""
    messages = messages_of(from_openai(conversations()[number]))

    rendered = to_openai_responses(messages)
    contents = from_openai_responses(rendered.value["input"], instructions=rendered.value.get("instructions"))

    assert rendered.losses == ()
    assert {repair.kind for repair in rendered.repairs} <= {"tool_id"}
    assert [found for item in rendered.value["input"] for found in problems(item, SDK)] == []
    assert to_openai_responses(messages_of(contents)).value == rendered.value
    assert [message.text for message in messages_of(contents)] == [message.text for message in messages]


def test_contents_say_what_the_items_said() -> None:
    """What the model says in one go is one content: reasoning, text, calls; the fields nobody else knows in `extra`."""
    items = [HI, thought(), reply(text("let me see"), phase="commentary"), asks(id="fc_1"), answers()]

    contents = from_openai_responses(items, instructions="be brief")

    own = {"annotations": [], "content": "list"}
    shell = {"id": "msg_1", "status": "completed", "phase": "commentary"}
    assert contents == [
        InstructionContent(text="be brief"),
        DialogueContent(role="user", text="hi"),
        DialogueContent(
            role="assistant",
            reasoning=(Reasoning("openai", thought(), "hm"),),
            parts=(TextPart("let me see", extra={"openai_responses": {**own, "message": shell}}),),
            tool_calls=(ToolCall("c1", "f", ' {"a":1.0} ', extra={"openai_responses": {"id": "fc_1"}}),),
        ),
        ToolResultContent(call_id="c1", text="ok"),
    ]


def test_text_alone_is_what_the_user_says() -> None:
    """The short form of `input` is read too."""
    assert from_openai_responses("hi") == [DialogueContent(role="user", text="hi")]


def test_only_the_first_system_text_becomes_the_instructions() -> None:
    """All others keep their place and role, so that nothing is joined or moved."""
    history = [Message(role, (TextPart(role),)) for role in ("system", "system", "developer", "user", "system")]

    rendered = to_openai_responses(history)

    assert rendered.value["instructions"] == "system"
    assert [item["role"] for item in rendered.value["input"]] == ["system", "developer", "user", "system"]
    assert rendered.sources == [(1,), (2,), (3,), (4,)]
    assert (rendered.losses, rendered.repairs) == ((), ())


def test_what_only_others_know_of_the_instructions_is_a_loss() -> None:
    """What Responses itself knows of a first system text keeps it among the items, with its other parts."""
    cached = TextPart("s", extra={"anthropic": {"cache_control": {"type": "ephemeral"}}})
    marked = TextPart("s", extra={"openai_responses": {"prompt_cache_breakpoint": {"mode": "explicit"}}})

    rendered = to_openai_responses([Message("system", (cached,)), user("hi")])

    assert (rendered.value["instructions"], [loss.kind for loss in rendered.losses]) == ("s", ["extra"])
    for parts in ((marked,), (TextPart("a"), TextPart("b"))):
        request = to_openai_responses([Message("system", parts), user("hi")]).value
        assert "instructions" not in request
        assert len(request["input"][0]["content"]) == len(parts)


def test_an_empty_list_of_parts_is_read_as_empty_text() -> None:
    """OpenAI refuses the empty list, so it is not kept."""
    assert from_openai_responses([said([])]) == [DialogueContent(role="user", text="")]


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ("hi", "input[0]"),
        ({"content": "x"}, "input[0].type"),
        ({"type": 7}, "input[0].type"),
        ({"role": "tool", "content": "x"}, "input[0].role"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "user", "content": ["x"]}, "input[0].content[0]"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text"),
        ({"role": "assistant", "content": [{"type": "output_text"}]}, "input[0].content[0].text"),
        ({"role": "assistant", "content": 7}, "input[0].content"),
        ({"type": "reasoning", "id": "r", "summary": "x"}, "input[0].summary"),
        ({"type": "function_call", "call_id": "c", "name": "f"}, "input[0]"),
        ({"type": "function_call", "call_id": "", "name": "f", "arguments": "{}"}, "input[0]"),
        ({"type": "custom_tool_call", "call_id": "c", "name": "f"}, "input[0]"),
        ({"type": "function_call_output", "output": "x"}, "input[0].call_id"),
        ({"type": "function_call_output", "call_id": "c"}, "input[0].output"),
    ],
)
def test_what_cannot_be_read_says_where(item: Any, path: str) -> None:
    """Input in no known form is refused with its place."""
    with pytest.raises(FormatError) as caught:
        from_openai_responses([item])

    assert caught.value.path == path


@pytest.mark.parametrize(("items", "instructions", "path"), [({}, None, "input"), ([], 7, "instructions")])
def test_what_is_no_request_says_so(items: Any, instructions: Any, path: str) -> None:
    """Neither a list of items nor text, or instructions that are no text."""
    with pytest.raises(FormatError) as caught:
        from_openai_responses(items, instructions=instructions)

    assert caught.value.path == path


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        (replace(user("x"), name="ann"), ["name"]),
        (assistant(Reasoning("anthropic", {"type": "thinking"}), "x"), ["reasoning"]),
        (assistant(Reasoning("openai", thought(encrypted_content=None)), "x"), ["reasoning"]),
        (assistant("x", Reasoning("openai", thought())), ["reasoning"]),
        (Message("user", (TextPart("x"), Reasoning("openai", thought()))), ["reasoning"]),
        (assistant("x", ImagePart("image/png", PNG)), ["image"]),
        (Message("user", (TextPart("x"), ImagePart("image/tiff", b"II"))), ["image"]),
        (Message("user", (TextPart("x"), ImagePart(hash="00"))), ["image"]),
        (Message("user", (TextPart("x"), FilePart("audio/wav", b"RIFF"))), ["file"]),
        (Message("user", (TextPart("x"), FilePart("text/plain"))), ["file"]),
        (Message("user", (TextPart("x"),), extra={"anthropic": {"k": 1}}), ["extra"]),
        (
            Message(
                "user", (TextPart("no", extra={"openai_responses": {"part": {"type": "refusal", "refusal": "no"}}}),)
            ),
            ["block"],
        ),
    ],
)
def test_what_responses_cannot_carry_is_reported(message: Message, lost: list[str]) -> None:
    """Each loss names its message, and what is left is valid."""
    rendered = to_openai_responses([user("hi"), message])

    assert [(loss.kind, loss.message_index) for loss in rendered.losses] == [(kind, 1) for kind in lost]
    assert rendered.repairs == ()
    assert validate_openai_responses(rendered.value["input"]) == []


def test_a_failed_tool_is_a_loss() -> None:
    """An output cannot say that the tool failed."""
    rendered = to_openai_responses([assistant(call("a")), replace(result("a"), is_error=True)])

    assert [(loss.kind, loss.message_index) for loss in rendered.losses] == [("is_error", 1)]


def test_stored_reasoning_is_sent_when_the_provider_keeps_responses() -> None:
    """Without `encrypted_content` reasoning goes only where `store` is true."""
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    items = [HI, item, reply(text("ok"))]
    messages = messages_of(from_openai_responses(items))

    assert to_openai_responses(messages, stateless=False).value["input"] == items
    assert validate_openai_responses(items, stateless=False) == []
    assert [found.rule for found in validate_openai_responses(items)] == ["openai_responses.reasoning.stored"]


# --- repairs -------------------------------------------------------------------------------------


def test_ids_that_refer_to_reasoning_go_with_it() -> None:
    """The provider refuses an item whose reasoning it knows of and does not get."""
    bare = thought(encrypted_content=None)
    items = [HI, bare, reply(text("ok")), asks(id="fc_1"), answers()]

    rendered = to_openai_responses(messages_of(from_openai_responses(items)))

    assert all("id" not in item for item in rendered.value["input"])
    assert [loss.kind for loss in rendered.losses] == ["reasoning"]
    assert [repair.kind for repair in rendered.repairs] == ["item_id", "item_id"]


def test_an_item_said_twice_has_its_id_once() -> None:
    """A turn that was copied is sent again without its ids, and its reasoning, which needs one, is lost."""
    turn = messages_of(from_openai_responses([thought(), reply(text("ok"))]))

    rendered = to_openai_responses([user("a"), *turn, user("b"), *turn])

    assert [item.get("id") for item in rendered.value["input"]] == [None, "rs_1", "msg_1", None, None]
    assert [(loss.kind, loss.message_index) for loss in rendered.losses] == [("reasoning", 3)]
    assert [(repair.kind, repair.message_index) for repair in rendered.repairs] == [("item_id", 3)]
    assert validate_openai_responses(rendered.value["input"]) == []


def test_ids_and_names_openai_refuses_are_mended() -> None:
    """A long id is cut, one used twice is derived from the commit hash, alike in the call and its output."""
    history = [assistant(call("c" * 65), call("a", name="x.y")), result("c" * 65), result("a")]

    rendered = to_openai_responses([*history, assistant(call("a")), result("a")], hashes=["00"] * 5)

    items = rendered.value["input"]
    ids = [item["call_id"] for item in items if item["type"] == "function_call"]
    assert ids == [item["call_id"] for item in items if item["type"] == "function_call_output"]
    assert len(set(ids)) == 3
    assert max(map(len, ids)) == 64
    assert items[1]["name"] == "x_y"
    assert sorted(repair.kind for repair in rendered.repairs) == ["tool_id", "tool_id", "tool_name"]
    assert validate_openai_responses(items) == []


def test_a_message_with_nothing_to_send_is_left_out() -> None:
    """Reported, so that nobody wonders where it went."""
    rendered = to_openai_responses([user("hi"), assistant(), Message("user", (ImagePart(hash="00"),))])

    assert rendered.value == {"input": [HI]}
    assert [(repair.kind, repair.message_index) for repair in rendered.repairs] == [
        ("empty_message", 1),
        ("empty_message", 2),
    ]


# --- beside the other formats --------------------------------------------------------------------


def test_a_custom_tool_is_one_in_chat_completions_too() -> None:
    """Both formats of OpenAI know the same custom call, in either direction."""
    items = VALID["a custom tool"][1]
    items = [{name: value for name, value in item.items() if name != "id"} for item in items]

    chat = to_openai(messages_of(from_openai_responses(items)))
    back = to_openai_responses(messages_of(from_openai(chat.value)))

    assert chat.value[0]["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
    ]
    assert back.value["input"] == items
    assert (*chat.losses, *back.losses) == ()


def test_a_refusal_is_readable_elsewhere() -> None:
    """A refusal is the text of its message for everyone else."""
    (message,) = messages_of(from_openai_responses([reply({"type": "refusal", "refusal": "no"})]))

    assert message.text == "no"


def test_reasoning_without_a_summary_is_read() -> None:
    """It has no readable text, and is kept as it came."""
    item = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"}
    (turn,) = from_openai_responses([item, {"type": "message", "role": "assistant", "content": "Yes."}])

    assert isinstance(turn, DialogueContent)
    assert [(one.raw, one.text) for one in turn.reasoning] == [(item, "")]
