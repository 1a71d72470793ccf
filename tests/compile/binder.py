"""A provider that ties reasoning to its prefix, in a few lines; knows nothing of `tract.formats.prefix`.

Signatures are issued for a request and are valid only behind exactly that request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Binder:
    """Issues signatures and finds those that are not where they belong."""

    def __init__(self, wire: str) -> None:
        self.wire = wire
        self._issued: dict[str, tuple[list[Any], list[tuple[str, dict[str, Any]]]]] = {}

    def issue(self, body: dict[str, Any], tools: list[Any]) -> str:
        """Return a signature for the reply to *body*."""
        name = f"sig-{len(self._issued)}"
        self._issued[name] = (self._head(body, tools), list(self._flat(body)))
        return name

    def refused(self, body: dict[str, Any], tools: list[Any]) -> list[str]:
        """Return the signatures of *body* that are not behind what they were issued for.

        Between that and a signature there may be one text: that of the reply it belongs to.
        """
        head, flat, bad = self._head(body, tools), list(self._flat(body)), []
        for at, (_, block) in enumerate(flat):
            signature = self._signature(block)
            if signature not in self._issued:
                continue
            issued_head, issued = self._issued[signature]
            between = flat[len(issued) : at]
            is_own = not between or (len(between) == 1 and self.wire == "gemini" and "answer" in str(between))
            is_behind = flat[: len(issued)] == issued and at >= len(issued) and is_own
            if head != issued_head or not is_behind:
                bad.append(signature)
        return bad

    def _signature(self, block: dict[str, Any]) -> str:
        names = {"anthropic": "signature", "gemini": "thought_signature", "openai_responses": "encrypted_content"}
        return str(block.get(names[self.wire], ""))

    def _head(self, body: dict[str, Any], tools: list[Any]) -> list[Any]:
        names = {"anthropic": "system", "gemini": "system_instruction", "openai_responses": "instructions"}
        return [tools, body.get(names[self.wire])]

    def _flat(self, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.wire == "openai_responses":
            yield from (("", item) for item in body["input"])
            return
        for turn in body["contents" if self.wire == "gemini" else "messages"]:
            blocks = turn["parts"] if self.wire == "gemini" else turn["content"]
            blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
            yield from ((turn["role"], block) for block in blocks)
