"""Shows what gc takes and what it leaves alone, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.operations.clock import Clock
from tests.operations.histories import compressed
from tests.reliability.dump import connected, dump
from tract import FilePart, GCResult, TextPart, Tract
from tract.errors import (
    CommitCollectedError,
    ContentErasedError,
    InvalidInputError,
    IrreversibleError,
    OperationOpenError,
)
from tract.objects.hashing import blob_hash, canonical_json
from tract.storage.sweeping import all_stored
from tract.storage.writing import Draft
from tract.testing import ScriptedLLM

Open = Callable[..., Tract]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def t(open_tract: Open, clock: Clock) -> Tract:
    """Three messages on main, and one on a branch that was deleted."""
    t = open_tract()
    clock.on(t)
    for number in range(3):
        t.user(f"message {number}")
    _lose(t, "lost")
    return t


def _lose(t: Tract, *texts: str) -> list[str]:
    """Commit texts on a branch and delete it; return the commits."""
    branch = t.current_branch
    assert branch is not None
    t.branch("lost")
    lost = [t.user(text).hash for text in texts]
    t.switch(branch)
    t.branches.delete("lost", force=True)
    return lost


def _old(t: Tract) -> str:
    """Return the tip of the branch deleted last."""
    return next(done.changes[0][1] for done in t.operations if done.verb == "branch-delete") or ""


def _texts(t: Tract, at: str | None = None) -> list[str]:
    return [message.text for message in t.compile(at=at).messages]


def test_inside_the_window_nothing_is_lost_and_undo_works(t: Tract, clock: Clock) -> None:
    """The window begins with the operation that took the last way to a commit, however old the commit is."""
    clock.pass_days(60)
    before = _texts(t)
    t.reset("HEAD~2", mode="hard")
    clock.pass_days(29)

    t.gc(keep_days=30)

    t.undo(operation=len(t.operations) - 1)
    assert _texts(t) == before
    assert t.fsck() == []


def test_a_gc_that_takes_nothing_is_no_operation(t: Tract) -> None:
    """So a plain undo takes back what came before it."""
    before = t.head
    t.reset("HEAD~2", mode="hard")

    result = t.gc()

    assert (result.collected, result.blob_count, result.operation) == ((), 0, None)
    t.undo()
    assert t.head == before


def test_after_the_window_the_content_is_gone_and_the_header_stays(t: Tract, clock: Clock) -> None:
    """Reading it says when it was collected; no ref can go back to it; every link still verifies."""
    lost, seen = _old(t), t.get(_old(t))
    clock.pass_days(31)

    result = t.gc()

    assert result.collected == (lost,)
    assert (result.blob_count, result.operation) == (1, len(t.operations))
    assert t.get(lost).parents == seen.parents
    with pytest.raises(ContentErasedError) as erased:
        t.show(lost)
    assert (erased.value.verb, erased.value.erased_at is not None) == ("gc", True)
    for write in (t.branch, t.tag):
        with pytest.raises(CommitCollectedError):
            write("back", at=lost)
    with pytest.raises(CommitCollectedError):
        t.reset(lost)
    with pytest.raises(CommitCollectedError):
        t.merge(lost)
    context = t.compile(at=lost)
    assert len(context) == 3
    assert context.warnings == ("Left out because the content was erased or collected: 1 message.",)
    assert _texts(t) == [f"message {number}" for number in range(3)]
    assert t.fsck() == []
    assert t.gc().collected == ()


def test_undo_stops_at_a_gc_and_names_the_operation_before(t: Tract, clock: Clock) -> None:
    """What it removed is gone; what it left can be undone by number, what it took can not."""
    deletion = len(t.operations)
    clock.pass_days(31)
    t.user("later")
    number = len(t.operations)
    t.gc()

    with pytest.raises(IrreversibleError) as caught:
        t.undo()
    assert (caught.value.number, caught.value.verb, caught.value.before) == (number + 1, "gc", number)
    with pytest.raises(IrreversibleError):
        t.undo(operation=number + 1)
    with pytest.raises(CommitCollectedError):
        t.undo(operation=deletion)
    t.undo(operation=number)
    assert len(t.compile()) == 3
    assert t.fsck() == []


def _tagged(t: Tract, lost: str, _: Open) -> None:
    t.tag("keep", at=lost)


def _in_another_tract(t: Tract, lost: str, open_tract: Open) -> None:
    other = open_tract(tract="other")
    other._store.clock = t._store.clock
    other.branch("keep", at=lost)


def _as_orig_head(t: Tract, lost: str, _: Open) -> None:
    head = t.head
    t.reset(lost, mode="hard")
    t.reset(head or "", mode="soft")


def _detached(t: Tract, lost: str, _: Open) -> None:
    t.checkout(lost)


def _in_a_merge_that_waits(t: Tract, lost: str, _: Open) -> None:
    first = t.log()[-1]
    t.edit(first, "ours")
    t.branch("clash", at=lost)
    t.edit(first, "theirs")
    t.switch("main")
    t.merge("clash")
    t.branches.delete("clash", force=True)


def _squashed(t: Tract, lost: str, _: Open) -> None:
    t.branch("side", at=lost, switch=False)
    t.merge("side", strategy="squash")
    t.branches.delete("side", force=True)


@pytest.mark.parametrize(
    "keep", [_tagged, _in_another_tract, _as_orig_head, _detached, _in_a_merge_that_waits, _squashed]
)
def test_whatever_names_a_commit_keeps_it(
    t: Tract, open_tract: Open, clock: Clock, keep: Callable[[Tract, str, Open], None]
) -> None:
    """Tags, other tracts, ORIG_HEAD, this handle's HEAD, a merge that waits, a squash made of it."""
    lost = _old(t)
    keep(t, lost, open_tract)
    clock.pass_days(100)
    t.switch("main")
    t.user("later")
    if keep is _detached:
        t.checkout(lost)

    t.gc()

    assert t.show(lost).model_dump()["text"] == "lost"
    assert t.fsck() == []


def test_the_branch_of_another_handle_is_never_touched(t: Tract, open_tract: Open, clock: Clock) -> None:
    """Not in the same tract and not in another one, however long nobody has written there."""
    same, other = open_tract(), open_tract(tract="other")
    clock.on(same, other)
    same.branch("theirs")
    for handle in (same, other):
        handle.user("written by another handle")
    before = [_texts(same), _texts(other)]
    clock.pass_days(1000)

    t.gc(keep_days=0, keep_pinned=False)

    assert [_texts(same), _texts(other)] == before
    same.user("goes on")
    assert t.fsck() == []


def test_what_something_in_use_says_too_stays(t: Tract, clock: Clock) -> None:
    """Content, note and file are stored once; they go with the last commit that needs them."""
    shared = FilePart(media_type="text/plain", data=b"shared file", name="a")
    alone = FilePart(media_type="text/plain", data=b"lonely file", name="b")
    t.user([TextPart("see"), shared], message="same note")
    t.branch("gone")
    lost = t.user([TextPart("look"), shared, alone], message="same note")
    again = t.user("message 1")
    t.switch("main")
    t.branches.delete("gone", force=True)
    clock.pass_days(31)

    result = t.gc()

    assert {lost.hash, again.hash} <= set(result.collected)
    assert result.blob_count == 3  # `lost`, the content of the other, and its own file
    assert t.compile().messages[-1].parts[1].data == b"shared file"  # type: ignore[union-attr]
    assert t.get("HEAD").message == "same note"
    assert t.show(again).model_dump()["text"] == "message 1"
    assert t.fsck() == []


def test_what_only_a_note_names_goes_with_it(t: Tract, clock: Clock) -> None:
    """Such as the tool definitions a model was sent: once stored, they are named by hash."""
    named = {name: f'[{{"name": "{name}"}}]'.encode() for name in ("used", "unused")}

    def reply(name: str) -> str:
        note = canonical_json({"sent": {"tools": blob_hash(named[name]).hex()}})
        draft = Draft("append", None, None, "developer", "", clock.now, 0, 0, note=note, files=(named[name],))
        with t._store.operation("reply") as operation:
            return operation.commit(draft).hash.hex()

    reply("used")
    t.branch("gone")
    lost = [reply("used"), reply("unused")]
    t.switch("main")
    t.branches.delete("gone", force=True)
    clock.pass_days(31)

    result = t.gc()

    assert set(lost) < set(result.collected)
    left = {blob.hash for blob in all_stored(t._store.database)}
    assert (blob_hash(named["used"]) in left, blob_hash(named["unused"]) in left) == (True, False)
    assert t.fsck() == []


def test_what_was_pinned_when_it_became_unreachable_stays(t: Tract, clock: Clock) -> None:
    """Also its edits; what was unpinned before is not kept, nor is anything with `keep_pinned=False`."""
    t.branch("gone")
    pinned, unpinned, plain = t.user("pinned"), t.user("unpinned"), t.user("plain")
    t.pin(pinned)
    edit = t.edit(pinned, "pinned and edited")
    t.pin(unpinned)
    t.unpin(unpinned)
    t.switch("main")
    t.branches.delete("gone", force=True)
    clock.pass_days(31)

    looked = t.gc(dry_run=True)
    kept = t.gc()

    assert set(kept.pinned) == {pinned.hash, edit.hash}
    assert (looked.collected, looked.pinned, looked.bytes) == (kept.collected, kept.pinned, kept.bytes)
    assert {unpinned.hash, plain.hash} <= set(kept.collected)
    assert t.show(edit).model_dump()["text"] == "pinned and edited"
    with pytest.raises(CommitCollectedError):
        t.branch("back", at=edit)
    assert t.gc().blob_count == 0
    assert set(t.gc(keep_pinned=False).collected) == {pinned.hash, edit.hash}
    with pytest.raises(ContentErasedError):
        t.show(edit)
    assert t.fsck() == []


def test_what_is_pinned_again_by_undo_counts_as_pinned(t: Tract, clock: Clock) -> None:
    """Each history a ref left is asked, not only the longest."""
    t.branch("gone")
    pinned = t.user("pinned")
    t.pin(pinned)
    t.unpin(pinned)
    t.undo()
    t.switch("main")
    t.branches.delete("gone", force=True)
    clock.pass_days(31)

    assert pinned.hash in t.gc().pinned


def test_dry_run_lists_the_same_and_changes_nothing(t: Tract, clock: Clock, open_tract: Open) -> None:
    """It works on a read-only handle too."""
    clock.pass_days(31)
    reader = open_tract(read_only=True)
    clock.on(reader)
    operations = len(t.operations)

    looked = reader.gc(dry_run=True)

    assert looked.is_dry_run
    assert len(t.operations) == operations
    assert t.show(_old(t)).model_dump()["text"] == "lost"
    done = t.gc()
    assert _what(looked) == _what(done)


def _what(result: GCResult) -> tuple[Any, ...]:
    return (result.collected, result.archived, result.pinned, result.blob_count, result.bytes)


def test_what_is_said_again_is_stored_again(t: Tract, clock: Clock) -> None:
    """A content that was collected comes back with the next commit of the same."""
    clock.pass_days(31)
    t.gc()

    t.user("lost")

    assert _texts(t)[-1] == "lost"
    assert t.fsck() == []


def test_a_commit_that_comes_in_before_the_lock_keeps_what_it_says(t: Tract, clock: Clock, open_tract: Open) -> None:
    """Another process says the same, or tags the commit, after gc has looked and before it takes anything."""
    clock.pass_days(31)
    tagged, again = _lose(t, "to be tagged")[0], _lose(t, "to be said again")[0]
    second = open_tract()
    clock.on(second)

    def interfere(_: str) -> None:
        t._store.on_pause = None
        second.tag("keep", at=tagged)
        second.user("to be said again")

    t._store.on_pause = interfere
    result = t.gc(keep_days=0)

    assert again in result.collected
    assert tagged not in result.collected
    assert _texts(second)[-1] == "to be said again"
    assert second.show("keep").model_dump()["text"] == "to be tagged"
    assert t.fsck() == []


def test_a_batch_and_wrong_days_are_refused(t: Tract) -> None:
    """Nothing is collected while a batch is open; days are numbers."""
    with t.batch():
        with pytest.raises(OperationOpenError):
            t.gc()
        t.user("in the batch")
    for days in (-1, float("nan"), float("inf"), True, "30", None):
        with pytest.raises(InvalidInputError):
            t.gc(keep_days=days)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        t.gc(archived_days="x")  # type: ignore[arg-type]


# --- archived originals ------------------------------------------------------------------------------


def test_originals_are_archived_once_their_summary_is_old_enough(t: Tract, clock: Clock, open_tract: Open) -> None:
    """The context stays; the originals are tombstones, with their edits, and expanding them says so."""
    warm = open_tract()
    first, second = t.log()[-1], t.log()[-2]
    edit = t.edit(first, "edited")
    compressed(t, [first, second], "a summary")
    t.user("goes on")
    before = _texts(t)
    assert _texts(warm) == before
    clock.pass_days(40)
    assert t.gc(archived_days=50).archived == ()

    result = t.gc(archived_days=35)

    assert set(result.archived) == {first.hash, second.hash, edit.hash}
    assert _texts(t) == before == ["a summary", "message 2", "goes on"]
    assert t.get(first).op == "append"
    for one in (first, second, edit):
        with pytest.raises(ContentErasedError):
            t.show(one)
    summary = next(one for one in t.log() if one.op == "compress")
    t.revert(summary)
    assert _texts(t) == _texts(warm) == ["message 2", "goes on"]
    assert t.compile(verify=True).warnings[0].endswith("2 messages.")
    assert t.fsck() == []


def test_originals_somebody_still_shows_are_not_archived(t: Tract, clock: Clock) -> None:
    """Another branch shows them; a summary was taken back and made again; the window has not passed."""
    first, second = t.log()[-1], t.log()[-2]
    t.branch("plain", switch=False)
    compressed(t, [first], "a summary")
    clock.pass_days(100)
    assert t.gc(archived_days=10).archived == ()

    t.branches.delete("plain", force=True)
    compressed(t, [second], "a later summary")
    clock.pass_days(20)
    assert t.gc(archived_days=10).archived == (), "undo within 30 days would show them"

    clock.pass_days(11)
    assert set(t.gc(archived_days=10).archived) == {first.hash, second.hash}
    assert t.fsck() == []


def test_an_archived_content_that_is_said_elsewhere_stays(t: Tract, clock: Clock) -> None:
    """It is not listed either."""
    first = t.log()[-1]
    compressed(t, [first], "a summary")
    t.user("message 0")
    clock.pass_days(31)

    assert t.gc(archived_days=0).archived == ()
    assert _texts(t)[-1] == "message 0"


def test_sizes_before_the_summary_are_counted_again_and_no_others(t: Tract, clock: Clock) -> None:
    """A branch from there knows what is really sent; what the summary stands in keeps what was noted."""
    first, second, third = t.log()[::-1]
    edit = t.edit(first, "edited at some length")
    summary = compressed(t, [first, third], "a summary")
    tip = t.user("goes on")
    noted = "SELECT hash FROM commits WHERE context_tokens IS NULL"
    clock.pass_days(40)

    assert len(t.gc(archived_days=35).archived) == 3

    forgotten = {bytes(hash_).hex() for (hash_,) in t._store.database.run_text(noted)}
    assert forgotten >= {first.hash, second.hash, third.hash, edit.hash}
    assert forgotten.isdisjoint({summary.hash, tip.hash})
    t.branch("again", at=edit)
    for _ in range(2):
        assert t.status().context_tokens == t.compile(verify=True).token_count
        t.user("from there")


# --- space ---------------------------------------------------------------------------------------------


def _filled(path: Path) -> tuple[Tract, Clock]:
    t, clock = Tract.open(path), Clock()
    clock.on(t)
    t.user("stays")
    _lose(t, *[f"{number}" + "x" * 20_000 for number in range(20)])
    clock.pass_days(31)
    return t, clock


@pytest.mark.about_files
def test_the_space_is_given_back(tmp_path: Path) -> None:
    """The file is written anew, and the result says how large it was and is."""
    t, _ = _filled(tmp_path / "a.db")
    with t, Tract.open(tmp_path / "a.db") as other:
        result = t.gc()

        assert result.bytes > 400_000
        assert result.unfinished == ""
        assert result.size_after < result.size_before - 400_000
        assert (tmp_path / "a.db").stat().st_size == result.size_after
        assert _texts(other) == ["stays"]
        other.user("goes on")
        assert t.fsck() == []


@pytest.mark.about_files
def test_a_reader_that_holds_the_file_delays_only_the_space(tmp_path: Path) -> None:
    """What was collected is collected; the result says that the space is not back yet, and the reader reads on."""
    t, _ = _filled(tmp_path / "a.db")
    with t, connected(tmp_path / "a.db") as reader:
        t.configure(busy_timeout_seconds=0.1)
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM blobs WHERE data IS NOT NULL").fetchone()

        result = t.gc()

        assert result.collected
        assert "locked" in result.unfinished
        assert reader.execute("SELECT count(*) FROM blobs WHERE data IS NOT NULL").fetchone() == before
        reader.execute("COMMIT")
        assert t.fsck() == []


def test_the_log_says_what_was_collected(tmp_path: Path) -> None:
    """An operation with the options and how much; what lets other handles forget is all else that has changed."""
    t, _ = _filled(tmp_path / "a.db")
    with t:
        before = dump(tmp_path / "a.db")
        t.gc(keep_pinned=False)
        after = dump(tmp_path / "a.db")
        done = t.operations[-1]

    assert (done.verb, done.args["collected"], done.args["dropped"]) == ("gc", 20, 20)
    assert done.args["keep_pinned"] is False
    assert {name for name in before if before[name] != after[name]} == {"blobs", "commits", "meta", "operations"}


def test_a_handle_that_stands_on_what_was_collected_shows_that_it_is_gone(t: Tract, open_tract: Open) -> None:
    """It forgets what it remembers of it."""
    lost = _old(t)
    other = open_tract()
    other.checkout(lost)
    assert other.compile().messages[-1].text == "lost"

    assert t.gc(keep_days=0, keep_pinned=False).collected == (lost,)

    assert "lost" not in str(other.compile(verify=True).to_dicts())
    assert other.status().context_tokens == other.compile().token_count


def test_what_is_made_meanwhile_of_what_is_in_use_goes_on(t: Tract, open_tract: Open) -> None:
    """A reply that was paid for is kept though unreachable commits were collected while it came."""
    lost = _old(t)
    other = open_tract(llm=ScriptedLLM([lambda _: str(t.gc(keep_days=0, keep_pinned=False).collected)]))

    assert lost in other.chat("Is anything lost?").text
    assert other.compile(verify=True).messages[-1].text == str((lost,))
