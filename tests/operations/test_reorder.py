"""Shows what reordering moves, what it refuses, and that looking at another order writes nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability.dump import dump
from tract import CommitInfo, Message, Resolution, SafetyWarning, Tract
from tract.errors import (
    AbortedError,
    DetachedHeadError,
    InvalidInputError,
    InvalidTargetError,
    RefConflictError,
    SafetyError,
)


class Talk(NamedTuple):
    """A rule, a question, an exchange of two calls, and a reply to the question."""

    t: Tract
    rule: CommitInfo
    question: CommitInfo
    call: CommitInfo
    one: CommitInfo
    two: CommitInfo
    reply: CommitInfo


def talk(path: Path | str = ":memory:") -> Talk:
    t = Tract.open(path)
    t._store.clock = itertools.count(2_000_000_000_000_000).__next__
    rule = t.system("rule")
    question = t.user("question")
    calls = [{"id": name, "name": "look", "arguments": "{}"} for name in ("1", "2")]
    call = t.assistant("call", tool_calls=calls)
    one, two = t.tool_result("1", "one"), t.tool_result("2", "two")
    return Talk(t, rule, question, call, one, two, t.commit("reply", reply_to=question))


def texts(t: Tract) -> list[str]:
    context = t.compile(verify=True)
    assert t.get("HEAD").context_tokens == context.token_count
    return [message.text for message in context.messages]


def kinds(error: SafetyError) -> list[str]:
    return [warning.kind for warning in error.warnings]


def test_named_messages_trade_places_and_nothing_else_moves() -> None:
    """Naming an edit means what it edited; results of one call may stand in any order."""
    t, *_, one, two, reply = talk()
    edit = t.edit(one, "one!")

    result = t.reorder([two, edit], message="two first")

    assert texts(t) == ["rule", "question", "call", "two", "one!", "reply"]
    assert result.warnings == ()
    assert result.commit is not None
    assert (result.commit.op, result.commit.targets) == ("reorder", (two.hash, one.hash))
    assert (result.commit.message, result.commit.tokens, result.commit.hash) == ("two first", 0, t.head)
    assert t.operations[len(t.operations)].verb == "reorder"
    assert reply.hash == t.compile().commit_hashes[-1]
    t.undo()
    assert texts(t) == ["rule", "question", "call", "one!", "two", "reply"]


# Which messages of the talk trade places, what that breaks, and which commits the warning names.
BREAKS = [
    (["two", "question"], ["exchange_split"], ["call", "question", "two"]),
    (["one", "call"], ["exchange_split"], ["call", "one", "reply"]),
    (["reply", "two"], ["exchange_split"], ["call", "reply", "two"]),
    (["call", "question"], ["exchange_split"], ["call", "question", "one", "two"]),
    (["reply", "question"], ["reply_inverted"], ["reply", "question"]),
    (["question", "rule"], ["instruction_moved"], ["rule", "question"]),
]


@pytest.mark.parametrize(("order", "expected", "commits"), BREAKS)
def test_what_would_break_is_refused_unless_allowed(order: list[str], expected: list[str], commits: list[str]) -> None:
    """The error names each kind; allowed, it is done and told in the result; only looked at, it is a warning."""
    said = talk()
    t, named = said.t, [getattr(said, name) for name in order]
    head, operations = t.head, len(t.operations)

    with pytest.raises(SafetyError) as caught:
        t.reorder(named)
    assert (t.head, len(t.operations)) == (head, operations)
    assert kinds(caught.value) == expected
    assert set(caught.value.warnings[0].commits) == {getattr(said, name).hash for name in commits}
    assert f"allow=['{expected[0]}']" in (caught.value.hint or "")

    looked = t.compile(order=named)
    assert looked.warnings == tuple(warning.message for warning in caught.value.warnings)
    assert t.head == head
    result = t.reorder(named, allow=expected)
    assert result.warnings == caught.value.warnings
    assert [message.text for message in looked.messages] == texts(t)
    assert looked.token_count == t.compile().token_count


def test_what_was_broken_before_is_no_reason_to_refuse() -> None:
    """An exchange split on purpose stays split while others move."""
    said = talk()
    said.t.reorder([said.two, said.question], allow="exchange_split")

    a, b = said.t.user("a"), said.t.user("b")
    assert said.t.reorder([b, a]).warnings == ()
    with pytest.raises(SafetyError, match="would not stand together"):
        said.t.reorder([said.reply, said.one], allow="reply_inverted")


def test_a_resolver_decides() -> None:
    """`use` goes on; anything else aborts, since there is nothing to leave out; a raise is passed on."""
    said = talk()
    t, head = said.t, said.t.head
    asked: list[SafetyWarning] = []

    def answer(action: str) -> Resolution:
        return Resolution(action, reason="no")  # type: ignore[arg-type]  # the test's own words

    for action in ("skip", "ours", "abort"):
        with pytest.raises(AbortedError, match="The resolver aborted: no") as caught:
            t.reorder([said.question, said.rule], resolver=lambda _, action=action: answer(action))  # type: ignore[misc]
        assert caught.value.reason == "no"
    with pytest.raises(KeyboardInterrupt):
        t.reorder([said.question, said.rule], autonomy="autonomous", resolver=_interrupted)
    assert t.head == head

    def accept(issue: SafetyWarning) -> Resolution:
        asked.append(issue)
        assert not t._store.database.in_transaction
        return Resolution("use")

    result = t.reorder([said.question, said.rule], autonomy="autonomous", resolver=accept)
    assert result.warnings == tuple(asked)
    assert texts(t)[:2] == ["question", "rule"]


def _interrupted(_: object) -> Resolution:
    raise KeyboardInterrupt


def test_what_cannot_be_reordered_is_said() -> None:
    """Nothing named, one named twice, a commit without a message, one that is not here, and no move at all."""
    said = talk()
    t = said.t
    pin = t.pin(said.question)
    t.branch("side", at=said.question)
    elsewhere = t.user("elsewhere")
    t.switch("main")
    for named, error, text in (
        ([], InvalidInputError, "nothing to reorder"),
        ([said.one, said.two, said.one], InvalidInputError, "named twice"),
        ([pin, said.one], InvalidTargetError, "placed no message"),
        ([elsewhere, said.one], InvalidTargetError, "not in the history"),
        ([said.one, said.two], InvalidInputError, "in this order already"),
        ([said.one], InvalidInputError, "in this order already"),
    ):
        with pytest.raises(error, match=text):
            t.reorder(named)
    for wrong in ("everything", ["exchange_split", 5]):
        with pytest.raises(InvalidInputError, match="no kind of warning"):
            t.reorder([said.two, said.one], allow=wrong)  # type: ignore[arg-type]
    t.checkout("HEAD~1")
    with pytest.raises(DetachedHeadError):
        t.reorder([said.two, said.one])


def test_looking_at_an_order_goes_with_every_other_option() -> None:
    """At a commit, with edits marked, verified, through a compiler, empty; and refuses what a reorder refuses."""
    said = talk()
    t = said.t
    t.edit(said.two, "two!")
    t.skip(said.reply)
    order = [said.two, said.one]

    assert [m.text for m in t.compile("HEAD~2", order=order).messages][3:] == ["two", "one", "reply"]
    marked = t.compile(order=order, mark_edits=True, verify=True)
    assert [m.text for m in marked.messages][3:] == ["[edited] two!", "one"]
    assert t.compile(order=[]) == t.compile()
    with pytest.raises(InvalidInputError, match="named twice"):
        t.compile(order=[said.one, said.one])
    with pytest.raises(InvalidTargetError, match="not in the history"):
        t.compile(said.question, order=order)
    t.branch("empty", orphan=True)
    with pytest.raises(InvalidTargetError, match="not in the history"):
        t.compile(order=order)
    assert t.compile(order=[]).messages == ()

    with Tract.open(compiler=lambda shown: [(Message("user", ()), entry) for entry in shown]) as other:
        a, b = other.user("a"), other.user("b")
        assert other.compile(order=[b, a]).commit_hashes == (b.hash, a.hash)


@pytest.mark.parametrize("landed", ["harmless", "harmful"])
def test_what_lands_meanwhile_is_kept_or_refused(tmp_path: Path, landed: str) -> None:
    """A message lands before the reorder; a change that makes it break something it did not is a conflict."""
    path = tmp_path / "a.db"
    said = talk(path)
    t = said.t
    with t, Tract.open(path) as other:
        t.skip(said.question)
        before: list[object] = []

        def interleave(_: str) -> None:
            if landed == "harmless":
                other.user("later")
            else:
                other.unskip(said.question)
                before.append(dump(path))

        t._store.on_pause = interleave
        if landed == "harmless":
            t.reorder([said.reply, said.question])
            assert texts(t) == ["rule", "reply", "call", "one", "two", "later"]
        else:
            with pytest.raises(RefConflictError):
                t.reorder([said.reply, said.question])
            assert [dump(path)] == before
        assert t.fsck() == []
