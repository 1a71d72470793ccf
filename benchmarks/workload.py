"""What do the systems store? A conversation of any length, the same in every run.

Four messages repeat: a question of about 200 bytes, a reply that calls a tool, a tool result
of 2 to 8 kB (JSON with quotes, newlines and letters beyond ASCII), a reply of about 200 bytes.
Message *i* depends on *i* and the seed alone, so any store can be continued from any length.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

CYCLE = 4
_WORDS = [
    "flight",
    "order",
    "refund",
    "the",
    "a",
    "customer",
    "booked",
    "passenger",
    "seat",
    "to",
    "change",
    "from",
    "and",
    "please",
    "account",
    "status",
    "gate",
    "date",
    "total",
    "price",
    "card",
    "number",
    "travel",
    "insurance",
    "economy",
    "basic",
    "cabin",
    "bag",
    "weather",
    "naïve",
    "café",
    "Zürich",
    "東京",
    "agent",
    "policy",
    "confirm",
]
_NOTES = (
    'Customer said: "please move it to Friday".\nAgent: done.',
    "C:\\exports\\2024\\report.csv\tline 14",
    "Überprüft — ok ✓\n\n- item 1\n- item 2",
    "if (a < b && c) { return 'x'; }\n",
)


def _sentence(rng: random.Random, length: int) -> str:
    words: list[str] = []
    size = 0
    while size < length:
        word = rng.choice(_WORDS)
        words.append(word)
        size += len(word) + 1
    return " ".join(words)


def _record(rng: random.Random, number: int) -> Message:
    return {
        "id": f"R{rng.getrandbits(40):010x}",
        "row": number,
        "price": rng.randrange(100_000) / 100,
        "available": rng.random() < 0.5,
        "note": rng.choice(_NOTES),
        "summary": _sentence(rng, 60),
        "next": None,
    }


def _tool_result(rng: random.Random) -> str:
    """Return indented JSON of 2,000 to 8,000 characters."""
    size = rng.randrange(2_000, 7_300)
    records: list[Message] = []
    written = 0
    while written < size:
        record = _record(rng, len(records))
        records.append(record)
        written += len(json.dumps(record, indent=1, ensure_ascii=False)) + 10
    return json.dumps({"results": records, "more": False}, indent=1, ensure_ascii=False)


def message(index: int, *, seed: int = 1) -> Message:
    """Return message *index* in the shape of OpenAI Chat Completions."""
    rng = random.Random(seed * 1_000_003 + index)
    call_id = f"call_{seed}_{index - index % CYCLE:08d}"
    match index % CYCLE:
        case 0:
            return {"role": "user", "content": f"{index}: {_sentence(rng, 190)}"}
        case 1:
            arguments = json.dumps({"query": _sentence(rng, 60), "limit": rng.randrange(50)})
            function = {"name": "search_flights", "arguments": arguments}
            call = {"id": call_id, "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        case 2:
            return {"role": "tool", "tool_call_id": call_id, "content": _tool_result(rng)}
        case _:
            return {"role": "assistant", "content": f"{index}: {_sentence(rng, 190)}"}


def messages(start: int, stop: int, *, seed: int = 1) -> Iterator[Message]:
    """Yield messages *start* up to but not including *stop*."""
    return (message(index, seed=seed) for index in range(start, stop))


def content_bytes(item: Message) -> int:
    """Return the size of a message as compact JSON: what any system has to keep."""
    return len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode())
