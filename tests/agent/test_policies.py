"""Policies: who is asked, in which order, what becomes of what they say, and what is known of it afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tract import DialogueContent, Event, Policy, PolicyAction, PolicyView, PolicyWarning, ToolCall, Tract, Verdict
from tract.agent.policies.view import PolicyView as View
from tract.errors import (
    CorruptStoreError,
    InvalidInputError,
    PolicyDeniedError,
    PolicyNotFoundError,
    ProposalStaleError,
    ReadOnlyError,
    TractError,
)
from tract.objects.policy import EVENTS
from tract.operations.stats import stats
from tract.testing import ScriptedLLM


@pytest.fixture
def t(open_tract: Callable[..., Tract]) -> Tract:
    """Return a tract whose model says `ok`."""
    return open_tract(llm=ScriptedLLM(["ok"]))


def test_a_denied_commit_never_existed(t: Tract) -> None:
    """Nothing of it is in the history, the operation log or the database; the log of policies tells of the denial."""
    t.policies.add(lambda _event, _view: Verdict("deny", "no teas"), name="no_tea", on=("before_commit",))
    before = (len(t.operations), t.status().head, stats(t._store).blobs)

    with pytest.raises(PolicyDeniedError, match=r"`no_tea` denied this: no teas") as caught:
        t.user("Which teas are there?")

    assert (len(t.operations), t.status().head, stats(t._store).blobs) == before
    assert (caught.value.policy, caught.value.event, caught.value.is_asking) == ("no_tea", "before_commit", False)
    assert [(one.policy, one.verdict, one.outcome) for one in t.policies.log] == [("no_tea", "deny", "denied")]


WAYS = {
    "commit": lambda t: t.user("more"),
    "edit": lambda t: t.edit("HEAD", "other"),
    "pin": lambda t: t.pin("HEAD"),
    "chat": lambda t: t.chat("more?"),
    "merge": lambda t: t.merge("side"),
    "compress": lambda t: t.compress(content="short"),
    "spawn": lambda t: t.spawn("look"),
    "compile": lambda t: t.compile(),
    "generate": lambda t: t.generate(),
}
EVENT_OF = {"edit": "commit", "pin": "commit", "chat": "commit"}


@pytest.mark.parametrize("way", WAYS)
def test_each_event_can_be_denied_and_leaves_nothing(t: Tract, way: str) -> None:
    """Denied before it begins, no verb writes anything."""
    t.user("one " * 40)
    t.branch("side")
    t.user("two " * 40)
    t.switch("main")
    t.user("three " * 40)
    t.policies.add(
        lambda _event, _view: Verdict("deny", "not now"), name="no", on=(f"before_{EVENT_OF.get(way, way)}",)
    )
    before = len(t.operations)

    with pytest.raises(PolicyDeniedError, match="not now"):
        WAYS[way](t)

    assert len(t.operations) == before
    assert len(t.children) == 0


def test_every_event_after_a_write_is_told(t: Tract) -> None:
    """What was done is told once, with the commits it wrote and the number of its operation."""
    seen: list[Event] = []
    t.user("one " * 40)
    t.policies.add(lambda event, _view: seen.append(event), name="eyes", on=EVENTS)
    reply = t.chat("two?").commit_info
    t.compress(content="short")
    t.spawn("look")
    t.compile()

    names = [event.name for event in seen if not event.is_before]
    assert names == [
        "after_commit", "after_commit", "after_generate", "after_compress", "after_spawn", "after_compile",
    ]  # fmt: skip
    told = next(event for event in seen if event.name == "after_generate")
    assert told.commits == (reply.hash,)
    assert told.operation is not None
    assert t.operations[told.operation].verb == "chat"
    asked = [event.name for event in seen if event.is_before]
    assert asked.count("before_generate") == asked.count("before_compress") == asked.count("before_spawn") == 1


def test_higher_priorities_come_first_and_fix_what_the_others_see(t: Tract) -> None:
    """A fix is what the next policy is asked about, and what is committed."""
    seen = []

    def shout(event: Event, view: PolicyView) -> Verdict:
        assert isinstance(event.content, DialogueContent)
        return Verdict("fix", "louder", DialogueContent(role="user", text=(event.content.text or "").upper()))

    t.policies.add(lambda event, _view: seen.append(event.content), name="low", on=("before_commit",), priority=1)
    t.policies.add(shout, on=("before_commit",), priority=2)
    said = t.user("tea")

    assert [one.text for one in seen] == ["TEA"]
    assert t.show(said) == DialogueContent(role="user", text="TEA")
    assert t.operations[-1].args["policies"] == ["shout"]
    assert list(t.policies) == ["shout", "low"]


def test_shadow_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    """In `shadow` the log tells what `enforce` would do."""
    told = {}
    for mode in ("enforce", "shadow"):
        with Tract.open(tmp_path / f"{mode}.db") as t:
            t.policies.add("auto_pin", roles=["user"], mode=mode)
            t.policies.add("secret_guard", on_found="redact", mode=mode)
            for text in ("tea", _key(), "milk"):
                t.user(text)
            told[mode] = [
                (one.policy, one.event, one.verdict, one.reason) for one in t.policies.log if one.verb == "commit"
            ]
            pinned = [entry.priority for entry in t.compile().shown]
            assert pinned == (["pinned"] * 3 if mode == "enforce" else ["normal"] * 3)
            assert (_key() in str(t.compile().messages[1].text)) is (mode == "shadow")
    assert told["enforce"] == told["shadow"]


def test_off_and_paused_policies_are_not_asked(t: Tract) -> None:
    """Neither says anything; resumed they do, and with none in force the handle asks nobody."""
    t.policies.add(lambda _event, _view: Verdict("deny"), name="no", on=("before_commit",))
    t.policies.pause()
    t.user("one")
    assert t.policies.is_paused
    t.policies.resume()
    with pytest.raises(PolicyDeniedError):
        t.user("two")
    t.policies.change("no", mode="off")
    t.user("two")
    assert t._store.policies is None
    assert len(t.policies.log) == 1


def test_one_that_raises_denies_before_and_warns_after(t: Tract) -> None:
    """Never silently: the log has it either way, and what was done stays."""

    def broken(event: Event, view: PolicyView) -> None:
        raise ZeroDivisionError("oops")

    t.policies.add(broken, on=("before_commit",))
    with pytest.raises(PolicyDeniedError, match="could not be asked: ZeroDivisionError"):
        t.user("one")
    t.policies.change("broken", on=("after_commit",))
    with pytest.warns(PolicyWarning, match="ZeroDivisionError"):
        said = t.user("one")

    assert t.status().head == said.hash
    assert [(one.verdict, one.outcome) for one in t.policies.log] == [("error", "failed"), ("error", "denied")]


def test_what_is_no_decision_denies(t: Tract) -> None:
    """A function that returns something else is one that failed."""
    t.policies.add(lambda _event, _view: True, name="wrong", on=("before_commit",))

    with pytest.raises(PolicyDeniedError, match="InvalidInputError"):
        t.user("one")


def test_asking_is_answered_by_the_application(t: Tract) -> None:
    """Without somebody to ask it is denied, and the error says that leave was asked for."""
    t.policies.add(lambda _event, _view: Verdict("ask", "really?"), name="sure", on=("before_commit",))
    with pytest.raises(PolicyDeniedError, match="asks for leave: really") as caught:
        t.user("one")
    t.policies.on_ask(lambda _event, verdict: verdict.reason == "really?")
    t.user("one")
    t.policies.on_ask(lambda _event, _verdict: False)
    with pytest.raises(PolicyDeniedError):
        t.user("two")

    assert caught.value.is_asking
    assert [one.outcome for one in t.policies.log] == ["denied", "allowed", "denied"]


def test_warnings_let_it_happen(t: Tract) -> None:
    """A warning is Python's, and the log's."""
    t.policies.add(lambda _event, _view: Verdict("warn", "hot"), name="hot", on=("before_commit", "after_commit"))

    with pytest.warns(PolicyWarning, match="`hot` warns: hot") as caught:
        t.user("tea")

    assert [Path(one.filename).name for one in caught] == ["test_policies.py"] * 2
    assert [one.outcome for one in t.policies.log] == ["warned", "warned"]


def test_an_action_does_not_ask_its_own_policy_again(t: Tract) -> None:
    """The pin of a policy is a commit as well: others see it, the policy itself does not."""
    seen: list[str] = []

    def pins(event: Event, view: PolicyView) -> PolicyAction:
        return PolicyAction("annotate", {"commits": event.commits[-1:], "priority": "pinned"}, "all of it")

    t.policies.add(pins, on=("after_commit",))
    t.policies.add(lambda event, _view: seen.append(event.verb), name="eyes", on=("after_commit",), priority=-1)
    t.user("tea")

    assert seen == ["annotate", "commit"]
    assert [entry.priority for entry in t.compile().shown] == ["pinned"]
    assert t.operations[-1].args["policies"] == ["pins"]
    assert t.log()[0].message == f"pin {t.log()[1].short_hash}: all of it"


def test_two_that_act_on_each_other_come_to_an_end(t: Tract) -> None:
    """Each may act on behalf of the other once."""
    for name, priority in (("pins", "pinned"), ("skips", "skip")):
        t.policies.add(
            lambda event, _view, priority=priority: PolicyAction(
                "annotate", {"commits": event.commits[-1:], "priority": priority}
            ),
            name=name,
            on=("after_commit",),
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        t.user("tea")

    assert len(t.operations) < 12


def test_after_an_action_a_policy_rests(tmp_path: Path) -> None:
    """Within its cooldown it does nothing further; the log says so."""
    with Tract.open(tmp_path / "a.db") as t:
        now = [1_000_000_000_000_000]
        t._store.clock = lambda: now[0]
        t.policies.add("auto_pin", roles=["user"], cooldown_seconds=60)
        t.user("one")
        now[0] += 59_000_000
        t.user("two")
        now[0] += 1_000_000
        t.user("three")

        assert [entry.priority for entry in t.compile().shown] == ["pinned", "normal", "pinned"]
        done = [one.outcome for one in t.policies.log if one.verb == "commit"]
        assert done == ["done", "resting", "done"]


@pytest.mark.parametrize(
    ("own", "ceiling", "outcome", "priority"),
    [
        ("autonomous", "autonomous", "done", "pinned"),
        ("autonomous", "collaborative", "proposed", "normal"),
        ("collaborative", "autonomous", "proposed", "normal"),
        ("autonomous", "manual", "said", "normal"),
    ],
)
def test_no_policy_goes_over_the_ceiling(tmp_path: Path, own: str, ceiling: str, outcome: str, priority: str) -> None:
    """What it may not do it proposes, and where it may not propose it only says so."""
    with Tract.open(tmp_path / "a.db") as t:
        t.policies.add("auto_pin", roles=["user"], autonomy=own)
        t.policies.ceiling = ceiling
        t.user("tea")
        assert [entry.priority for entry in t.compile().shown] == [priority]
        assert t.policies.log.find(verdict="action")[0].outcome == outcome
    with Tract.open(tmp_path / "a.db") as t:
        assert t.policies.ceiling == ceiling
        assert len(t.proposals.open) == (outcome == "proposed")
        for number in t.proposals:
            assert t.proposals[number].preview == "auto_pin: auto_pin keeps it"
            t.proposals.approve(number)
            assert [entry.priority for entry in t.compile().shown] == ["pinned"]
            assert t.operations[-1].args["policies"] == ["auto_pin"]
            t.undo()
            assert [entry.priority for entry in t.compile().shown] == ["normal"]
            assert t.proposals[number].state == "open"


def test_a_proposal_whose_ground_moved_says_so(t: Tract) -> None:
    """Of a policy's action as of a compression: the branch it is for has to be there, and what it is about."""
    t.policies.add("auto_pin", roles=["user"], autonomy="collaborative")
    t.user("tea")
    t.branch("side")
    with pytest.raises(ProposalStaleError, match="HEAD is not on `main`"):
        t.proposals.approve(1)
    with pytest.raises(InvalidInputError, match="no text to edit"):
        t.proposals.edit(1, "other")
    t.switch("main")
    t.proposals.reject(1)

    assert t.proposals[1].state == "rejected"


def test_a_fix_over_the_ceiling_is_refused(t: Tract) -> None:
    """What a policy may not change by itself it asks about."""
    t.policies.add("secret_guard", on_found="redact")
    t.policies.ceiling = "collaborative"

    with pytest.raises(PolicyDeniedError, match="asks for leave"):
        t.user(_key())


def test_policies_are_kept_and_undone(tmp_path: Path) -> None:
    """They are in force on the next handle, and undo takes each change back, in force as well."""
    with Tract.open(tmp_path / "a.db") as t:
        t.policies.add({"kind": "auto_pin", "patterns": ["^tea"], "priority": 7})
        t.policies.add("secret_guard")
    with Tract.open(tmp_path / "a.db") as t:
        assert list(t.policies) == ["secret_guard", "auto_pin"]
        assert t.policies["auto_pin"].priority == 7
        with pytest.raises(PolicyDeniedError):
            t.user(_key())
        t.undo()
        t.user(_key())
        t.policies.remove("auto_pin")
        assert list(t.policies) == []
    with Tract.open(tmp_path / "a.db") as t:
        assert t._store.policies is None


def test_a_child_has_its_parents_policies(t: Tract) -> None:
    """What is kept is handed on; what the child changes is its own."""
    t.policies.add("secret_guard")
    child = t.spawn("look", name="child")
    with pytest.raises(PolicyDeniedError):
        child.user(_key())
    child.policies.remove("secret_guard")
    child.user(_key())

    assert "secret_guard" in t.policies
    assert [one.outcome for one in child.policies.log] == ["denied"]


WRONG: dict[str, Any] = {
    "no kind": "unknown",
    "unknown field": {"kind": "auto_pin", "type": "artifact"},
    "no kind said": {"name": "x"},
    "wrong value": {"kind": "secret_guard", "on_found": "panic"},
    "bad pattern": {"kind": "auto_pin", "patterns": ["("]},
    "empty pattern": {"kind": "auto_pin", "patterns": [""]},
    "mode": {"kind": "auto_pin", "mode": "maybe"},
    "cooldown": {"kind": "auto_pin", "cooldown_seconds": -1},
    "name": {"kind": "auto_pin", "name": "a\nb"},
    "number": 5,
    "class": Policy,
    "function without events": print,
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_policy_is_refused(t: Tract, case: str) -> None:
    """Unknown fields and values that cannot be are errors, and nothing is kept of them."""
    with pytest.raises(InvalidInputError):
        t.policies.add(WRONG[case])

    assert len(t.policies) == 0
    assert len(t.operations) == 1


def test_wrong_calls(t: Tract) -> None:
    """Each says what is wrong."""
    t.policies.add("auto_pin")
    with pytest.raises(PolicyNotFoundError, match="'auto_pins'"):
        t.policies["auto_pins"]
    with pytest.raises(PolicyNotFoundError):
        t.policies.remove("x")
    with pytest.raises(PolicyNotFoundError):
        t.policies[5]  # type: ignore[index]  # no name
    with pytest.raises(InvalidInputError):
        t.policies.change("auto_pin", colour="red")
    with pytest.raises(InvalidInputError):
        t.policies.add(t.policies["auto_pin"], mode="off")
    with pytest.raises(InvalidInputError):
        t.policies.add(print, on=("before_tea",))
    with pytest.raises(InvalidInputError):
        t.policies.ceiling = "sky"
    with pytest.raises(InvalidInputError):
        t.policies.on_ask(5)  # type: ignore[arg-type]  # no function
    with pytest.raises(InvalidInputError):
        Verdict("perhaps")  # type: ignore[arg-type]  # no verdict


def test_damaged_policies_are_said_to_be(tmp_path: Path) -> None:
    """What is kept and cannot be read is never taken for nothing."""
    with Tract.open(tmp_path / "a.db") as t:
        t.policies.add("secret_guard")
        with (
            pytest.warns(PolicyWarning, match="could not be read again"),
            t._store.operation("configure") as operation,
        ):
            operation.set_meta("policies:default", '{"rules":[{"kind":"secret_guard","colour":1}]}')
    with pytest.raises(CorruptStoreError, match="policies"):
        Tract.open(tmp_path / "a.db")


def test_a_read_only_handle_changes_none(tmp_path: Path) -> None:
    """It asks those there are, and keeps what they say to itself."""
    with Tract.open(tmp_path / "a.db") as t:
        t.policies.add("secret_guard")
        t.user("tea")
    with Tract.open(tmp_path / "a.db", read_only=True) as t:
        t.policies.add(lambda _event, _view: Verdict("deny", "shut"), name="shut", on=("before_compile",))
        with pytest.raises(PolicyDeniedError):
            t.compile()
        with pytest.raises(ReadOnlyError):
            t.policies.add("auto_pin")
        assert [one.policy for one in t.policies.log] == ["shut", "secret_guard"]
    with Tract.open(tmp_path / "a.db") as t:
        assert [one.policy for one in t.policies.log] == ["secret_guard"]


def test_a_batch_is_one_event_after_and_each_commit_one_before(t: Tract) -> None:
    """A denial in a batch is an error like any other; actions wait until the batch is done."""
    t.policies.add("auto_pin", roles=["user"])
    t.policies.add("secret_guard")
    with t.batch():
        t.user("one")
        with pytest.raises(PolicyDeniedError):
            t.user(_key())
        t.user("two")

    assert [(one.role, one.text) for one in t.compile().messages] == [("user", "one"), ("user", "two")]
    assert [entry.priority for entry in t.compile().shown] == ["pinned", "pinned"]
    assert [one.verb for one in list(t.operations)[:2]] == ["annotate", "batch"]


def test_the_view_only_reads(t: Tract) -> None:
    """It tells what there is, and has nothing to change it with."""
    t.configure(budget={"limit_tokens": 1000})
    seen: dict[str, Any] = {}

    def look(event: Event, view: PolicyView) -> None:
        names = [name for name in dir(View) if not name.startswith("_") and name != "entry"]
        seen.update({name: getattr(view, name) for name in names})
        seen["entry"] = view.entry(event.commits[0])

    t.policies.add(look, on=("after_commit",))
    said = t.user("tea")

    assert (seen["tract"], seen["branch"], seen["head"]) == ("default", "main", said.hash)
    assert seen["branches"] == {"main": said.hash}
    assert (seen["tokens"], seen["limit_tokens"]) == (t.status().context_tokens, 1000)
    assert [one.placed.hash.hex() for one in seen["entries"]] == [said.hash]
    assert seen["entry"].placed.hash.hex() == said.hash
    assert seen["context"].head == said.hash
    assert not [name for name in ("commit", "store", "_store", "database") if hasattr(PolicyView, name)]


def test_a_policy_of_ones_own_is_a_class(t: Tract) -> None:
    """A subclass with fields of its own, in force on the handle."""

    class Short(Policy):
        kind = "short"
        events = ("before_commit",)
        most: int = 3

        def evaluate(self, event: Event, view: PolicyView) -> Verdict | None:
            assert view.branch == "main"
            assert isinstance(event.content, DialogueContent)
            return Verdict("deny", "long") if len(event.content.text or "") > self.most else None

    t.policies.add(Short(most=5))
    t.user("short")
    with pytest.raises(PolicyDeniedError, match="`short` denied this: long"):
        t.user("longer")
    t.policies.change("short", most=6)
    t.user("longer")
    assert t.policies.remove("short").name == "short"


def test_a_denied_reply_is_in_the_error(tmp_path: Path) -> None:
    """It was paid for: `error.reply` has it, and the question stays."""
    with Tract.open(tmp_path / "a.db", llm=ScriptedLLM([_key(), "tea"])) as t:
        t.policies.add("secret_guard")
        with pytest.raises(PolicyDeniedError) as caught:
            t.chat("what is it?")
        assert caught.value.reply.text == _key()
        assert [one.role for one in t.compile().messages] == ["user"]
        assert t.generate().text == "tea"


def test_chat_goes_on_behind_what_a_policy_did(tmp_path: Path) -> None:
    """The question is pinned between it and the reply, and the reply lands behind."""
    with Tract.open(tmp_path / "a.db", llm=ScriptedLLM(["green", "black"])) as t:
        t.policies.add("auto_pin", roles=["user", "assistant"])
        t.chat("which?")
        t.chat("and?")
        assert [entry.priority for entry in t.compile().shown] == ["pinned"] * 4
        assert [one.op for one in t.log()] == ["annotate", "append"] * 4


def test_a_denied_tool_call_is_told_to_the_model(tmp_path: Path) -> None:
    """The tool does not run, the model reads why, and the run goes on."""
    ran = []
    call = ToolCall("c1", "search", '{"q": "tea"}')
    with Tract.open(tmp_path / "a.db", llm=ScriptedLLM([call, "done"])) as t:
        seen: list[Event] = []
        t.policies.add(
            lambda event, _view: Verdict("deny", f"no {event.args['name']}"), name="no", on=("before_tool_call",)
        )
        t.policies.add(lambda event, _view: seen.append(event), name="eyes", on=("after_tool_call",))

        @t.tools.add
        def search(q: str) -> str:
            """Search."""
            ran.append(q)
            return "found"

        result = t.run("go")
        assert (result.state, ran, seen) == ("finished", [], [])
        assert t.compile().messages[2].text == "The policy `no` denied this: no search"
        t.policies.remove("no")


def test_erasing_forgets_reasons_that_quote(t: Tract) -> None:
    """What a policy said of an erased content is gone from the log; that it said something is not."""
    said = t.user("the blue teapot of the neighbour")
    t.policies.add(
        lambda _event, _view: Verdict("allow", "saw: the blue teapot of the neighbour"),
        on=("before_commit",),
        name="x",
    )
    t.user("more")
    assert "teapot" in next(iter(t.policies.log)).reason
    result = t.erase(said, reason="private")

    assert result.redacted == 1
    assert [one.reason for one in t.policies.log.find(policy="x")] == [""]


def test_a_scan_pins_what_is_there(t: Tract) -> None:
    """Retroactively, once, and never where anybody has set a priority."""
    said = [t.user(text) for text in ("tea one", "tea two", "milk", "tea three")]
    t.unpin(said[1])
    t.skip(said[3])
    t.policies.add("auto_pin", patterns=["^tea"], mode="shadow")
    told = t.policies.scan("auto_pin")
    assert told is not None
    assert told.outcome == "shadowed"
    t.policies.change("auto_pin", mode="enforce")
    done = t.policies.scan("auto_pin")
    assert done is not None
    assert done.outcome == "done"
    assert t.policies.scan("auto_pin") is None

    assert [one.priority for one in t.compile().shown] == ["pinned", "normal", "normal"]
    with pytest.raises(InvalidInputError, match="single events"):
        t.policies.scan(t.policies.add("secret_guard").name)


def test_errors_are_typed(t: Tract) -> None:
    """As every error, with a hint."""
    error = PolicyDeniedError("p", "before_commit", "")

    assert isinstance(error, TractError)
    assert error.code == "policy_denied"
    assert "it gave no reason" in str(error)
    assert error.hint


def _key() -> str:
    # Put together here, so that no scanner takes this file for a leak.
    return "sk-" + "ant-" + "api03-" + "Zq9" * 12
