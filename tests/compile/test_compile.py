"""Shows what `compile` gives besides the messages, and what changes how it renders and counts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ids import shown
from tests.strategies import CONTENTS, CUSTOM, Measurement, Remark, register
from tract import CompiledContext, Entry, FilePart, ImagePart, Message, TextPart, ToolResultPart, Tract
from tract.errors import (
    BudgetExceededError,
    InvalidContentError,
    InvalidInputError,
    InvalidTargetError,
    UnknownContentTypeError,
)
from tract.objects.config import TokenBudgetWarning
from tract.tokens import REPLY_PRIMING_TOKENS, counter_for, message_tokens

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7"


def counted(context: CompiledContext, tokenizer: str) -> int:
    """Return the tokens of the messages, counted here and now."""
    counter = counter_for(tokenizer)
    total = sum(message_tokens(message, counter) for message in context.messages)
    return total + REPLY_PRIMING_TOKENS if context.messages else 0


# --- rendering -----------------------------------------------------------------------------------


def shouting(entries: Sequence[Entry], /) -> Iterable[tuple[Message, Entry]]:
    """A compiler that leaves out the first message and shouts the others."""
    for entry in entries[1:]:
        assert entry.shown.message is not None
        yield replace(entry.shown.message, parts=(TextPart(entry.shown.message.text.upper()),)), entry


def test_a_custom_compiler_replaces_the_rendering(tmp_path: Path) -> None:
    """Its messages are counted as they are, keep where they came from, and nothing of it is stored."""
    with Tract.open(tmp_path / "a.db", compiler=shouting) as t:
        t.user("one")
        two = t.user("two")
        t.pin(two)
        t.record_usage({"input_tokens": 500, "output_tokens": 1}, commit=two)
        context = t.compile(verify=True)

        assert [message.text for message in context.messages] == ["TWO"]
        assert context.commit_hashes == (two.hash,)
        assert context.provenance[0].priority == "pinned"
        assert context.token_count == counted(context, "o200k_base")
        assert context.token_source == "tokenizer:o200k_base"
    with Tract.open(tmp_path / "a.db") as t:
        assert [message.text for message in t.compile(at=two).messages] == ["one", "two"]


@pytest.mark.parametrize(
    "returned",
    [None, "ab", 5, [1, 2], ["ab"], [("a", "b")], [(1, 2, 3)], [Message("user", ())], [(Message("user", ()), None)]],
    ids=shown,
)
def test_a_compiler_that_returns_something_else_is_refused(returned: Any) -> None:
    """The error says what was expected."""
    with Tract.open(compiler=lambda _: returned) as t:
        t.user("one")
        with pytest.raises(InvalidInputError, match="pairs of Message and Entry"):
            t.compile()


def test_edited_messages_can_be_marked() -> None:
    """Only edited messages with text are marked, and the mark is counted."""
    with Tract.open() as t:
        first = t.user("one")
        t.user("two")
        picture = t.user([ImagePart("image/png", PNG)])
        t.edit(first, "three")
        t.edit(picture, {"content_type": "dialogue", "role": "user", "parts": [ImagePart(url="https://example.org")]})

        context = t.compile(mark_edits=True)

        assert [message.text for message in context.messages] == ["[edited] three", "two", ""]
        assert context.token_count == counted(context, "o200k_base") > t.compile().token_count
        assert [message.text for message in t.compile().messages] == ["three", "two", ""]


def test_provenance_says_where_each_message_came_from() -> None:
    """Who placed, edited and annotated it, parallel to the messages; so are hashes and configs."""
    with Tract.open() as t:
        system = t.system("Be brief.")
        question = t.commit("Why?", author="ann", generation_config=None)
        reply = t.assistant("Because.", generation_config={"model": "gpt-4o", "temperature": 0})
        thought = t.commit({"content_type": "reasoning", "text": "hm"})
        edit = t.edit(reply, "Because I say so.")
        pin = t.pin(question)

        context = t.compile()

        assert context.commit_hashes == (system.hash, question.hash, reply.hash)
        assert context.generation_configs == (None, None, {"model": "gpt-4o", "temperature": 0.0})
        assert [one.edited_by for one in context.provenance] == [None, None, edit.hash]
        assert [one.annotated_by for one in context.provenance] == [None, pin.hash, None]
        assert [one.priority for one in context.provenance] == ["pinned", "pinned", "normal"]
        assert [one.origin for one in context.provenance] == ["system", "user", "model"]
        assert [one.author for one in context.provenance] == ["", "ann", ""]
        assert context.provenance[2].created_at == edit.created_at
        assert context.provenance[2].content_type == "dialogue"
        assert len(context) == context.commit_count == 3
        assert context.head == pin.hash
        t.unskip(thought)
        assert t.compile().messages[3].text == "hm"


def test_an_edit_with_a_config_replaces_it() -> None:
    """An edit made by another model says so."""
    with Tract.open() as t:
        reply = t.assistant("a", generation_config={"model": "small"})
        t.edit(reply, "b", generation_config={"model": "large"})
        t.edit(reply, "c")

        assert t.compile().generation_configs == ({"model": "large"},)


def test_a_new_text_keeps_everything_but_the_text() -> None:
    """Editing text keeps images, tool calls, names and how a part was marked."""
    with Tract.open() as t:
        looked = t.user(
            [ImagePart("image/png", PNG), TextPart("what?", extra={"openai": {}}), TextPart("so?")], name="ann"
        )
        called = t.assistant("hm", tool_calls=[{"id": "c", "name": "f", "arguments": "{}"}])
        silent = t.user([ImagePart(url="https://example.org/a.png")])
        for commit in (looked, called, silent):
            t.edit(commit, "new")

        first, second, third = t.compile().messages

        assert first.name == "ann"
        assert [type(part) for part in first.parts] == [ImagePart, TextPart]
        assert [message.text for message in (first, second, third)] == ["new", "new", "new"]
        assert [call.id for call in second.tool_calls] == ["c"]
        assert [type(part) for part in third.parts] == [TextPart, ImagePart]


def test_a_new_text_has_to_fit_its_type() -> None:
    """A type without text, and a custom one with other rules, say so."""
    with Tract.open() as t:
        register(t)
        data = t.commit({"content_type": "freeform", "data": 1})
        remark = t.commit(Remark(text="a", name="n"))
        note = t.skip(data)

        with pytest.raises(InvalidContentError, match="has no text to replace"):
            t.edit(data, "two")
        with pytest.raises(InvalidTargetError, match="has no content"):
            t.edit(note, "two")
        t.edit(remark, "b")
        assert t.show("HEAD") == Remark(text="b", name="n")


# --- prefix hashes -------------------------------------------------------------------------------

MESSAGES = st.lists(CONTENTS.filter(lambda content: content.content_type != "reasoning"), min_size=1, max_size=4)


@given(MESSAGES, MESSAGES)
def test_prefix_hashes_are_equal_exactly_when_prefixes_are(left: list[Any], right: list[Any]) -> None:
    """Of two histories, for every length."""
    with Tract.open(durability="off") as a, Tract.open(durability="off") as b:
        for t, contents in ((a, left), (b, [*left[:1], *right])):
            for content in contents:
                t.commit(content.model_copy(update={"sensitive": False}))
        ours, theirs = a.compile(), b.compile()

        for n in range(min(len(ours), len(theirs)) + 1):
            is_equal = list(ours.messages[:n]) == list(theirs.messages[:n]) and (
                ours.to_dicts()[:n].__repr__() == theirs.to_dicts()[:n].__repr__()
            )
            assert (ours.prefix_hash(n) == theirs.prefix_hash(n)) == is_equal
        assert ours.prefix_hash() == ours.prefix_hash(len(ours))


def test_a_prefix_hash_is_of_messages_there_are() -> None:
    """A length below zero or beyond the end is refused."""
    with Tract.open() as t:
        t.user("a")
        for n in (-1, 2):
            with pytest.raises(InvalidInputError, match="There are 1 messages"):
                t.compile().prefix_hash(n)
        assert t.compile().prefix_hash(0) == Tract.open().compile().prefix_hash()


def test_bytes_a_compiler_brings_in_count_for_the_prefix() -> None:
    """Two images never stored are told apart."""
    hashes = set()
    for data in (b"one", b"two"):
        message = Message("user", (ImagePart("image/png", data),))
        with Tract.open(compiler=lambda entries, shown=message: [(shown, entries[0])]) as t:
            t.user("a")
            hashes.add(t.compile().prefix_hash())

    assert len(hashes) == 2


# --- usage ---------------------------------------------------------------------------------------


def test_recorded_usage_is_preferred_and_grows_with_appends() -> None:
    """What the provider counted, plus what was appended since; named by the model that answered."""
    with Tract.open() as t:
        t.user("question")
        reply = t.assistant("answer", generation_config={"model": "gpt-4o"})
        assert t.compile().token_source == "tokenizer:o200k_base"
        before = t.compile().token_count

        t.record_usage({"prompt_tokens": 1000, "completion_tokens": 50})
        assert (t.compile().token_count, t.compile().token_source) == (1050, "api:gpt-4o")
        more = t.user("more")
        t.commit({"content_type": "reasoning", "text": "not sent"})
        assert t.compile().token_count == 1050 + more.tokens
        assert t.get(reply).context_tokens == before
        assert t.compile(at=reply).token_count == 1050
        assert t.compile(at="HEAD~3").token_source == "tokenizer:o200k_base"


@pytest.mark.parametrize("verb", ["edit", "skip", "pin"])
def test_a_change_of_what_was_counted_falls_back_to_the_tokenizer(verb: str) -> None:
    """An edit or annotation after the usage makes the provider's count wrong; a new usage makes it right."""
    with Tract.open() as t:
        question = t.user("question")
        reply = t.assistant("answer")
        t.record_usage({"input_tokens": 1000, "output_tokens": 50, "model": "claude"})
        t.edit(question, "other") if verb == "edit" else getattr(t, verb)(question)

        context = t.compile()
        assert context.token_source == "tokenizer:o200k_base"
        assert context.token_count == counted(context, "o200k_base")
        assert t.compile(at=reply).token_source == "api:claude"

        t.assistant("again")
        t.record_usage({"input_tokens": 70, "output_tokens": 3, "model": "claude"})
        assert (t.compile().token_count, t.compile().token_source) == (73, "api:claude")


def test_usage_belongs_to_its_branch_and_the_last_one_counts() -> None:
    """Another branch does not see it; recording twice keeps the later; a hidden reply is no anchor."""
    with Tract.open() as t:
        t.user("question")
        t.branch("other")
        t.assistant("there")
        t.record_usage({"input_tokens": 900, "output_tokens": 9})
        t.record_usage({"input_tokens": 800, "output_tokens": 8})
        assert t.compile().token_count == 808
        t.switch("main")
        assert t.compile().token_source == "tokenizer:o200k_base"
        hidden = t.commit({"content_type": "reasoning", "text": "hm"})
        t.record_usage({"input_tokens": 5, "output_tokens": 5}, commit=hidden)
        assert t.compile().token_source == "tokenizer:o200k_base"


def test_usage_is_seen_by_every_handle_at_once(tmp_path: Path) -> None:
    """A handle that compiled before, on a branch or detached, sees what another one records."""
    with Tract.open(tmp_path / "a.db") as a, Tract.open(tmp_path / "a.db") as b, Tract.open(tmp_path / "a.db") as c:
        a.user("question")
        reply = a.assistant("answer")
        c.checkout(reply.hash)
        assert {t.compile().token_source for t in (a, b, c)} == {"tokenizer:o200k_base"}
        a.record_usage({"input_tokens": 1, "output_tokens": 2, "model": "m"})

        assert {t.compile().token_source for t in (a, b, c)} == {"api:m"}


def test_usage_needs_a_commit() -> None:
    """Before the first commit there is no reply it could belong to."""
    with Tract.open() as t, pytest.raises(InvalidTargetError, match="no commit"):
        t.record_usage({"input_tokens": 1, "output_tokens": 2})


# --- tokenizers ----------------------------------------------------------------------------------

TEXTS = ["The quick brown fox", "antidisestablishmentarianism 12345", "こんにちは世界", "été"]


class Letters:
    """A counter of the application: one token per character."""

    name = "letters"
    is_approximate = False

    def count(self, text: str) -> int:
        """Return the number of characters."""
        return len(text)


@pytest.mark.parametrize("first", ["cl100k_base", "estimate"])
def test_every_count_is_by_the_tokenizer_in_force(tmp_path: Path, first: str) -> None:
    """A store counted with one tokenizer and opened with another counts right everywhere, and goes on right."""
    path = tmp_path / "a.db"
    with Tract.open(path, tokenizer=first) as t:
        commits = [t.user(text) for text in TEXTS]
        t.edit(commits[0], "The slow brown fox")
        t.skip(commits[1])
        counts = [info.context_tokens for info in t.log()]
        assert t.compile().token_count == counted(t.compile(), first)
    with Tract.open(path, tokenizer="o200k_base") as t:
        other = [info.context_tokens for info in t.log()]
        assert other != counts
        assert other == [t.compile(at=info).token_count for info in t.log()]
        assert [info.tokens for info in t.log()] == [t.get(info.hash).tokens for info in t.log()]
        assert t.status().context_tokens == t.compile().token_count == counted(t.compile(), "o200k_base")
        assert t.pin(commits[0]).context_tokens == t.user("more").context_tokens - t.get("HEAD").tokens
        assert t.get("HEAD").context_tokens == t.compile(verify=True).token_count
    with Tract.open(path, read_only=True, tokenizer=Letters()) as t:
        assert t.compile().token_source == "tokenizer:letters"
        assert t.status().context_tokens == t.compile(verify=True).token_count > max(*counts, *other)


def test_the_tokenizer_can_be_changed_on_an_open_handle(tmp_path: Path) -> None:
    """From the next call on counts are the new one's, and the next handle opens with it."""
    with Tract.open(tmp_path / "a.db") as t:
        for text in TEXTS:
            t.user(text)
        before = t.compile().token_count
        t.configure(tokenizer="cl100k_base")
        assert t.compile().token_source == "tokenizer:cl100k_base"
        assert t.compile().token_count == t.get("HEAD").context_tokens == counted(t.compile(), "cl100k_base") != before
    with Tract.open(tmp_path / "a.db") as t:
        assert t.compile().token_source == "tokenizer:cl100k_base"


def test_a_tokenizer_is_chosen_by_model_name() -> None:
    """The model's own encoding for OpenAI; an estimate that says so for the rest."""
    with Tract.open(tokenizer="gpt-4") as t:
        t.user("hi")
        assert t.compile().token_source == "tokenizer:cl100k_base"
        assert t.compile().warnings == ()
    with Tract.open(tokenizer="claude-sonnet-4") as t:
        t.user("hi")
        assert t.compile().token_source == "estimate"
        assert t.compile().warnings == ("Token counts are estimates: the tokenizer `estimate` is approximate.",)


@pytest.mark.parametrize("tokenizer", ["p50k_base", "", 5, object()], ids=shown)
def test_an_unknown_tokenizer_creates_nothing(tmp_path: Path, tokenizer: Any) -> None:
    """The mistake is reported before a file is made."""
    if tokenizer == "":
        tokenizer = " "
    with pytest.raises(InvalidInputError):
        Tract.open(tmp_path / "a.db", tokenizer=tokenizer)
    assert list(tmp_path.iterdir()) == []


def test_equal_fields_of_two_types_are_counted_apart() -> None:
    """A name is counted where it is sent and not where it is not."""
    with Tract.open() as t:
        register(t)
        t.commit({"content_type": "instruction", "name": "ann", "text": "hi"})
        t.commit(Remark(name="ann", text="hi"))

        assert t.get("HEAD").context_tokens == counted(t.compile(), "o200k_base")


@given(st.lists(CONTENTS | CUSTOM, min_size=1, max_size=4))
def test_any_content_is_counted_as_it_is_compiled(contents: list[Any]) -> None:
    """Stored counts equal those of the messages, with files in place."""
    with Tract.open(durability="off") as t:
        register(t)
        for content in contents:
            info = t.commit(content)
            context = t.compile()
            assert info.context_tokens == context.token_count == counted(context, "o200k_base")
        assert t.fsck() == []


# --- budgets -------------------------------------------------------------------------------------


def budget(limit_tokens: int, on_exceed: Any = "warn", reserve_tokens: int = 0) -> dict[str, Any]:
    return {"budget": {"limit_tokens": limit_tokens, "on_exceed": on_exceed, "reserve_tokens": reserve_tokens}}


def test_a_budget_warns_at_the_callers_line() -> None:
    """The commit is written; the warning points to the application, whichever method it called."""
    with Tract.open(config=budget(20, reserve_tokens=8)) as t:
        first = t.user("one")
        calls: list[Callable[[], object]] = [
            lambda: t.user("a b c d e"),
            lambda: t.commit("two"),
            lambda: t.edit(first, "one two three"),
        ]
        for call in calls:
            with pytest.warns(TokenBudgetWarning, match="the budget is 12") as caught:
                call()
            assert caught[0].filename == __file__
        assert len(t.log()) == 4


def test_a_warning_turned_into_an_error_writes_nothing() -> None:
    """`-W error` refuses the commit and leaves the handle usable."""
    with Tract.open(config=budget(5)) as t:
        # Every warning is an error in these tests already.
        with pytest.raises(TokenBudgetWarning):
            t.user("one two three")
        assert t.log() == []
        t.configure(budget=None)
        t.user("one two three")


def test_a_rejecting_budget_refuses_what_grows_and_lets_the_rest_pass() -> None:
    """Over the budget an append, a longer edit and an unskip are refused; a skip, a pin and a shorter edit are not."""
    with Tract.open() as t:
        first, second = t.user("one two three four"), t.user("five six seven")
        skipped = t.user("eight nine")
        t.skip(skipped)
        t.configure(**budget(10, "reject"))
        before = t.head
        calls: list[Callable[[], object]] = [
            lambda: t.user("more"),
            lambda: t.edit(first, "one two three four five"),
            lambda: t.unskip(skipped),
        ]
        for call in calls:
            with pytest.raises(BudgetExceededError) as caught:
                call()
            assert caught.value.limit_tokens == 10 < caught.value.tokens
        assert t.head == before

        t.pin(first)
        t.edit(first, "one")
        t.skip(second)
        t.edit(first, "two")
        assert t.compile().token_count <= 10


def test_a_callback_decides_before_anything_is_locked(tmp_path: Path) -> None:
    """It may write with another handle, is told size and limit, and refuses by raising; it is not kept."""
    calls = []
    with Tract.open(tmp_path / "a.db") as other:

        def decide(tokens: int, limit_tokens: int) -> None:
            calls.append((tokens, limit_tokens))
            if len(calls) > 1:
                raise LookupError
            other.user("from outside")

        with Tract.open(tmp_path / "a.db", config=budget(10, decide)) as t:
            t.user("a b c d e f")
            assert calls == [(t.get("HEAD").context_tokens - t.get("HEAD~1").tokens, 10)]
            with pytest.raises(LookupError):
                t.user("again")
            assert len(t.log()) == 2
            assert t.compile().token_count == t.log(1)[0].context_tokens
    with Tract.open(tmp_path / "a.db") as t:
        assert t.config.budget is not None
        assert t.config.budget.on_exceed == "warn"


def test_settings_are_kept_for_the_next_opening(tmp_path: Path) -> None:
    """Naming a tokenizer changes nothing else; a whole config replaces the one kept; each tract has its own."""
    path = tmp_path / "a.db"
    with Tract.open(path, config={**budget(50, "reject"), "cached_states": 3}):
        pass
    with Tract.open(path, tokenizer="cl100k_base") as t:
        assert (t.config.cached_states, t.config.tokenizer) == (3, "cl100k_base")
    with Tract.open(path) as t:
        assert t.config.budget is not None
        assert (t.config.budget.limit_tokens, t.config.budget.on_exceed) == (50, "reject")
        assert t.compile().token_source == "tokenizer:cl100k_base"
        with Tract.open(path, tract="other") as other:
            assert other.config.budget is None
    with Tract.open(path, config={"cached_states": 5}) as t:
        assert (t.config.budget, t.config.tokenizer) == (None, None)
    with Tract.open(path, read_only=True, config={"cached_states": 7}) as t:
        assert t.config.cached_states == 7
    with Tract.open(path) as t:
        assert t.config.cached_states == 5


# --- files and custom types ----------------------------------------------------------------------


def test_images_and_files_are_stored_once_and_returned_to_both_providers(tmp_path: Path) -> None:
    """The same bytes in several messages, and inside a tool result, are one blob; each message has them again."""
    with Tract.open(tmp_path / "a.db") as t:
        picture = ImagePart("image/png", PNG * 50_000)
        t.user([TextPart("look"), picture, FilePart("application/pdf", PDF, name="a.pdf")])
        t.assistant("nice", tool_calls=[{"id": "c", "name": "f", "arguments": "{}"}])
        t.tool_result("c", [TextPart("see"), picture])
        t.user([ToolResultPart("d", parts=(picture,))])
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size < 1.5 * len(picture.data or b"")
    with Tract.open(tmp_path / "a.db") as t:
        first, _, third, fourth = t.compile(verify=True).messages

        assert [getattr(part, "data", None) for part in first.parts] == [None, picture.data, PDF]
        assert third.parts[1].data == fourth.parts[0].parts[0].data == picture.data  # type: ignore[union-attr]
        sent = t.compile(at="HEAD~3")
        kinds = [part["type"] for part in sent.to_openai()[0]["content"]]
        blocks = [block["type"] for block in sent.to_anthropic()["messages"][0]["content"]]
        assert kinds == ["text", "image_url", "file"]
        assert blocks == ["text", "image", "document"]
        # Naming a stored file by its hash stores nothing.
        again = t.user([ImagePart("image/png", hash=first.parts[1].hash)])  # type: ignore[union-attr]
        assert t.compile(at=again).messages[-1].parts == (first.parts[1],)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (ImagePart("image/png"), "neither data nor url"),
        (FilePart("a/b"), "neither data nor url"),
        (ImagePart("image/png", hash="00" * 32), "No file 000000000000"),
        (ImagePart("image/png", hash="nonsense"), "No file nonsense"),
        (ToolResultPart("c", parts=(ImagePart("image/png"),)), "neither data nor url"),
        (ImagePart("image/png", b"x" * 1001), "1,001 bytes"),
        (TextPart("x" * 1001), "the limit is 1,000"),
    ],
    ids=shown,
)
def test_a_file_that_is_none_is_refused(part: Any, words: str) -> None:
    """Without bytes, with a hash nobody stored, or too large: nothing is written."""
    with Tract.open(config={"max_content_bytes": 1000}) as t:
        with pytest.raises(InvalidContentError, match=words):
            t.user([part])
        assert t.log() == []


@given(st.lists(CUSTOM, min_size=1, max_size=3))
def test_custom_types_compile_alike_without_being_registered(contents: list[Any]) -> None:
    """What a handle registered changes nothing of what is compiled; only `show` needs the model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with Tract.open(path, durability="off") as t:
            register(t)
            commits = [t.commit(content) for content in contents]
            expected = t.compile()
            assert [t.show(commit) for commit in commits] == contents
        with Tract.open(path, durability="off") as t:
            assert t.compile(verify=True) == expected
            assert [info.message for info in t.log()] == [commit.message for commit in reversed(commits)]
            with pytest.raises(UnknownContentTypeError):
                t.show(commits[0])


def test_a_custom_content_can_be_given_as_a_mapping() -> None:
    """By its name and fields, checked by its model."""
    with Tract.open() as t:
        register(t)
        commit = t.commit({"content_type": "measurement", "of": "m", "values": [1]})

        assert t.show(commit) == Measurement(of="m", values=[1.0])
        with pytest.raises(InvalidContentError, match=r"`values\.0` of measurement"):
            t.commit({"content_type": "measurement", "of": "m", "values": ["x"]})


# --- looking back, and at it -----------------------------------------------------------------------


def test_as_of_needs_a_time_zone_and_no_commit() -> None:
    """A time without zone could mean any of a day's."""
    with Tract.open() as t:
        commit = t.user("a")
        with pytest.raises(InvalidInputError, match="time zone"):
            t.compile(as_of=datetime(2024, 1, 1))  # noqa: DTZ001  # the mistake itself
        with pytest.raises(InvalidInputError, match="without `at`"):
            t.compile(commit, as_of=datetime.now(UTC))
        assert t.compile(as_of=datetime(1960, 1, 1, tzinfo=UTC)).head is None
        assert t.compile(as_of=datetime.now(UTC)).head == commit.hash


def test_an_empty_branch_compiles_to_nothing() -> None:
    """No messages, no tokens, and every accessor works."""
    with Tract.open() as t:
        for context in (t.compile(), t.compile(verify=True, mark_edits=True)):
            assert (len(context), context.token_count, context.head, context.to_openai()) == (0, 0, None, [])
            assert repr(context) == "<CompiledContext empty messages=0 tokens=0>"
            assert (context.provenance, context.commit_hashes, context.generation_configs) == ((), (), ())


def test_a_context_shows_itself_without_markup_of_the_content() -> None:
    """The repr holds no content; the notebook view escapes it."""
    with Tract.open() as t:
        t.user("<script>alert(1)</script>")
        context = t.compile()

        assert "script" not in repr(context)
        assert "<script>" not in context._repr_html_()
        assert "&lt;script&gt;" in context._repr_html_()


def test_an_unknown_format_is_refused() -> None:
    """The hint lists those there are."""
    with Tract.open() as t, pytest.raises(InvalidInputError, match="telegram") as caught:
        t.compile().report("telegram")
    assert caught.value.hint == "Known are openai, anthropic."


def test_parameters_are_ready_to_send() -> None:
    """Settings of the call are beside the messages; an empty system is left out."""
    with Tract.open() as t:
        t.user("hi", name="ann")
        t.tool_result("c", "late", is_error=True)
        context = t.compile()

        assert context.to_openai_params(model="gpt-4o", temperature=0) == {
            "model": "gpt-4o",
            "messages": context.to_openai(),
            "temperature": 0,
        }
        assert set(context.to_anthropic_params()) == {"max_tokens", "messages"}
        assert context.to_dicts() == [
            {"role": "user", "content": "hi", "name": "ann"},
            {"role": "tool", "content": "late", "call_id": "c", "is_error": True},
        ]
