"""Where each line of the context came from."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given

from tests.compile.histories import Step, build, steps
from tract import BlameLine, CommitInfo, Message, TextPart, Tract
from tract.compile.blame import Arrivals, edits_in_effect
from tract.compile.fold import Event, extend
from tract.compile.text import lines_of
from tract.history.ancestry import Place
from tract.history.walk import Lane


def _owners(t: Tract, at: CommitInfo | None = None) -> list[tuple[str, str]]:
    return [(line.text, line.commit) for line in t.blame(at).lines]


def test_an_edit_owns_the_lines_it_changed() -> None:
    """The others stay with the commit that wrote them, through several edits."""
    with Tract.open() as t:
        said = t.user("one\ntwo\nthree")
        first = t.edit(said, "zero\none\n2\nthree")
        second = t.edit(said, "zero\none\n2\n3\n")

        assert _owners(t) == [
            ("zero", first.hash),
            ("one", said.hash),
            ("2", first.hash),
            ("3", second.hash),
            ("", second.hash),
        ]
        assert _owners(t, first)[-1] == ("three", said.hash)
        assert [line.op for line in t.blame().lines] == ["edit", "append", "edit", "edit", "edit"]


def test_json_is_blamed_field_by_field() -> None:
    """The lines are those people read, so spelling JSON anew changes no owner."""
    with Tract.open() as t:
        said = t.user('{"a":1,"b":2}')
        edit = t.edit(said, '{"b": 3, "a": 1}')

        assert _owners(t) == [("{", said.hash), ('  "a": 1,', said.hash), ('  "b": 3', edit.hash), ("}", said.hash)]


def test_a_line_knows_operation_actor_author_origin_model_and_time(tmp_path: Path) -> None:
    """Those of the commit that wrote the line: an edit by a person names no model."""
    with Tract.open(tmp_path / "a.db", actor="agent") as t:
        said = t.assistant("one\ntwo", generation_config={"model": "gpt-4o"})
    with Tract.open(tmp_path / "a.db", actor="ann") as t:
        edit = t.commit("one\n2", op="edit", target=said.hash, author="Ann")
        one, two = t.blame().lines

    assert (one.operation, one.actor, one.author, one.origin, one.model) == (2, "agent", "", "model", "gpt-4o")
    assert (two.operation, two.actor, two.author, two.origin, two.model) == (3, "ann", "Ann", "user", None)
    assert (one.created_at, two.created_at) == (said.created_at, edit.created_at)
    assert (two.message, two.number) == (0, 2)


def test_all_commits_of_a_batch_come_from_its_operation() -> None:
    """While the batch is open there is no operation yet."""
    with Tract.open() as t:
        t.user("before")
        with t.batch():
            t.user("one")
            t.user("two")
            during = [line.operation for line in t.blame().lines]

        assert during == [2, None, None]
        assert [line.operation for line in t.blame().lines] == [2, 3, 3]


def test_a_commit_belongs_to_the_operation_that_reached_it_first() -> None:
    """Branching and switching later changes nothing."""
    with Tract.open() as t:
        t.user("one")
        t.branch("side")
        t.user("two")
        t.switch("main")
        t.user("three")
        t.branch("again", at="side")

        assert [line.operation for line in t.blame().lines] == [2, 4]
        assert [line.operation for line in t.blame("main").lines] == [2, 6]


def test_commits_below_a_merge_belong_to_the_operation_that_brought_them() -> None:
    """Those of the other parent too, unless they were there before."""
    # Lane 1: 1..3, lane 2 forks after 1: 2..3, lane 3 begins with a merge of (1, 3) and (2, 3), at 4.
    lanes = {1: Lane(1, None, None), 2: Lane(2, 1, 1), 3: Lane(4, 1, 3)}
    merged = {3: [Place(2, 3)]}
    log = [(1, "a", 1, 1), (2, "a", 2, 2), (3, "b", 3, 4), (4, "b", 1, 2)]
    arrivals = Arrivals.read(log, lanes.__getitem__, lambda lane: merged.get(lane, []))
    places = [(1, 1), (2, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 1)]
    found = {place: arrivals.of(*place) for place in places}

    numbers = {place: None if arrival is None else arrival.number for place, arrival in found.items()}
    assert numbers == {(1, 1): 1, (2, 2): 2, (1, 2): 3, (2, 3): 3, (3, 4): 3, (3, 5): None, (4, 1): None}


def _event(id_: int, op: str, targets: tuple[int, ...] = ()) -> Event:
    message = None if op == "revert" else Message("user", (TextPart(str(id_)),))
    return Event(id_, bytes([id_]), id_, 1, op, targets, None, None, message, "normal", 1, "user", "", id_)


def test_a_reverted_edit_owns_nothing() -> None:
    """The chain of versions ends with what is shown; a revert of the revert brings the edit back."""
    events = [_event(1, "append"), _event(2, "edit", (1,)), _event(3, "edit", (1,)), _event(4, "revert", (3,))]
    state = extend(None, events)
    again = extend(state, [_event(5, "revert", (4,))])

    assert [event.id for event in edits_in_effect(state)[1]] == [2]
    assert [event.id for event in edits_in_effect(again)[1]] == [2, 3]
    assert (state.shown[0].shown.id, again.shown[0].shown.id) == (2, 3)


def test_an_empty_branch_has_no_lines() -> None:
    """There is nothing to blame."""
    with Tract.open() as t:
        blame = t.blame()

        assert (blame.head, blame.lines, len(blame)) == (None, (), 0)
        assert repr(blame) == "<BlameResult empty messages=0 lines=0>"


def test_values_show_no_content_and_html_is_escaped() -> None:
    """`repr` is short; what a notebook shows cannot run."""
    with Tract.open() as t:
        said = t.user("<script>")
        blame = t.blame()

        assert repr(blame) == f"<BlameResult {said.short_hash} messages=1 lines=1>"
        assert repr(blame.lines[0]) == f"<BlameLine 0:1 {said.short_hash}>"
        assert "script" not in repr(blame.messages)
        assert "<script>" not in blame._repr_html_()
        assert "&lt;script&gt;" in blame._repr_html_()


@given(steps())
def test_every_line_is_blamed_exactly_once(todo: list[Step]) -> None:
    """The lines of the blame are the lines of the context; each owner's own text has the line it owns."""
    with Tract.open() as t:
        build(t, todo)
        for info in t.log(len(todo)):
            context, blame = t.compile(info), t.blame(info)

            assert [[line.text for line in one.lines] for one in blame.messages] == [
                lines_of(message) for message in context.messages
            ]
            assert [one.commit for one in blame.messages] == list(context.commit_hashes)
            assert all(_wrote(t, line) for line in blame.lines)
            assert [(line.message, line.number) for line in blame.lines] == [
                (index, number) for index, one in enumerate(blame.messages) for number, _ in enumerate(one.lines, 1)
            ]


def _wrote(t: Tract, line: BlameLine) -> bool:
    """Return whether the commit's own content has the line, and its operation came right after the one before."""
    original = t.compile(line.commit)
    return any(line.text in lines_of(message) for message in original.messages) or _is_hidden(t, line.commit)


def _is_hidden(t: Tract, commit: str) -> bool:
    """Return whether a commit's content was not sent when it was made: an edit of a skipped message."""
    info = t.get(commit)
    return info.op == "edit" and info.targets[0] not in t.compile(commit).commit_hashes
