"""Is this thinking still valid here? Signs the blocks of a reply and checks them when they come back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Literal

from tests.providers.server.prefix import Unit, digests

# bound: a block is valid behind the exact prefix it was made from only. free: behind any. off: nothing is checked.
Mode = Literal["bound", "free", "off"]
Verdict = Literal["valid", "forged", "content", "prefix"]


class Binder:
    """Signs with a secret, so it remembers nothing and nothing can be made up."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def sign(self, prefix: Sequence[Unit], content: str) -> str:
        """Return the signature of *content* behind *prefix*, as base64 text."""
        signed = digests(prefix)[-1] + _hash(content)
        return base64.b64encode(signed + self._mac(signed)).decode()

    def verdict(self, prefix: Sequence[Unit], content: str, signature: str) -> Verdict:
        """Say if *signature* is one of ours, of this content, behind this prefix."""
        given = _decoded(signature)
        if len(given) != 96 or not hmac.compare_digest(given[64:], self._mac(given[:64])):
            return "forged"
        if given[32:64] != _hash(content):
            return "content"
        return "valid" if given[:32] == digests(prefix)[-1] else "prefix"

    def first_invalid(self, units: Sequence[Unit], mode: Mode) -> tuple[Unit, Verdict] | None:
        """Return the first unit whose seal does not hold in *mode*, and why."""
        for at, unit in enumerate(units):
            if unit.seal is None or mode == "off":
                continue
            verdict = self.verdict(units[:at], unit.seal.content, unit.seal.signature)
            if verdict in ("forged", "content") or (verdict == "prefix" and mode == "bound"):
                return unit, verdict
        return None

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self._secret, signed, "sha256")


def _hash(content: str) -> bytes:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()


def _decoded(signature: str) -> bytes:
    # Either alphabet: Google's client sends bytes back in the one that is safe in URLs.
    try:
        return base64.b64decode(signature.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return b""
