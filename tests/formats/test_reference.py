"""The reference page names every repair and every loss there is, and says truly what each format loses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.formats.build import assistant, call, histories, result, user
from tract.formats.anthropic import to_anthropic
from tract.formats.gemini import to_gemini
from tract.formats.openai_chat import to_openai
from tract.formats.report import Rendered
from tract.formats.responses import to_openai_responses
from tract.objects.message import FilePart, ImagePart, Message, Reasoning, TextPart

ROOT = Path(__file__).parents[2]
SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src/tract/formats").glob("*.py")))
PAGE = (ROOT / "docs/reference/formats.md").read_text(encoding="utf-8")

# The kinds that are a part's own type are not literals in the source.
KINDS = {*re.findall(r'\.(?:lose|repair)\(\s*"(\w+)"', SOURCE), "image", "file", "orphan_result", "duplicate_result"}

FORMATS: Mapping[str, Callable[[list[Message]], Rendered[Any]]] = {
    "openai": to_openai,
    "openai_responses": to_openai_responses,
    "anthropic": to_anthropic,
    "gemini": to_gemini,
}


def _table() -> dict[str, set[str]]:
    """Return the formats the page says lose each kind."""
    lines = PAGE.partition("## What is lost")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    formats = rows[0][2:]
    return {
        row[0].strip("`"): {name for name, cell in zip(formats, row[2:], strict=True) if cell == "yes"}
        for row in rows[2:]
    }


LOST = _table()


def _block(provider: str, block: Any) -> Message:
    return Message("system", (TextPart("x", extra={provider: block}),))


# A history for each kind that loses it in every format that can.
LOSING: Mapping[str, list[Message]] = {
    "name": [replace(user("x"), name="ann")],
    "role": [Message("developer", (TextPart("x"),)), user("x")],
    "position": [user("x"), Message("system", (TextPart("x"),))],
    "order": [user("x"), assistant(call("a"), "then"), result("a")],
    "reasoning": [user("x"), assistant(Reasoning("elsewhere", {"a": 1}), "x")],
    "image": [user("x"), Message("user", (TextPart("x"), ImagePart("image/png")))],
    "file": [user("x"), Message("user", (TextPart("x"), FilePart("application/pdf")))],
    "is_error": [user("x"), assistant(call("a")), replace(result("a"), is_error=True)],
    "block": [
        user("x"),
        _block("openai", {"type": "image_url", "image_url": {"url": "u"}}),
        _block("openai_responses", {"part": {"type": "refusal", "refusal": "no"}}),
        _block("anthropic", {"type": "search_result"}),
        _block("gemini", {"part": {"executable_code": {}}}),
    ],
    "extra": [Message("user", (TextPart("x"),), extra={"elsewhere": {"a": 1}})],
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_on_the_page(kind: str) -> None:
    """A reader finds each reported kind in the tables."""
    assert f"`{kind}`" in PAGE


def test_the_kinds_are_found_in_the_source() -> None:
    """The search above sees the reports, so that the test before can fail."""
    assert {"interrupted_result", "tool_id", "order", "position"} <= KINDS


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", LOSING)
def test_each_format_loses_what_the_table_says(kind: str, name: str) -> None:
    """A history that shows the loss reports it in the formats named, and in no other."""
    lost = {loss.kind for loss in FORMATS[name](LOSING[kind]).losses}

    assert (kind in lost) == (name in LOST[kind])


def test_every_loss_of_the_table_is_shown() -> None:
    """No row goes unproven, and no format is forgotten."""
    assert set(LOSING) == set(LOST)
    assert set().union(*LOST.values()) == set(FORMATS)


@given(histories())
def test_no_format_loses_anything_else(history: list[Message]) -> None:
    """Whatever the history, each loss is of a kind the table gives that format."""
    for name, render in FORMATS.items():
        assert {kind for kind in (loss.kind for loss in render(history).losses) if name not in LOST[kind]} == set()
