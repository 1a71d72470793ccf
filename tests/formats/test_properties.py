"""What holds for any history: output is valid, repairs are idempotent, nothing is dropped without a word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.formats.build import OPAQUE_PARTS, conversations, exchanges, histories, messages_of, tools_of
from tests.providers.server import answer_anthropic, answer_gemini, answer_openai, answer_responses
from tract.formats.anthropic import from_anthropic, to_anthropic
from tract.formats.gemini import from_gemini, gemini_body, to_gemini
from tract.formats.openai_chat import from_openai, to_openai
from tract.formats.repair import INTERRUPTED, repair_exchanges
from tract.formats.report import Loss, Rendered, Repair
from tract.formats.responses import from_openai_responses, to_openai_responses
from tract.formats.validate import validate_anthropic, validate_gemini, validate_openai, validate_openai_responses
from tract.objects.message import Message, TextPart


def noted(rendered: Rendered[Any]) -> list[Loss | Repair]:
    return [*rendered.losses, *rendered.repairs]


def all_four(history: Sequence[Message]) -> tuple[Rendered[Any], ...]:
    return to_openai(history), to_openai_responses(history), to_anthropic(history), to_gemini(history)


def assert_openai_takes(rendered: Rendered[list[dict[str, Any]]]) -> None:
    assert validate_openai(rendered.value) == []
    status, body = answer_openai({"model": "gpt", "messages": rendered.value})
    assert status == 200, body
    json.dumps(rendered.value, allow_nan=False, ensure_ascii=False).encode()


def assert_anthropic_takes(rendered: Rendered[dict[str, Any]]) -> None:
    value = rendered.value
    if not value["messages"]:
        return  # nothing was said that can be sent; the next test says when that is
    tools = tools_of(value["messages"])
    assert validate_anthropic(value.get("system"), value["messages"], tools) == []
    status, body = answer_anthropic({"model": "claude", "max_tokens": 1, "tools": tools, **value})
    assert status == 200, body
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def assert_responses_takes(rendered: Rendered[dict[str, Any]]) -> None:
    value = rendered.value
    if not value["input"]:
        return  # as above
    assert validate_openai_responses(value["input"], instructions=value.get("instructions")) == []
    status, body = answer_responses({"model": "gpt", "store": False, **value})
    assert status == 200, body
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def assert_gemini_takes(rendered: Rendered[dict[str, Any]]) -> None:
    value = rendered.value
    if not value["contents"]:
        return  # as above
    assert validate_gemini(value["contents"], system_instruction=value.get("system_instruction")) == []
    status, body = answer_gemini(gemini_body(value))
    assert status == 200, body
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@given(histories())
def test_any_history_is_valid_for_responses(history: list[Message]) -> None:
    """The rules and the server take what is sent for any messages in any order."""
    assert_responses_takes(to_openai_responses(history))


@given(histories())
def test_any_history_is_valid_for_gemini(history: list[Message]) -> None:
    """The rules and the server take what is sent for any messages in any order."""
    assert_gemini_takes(to_gemini(history))


@given(histories())
def test_any_history_is_valid_for_openai(history: list[Message]) -> None:
    """The rules and the server take what is sent for any messages in any order."""
    rendered = to_openai(history)

    if rendered.value:
        assert_openai_takes(rendered)
    else:
        assert all(message.role == "tool" for message in history) or rendered.repairs


@given(histories())
def test_any_history_is_valid_for_anthropic(history: list[Message]) -> None:
    """The rules and the server take what is sent for any messages in any order."""
    assert_anthropic_takes(to_anthropic(history))


@given(histories())
def test_no_message_is_sent_only_when_nothing_can_be_said(history: list[Message]) -> None:
    """Without a message every part was an instruction or was reported."""
    sent: tuple[tuple[str, Rendered[Any]], ...] = (
        ("messages", to_anthropic(history)),
        ("input", to_openai_responses(history)),
        ("contents", to_gemini(history)),
    )
    for name, rendered in sent:
        if rendered.value[name]:
            continue
        reported = {note.message_index for note in noted(rendered)}
        for index, message in enumerate(history):
            assert message.role in {"system", "developer"} or index in reported


@given(histories())
def test_repairs_are_idempotent(history: list[Message]) -> None:
    """Repairing repaired messages gives the same sequence and no repair."""
    once = repair_exchanges(history)

    again = repair_exchanges(once.messages)

    assert again.messages is once.messages
    assert again.repairs == ()
    assert list(again.sources) == list(range(len(once.messages)))


@given(histories(), st.randoms(use_true_random=False))
def test_ids_come_from_the_hashes(history: list[Message], random: Any) -> None:
    """The same history with the same hashes gives the same bytes."""
    hashes = [f"{random.getrandbits(256):064x}" for _ in history]

    assert to_anthropic(history, hashes=hashes) == to_anthropic(list(history), hashes=list(hashes))
    assert to_openai(history, hashes=hashes) == to_openai(list(history), hashes=list(hashes))
    assert to_openai_responses(history, hashes=hashes) == to_openai_responses(list(history), hashes=list(hashes))
    assert to_gemini(history, hashes=hashes) == to_gemini(list(history), hashes=list(hashes))


@given(histories())
def test_no_text_is_dropped_without_a_word(history: list[Message]) -> None:
    """Each text is in the output of its message, or something was noted about that message."""
    for rendered in all_four(history):
        sent = json.dumps(rendered.value, ensure_ascii=False)
        known = {note.message_index for note in noted(rendered)}
        for index, message in enumerate(history):
            for part in message.parts:
                # A part kept whole for one provider alone is no text, whatever stands in for it elsewhere.
                if not isinstance(part, TextPart) or part in OPAQUE_PARTS:
                    continue
                if json.dumps(part.text, ensure_ascii=False) not in sent:
                    assert index in known


@given(exchanges())
def test_whole_conversations_need_no_repair(history: list[Message]) -> None:
    """A valid conversation is sent as it is: the very sequence, no repair, no loss."""
    assert repair_exchanges(history).messages is history
    for rendered in all_four(history):
        assert rendered.repairs == ()
        assert rendered.losses == ()


@given(exchanges(), st.data())
def test_any_cut_deletion_or_reorder_stays_valid(history: list[Message], data: st.DataObject) -> None:
    """Whatever messages are kept and in whatever order, every provider takes the result."""
    kept = data.draw(st.lists(st.sampled_from(range(len(history))), min_size=1, max_size=12, unique=True))
    if data.draw(st.booleans()):
        kept.sort()
    part = [history[index] for index in kept]

    openai, anthropic = to_openai(part), to_anthropic(part)

    if openai.value:
        assert_openai_takes(openai)
    assert_anthropic_takes(anthropic)
    assert_responses_takes(to_openai_responses(part))
    assert_gemini_takes(to_gemini(part))


@given(st.integers(0, 39), st.data())
def test_any_cut_of_a_real_conversation_stays_valid(number: int, data: st.DataObject) -> None:
    """Cut anywhere, every provider takes the result, and no result is sent for another call."""
    history = messages_of(from_openai(conversations()[number]))
    start = data.draw(st.integers(0, len(history) - 1))
    part = history[start : data.draw(st.integers(start + 1, len(history)))]

    openai = to_openai(part)

    if openai.value:
        assert_openai_takes(openai)
    assert_anthropic_takes(to_anthropic(part))
    assert_responses_takes(to_openai_responses(part))
    assert_gemini_takes(to_gemini(part))
    for message, source in zip(openai.value, openai.sources, strict=True):
        original = part[source[0]].text if source else INTERRUPTED
        assert message["content"] in {original, None}


@given(exchanges())
def test_a_longer_history_begins_with_the_bytes_of_the_shorter(history: list[Message]) -> None:
    """At each end of an exchange, what was sent before is a prefix of what is sent later, so prompt caches hold."""
    whole_openai, whole_anthropic = to_openai(history).value, to_anthropic(history).value["messages"]
    for end, message in enumerate(history, start=1):
        if message.role != "assistant" or message.tool_calls:
            continue
        assert to_openai(history[:end]).value == whole_openai[:end]
        shorter = to_anthropic(history[:end]).value["messages"]
        assert shorter == whole_anthropic[: len(shorter)]
        items = to_openai_responses(history[:end]).value["input"]
        assert items == to_openai_responses(history).value["input"][: len(items)]
        turns = to_gemini(history[:end]).value["contents"]
        assert turns == to_gemini(history).value["contents"][: len(turns)]


@given(histories())
def test_openai_output_reads_back(history: list[Message]) -> None:
    """What was sent to OpenAI reads back to contents that are sent the same, and read the same."""
    sent = to_openai(history).value
    contents = from_openai(sent)

    again = to_openai(messages_of(contents))

    assert again.value == sent
    assert again.repairs == ()
    assert from_openai(again.value) == contents


@given(histories())
def test_anthropic_output_reads_back(history: list[Message]) -> None:
    """What was sent to Anthropic reads back to contents that are sent the same, and read the same."""
    sent = to_anthropic(history).value
    contents = from_anthropic(sent["messages"], system=sent.get("system"))

    again = to_anthropic(messages_of(contents))

    assert again.value == sent
    assert again.repairs == ()
    assert from_anthropic(again.value["messages"], system=again.value.get("system")) == contents


@given(histories())
def test_responses_output_reads_back(history: list[Message]) -> None:
    """What was sent to Responses reads back to contents that are sent the same, and read the same."""
    sent = to_openai_responses(history).value
    contents = from_openai_responses(sent["input"], instructions=sent.get("instructions"))

    again = to_openai_responses(messages_of(contents))

    assert again.value == sent
    assert again.repairs == ()
    assert from_openai_responses(again.value["input"], instructions=again.value.get("instructions")) == contents


@given(histories())
def test_gemini_output_reads_back(history: list[Message]) -> None:
    """What was sent to Gemini reads back, from either spelling, to contents that are sent the same."""
    sent = to_gemini(history).value
    body = gemini_body(sent)
    contents = from_gemini(sent["contents"], system_instruction=sent.get("system_instruction"))

    again = to_gemini(messages_of(contents))

    assert again.value == sent
    assert again.repairs == ()
    from_rest = from_gemini(body["contents"], system_instruction=body.get("systemInstruction"))
    assert gemini_body(to_gemini(messages_of(from_rest)).value) == body


@given(histories(), histories())
def test_sources_name_the_messages_in_order(first: list[Message], second: Sequence[Message]) -> None:
    """Each output message names input messages; each input message is used at most once per kind of output."""
    history = [*first, *second]
    for rendered in all_four(history):
        named = [index for group in rendered.sources for index in group]
        assert set(named) <= set(range(len(history)))
