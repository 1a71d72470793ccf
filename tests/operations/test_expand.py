"""Expand leads from a summary, merge or squash through every level to the originals, in the order they were shown."""

from __future__ import annotations

import pytest

from tests.operations.test_compress import CALL, LONG, compress, done, said, texts
from tract import CommitInfo, DialogueContent, SummaryContent, ToolCall, Tract
from tract.compile.fold import Event
from tract.errors import InvalidInputError, InvalidTargetError
from tract.objects.content import Content, to_message
from tract.operations.chain import Chain, NewCommit
from tract.operations.expand import Expansion, lookup
from tract.operations.prepare import prepare
from tract.testing import ScriptedLLM


def originals(expansion: Expansion) -> list[str]:
    return [one.text.partition(" and it")[0] for one in expansion.originals]


def test_a_summary_of_summaries_opens_level_by_level() -> None:
    """Its items are what it covers; its originals are the messages at the bottom."""
    with Tract.open() as t:
        m = said(t, 6)
        for commits in (m[:2], m[2:4]):
            compress(t, commits)
        top = compress(t).commits[0]

        expansion = t.expand(top)

        assert [item.op for item in expansion.items] == ["compress", "compress", "append", "append"]
        assert [one.commit for one in expansion.originals] == [info.hash for info in m]
        assert originals(expansion) == [f"message {number}" for number in range(6)]
        assert expansion.items[0].text == "[summary] told 0 1"
        assert len(expansion) == 4
        assert [one["level"] for one in expansion.to_dicts()] == [0, 1, 2, 2, 1, 2, 2, 1, 1]
        assert expansion.to_dicts()[3]["commit"] == m[1].hash
        assert "message" not in repr(expansion)
        assert "<pre>message 0" in expansion._repr_html_()
        assert originals(t.expand(m[0])) == ["message 0"]


LEVELS = 1_100


def nested(t: Tract) -> CommitInfo:
    """Write a message, a summary of it, another message, a summary of both, and so on, in one operation."""
    store = t._store
    chain = Chain(store, store.tip(bytes.fromhex(t.user(f"the first {LONG}").hash)))
    assert chain.state is not None
    assert chain.state.head is not None
    below: tuple[Event, ...] = (chain.state.head,)
    for number in range(LEVELS):
        summary = _new(t, SummaryContent(text=f"level {number}"), "compress", below)
        below = (chain.add(summary), chain.add(_new(t, DialogueContent(role="user", text=f"turn {number}"), "append")))
    with store.operation("compress") as operation:
        chain.write(operation)
    return t.get("HEAD~1")


def _new(t: Tract, content: Content, op: str, targets: tuple[Event, ...] = ()) -> NewCommit:
    ready = prepare(t._store, content)
    return NewCommit(
        op, targets, content_type=ready.content_type, payload=ready.payload, content=ready.content_hash,
        message=to_message(ready.content_type, ready.fields), tokens=ready.tokens,
    )  # fmt: skip


def test_a_thousand_levels_open() -> None:
    """An agent that compresses after every turn nests its summaries deeper than Python recurses."""
    with Tract.open(durability="off") as t:
        last = nested(t)
        expansion = t.expand(last)
        assert len(expansion.originals) == LEVELS
        assert expansion.originals[0].text == f"the first {LONG}"
        assert max(one["level"] for one in expansion.to_dicts()) == LEVELS
        assert len(t.blame().messages[0].covers) == LEVELS
        assert len(t.compile(expand=[last]).messages) == LEVELS + 1
        assert lookup(t._store, "first")[0].summary == last.hash
        t.compress([last], content="all")
        assert texts(t) == ["[summary] all", f"turn {LEVELS - 1}"]


def test_a_merge_and_a_squash_stand_for_what_the_other_branch_brought() -> None:
    """The messages of the other branch, its summaries with what they cover inside."""
    with Tract.open() as t:
        said(t, 1)
        t.branch("other")
        m = said(t, 3, 1)
        compress(t, m[:2])
        t.switch("main")
        t.user("on main")
        squash = t.merge("other", strategy="squash").commits[0]
        assert originals(t.expand(squash)) == ["message 1", "message 2", "message 3"]
        merge = t.merge("other", no_ff=True).commits[0]
        expansion = t.expand(merge)
        assert (expansion.op, expansion.message, expansion.text) == ("merge", None, "")
        assert sorted(originals(expansion)) == ["message 1", "message 2", "message 3"]
        for wrong in ({"squashed": 5}, {"squashed": {"head": "x", "commits": []}}, {"squashed": {"head": 1}}):
            assert t.expand(t.user("plain", metadata=wrong)).items == ()


def test_expanding_a_commit_of_another_branch_looks_at_it_there() -> None:
    """It need not be in HEAD's history."""
    with Tract.open() as t:
        m = said(t, 3)
        t.branch("other", at=m[1])
        summary = compress(t).commits[0]
        t.switch("main")
        assert originals(t.expand(summary)) == ["message 0", "message 1"]


def test_what_stands_for_no_message_is_refused() -> None:
    """Annotations, reorders and reverts."""
    with Tract.open() as t:
        m = said(t, 2)
        for commit in (t.pin(m[0]), t.reorder([m[1], m[0]]).commit, t.revert("HEAD")):
            assert commit is not None
            with pytest.raises(InvalidTargetError):
                t.expand(commit)


def test_compile_shows_chosen_summaries_in_full_and_writes_nothing() -> None:
    """Through every level; a message behind a summary is named as well as the summary; others stay closed."""
    with Tract.open() as t:
        m = said(t, 6)
        first = compress(t, m[:2]).commits[0]
        second = compress(t, [first, m[2]]).commits[0]
        third = compress(t, m[3:5]).commits[0]
        head, plain = t.head, texts(t)
        assert plain == ["[summary] told 0 1 2", "[summary] told 3 4", "message 5"]

        shown = t.compile(expand=[second])

        assert [one.text.partition(" and it")[0] for one in shown.messages] == [
            "message 0", "message 1", "message 2", "[summary] told 3 4", "message 5",
        ]  # fmt: skip
        assert shown.head == head
        assert texts(t, expand=m[0]) == texts(t, expand=[first]) == texts(t, expand=[second])
        assert len(texts(t, expand=[second, third])) == 6
        assert texts(t, expand=[m[5]]) == plain
        assert texts(t, expand=[second], order=[m[2], m[0]])[:3] == ["message 2", "message 1", "message 0"]
        assert (t.head, texts(t)) == (head, plain)
        with pytest.raises(InvalidTargetError):
            t.compile(expand=t.pin(m[5]))


def test_revert_brings_the_messages_back_through_the_api() -> None:
    """All of them, as they were; and the revert reverted hides them again."""
    with Tract.open() as t:
        said(t, 3)
        before = t.compile().to_dicts()
        result = compress(t)
        revert = t.revert(result.commits[0])
        assert t.compile().to_dicts() == before
        t.revert(revert)
        assert texts(t) == ["[summary] told 0 1 2"]


def test_blame_sees_through_summaries() -> None:
    """A picked sentence leads to the message that says it, through levels; words of a model to the summary alone."""
    with Tract.open() as t:
        first = t.user("The invoice is INV-2041. Please pay it by the 5th of May, since the offer ends then.")
        second = t.assistant("I looked at the file /srv/bills/inv-2041.pdf and found 3 errors in it.")
        t.assistant("Let me know whether there is anything else that I could do for you today, or tomorrow.")
        compressed = done(t.compress(target_tokens=60))
        message = t.blame().messages[0]
        assert message.covers == compressed.summaries[0].covers
        assert {line.source for line in message.lines} <= {first.hash, second.hash, None}
        assert any(line.source == second.hash for line in message.lines)
        assert {line.op for line in message.lines} == {"compress"}

        t.user(f"And another thing {LONG}")
        t.compress(summarizer=lambda _: "Bills.\nuser: The invoice is INV-2041.")
        message = t.blame().messages[0]
        assert len(message.covers) == 4
        assert [line.source for line in message.lines] == [None, first.hash]
        t.user("plain")
        assert t.blame().messages[1].covers == ()


def test_an_agent_can_look_up_what_was_compressed() -> None:
    """Most words first, the newest among equals, and the summary that stands there."""
    with Tract.open() as t:
        old = t.user(f"The host is db-7.internal and the port is 5433 {LONG}")
        t.assistant(f"I look {LONG}", tool_calls=[CALL])
        t.tool_result("call_1", f"port 5433 is closed {LONG}")
        inner = compress(t).commits[0]
        t.user(f"Then try another port {LONG}")
        outer = compress(t, summarizer=lambda _: "Ports.").commits[0]
        t.user("port 5433 again")

        found = lookup(t._store, "DB-7.internal, port 5433?")

        assert found[0].commit == old.hash
        assert "db-7.internal" in found[0].excerpt
        assert {one.summary for one in found} == {outer}
        assert inner not in {one.commit for one in found}
        assert [one.role for one in lookup(t._store, "port", limit=2)] == ["user", "tool"]
        assert lookup(t._store, "nowhere") == []
        for wrong in ("", "...", 5):
            with pytest.raises(InvalidInputError):
                lookup(t._store, wrong)  # type: ignore[arg-type]
    with Tract.open() as t:
        assert lookup(t._store, "port") == []


def test_what_is_looked_up_is_in_the_excerpt_whatever_its_letters() -> None:
    """Case is ignored as in a search: letters that grow when folded move nothing, accents may be written either way."""
    with Tract.open() as t:
        t.user(f"{'Straße und Größe, ' * 300} Zimmer CAFÉ-7 war frei. {LONG * 8}")
        compress(t, summarizer=lambda _: "Ein Zimmer.")
        for words in ("café-7", "cafe\u0301-7", "Zimmer"):
            (found,) = lookup(t._store, words)
            assert "Zimmer CAFÉ-7 war frei." in found.excerpt


def test_a_model_looks_up_what_was_compressed() -> None:
    """It calls the tool in the loop; what it finds comes as a result, and a wrong call as a sentence."""
    model = ScriptedLLM(
        [
            ToolCall(id="a", name="look_up_earlier", arguments='{"words": "booking code", "limit": 1}'),
            ToolCall(id="b", name="look_up_earlier", arguments='{"words": "..."}'),
            "It is RH-2041.",
        ]
    )
    with Tract.open(llm=model) as t:
        text = f"The booking code is RH-2041. {LONG * 20} It ends here."
        said = t.user(text)
        t.compress(content="A room was booked.")
        result = t.run("Which code was it?", tools=[t.tools.lookup()])

        assert result.text == "It is RH-2041."
        found, refused = [message.text for message in t.compile().messages if message.role == "tool"]
        assert "RH-2041" in found
        assert said.hash in found
        assert "Look up words" in refused
        [whole] = t.tools.lookup()("booking code", in_full=True)
        assert whole["text"] == text
