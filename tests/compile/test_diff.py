"""What changed between two contexts: messages, fields, lines, tokens."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given

from tests.compile.histories import Step, build, long_tract, steps
from tract import (
    DialogueContent,
    Entry,
    FreeformContent,
    Message,
    Reasoning,
    TextPart,
    ToolCall,
    Tract,
)
from tract.errors import RevisionNotFoundError


def _kinds(t: Tract, a: str | None = None, b: str | None = None) -> list[tuple[str, str]]:
    return [(change.kind, change.side.message.text) for change in t.diff(a, b).changes]


def _text(t: Tract, a: str | None = None, b: str | None = None) -> Sequence[tuple[str, str]]:
    """Return the lines but the first: the message's headline has hashes."""
    return list(t.diff(a, b).lines())[1:]


# --- what is compared ------------------------------------------------------------------------------


def test_without_names_an_append_is_compared_with_its_parent() -> None:
    """The last message is what is new."""
    with Tract.open() as t:
        t.user("one")
        assert _kinds(t) == [("added", "one")]
        t.assistant("two")
        assert _kinds(t) == [("added", "two")]


def test_an_edit_is_compared_with_what_was_shown_before() -> None:
    """Not with the original: with the edit before it."""
    with Tract.open() as t:
        said = t.user("one\ntwo\nthree")
        t.edit(said, "one\n2\nthree")
        t.edit(said, "one\n2\n3")

        assert _text(t)[:-1] == [
            ("hunk", "@@ -1,3 +1,3 @@"),
            ("context", " one"),
            ("context", " 2"),
            ("removed", "-three"),
            ("added", "+3"),
        ]


def test_an_edit_of_a_skipped_message_is_shown_at_no_tokens() -> None:
    """Nothing that is sent changed, and still the edit did something."""
    with Tract.open() as t:
        said = t.user("one")
        t.skip(said)
        t.edit(said, "a good deal more than one")
        diff = t.diff()

        assert [change.kind for change in diff.changes] == ["changed"]
        assert diff.changes[0].headline() == f"changed: not sent, user, {said.short_hash}, +0 tokens"
        assert diff.changes[0].line_changes() == [
            ("hunk", "@@ -1 +1 @@"),
            ("removed", "-one"),
            ("added", "+a good deal more than one"),
        ]
        assert diff.token_delta == 0


def test_an_edit_to_the_same_content_changes_nothing() -> None:
    """Another commit, the same message."""
    with Tract.open() as t:
        said = t.user("one")
        t.edit(said, "one")

        assert len(t.diff()) == 0
        assert list(t.diff().lines()) == []


def test_one_name_is_compared_with_head_two_with_each_other() -> None:
    """Like `git diff`; the second name alone stands for what that commit changed."""
    with Tract.open() as t:
        for text in ("one", "two", "three"):
            t.user(text)

        assert _kinds(t, "HEAD~2") == [("added", "two"), ("added", "three")]
        assert _kinds(t, "HEAD~2", "HEAD~1") == [("added", "two")]
        assert _kinds(t, "HEAD~2..HEAD~1") == [("added", "two")]
        assert _kinds(t, "HEAD", "HEAD~1") == [("removed", "three")]
        assert _kinds(t, None, "HEAD~1") == [("added", "two")]
        assert t.diff("HEAD~2").before == t.get("HEAD~2").hash
        with pytest.raises(RevisionNotFoundError):
            t.diff("nowhere")


def test_an_empty_branch_has_no_difference() -> None:
    """Nothing, compared with nothing."""
    with Tract.open() as t:
        diff = t.diff()

        assert (diff.before, diff.after, diff.changes, diff.tokens) == (None, None, (), (0, 0))
        assert repr(diff) == "<DiffResult empty..empty 0 added, 0 removed, 0 changed, +0 tokens>"


def test_branches_are_matched_by_likeness() -> None:
    """What was said again on another branch, a little differently, is one changed message."""
    with Tract.open() as t:
        t.system("Be brief.")
        t.branch("other")
        t.user("I want to fly to Lisbon on Friday.")
        t.user("Same.")
        t.switch("main")
        t.user("I want to fly to Porto on Friday.")
        t.user("Same.")

        assert _kinds(t, "main", "other") == [("changed", "I want to fly to Lisbon on Friday.")]
        assert t.diff("main", "other").unchanged == 2


# --- what is said of a change ----------------------------------------------------------------------


def test_a_skip_is_a_removal_with_its_reason_and_unskip_an_addition() -> None:
    """The priority before and after tells why a message went or came."""
    with Tract.open() as t:
        said = t.user("one")
        t.skip(said, reason="small\ntalk")
        gone = t.diff().changes[0]
        assert (gone.kind, gone.priority, gone.reason) == ("removed", ("normal", "skip"), "small\ntalk")
        assert gone.headline() == f"removed (skipped): message 0, user, {said.short_hash}, -5 tokens"
        assert ("field", "  reason: small talk") in _text(t)

        t.unskip(said)
        back = t.diff().changes[0]
        assert (back.kind, back.priority, back.reason) == ("added", ("skip", "normal"), None)


def test_a_message_outside_the_history_has_no_priority_there() -> None:
    """A removed message whose commit the other side does not have was not skipped."""
    with Tract.open() as t:
        t.user("one")
        t.user("two")

        assert t.diff("HEAD", "HEAD~1").changes[0].priority == ("normal", None)
        assert t.diff("HEAD~1", "HEAD").changes[0].priority == (None, "normal")


def test_a_message_skipped_by_default_comes_without_a_reason() -> None:
    """Showing standalone reasoning is an addition by the annotation that did it."""
    with Tract.open() as t:
        thought = t.commit({"content_type": "reasoning", "text": "Hm."})
        t.unskip(thought, reason="interesting")

        assert [(c.kind, c.reason) for c in t.diff().changes] == [("added", "interesting")]
        assert [(c.kind, c.reason) for c in t.diff("HEAD", "HEAD~1").changes] == [("removed", None)]


def test_a_pin_is_a_change_of_priority() -> None:
    """The text is the same, so there are no lines."""
    with Tract.open() as t:
        t.pin(t.user("one"), reason="the task")

        assert _text(t) == [
            ("field", "  priority: normal -> pinned"),
            ("field", "  reason: the task"),
            ("stat", "0 added, 0 removed, 1 changed, +0 tokens"),
        ]


def test_role_type_name_and_settings_are_compared() -> None:
    """Every field beside the text that differs is named; a setting by its path."""
    with Tract.open() as t:
        said = t.assistant("one", generation_config={"model": "a", "temperature": 0.5})
        t.commit(
            DialogueContent(role="user", text="one", name="Ann", extra={"openai": {"x": 1}}),
            op="edit",
            target=said,
            generation_config={"model": "b", "seed": 1},
        )

        assert [tuple(change) for change in t.diff().changes[0].fields] == [
            ("role", "assistant", "user"),
            ("name", None, "Ann"),
            ("extra", {}, {"openai": {"x": 1}}),
            ("generation_config.model", "a", "b"),
            ("generation_config.seed", None, 1),
            ("generation_config.temperature", 0.5, None),
        ]
        assert ("field", "  generation_config.seed: - -> 1") in _text(t)


def test_a_change_of_content_type_is_named() -> None:
    """The message may read the same; its type does not."""
    with Tract.open() as t:
        said = t.user("[1]")
        t.edit(said, FreeformContent(data=[1]))

        assert [repr(change) for change in t.diff().changes[0].fields] == ["<FieldChange content_type>"]
        assert t.diff().changes[0].line_changes() == []


def test_json_changes_line_by_line() -> None:
    """One field of a tool call's arguments is one line, whatever the spelling."""
    with Tract.open() as t:
        said = t.assistant(tool_calls=[ToolCall("c1", "book", '{"to":"LIS","day":"Fri"}')])
        t.commit(
            DialogueContent(role="assistant", tool_calls=(ToolCall("c1", "book", '{"day": "Fri", "to": "OPO"}'),)),
            op="edit",
            target=said,
        )

        assert [text for tag, text in _text(t) if tag in {"added", "removed"}] == ['-  "to": "LIS"', '+  "to": "OPO"']


def test_contents_that_read_the_same_are_compared_as_stored() -> None:
    """Spelling of JSON and bytes of a reasoning block are changes too."""
    with Tract.open() as t:
        said = t.user('{"a":1}')
        t.edit(said, '{"a": 1}')
        changed = [text for tag, text in _text(t) if tag in {"added", "removed"}]
        assert changed == [r'-    "text": "{\"a\":1}"', r'+    "text": "{\"a\": 1}"']

        first, second = (Reasoning("anthropic", {"signature": sign}, "Hm.") for sign in "ab")
        thought = t.assistant("x", reasoning=[first])
        t.commit(DialogueContent(role="assistant", text="x", reasoning=(second,)), op="edit", target=thought)
        changed = [text.strip() for tag, text in _text(t) if tag in {"added", "removed"}]
        assert changed == ['-      "signature": "a"', '+      "signature": "b"']


class _Backwards:
    """A compiler that sends the last first and says each twice."""

    def __call__(self, entries: Sequence[Entry]) -> Iterable[tuple[Message, Entry]]:
        for entry in reversed(entries):
            assert entry.shown.message is not None
            yield entry.shown.message, entry
            yield Message("user", (TextPart(entry.shown.message.text.upper()),)), entry


def test_a_custom_compiler_decides_what_is_compared() -> None:
    """Messages it makes of one commit are told apart, and its tokens are the ones counted."""
    with Tract.open(compiler=_Backwards()) as t:
        t.user("one")
        said = t.user("two words")
        t.edit(said, "two other words")

        assert _kinds(t) == [("changed", "two other words"), ("changed", "TWO OTHER WORDS")]
        assert t.diff().tokens == (t.compile("HEAD~1").token_count, t.compile().token_count)
        assert _kinds(t, "HEAD~2") == [("added", "two other words"), ("added", "TWO OTHER WORDS")]


class _Sorted:
    """A compiler that sends messages in the order of their texts."""

    def __call__(self, entries: Sequence[Entry]) -> Iterable[tuple[Message, Entry]]:
        pairs = [(entry.shown.message, entry) for entry in entries if entry.shown.message is not None]
        return sorted(pairs, key=lambda pair: pair[0].text)


def test_messages_that_only_moved_are_told_from_changed_ones() -> None:
    """A move has no lines; a change that also moved says both."""
    with Tract.open(compiler=_Sorted()) as t:
        said = [t.user(text) for text in ("a", "b", "c")]
        t.edit(said[0], "z")
        moved = t.diff().changes
        assert [(c.kind, c.is_moved) for c in moved] == [("changed", True)]
        assert moved[0].headline().startswith("changed and moved: message 0 -> 2, user, ")

        with t.batch():
            t.edit(said[1], "y")
            t.edit(said[2], "x")
            t.edit(said[0], "a")
        kinds = {c.side.commit: c.kind for c in t.diff("HEAD~4", "HEAD").changes}
        assert kinds == {said[1].hash: "changed", said[2].hash: "changed"}


class _Rotated:
    """A compiler that begins with another message at each length."""

    def __call__(self, entries: Sequence[Entry]) -> Iterable[tuple[Message, Entry]]:
        pairs = [(entry.shown.message, entry) for entry in entries if entry.shown.message is not None]
        return [*pairs[len(pairs) % 2 :], *pairs[: len(pairs) % 2]]


def test_a_moved_message_has_no_lines() -> None:
    """Its place is all that is different."""
    with Tract.open(compiler=_Rotated()) as t:
        for text in ("a", "b", "c"):
            t.user(text)
        moved = [change for change in t.diff().changes if change.kind == "moved"]

        assert [change.side.message.text for change in moved] == ["b"]
        assert moved[0].line_changes() == []
        assert moved[0].headline().startswith("moved: message 1 -> 0, user")


# --- values ----------------------------------------------------------------------------------------


def test_values_show_no_content_and_html_is_escaped() -> None:
    """`repr` is short; what a notebook shows cannot run."""
    with Tract.open() as t:
        said = t.user("<script>alert(1)</script>")
        diff = t.diff()

        assert repr(diff.changes[0]) == f"<MessageChange added {said.short_hash} tokens=+{said.tokens}>"
        assert "script" not in repr((diff, diff.changes[0].side))
        assert "<script>" not in diff._repr_html_()
        assert "&lt;script&gt;" in diff._repr_html_()
        assert str(diff).endswith(str(diff.stat))
        assert diff.stat.added == 1


# --- properties ------------------------------------------------------------------------------------


@given(steps(min_size=1), steps(), steps())
def test_token_deltas_add_up(first: list[Step], left: list[Step], right: list[Step]) -> None:
    """Over any two commits the changes account for every token, both ways round."""
    with Tract.open() as t:
        build(t, first)
        t.branch("other")
        build(t, left)
        t.switch("main")
        build(t, right)
        commits = ["main", "other", *[f"main~{n}" for n in range(1, len(first) + len(right), 3)]]

        for a in commits:
            for b in commits:
                diff = t.diff(a, b)
                expected = t.compile(b).token_count - t.compile(a).token_count
                assert diff.token_delta == expected
                assert sum(change.token_delta for change in diff.changes) + diff.priming_delta == expected
                assert diff.unchanged + sum(c.after is not None for c in diff.changes) == len(t.compile(b))


@given(steps())
def test_what_one_commit_changed_adds_up_too(todo: list[Step]) -> None:
    """The default diff of each commit, from the empty tract on, sums to the size of the context."""
    with Tract.open() as t:
        build(t, todo)
        total = sum(t.diff(b=info).token_delta for info in t.log(len(todo)))

        assert total == t.compile().token_count


@given(steps())
def test_a_commit_does_not_differ_from_itself(todo: list[Step]) -> None:
    """Nothing is added, removed, changed or moved."""
    with Tract.open() as t:
        build(t, todo)
        for info in t.log(len(todo)):
            diff = t.diff(info, info)
            assert (len(diff), diff.unchanged) == (0, len(t.compile(info)))


@given(steps(min_size=1))
def test_applying_the_changes_gives_the_later_context(todo: list[Step]) -> None:
    """Taking away what was removed, replacing what changed and adding what is new gives the later messages."""
    with Tract.open() as t:
        build(t, todo)
        first = t.log(len(todo))[-1]
        messages: list[Message | None] = list(t.compile(first).messages)
        diff = t.diff(first)
        for change in diff.changes:
            if change.before is not None and change.before.index is not None:
                messages[change.before.index] = None
        kept = iter([message for message in messages if message is not None])
        placed = {c.after.index: c.after.message for c in diff.changes if c.after is not None}
        count = diff.unchanged + len(placed)

        assert [placed.get(i) or next(kept) for i in range(count)] == list(t.compile().messages)


@pytest.mark.slow
def test_a_long_common_beginning_is_cheap() -> None:
    """One message appended to 10,000 is found in well under 50 ms on a warm handle."""
    with long_tract(10_000) as t:
        t.user("new")
        t.compile()
        t.diff()
        best = min(_seconds(t) for _ in range(5))

        assert _kinds(t) == [("added", "new")]
        assert best < 0.05


def _seconds(t: Tract) -> float:
    start = time.perf_counter()
    t.diff()
    return time.perf_counter() - start
