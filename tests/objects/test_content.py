"""Shows what can be committed, that nothing of it is lost, and what message it becomes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, ConfigDict, RootModel

from tests.ids import shown
from tests.strategies import CONTENTS, CUSTOM, PARTS, Measurement, Remark
from tract import (
    ArtifactContent,
    DialogueContent,
    FilePart,
    FreeformContent,
    ImagePart,
    InstructionContent,
    Message,
    OutputContent,
    Reasoning,
    ReasoningContent,
    SessionContent,
    TextPart,
    ToolCall,
    ToolResultContent,
    ToolResultPart,
)
from tract.errors import InvalidContentError, NotCanonicalError, UnknownContentTypeError
from tract.objects.content import (
    BUILT_IN,
    Content,
    ContentTypes,
    encode_payload,
    headline,
    payload_of,
    shorten,
    to_message,
)
from tract.objects.hashing import blob_hash
from tract.objects.message import part_from_json, part_to_json


def types() -> ContentTypes:
    known = ContentTypes()
    known.register("measurement", Measurement)
    known.register("remark", Remark)
    return known


def without_bytes(part: Any) -> Any:
    """Return *part* as it is stored: bytes of files are stored apart."""
    if isinstance(part, ToolResultPart):
        return replace(part, parts=tuple(map(without_bytes, part.parts)))
    return replace(part, data=None) if isinstance(part, (ImagePart, FilePart)) else part


@given(CONTENTS)
def test_a_stored_content_reads_back_as_it_was(content: Any) -> None:
    """Every field of every built-in type survives the way through the stored bytes."""
    parts = getattr(content, "parts", ())
    expected = content.model_copy(update={"parts": tuple(map(without_bytes, parts))}) if parts else content

    stored = json.loads(encode_payload(payload_of(content)))

    assert types().parse(content.content_type, stored) == expected


@given(CUSTOM)
def test_a_stored_custom_content_reads_back_as_it_was(content: BaseModel) -> None:
    """The same for registered types, aliases and fields called like our own included."""
    known = types()

    stored = json.loads(encode_payload(payload_of(content)))

    assert known.parse(known.name_of(content), stored) == content


@given(PARTS)
def test_a_stored_part_reads_back_as_it_was(part: Any) -> None:
    """Empty text is kept apart from none."""
    assert part_from_json(json.loads(json.dumps(part_to_json(part)))) == without_bytes(part)


@given(CONTENTS)
def test_any_content_becomes_a_message_with_a_headline(content: Any) -> None:
    """Reading straight from the payload works for whatever can be stored."""
    stored = json.loads(encode_payload(payload_of(content)))

    message = to_message(content.content_type, stored)
    line = headline(content.content_type, stored)

    assert message.role in {"system", "developer", "user", "assistant", "tool"}
    assert message.name == getattr(content, "name", None)
    assert 0 < len(line) <= 72
    assert len(line.splitlines()) == 1


def test_only_what_differs_from_the_default_is_stored() -> None:
    """A field added later leaves old hashes as they are."""
    content = DialogueContent(role="user", text="hi")

    assert encode_payload(content.payload()) == b'{"role":"user","text":"hi"}'


CALL = ToolCall("c1", "look_up", '{"q": 1}')
THOUGHT = Reasoning("anthropic", {"type": "thinking", "thinking": "hm"}, "hm")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (InstructionContent(text="Be brief."), Message("system", (TextPart("Be brief."),))),
        (
            InstructionContent(text="Be brief.", role="developer", name="ops", extra={"openai": {"a": 1}}),
            Message("developer", (TextPart("Be brief."),), "ops", extra={"openai": {"a": 1}}),
        ),
        (DialogueContent(role="user", text="hi", name="ann"), Message("user", (TextPart("hi"),), "ann")),
        (
            DialogueContent(role="assistant", text="yes", tool_calls=(CALL,), reasoning=(THOUGHT,)),
            Message("assistant", (THOUGHT, TextPart("yes"), CALL)),
        ),
        (DialogueContent(role="assistant", tool_calls=(CALL,)), Message("assistant", (CALL,))),
        (
            DialogueContent(role="assistant", parts=(TextPart("a"), CALL, TextPart("b"))),
            Message("assistant", (TextPart("a"), CALL, TextPart("b"))),
        ),
        (
            ToolResultContent(call_id="c1", text="42", name="look_up", is_error=True),
            Message("tool", (TextPart("42"),), "look_up", "c1", is_error=True),
        ),
        (ToolResultContent(call_id="c1"), Message("tool", (), None, "c1")),
        (ReasoningContent(text="hm"), Message("assistant", (TextPart("hm"),))),
        (ArtifactContent(text="x = 1", kind="code", title="x"), Message("assistant", (TextPart("x = 1"),))),
        (OutputContent(text="done"), Message("assistant", (TextPart("done"),))),
        (FreeformContent(data={"b": 1, "a": [None]}), Message("user", (TextPart('{"a":[null],"b":1}'),))),
        (FreeformContent(), Message("user", (TextPart("null"),))),
        (SessionContent(kind="start"), Message("user", (TextPart("Session start."),))),
        (
            SessionContent(
                kind="handoff", summary="Half done.", decisions=("A",), failed_approaches=("B",), next_steps=("C", "D")
            ),
            Message(
                "user",
                (
                    TextPart(
                        "Session handoff.\nHalf done.\nDecisions:\n- A\nFailed approaches:\n- B\nNext steps:\n- C\n- D"
                    ),
                ),
            ),
        ),
        (Remark(text="note", name="n"), Message("user", (TextPart("note"),))),
        (Measurement(of="m", nonce="n"), Message("user", (TextPart('{"hash":"","nonce":"n","of":"m","values":[]}'),))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_type_becomes_this_message(content: BaseModel, message: Message) -> None:
    """Role, parts, names and order."""
    stored = json.loads(encode_payload(payload_of(content)))

    assert to_message(types().name_of(content), stored) == message


def test_each_type_says_its_origin_and_priority() -> None:
    """Instructions are pinned, standalone reasoning and records of spawns are not sent, and nothing else is special."""
    special = {name: kind.default_priority for name, kind in BUILT_IN.items() if kind.default_priority != "normal"}

    assert special == {"instruction": "pinned", "reasoning": "skip", "spawn": "skip"}
    assert DialogueContent(role="user", text="a").origin == "user"
    assert DialogueContent(role="assistant", text="a").origin == "model"
    assert ToolResultContent(call_id="a").origin == "tool"
    assert InstructionContent(text="a").origin == "system"
    assert FreeformContent().origin == "developer"


def test_equal_sensitive_contents_have_different_hashes() -> None:
    """What is left after erasing cannot be matched against a guess, nor two secrets with each other."""
    secret = DialogueContent(role="user", text="my code is 1234", sensitive=True)
    stored = [encode_payload(secret.payload()) for _ in range(2)]
    guess = {"role": "user", "sensitive": True, "text": "my code is 1234"}

    assert blob_hash(stored[0]) != blob_hash(stored[1])
    assert blob_hash(json.dumps(guess, sort_keys=True, separators=(",", ":")).encode()) not in map(blob_hash, stored)
    assert all(len(json.loads(data)["nonce"]) == 32 for data in stored)
    assert types().parse("dialogue", json.loads(stored[0])) == secret


class Secret(BaseModel):
    code: int
    sensitive: bool = True


def test_the_nonce_of_a_custom_type_is_not_shown_to_the_model() -> None:
    """The nonce is stored and neither read back nor compiled."""
    known = ContentTypes()
    known.register("secret", Secret)
    stored = json.loads(encode_payload(payload_of(Secret(code=7))))

    assert "nonce" in stored
    assert to_message("secret", stored).text == '{"code":7,"sensitive":true}'
    assert known.parse("secret", stored) == Secret(code=7)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (InstructionContent, {}),
        (InstructionContent, {"text": "a", "parts": (TextPart("b"),)}),
        (InstructionContent, {"text": "a", "role": "user"}),
        (DialogueContent, {"text": "a"}),
        (DialogueContent, {"role": "", "text": "a"}),
        (DialogueContent, {"role": "tool", "text": "a"}),
        (DialogueContent, {"role": "user"}),
        (DialogueContent, {"role": "assistant"}),
        (DialogueContent, {"role": "user", "text": "a", "tool_calls": (CALL,)}),
        (DialogueContent, {"role": "user", "reasoning": (THOUGHT,)}),
        (DialogueContent, {"role": "user", "text": 5}),
        (DialogueContent, {"role": "user", "text": "a", "colour": "red"}),
        (DialogueContent, {"role": "user", "parts": (TextPart(5),)}),  # type: ignore[arg-type]
        (DialogueContent, {"role": "user", "parts": ({"type": "video"},)}),
        (DialogueContent, {"role": "assistant", "tool_calls": (ToolCall("a", "b", {"c": 1}),)}),  # type: ignore[arg-type]
        (ToolResultContent, {"call_id": "", "text": "a"}),
        (SessionContent, {"kind": "pause"}),
        (ReasoningContent, {}),
    ],
)
def test_what_does_not_fit_a_type_is_refused_when_it_is_made(kind: type[Content], fields: dict[str, Any]) -> None:
    """Values of the wrong kind never reach the store, those inside parts included."""
    with pytest.raises(ValueError, match="validation error"):
        kind(**fields)
    with pytest.raises(InvalidContentError) as caught:
        ContentTypes().parse(kind.content_type, fields)
    assert kind.content_type in str(caught.value)


def test_a_repr_shows_no_content() -> None:
    """A log of contents and messages leaks nothing."""
    secret = DialogueContent(role="user", text="secret")

    assert repr(secret) == "<DialogueContent>"
    assert repr(to_message("dialogue", secret.payload())) == "<Message user parts=1>"


class Listed(RootModel[list[int]]):
    pass


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Note", Remark),
        ("no spaces", Remark),
        ("1st", Remark),
        ("", Remark),
        ("é", Remark),
        ("dialogue", Remark),
        ("annotation", Remark),
        ("remark", Measurement),
        ("listed", Listed),
        ("plain", dict),
        ("value", Remark(text="a")),
    ],
    ids=shown,
)
def test_a_name_or_model_that_cannot_be_a_type_is_refused(name: str, model: Any) -> None:
    """Taken names, names that are no identifiers, and models without named fields."""
    known = types()

    with pytest.raises(InvalidContentError):
        known.register(name, model)

    assert set(known) == {*BUILT_IN, "measurement", "remark"}


def test_registering_again_is_allowed() -> None:
    """A module that is imported twice registers its types twice."""
    known = types()
    known.register("remark", Remark)

    assert "remark" in known
    assert known.name_of(Remark(text="a")) == "remark"


def test_an_unknown_type_is_refused_with_the_nearest_name() -> None:
    """By name, and by a model nobody registered."""
    with pytest.raises(UnknownContentTypeError, match="dialog") as caught:
        types().parse("dialog", {})
    assert caught.value.hint == "Did you mean `dialogue`?"
    with pytest.raises(UnknownContentTypeError, match="Secret"):
        types().name_of(Secret(code=1))


class Odd(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: Any


@pytest.mark.parametrize("value", [object(), b"\xff"], ids=shown)
def test_a_custom_field_without_json_form_is_refused(value: Any) -> None:
    """Pydantic's own errors do not escape."""
    with pytest.raises(InvalidContentError, match="A field of `Odd` has no JSON form"):
        payload_of(Odd(value=value))


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": (-float("inf"),)}], ids=shown)
def test_a_custom_field_that_is_not_finite_is_refused(value: Any) -> None:
    """NaN does not silently become null."""
    with pytest.raises(NotCanonicalError):
        payload_of(Odd(value=value))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (DialogueContent(role="user", text="\n  \n  first line \nsecond"), "first line"),
        (DialogueContent(role="user", text="x" * 80), "x" * 71 + "…"),
        (DialogueContent(role="user", text="x" * 72), "x" * 72),
        (DialogueContent(role="user", text=" \n\t"), "text"),
        (DialogueContent(role="assistant", tool_calls=(CALL, CALL)), 'look_up({"q": 1}), look_up({"q": 1})'),
        (DialogueContent(role="user", parts=(ImagePart("image/png", b""), FilePart("a/b", b""))), "image, file"),
        (DialogueContent(role="user", parts=(TextPart(""), TextPart("see"))), "see"),
        (ToolResultContent(call_id="a"), "(empty)"),
        (DialogueContent(role="user", text=" " * 3000 + "late"), "text"),
        (FreeformContent(data=[1]), "[1]"),
    ],
    ids=shown,
)
def test_a_headline_is_the_first_line_that_says_something(content: Content, line: str) -> None:
    """At most 72 characters; without text the tool calls or the kinds of parts."""
    assert headline(content.content_type, json.loads(encode_payload(content.payload()))) == line


def test_a_headline_of_megabytes_is_found_at_the_beginning() -> None:
    """Only the beginning is looked at."""
    assert shorten(" " * 3_000_000 + "late") == ""
    assert shorten("early\n" + "x" * 3_000_000) == "early"


def test_parts_say_what_is_in_a_message() -> None:
    """Text, tool calls and reasoning can be asked for."""
    message = Message("assistant", (THOUGHT, TextPart("a"), CALL, TextPart("b")))

    assert message.text == "a\nb"
    assert message.tool_calls == (CALL,)
    assert message.reasoning == (THOUGHT,)
