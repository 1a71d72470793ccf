"""Shows what `compile` gives besides the messages, and what changes how it renders and counts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ids import shown
from tests.strategies import CONTENTS, CUSTOM, Measurement, Remark, register
from tract import CompiledContext, Entry, FilePart, ImagePart, Message, TextPart, ToolResultPart, Tract
from tract.errors import (
    InvalidContentError,
    InvalidInputError,
    InvalidTargetError,
    UnknownContentTypeError,
)
from tract.formats.gemini import gemini_body
from tract.formats.params import anthropic_tools, gemini_tools, openai_tools, responses_tools
from tract.tokens import REPLY_PRIMING_TOKENS, counter_for, message_tokens

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7"


def counted(context: CompiledContext, tokenizer: str) -> int:
    """Return the tokens of the messages, counted here and now."""
    counter = counter_for(tokenizer)
    total = sum(message_tokens(message, counter) for message in context.messages)
    return total + REPLY_PRIMING_TOKENS if context.messages else 0


# --- rendering -----------------------------------------------------------------------------------


def shouting(entries: Sequence[Entry], /) -> Iterable[tuple[Message, Entry]]:
    """A compiler that leaves out the first message and shouts the others."""
    for entry in entries[1:]:
        assert entry.shown.message is not None
        yield replace(entry.shown.message, parts=(TextPart(entry.shown.message.text.upper()),)), entry


def test_a_custom_compiler_replaces_the_rendering(tmp_path: Path) -> None:
    """Its messages are counted as they are, keep where they came from, and nothing of it is stored."""
    with Tract.open(tmp_path / "a.db", compiler=shouting) as t:
        t.user("one")
        two = t.user("two")
        t.pin(two)
        t.record_usage({"input_tokens": 500, "output_tokens": 1}, commit=two)
        context = t.compile(verify=True)

        assert [message.text for message in context.messages] == ["TWO"]
        assert context.commit_hashes == (two.hash,)
        assert context.provenance[0].priority == "pinned"
        assert context.token_count == counted(context, "o200k_base")
        assert context.token_source == "tokenizer:o200k_base"
    with Tract.open(tmp_path / "a.db") as t:
        assert [message.text for message in t.compile(at=two).messages] == ["one", "two"]


@pytest.mark.parametrize(
    "returned",
    [None, "ab", 5, [1, 2], ["ab"], [("a", "b")], [(1, 2, 3)], [Message("user", ())], [(Message("user", ()), None)]],
    ids=shown,
)
def test_a_compiler_that_returns_something_else_is_refused(returned: Any) -> None:
    """The error says what was expected."""
    with Tract.open(compiler=lambda _: returned) as t:
        t.user("one")
        with pytest.raises(InvalidInputError, match="pairs of Message and Entry"):
            t.compile()


def test_edited_messages_can_be_marked() -> None:
    """Only edited messages with text are marked, and the mark is counted."""
    with Tract.open() as t:
        first = t.user("one")
        t.user("two")
        picture = t.user([ImagePart("image/png", PNG)])
        t.edit(first, "three")
        t.edit(picture, {"content_type": "dialogue", "role": "user", "parts": [ImagePart(url="https://example.org")]})

        context = t.compile(mark_edits=True)

        assert [message.text for message in context.messages] == ["[edited] three", "two", ""]
        assert context.token_count == counted(context, "o200k_base") > t.compile().token_count
        assert [message.text for message in t.compile().messages] == ["three", "two", ""]


def test_provenance_says_where_each_message_came_from() -> None:
    """Who placed, edited and annotated it, parallel to the messages; so are hashes and configs."""
    with Tract.open() as t:
        system = t.system("Be brief.")
        question = t.commit("Why?", author="ann", generation_config=None)
        reply = t.assistant("Because.", generation_config={"model": "gpt-4o", "temperature": 0})
        thought = t.commit({"content_type": "reasoning", "text": "hm"})
        edit = t.edit(reply, "Because I say so.")
        pin = t.pin(question)

        context = t.compile()

        assert context.commit_hashes == (system.hash, question.hash, reply.hash)
        assert context.generation_configs == (None, None, {"model": "gpt-4o", "temperature": 0.0})
        assert [one.edited_by for one in context.provenance] == [None, None, edit.hash]
        assert [one.annotated_by for one in context.provenance] == [None, pin.hash, None]
        assert [one.priority for one in context.provenance] == ["pinned", "pinned", "normal"]
        assert [one.origin for one in context.provenance] == ["system", "user", "model"]
        assert [one.author for one in context.provenance] == ["", "ann", ""]
        assert context.provenance[2].created_at == edit.created_at
        assert context.provenance[2].content_type == "dialogue"
        assert len(context) == context.commit_count == 3
        assert context.head == pin.hash
        t.unskip(thought)
        assert t.compile().messages[3].text == "hm"


def test_an_edit_with_a_config_replaces_it() -> None:
    """An edit made by another model says so."""
    with Tract.open() as t:
        reply = t.assistant("a", generation_config={"model": "small"})
        t.edit(reply, "b", generation_config={"model": "large"})
        t.edit(reply, "c")

        assert t.compile().generation_configs == ({"model": "large"},)


def test_a_new_text_keeps_everything_but_the_text() -> None:
    """Editing text keeps images, tool calls, names and how a part was marked."""
    with Tract.open() as t:
        looked = t.user(
            [ImagePart("image/png", PNG), TextPart("what?", extra={"openai": {}}), TextPart("so?")], name="ann"
        )
        called = t.assistant("hm", tool_calls=[{"id": "c", "name": "f", "arguments": "{}"}])
        silent = t.user([ImagePart(url="https://example.org/a.png")])
        for commit in (looked, called, silent):
            t.edit(commit, "new")

        first, second, third = t.compile().messages

        assert first.name == "ann"
        assert [type(part) for part in first.parts] == [ImagePart, TextPart]
        assert [message.text for message in (first, second, third)] == ["new", "new", "new"]
        assert [call.id for call in second.tool_calls] == ["c"]
        assert [type(part) for part in third.parts] == [TextPart, ImagePart]


def test_a_new_text_has_to_fit_its_type() -> None:
    """A type without text, and a custom one with other rules, say so."""
    with Tract.open() as t:
        register(t)
        data = t.commit({"content_type": "freeform", "data": 1})
        remark = t.commit(Remark(text="a", name="n"))
        note = t.skip(data)

        with pytest.raises(InvalidContentError, match="has no text to replace"):
            t.edit(data, "two")
        with pytest.raises(InvalidTargetError, match="has no content"):
            t.edit(note, "two")
        t.edit(remark, "b")
        assert t.show("HEAD") == Remark(text="b", name="n")


# --- prefix hashes -------------------------------------------------------------------------------

MESSAGES = st.lists(CONTENTS.filter(lambda content: content.content_type != "reasoning"), min_size=1, max_size=4)


@given(MESSAGES, MESSAGES)
def test_prefix_hashes_are_equal_exactly_when_prefixes_are(left: list[Any], right: list[Any]) -> None:
    """Of two histories, for every length."""
    with Tract.open(durability="off") as a, Tract.open(durability="off") as b:
        for t, contents in ((a, left), (b, [*left[:1], *right])):
            for content in contents:
                t.commit(content.model_copy(update={"sensitive": False}))
        ours, theirs = a.compile(), b.compile()

        for n in range(min(len(ours), len(theirs)) + 1):
            is_equal = list(ours.messages[:n]) == list(theirs.messages[:n]) and (
                ours.to_dicts()[:n].__repr__() == theirs.to_dicts()[:n].__repr__()
            )
            assert (ours.prefix_hash(n) == theirs.prefix_hash(n)) == is_equal
        assert ours.prefix_hash() == ours.prefix_hash(len(ours))


def test_a_prefix_hash_is_of_messages_there_are() -> None:
    """A length below zero or beyond the end is refused."""
    with Tract.open() as t:
        t.user("a")
        for n in (-1, 2):
            with pytest.raises(InvalidInputError, match="There are 1 messages"):
                t.compile().prefix_hash(n)
        assert t.compile().prefix_hash(0) == Tract.open().compile().prefix_hash()


def test_bytes_a_compiler_brings_in_count_for_the_prefix() -> None:
    """Two images never stored are told apart."""
    hashes = set()
    for data in (b"one", b"two"):
        message = Message("user", (ImagePart("image/png", data),))
        with Tract.open(compiler=lambda entries, shown=message: [(shown, entries[0])]) as t:
            t.user("a")
            hashes.add(t.compile().prefix_hash())

    assert len(hashes) == 2


# --- files and custom types ----------------------------------------------------------------------


def test_images_and_files_are_stored_once_and_returned_to_both_providers(tmp_path: Path) -> None:
    """The same bytes in several messages, and inside a tool result, are one blob; each message has them again."""
    with Tract.open(tmp_path / "a.db") as t:
        picture = ImagePart("image/png", PNG * 50_000)
        t.user([TextPart("look"), picture, FilePart("application/pdf", PDF, name="a.pdf")])
        t.assistant("nice", tool_calls=[{"id": "c", "name": "f", "arguments": "{}"}])
        t.tool_result("c", [TextPart("see"), picture])
        t.user([ToolResultPart("d", parts=(picture,))])
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size < 1.5 * len(picture.data or b"")
    with Tract.open(tmp_path / "a.db") as t:
        first, _, third, fourth = t.compile(verify=True).messages

        assert [getattr(part, "data", None) for part in first.parts] == [None, picture.data, PDF]
        assert third.parts[1].data == fourth.parts[0].parts[0].data == picture.data  # type: ignore[union-attr]
        sent = t.compile(at="HEAD~3")
        kinds = [part["type"] for part in sent.to_openai()[0]["content"]]
        blocks = [block["type"] for block in sent.to_anthropic()["messages"][0]["content"]]
        assert kinds == ["text", "image_url", "file"]
        assert blocks == ["text", "image", "document"]
        # Naming a stored file by its hash stores nothing.
        again = t.user([ImagePart("image/png", hash=first.parts[1].hash)])  # type: ignore[union-attr]
        assert t.compile(at=again).messages[-1].parts == (first.parts[1],)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (ImagePart("image/png"), "neither data nor url"),
        (FilePart("a/b"), "neither data nor url"),
        (ImagePart("image/png", hash="00" * 32), "No file 000000000000"),
        (ImagePart("image/png", hash="nonsense"), "No file nonsense"),
        (ToolResultPart("c", parts=(ImagePart("image/png"),)), "neither data nor url"),
        (ImagePart("image/png", b"x" * 1001), "1,001 bytes"),
        (TextPart("x" * 1001), "the limit is 1,000"),
    ],
    ids=shown,
)
def test_a_file_that_is_none_is_refused(part: Any, words: str) -> None:
    """Without bytes, with a hash nobody stored, or too large: nothing is written."""
    with Tract.open(config={"max_content_bytes": 1000}) as t:
        with pytest.raises(InvalidContentError, match=words):
            t.user([part])
        assert t.log() == []


@given(st.lists(CUSTOM, min_size=1, max_size=3))
def test_custom_types_compile_alike_without_being_registered(contents: list[Any]) -> None:
    """What a handle registered changes nothing of what is compiled; only `show` needs the model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with Tract.open(path, durability="off") as t:
            register(t)
            commits = [t.commit(content) for content in contents]
            expected = t.compile()
            assert [t.show(commit) for commit in commits] == contents
        with Tract.open(path, durability="off") as t:
            assert t.compile(verify=True) == expected
            assert [info.message for info in t.log()] == [commit.message for commit in reversed(commits)]
            with pytest.raises(UnknownContentTypeError):
                t.show(commits[0])


def test_a_custom_content_can_be_given_as_a_mapping() -> None:
    """By its name and fields, checked by its model."""
    with Tract.open() as t:
        register(t)
        commit = t.commit({"content_type": "measurement", "of": "m", "values": [1]})

        assert t.show(commit) == Measurement(of="m", values=[1.0])
        with pytest.raises(InvalidContentError, match=r"`values\.0` of measurement"):
            t.commit({"content_type": "measurement", "of": "m", "values": ["x"]})


# --- looking back, and at it -----------------------------------------------------------------------


def test_as_of_needs_a_time_zone_and_no_commit() -> None:
    """A time without zone could mean any of a day's."""
    with Tract.open() as t:
        commit = t.user("a")
        with pytest.raises(InvalidInputError, match="time zone"):
            t.compile(as_of=datetime(2024, 1, 1))  # noqa: DTZ001  # the mistake itself
        with pytest.raises(InvalidInputError, match="without `at`"):
            t.compile(commit, as_of=datetime.now(UTC))
        assert t.compile(as_of=datetime(1960, 1, 1, tzinfo=UTC)).head is None
        assert t.compile(as_of=datetime.now(UTC)).head == commit.hash


def test_an_empty_branch_compiles_to_nothing() -> None:
    """No messages, no tokens, and every accessor works."""
    with Tract.open() as t:
        for context in (t.compile(), t.compile(verify=True, mark_edits=True)):
            assert (len(context), context.token_count, context.head, context.to_openai()) == (0, 0, None, [])
            assert repr(context) == "<CompiledContext empty messages=0 tokens=0>"
            assert (context.provenance, context.commit_hashes, context.generation_configs) == ((), (), ())


def test_a_context_shows_itself_without_markup_of_the_content() -> None:
    """The repr holds no content; the notebook view escapes it."""
    with Tract.open() as t:
        t.user("<script>alert(1)</script>")
        context = t.compile()

        assert "script" not in repr(context)
        assert "<script>" not in context._repr_html_()
        assert "&lt;script&gt;" in context._repr_html_()


def test_an_unknown_format_is_refused() -> None:
    """The hint lists those there are."""
    with Tract.open() as t, pytest.raises(InvalidInputError, match="telegram") as caught:
        t.compile().report("telegram")
    assert caught.value.hint == "Known are openai, openai_responses, anthropic, gemini."


def test_parameters_are_ready_to_send() -> None:
    """Settings of the call are beside the messages; an empty system is left out."""
    with Tract.open() as t:
        t.user("hi", name="ann")
        t.tool_result("c", "late", is_error=True)
        context = t.compile()

        assert context.to_openai_params(model="gpt-4o", temperature=0) == {
            "model": "gpt-4o",
            "messages": context.to_openai(),
            "temperature": 0,
        }
        assert set(context.to_anthropic_params()) == {"max_tokens", "messages"}
        assert context.to_dicts() == [
            {"role": "user", "content": "hi", "name": "ann"},
            {"role": "tool", "content": "late", "call_id": "c", "is_error": True},
        ]


_OPENAI_TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
_ANTHROPIC_TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object"}}


@pytest.mark.parametrize("tool", [_OPENAI_TOOL, _ANTHROPIC_TOOL], ids=["openai", "anthropic"])
def test_tools_are_written_in_the_words_of_the_provider(tool: dict[str, Any]) -> None:
    """A definition in either shape serves both; one of neither is passed on; nothing to pass on is left out."""
    own = {"type": "web_search_20250305", "name": "web_search"}
    with Tract.open() as t:
        t.user("hi")
        context = t.compile()

        assert context.to_openai_params(tools=[tool])["tools"] == [_OPENAI_TOOL]
        assert context.to_anthropic_params(tools=[tool, own])["tools"] == [_ANTHROPIC_TOOL, own]
        assert "tools" not in context.to_openai_params(tools=[]) | context.to_anthropic_params(tools=[])
        bare = context.to_anthropic_params(tools=[{"type": "function", "function": {"name": "g"}}])
        assert bare["tools"] == [{"name": "g", "input_schema": {"type": "object", "properties": {}}}]
        for wrong in ([5], 5, {"name": "f"}, "f"):
            with pytest.raises(InvalidInputError):
                context.to_openai_params(tools=wrong)  # type: ignore[arg-type]


def test_settings_are_written_in_the_words_of_the_provider() -> None:
    """Those of an earlier reply can be sent along; arguments of the call win."""
    settings = {"model": "m-1", "temperature": 0.5, "max_tokens": 10, "stop": "END", "seed": 7, "top_k": 3}
    with Tract.open() as t:
        t.user("hi")
        t.assistant("ho", generation_config=settings)
        context = t.compile()
        kept = context.generation_configs[1]

        for_openai = context.to_openai_params(generation_config=kept, temperature=1)
        for_anthropic = context.to_anthropic_params(model="m-2", generation_config=kept)

    assert for_openai == {**settings, "stop": ["END"], "temperature": 1, "messages": context.to_openai()}
    assert {name: for_anthropic[name] for name in for_anthropic if name != "messages"} == {
        "model": "m-2",
        "temperature": 0.5,
        "max_tokens": 10,
        "stop_sequences": ["END"],
        "top_k": 3,
    }
    assert context.to_anthropic_params(generation_config={"stop": ["a", "b"]})["stop_sequences"] == ["a", "b"]


def test_parameters_of_the_newer_apis_are_ready_to_send() -> None:
    """Settings, tools and system texts stand where Responses and Gemini look for them, in their words."""
    settings = {"model": "m-1", "temperature": 0.5, "max_tokens": 10, "stop": "END", "seed": 7}
    schema = {"type": "object", "properties": {}}
    function = {"name": "f", "description": "d", "parameters": schema, "strict": False}
    with Tract.open() as t:
        t.system("Be brief.")
        t.user("hi")
        context = t.compile()

    responses = context.to_openai_responses_params(generation_config=settings, tools=[_OPENAI_TOOL], store=False)
    gemini = context.to_gemini_params(generation_config=settings, tools=[_ANTHROPIC_TOOL], top_k=3)

    assert responses == {
        "model": "m-1",
        "temperature": 0.5,
        "max_output_tokens": 10,
        "tools": [{"type": "function", **function, "parameters": {"type": "object"}}],
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "store": False,
    }
    declared = {"name": "f", "description": "d", "parameters_json_schema": {"type": "object"}}
    assert gemini == {
        "model": "m-1",
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "config": {
            "temperature": 0.5,
            "max_output_tokens": 10,
            "stop_sequences": ["END"],
            "seed": 7,
            "top_k": 3,
            "system_instruction": {"parts": [{"text": "Be brief."}]},
            "tools": [{"function_declarations": [declared]}],
        },
    }
    assert gemini_body(gemini) == {
        "contents": gemini["contents"],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [
            {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]}
        ],
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 10, "stopSequences": ["END"], "seed": 7, "topK": 3},
    }


def test_stored_reasoning_goes_where_responses_are_stored() -> None:
    """Reasoning without `encrypted_content` is sent with `store=True` and left out otherwise."""
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    with Tract.open() as t:
        t.assistant("ho", reasoning=[{"provider": "openai", "raw": item}])
        context = t.compile()

    assert context.to_openai_responses_params(store=True)["input"][0] == item
    assert len(context.to_openai_responses_params()["input"]) == 1
    assert [loss.kind for loss in context.report("openai_responses").losses] == ["reasoning"]


_CHAT_SQL = {"type": "custom", "custom": {"name": "sql", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}}
_RESPONSES_SQL = {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark"}}


def test_a_tool_in_any_shape_serves_every_provider() -> None:
    """The same function is written from each of the four shapes; a provider's own tool is passed on."""
    schema = {"type": "object"}
    responses = {"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": False}
    gemini = {"function_declarations": [{"name": "f", "description": "d", "parameters_json_schema": schema}]}
    rest = {
        "functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": schema}],
        "googleSearch": {},
    }

    for tool in (_OPENAI_TOOL, _ANTHROPIC_TOOL, responses, gemini):
        (chat,) = openai_tools([tool])
        assert {**chat["function"], "strict": False} == {**_OPENAI_TOOL["function"], "strict": False}  # type: ignore[dict-item]  # a dict
        assert responses_tools([tool]) == [responses]
        assert anthropic_tools([tool]) == [_ANTHROPIC_TOOL]
        assert gemini_tools([tool]) == [gemini]
    assert gemini_tools([rest]) == [gemini, {"googleSearch": {}}]
    assert gemini_tools([{"type": "function", "function": {"name": "g"}}]) == [
        {"function_declarations": [{"name": "g"}]}
    ]
    assert responses_tools([_CHAT_SQL]) == [_RESPONSES_SQL]
    assert responses_tools([{"type": "web_search"}]) == [{"type": "web_search"}]


def test_no_repr_shows_what_was_said() -> None:
    """Results may be logged: none of them, nor anything in them, shows content."""
    secret = "Xyzzy"
    with Tract.open() as t:
        said = t.user([TextPart(secret), ImagePart("image/png", secret.encode())], message=secret)
        t.assistant(secret, tool_calls=[{"id": "c", "name": "f", "arguments": f'{{"a": "{secret}"}}'}])
        t.tool_result("c", secret)
        t.pin(said, reason=secret)
        context = t.compile()
        parts = [part for message in context.messages for part in message.parts]
        results = [said, t.show(said), t.get("HEAD"), t.status(), t.log(), t.log(graph=True), list(t.operations)]

        assert secret not in repr(
            [context, list(context.messages), parts, context.provenance, context.report("openai")]
        )
        assert secret not in repr([*results, t, t.branches, t.tags, t.config, t.undo(), t.redo(), t.fsck()])
        assert len(parts) == 5
        assert all(len(repr(part)) < 40 for part in parts)
