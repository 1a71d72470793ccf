"""Several agents on the command line: spawn, collapse, sessions, the timeline, and who knew what."""

import json
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem

from tests.cli.conftest import Run, on_terminal
from tract import Tract
from tract.cli._context import CHILD, TRACT
from tract.cli.main import root


@pytest.fixture
def team(run: Run) -> Run:
    """A store with a parent, and a child that has found something."""
    for arguments in (
        ["init"],
        ["commit", "Where to?"],
        ["spawn", "find trains", "--name", "trains"],
        ["--tract", "trains", "commit", "--role", "assistant", "IC 720 at 10:30."],
    ):
        assert run(*arguments).exit_code == 0
    return run


def rows(output: str) -> list[list[str]]:
    """Return the cells of each line."""
    return [line.split("\t") for line in output.splitlines()]


def test_a_child_is_spawned_with_what_is_asked_for(team: Run) -> None:
    """A fork, a snapshot, or what is selected."""
    team("commit", "--role", "system", "Be brief.")
    team("tag", "rule")

    assert rows(team("spawn", "one").stdout)[0][:3] == ["spawned", "default/1", "fork"]
    assert rows(team("spawn", "two", "--mode", "snapshot", "--budget", "200").stdout)[0][:3] == [
        "spawned", "default/2", "snapshot",
    ]  # fmt: skip
    said = json.loads(team("--json", "spawn", "three", "--type", "dialogue", "--at", "HEAD").stdout)
    assert (said["child"], said["mode"]) == ("default/3", "select")
    assert rows(team("spawn", "four", "--tag", "rule", "--select", "HEAD~4..").stdout)[0][1] == "default/4"

    assert [row[1:] for row in rows(team("--tract", "default/3", "compile").stdout)] == [["user", "Where to?"]]
    assert [row[1:] for row in rows(team("--tract", "default/4", "compile").stdout)] == [["system", "Be brief."]]
    wrong = team("spawn", "five", "--mode", "fork", "--type", "dialogue")
    assert wrong.exit_code == 2
    assert team("spawn", "again", "--name", "trains").exit_code == 1


def test_work_comes_home_on_the_command_line(team: Run) -> None:
    """As sentences, as a text of one's own, or as a draft to approve."""
    done = rows(team("collapse", "trains").stdout)[0]
    assert (done[0], done[1], done[3], done[6]) == ("collapsed", "trains", "1", "extractive")
    assert "IC 720" in team("expand", "HEAD").stdout
    assert team("collapse", "trains").exit_code == 1
    team("--tract", "trains", "commit", "It is full.")
    proposed = team("collapse", "trains", "--propose", "--must-keep", "full")
    assert "tract proposals show 1" in proposed.stderr
    assert team("proposals", "approve", "1").exit_code == 0
    team("--tract", "trains", "commit", "Another one.")

    document = json.loads(team("collapse", "trains", "--content", "-", "--json", stdin="From stdin.").stdout)

    assert (document["text"], document["summarizer"], len(document["commits"])) == ("From stdin.", "manual", 1)
    team("--tract", "trains", "commit", "Yet another one.")
    assert team("collapse", "trains", "--content", "-", stdin=b"\xff").exit_code == 1


def test_a_session_lists_creates_resumes_and_hands_over(team: Run) -> None:
    """Each tract with its state, parent and purpose."""
    listed = rows(team("session", "list").stdout)
    assert [(row[0], row[1], row[2], row[3], row[7]) for row in listed] == [
        ("default", "active", "", "", ""),
        ("trains", "active", "default", "fork", "find trains"),
    ]
    assert rows(team("session", "create", "night", "--purpose", "go on").stdout)[0][:2] == ["night", "new"]
    assert rows(team("session", "resume").stdout)[0][0] == "trains"

    handed = team("session", "handoff", "trains", "night", "--summary", "Found.", "--next", "book", "--failed", "bus")

    assert rows(handed.stdout)[0][:3] == ["handed over", "trains", "night"]
    assert "book" in team("--tract", "night", "compile").stdout
    assert rows(team("session", "resume").stdout)[0][0] == "night"
    document = json.loads(team("session", "list", "--json").stdout)
    assert {info["name"]: info["state"] for info in document["tracts"]} == {
        "default": "active",
        "trains": "ended",
        "night": "active",
    }
    assert json.loads(team("session", "create", "idle", "--json").stdout)["tract"]["head"] is None
    for name in ("default", "night"):
        team("session", "handoff", name, "idle", "--summary", "x", "--json")
    assert json.loads(team("session", "resume", "--json").stdout)["tract"]["name"] == "idle"


def test_nothing_is_left_to_resume_in_an_empty_store(run: Run) -> None:
    """Nothing is printed."""
    run("init")

    assert run("session", "resume").stdout == ""
    assert json.loads(run("session", "resume", "--json").stdout)["tract"] is None


def test_a_tree_shows_who_spawned_whom(team: Run, tmp_path: Path) -> None:
    """Lines for programs, a drawing for people."""
    team("--tract", "trains", "spawn", "fares\nand times", "--name", "fares")

    assert [(row[0], row[1]) for row in rows(team("tree").stdout)] == [
        ("0", "default"),
        ("1", "trains"),
        ("2", "fares"),
    ]
    assert [one["depth"] for one in json.loads(team("tree", "--json").stdout)["tracts"]] == [0, 1, 2]
    drawn = on_terminal("tree", folder=tmp_path)
    assert "└─ trains (fork)" in drawn
    assert "   └─ fares (fork)" in drawn
    assert "trains" in on_terminal("session", "list", folder=tmp_path)


def test_the_timeline_tells_causes_first(team: Run, tmp_path: Path) -> None:
    """Of all tracts, or of some; with what each follows from."""
    team("collapse", "trains")

    told = rows(team("timeline").stdout)

    assert [(row[1], row[2], row[3], row[5]) for row in told] == [
        ("default", "1", "init", ""),
        ("default", "2", "commit", ""),
        ("default", "3", "spawn", ""),
        ("trains", "1", "init", "default@3"),
        ("trains", "2", "commit", ""),
        ("default", "4", "collapse", "trains@2"),
    ]
    assert [row[1] for row in rows(team("timeline", "trains", "-n", "1").stdout)] == ["trains"]
    document = json.loads(team("timeline", "-n", "1", "--json").stdout)
    assert document["timeline"][0]["causes"] == [{"tract": "trains", "number": 2}]
    assert "collapse" in on_terminal("timeline", folder=tmp_path)
    assert team("timeline", "nobody").exit_code == 1


def test_what_a_tract_knew_at_a_moment(team: Run) -> None:
    """By a commit of another tract, or by time; what is neither says so."""
    team("commit", "We are three.")
    team("--tract", "trains", "commit", "Later.")

    known = team("--tract", "trains", "at", "default:HEAD")

    assert [row[1:] for row in rows(known.stdout)] == [["user", "Where to?"], ["assistant", "IC 720 at 10:30."]]
    assert team("at", "yesterday").stdout == ""
    document = json.loads(team("--tract", "trains", "at", "now", "--json").stdout)
    assert [message["content"] for message in document["messages"]] == ["Where to?", "IC 720 at 10:30.", "Later."]
    missing = team("at", "nonsense")
    assert missing.exit_code == 1
    assert "nonsense" in missing.stderr
    assert team("--at-op", "1", "session", "list").exit_code == 2
    assert team("--tract", "nobody", "at", "now").exit_code == 1


def test_names_of_tracts_and_children_complete(team: Run) -> None:
    """In a store; without one there is nothing."""

    def complete(kind: object, start: str) -> list[str]:
        with root.make_context("tract", [], resilient_parsing=True) as context:
            items: list[CompletionItem] = kind.shell_complete(context, root.params[0], start)  # type: ignore[attr-defined]
            return [item.value for item in items]

    assert complete(TRACT, "tr") == ["trains"]
    assert complete(CHILD, "") == ["trains"]
    Path(".tract.db").rename("gone.db")
    assert complete(TRACT, "") == []


def test_a_snippet_is_wrapped_between_words_on_a_terminal(tmp_path: Path) -> None:
    """A hit is indented below its commit and no line is longer than the terminal; piped it is one line."""
    words = " ".join(f"harbour{number}" for number in range(60))
    with Tract.open(tmp_path / ".tract.db") as t:
        t.user(words)

    plain = on_terminal("search", "harbour7", folder=tmp_path, NO_COLOR="1").replace("\r", "")
    shown = [line for line in plain.split("\n")[1:] if line]

    assert len(shown) > 1
    assert all(line.startswith("    ") and len(line) <= 100 for line in shown)
    assert {word.strip("…") for line in shown for word in line.split()} - {""} <= set(words.split())
