"""How a message reads: as lines for people."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract import FilePart, ImagePart, Message, Reasoning, TextPart, ToolCall, ToolResultPart
from tract.compile.text import equal_blocks, lines_of, readable, stored_lines
from tract.objects.message import searchable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ntext", "plain\ntext"),
        ('{"b": 1, "a": [2]}', '{\n  "a": [\n    2\n  ],\n  "b": 1\n}'),
        (' ["ü"]', '[\n  "ü"\n]'),
        ("{not json", "{not json"),
        ("[" * 100_000, "[" * 100_000),
        ("12", "12"),
        ("", ""),
    ],
)
def test_json_is_pretty_printed_and_other_text_kept(text: str, shown: str) -> None:
    """Objects and arrays get sorted keys and one value per line; everything else stays."""
    assert readable(Message("user", (TextPart(text),))) == shown


def test_every_part_reads_as_text() -> None:
    """Calls, results, reasoning and files say what they are."""
    result = ToolResultPart("c2", '{"ok": true}', parts=(TextPart("and"), ImagePart("image/png", url="http://x/y")))
    message = Message(
        "assistant",
        (
            Reasoning("anthropic", {"type": "thinking"}, "Hm."),
            ToolCall("c1", "search", '{"q":"x"}'),
            result,
            ToolResultPart("c3", is_error=True),
            FilePart("application/pdf", hash="ab" * 32, name="a.pdf"),
        ),
    )

    assert lines_of(message) == [
        "[reasoning anthropic]",
        "Hm.",
        "[tool call search c1]",
        "{",
        '  "q": "x"',
        "}",
        "[tool result c2]",
        "{",
        '  "ok": true',
        "}",
        "and",
        "[image image/png http://x/y]",
        "[tool error c3]",
        "[file a.pdf application/pdf abababababab]",
    ]
    assert list(searchable(message)) == ["Hm.", "search", '{"q":"x"}', '{"ok": true}', "and", ""]


def test_the_stored_form_tells_apart_what_reads_the_same() -> None:
    """Two spellings of one JSON value read the same and are stored differently."""
    one, other = Message("user", (TextPart('{"a":1}'),)), Message("user", (TextPart('{"a": 1}'),))

    assert lines_of(one) == lines_of(other)
    assert stored_lines(one) != stored_lines(other)


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_equal_blocks_are_equal_and_in_order(old: list[str], new: list[str]) -> None:
    """Every block names equal lines, none overlaps another, and a text equals itself entirely."""
    blocks = equal_blocks(old, new)

    assert all(old[a : a + size] == new[b : b + size] and size > 0 for a, b, size in blocks)
    assert all(a + s <= c and b + s <= d for (a, b, s), (c, d, _) in pairwise(blocks))
    assert sum(size for _, _, size in equal_blocks(old, old)) == len(old)
