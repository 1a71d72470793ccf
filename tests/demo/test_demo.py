"""Shows that the demonstration says only what is true, and the same each time."""

import json

from tests.gates import source
from tract import demo
from tract.formats.validate import validate_openai


def test_the_demo_says_the_same_twice() -> None:
    """Nothing in it depends on the clock, a hash or a folder."""
    first = [tuple(line) for line in demo.run()]

    assert first == [tuple(line) for line in demo.run()]


def test_the_demo_shows_a_correct_result() -> None:
    """The file equals what was said, both providers accept it, and the store is whole."""
    text = [line.text for line in demo.run() if line.kind == "result"]

    assert "True" in text
    assert "merged: 0 conflicts, nothing lost" in text
    assert "5 originals behind 2 summaries; pinned ones stayed" in text
    assert "8 messages, valid" in text
    assert "system and 5 messages, valid" in text
    assert text[-1] == "0 problems in 17 commits"


def test_the_conversation_is_one_of_the_recorded_ones() -> None:
    """What the package ships is a real conversation, unchanged."""
    path = source.ROOT / "tests" / "data" / "airline-conversations.jsonl"
    recorded = [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]

    assert demo.conversation() in recorded
    assert validate_openai(demo.conversation()) == []
