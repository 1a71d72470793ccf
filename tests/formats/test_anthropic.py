"""Anthropic Messages: exact round trips, refused input, and what is repaired or lost."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from anthropic.types import MessageParam, TextBlockParam

from tests.formats.build import PNG, assistant, call, conversations, messages_of, result, tools_of, user
from tests.formats.typed import problems
from tract.errors import FormatError
from tract.formats.anthropic import BEGIN, from_anthropic, to_anthropic
from tract.formats.openai_chat import from_openai
from tract.formats.validate import validate_anthropic
from tract.objects.content import DialogueContent, InstructionContent, ToolResultContent
from tract.objects.message import FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall

SDK_MESSAGE: Any = MessageParam
SDK_SYSTEM: Any = TextBlockParam

HOUR = {"type": "ephemeral", "ttl": "1h"}
MINUTES = {"type": "ephemeral"}
THINKING = {"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJl+/=="}
REDACTED = {"type": "redacted_thinking", "data": "b3BhcXVl"}
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
}
PDF = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
    "title": "a.pdf",
    "citations": {"enabled": True},
}


def text(said: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **fields}


def use(call_id: str, given: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "look_up", "input": given or {}, **fields}


def answer(call_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **fields}


def said(*turns: Any) -> list[dict[str, Any]]:
    return [{"role": "user" if i % 2 == 0 else "assistant", "content": content} for i, content in enumerate(turns)]


VALID: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "text": ("be brief", said("hi", "hello", "bye")),
    "list of one text": (None, said([text("hi")], [text("hello")], "bye")),
    "system blocks": ([text("a"), text("b", cache_control=HOUR)], said("hi")),
    "system list of one": ([text("a")], said("hi")),
    "thinking before a call": (
        None,
        said(
            "hi",
            [THINKING, REDACTED, text("let me see"), use("t1", {"z": 1, "a": [1.5]})],
            [answer("t1", content="ok")],
        ),
    ),
    "interleaved": (
        None,
        said("hi", [text("a"), THINKING, use("t1"), text("b"), use("t2")], [answer("t2"), answer("t1", content="")]),
    ),
    "parallel results then text": (
        None,
        said("hi", [use("t1"), use("t2")], [answer("t1", content="1"), answer("t2", content="2"), text("go on")], "ok"),
    ),
    "failed tool": (None, said("hi", [use("t1")], [answer("t1", content="no", is_error=True)])),
    "result that says it did not fail": (None, said("hi", [use("t1")], [answer("t1", content="1", is_error=False)])),
    "result of blocks": (
        None,
        said("hi", [use("t1")], [answer("t1", content=[text("a"), IMAGE, PDF], cache_control=HOUR)]),
    ),
    "result list of one text": (None, said("hi", [use("t1")], [answer("t1", content=[text("a")])])),
    "result of an empty list": (None, said("hi", [use("t1")], [answer("t1", content=[])])),
    "image and documents": (
        None,
        said(
            [
                IMAGE,
                {"type": "image", "source": {"type": "url", "url": "https://x.org/a.png"}, "cache_control": MINUTES},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                PDF,
                {"type": "document", "source": {"type": "url", "url": "https://x.org/a.pdf"}, "title": None},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "täxt"}},
                text("look"),
            ]
        ),
    ),
    "odd base64": (
        None,
        said([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iV\n=="}}]),
    ),
    "citations": (None, said("hi", [text("a", citations=None), text("b")], "ok")),
    "blocks of server tools": (
        None,
        said(
            "hi",
            [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                text("found"),
            ],
        ),
    ),
    "search result from the user": (
        None,
        said([{"type": "search_result", "source": "s", "title": "t", "content": [text("x")]}]),
    ),
    "unknown fields of a call": (None, said("hi", [use("t1", caller={"type": "direct"})], [answer("t1")])),
}


@pytest.mark.parametrize("name", VALID)
def test_valid_requests_come_back_as_they_were(name: str) -> None:
    """Reading and writing gives the input, byte for byte, with nothing lost or repaired."""
    system, messages = VALID[name]
    contents = from_anthropic(messages, system=system)

    rendered = to_anthropic(messages_of(contents))

    assert rendered.value == ({"messages": messages} if system is None else {"system": system, "messages": messages})
    assert rendered.losses == ()
    assert rendered.repairs == ()
    assert validate_anthropic(system, messages, tools_of(messages)) == []
    assert from_anthropic(rendered.value["messages"], system=rendered.value.get("system")) == contents


@pytest.mark.parametrize("name", VALID)
def test_valid_requests_have_the_structure_of_the_sdk(name: str) -> None:
    """The requests of this file fit the SDK's parameter types."""
    system, messages = VALID[name]

    assert [problem for message in messages for problem in problems(message, SDK_MESSAGE)] == []
    for block in system if isinstance(system, list) else []:
        assert problems(block, SDK_SYSTEM) == []


@pytest.mark.parametrize("number", range(40))
def test_real_conversations_are_sent_without_loss(number: int) -> None:
    """Every real conversation is valid, has the SDK's structure and loses nothing.

    Some use an id for two calls, which Anthropic refuses; deriving another is the only repair.
    """
    rendered = to_anthropic(messages_of(from_openai(conversations()[number])))

    messages = rendered.value["messages"]

    assert validate_anthropic(rendered.value["system"], messages, tools_of(messages)) == []
    assert [problem for message in messages for problem in problems(message, SDK_MESSAGE)] == []
    assert rendered.losses == ()
    assert {repair.kind for repair in rendered.repairs} <= {"tool_id"}


def test_contents_say_what_the_messages_said() -> None:
    """Results become contents of their own; the usual order of blocks is told by the fields."""
    contents = from_anthropic(
        said(
            "hi",
            [THINKING, text("let me see"), use("t1", {"b": 1, "a": "ä"})],
            [answer("t1", is_error=True), text("so?")],
        ),
        system="be brief",
    )

    assert contents == [
        InstructionContent(text="be brief"),
        DialogueContent(role="user", text="hi"),
        DialogueContent(
            role="assistant",
            reasoning=(Reasoning("anthropic", THINKING),),
            parts=(TextPart("let me see"),),
            tool_calls=(ToolCall("t1", "look_up", '{"b":1,"a":"ä"}'),),
        ),
        ToolResultContent(call_id="t1", is_error=True),
        DialogueContent(role="user", parts=(TextPart("so?"),)),
    ]


def test_a_system_message_in_the_middle_is_read() -> None:
    """It is an instruction at its place, and sent at the top, which is reported."""
    contents = from_anthropic([*said("hi", "hello"), {"role": "system", "content": [text("now in French")]}])

    rendered = to_anthropic(messages_of(contents))

    assert rendered.value["system"] == [text("now in French")]
    assert [(loss.kind, loss.message_index) for loss in rendered.losses] == [("position", 2)]


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("hi", "messages[0]"),
        ({"role": "user", "content": [answer("t1") | {1: 2}]}, "messages[0].content[0]"),
        ({"role": "tool", "content": "x"}, "messages[0].role"),
        ({"role": "user", "content": "x", "name": "ann"}, "messages[0]"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "user", "content": []}, "messages[0].content"),
        ({"role": "user", "content": ["x"]}, "messages[0].content[0]"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "image"}]}, "messages[0].content[0].source"),
        ({"role": "user", "content": [{"type": "tool_result"}]}, "messages[0].content[0].tool_use_id"),
        ({"role": "user", "content": [answer("")]}, "messages[0].content[0].tool_use_id"),
        ({"role": "assistant", "content": [answer("t1")]}, "messages[0].content[0]"),
        ({"role": "assistant", "content": [{**use("t1"), "input": "{}"}]}, "messages[0].content[0].input"),
        ({"role": "assistant", "content": [{"type": "thinking", "thinking": 1}]}, "messages[0].content[0].thinking"),
    ],
)
def test_what_cannot_be_read_says_where(message: Any, path: str) -> None:
    """Input in no known form is refused with its place."""
    with pytest.raises(FormatError) as caught:
        from_anthropic([message])

    assert caught.value.path == path


# --- repairs -------------------------------------------------------------------------------------


def kinds(rendered: Any) -> list[tuple[str, int | None]]:
    return [(repair.kind, repair.message_index) for repair in rendered.repairs]


def test_neighbours_of_one_role_are_merged() -> None:
    """Consecutive messages become one, blocks in order, each output naming its sources."""
    rendered = to_anthropic([user("a"), user("b"), assistant("c"), assistant("d", call("t")), result("t"), user("e")])

    assert rendered.value["messages"] == said(
        [text("a"), text("b")], [text("c"), text("d"), use("t")], [answer("t", content="done"), text("e")]
    )
    assert rendered.sources == [(0, 1), (2, 3), (4, 5)]
    assert rendered.repairs == ()


def test_a_conversation_that_begins_with_the_assistant_gets_a_fixed_first_message() -> None:
    """Nothing is left out; the message put first is always the same and reported."""
    rendered = to_anthropic([Message("system", (TextPart("s"),)), assistant("welcome"), user("hi")])

    assert rendered.value["messages"] == said(BEGIN, "welcome", "hi")
    assert kinds(rendered) == [("first_user", 1)]
    assert rendered.sources == [(), (1,), (2,)]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        ("  ", {}),
        ("not json", {"arguments": "not json"}),
        ("[1]", {"arguments": "[1]"}),
        ("null", {"arguments": "null"}),
        ('{"a":1,"a":2}', {"arguments": '{"a":1,"a":2}'}),
        ('{"x": NaN}', {"arguments": '{"x": NaN}'}),
        ('{"x": 1e999}', {"arguments": '{"x": 1e999}'}),
        ('{"x": "\\ud800"}', {"arguments": '{"x": "\\ud800"}'}),
        ('{"x":' * 5000, {"arguments": '{"x":' * 5000}),
    ],
)
def test_arguments_that_are_no_object_are_sent_as_text(arguments: str, given: dict[str, Any]) -> None:
    """The input is an object whatever the model wrote, and the repair is reported."""
    rendered = to_anthropic([user("hi"), assistant(call("t", arguments)), result("t")])

    assert rendered.value["messages"][1]["content"][0]["input"] == given
    assert kinds(rendered) == [("tool_input", 1)]


def test_ids_anthropic_refuses_are_derived_and_keep_their_pairs() -> None:
    """Different ids stay different, calls and results keep matching, and a repeat gives the same ids."""
    history = [user("hi"), assistant(call("a.b"), call("a/b")), result("a/b", "2"), result("a.b", "1")]

    rendered = to_anthropic(history)

    first, second = [block["id"] for block in rendered.value["messages"][1]["content"]]
    answers = {block["tool_use_id"]: block["content"] for block in rendered.value["messages"][2]["content"]}
    assert answers == {first: "1", second: "2"}
    assert kinds(rendered) == [("tool_id", 1), ("tool_id", 1)]
    assert to_anthropic(history) == rendered


def test_an_id_used_in_two_exchanges_is_told_apart_by_commit() -> None:
    """The later call gets an id derived from its commit, its result follows, the earlier bytes stay."""
    history = [user("hi"), assistant(call("t")), result("t", "1"), assistant(call("t")), result("t", "2")]
    hashes = [f"{number:064x}" for number in range(5)]

    rendered = to_anthropic(history, hashes=hashes)
    messages = rendered.value["messages"]

    assert messages[:3] == to_anthropic(history[:3], hashes=hashes[:3]).value["messages"]
    assert messages[3]["content"][0]["id"] == messages[4]["content"][0]["tool_use_id"] != "t"
    other = to_anthropic(history, hashes=[*hashes[:3], "f" * 64, hashes[4]]).value["messages"]
    assert other[3]["content"][0]["id"] != messages[3]["content"][0]["id"]


def test_blank_text_is_left_out_and_the_rest_moves_together() -> None:
    """Empty messages vanish, their neighbours merge, and all of it is reported."""
    rendered = to_anthropic([user("a"), assistant("  "), user("b"), assistant("", call("t")), result("t", "")])

    assert rendered.value["messages"] == said([text("a"), text("b")], [use("t")], [answer("t", content="")])
    assert kinds(rendered) == [("empty_text", 1), ("empty_message", 1), ("empty_text", 3)]


def test_trailing_space_is_cut_from_a_final_assistant_message_only() -> None:
    """Earlier assistant text is sent as it was."""
    assert to_anthropic([user("a"), assistant("b \n"), user("c")]).value["messages"][1]["content"] == "b \n"

    rendered = to_anthropic([user("a"), assistant("b \n")])

    assert rendered.value["messages"][1]["content"] == "b"
    assert kinds(rendered) == [("trailing_space", 1)]


def test_only_the_last_four_breakpoints_are_kept() -> None:
    """Anthropic takes four; the later ones reach further."""
    history = [Message("user", (TextPart(str(n), extra={"anthropic": {"cache_control": MINUTES}}),)) for n in range(6)]

    rendered = to_anthropic(history)

    assert ["cache_control" in block for block in rendered.value["messages"][0]["content"]] == [False] * 2 + [True] * 4
    assert [kind for kind, _ in kinds(rendered)] == ["cache_control"] * 2


def test_a_longer_breakpoint_after_a_shorter_one_is_shortened() -> None:
    """The provider wants the longer ones first."""
    history = [Message("user", (TextPart("x", extra={"anthropic": {"cache_control": c}}),)) for c in (MINUTES, HOUR)]

    rendered = to_anthropic(history)

    assert [block["cache_control"] for block in rendered.value["messages"][0]["content"]] == [MINUTES, MINUTES]
    assert validate_anthropic(None, rendered.value["messages"]) == []
    assert history[1].parts[0].extra == {"anthropic": {"cache_control": HOUR}}


def test_a_tool_name_anthropic_refuses_is_mended() -> None:
    """Other characters become underscores and the name is cut to its longest."""
    rendered = to_anthropic([user("hi"), assistant(call("t", name="a.b" + "c" * 200)), result("t")])

    assert rendered.value["messages"][1]["content"][0]["name"] == "a_b" + "c" * 125
    assert kinds(rendered) == [("tool_name", 1)]


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        (Message("user", (TextPart("x"),), name="ann"), ["name"]),
        (Message("developer", (TextPart("x"),), name="ops"), ["position", "role", "name"]),
        (assistant(Reasoning("openai", {"type": "reasoning", "id": "r"}), "x"), ["reasoning"]),
        (assistant("x", Reasoning("anthropic", THINKING)), ["reasoning"]),
        (assistant(Reasoning("anthropic", THINKING)), ["reasoning"]),
        (Message("user", (Reasoning("anthropic", THINKING), TextPart("x"))), ["reasoning"]),
        (assistant("x", ImagePart("image/png", PNG)), ["image"]),
        (Message("user", (TextPart("x"), ImagePart("image/tiff", b"II"))), ["image"]),
        (Message("user", (TextPart("x"), ImagePart(hash="00"))), ["image"]),
        (Message("user", (TextPart("x"), FilePart("text/plain", b"\xff"))), ["file"]),
        (Message("user", (TextPart("x"), FilePart("application/zip", b"PK"))), ["file"]),
        (Message("user", (TextPart("x"),), extra={"openai": {"weight": 1, "refusal": None}}), ["extra"]),
        (Message("system", (TextPart("x", extra={"anthropic": {"type": "search_result"}}),)), ["position", "block"]),
    ],
)
def test_what_anthropic_cannot_carry_is_reported(message: Message, lost: list[str]) -> None:
    """Each loss names its message, and what is left is valid."""
    rendered = to_anthropic([user("hi"), message])

    assert [(loss.kind, loss.message_index) for loss in rendered.losses] == [(kind, 1) for kind in lost]
    assert validate_anthropic(rendered.value.get("system"), rendered.value["messages"]) == []


def test_nothing_to_say_gives_no_message() -> None:
    """Instructions alone are no request; the rules say so."""
    rendered = to_anthropic([Message("system", (TextPart("s"),))])

    assert rendered.value == {"system": "s", "messages": []}
    assert [violation.rule for violation in validate_anthropic("s", [])] == ["anthropic.messages.empty"]


def test_a_source_of_an_unknown_kind_is_kept_whole() -> None:
    """A newer kind of source is written back as it was read."""
    source = {"type": "base32", "media_type": "image/png", "data": "AAAA"}
    messages = said([{"type": "image", "source": source}])

    assert to_anthropic(messages_of(from_anthropic(messages))).value == {"messages": messages}
