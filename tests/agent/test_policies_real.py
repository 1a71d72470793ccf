"""The built-in policies on the 40 real conversations: what each does, in numbers, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.formats.build import conversations
from tract import ToolCall, Tract
from tract.errors import PolicyDeniedError
from tract.testing import ScriptedLLM

KEY = "sk-" + "ant-" + "api03-" + "Zq9" * 12


def _commit_all(t: Tract, messages: list[dict[str, Any]]) -> None:
    for message in messages:
        t.commit(message)


def test_the_secret_guard_finds_nothing_in_what_holds_no_secret() -> None:
    """No false alarm in 40 conversations; with a key planted in each, all 40 are found, and none is stored."""
    found = 0
    with Tract.open(durability="off") as t:
        t.policies.add("secret_guard")
        for number, messages in enumerate(conversations()):
            t.branch(f"c{number}", orphan=True)
            with t.batch():
                _commit_all(t, messages)
                with pytest.raises(PolicyDeniedError):
                    t.user(f"{messages[1]['content']} {KEY}")
                found += 1
        asked = t.policies.log.find(policy="secret_guard")
        assert found == 40
        assert [one.outcome for one in asked].count("denied") == 40
        assert len(asked) == sum(map(len, conversations())) + 40


def test_auto_pin_and_auto_compress_go_together() -> None:
    """Pins come before compressions: what was pinned is in no summary, and what a person unpinned stays unpinned."""
    pins = compressions = over = 0
    for messages in conversations():
        with Tract.open(durability="off") as t:
            t.policies.add("auto_pin", patterns=["ABC123", "XYZ789"])
            t.policies.add("auto_compress", autonomy="autonomous")
            t.configure(budget={"limit_tokens": 3_000, "on_exceed": lambda _tokens, _limit: None})
            kept = t.user("Never sell reservation ABC123 to anybody else.")
            mine = t.user("A person unpins this one: reservation XYZ789.")
            t.unpin(mine)
            _commit_all(t, messages)
            done = t.policies.log.find(outcome="done")
            pins += sum(one.policy == "auto_pin" for one in done)
            compressions += sum(one.policy == "auto_compress" for one in done)
            over += t.status().context_tokens > 3_000
            shown = {entry.placed.hash.hex(): entry.priority for entry in t.compile().shown}
            assert shown[kept.hash] == "pinned"
            assert shown.get(mine.hash, "normal") == "normal"
            acts = [one for one in t.operations if one.args.get("policies")]
            assert len(acts) == len(done)
    assert (pins, over, compressions) == (80, 0, 53)


@pytest.mark.parametrize("kind", ["auto_pin", "secret_guard", "auto_compress"])
def test_shadow_and_enforce_agree_on_real_conversations(kind: str) -> None:
    """Until the first one acts, both say the same; in shadow nothing is changed."""
    every: dict[str, dict[str, Any]] = {
        "auto_pin": {"roles": ["user"]},
        "auto_compress": {"autonomy": "autonomous"},
        "secret_guard": {},
    }
    for messages in conversations()[:10]:
        told = []
        for mode in ("enforce", "shadow"):
            with Tract.open(durability="off") as t:
                t.configure(budget={"limit_tokens": 3_000, "on_exceed": lambda _tokens, _limit: None})
                t.policies.add(kind, mode=mode, **every[kind])
                _commit_all(t, messages)
                said = [(one.verb, one.verdict) for one in t.policies.log if one.verb == "commit"][::-1]
                first = next((at for at, one in enumerate(said) if one[1] == "action"), len(said) - 1)
                told.append(said if kind != "auto_compress" else said[: first + 1])
                if mode == "shadow":
                    assert {one.op for one in t.log(1000)} == {"append"}
                    assert len(t.compile().messages) == len(messages)
        assert told[0] == told[1]


def test_tool_rules_limit_what_a_model_calls(tmp_path: Path) -> None:
    """A denied tool does not run and the model reads why; of many calls only the first ones do."""
    ran: list[str] = []
    calls = [ToolCall(f"c{number}", "search", json.dumps({"q": str(number)})) for number in range(4)]
    script: list[Any] = [calls, ToolCall("d", "drop", '{"q": "all"}'), "done"]
    with Tract.open(tmp_path / "a.db", llm=ScriptedLLM(script)) as t:
        t.policies.add("tool_rules", allow=["sea*"], max_calls=2)

        @t.tools.add
        def search(q: str) -> str:
            """Search."""
            ran.append(q)
            return "found"

        @t.tools.add
        def drop(q: str) -> str:
            """Drop."""
            ran.append(f"dropped {q}")
            return "gone"

        assert t.run("go").state == "finished"
        assert sorted(ran) == ["0", "1"]
        told = [message.text for message in t.compile().messages if message.role == "tool"]
        assert sum("the most" in text for text in told) == 2
        assert "not among the tools" in told[-1]


def test_a_replay_says_what_would_have_happened() -> None:
    """Of a history without policies, and changes nothing."""
    with Tract.open(durability="off") as t:
        with t.batch():
            _commit_all(t, conversations()[0])
        planted = t.user(f"Here: {KEY}")
        t.policies.add("secret_guard", mode="off")
        t.policies.add("auto_pin", roles=["user"], mode="off")
        before = len(t.operations)
        told = t.policies.test()

        users = sum(message["role"] == "user" for message in conversations()[0]) + 1
        assert [one.verdict for one in told].count("deny") == 1
        assert sum(one.policy == "auto_pin" for one in told) == users
        assert {one.policy for one in t.policies.test("HEAD~1")} == {"auto_pin"}
        assert (len(t.operations), t.status().head, len(t.policies.log)) == (before, planted.hash, 0)
