"""Facts planted in real conversations, compressed three times: nothing is lost, what must be kept stays."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence

import pytest

from tests.formats.build import conversations
from tests.formats.every import refused
from tract import CompressResult, Request, Tract
from tract.testing import ScriptedLLM

FACTS = 60
MUST = 20
TARGET_TOKENS = 1_500
_FACT = re.compile(r"ORD-\d+|/srv/app_\d+/main\.py|(?<![\w-])\d{5,6}(?!\w)")
_SENTENCES = [
    "By the way, the reference is {}.",
    "Please note that {} is what we agreed on.",
    "The value we need later is {}, and nothing else.",
    "I found it under {} in the end.",
]


def planted(seed: int) -> tuple[list[str], list[dict[str, object]]]:
    """Return 60 facts, and the messages of four conversations with a sentence for each fact."""
    chance = random.Random(seed)
    facts = list(dict.fromkeys(_facts(chance)))[:FACTS]
    messages = [dict(one) for start in range(4) for one in conversations()[(seed * 4 + start) % 40]]
    # One system prompt is enough; call ids differ among conversations, as they do in one that is as long.
    messages = [one for at, one in enumerate(messages) if one["role"] != "system" or at == 0]
    spoken = [one for one in messages if one["role"] in {"user", "assistant"} and one["content"]]
    for place, fact in zip(sorted(chance.choices(range(len(spoken)), k=FACTS)), facts, strict=True):
        sentence = chance.choice(_SENTENCES).format(fact)
        spoken[place]["content"] = f"{spoken[place]['content']} {sentence}"
    return facts, messages


def _facts(chance: random.Random) -> Iterator[str]:
    for _ in range(FACTS):
        number = chance.randrange(10_000, 99_999)
        yield f"ORD-{number}"
        yield f"/srv/app_{number}/main.py"
        yield str(number * 7)


def recalled(facts: Sequence[str], text: str) -> float:
    return sum(fact in text for fact in facts) / len(facts)


def a_model(request: Request) -> str:
    """Answer as a model that lists whatever looks like a fact, the newest first, as far as it is allowed to."""
    asked = json.loads(request.messages[1].text)
    texts = [one["text"] for one in asked["messages"]]
    found = [fact for text in reversed(texts) for fact in _FACT.findall(text)]
    kept = list(dict.fromkeys([*asked.get("must_keep", ()), *found]))
    while len(", ".join(kept)) > 3 * asked["most_words"]:
        kept.pop()
    return ", ".join(kept)


def in_three_rounds(t: Tract, messages: Sequence[dict[str, object]], must: Sequence[str], target_tokens: int) -> None:
    """Commit a third of the messages and compress everything so far, three times."""
    third = len(messages) // 3 + 1
    for start in range(0, len(messages), third):
        for message in messages[start : start + third]:
            t.commit(message)
        result = t.compress(must_keep=must, target_tokens=target_tokens)
        assert isinstance(result, CompressResult)
        assert result.tokens_after <= target_tokens
        assert refused(t.compile()) == []


def last_messages(messages: Sequence[dict[str, object]], t: Tract, limit_tokens: int) -> str:
    """Return what the last messages say that fit in as many tokens."""
    said: list[str] = []
    left = limit_tokens
    for message in reversed(messages):
        left -= t._store.counter.count(str(message["content"])) + 4
        if left < 0:
            break
        said.append(str(message["content"]))
    return "\n".join(said)


@pytest.mark.parametrize("seed", range(3))
def test_planted_facts_survive_three_compressions(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Expand recovers all of them, the summary has every one that must be kept; recall of the rest is printed."""
    facts, messages = planted(seed)
    must = facts[:: FACTS // MUST]
    others = [fact for fact in facts if fact not in must]
    with Tract.open(durability="off") as t:
        in_three_rounds(t, messages, must, TARGET_TOKENS)
        summary = t.compile().messages[-1].text
        top = t.compile().commit_hashes[-1]
        expansion = t.expand(top)

        assert len(expansion.originals) == len(messages) - 1  # all but the pinned system prompt
        assert recalled(facts, "\n".join(one.text for one in expansion.originals)) == 1.0
        assert recalled(must, summary) == 1.0
        last = last_messages(messages, t, TARGET_TOKENS)
        extractive = recalled(others, summary)
        assert extractive >= recalled(others, last)
        assert t.fsck() == []
    with Tract.open(durability="off", llm=ScriptedLLM([a_model] * 6)) as t:
        in_three_rounds(t, messages, must, TARGET_TOKENS)
        summary = t.compile().messages[-1].text
        by_model = recalled(others, summary)
        assert recalled(must, summary) == 1.0
        originals = t.expand(t.compile().commit_hashes[-1]).originals
        assert recalled(facts, "\n".join(one.text for one in originals)) == 1.0
    with capsys.disabled():
        shown = f"extractive {extractive:.0%}, last-N {recalled(others, last):.0%}, scripted model {by_model:.0%}"
        print(f"\nrecall of {len(others)}: {shown}")  # noqa: T201 - a figure to look at


def test_without_anything_that_must_be_kept_facts_are_still_preferred(capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences with numbers, identifiers and paths outlive the small talk around them."""
    facts, messages = planted(7)
    with Tract.open(durability="off") as t:
        in_three_rounds(t, messages, [], TARGET_TOKENS)
        found = recalled(facts, t.compile().messages[-1].text)
        last = recalled(facts, last_messages(messages, t, TARGET_TOKENS))
        with capsys.disabled():
            print(f"\nrecall of {FACTS} facts: extractive {found:.0%}, last-N {last:.0%}")  # noqa: T201 - a figure to look at
        assert found > last
