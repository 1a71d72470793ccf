"""Conversations changed at will go on with a provider that binds reasoning to its prefix, in every bound format."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.providers.server import Provider, serving
from tract import Tract
from tract.agent.conversation import ChatResponse
from tract.errors import ModelRequestError, ModelUnavailableError, TractError, UnansweredCallsError
from tract.llm.fallback import FallbackLLM
from tract.llm.http import HttpLLM
from tract.llm.protocol import Request
from tract.llm.retry import RetryPolicy
from tract.testing import ScriptedLLM

FORMATS = ["anthropic", "openai_responses", "gemini"]

LOOK: dict[str, Any] = {"name": "look", "parameters": {"type": "object", "properties": {}}}
TOOLS: list[dict[str, Any]] = [{"type": "function", "function": LOOK}]

ONCE = RetryPolicy(max_attempts=1)

_CHANGES = ["edit", "skip", "unskip", "swap", "branch", "merge", "revert", "undo", "tools"]

_STEPS = ["ask", "ask", "ask", "look", *_CHANGES]


class _Story:
    """One conversation with a provider, and what may be done to its history."""

    def __init__(self, server: Provider, wire: str) -> None:
        self.server = server
        self.wire = wire
        urls = {
            "anthropic": server.anthropic_url,
            "gemini": server.gemini_url,
            "openai_responses": server.openai_url,
        }
        self.llm = HttpLLM(wire, model="m-1", api_key=server.key, base_url=urls[wire], retry=ONCE)
        self.t = Tract.open(llm=self.llm)
        self.t.system("Be brief.")
        self.tools: list[dict[str, Any]] = TOOLS
        self.count = 0

    def close(self) -> None:
        self.t.close()
        self.llm.close()

    def play(self, step: str, number: int) -> None:
        if step == "ask":
            self.ask()
        elif step == "look":
            self.look()
        elif step == "tools":
            function: dict[str, Any] = {**LOOK, "name": f"more{len(self.tools)}"}
            self.tools = [*self.tools, {"type": "function", "function": function}]
        elif len(self.t.compile().messages):
            with contextlib.suppress(TractError):  # a change that is refused changes nothing
                getattr(self, f"_{step}")(number)

    def ask(self) -> None:
        self.count += 1
        self.server.script.say(f"Answer {self.count}.", thinking=f"Hm {self.count}.")
        self._chat(f"Question {self.count}?")

    def _chat(self, text: str) -> ChatResponse:
        try:
            return self.t.chat(text, tools=self.tools)
        except UnansweredCallsError as error:  # what answered them was taken back
            for call_id in error.calls:
                self.t.tool_result(call_id, "seen")
            return self.t.chat(text, tools=self.tools)

    def look(self) -> None:
        self.count += 1
        self.server.script.call_tools([{"name": "look"}, {"name": "look"}], thinking=f"Hm {self.count}.")
        for call in self._chat(f"Look {self.count}!").tool_calls:
            self.t.tool_result(call.id, f"seen {self.count}")
        self.server.script.say(f"Seen {self.count}.", thinking=f"Ah {self.count}.")
        self.t.generate(tools=self.tools)

    def _placed(self, number: int) -> str:
        hashes = self.t.compile().commit_hashes
        return hashes[number % len(hashes)]

    def _edit(self, number: int) -> None:
        commit = self._placed(number)
        content = self.t.show(commit)
        if getattr(content, "text", None):
            self.t.edit(commit, content.model_copy(update={"text": f"{content.text} (edited)"}))  # type: ignore[attr-defined]

    def _skip(self, number: int) -> None:
        self.t.skip(self._placed(number))

    def _unskip(self, number: int) -> None:
        skips = [c for c in self.t.log(limit=50) if c.op == "annotate"]
        if skips:
            self.t.unskip(skips[number % len(skips)].targets[0])

    def _swap(self, number: int) -> None:
        hashes = self.t.compile().commit_hashes
        if len(hashes) > 2:
            at = 1 + number % (len(hashes) - 2)
            self.t.reorder([hashes[at + 1], hashes[at]])

    def _branch(self, number: int) -> None:
        self.t.branch(f"side-{self.count}-{number}", at=f"HEAD~{number % 3}")

    def _merge(self, number: int) -> None:
        others = [name for name in self.t.branches if name != self.t.current_branch]
        if others:
            self.t.merge(others[number % len(others)], strategy="ours")

    def _revert(self, number: int) -> None:
        changes = [c for c in self.t.log(limit=50) if c.op in {"edit", "annotate", "reorder"}]
        if changes:
            self.t.revert(changes[number % len(changes)])

    def _undo(self, _: int) -> None:
        self.t.undo()


@pytest.mark.parametrize("wire", FORMATS)
def test_a_changed_history_is_never_refused_and_loses_no_living_reasoning(wire: str) -> None:
    """The provider takes every request, and would refuse each block that was called dead."""
    _play(wire, range(25))


@pytest.mark.torture
@pytest.mark.parametrize("wire", FORMATS)
def test_many_changed_histories_are_never_refused(wire: str, seeded: Callable[[], random.Random]) -> None:
    """The same for 300 histories."""
    chance = seeded()
    _play(wire, [chance.getrandbits(32) for _ in range(300)])


def _play(wire: str, seeds: Iterable[int]) -> None:
    with serving() as server:
        for seed in seeds:
            chosen = random.Random(seed)
            steps = [(chosen.choice(_STEPS), chosen.randrange(20)) for _ in range(chosen.randrange(3, 14))]
            story = _Story(server, wire)
            try:
                for step, number in steps:
                    story.play(step, number)
                _check_dead(story, story.t.compile().prove(wire, tools=story.tools).dead)
                story.ask()
            except TractError as error:
                error.add_note(f"seed {seed}: {steps}")
                raise
            finally:
                story.close()


def _check_dead(story: _Story, dead: Any) -> None:
    """Send each dead block with all living ones before it: the provider refuses it."""
    context = story.t.compile()
    for one in dead:
        proof = context.prove(story.wire, tools=story.tools)
        messages = list(proof.messages)
        at = next((i for i, index in enumerate(proof.indexes) if index >= one.message_index), len(messages))
        whole = context.messages[one.message_index]
        if at < len(messages) and proof.indexes[at] == one.message_index:
            messages[at] = whole
        else:
            messages.insert(at, whole)
        request = Request(messages=messages, model="m-1", tools=story.tools)
        sent = story.llm.prepare(request).body
        plain = story.llm.prepare(replace(request, messages=proof.messages)).body
        if _seals(sent) > _seals(plain):
            with pytest.raises(ModelRequestError):
                story.llm.send(request)


def _seals(body: Any) -> int:
    text = str(body)
    return sum(text.count(name) for name in ("'signature'", "thoughtSignature", "encrypted_content"))


@pytest.mark.parametrize("wire", FORMATS)
def test_a_fallback_is_sent_what_is_alive_in_its_own_format(wire: str) -> None:
    """Dead reasoning is left out for whoever is asked, and the fallback's reply is known to follow what it was sent."""
    with serving() as server:
        story = _Story(server, wire)
        story.ask()
        story.ask()
        story.t.edit(story.t.compile().commit_hashes[1], "Something else?")
        down = ScriptedLLM([ModelUnavailableError("Down.")], format="openai")
        server.script.say("Here.", thinking="Hm.")

        reply = story.t.chat("Still there?", llm=FallbackLLM([down, story.llm]), model="named", tools=TOOLS)

        assert reply.text == "Here."
        assert down.requests[0].model == "named"
        lives = [one.life for one in story.t.compile().prove(wire, tools=TOOLS).reasoning]
        assert lives == ["dead", "dead", "bound"]
        assert story.t.preview(wire, "m-1", tools=TOOLS).previous == reply.commit_info.hash
        assert _seals(server.requests[-1].body) == 0
        story.ask()
        assert _seals(server.requests[-1].body) == 1
        story.close()


def test_an_edit_before_reasoning_is_seen_before_the_call() -> None:
    """The preview names the commit, the first difference, the dead block and what the cache still holds."""
    with serving() as server:
        story = _Story(server, "anthropic")
        story.ask()
        story.ask()
        before = story.t.preview("anthropic", "m-1", tools=TOOLS, prices={"input": 3.0, "cache_read": 0.3})
        first = story.t.compile().commit_hashes[1]

        edit = story.t.edit(first, "Something else?")
        after = story.t.preview("anthropic", "m-1", tools=TOOLS, prices={"input": 3.0, "cache_read": 0.3})

        assert before.first_difference is None
        assert before.kept_messages == 4  # all but the last reply, which no request held yet
        assert [one.life for one in before.reasoning] == ["bound", "bound"]
        assert before.caused_by is None
        assert after.first_difference == 1
        assert after.caused_by == edit.hash
        assert after.kept_messages == 1
        assert [one.life for one in after.reasoning] == ["dead", "dead"]
        assert before.cost is not None
        assert after.cost is not None
        assert after.cost > before.cost
        story.close()
