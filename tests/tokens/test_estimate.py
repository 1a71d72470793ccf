"""The estimate is near the truth on what people send to models, and never fails."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.tokens import EstimatedCounter, TiktokenCounter

DATA = Path(__file__).parents[1] / "data" / "airline-conversations.jsonl"
EXACT = TiktokenCounter("o200k_base")
ROUGH = EstimatedCounter()


def _texts(message: dict[str, Any]) -> Iterator[str]:
    if message.get("content"):
        yield message["content"]
    for call in message.get("tool_calls") or ():
        yield call["function"]["arguments"]


def recorded_texts() -> list[str]:
    """Return every text of the recorded conversations."""
    conversations = map(json.loads, DATA.read_text(encoding="utf-8").splitlines())
    return [text for each in conversations for message in each["messages"] for text in _texts(message)]


def test_the_estimate_of_recorded_conversations_is_close() -> None:
    """In total within 2 %, half of the messages within 5 %, all but 5 % of them within 15 %."""
    counts = [(ROUGH.count(text), EXACT.count(text)) for text in recorded_texts()]

    assert sum(rough for rough, _ in counts) == pytest.approx(sum(exact for _, exact in counts), rel=0.02)
    errors = sorted(abs(rough / exact - 1) for rough, exact in counts if exact >= 20)
    assert errors[len(errors) // 2] < 0.05
    assert errors[len(errors) * 95 // 100] < 0.15


SAMPLES = {
    "python": Path(__file__).read_text(encoding="utf-8"),
    "chinese": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "russian": "Все люди рождаются свободными и равными в своем достоинстве и правах.",  # noqa: RUF001  Russian is meant
    "german": "Jeder hat das Recht auf Leben, Freiheit und Sicherheit der Person.",
    "arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا.",
    "hexadecimal": random.Random(1).randbytes(500).hex(),
}


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES.keys())
def test_the_estimate_holds_across_scripts(text: str) -> None:
    """Code, other scripts and machine text stay within 30 % of o200k_base."""
    assert ROUGH.count(text) == pytest.approx(EXACT.count(text), rel=0.3)


_CHANCE = random.Random(7)
RUNS = {
    **{
        f"U+{ord(unit):04X}": unit * 20_000
        for unit in "\0\x07\x0b\x85\t\n -=^!~.é\u0301яaA7漢한😀\u00a0\u2003\u2028\u3000\u200b"
    },
    "pairs": "!?" * 10_000,
    "blanks": "".join(_CHANCE.choices(" \t\n", k=20_000)),
    "marks": "".join(_CHANCE.choices("!#$%&'()*+,-./:;<=>?@[]^_`{|}~", k=20_000)),
    "letters": "".join(_CHANCE.choices("abcdefghijklmnopqrstuvwxyz", k=20_000)),
    "accents": "".join(chr(_CHANCE.randrange(0xC0, 0x17F)) for _ in range(20_000)),
    "thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์" * 200,
    "tibetan": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ" * 200,
}


@pytest.mark.parametrize("text", RUNS.values(), ids=RUNS.keys())
def test_no_run_slips_under_a_budget(text: str) -> None:
    """Kilobytes of anything, however odd, are estimated at a third of their tokens at least."""
    assert ROUGH.count(text) * 3 >= EXACT.count(text)


@given(st.text(min_size=1))
def test_any_text_costs_something_and_always_the_same(text: str) -> None:
    """A text has one estimate, at least 1 and at most two tokens a character."""
    tokens = ROUGH.count(text)

    assert tokens == ROUGH.count(text)
    assert 1 <= tokens <= 2 * len(text)


@given(st.text(), st.text())
def test_more_text_is_not_cheaper_than_its_first_part(first: str, second: str) -> None:
    """Text added after a space never lowers the estimate."""
    assert ROUGH.count(first + " x" + second) >= ROUGH.count(first)


@pytest.mark.parametrize("unit", ["a", "A", "Aa", " ", "\n", "^", "7", "é", "漢", "한", "😀", "\u0301"])
def test_a_megabyte_is_estimated_quickly(unit: str) -> None:
    """No run of one kind makes matching slow."""
    text = unit * (1_000_000 // len(unit.encode()))
    started = time.process_time()

    assert ROUGH.count(text) >= 1

    assert time.process_time() - started < 2.0  # at most 0.3 s where it was measured
