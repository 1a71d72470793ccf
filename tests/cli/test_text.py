"""Keeps G15 for output: nothing that is stored reaches a terminal as a control."""

import json
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.conftest import Run, on_terminal, program
from tract import Tract
from tract.cli._text import visible, visible_json

HOSTILE = (
    "[/foo] [bold]x[/bold] :smile: \x1b[31mred\x1b]0;title\x07 \x9b2J \u202eevil\u2066 a\u200bb "
    "\x7f\x00 \U000e0041\r\x08"
)

_OUR_OWN_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def _controls(text: str) -> set[str]:
    """Return what of *text* a terminal would obey or not show, our own colours and line feeds aside."""
    rest = _OUR_OWN_COLOUR.sub("", text.replace("\r\n", "\n"))
    return {
        char
        for char in rest
        if char not in "\n\t" and (unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} or char == "\U000e0041")
    }


@pytest.fixture
def hostile_store(tmp_path: Path) -> Path:
    """A store in which every text a caller can give is hostile."""
    with Tract.open(tmp_path / ".tract.db") as t:
        t.user(HOSTILE, message=HOSTILE, metadata={HOSTILE: HOSTILE})
        info = t.assistant(None, tool_calls=[{"id": "c1", "name": "f\x1b[0m", "arguments": HOSTILE}])
        t.tool_result("c1", HOSTILE, name=HOSTILE)
        t.skip(t.system(HOSTILE), reason=HOSTILE)
        t.commit({"content_type": "freeform", "data": {HOSTILE: HOSTILE}}, generation_config={"model": HOSTILE})
        t.pin(info, reason=HOSTILE)
        t.branches.create("side")
        t.branches.describe("side", HOSTILE)
    with Tract.open(tmp_path / ".tract.db", actor="[/foo] :smile:") as t:
        t.edit("HEAD~3", HOSTILE + "2", author="[/foo] :smile:")
    return tmp_path


COMMANDS = [
    ("log",),
    ("status",),
    *[("show", f"HEAD~{n}") for n in range(8)],
    ("log", "--graph", "--all"),
    ("log", "--oneline"),
    ("branch",),
    ("op", "log"),
    ("op", "show"),
    ("diff",),
    ("diff", "HEAD~7", "HEAD"),
    ("diff", "--json"),
    ("blame",),
    ("find", "[/foo]"),
    ("search", "[/foo]"),
    ("search", "[/foo]", "--json"),
    ("search", HOSTILE.replace("\x00", "")),
    ("undo",),
    ("switch", HOSTILE.replace("\x00", "")),
    ("find", "--config", HOSTILE.replace("\x00", "")),
    ("log", "--since", HOSTILE.replace("\x00", "")),
    ("compile",),
    ("compile", "--format", "openai"),
    ("compile", "--format", "anthropic"),
    ("compile", "--format", "dicts"),
    ("log", "--json"),
    ("show", "HEAD~7", "--json"),
    ("compile", "--json"),
    ("show", HOSTILE.replace("\x00", "")),
    ("config", "set", "tokenizer", HOSTILE.replace("\x00", "")),
    ("--tract", HOSTILE.replace("\x00", ""), "status"),
]


@pytest.mark.parametrize(
    "arguments", COMMANDS, ids=lambda arguments: " ".join(arguments)[:24].encode("ascii", "replace")
)
def test_no_control_reaches_a_pipe(arguments: tuple[str, ...], hostile_store: Path, run: Run) -> None:
    """With colour forced, every command prints hostile texts as visible escapes, on stdout and stderr."""
    result = run("--color", "always", *arguments)

    assert result.output
    assert _controls(result.output) == set()


ON_TERMINAL = [
    ("log",),
    ("status",),
    ("show", "HEAD~7"),
    ("compile",),
    ("log", "--graph"),
    ("log", "--oneline"),
    ("branch",),
    ("op", "log"),
    ("diff",),
    ("blame",),
    ("search", "[/foo]"),
]


@pytest.mark.parametrize("arguments", ON_TERMINAL, ids=" ".join)
def test_no_control_reaches_a_terminal(arguments: tuple[str, ...], hostile_store: Path) -> None:
    """On a real terminal the same holds, and markup is shown as it was written."""
    text = on_terminal(*arguments, folder=hostile_store)

    assert _controls(text) == set()
    assert arguments in {("log",), ("blame",), ("op", "log")} or "[/foo] [bold]x[/bold] :smile:" in _OUR_OWN_COLOUR.sub(
        "", text
    )


def test_json_output_has_the_exact_value(hostile_store: Path) -> None:
    """What is escaped on the way out is the same text for whoever parses it."""
    result = program("compile", "--format", "openai", folder=hostile_store)

    assert json.loads(result.stdout)[0]["content"] == HOSTILE


def test_every_unseen_character_of_unicode_is_written_out() -> None:
    """No control, format, surrogate or separator character passes, alone or kept from its neighbours."""
    characters = [chr(code) for code in range(sys.maxunicode + 1)]
    unseen = [char for char in characters if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]

    assert [char for char in unseen if visible(char).isascii() is False or not visible(char).isprintable()] == []


@pytest.mark.parametrize("text", ["plain", "é 漢字 👋🏽", "a b", "e\u0301", "❤\ufe0f"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Letters, ideographs, emoji and combining marks are not touched."""
    assert visible(text) == visible_json(text) == text


@given(st.text())
def test_visible_json_keeps_the_value(text: str) -> None:
    """Escaping for the terminal does not change what JSON says."""
    assert json.loads(visible_json(json.dumps({"x": text}, ensure_ascii=False))) == {"x": text}
    assert _controls(visible(text)) == set()
