"""Shows that the index is never behind, never in the way, made anew when it is damaged, and keeps nothing erased."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.on_postgresql import elsewhere
from tests.operations.bytes_of import hits
from tests.operations.clock import Clock
from tests.operations.test_erase import OTHER, SECRET
from tests.reliability.dump import connected
from tract import Session, Tract
from tract.errors import InvalidInputError
from tract.objects.folding import fold
from tract.search.index import VERSION, words_for, words_of
from tract.storage import searching

Open = Callable[..., Tract]


def found(t: Tract, query: str) -> list[str]:
    """Return the texts a search finds, oldest first."""
    return [hit.snippet for hit in sorted(t.search(query, scope="store"), key=lambda hit: hit.commit.created_at)]


def mark(t: Tract) -> searching.State:
    """Return how far the index goes."""
    return searching.state(t._store.database)


def test_a_commit_writes_nothing_to_the_index(open_tract: Open) -> None:
    """Only a search does."""
    t = open_tract()
    t.search("plum")
    before = mark(t)

    t.user("plum")

    assert mark(t) == before
    assert found(t, "plum") == ["plum"]
    assert mark(t).mark > before.mark


def test_a_handle_for_reading_finds_what_no_index_has(open_tract: Open) -> None:
    """Never indexed, and behind; it leaves the store as it is."""
    t = open_tract()
    t.user("plum one")
    reader = open_tract(read_only=True)
    assert found(reader, "plum") == ["plum one"]
    assert found(reader, "LUM ") == ["plum one"]
    assert mark(t).version == 0
    assert found(t, "plum") == ["plum one"]
    t.user("plum two")

    assert found(reader, "plum") == ["plum one", "plum two"]
    assert found(t.at_operation(2), "plum") == found(t, "plum")
    assert [hit.snippet for hit in t.at_operation(2).search("plum")] == ["plum one"]


def test_a_batch_finds_what_it_has_said(open_tract: Open) -> None:
    """And what it takes back was never in the index."""
    t = open_tract()
    t.user("plum one")

    def fail() -> None:
        with t.batch():
            t.user("plum two")
            assert found(t, "plum") == ["plum one", "plum two"]
            assert [hit.snippet for hit in t.search("two")] == ["plum two"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert found(t, "plum") == ["plum one"]
    t.user("plum three")
    assert found(t, "plum") == ["plum one", "plum three"]
    assert found(t, "two") == []


def test_a_session_searches_all_its_tracts(store_url: str) -> None:
    """Whoever said it; also while one of them, which shares the connection, is in a batch."""
    with Session.open(store_url) as session:
        assert session.search("plum") == []
        parent = session.create_tract("parent")
        parent.user("plum of the parent")
        child = parent.spawn("eat it", name="child")
        child.user("plum of the child")

        hits = session.search("plum")

        assert {(hit.tract, hit.snippet) for hit in hits} == {
            ("parent", "plum of the parent"), ("child", "plum of the child"),
        }  # fmt: skip
        assert len(session.search("plum tract:child")) == 2, "a fork knows what its parent knew"
        assert len(session.search("plum tract:child -tract:parent")) == 1
        with parent.batch():
            parent.user("plum in a batch")
            assert len(session.search("plum")) == 3
            assert [hit.snippet for hit in parent.search("batch")] == ["plum in a batch"]
        assert len(session.search("plum")) == 3
        with pytest.raises(InvalidInputError):
            session.search("plum", limit=-1)


def test_a_commit_that_ends_after_a_later_one_is_found(postgres_url: str) -> None:
    """On PostgreSQL a row appears below the newest one; the index has gone past it by then."""
    with Tract.open(postgres_url) as slow, Tract.open(postgres_url, tract="quick") as quick:
        with slow.batch():
            slow.user("plum slow")
            quick.user("plum quick")
            assert found(quick, "plum") == ["plum quick"]
            quick.user("plum quicker")
            assert found(quick, "plum") == ["plum quick", "plum quicker"]
        assert sorted(found(quick, "plum")) == ["plum quick", "plum quicker", "plum slow"]
        assert len(found(slow, "plum slow")) == 1
        newest = mark(slow).mark
        slow.user("plum last")
        assert len(found(quick, "plum")) == 4
        assert mark(slow).mark > newest


def test_commits_land_while_the_index_is_made(open_tract: Open) -> None:
    """Between reading and writing nothing is locked, and what was said meanwhile is found as well."""
    t, other = open_tract(), open_tract(tract="other")
    for number in range(5):
        t.user(f"plum {number}")
    said: list[str] = []

    def say(point: str) -> None:
        if point == "index" and len(said) < 3:
            said.append(f"plum while indexing {len(said)}")
            other.user(said[-1])

    t._store.on_pause = say

    everything = found(t, "plum")

    assert len(said) == 3
    assert sorted(everything) == sorted([f"plum {number}" for number in range(5)] + said)


@pytest.mark.about_files
def test_a_full_disk_keeps_nobody_from_searching(tmp_path: Path) -> None:
    """What cannot be indexed is read."""
    with Tract.open(tmp_path / "a.db") as t:
        for number in range(300):
            t.user(f"plum {number} " + "".join(chr(0x4E00 + (number * 97 + place) % 20_000) for place in range(200)))
        raw = t._store.database.raw
        raw.execute(f"PRAGMA max_page_count={raw.execute('PRAGMA page_count').fetchone()[0]}")

        assert len(t.search("plum", limit=1000)) == 300
        assert mark(t).mark < 0

        raw.execute("PRAGMA max_page_count=1073741823")
        assert len(t.search("plum", limit=1000)) == 300
        assert mark(t).mark >= 300


def test_what_is_erased_while_it_is_indexed_stays_out(tmp_path: Path) -> None:
    """Its words were read before; they are not written any more."""
    path = tmp_path / "store" / "a.db"
    path.parent.mkdir()
    with Tract.open(path) as t, Tract.open(path) as other:
        said = t.user(SECRET)
        t.user(OTHER)

        def erase(point: str) -> None:
            if point == "index":
                t._store.on_pause = None
                other.erase(said, reason="a test")

        t._store.on_pause = erase

        assert found(t, "anybody") == [OTHER]
        assert _indexed(path) & (words_of(fold(SECRET)) - words_of(fold(OTHER))) == set()
        assert hits(path, SECRET) == 0


# --- erased and collected ------------------------------------------------------------------------


def test_nothing_erased_is_found_by_any_handle(open_tract: Open) -> None:
    """Whole, or a piece of it, in whatever scope; what was beside it still is."""
    t, other, reader = open_tract(), open_tract(), open_tract(read_only=True)
    t.user(SECRET)
    t.user(f"more: {SECRET}")
    t.user(OTHER)
    for handle in (t, other, reader):
        assert len(found(handle, "tango")) == 2

    t.erase(text="4711-tango-whisky", reason="a test")

    for handle in (t, other, reader):
        for query in ("tango", '"4711-tango-whisky"', "guard", "ær", "role:user tango", "-nobody"):
            assert [text for text in found(handle, query) if "tango" in text] == []
        assert found(handle, "anybody") == [OTHER]


def test_no_letters_of_an_erased_text_stay_in_the_index(tmp_path: Path) -> None:
    """Not even three in a row that only it had."""
    path = tmp_path / "store" / "a.db"
    path.parent.mkdir()
    with Tract.open(path) as t, Tract.open(path) as other:
        said = t.user(SECRET)
        t.user(OTHER)
        t.search("guard")
        t.user("later")
        other.search("later")
        only = words_of(fold(SECRET)) - words_of(fold(OTHER))

        result = t.erase(said, reason="a test")

        assert (result.unfinished, hits(path, SECRET)) == ("", 0)
        assert _indexed(path) & only == set()
        assert _indexed(path) >= words_of(fold(OTHER))
        assert found(t, "anybody") == [OTHER]
        assert t.fsck() == []


def _indexed(path: Path) -> set[str]:
    with connected(path) as raw:
        if elsewhere() is not None:
            return {word for (word,) in raw.execute("SELECT unnest(tsvector_to_array(words)) FROM search")}
        raw.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, search, row)")
        return {word for (word,) in raw.execute("SELECT term FROM temp.words")}


def test_gc_takes_what_it_collects_out_of_the_index(open_tract: Open) -> None:
    """Contents and their place in the index go together; the others are found as before."""
    clock = Clock()
    t = open_tract()
    clock.on(t)
    t.user("plum kept")
    t.user("plum undone")
    assert found(t, "plum") == ["plum kept", "plum undone"]
    t.undo()
    clock.pass_days(40)

    t.gc()

    assert found(t, "plum") == ["plum kept"]
    assert _size(t) == 1
    t.user("plum undone")
    assert len(found(t, "plum")) == 3, "the same words are stored once, and back wherever they were"


def _size(t: Tract) -> int:
    table = {"sqlite": "search_docsize", "postgresql": "search"}[t._store.database.dialect]
    count: int = t._store.database.run_text(f"SELECT count(*) FROM {table}")[0][0]
    return count


def test_what_was_erased_and_is_said_again_is_found_again(open_tract: Open) -> None:
    """By new commits, and by the very same commit."""
    clock = Clock()
    t = open_tract()
    clock.on(t)
    t.user("first")
    moment = clock.now
    said = t.user(SECRET)
    assert len(found(t, "tango")) == 1
    t.erase(said, reason="a test")
    assert found(t, "tango") == []
    t.reset("HEAD~1", mode="hard")
    clock.now = moment
    t._store.clock = lambda: said_at

    said_at = round(said.created_at.timestamp() * 1_000_000)
    t.user(SECRET)

    assert {hit.commit.hash for hit in t.search("tango")} >= {said.hash}


# --- damaged and made anew -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("UPDATE search_data SET block = x'ffffffff' WHERE id > 10", marks=pytest.mark.about_files),
        pytest.param("DELETE FROM search_data WHERE id > 10", marks=pytest.mark.about_files),
        "UPDATE meta SET value = 'nonsense' WHERE key = 'search'",
        "UPDATE meta SET value = '[0]' WHERE key = 'search'",
        "DROP TABLE search",
    ],
)
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: str) -> None:
    """By the search that meets the damage, or by one that is told to."""
    path = tmp_path / "a.db"
    with Tract.open(path) as t:
        for number in range(20):
            t.user(f"plum {number}")
        assert len(found(t, "plum")) == 20
    with connected(path) as raw:
        raw.execute(damage)

    with Tract.open(path, read_only=True) as reader:
        assert len(reader.search("plum", limit=100)) == 20
    with Tract.open(path) as t:
        assert len(t.search("plum", limit=100)) == 20
        assert len(t.search("plum", limit=100, rebuild=True)) == 20
        assert t.fsck() == []


@pytest.mark.about_files
def test_damage_that_looks_like_an_empty_index_goes_with_a_new_one(tmp_path: Path) -> None:
    """No search can see it, so there is a way to have the index made anew."""
    with Tract.open(tmp_path / "a.db") as t:
        t.user("plum")
        assert found(t, "plum") == ["plum"]
        with connected(tmp_path / "a.db") as raw:
            raw.execute("UPDATE search_data SET block = zeroblob(3)")

        assert len(t.search("plum", rebuild=True)) == 1
        assert found(t, "plum") == ["plum"]


def test_the_index_is_derived(open_tract: Open) -> None:
    """Emptied and made anew it answers the same."""
    t = open_tract()
    for number in range(30):
        t.user(f"plum {number} " + "and more " * number)
    before = [(hit.commit.hash, hit.score) for hit in t.search("plum more", limit=50)]

    again = [(hit.commit.hash, hit.score) for hit in t.search("plum more", limit=50, rebuild=True)]

    assert again == before
    assert _size(t) == 30
    assert mark(t).version == VERSION


def test_an_index_by_a_newer_version_is_not_touched(open_tract: Open) -> None:
    """Its words may be others: everything is read instead."""
    t = open_tract()
    t.user("plum")
    found(t, "plum")
    newer = mark(t)._replace(version=VERSION + 1)
    with t._store.operation("test"):
        searching.empty(t._store.database)
        searching.set_state(t._store.database, newer)
        t._store.database.commit()
    t.user("plum again")

    assert found(t, "plum") == ["plum", "plum again"]
    assert mark(t) == newer


def test_a_text_with_too_many_words_is_found(open_tract: Open) -> None:
    """It is looked at by every search, so nothing of it is lost."""
    t = open_tract()
    letters = "".join(chr(0x4E00 + number % 20_000) + chr(0x4E00 + number // 7) for number in range(60_000))
    t.user(letters)
    t.user("plum")

    assert len(t.search(letters[70_000:70_010])) == 1
    assert [hit.snippet for hit in t.search("plum")] == ["plum"]


def test_what_other_tracts_say_is_never_read(open_tract: Open) -> None:
    """The index is asked for the lanes of the tract, and names no commit of another."""
    t, other = open_tract(), open_tract(tract="other")
    for number in range(10):
        t.user(f"plum {number}")
        other.user(f"plum of another {number}")
    assert len(found(t, "plum")) == 20
    words = words_for(["plum"])
    assert words is not None
    tip = t._store.tip(bytes.fromhex(t.head or ""))

    seen = list(searching.candidates(t._store.database, words, [(tip.lane_id, tip.lane_id)]))

    assert len(seen) == 10
    assert {one.lane for one in seen} == {tip.lane_id}


def test_a_history_of_many_lanes_is_searched(tmp_path: Path) -> None:
    """Too many to be named one by one: all are asked, and what is elsewhere is left out afterwards."""
    with Tract.open(tmp_path / "a.db") as t, Tract.open(tmp_path / "a.db", tract="other") as other:
        start = t.user("plum start")
        for number in range(220):
            t.checkout(start)
            t.branch(f"b{number}")
            t.user(f"plum {number}")
            other.user(f"plum of another {number}")
            other.reset("HEAD~1", mode="hard") if number % 2 else None

        assert len(t.search("plum", limit=1000)) == 221
