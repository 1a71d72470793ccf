"""What several handles and processes share of policies: the rules in force, and one log that does not grow for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.statements import recorded_statements
from tract import PolicyWarning, Tract, Verdict
from tract.errors import InvalidInputError, PolicyDeniedError, RevisionNotFoundError
from tract.testing import ScriptedLLM

Open = Callable[..., Tract]

KEY = "AKIA" + "ABCDEFGHIJKLMNOP"

NEXT: dict[str, Callable[[Tract], Any]] = {
    "commit": lambda t: t.user(KEY),
    "edit": lambda t: t.edit("HEAD", KEY),
    "annotate": lambda t: t.pin("HEAD", reason=KEY),
    "ask": lambda t: t.chat(KEY),
    "reply": lambda t: t.generate(),
    "tool result": lambda t: t.tool_result("c1", KEY),
}


@pytest.mark.parametrize("way", NEXT)
def test_another_handle_obeys_at_its_next_write(open_tract: Open, way: str) -> None:
    """What one handle adds, changes, takes out and pauses is in force on the other, which never looks at them."""
    one, other = open_tract(), open_tract(llm=ScriptedLLM([KEY] * 9))
    if way == "tool result":
        other.user("look")
        other.assistant(tool_calls=[{"id": "c1", "function": {"name": "look", "arguments": "{}"}}])
    else:
        other.user("tea?")

    def is_denied() -> bool:
        try:
            NEXT[way](other)
        except PolicyDeniedError:
            return True
        other.undo()
        return False

    one.policies.add("secret_guard")
    assert is_denied()
    one.policies.change("secret_guard", mode="off")
    assert not is_denied()
    one.policies.change("secret_guard", mode="enforce")
    assert is_denied()
    one.policies.pause()
    assert not is_denied()
    one.policies.resume()
    assert is_denied()
    one.policies.remove("secret_guard")
    assert not is_denied()
    assert other._store.policies is None


def test_undoing_a_change_of_rules_is_one(open_tract: Open) -> None:
    """Also that of another handle, taken back and done again."""
    one, other = open_tract(), open_tract()
    one.policies.add("secret_guard")
    with pytest.raises(PolicyDeniedError):
        other.user(KEY)
    one.undo()
    other.user(KEY)
    other.undo()
    other.policies.add("secret_guard", on_found="redact")
    one.user(KEY)
    assert one.compile().messages[-1].text == "[redacted]"


def test_a_batch_begins_with_the_rules_in_force(open_tract: Open) -> None:
    """And nobody changes them while it is open."""
    one, other = open_tract(), open_tract()
    one.policies.add("secret_guard")
    with other.batch(), pytest.raises(PolicyDeniedError):
        other.user(KEY)
    one.policies.remove("secret_guard")
    with other.batch():
        other.user(KEY)
    assert [message.text for message in one.compile().messages] == [KEY]


def test_rules_that_change_between_asking_and_writing_are_asked_again(open_tract: Open) -> None:
    """A commit that was let through by the old ones is not written by the new ones' leave."""
    one, other = open_tract(), open_tract()
    other.user("tea")
    paused: list[str] = []

    def meanwhile(point: str) -> None:
        paused.append(point)
        if len(paused) == 1:
            one.policies.add("secret_guard")

    other._store.on_pause = meanwhile
    with pytest.raises(PolicyDeniedError):
        other.user(KEY)
    other._store.on_pause = None

    assert paused == ["commit"]
    assert [message.text for message in one.compile().messages] == ["tea"]


def test_each_tract_has_rules_of_its_own(open_tract: Open) -> None:
    """A change in one is no business of the other, and what a child inherits is its own."""
    one, other = open_tract(), open_tract(tract="other")
    one.policies.add("secret_guard")
    other.user(KEY)
    child = one.spawn("look", name="child")
    one.policies.remove("secret_guard")
    with pytest.raises(PolicyDeniedError):
        child.user(KEY)
    one.user(KEY)


def test_another_process_obeys_at_its_next_write_and_ask(open_tract: Open, store_url: str) -> None:
    """Two processes on one store: the rule holds with the very next thing the other one does."""
    script = Path(__file__).with_name("obeying.py")
    with (
        open_tract() as t,
        subprocess.Popen(
            [sys.executable, str(script), store_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None

        def tell(order: str) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{order}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert process.stdout.readline().strip() == "ready"
        for order in ("commit", "edit", "ask"):
            assert tell(order) == "done"
            t.policies.add("budget_guard", session={"calls": 0})
            t.policies.add("secret_guard", patterns={"what is said there": "other"})
            assert tell(order) == "denied by secret_guard"
            t.policies.remove("secret_guard")
            assert tell(order) == ("denied by budget_guard" if order == "ask" else "done")
            t.policies.remove("budget_guard")
            assert tell(order) == "done"
        process.stdin.close()
        assert process.wait(60) == 0
    assert {one.policy for one in open_tract().policies.log} == {"secret_guard", "budget_guard"}


def test_a_commit_reads_nothing_more_for_it(tmp_path: Path) -> None:
    """Whether others changed the rules is told by what a commit reads anyway: not one statement is added."""
    with recorded_statements() as log, Tract.open(tmp_path / "a.db") as t:
        t.user("one")
        log.clear()
        t.user("two")
        assert sum("rules" in statement for statement in log.statements) == 1
        assert not [one for one in log.statements if "policy_log" in one]
        plain = len(log.statements)
        t.policies.add("secret_guard")
        t.user("three")
        log.clear()
        t.user("four")

        assert len(log.statements) - plain == 3  # whether others changed them; the end of their log, a line in it


def test_rules_that_cannot_be_read_are_warned_of_once(open_tract: Open) -> None:
    """The rules in force until then stay in force."""
    one, other = open_tract(), open_tract()
    one.policies.add("secret_guard")
    with pytest.raises(PolicyDeniedError):
        other.user(KEY)
    with pytest.warns(PolicyWarning, match="could not be read"), one._store.operation("configure") as operation:
        operation.set_meta("policies:default", '{"rules":5}')
    with pytest.warns(PolicyWarning, match="could not be read"), pytest.raises(PolicyDeniedError):
        other.user(KEY)
    with pytest.raises(PolicyDeniedError):
        other.user(KEY)


def test_threads_of_one_handle_obey_together(open_tract: Open) -> None:
    """None gets through once a rule is there, and each denial is in the log."""
    one, other = open_tract(), open_tract()
    other.user("tea")
    one.policies.add("secret_guard")
    got: list[str] = []

    def write() -> None:
        try:
            other.user(KEY)
        except PolicyDeniedError:
            got.append("denied")
        else:
            got.append("written")

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got == ["denied"] * 6
    assert len(other.policies.log.find(outcome="denied")) == 6


# --- the log -------------------------------------------------------------------------------------


def test_what_is_said_is_written_with_the_operation_it_was_said_of(tmp_path: Path) -> None:
    """No transaction of its own: another handle reads it as soon as the commit is there, and loses none by a crash."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db", read_only=True) as reader:
        t.policies.add("secret_guard")
        t.user("tea")
        assert [one.outcome for one in reader.policies.log] == ["allowed"]


def test_what_is_said_of_a_write_that_failed_is_kept_once(open_tract: Open) -> None:
    """It is written with the next one."""
    t = open_tract()
    t.policies.add("secret_guard")
    t.user("tea")
    with pytest.raises(RevisionNotFoundError):
        _fail(t)
    t.user("milk")

    assert [message.text for message in t.compile().messages] == ["tea", "milk"]
    assert [one.outcome for one in t.policies.log] == ["allowed"] * 3
    assert [one.outcome for one in open_tract().policies.log] == ["allowed"] * 3


def _fail(t: Tract) -> None:
    with t.batch():
        t.user("more tea")
        t.pin("nowhere")


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    """What was said after the last write is not lost with the handle."""
    with Tract.open(tmp_path / "a.db") as t:
        t.user("tea")
        t.policies.add(lambda _event, _view: Verdict("allow", "seen"), name="eyes", on=("after_commit",))
        t.user("milk")
    with Tract.open(tmp_path / "a.db") as t:
        assert [one.reason for one in t.policies.log] == ["seen"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["commit", "batch", "deny", "reopen", "other"]), st.integers(1, 9)), max_size=14
    ),
    st.integers(1, 20),
)
def test_the_log_holds_the_last_of_each_tract(steps: list[tuple[str, int]], limit: int) -> None:
    """Whatever is done, by whichever handle: exactly the newest, in order, and the store little more than that."""
    with Tract.open(durability="off") as t, _beside(t) as other:
        for one in (t, other):
            one.configure(policy_log_limit=limit)
            one.policies.add(lambda event, _view: _numbered(event.content), on=("before_commit",), name="numbers")
        said: dict[str, list[str]] = {t.name: [], other.name: []}
        for number, (step, count) in enumerate(steps):
            one = other if step == "other" else t
            texts = [f"{number}.{index}{' no' * (step == 'deny')}" for index in range(count)]
            _say(one, step, texts)
            said[one.name] += texts
        for one in (t, other):
            assert [record.reason for record in one.policies.log] == said[one.name][::-1][:limit]
        rows = t._store.database.run_text("SELECT tract_id, count(*) FROM policy_log GROUP BY tract_id")
        assert all(found <= limit + max(1, limit // 8) for _, found in rows)


def _beside(t: Tract) -> Tract:
    return t.spawn("beside", name="beside")


def _numbered(content: Any) -> Verdict:
    text = str(getattr(content, "text", ""))
    return Verdict("deny" if text.endswith("no") else "allow", text)


def _say(t: Tract, step: str, texts: list[str]) -> None:
    if step == "batch":
        with t.batch():
            for text in texts:
                t.user(text)
        return
    for text in texts:
        try:
            t.user(text)
        except PolicyDeniedError:
            assert step == "deny"
    if step == "close":
        t.policies._decider.close()


def test_erasing_reaches_what_waits_to_be_logged(open_tract: Open) -> None:
    """Also what was said after the last write, and the log stays as long as it is."""
    t = open_tract()
    t.policies.add(
        lambda _event, _view: Verdict("allow", "saw: the blue teapot of the neighbour"), name="x", on=("after_commit",)
    )
    said = t.user("the blue teapot of the neighbour")
    t.erase(said, reason="private")

    assert [one.reason for one in t.policies.log] == [""]


def test_a_limit_that_cannot_be_is_refused(open_tract: Open) -> None:
    """At least one line is kept."""
    t = open_tract()
    with pytest.raises(InvalidInputError):
        t.configure(policy_log_limit=0)
