"""Shows what a store says of its size."""

from collections.abc import Callable

import pytest

from tests.operations.clock import Clock
from tract import AgeStats, FilePart, KindStats, TextPart, Tract
from tract.operations.stats import stats

Open = Callable[..., Tract]


def test_an_empty_store(open_tract: Open) -> None:
    """No contents, one tract, the time it was made."""
    found = stats(open_tract()._store)

    assert (found.commits, found.blobs, found.tracts, found.operations) == (0, 0, 1, 1)
    assert (found.stored_bytes, found.logical_bytes, found.dedup_ratio) == (0, 0, 1.0)
    assert found.first_at == found.last_at
    assert found.file_bytes > 0


def test_bytes_are_counted_once_as_stored_and_each_time_as_used(open_tract: Open) -> None:
    """By content type, and for notes and files, in all tracts."""
    t, other = open_tract(), open_tract(tract="other")
    file = FilePart(media_type="text/plain", data=b"12345", name="a")
    for handle in (t, other):
        handle.user("hello", message="a note")
    t.user([TextPart("one"), file])
    t.user([TextPart("two"), file])
    t.tag("v1")

    found = stats(t._store)

    kinds = {one.kind: one for one in found.kinds}
    size = len('{"role":"user","text":"hello"}')
    assert kinds["note"] == KindStats("note", 1, len('{"message":"a note"}'), 2 * len('{"message":"a note"}'))
    assert kinds["file"] == KindStats("file", 1, 5, 10)
    assert kinds["dialogue"].count == 3
    assert kinds["dialogue"].logical_bytes - kinds["dialogue"].stored_bytes == size
    assert found.logical_bytes == found.stored_bytes + size + 5 + len('{"message":"a note"}')
    assert found.dedup_ratio == pytest.approx(found.logical_bytes / found.stored_bytes)
    assert (found.commits, found.tracts, found.branches, found.tags) == (4, 2, 2, 1)


def test_what_nothing_reaches_is_counted_until_it_is_collected(open_tract: Open) -> None:
    """As a dry run of gc that keeps nothing would say."""
    t, clock = open_tract(), Clock()
    clock.on(t)
    t.user("stays")
    t.branch("gone")
    t.user("goes" + "x" * 1000)
    t.user("stays")
    t.switch("main")
    t.branches.delete("gone", force=True)
    looked = t.gc(keep_days=0, dry_run=True)
    before = stats(t._store)

    assert (before.unreachable_commits, before.unreachable_bytes) == (2, looked.bytes)
    t.gc(keep_days=0)
    after = stats(t._store)
    assert (after.unreachable_commits, after.unreachable_bytes) == (0, 0)
    assert (after.commits, after.collected_commits, after.tombstones) == (3, 2, 1)
    assert before.stored_bytes - after.stored_bytes == looked.bytes
    assert before.first_at is not None


def test_answers_kept_for_reuse_are_counted_apart(open_tract: Open) -> None:
    """They are no contents and have no commits; until they are dropped they take room."""
    t = open_tract()
    t.user("hello")
    before = stats(t._store)
    t.reply_cache.put("one", b"x" * 1000)
    t.reply_cache.put("two", b"y")

    found = stats(open_tract(tract="other")._store)

    digest = 32
    assert (before.cached_replies, before.cached_reply_bytes) == (0, 0)
    assert (found.cached_replies, found.cached_reply_bytes) == (2, 1001 + 2 * digest)
    assert (found.kinds, found.stored_bytes, found.blobs) == (before.kinds, before.stored_bytes, before.blobs)
    t.reply_cache.clear()
    dropped = stats(t._store)
    assert (dropped.cached_replies, dropped.cached_reply_bytes) == (0, 0)


def test_the_age_is_that_of_the_first_commit_that_has_it(open_tract: Open) -> None:
    """Each content, note and file is in one age; a day is a day to the microsecond."""
    t, clock = open_tract(), Clock()
    clock.on(t)
    file = FilePart(media_type="text/plain", data=b"12345", name="a")
    t.user([TextPart("old"), file], message="note")
    clock.pass_days(400)
    t.user("x" * 100)
    clock.pass_days(7)
    t.user("x" * 100)
    t.user([TextPart("new"), file])

    found = stats(t._store)

    assert [one.most_days for one in found.ages] == [1, 7, 30, 90, 365, None]
    assert [one.count for one in found.ages] == [1, 0, 1, 0, 0, 3]
    size = len('{"role":"user","text":""}') + 100
    assert found.ages[2] == AgeStats(30, 1, size), "a few ticks more than 7 days"
    assert sum(one.stored_bytes for one in found.ages) == found.stored_bytes
    assert sum(one.count for one in found.ages) == found.blobs
