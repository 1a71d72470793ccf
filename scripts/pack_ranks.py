# ruff: noqa: INP001  run as a script, imported by nothing but its test
"""How are the rank files in `src/tract/tokens/ranks/` made? From the ones tiktoken downloads, by this script.

    python scripts/pack_ranks.py o200k_base.tiktoken.xz src/tract/tokens/ranks/o200k_base.bin.xz

The input is a `.tiktoken` file (or the same, xz-compressed): one line per token, its bytes in
base64, a space, its rank. In tiktoken's files the ranks are 0, 1, 2, ... without gaps, so the packed
form needs neither base64 nor ranks: the number of tokens (4 bytes, big-endian), one length byte per
token, then the bytes of all tokens in rank order, all of it xz-compressed. The same input gives the
same output. The script prints the SHA-256 of the input text and of the packed form before
compression; the second belongs into `tract/tokens/encodings.py`, which refuses any other.
"""

from __future__ import annotations

import base64
import hashlib
import lzma
import sys
from pathlib import Path

_LARGEST_TOKEN_BYTES = 255


def pack(original: bytes) -> bytes:
    """Return the packed form, not yet compressed, of the text of a `.tiktoken` file.

    Raises:
        ValueError: The ranks have gaps, or a token does not fit a length byte.
    """
    tokens: list[bytes] = []
    for line in original.splitlines():
        token, rank = line.split()
        if int(rank) != len(tokens):
            raise ValueError(f"rank {len(tokens)} expected, found {int(rank)}")
        tokens.append(base64.b64decode(token, validate=True))
    if any(not 0 < len(token) <= _LARGEST_TOKEN_BYTES for token in tokens):
        raise ValueError(f"a token is empty or longer than {_LARGEST_TOKEN_BYTES} bytes")
    return len(tokens).to_bytes(4, "big") + bytes(map(len, tokens)) + b"".join(tokens)


def compress(packed: bytes) -> bytes:
    """Return *packed* as one xz stream, the smallest that liblzma's presets give."""
    return lzma.compress(packed, check=lzma.CHECK_CRC32, preset=9 | lzma.PRESET_EXTREME)


def main(arguments: list[str]) -> int:
    """Pack the file named first into the file named second."""
    if len(arguments) != 2:
        sys.stderr.write("usage: pack_ranks.py INPUT.tiktoken[.xz] OUTPUT.bin.xz\n")
        return 2
    source, target = map(Path, arguments)
    original = source.read_bytes()
    if source.suffix == ".xz":
        original = lzma.decompress(original)
    packed = pack(original)
    target.write_bytes(compress(packed))
    sys.stdout.write(f"original sha256 {hashlib.sha256(original).hexdigest()}\n")
    sys.stdout.write(f"packed   sha256 {hashlib.sha256(packed).hexdigest()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
