"""How does the raw kernel count tokens? With the encoding tract carries, called directly."""

from collections.abc import Callable

from benchmarks.workload import Message
from tract.tokens.encodings import encoding

Count = Callable[[Message], int]


def o200k(item: Message) -> int:
    """Return the o200k_base tokens of a message's text, tool names and arguments."""
    encode = encoding("o200k_base").encode_ordinary
    tokens = len(encode(item["content"])) if item.get("content") else 0
    for call in item.get("tool_calls", ()):
        function = call["function"]
        tokens += len(encode(function["name"])) + len(encode(function["arguments"]))
    return tokens


def nothing(_item: Message) -> int:
    """Return 0: the row without token counts."""
    return 0
