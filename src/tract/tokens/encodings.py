"""How is a tiktoken encoding built with no network and no cache folder?

From the ranks packed beside this file and the facts below, copied from
`tiktoken_ext/openai_public.py` of tiktoken 0.14 (MIT, OpenAI); a test compares them. tiktoken's own
`get_encoding` downloads the ranks on first use, so it is never called.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import threading
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from tract.errors import CorruptRanksError

if TYPE_CHECKING:
    from tiktoken import Encoding


@dataclass(frozen=True, slots=True)
class EncodingFacts:
    """What a tiktoken encoding consists of besides its ranks.

    Attributes:
        pattern: The regular expression that splits text before the ranks apply.
        special_tokens: Tokens that stand for no text; never produced when counting.
        packed_sha256: Digest of the packed ranks after decompression.
    """

    pattern: str
    special_tokens: dict[str, int]
    packed_sha256: str


ENCODINGS: Final[dict[str, EncodingFacts]] = {
    "o200k_base": EncodingFacts(
        pattern=(
            r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
            r"""|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
            r"""|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
        ),
        special_tokens={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
        packed_sha256="2f451f31d7403017d0b0dc6319ded23a09f33f573b1635c001fc6b91a1c21302",
    ),
    "cl100k_base": EncodingFacts(
        pattern=(
            r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"""
            r"""| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
        ),
        special_tokens={
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
        packed_sha256="9ef8402c916638b4e5896df1b798958e6377ae5ee9ecce199388d117f2a44973",
    ),
}

_loaded: dict[str, Encoding] = {}
_lock = threading.Lock()


def encoding(name: str) -> Encoding:
    """Return the encoding *name*, one per process, built by whoever asks first.

    Args:
        name: A key of `ENCODINGS`.

    Raises:
        CorruptRanksError: The packed ranks are missing or damaged.

    Cost:
        About 0.3 s the first time (o200k_base), a dictionary look-up after that.
    """
    found = _loaded.get(name)
    if found is not None:
        return found
    with _lock:
        if name not in _loaded:
            _loaded[name] = _build(name, ENCODINGS[name])
        return _loaded[name]


def unpack_ranks(name: str, compressed: bytes, *, packed_sha256: str) -> dict[bytes, int]:
    """Return the rank of every token of encoding *name* from its packed form.

    Args:
        name: The encoding, for the error.
        compressed: What `scripts/pack_ranks.py` wrote.
        packed_sha256: Digest, in hex, of *compressed* after decompression.

    Raises:
        CorruptRanksError: *compressed* is not that.
    """
    try:
        packed = lzma.decompress(compressed)
    except (lzma.LZMAError, EOFError) as error:
        raise CorruptRanksError(name, "the file is damaged") from error
    # A wrong rank would change counts without any other sign, so the digest is checked on every load
    # (about 1 ms); it also makes every length below trustworthy.
    if hashlib.sha256(packed).hexdigest() != packed_sha256:
        raise CorruptRanksError(name, "the SHA-256 of the file is wrong")
    token_count = int.from_bytes(packed[:4], "big")
    start = 4 + token_count
    ranks: dict[bytes, int] = {}
    for rank, length in enumerate(packed[4:start]):
        ranks[packed[start : start + length]] = rank
        start += length
    return ranks


def _build(name: str, facts: EncodingFacts) -> Encoding:
    import tiktoken

    try:
        compressed = files("tract.tokens").joinpath("ranks", f"{name}.bin.xz").read_bytes()
    except OSError as error:
        raise CorruptRanksError(name, "the file cannot be read") from error
    return tiktoken.Encoding(
        name,
        pat_str=facts.pattern,
        mergeable_ranks=unpack_ranks(name, compressed, packed_sha256=facts.packed_sha256),
        special_tokens=facts.special_tokens,
    )


def _renew_lock() -> None:  # pragma: no cover  runs in forked children, where its test watches from outside
    global _lock  # noqa: PLW0603  a fork is the one moment it changes
    _lock = threading.Lock()


# A fork while another thread loads would leave the child a lock that nobody releases.
if hasattr(os, "register_at_fork"):  # pragma: no branch  Windows has no fork
    os.register_at_fork(after_in_child=_renew_lock)
