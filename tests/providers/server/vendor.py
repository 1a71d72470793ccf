"""What does each vendor say for itself? The functions a wire format consists of, and what they are given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.providers.server.binder import Verdict
from tests.providers.server.cache import Cache, Input
from tests.providers.server.prefix import Seal, Unit
from tests.providers.server.refusal import Json, RefusedError
from tests.providers.server.script import Answer

Sign = Callable[[Sequence[Unit], str], str]


@dataclass(frozen=True, slots=True)
class Job:
    """One answer to give: what was asked, what is said, and how to sign it."""

    request: Json
    answer: Answer
    number: int
    input: Input
    prefix: Sequence[Unit]
    sign: Sign

    @property
    def model(self) -> str:
        return self.answer.model or str(self.request.get("model"))

    def call_ids(self, template: str) -> Iterator[str]:
        """Return ids for the calls of the answer: as scripted, or numbered and never twice the same."""
        from_script = [call.call_id for call in self.answer.parts if hasattr(call, "call_id")]
        for k, given in enumerate(from_script):
            yield given or template.format(f"{self.number:06}{k:02}")


@dataclass(frozen=True, slots=True)
class Vendor:
    """A wire format: its rules, its answers and its errors."""

    name: str
    authorise: Callable[[Mapping[str, str], str | None], None]
    check: Callable[[Json], None]
    units: Callable[[Json], list[Unit]]
    count: Callable[[Cache, str, Sequence[Unit]], Input]
    reply: Callable[[Job], Json]
    stream: Callable[[Json, Json, Mapping[str, Sequence[str]]], list[bytes]]
    broken_seal: Callable[[Seal, Verdict], RefusedError]
    failure: Callable[[int, Json], RefusedError]
    error_body: Callable[[RefusedError], Json]
    error_event: Callable[[RefusedError, Json, int], bytes]
    too_long: str
    request_id_header: str


def pieces(text: str, cuts: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Cut *text* as the script says, or every three characters: through families, flags and line ends."""
    return cuts.get(text) or [text[at : at + 3] for at in range(0, len(text), 3)]


def sse(data: Any, *, event: str | None = None, end: str = "\n") -> bytes:
    """Return one server-sent event; its JSON holds U+2028 and emoji as they are, which is legal and breaks readers."""
    head = f"event: {event}{end}" if event else ""
    body = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}data: {body}{end}{end}".encode("utf-8", "surrogatepass")
