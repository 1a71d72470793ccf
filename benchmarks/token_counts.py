"""How does the raw kernel count tokens? With the same ranks and calls that tract uses."""

import importlib.util
import lzma
import os
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from pathlib import Path

import tiktoken

from benchmarks.workload import Message

Count = Callable[[Message], int]

# Splits text before merging, as published with o200k_base (tiktoken_ext.openai_public).
_LETTER_MARK = r"\p{Lm}\p{Lo}\p{M}"
_UPPER = rf"[\p{{Lu}}\p{{Lt}}{_LETTER_MARK}]"
_LOWER = rf"[\p{{Ll}}{_LETTER_MARK}]"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"
_SHORT_FORM = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K_PATTERN = (
    rf"{_BEFORE}{_UPPER}*{_LOWER}+{_SHORT_FORM}|{_BEFORE}{_UPPER}+{_LOWER}*{_SHORT_FORM}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _packed_ranks() -> Path | None:
    """Return the ranks packed with tract, or those named by TRACT_BENCH_RANKS."""
    named = os.environ.get("TRACT_BENCH_RANKS")
    if named:
        return Path(named)
    spec = importlib.util.find_spec("tract")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.rglob("o200k_base*.xz"), None)


@cache
def _encoding() -> tiktoken.Encoding:
    packed = _packed_ranks()
    if packed is None:
        return tiktoken.get_encoding("o200k_base")
    lines = lzma.decompress(packed.read_bytes()).splitlines()
    pairs = (line.split() for line in lines if line)
    ranks = {b64decode(token): int(rank) for token, rank in pairs}
    return tiktoken.Encoding(
        "o200k_base",
        pat_str=_O200K_PATTERN,
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    )


def o200k(item: Message) -> int:
    """Return the o200k_base tokens of a message's text, tool names and arguments."""
    encode = _encoding().encode_ordinary
    tokens = len(encode(item["content"])) if item.get("content") else 0
    for call in item.get("tool_calls", ()):
        function = call["function"]
        tokens += len(encode(function["name"])) + len(encode(function["arguments"]))
    return tokens


def nothing(_item: Message) -> int:
    """Return 0: the row without token counts."""
    return 0
