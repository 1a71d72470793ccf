"""Counts are tiktoken's own, without its downloads, and survive odd text."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tract.errors import UnknownTokenizerError
from tract.tokens import EstimatedCounter, TiktokenCounter, TokenCounter, counter_for
from tract.tokens.counter import MAX_PIECE_CHARS, pieces
from tract.tokens.encodings import ENCODINGS, encoding

CONVERSATIONS = Path(__file__).parents[1] / "data" / "airline-conversations.jsonl"

NAMES = sorted(ENCODINGS)
SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)  # the first example may be the one that loads the ranks
@given(text=st.text())
def test_count_is_the_length_of_tiktokens_encoding(name: str, text: str) -> None:
    """Any text below the cut length costs what `encode_ordinary` says."""
    assert TiktokenCounter(name).count(text) == len(encoding(name).encode_ordinary(text))


def test_known_counts() -> None:
    """Published examples keep their counts, so that a wrong pattern or rank shows without tiktoken's word."""
    # OpenAI Cookbook, "How to count tokens with tiktoken", section "Comparing encodings".
    expected = {
        "antidisestablishmentarianism": (6, 6),
        "2 + 2 = 4": (7, 7),
        "お誕生日おめでとう": (9, 8),
    }
    for text, counts in expected.items():
        assert (counter_for("cl100k_base").count(text), counter_for("o200k_base").count(text)) == counts


@pytest.mark.parametrize("name", NAMES)
def test_special_tokens_in_text_are_text(name: str) -> None:
    """`<|endoftext|>` written by a user neither raises nor becomes one token."""
    assert TiktokenCounter(name).count("<|endoftext|>") > 1


@pytest.mark.parametrize("counter", [*map(TiktokenCounter, NAMES), EstimatedCounter()], ids=repr)
def test_lone_surrogates_have_a_count(counter: TokenCounter) -> None:
    """Half a surrogate pair counts as the replacement character."""
    assert counter.count("a\ud800b") == counter.count("a\ufffdb") > 0


@pytest.mark.parametrize("counter", [*map(TiktokenCounter, NAMES), EstimatedCounter()], ids=repr)
def test_empty_text_costs_nothing(counter: TokenCounter) -> None:
    """No text, no tokens."""
    assert counter.count("") == 0


LONG_RUNS = {
    "letter": "a" * 1_000_000,
    "spaces": " " * 1_000_000,
    "tabs before a word": "\t" * 1_000_000 + "x",
    "newlines": "\n" * 1_000_000,
    "caret": "^" * 1_000_000,
    "digits": "7" * 1_000_000,
    "emoji": "😀" * 250_000,
    "ideographs": "漢" * 333_333,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", LONG_RUNS.values(), ids=LONG_RUNS.keys())
def test_a_megabyte_of_one_character_is_counted_quickly(name: str, text: str) -> None:
    """A run that makes tiktoken itself give up or slow down is counted in a time nobody notices."""
    counter = TiktokenCounter(name)
    per_unit = counter.count(text[:49_152]) / 49_152
    started = time.process_time()

    tokens = counter.count(text)

    assert time.process_time() - started < 2.0  # 0.05 to 0.25 s where it was measured
    assert tokens == pytest.approx(per_unit * len(text), abs=4)


def _long_texts() -> Iterator[str]:
    recorded = CONVERSATIONS.read_text(encoding="utf-8")
    yield recorded[:400_000]
    yield json.dumps(json.loads(recorded.splitlines()[0]), indent=2) * 10
    yield "\n".join(f"{number:>9}: übergröße  \t {number * 7}" for number in range(12_000))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", list(_long_texts()), ids=["jsonl", "json", "table"])
def test_cutting_real_text_changes_no_count(name: str, text: str) -> None:
    """Where words are separated by spaces, a cut text costs what the whole does."""
    assert len(text) > MAX_PIECE_CHARS

    assert TiktokenCounter(name).count(text) == len(encoding(name).encode_ordinary(text))


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(
    words=st.lists(st.text(alphabet="aZ9é漢\u0301'/^.\n\r \t\u3000\u2028", min_size=1, max_size=20), min_size=1),
    last=st.characters(exclude_categories=["Cs"]).filter(lambda character: not character.isspace()),
)
def test_a_cut_after_a_word_never_changes_a_count(name: str, words: list[str], last: str) -> None:
    """A token always ends where something other than white space meets a space or tab."""
    encode = encoding(name).encode_ordinary
    for blank in " \t":
        left, right = "".join(words) + last, blank + "".join(reversed(words))

        assert encode(left + right) == encode(left) + encode(right)


@given(
    unit=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    length=st.integers(MAX_PIECE_CHARS - 3, 2 * MAX_PIECE_CHARS + 3),
)
def test_pieces_are_the_text(unit: str, length: int) -> None:
    """Cutting loses nothing, repeats nothing, and no piece is empty or too long."""
    text = (unit * (length // len(unit) + 1))[:length]

    found = list(pieces(text))

    assert "".join(found) == text
    assert all(0 < len(piece) <= MAX_PIECE_CHARS for piece in found)


def test_unknown_encodings_are_refused() -> None:
    """A counter is never made for ranks that are not there."""
    with pytest.raises(UnknownTokenizerError) as caught:
        TiktokenCounter("p50k_base")

    assert caught.value.name == "p50k_base"
    assert "o200k_base" in str(caught.value.hint)


def test_counters_fulfil_the_protocol() -> None:
    """Both say who they are and whether to trust them to the token."""
    exact: TokenCounter = TiktokenCounter("o200k_base")
    rough: TokenCounter = EstimatedCounter()

    assert isinstance(exact, TokenCounter)
    assert isinstance(rough, TokenCounter)
    assert (exact.name, exact.is_approximate) == ("o200k_base", False)
    assert (rough.name, rough.is_approximate) == ("estimate", True)


def run_alone(code: str) -> str:
    """Return what *code* prints in a fresh process where every socket raises and tiktoken has no cache."""
    guard = (
        "import socket\n"
        "def refuse(*args, **options): raise AssertionError('network')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", guard + code],
        env={"PYTHONPATH": str(SOURCE), "HOME": "/nonexistent", "TMPDIR": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_counting_needs_no_network_and_no_cache() -> None:
    """A fresh process with no network and no folder to cache in counts with both encodings."""
    printed = run_alone(
        "from tract.tokens import counter_for\n"
        "print(counter_for(None).count('お誕生日おめでとう'), counter_for('gpt-4').count('お誕生日おめでとう'))"
    )

    assert printed == "8 9"


def test_importing_tokens_does_not_load_tiktoken() -> None:
    """Start-up pays for the tokenizer only when something is counted."""
    printed = run_alone(
        "import sys, tract.tokens as tokens\n"
        "before = 'tiktoken' in sys.modules\n"
        "tokens.counter_for(None).count('x')\n"
        "print(before, 'tiktoken' in sys.modules)"
    )

    assert printed == "False True"


def test_threads_count_alike() -> None:
    """One counter used by many threads gives every thread the same answer."""
    counter = TiktokenCounter("o200k_base")
    text = CONVERSATIONS.read_text(encoding="utf-8")[:50_000]

    with ThreadPoolExecutor(4) as threads:
        counts = set(threads.map(counter.count, [text] * 16))

    assert counts == {len(encoding("o200k_base").encode_ordinary(text))}
