"""Proves which reasoning is alive: against a provider that refuses what is not behind its own prefix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compile.binder import Binder
from tract.compile.proof import FORMATS, PrefixProof, Sent, prove
from tract.formats.prefix import is_bound, tools_digest, unbound
from tract.objects.message import Message, Reasoning, TextPart, ToolCall

BINDING = ["anthropic", "openai_responses", "gemini"]

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


class _Talk:
    """A conversation whose messages are changed at will, asked of one provider."""

    def __init__(self, wire: str) -> None:
        self.wire = wire
        self.binder = Binder(wire)
        self.items: list[tuple[str, Message]] = []
        self.sent: dict[str, Sent] = {}
        self.tools: list[dict[str, Any]] = []
        self.count = 0

    def add(self, message: Message) -> None:
        self.count += 1
        self.items.append((f"{self.count:064x}", message))

    def proof(self) -> PrefixProof:
        sent = [self.sent.get(name) for name, _ in self.items]
        messages, hashes = [m for _, m in self.items], [name for name, _ in self.items]
        return prove(messages, hashes, self.wire, tools=self.tools, sent_of=lambda at: sent[at])

    def ask(self, *, calls: bool) -> None:
        proof = self.proof()
        signature = self.binder.issue(proof.rendered.value, self.tools)
        self.add(_reply(self.wire, signature, self.count, calls=calls))
        self.sent[self.items[-1][0]] = {
            "format": self.wire,
            "prefix": proof.digest,
            "tools": tools_digest(self.tools),
        }
        if calls:
            self.add(Message("tool", (TextPart("found"),), call_id=f"call_{self.count - 1}"))


def _reply(wire: str, signature: str, number: int, *, calls: bool) -> Message:
    call = (ToolCall(f"call_{number}", "look", "{}"),) if calls else ()
    text = TextPart(f"answer {number}")
    if wire == "gemini":
        extra = {"gemini": {"thought_signature": signature}}
        if calls:
            return Message("assistant", (text, replace(ToolCall(f"call_{number}", "look", "{}"), extra=extra)))
        return Message("assistant", (replace(text, extra=extra),))
    raw: dict[str, Any] = {"type": "thinking", "thinking": "hm", "signature": signature}
    if wire == "openai_responses":
        raw = {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": signature}
    provider = "openai" if wire == "openai_responses" else wire
    return Message("assistant", (Reasoning(provider, raw), text, *call))


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["user", "ask", "ask", "call", "edit", "hide", "show", "swap", "system", "tools", "undo"]),
        st.integers(0, 30),
    ),
    min_size=4,
    max_size=25,
)


class _Changes:
    """What may be done to a conversation, by the name of the step."""

    def __init__(self, talk: _Talk) -> None:
        self.talk = talk
        self.hidden: list[tuple[int, tuple[str, Message]]] = []
        self.earlier: dict[str, Message] = {}

    def user(self, number: int) -> None:
        self.talk.add(Message("user", (TextPart(f"question {number}"),)))

    def ask(self, _: int) -> None:
        self._ask(calls=False)

    def call(self, _: int) -> None:
        self._ask(calls=True)

    def _ask(self, *, calls: bool) -> None:
        if not any(message.role == "user" for _, message in self.talk.items):
            self.user(0)  # no provider is asked nothing
        self.talk.ask(calls=calls)

    def system(self, number: int) -> None:
        self.talk.items.insert(0, (f"{10**6 + self.talk.count:064x}", Message("system", (TextPart(f"rule {number}"),))))
        self.talk.count += 1

    def tools(self, _: int) -> None:
        self.talk.tools = [] if self.talk.tools else [TOOL]

    def hide(self, number: int) -> None:
        if self.talk.items:
            at = number % len(self.talk.items)
            self.hidden.append((at, self.talk.items.pop(at)))

    def show(self, _: int) -> None:
        if self.hidden:
            place, item = self.hidden.pop()
            self.talk.items.insert(min(place, len(self.talk.items)), item)

    def edit(self, number: int) -> None:
        said = [at for at, (_, message) in enumerate(self.talk.items) if message.role != "assistant"]
        if said:
            at = said[number % len(said)]
            name, message = self.talk.items[at]
            self.earlier.setdefault(name, message)
            parts = tuple(replace(p, text=f"{p.text}!") if isinstance(p, TextPart) else p for p in message.parts)
            self.talk.items[at] = (name, replace(message, parts=parts))

    def undo(self, _: int) -> None:
        if self.earlier:
            name, message = self.earlier.popitem()
            self.talk.items = [(n, message if n == name else m) for n, m in self.talk.items]

    def swap(self, number: int) -> None:
        items = self.talk.items
        if len(items) > 1:
            at = number % (len(items) - 1)
            items[at], items[at + 1] = items[at + 1], items[at]


def _play(talk: _Talk, steps: list[tuple[str, int]]) -> None:
    changes = _Changes(talk)
    for step, number in [("user", 0), *steps]:
        getattr(changes, step)(number)


@pytest.mark.parametrize("wire", BINDING)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=_STEPS)
def test_a_provider_that_binds_takes_what_is_called_alive_and_nothing_more(
    wire: str, steps: list[tuple[str, int]]
) -> None:
    """Never is a dead block called alive, nor a living one dead."""
    talk = _Talk(wire)
    _play(talk, steps)

    proof = talk.proof()

    assert talk.binder.refused(proof.rendered.value, talk.tools) == []
    dead = {one.message_index for one in proof.dead}
    for at in dead:
        kept = [(i, m) if i == at or i not in dead else (i, unbound(m, wire)) for i, (_, m) in enumerate(talk.items)]
        left = [(i, m) for i, m in kept if m is not None]
        body = FORMATS[wire]([m for _, m in left], hashes=[talk.items[i][0] for i, _ in left]).value
        is_sent = len(left) > 0 and str(body).count("sig-") > str(proof.rendered.value).count("sig-")
        assert not is_sent or talk.binder.refused(body, talk.tools)
    assert [one.message_index for one in proof.reasoning] == [
        at for at, (_, message) in enumerate(talk.items) if is_bound(message, wire)
    ]
