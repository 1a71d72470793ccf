"""What holds for any history: output is valid, repairs are idempotent, nothing is dropped without a word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.formats.build import conversations, exchanges, histories, messages_of, tools_of
from tests.providers.server import answer_anthropic, answer_openai
from tract.formats.anthropic import from_anthropic, to_anthropic
from tract.formats.openai_chat import from_openai, to_openai
from tract.formats.repair import INTERRUPTED, repair_exchanges
from tract.formats.report import Loss, Rendered, Repair
from tract.formats.validate import validate_anthropic, validate_openai
from tract.objects.message import Message, TextPart


def noted(rendered: Rendered[Any]) -> list[Loss | Repair]:
    return [*rendered.losses, *rendered.repairs]


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
def test_anthropic_gets_no_message_only_when_nothing_can_be_said(history: list[Message]) -> None:
    """Without a message every part was an instruction or was reported."""
    rendered = to_anthropic(history)
    if rendered.value["messages"]:
        return

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


@given(histories())
def test_no_text_is_dropped_without_a_word(history: list[Message]) -> None:
    """Each text is in the output of its message, or something was noted about that message."""
    both: tuple[Rendered[Any], ...] = (to_openai(history), to_anthropic(history))
    for rendered in both:
        sent = json.dumps(rendered.value, ensure_ascii=False)
        known = {note.message_index for note in noted(rendered)}
        for index, message in enumerate(history):
            for part in message.parts:
                if isinstance(part, TextPart) and json.dumps(part.text, ensure_ascii=False) not in sent:
                    assert index in known


@given(exchanges())
def test_whole_conversations_need_no_repair(history: list[Message]) -> None:
    """A valid conversation is sent as it is: the very sequence, no repair, no loss."""
    assert repair_exchanges(history).messages is history
    for rendered in (to_openai(history), to_anthropic(history)):
        assert rendered.repairs == ()
        assert rendered.losses == ()


@given(exchanges(), st.data())
def test_any_cut_deletion_or_reorder_stays_valid(history: list[Message], data: st.DataObject) -> None:
    """Whatever messages are kept and in whatever order, both providers take the result."""
    kept = data.draw(st.lists(st.sampled_from(range(len(history))), min_size=1, max_size=12, unique=True))
    if data.draw(st.booleans()):
        kept.sort()
    part = [history[index] for index in kept]

    openai, anthropic = to_openai(part), to_anthropic(part)

    if openai.value:
        assert_openai_takes(openai)
    assert_anthropic_takes(anthropic)


@given(st.integers(0, 39), st.data())
def test_any_cut_of_a_real_conversation_stays_valid(number: int, data: st.DataObject) -> None:
    """Cut anywhere, both providers take the result, and no result is sent for another call."""
    history = messages_of(from_openai(conversations()[number]))
    start = data.draw(st.integers(0, len(history) - 1))
    part = history[start : data.draw(st.integers(start + 1, len(history)))]

    openai = to_openai(part)

    if openai.value:
        assert_openai_takes(openai)
    assert_anthropic_takes(to_anthropic(part))
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


@given(histories(), histories())
def test_sources_name_the_messages_in_order(first: list[Message], second: Sequence[Message]) -> None:
    """Each output message names input messages; each input message is used at most once per kind of output."""
    history = [*first, *second]
    for sources in (to_openai(history).sources, to_anthropic(history).sources):
        named = [index for group in sources for index in group]
        assert set(named) <= set(range(len(history)))
