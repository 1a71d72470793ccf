"""Shows what contexts are like once something of them was erased: in every handle, and for every provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.operations.histories import violations
from tract import FilePart, TextPart, Tract
from tract.errors import InvalidInputError

Open = Callable[..., Tract]

SECRET = "The vault's code is 4711-tango-whisky."
CALL = {"id": "call_1", "name": "open", "arguments": '{"code": "4711-tango-whisky"}'}


def _require_valid(t: Tract) -> None:
    for is_marked in (False, True):
        assert violations(t.compile(verify=True, mark_erased=is_marked)) == []


def test_an_erased_file_is_left_out_of_the_message_that_had_it(open_tract: Open) -> None:
    """The words beside it stay; a message that was nothing else is left out."""
    t = open_tract()
    file = FilePart(media_type="text/plain", data=SECRET.encode(), name="a")
    t.user([TextPart("see"), file])
    t.user([file])

    t.erase(text="4711-tango", reason="a test")

    assert [[type(part) for part in message.parts] for message in t.compile().messages] == [[TextPart]]
    assert t.fsck() == []


def test_an_erased_reason_leaves_what_the_annotation_did(open_tract: Open) -> None:
    """The message stays skipped, and the pinned one pinned, in every handle."""
    t = open_tract()
    said, kept = t.user("not to be sent"), t.user("to be kept")
    t.skip(said, reason=SECRET)
    t.pin(kept, reason=SECRET)

    result = t.erase(text="tango", reason="a test")

    fresh = open_tract()
    for handle in (t, fresh):
        context = handle.compile(verify=True)
        assert [message.text for message in context.messages] == ["to be kept"]
        assert [one.priority for one in context.provenance] == ["pinned"]
    assert len(result.blobs) == 2
    assert t.fsck() == []


def test_what_is_gone_is_shown_only_when_asked_for(open_tract: Open) -> None:
    """In its place, by who said it; budgets, orders and other marks work on it as on any message."""
    t = open_tract()
    gone = [
        t.system(SECRET),
        t.user(SECRET + "?"),
        t.assistant(SECRET, tool_calls=[CALL]),
        t.tool_result("call_1", SECRET),
        t.skip(t.user(SECRET + " skipped")),
    ]
    edited = t.user("first")
    last = t.user("last")
    t.edit(edited, SECRET)

    t.erase(text="4711-tango", reason="a test")

    context = t.compile(mark_erased=True, verify=True)
    said = [(message.role, message.text) for message in context.messages]
    assert said == [
        ("system", "[erased]"), ("user", "[erased]"), ("assistant", "[erased]"), ("user", "[erased]"),
        ("user", "[erased]"), ("user", "last"),
    ]  # fmt: skip
    assert context.commit_hashes == (*[one.hash for one in gone[:4]], edited.hash, last.hash)
    assert context.warnings == ("Shown as `[erased]` because the content was erased or collected: 5 messages.",)
    assert t.compile(mark_erased=True, order=[last, edited]).messages[-1].text == "[erased]"
    assert t.compile(mark_erased=True, mark_edits=True).messages[-2].text == "[edited] [erased]"
    assert t.compile(mark_erased=True, budget=context.token_count).messages == context.messages
    _require_valid(t)
    plain = t.compile()
    assert [message.text for message in plain.messages] == ["last"]
    assert plain.warnings == ("Left out because the content was erased or collected: 5 messages.",)


def test_sizes_behind_an_erased_message_are_counted_again(open_tract: Open) -> None:
    """In every branch that has it; budgets then know what is really sent."""
    t = open_tract()
    t.user("start")
    said = t.user(SECRET * 20)
    t.branch("side")
    t.user("on side")
    t.switch("main")
    t.user("on main")

    t.erase(said, reason="a test")

    for handle in (t, open_tract()):
        for name in ("main", "side"):
            handle.switch(name)
            added = handle.user("one more")
            assert added.context_tokens == handle.compile().token_count
            assert handle.get("HEAD~1").context_tokens < 40


def test_sizes_behind_a_message_that_lost_a_file_are_counted_again(open_tract: Open) -> None:
    """A file whose bytes hold the text costs nothing once it is gone, and costs again once it is back."""
    t = open_tract()
    t.user("start")
    file = FilePart(media_type="text/plain", data=SECRET.encode(), name="a")
    t.user([file])
    t.user([TextPart("see"), file])
    before = t.status().context_tokens

    t.erase(text="4711-tango", reason="a test")

    _require_counted(t, open_tract())
    assert t.status().context_tokens < before
    t.user("later")
    _require_counted(t, open_tract())
    t.user([TextPart("here it is"), file])
    _require_counted(t, open_tract())
    assert t.status().context_tokens > before
    t.user("the end")
    _require_counted(t, open_tract())


def _require_counted(*handles: Tract) -> None:
    """What is noted of each commit is what the messages up to it cost."""
    for t in handles:
        noted = [(info.hash, info.context_tokens) for info in t.log()]
        assert noted == [(info.hash, t.compile(at=info.hash, verify=True).token_count) for info in t.log()]
        assert t.status().context_tokens == t.compile().token_count


def test_sizes_behind_what_was_said_again_are_counted_again(open_tract: Open) -> None:
    """It is back wherever it was: also in a branch and a merge written while it was gone, and in another tract."""
    t = open_tract()
    t.user("start")
    said = t.user(SECRET)
    t.branch("side")
    t.user("on side")
    t.branch("other")
    t.user("on other")
    t.switch("main")
    child = t.spawn("look")
    t.erase(said, reason="a test")
    child.user("in the child")
    t.user("on main")
    t.merge("side")
    t.user("behind the merge")
    t.switch("other")
    t.user("on other")
    t.switch("main")
    gone = t.status().context_tokens

    again = t.user(SECRET)

    assert again.context_tokens == t.get(again.hash).context_tokens == gone + 2 * again.tokens
    _require_counted(t, open_tract(), child)
    t.user("goes on")
    _require_counted(t, open_tract())
    t.switch("other")
    t.user("goes on")
    _require_counted(t, open_tract())


def test_an_edit_of_what_was_erased_counts(open_tract: Open) -> None:
    """The message is there again with what the edit says; skipped it costs nothing, and annotated no more."""
    t = open_tract()
    t.user("start")
    said = t.user(SECRET)
    t.erase(said, reason="a test")
    without = t.status().context_tokens

    edited = t.edit(said, {"role": "user", "content": "Something else."})
    assert edited.context_tokens == without + edited.tokens
    t.pin(said)
    t.skip(said)
    assert t.unskip(said).context_tokens == edited.context_tokens
    _require_counted(t, open_tract())
    t.erase(edited, reason="a test")
    t.skip(said)
    t.unskip(said)
    _require_counted(t, open_tract())


def test_sizes_in_a_batch_that_says_it_again(open_tract: Open) -> None:
    """Nothing written later in the same operation is counted without it."""
    t = open_tract()
    said = t.user(SECRET)
    t.user("later")
    t.erase(said, reason="a test")

    with t.batch():
        made = [t.user("before"), t.user(SECRET), t.user("behind")]

    assert [info.context_tokens for info in made[1:]] == [t.get(info.hash).context_tokens for info in made[1:]]
    _require_counted(t, open_tract())


def test_the_rest_of_a_broken_exchange_is_valid_for_every_provider(open_tract: Open) -> None:
    """G17: a call without its result, a result without its call, and nothing at all."""
    t = open_tract()
    t.user("Open it.")
    call = t.assistant("Opening.", tool_calls=[CALL])
    result = t.tool_result("call_1", SECRET)
    t.assistant("Done.")
    t.branch("call", switch=False)

    t.erase(result, reason="a test")
    _require_valid(t)
    t.erase(call, reason="a test")
    _require_valid(t)
    assert [message.text for message in t.compile().messages] == ["Open it.", "Done."]


def test_every_handle_notices_at_once(open_tract: Open) -> None:
    """What a warm handle remembers is dropped, whichever way it looks: compile, at a commit, a view, find, log."""
    t, warm = open_tract(), open_tract()
    said = t.user(SECRET)
    t.user("later")
    looks: list[Callable[[], Any]] = [
        lambda: [message.text for message in warm.compile().messages],
        lambda: [message.text for message in warm.compile(at="main").messages],
        lambda: [message.text for message in warm.at_operation(3).compile().messages],
        lambda: [line.text for message in warm.blame().messages for line in message.lines],
        lambda: [info.message for info in warm.log()],
        lambda: warm.find("tango"),
        lambda: str(warm.diff("HEAD~1", "HEAD")),
        lambda: warm.compile(order=[said, "HEAD"]).to_openai(),
    ]
    for look in looks:
        look()

    t.erase(said, reason="a test")

    assert [str(look()) for look in looks if "4711" in str(look())] == []


def test_a_copy_of_what_was_erased_counts_once_it_was_said_again(open_tract: Open) -> None:
    """The copy was made while there was nothing to count; the message is back, and so are its tokens."""
    t = open_tract()
    t.user("base")
    t.branch("side")
    said = t.assistant("a reply of a few words")
    t.switch("main")
    t.user("on main")
    t.erase(said, reason="a test")
    t.switch("side")
    t.rebase("main")
    before = t.compile().token_count
    t.branch("again", at="main")
    tokens = t.assistant("a reply of a few words").tokens
    t.switch("side")

    assert t.compile(verify=True).token_count == before + tokens


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_how_long_a_reason_may_be_is_said(open_tract: Open, reason: str) -> None:
    """Whether it is too short or too long."""
    with pytest.raises(InvalidInputError, match="`reason` is a text of 1 to 500 characters"):
        open_tract().erase(text="some text", reason=reason)
