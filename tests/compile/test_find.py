"""Which commits have a property."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compile.histories import Step, build, steps
from tract import ImagePart, TextPart, ToolCall, Tract
from tract.errors import CorruptObjectError, InvalidInputError, TagNotFoundError
from tract.storage import queries as q

# --- find ------------------------------------------------------------------------------------------


def test_text_is_found_literally_whatever_the_case() -> None:
    """No wildcards; every text of a message counts, the arguments of its tool calls too."""
    with Tract.open() as t:
        percent = t.user("It is 100%_sure.")
        t.user("It is 100 and sure.")
        call = t.assistant("", tool_calls=[ToolCall("c", "book", '{"to":"Straße"}')])
        image = t.user([ImagePart("image/png", b"x"), TextPart("look")])
        t.skip(image, reason="look")

        assert t.find("100%_SURE") == [percent]
        assert t.find("strasse") == [call]
        assert t.find("LOOK") == [image]
        assert t.find("%") == [percent]
        assert t.find("nowhere") == []


def test_everything_asked_for_has_to_hold() -> None:
    """Type, op and origin are compared exactly, the author as text, all together."""
    with Tract.open() as t:
        system = t.system("one")
        said = t.commit("one", author="Ann")
        edit = t.edit(said, "one more", author="Ann")
        t.pin(said)

        assert t.find(content_type="instruction") == [system]
        assert t.find(op="edit") == [edit]
        assert t.find(author="ann") == [edit, said]
        assert t.find("one", author="Ann", op="append") == [said]
        assert t.find(origin="system") == [system]
        assert t.find(content_type="no-such-type") == []
        assert len(t.find()) == 4


def test_metadata_is_a_subset() -> None:
    """Each key asked for is there with this value; others do not matter."""
    with Tract.open() as t:
        one = t.user("one", metadata={"a": 1, "b": {"c": [1]}})
        two = t.user("two", metadata={"a": None})
        t.user("three", message="only a message")
        t.user("four")

        assert t.find(metadata={"a": 1}) == [one]
        assert t.find(metadata={"b": {"c": [1]}}) == [one]
        assert t.find(metadata={"a": None}) == [two]
        assert t.find(metadata={"z": None}) == []


def test_times_begin_with_since_and_end_before_until() -> None:
    """To the microsecond, in any time zone, as in the log."""
    with Tract.open() as t:
        clock = iter(range(1_700_000_000_000_001, 1_700_000_001_000_000, 1))
        t._store.clock = lambda: next(clock)
        one, two, three = (t.user(text) for text in "abc")

        assert t.find(since=two.created_at) == [three, two]
        assert t.find(until=two.created_at) == [one]
        assert t.find(since=two.created_at, until=three.created_at.astimezone(_zone())) == [two]
        assert t.find(since=three.created_at + timedelta(microseconds=1)) == []


def _zone() -> Any:
    return datetime.now(UTC).astimezone().tzinfo


def test_a_tag_finds_the_commit_it_points_to() -> None:
    """If it is in the history looked at; a tag that does not exist is an error with the nearest name."""
    with Tract.open() as t:
        one = t.user("one")
        two = t.user("two")
        t.tag("release", two)

        assert t.find(tag="release") == [two]
        assert t.find("one", tag="release") == []
        assert t.find(tag="release", at=one) == []
        with pytest.raises(TagNotFoundError) as raised:
            t.find(tag="release1")
        assert raised.value.hint == "Did you mean `release`?"


def test_limit_and_place() -> None:
    """The newest few, of HEAD's or another commit's history."""
    with Tract.open() as t:
        one, two, three = (t.user(text) for text in "abc")

        assert t.find(limit=2) == [three, two]
        assert t.find(limit=0) == []
        assert t.find(at=two) == [two, one]
        t.branch("other", at=one)
        four = t.user("d")
        assert t.find() == [four, one]


@pytest.mark.parametrize(
    "asked",
    [
        {"op": "push"},
        {"op": ["edit"]},
        {"origin": "nobody"},
        {"text": 1},
        {"tag": 1},
        {"metadata": [1]},
        {"since": datetime(2024, 1, 1)},  # noqa: DTZ001 - what is refused
        {"until": "now"},
        {"limit": -1},
        {"limit": "2"},
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, Any]) -> None:
    """Also on an empty branch: a mistake is never an empty answer."""
    with Tract.open() as t, pytest.raises(InvalidInputError):
        t.find(**asked)


def test_nothing_is_found_on_an_empty_branch() -> None:
    """There is no history."""
    with Tract.open() as t:
        assert t.find("one") == []
        assert t.query_by_config("model", "=", "x") == []


@given(steps(), st.sampled_from(["alpha", "A", "ünï", "SS", "%", "", "\n"]), st.sampled_from([None, "append", "edit"]))
def test_find_equals_a_look_at_every_commit(todo: list[Step], text: str, op: str | None) -> None:
    """Newest first, and nothing left out."""
    with Tract.open() as t:
        build(t, todo)
        naive = [
            info
            for info in t.log(len(todo))
            if info.op in {"append", "edit"}
            and text.casefold() in str(getattr(t.show(info), "text", "")).casefold()
            and op in {None, info.op}
        ]

        assert t.find(text, op=op) == naive
        assert t.find(text, op=op, limit=2) == naive[:2]


# --- query_by_config -------------------------------------------------------------------------------


def test_commits_are_found_by_their_own_config() -> None:
    """Several conditions hold together; newest first; a commit without a config is never found."""
    with Tract.open() as t:
        cold = t.assistant("a", generation_config={"model": "gpt-4o", "temperature": 0})
        hot = t.assistant("b", generation_config={"model": "gpt-4o", "temperature": 0.9})
        other = t.assistant("c", generation_config={"model": "claude", "temperature": 0.9, "thinking": {"budget": 9}})
        t.assistant("d")

        assert t.query_by_config("temperature", ">", 0.5) == [other, hot]
        assert t.query_by_config(("model", "=", "gpt-4o"), ("temperature", "<", 1)) == [hot, cold]
        assert t.query_by_config("thinking.budget", "between", (1, 10)) == [other]
        assert t.query_by_config("model", "in", ["claude", "x"], limit=1) == [other]
        assert t.query_by_config("temperature", ">=", 0, at=hot, limit=1) == [hot]
        assert t.query_by_config("temperature", "=", "0.9") == []
        with pytest.raises(InvalidInputError):
            t.query_by_config("temperature", "like", 1)
        with pytest.raises(InvalidInputError):
            t.query_by_config("temperature", "=", 1, limit=-1)


def test_another_branch_and_another_tract_are_not_the_history(tmp_path: Path) -> None:
    """Commits of the store outside HEAD's history do not count."""
    settings: dict[str, Any] = {"generation_config": {"model": "m"}}
    with Tract.open(tmp_path / "a.db", tract="other") as t:
        t.assistant("theirs", **settings)
    with Tract.open(tmp_path / "a.db") as t:
        shared = t.assistant("shared", **settings)
        t.branch("side")
        side = t.assistant("side", **settings)
        t.switch("main")
        main = t.assistant("main", **settings)

        assert t.query_by_config("model", "=", "m") == [main, shared]
        assert t.query_by_config("model", "=", "m", at="side") == [side, shared]


@pytest.mark.about_files  # SQLite's way to ask for a plan
def test_the_index_answers() -> None:
    """Commits without a config are not even looked at."""
    with Tract.open() as t:
        database = t._store.database
        sql, _ = database._compile(q.WITH_CONFIG)
        plan = database.raw.execute(f"EXPLAIN QUERY PLAN {sql}", {"config_id": 1}).fetchall()

        assert "commits_config" in str(plan)


def test_a_damaged_config_is_an_error() -> None:
    """It is never compared."""
    with Tract.open() as t:
        t.assistant("a", generation_config={"model": "m"})
        t._store.database.raw.execute('UPDATE configs SET json = \'{"model":"x"}\'')

        with pytest.raises(CorruptObjectError):
            t.query_by_config("model", "=", "x")


@given(steps(), st.floats(0, 1), st.sampled_from(["m0", "m1"]))
def test_query_equals_a_look_at_every_commit(todo: list[Step], warmth: float, model: str) -> None:
    """Of the whole history, in its order."""
    with Tract.open() as t:
        build(t, todo)
        naive = [
            info
            for info in t.log(len(todo))
            if (own := info.generation_config) is not None and own["model"] == model and own["temperature"] >= warmth
        ]

        assert t.query_by_config(("model", "=", model), ("temperature", ">=", warmth)) == naive
