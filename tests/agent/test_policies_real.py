"""The built-in policies on the 40 real conversations: what each does, in numbers, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.topics import Story, measured, said_in
from tests.agent.replaying import run_again, told_by
from tests.formats.build import conversations
from tract import ToolCall, Tract
from tract.agent.policies.auto_branch import AutoBranch
from tract.agent.policies.topic import turn_of
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


def _begun(kind: str, messages: list[dict[str, Any]]) -> Tract:
    """Return a tract in which *kind* will find something to do while *messages* are committed."""
    t = Tract.open(durability="off")
    t.commit(messages[0])
    if kind == "auto_archive":
        t.branch("old")
        t.switch("main")
    if kind == "auto_rebase":
        t.branch("side")
        t.switch("main")
        with t.batch():
            for number in range(10):
                t.user(f"Question {number}")
                t.assistant(f"Answer {number}")
        t.switch("side")
    if kind == "auto_compress":
        t.configure(budget={"limit_tokens": 3_000, "on_exceed": lambda _tokens, _limit: None})
    return t


EVERY: dict[str, dict[str, Any]] = {
    "auto_pin": {"roles": ["user"]},
    "secret_guard": {},
    "auto_compress": {"autonomy": "autonomous"},
    "auto_archive": {"idle_operations": 5},
    "auto_branch": {"autonomy": "autonomous"},
    "auto_rebase": {},
}
ACTING = frozenset({"auto_compress", "auto_archive", "auto_branch", "auto_rebase"})
"""What sees something else once it has acted."""


# One conversation in four each time, all of them in a torture run.
each = pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.torture)])


@each
@pytest.mark.parametrize("kind", EVERY)
def test_shadow_and_enforce_agree_on_real_conversations(kind: str, step: int) -> None:
    """Until the first one acts, both say the same; in shadow nothing is changed."""
    real = conversations()
    acted = 0
    for number in range(0, 40, step):
        messages = [*real[number], *real[(number + 20) % 40][1:]] if kind == "auto_branch" else real[number]
        told = []
        for mode in ("enforce", "shadow"):
            with _begun(kind, messages) as t:
                t.policies.add(kind, mode=mode, **EVERY[kind])
                before, refs = len(t.compile().messages), set(t.branches)
                _commit_all(t, messages[1:])
                said = [(one.verb, one.verdict) for one in t.policies.log if one.verb == "commit"][::-1]
                first = next((at for at, one in enumerate(said) if one[1] == "action"), len(said) - 1)
                told.append(said if kind not in ACTING else said[: first + 1])
                acts = [one for one in t.operations if one.args.get("policies")]
                if mode == "shadow":
                    assert ({one.op for one in t.log(1000)}, set(t.branches), acts) == ({"append"}, refs, [])
                    assert len(t.compile().messages) == before + len(messages) - 1
                else:
                    assert len(acts) == len(t.policies.log.find(outcome="done"))
                    assert {name for one in acts for name in one.args["policies"]} <= {kind}
                    acted += len(acts)
        assert told[0] == told[1]
    assert (acted == 0) is (kind == "secret_guard")


def test_a_budget_alone_on_real_conversations() -> None:
    """Who sets a budget and adds nothing gets one proposal where it fills up, and what it is worth in tokens."""
    proposed = before = after = 0
    for messages in conversations():
        with Tract.open(durability="off") as t:
            t.configure(budget={"limit_tokens": 3_000, "on_exceed": lambda _tokens, _limit: None})
            _commit_all(t, messages)
            waits = t.proposals.open
            assert len(waits) <= 1
            assert len(t.compile().messages) == len(messages)
            proposed += len(waits)
            for one in waits:
                before += t.status().context_tokens
                t.proposals.approve(one.number)
                after += t.status().context_tokens
                assert t.operations[-1].args["policies"] == ["auto_compress"]
                t.undo()
                assert len(t.compile().messages) == len(messages)
    assert (proposed, before, after) == (29, 123_051, 87_740)


def test_auto_archive_on_real_conversations() -> None:
    """A conversation a day, each on its branch: after 40 days the 10 that were left alone for 30 are put away."""
    with Tract.open(durability="off") as t:
        now = [t._store.clock()]
        t._store.clock = lambda: now[0]
        t.policies.add("auto_archive")
        for number, messages in enumerate(conversations()):
            t.branch(f"c{number}", orphan=True)
            with t.batch():
                _commit_all(t, messages)
            now[0] += 86_400_000_000
        archived = [name for name in t.branches if name.startswith("archive/")]
        assert archived == [f"archive/c{number}" for number in range(10)]
        texts = [message.text for message in t.compile("archive/c0").messages]
        assert texts == [message["content"] or "" for message in conversations()[0]]
        t.branches.rename("archive/c0", "c0")
        t.user("Still there?")
        assert "c0" in t.branches


def test_auto_rebase_on_real_conversations() -> None:
    """Begun on `main` and gone on with on a branch that fell behind: it is set on the tip between two turns, whole."""
    rebased = waited = 0
    for messages in conversations():
        with Tract.open(durability="off") as t:
            _commit_all(t, messages[:2])
            t.branch("side")
            t.switch("main")
            with t.batch():
                for number in range(10):
                    t.user(f"Question {number}")
                    t.assistant(f"Answer {number}")
            t.switch("side")
            t.pin(t.user("Never sell seat 1A."))
            t.policies.add("auto_rebase")
            for message in messages[2:]:
                t.commit(message)
                if t.operations[-1].verb == "rebase":
                    rebased += 1
                    last = t.compile().messages[-1]
                    assert (last.role, last.tool_calls) == ("assistant", ())
            waited += all(done.verb != "rebase" for done in t.operations)
            assert len(t.compile().messages) == len(messages) + 21
            assert [one.priority for one in t.compile().shown].count("pinned") == 2  # with the system prompt
            t.compile(verify=True)
    assert (rebased, waited) == (40, 0)


def test_auto_branch_on_real_conversations() -> None:
    """Two conversations one after the other, and each alone: the figures of the guide, and those of the default."""
    found = measured(every=1)
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "policies.md").read_text(encoding="utf-8")
    for threshold, one in found.items():
        assert f"| {threshold:.2f} | {one.precision:.2f} | {one.recall:.2f} | {one.alarmed} of 40 |" in guide
    chosen = found[AutoBranch().threshold]
    assert (chosen.found, chosen.changes, chosen.alarmed) == (984, 1_440, 2)


def test_auto_branch_does_what_was_measured() -> None:
    """The policy in a tract branches where the script that measures finds a change."""
    real = conversations()
    made = 0
    for number in range(0, 40, 4):
        messages = [*real[number], *real[(number + 20) % 40][1:]]
        turns = [turn_of(*turn) for turn in said_in(messages)]
        with Tract.open(durability="off") as t:
            t.policies.add("auto_branch", autonomy="autonomous")
            commits = [t.commit(message).hash for message in messages]
            users = [at for at, message in enumerate(messages) if message["role"] == "user"]
            expected = [commits[users[first] - 1] for first in Story(turns).found(AutoBranch().threshold)]
            assert set(expected) == {branch.head for name, branch in t.branches.items() if name != "main"}
            made += len(expected)
    assert made == 10


@each
def test_all_of_them_together_override_nothing_a_person_set(step: int) -> None:
    """Every kind acts by itself: what was pinned, skipped, edited and rejected stays as it was."""
    for messages in conversations()[::step]:
        with _begun("auto_rebase", messages) as t:
            t.configure(budget={"limit_tokens": 3_000, "on_exceed": lambda _tokens, _limit: None})
            pinned, skipped = t.pin(t.user("Keep seat 1A.")), t.skip(t.user("Never mind."))
            edited = t.edit(t.user("Seat 2B."), "Seat 3C.")
            t.policies.add("auto_branch", name="asks", threshold=0.4)
            for kind, fields in EVERY.items():
                t.policies.add(kind, **fields)
            for message in messages[1:]:
                t.commit(message)
                for one in t.proposals.open:
                    t.proposals.reject(one.number)
            rejected = [one.payload["action"]["args"]["at"] for one in t.proposals.values() if one.kind == "policy"]
            assert len(set(rejected)) == len(rejected)
            texts = [entry.shown.message.text for entry in t.compile(verify=True).shown if entry.shown.message]
            assert ("Keep seat 1A." in texts, "Never mind." in texts) == (True, False)
            assert {pinned.op, skipped.op, edited.op} == {"annotate", "edit"}
            done = [one for one in t.operations if one.args.get("policies") and one.verb != "propose"]
            assert len(done) == len(t.policies.log.find(outcome="done"))
            assert not t.policies.log.find(outcome="failed")
            assert {one.verb for one in done} >= {"annotate", "rebase"}


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


GUARDS: dict[str, dict[str, Any]] = {
    "budget_guard": {"turn": {"calls": 3}, "session": {"cost": 0.08}, "prices": {"": {"input": 2.5, "output": 10}}},
    "tool_rules": {
        "effects": {"*": "read", "book_*": "write", "cancel_*": "write", "update_*": "write", "send_*": "write"},
        "on_effect": {"write": "deny"},
        "max_calls": 2,
        "arguments": {"get_reservation_details": {"properties": {"reservation_id": {"pattern": "^[A-Z0-9]{6}$"}}}},
    },
}
WRITES = ("book_", "cancel_", "update_", "send_")

EFFECTS = {
    # Of 537 calls of the model 132 are not made, and 71 of 236 tools do not run.
    ("budget_guard", "shadow"): {"asked": 537, "ran": 236, "wrote": 53, "ended": 0, "said": 171},
    ("budget_guard", "enforce"): {"asked": 405, "ran": 165, "wrote": 38, "ended": 61, "said": 61},
    # Of 236 calls of tools 99 do not run, none of the 53 that write does; each run goes to its end.
    ("tool_rules", "shadow"): {"asked": 537, "ran": 236, "wrote": 53, "ended": 0, "said": 99},
    ("tool_rules", "enforce"): {"asked": 537, "ran": 137, "wrote": 0, "ended": 0, "said": 99},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", GUARDS)
def test_guards_on_real_runs(kind: str) -> None:
    """Run again with `t.run`: shadow, enforce and a replay say the same of the same history; what they hold back."""
    found = {mode: dict.fromkeys(EFFECTS[kind, mode], 0) for mode in ("shadow", "enforce")}
    for messages in conversations():
        told = {}
        for mode, counts in found.items():
            with Tract.open(durability="off") as t:
                t.policies.add(kind, mode=mode, **GUARDS[kind])
                run = run_again(t, messages)
                told[mode] = told_by([*t.policies.log][::-1], kind)
                wrote = sum(name.startswith(WRITES) for name in run.ran)
                values = {"asked": run.asked, "ran": len(run.ran), "wrote": wrote, "ended": run.ended}
                for name, value in {**values, "said": len(told[mode])}.items():
                    counts[name] += value
                assert not [one for one in t.operations if one.args.get("policies")]
                if mode == "shadow" or kind == "tool_rules":
                    assert told_by(t.policies.test(), kind) == told[mode]
        # What is said after a turn was ended is said of another history.
        same = 1 if kind == "budget_guard" else None
        assert told["enforce"][:same] == told["shadow"][:same]
    assert found == {mode: EFFECTS[kind, mode] for mode in found}


@each
def test_guards_leave_what_a_person_set(step: int) -> None:
    """Pins, skips and edits of a person are as they were, whatever the guards hold back."""
    for messages in conversations()[::step]:
        with Tract.open(durability="off") as t:
            for kind, fields in GUARDS.items():
                t.policies.add(kind, **fields)
            t.policies.add("secret_guard", on_found="redact")
            pinned, skipped, edited = (t.user(f"A person said this: {word}.") for word in ("pin", "skip", "edit"))
            t.pin(pinned)
            t.skip(skipped)
            t.edit(edited, "A person said that.")
            run_again(t, messages)
            first = {entry.placed.hash.hex(): entry for entry in t.compile().shown}
            assert first[pinned.hash].priority == "pinned"
            assert skipped.hash not in first
            assert t.compile().messages[1].text == "A person said that."


def test_a_secret_is_found_in_shadow_where_it_is_redacted_in_force() -> None:
    """In the middle of each of the 40 conversations: both say the same, one keeps the text and one does not."""
    told: dict[str, list[tuple[str, str, str]]] = {}
    kept = {}
    for mode in ("enforce", "shadow"):
        with Tract.open(durability="off") as t:
            t.policies.add("secret_guard", on_found="redact", mode=mode)
            for number, messages in enumerate(conversations()):
                t.branch(f"c{number}", orphan=True)
                with t.batch():
                    _commit_all(t, messages[:4])
                    t.user(f"{messages[1]['content']} {KEY}")
            told[mode] = told_by([*t.policies.log], "secret_guard")
            kept[mode] = sum(KEY in (message.text or "") for message in _last_messages(t))
            assert len(t.policies.log) == sum(len(messages[:4]) + 1 for messages in conversations())
    assert told["enforce"] == told["shadow"] == [("before_commit", "fix", "It holds an Anthropic key.")] * 40
    assert kept == {"enforce": 0, "shadow": 40}


def _last_messages(t: Tract) -> list[Any]:
    return [t.compile(f"c{number}").messages[-1] for number in range(40)]
