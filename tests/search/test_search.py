"""Shows that a search finds what reading everything would, whoever wrote it and whatever happened to the index."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.databases import Postgres
from tests.operations.clock import Clock
from tests.operations.histories import compressed
from tests.search.plain import Item, Line, Scan, Told, written
from tract import CommitInfo, SearchHit, Tract
from tract.errors import InvalidInputError

Open = Callable[..., Tract]

# Few characters, so that texts and queries meet: cases that fold to more, combining marks, pairs beyond the
# basic plane, what databases give a meaning, and what is hard to see.
LETTERS = "aAbßsSéÉe\u0301İi東京タ𐐀 \n\t_(*%':.&|-\0\ue061"
TEXTS = st.text(st.sampled_from(LETTERS), max_size=12)
NAMES = ["main", "side", "other", "nobody"]
TRACTS = ["default", "second"]
_DAYS = st.sampled_from(["2096-10-02", "2096-10-03T00:00:00+00:00", "2096-10-04"])

ITEMS = st.one_of(
    st.tuples(st.booleans(), st.just(""), TEXTS),
    st.tuples(st.booleans(), st.just("role"), st.sampled_from(["user", "assistant", "system", "tool"])),
    st.tuples(st.booleans(), st.just("type"), st.sampled_from(["dialogue", "instruction", "annotation", "x"])),
    st.tuples(st.booleans(), st.just("branch"), st.sampled_from(NAMES)),
    st.tuples(st.booleans(), st.just("tag"), st.sampled_from(NAMES)),
    st.tuples(st.booleans(), st.just("tract"), st.sampled_from([*TRACTS, "third"])),
    st.tuples(st.just(False), st.sampled_from(["before", "after"]), _DAYS),  # noqa: FBT003 - whether it is excluded
)
SCOPES = st.sampled_from(["tract", "branch", "ancestry", "store"])
STEPS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(["user", "assistant", "system"]), TEXTS),
    st.tuples(st.just("edit"), st.integers(0, 5), TEXTS),
    st.tuples(st.just("skip"), st.integers(0, 5), TEXTS),
    st.tuples(st.sampled_from(["switch", "tag"]), st.sampled_from(NAMES[:3])),
    st.tuples(st.sampled_from(["back", "tract", "search", "day"])),
)
STORIES = st.lists(STEPS, max_size=25)
QUERIES = st.lists(st.tuples(st.lists(ITEMS, max_size=3), SCOPES), min_size=1, max_size=6)


class Teller:
    """Does a story to a store, and remembers it in a `Scan`."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        self.handles = {name: Tract.open(url, tract=name) for name in TRACTS}
        self.clock.on(*self.handles.values())
        self.scan = Scan()
        self.scan.tracts = {name: Told() for name in TRACTS}
        self.name = "default"

    @property
    def t(self) -> Tract:
        return self.handles[self.name]

    @property
    def told(self) -> Told:
        return self.scan.tracts[self.name]

    @property
    def history(self) -> list[str]:
        return self.told.branches[self.told.current]

    def tell(self, story: list[Any]) -> None:
        """Do each step of *story*."""
        for name, *values in story:
            getattr(self, f"_{name}")(*values)

    def _add(self, info: Any, role: str | None, kind: str, text: str) -> None:
        self.scan.lines[info.hash] = Line(info, role, kind, text)
        self.history.append(info.hash)
        self.told.ever[self.told.current] |= set(self.history)

    def _say(self, role: str, text: str) -> None:
        say: dict[str, Callable[[str], CommitInfo]] = {
            "user": self.t.user, "assistant": self.t.assistant, "system": self.t.system,
        }  # fmt: skip
        self._add(say[role](text), role, "instruction" if role == "system" else "dialogue", text)

    def _target(self, number: int) -> Line | None:
        lines = [line for one in self.history if (line := self.scan.lines[one]).info.op == "append"]
        return lines[number % len(lines)] if lines else None

    def _edit(self, number: int, text: str) -> None:
        target = self._target(number)
        if target is not None:
            self._add(self.t.edit(target.info, text), target.role, target.kind, text)

    def _skip(self, number: int, text: str) -> None:
        target = self._target(number)
        if target is not None:
            # What says the same as before is no new commit's content; a reason makes it one.
            self._add(self.t.annotate(target.info, "skip", reason=text or None), None, "annotation", text)

    def _switch(self, name: str) -> None:
        if not self.history:
            return
        if name not in self.told.branches:
            self.t.branch(name, switch=False)
            self.told.branches[name] = list(self.history)
            self.told.ever[name] = set(self.history)
        if name != self.told.current:
            self.t.switch(name)
            self.told.current = name

    def _tag(self, name: str) -> None:
        if self.history and name not in self.told.tags:
            self.t.tag(name)
            self.told.tags[name] = self.history[-1]

    def _back(self) -> None:
        if len(self.history) > 1:
            self.t.reset("HEAD~1", mode="hard")
            del self.history[-1]

    def _tract(self) -> None:
        self.name = next(name for name in TRACTS if name != self.name)

    def _search(self) -> None:
        self.t.search("a")

    def _day(self) -> None:
        self.clock.pass_days(0.6)

    def check(self, items: list[Item], scope: Any, reader: Tract | None = None) -> None:
        """Compare a search with reading everything."""
        t = self.t if reader is None else reader
        query = written(items)

        expected = self.scan.find(items, scope, t.name)
        hits = t.search(query, scope=scope, limit=1000)

        assert [hit.commit.hash for hit in hits] == expected, query
        assert [hit.commit.hash for hit in t.search(query, scope=scope, limit=2)] == expected[:2]
        for hit in hits:
            self._check_hit(hit, items)

    def _check_hit(self, hit: SearchHit, items: list[Item]) -> None:
        owner = self.scan.tracts[hit.tract]
        assert hit.commit.hash in owner.all_ever()
        tagged = {one for tag in owner.tags.values() for one in self._until(tag)}
        assert hit.is_reachable == (hit.commit.hash in owner.used() | tagged)
        has_text = any(value and not name and not no for no, name, value in items)
        assert bool(hit.matches) == has_text
        assert list(hit.matches) == sorted(hit.matches)
        assert all(0 <= start < end <= len(hit.snippet) for start, end in hit.matches)

    def _until(self, commit: str) -> list[str]:
        info = self.scan.lines[commit].info
        return [commit, *[one for parent in info.parents for one in self._until(parent)]]

    def close(self) -> None:
        for t in self.handles.values():
            t.close()


def _same_as_reading_everything(url: str, story: list[Any], queries: list[Any], more: list[Any]) -> None:
    teller = Teller(url)
    try:
        teller.tell(story)
        for items, scope in queries:
            teller.check(items, scope)
        teller.tell(more)
        for name in TRACTS:
            with Tract.open(url, tract=name, create=False) as other:
                teller.clock.on(other)
                for items, scope in queries:
                    if other.current_branch == teller.scan.tracts[name].current:
                        teller.check(items, scope, other)
        for items, scope in queries:
            teller.check(items, scope)
    finally:
        teller.close()


_files = itertools.count()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(story=STORIES, queries=QUERIES, more=STORIES)
def test_a_search_finds_what_reading_everything_finds(
    tmp_path: Path, story: list[Any], queries: list[Any], more: list[Any]
) -> None:
    """Every operator and scope, on histories that go back and apart, on an index that is behind or not there."""
    _same_as_reading_everything(str(tmp_path / f"{next(_files)}.db"), story, queries, more)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(story=STORIES, queries=QUERIES, more=STORIES)
def test_a_search_finds_what_reading_everything_finds_on_postgresql(
    postgres: Postgres, story: list[Any], queries: list[Any], more: list[Any]
) -> None:
    """The same on the other database."""
    name = postgres.new_database()
    try:
        _same_as_reading_everything(postgres.url(name), story, queries, more)
    finally:
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


# --- what a query means --------------------------------------------------------------------------


@pytest.fixture
def talk(open_tract: Open) -> Tract:
    """A short talk in several languages."""
    t = open_tract()
    t.system("Answer in the language of the question.")
    t.user("Why does `retry_request()` raise TimeoutError?")
    t.assistant("It gives up after --max-retries: the server is slow.")
    t.user("東京タワーの高さは")
    t.assistant("333メートルです。")
    t.user("Wie groß war die Straße?")
    t.user("role:boss says: before:noon, tea -> cake")
    return t


def said(hits: list[SearchHit]) -> list[str]:
    """Return the first word of each hit, in order of time."""
    return [hit.snippet.split()[0] for hit in sorted(hits, key=lambda hit: hit.commit.created_at)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("RETRY_REQ", ["Why"]),
        ("imeouterr", ["Why"]),
        ("retry role:user", ["Why"]),
        ("retr -role:user", ["It"]),
        ("retr -timeouterror", ["It"]),
        ("server retries", ["It"]),
        ('"server retries"', []),
        ('"server is slow', ["It"]),
        ("--max-retries", ["It"]),
        ("->", ["role:boss"]),
        ("role:boss", ["role:boss"]),
        ("ROLE:System", ["Answer"]),
        ("before:noon,", ["role:boss"]),
        ("タワー", ["東京タワーの高さは"]),
        ("京タ", ["東京タワーの高さは"]),
        ("高", ["東京タワーの高さは"]),
        ("GROSS strasse", ["Wie"]),
        ("type:instruction", ["Answer"]),
        ("type:nothing", []),
        ("branch:nothing", []),
        ("tract:nothing", []),
        ("tag:nothing", []),
        ("tract:default 333", ["333メートルです。"]),
        ("after:1d before:2999-01-01 tower", []),
        ("after:2999-01-01", []),
        ("333 after:1d after:2999-01-01 after:2d", []),
        ("333 before:2999-01-01 before:2000-01-01 before:2998-01-01", []),
        ("333 -before:2999-01-01", []),
        ("-after:2999-01-01 333", ["333メートルです。"]),
        ("\ud800", []),
        ("branch:\ud800 tract:\0 tag:\0", []),
        ("before:99999999w", []),
        ("after:0001-01-01T00:00+23:59 333", ["333メートルです。"]),
    ],
)
def test_a_query_means(talk: Tract, query: str, expected: list[str]) -> None:
    """Substrings in any case and language; what is no operator, or an impossible one, is text."""
    assert said(talk.search(query)) == expected


SOUP = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            [
                "role:",
                "type:",
                "-",
                '"',
                "before:",
                "after:",
                "tract:",
                "branch:",
                "tag:",
                " ",
                "*",
                "AND",
                "NEAR(",
                "7d",
            ]
        ),
    ),
    max_size=8,
).map("".join)


@pytest.fixture(scope="module")
def module_postgres(postgres: Postgres) -> str:
    """Return a store on PostgreSQL for all examples."""
    return postgres.url(postgres.new_database())


@given(query=SOUP)
def test_no_text_is_a_wrong_query(module_postgres: str, query: str) -> None:
    """Whatever a user types, both databases answer, and alike."""
    texts = ["role: is 7d", "NEAR(a, b) AND", '"quoted" - *']
    found = []
    for url in (":memory:", module_postgres):
        with Tract.open(url) as t:
            if t.head is None:
                Clock().on(t)
                for text in texts:
                    t.user(text)
            found.append([(hit.commit.hash, hit.score, hit.matches) for hit in t.search(query)])

    assert found[0] == found[1]


@pytest.mark.parametrize(
    "arguments",
    [{"query": 7}, {"scope": "all"}, {"scope": []}, {"limit": -1}, {"limit": True}, {"limit": "3"}, {"at": "HEAD"}],
)
def test_what_is_no_query_is_refused(arguments: dict[str, Any]) -> None:
    """A query is text, a scope one of four, a limit a number, and only an ancestry has a commit."""
    with Tract.open() as t:
        t.user("a")

        with pytest.raises(InvalidInputError):
            t.search(**{"query": "a", **arguments})


def test_an_ancestry_is_that_of_any_commit(open_tract: Open) -> None:
    """What came later, or beside it, is not found."""
    t = open_tract()
    first = t.user("apple one")
    t.user("apple two")
    t.branch("side", at=first)
    t.user("apple three")

    assert said(t.search("apple", scope="ancestry")) == ["apple", "apple"]
    assert [hit.commit.hash for hit in t.search("apple", scope="ancestry", at=first)] == [first.hash]
    assert len(t.search("apple", scope="ancestry", at="main")) == 2


def test_compressed_merged_undone_and_deleted_history_is_found(open_tract: Open) -> None:
    """Nothing that was committed is out of reach, and a hit says whether a branch still leads to it."""
    t = open_tract()
    covered = t.user("pear covered")
    summary = compressed(t, [covered], "pear summary")  # says it once before, and takes that back
    t.branch("side")
    t.user("pear merged")
    t.switch("main")
    t.user("pear main")
    t.merge("side", delete_branch=True)
    t.user("pear undone")
    t.undo()

    hits = {hit.commit.hash: hit for hit in t.search("pear")}

    assert hits.pop(summary.hash).is_reachable
    assert {hit.snippet: hit.is_reachable for hit in hits.values()} == {
        "pear covered": True, "pear summary": False, "pear merged": True, "pear main": True, "pear undone": False,
    }  # fmt: skip


def test_a_snippet_shows_where_the_words_stand_together() -> None:
    """Of a long text the piece with most of them, cut at spaces, and the places of each in it."""
    text = "lemon " + "filler words " * 60 + "then the lemon met a lime, " + "more of it " * 60
    with Tract.open() as t:
        t.user(text)

        (hit,) = t.search("lemon LIME")

        assert hit.snippet.startswith("…")
        assert hit.snippet.endswith("…")
        assert [hit.snippet[start:end] for start, end in hit.matches] == ["lemon", "lime"]
        assert len(hit.snippet) <= 162
        assert "lemon" not in repr(hit)
        assert "<b>lemon</b>" in hit._repr_html_()


def test_more_and_whole_words_in_shorter_texts_come_first() -> None:
    """The order is the same whatever else is stored."""
    with Tract.open() as t:
        texts = ["cat and cat", "cat", "concatenate", "cat " + "and much more " * 40]
        for text in reversed(texts):
            t.user(text)

        found = [hit.snippet[:11] for hit in t.search("cat")]

        assert found == ["cat and cat", "cat", "concatenate", "cat and muc"]
