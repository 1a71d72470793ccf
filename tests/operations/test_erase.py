"""G14: what was erased is gone from every file of the store, and the rest of the store is as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, Text

from tests.databases import Postgres
from tests.operations.bytes_of import hits, pages
from tests.operations.histories import compressed
from tests.operations.pending import keep_merge
from tests.reliability.dump import connected, dump
from tests.reliability.verbs import make_history, make_merges
from tract import EraseResult, FilePart, Proposal, Resolution, SummaryRequest, TextPart, Tract
from tract.errors import (
    ContentErasedError,
    ErasedMeanwhileError,
    IrreversibleError,
    OperationOpenError,
    ProposalNotFoundError,
    TractError,
)
from tract.storage.migrate import back_up
from tract.storage.schema import metadata

Open = Callable[..., Tract]

SECRET = 'The vault\'s code is "4711-tango-whisky",\nand the guard is called Ærik.'
OTHER = "Nothing of that is to be told to anybody else."


def _told(t: Tract) -> dict[str, Any]:
    """Tell the secret in every way there is; return the commits."""
    made: dict[str, Any] = {}
    t.system("You keep secrets.")
    made["said"] = t.user(SECRET, message=f"about {SECRET}", metadata={"why": [SECRET]})
    t.record_usage({"input_tokens": 5, "output_tokens": 1, "debug": SECRET}, commit=made["said"])
    made["call"] = t.assistant(
        OTHER, tool_calls=[{"id": "call_1", "name": "open", "arguments": f'{{"code": "{OTHER}"}}'}]
    )
    made["result"] = t.tool_result("call_1", "opened")
    made["skipped"] = t.skip(made["result"], reason=f"because {SECRET}")
    t.unskip(made["result"])
    t.skip(made["result"], reason=f"because {SECRET}")
    t.branch("side")
    made["again"] = t.user(SECRET)
    made["edit"] = t.edit(made["said"], f"edited: {SECRET}")
    made["file"] = t.user([TextPart("see"), FilePart(media_type="text/plain", data=SECRET.encode(), name="a")])
    t.branches.describe("side", f"for {SECRET}")
    made["undone"] = t.user(f"undone {SECRET}")
    t.undo()
    t.switch("main")
    made["summary"] = compressed(t, [made["said"]], f"Told: {SECRET}")
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "a.db"


def test_no_byte_of_an_erased_text_is_in_any_file(path: Path) -> None:
    """Content, note, file, usage, reasons, descriptions, the log: also while another handle has it open."""
    with Tract.open(path) as t, Tract.open(path) as other:
        _told(t)
        assert len(other.compile()) == 3
        assert hits(path, SECRET) > 100

        result = t.erase(text="4711-tango-whisky", reason="asked for by the guard")

        assert (result.unfinished, result.derived) == ("", ())
        assert hits(path, SECRET) == 0
        assert t.fsck() == []
        assert other.fsck() == []
        assert [message.text for message in other.compile().messages] == ["You keep secrets.", OTHER]
        assert other.compile().warnings == ("Left out because the content was erased or collected: 1 message.",)
        other.user("goes on")
        assert len(t.compile(verify=True)) == 3


def test_erasing_a_commit_takes_its_content_note_usage_and_file(path: Path) -> None:
    """What was made of it is listed, and goes with `include_derived`."""
    with Tract.open(path) as t:
        made = _told(t)

        listed = t.erase(made["said"], reason="a test", dry_run=True)
        kinds = {one.commit: one.kind for one in listed.derived}
        assert kinds[made["summary"].hash] == "summary"
        assert kinds[made["edit"].hash] == "edit"
        assert kinds[made["skipped"].hash] == "quote"
        assert made["again"].hash in listed.commits, "the same content is stored once"
        assert hits(path, SECRET) > 100

        result = t.erase(made["said"], reason="a test", include_derived=True)

        assert (result.derived, result.unfinished) == ((), "")
        assert {one.hash for name, one in made.items() if name not in {"call", "result", "file"}} <= set(result.commits)
        # The file was attached elsewhere and only holds the same words: it is no quote in a content.
        t.erase(made["file"], reason="a test")
        assert hits(path, SECRET) == 0
        assert t.fsck() == []


def test_a_tombstone_says_when_why_and_by_whom(open_tract: Open) -> None:
    """Reading it does; the commit, its hash and its links stay; writing it anew by its text is refused."""
    t = open_tract(actor="ann")
    said = t.user(SECRET, metadata={"channel": "web"})
    t.assistant("I see.")

    result = t.erase(said, reason="GDPR request 17")

    with pytest.raises(ContentErasedError) as caught:
        t.show(said)
    assert (caught.value.reason, caught.value.actor, caught.value.verb) == ("GDPR request 17", "ann", "erase")
    assert caught.value.erased_at == result.erased_at
    info = t.get(said)
    assert (info.hash, info.content_hash, info.message, dict(info.metadata)) == (
        said.hash, said.content_hash, "(erased)", {},
    )  # fmt: skip
    assert (result.actor, result.reason, result.operation) == ("ann", "GDPR request 17", len(t.operations))
    assert result.blobs
    assert result.bytes > len(SECRET)
    with pytest.raises(ContentErasedError):
        t.edit(said, "another text")
    t.edit(said, {"role": "user", "content": "what may be told"})
    assert [message.text for message in t.compile().messages] == ["what may be told", "I see."]
    assert t.compile().warnings == ()
    assert t.fsck() == []


def test_what_others_use_as_well_stays_and_is_named(open_tract: Open) -> None:
    """A note or file goes with the last commit that has it."""
    t = open_tract()
    file = FilePart(media_type="text/plain", data=b"shared by two", name="a")
    one = t.user([TextPart("first"), file], message="a common note")
    other = t.user([TextPart("second"), file], message="a common note")

    result = t.erase(one, reason="a test")

    assert len(result.kept) == 2
    assert t.get(other).message == "a common note"
    assert t.compile().messages[-1].parts[1].data == b"shared by two"  # type: ignore[union-attr]
    second = t.erase(other, reason="a test")
    assert (len(second.kept), len(second.blobs)) == (0, 3)
    assert len(t.compile()) == 0
    assert t.fsck() == []


def test_a_plain_annotation_cannot_be_erased(open_tract: Open) -> None:
    """It says nothing but a priority, and so does every other one of that kind."""
    t = open_tract()
    first, second = t.user("one"), t.user("two")
    skip = t.skip(first)
    t.skip(second)

    result = t.erase(skip, reason="a test")

    assert (result.blobs, result.operation) == ((), None)
    assert len(t.compile()) == 0


def test_a_merge_that_waits_forgets_what_it_was_told(path: Path) -> None:
    """Its resolutions are contents too; the log of who decided what stays, without the words."""
    make_history(path)
    make_merges(path)
    with Tract.open(path) as t:
        result = t.merge_in_progress
        assert result is not None
        keep_merge(t, result.resolve(0, "use", SECRET))
        assert hits(path, SECRET) > 0

        erased = t.erase(text="4711-tango-whisky", reason="a test")

        assert erased.redacted >= 2
        assert t.merge_in_progress is None
        assert hits(path, SECRET) == 0
        assert t.fsck() == []
        number = next(done.number for done in t.operations if done.verb == "merge-save")
        t.undo(operation=number)
        assert t.merge_in_progress is not None
        t.redo()
        assert hits(path, SECRET) == 0
        assert t.fsck() == []


@pytest.mark.parametrize("named", [True, False], ids=["by commit", "by text"])
def test_a_proposal_forgets_what_its_drafts_tell(path: Path, *, named: bool) -> None:
    """Drafts made of what is erased, or that quote it, are gone, decided or not; others stay."""
    with Tract.open(path) as t:
        t.system("You keep secrets.")
        said = t.user(SECRET)
        t.assistant("The vault is told of and nobody else is told.")
        first = t.compress(content=f"Told: {SECRET[:60]}", autonomy="collaborative")
        t.pin(said)
        second = t.compress(content="The vault.", autonomy="collaborative")
        assert isinstance(first, Proposal)
        assert isinstance(second, Proposal)
        first = first.edit(f"He said {SECRET[:60]}")
        assert hits(path, SECRET[:60]) > 0

        erased = t.erase(said, reason="a test") if named else t.erase(text="4711-tango-whisky", reason="a test")

        assert erased.redacted == 2  # both revisions of the first
        assert erased.derived == ()
        assert hits(path, SECRET[:60]) == 0
        assert list(t.proposals) == [second.number]
        for decide in (first.approve, first.reject, lambda: first.edit("x")):
            with pytest.raises(TractError) as caught:
                decide()
            assert caught.value.code in {"proposal_decided", "proposal_stale"}
        with pytest.raises(ProposalNotFoundError):
            t.proposals.approve(first.number)
        assert t.erase(said, reason="again").redacted == 0
        assert t.fsck() == []


def test_a_summary_made_meanwhile_does_not_bring_it_back(path: Path) -> None:
    """What was erased while a summarizer read it is in no summary and in no proposal."""
    with Tract.open(path) as t, Tract.open(path) as other:

        def erasing(request: SummaryRequest) -> str:
            other.erase(text="4711-tango-whisky", reason="a test")
            return request.messages[0].text[:50]

        for autonomy in ("autonomous", "collaborative"):
            t.user(SECRET)
            with pytest.raises(ErasedMeanwhileError):
                t.compress(summarizer=erasing, autonomy=autonomy)
            assert hits(path, SECRET) == 0
        assert len(t.proposals) == 0
        assert t.log(op="compress") == []


def _both_edited(t: Tract, number: int, verb: str) -> Callable[..., Any]:
    """Make a history where *verb*, which is returned, asks its resolver about the secret."""
    t.branch(f"main-{number}", orphan=True)
    base, last = t.user(f"base {number}"), t.user("last")
    t.branch(f"side-{number}")
    said = t.edit(base if verb == "merge" else t.user("only there"), f"{number}: {SECRET}")
    t.switch(f"main-{number}")
    if verb == "reorder":
        t.edit(base, f"{number}: {SECRET}")
        reply = t.commit({"role": "assistant", "content": "so it is"}, reply_to=last)
        return lambda **terms: t.reorder([reply, last], **terms)
    t.edit(base, "ours")
    if verb == "merge":
        return lambda **terms: t.merge(f"side-{number}", **terms)
    if verb == "cherry_pick":
        return lambda **terms: t.cherry_pick(said, **terms)
    for branch in (f"main-{number}", f"side-{number}"):
        t.switch(branch)
        t.user("said twice")
    return lambda **terms: t.rebase(f"main-{number}", **terms)


@pytest.mark.parametrize("eraser", ["another handle", "the same"])
@pytest.mark.parametrize("verb", ["merge", "cherry_pick", "rebase", "reorder"])
def test_a_decision_made_meanwhile_does_not_bring_it_back(path: Path, verb: str, eraser: str) -> None:
    """What was erased while a resolver decided is in no answer, reason or merge that waits; whoever read in between."""
    with Tract.open(path) as t, Tract.open(path) as another:

        def erasing(_: object) -> Resolution:
            (t if eraser == "the same" else another).erase(text="4711-tango-whisky", reason="a test")
            t.compile()
            return Resolution("use", SECRET if verb in {"merge", "cherry_pick"} else None, reason=SECRET)

        for number, autonomy in enumerate(("autonomous", "collaborative")):
            call = _both_edited(t, number, verb)
            with pytest.raises(ErasedMeanwhileError):
                t.apply(call(resolver=erasing, autonomy=autonomy))
            assert hits(path, SECRET) == 0
        assert t.merge_in_progress is None
        assert t.fsck() == []


def test_a_merge_that_waited_is_read_anew_after_something_was_erased(open_tract: Open) -> None:
    """A decision in memory may quote it, so it is refused; what is read from the store is not."""
    t = open_tract()
    said = t.user(SECRET)
    _both_edited(t, 0, "merge")
    result = t.merge("side-0")
    result.resolve(0, "use", SECRET)
    t.erase(said, reason="a test")

    for refused in (t.commit_merge, partial(keep_merge, t)):
        with pytest.raises(ErasedMeanwhileError) as caught:
            refused(result)
        assert "t.merge_in_progress" in str(caught.value.hint)

    again = t.merge_in_progress or t.merge("side-0")
    t.commit_merge(again.resolve(0, "ours"))
    assert SECRET not in [message.text for message in t.compile().messages]


def test_it_cannot_be_undone_and_says_so(open_tract: Open) -> None:
    """Undo stops there and names what can be undone before it."""
    t = open_tract()
    said = t.user(SECRET)
    t.erase(said, reason="a test")

    with pytest.raises(IrreversibleError) as caught:
        t.undo()

    assert caught.value.before == 2
    t.undo(operation=2)
    assert t.head is None


def test_the_same_text_committed_again_is_stored_again(open_tract: Open) -> None:
    """It is a new commit of the same content, and shows wherever that content was."""
    t, warm = open_tract(), open_tract()
    t.erase(t.user(SECRET), reason="a test")
    assert len(warm.compile()) == 0

    t.user(SECRET)

    for handle in (t, warm):
        assert [message.text for message in handle.compile(verify=True).messages] == [SECRET, SECRET]
    assert t.fsck() == []


def test_a_copy_made_meanwhile_does_not_bring_it_back(path: Path) -> None:
    """A squash that has read the content before it went is refused; made anew it is without."""
    with Tract.open(path) as t, Tract.open(path) as other:
        t.user("base")
        t.branch("side")
        said = t.user(SECRET)
        t.switch("main")
        t.user("on main")
        t._store.on_pause = _erasing(other, said)

        with pytest.raises(ErasedMeanwhileError):
            t.merge("side", strategy="squash")

        t._store.on_pause = None
        t.merge("side", strategy="squash")
        assert hits(path, SECRET) == 0
        assert t.fsck() == []


def _erasing(t: Tract, commit: Any) -> Callable[[str], None]:
    def erase(_: str) -> None:
        if not _erased(t, commit):
            t.erase(commit, reason="a test")

    return erase


def _erased(t: Tract, commit: Any) -> bool:
    try:
        t.show(commit)
    except ContentErasedError:
        return True
    return False


@pytest.mark.parametrize("copy", ["cherry_pick", "rebase"])
def test_copying_while_it_is_erased(path: Path, copy: str) -> None:
    """The same for commits that are made again."""
    with Tract.open(path) as t, Tract.open(path) as other:
        t.user("base")
        t.branch("side")
        said = t.user(SECRET)
        t.switch("main")
        t.user("on main")
        if copy == "rebase":
            t.switch("side")
        t._store.on_pause = _erasing(other, said)

        with pytest.raises(ErasedMeanwhileError):
            t.cherry_pick(said) if copy == "cherry_pick" else t.rebase("main")

        assert hits(path, SECRET) == 0
        t._store.on_pause = None
        t.cherry_pick(said) if copy == "cherry_pick" else t.rebase("main")
        assert hits(path, SECRET) == 0
        assert t.fsck() == []


def test_a_reader_delays_only_the_overwriting(path: Path) -> None:
    """The receipt says that old pages are still in use, and erasing again finishes it."""
    with Tract.open(path) as t:
        said = t.user(SECRET)
        t.configure(busy_timeout_seconds=0.1)
        with connected(path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM blobs").fetchone()
            result = t.erase(said, reason="a test")
            assert "locked" in result.unfinished
            assert _erased(t, said)
            reader.execute("COMMIT")

        again = t.erase(said, reason="a test")

        assert (again.unfinished, again.blobs, again.operation) == ("", (), None)
        assert hits(path, SECRET) == 0


def test_where_it_remains_is_said(open_tract: Open) -> None:
    """Names and settings that hashes hold fast cannot be erased; the receipt names their columns."""
    t = open_tract()
    t.commit("hello", generation_config={"model": "m", "stop": ["tango-whisky"]}, author="tango-whisky")
    t.branch("tango-whisky")

    result = t.erase(text="tango-whisky", reason="a test")

    said = " ".join(result.remains)
    for place in ("commits.author", "configs.json", "refs.name", "ref_changes.name"):
        assert f"`{place}`" in said
    assert result.remains[-1].startswith("Backups")
    assert t.fsck() == []


def test_answers_kept_for_reuse_are_dropped(path: Path) -> None:
    """All of them: those that quote it, and those that may tell it in other words; a dry run and nothing keep them."""
    with Tract.open(path) as t:
        said = t.user("Another message altogether.")
        t.reply_cache.put("a question", SECRET.encode())
        t.reply_cache.put("another", b"in other words")
        t.erase(text="nobody said this", reason="a test")
        assert t.erase(text="4711-tango", reason="a test", dry_run=True).redacted == 1
        assert len(t.reply_cache) == 2

        result = t.erase(text="4711-tango", reason="a test")

        assert (result.redacted, result.blobs, len(t.reply_cache)) == (1, (), 0)
        assert hits(path, SECRET) == 0
        t.reply_cache.put("another", b"in other words")
        t.erase(said, reason="a test")
        assert len(t.reply_cache) == 0
        assert t.fsck() == []


@pytest.mark.about_files
def test_copies_made_before_a_migration_are_named(path: Path) -> None:
    """They stand beside the file and hold what was erased; whether to delete them is for people."""
    with Tract.open(path) as t:
        said = t.user(SECRET)
        copy = back_up(str(path), 1)
        Path(f"{path}x.backup-1").touch()

        result = t.erase(said, reason="a test")

    named = [one for one in result.remains if "backup-" in one]
    assert named == [f"`{copy}`, a copy made before a migration: delete it."]
    Path(copy).unlink()
    assert hits(path, SECRET) == 0


# What the columns that may hold text or bytes of a content are to `erase`. A column added later has to be thought of
# here: searched and emptied, or held fast by a hash and told in the receipt.
_SEARCHED = {
    "blobs.data",
    "operations.args",
    "usage.raw",
    "meta.value",
    "proposals.payload",
    "replies.data",
    "policy_log.reason",
}
_TOLD = {
    "blobs.kind", "commits.author", "commits.content_type", "commits.op", "commits.origin", "configs.json",
    "counters.name", "meta.key", "operations.actor", "operations.verb", "ref_changes.name", "ref_changes.new_symbolic",
    "policy_log.event", "policy_log.mode", "policy_log.outcome", "policy_log.policy", "policy_log.verb",
    "policy_log.verdict", "proposals.kind", "proposals.state",
    "ref_changes.old_symbolic", "refs.name", "refs.symbolic", "tracts.mode", "tracts.name", "tracts.purpose",
    "usage.model",
}  # fmt: skip
_HASHES = {
    "blobs.hash", "commits.hash", "configs.hash", "operations.args_hash", "operations.hash",
    "proposals.hash", "replies.key",
}  # fmt: skip


def test_every_column_that_may_hold_a_text_is_thought_of() -> None:
    """Also those of tables that come later."""
    found = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, (Text, LargeBinary))
    }

    assert found == _SEARCHED | _TOLD | _HASHES


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"commit": "HEAD", "text": "tango"},
        {"text": "tan"},
        {"text": "   \n  "},
        {"text": "tango", "reason": "it says tango"},
        {"text": "tango", "reason": ""},
        {"text": "tango", "reason": "x" * 501},
        {"text": "\ud800tango"},
        {"commit": []},
        {"commit": "nothing"},
    ],
)
def test_wrong_wishes_are_refused(open_tract: Open, arguments: dict[str, Any]) -> None:
    """Nothing or two things named, a text that would match too much, a reason that would keep it."""
    t = open_tract()
    t.user(SECRET)

    with pytest.raises(TractError):
        t.erase(**{"reason": "a test", **arguments})

    assert len(t.operations) == 2


def test_not_inside_a_batch(open_tract: Open) -> None:
    """Other writes of the batch could not be taken back together with it."""
    t = open_tract()
    said = t.user(SECRET)
    with pytest.raises(OperationOpenError), t.batch():
        t.erase(said, reason="a test")


def test_a_dry_run_changes_nothing_and_tells_the_same(path: Path) -> None:
    """Also on a read-only handle."""
    with Tract.open(path) as t:
        made = _told(t)
        before = dump(path)
        with Tract.open(path, read_only=True) as reader:
            looked = reader.erase(made["said"], reason="a test", dry_run=True)
        assert dump(path) == before
        done = t.erase(made["said"], reason="a test")

    assert looked.is_dry_run
    assert _what(looked) == _what(done)


def _what(result: EraseResult) -> tuple[Any, ...]:
    return (result.commits, result.blobs, result.bytes, result.derived, result.kept, result.redacted, result.remains)


def test_the_log_cannot_be_changed_without_a_trace(path: Path) -> None:
    """G6: a content dropped by hand, or arguments changed under an old hash, are found."""
    with Tract.open(path) as t:
        _told(t)
        t.erase(text="4711-tango-whisky", reason="a test")
    with connected(path) as hand:
        hand.execute("UPDATE operations SET args = '{\"a\":1}' WHERE args_hash IS NOT NULL AND verb = 'usage'")
        hand.execute("UPDATE blobs SET data = NULL, erased_at = 5 WHERE id = (SELECT min(id) FROM blobs)")

    with Tract.open(path) as t:
        assert {one.id for one in t.fsck()} == {"redacted-unlogged", "erased-unlogged"}


def test_on_postgresql_no_table_has_it(postgres_url: str, postgres: Postgres) -> None:
    """Neither the rows nor the pages of the tables, which are written anew."""
    with Tract.open(postgres_url) as t:
        _told(t)
        result = t.erase(text="4711-tango-whisky", reason="a test")
        assert result.unfinished == ""
        assert t.fsck() == []
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    postgres.run("CHECKPOINT", name)

    found = [row for row in pages(postgres, name) if b"4711-tango" in row]
    assert found == []
