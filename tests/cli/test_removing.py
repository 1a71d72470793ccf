"""Shows the commands that remove for good and what they ask for first: gc, erase; and stats."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, on_terminal
from tests.reliability.dump import connected
from tract import Tract


@pytest.fixture
def store(run: Run) -> Run:
    """A store with a message, one that quotes it, and one on a branch that was deleted."""
    with Tract.open(".tract.db", actor="ada") as t:
        t.user("the code is 4711-tango-whisky")
        t.assistant("so the code is 4711-tango-whisky")
        t.branch("gone")
        t.user("lost")
        t.switch("main")
        t.branches.delete("gone", force=True)
    return run


def lines(run: Run, *arguments: str) -> list[list[str]]:
    """Return the cells of what a command that must succeed prints."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return cells(result.stdout)


def cells(text: str) -> list[list[str]]:
    """Return what stands in each line between tabs."""
    return [line.split("\t") for line in text.splitlines()]


def test_gc_lists_asks_and_drops(store: Run) -> None:
    """Nothing within the window; with --dry-run the same lines; without a yes nothing."""
    assert lines(store, "gc", "--yes")[0] == ["dropped", "0 B"]

    looked = lines(store, "gc", "--keep-days", "0", "--dry-run")
    refused = store("gc", "--keep-days", "0")
    done = lines(store, "gc", "--keep-days", "0", "--yes")

    assert (refused.exit_code, refused.stdout) == (3, "")
    assert looked[0] == done[0]
    assert looked[0][0] == "collected"
    assert [row[0] for row in done[1:]] == ["dropped", "before", "after"]
    assert lines(store, "gc", "--keep-days", "0", "--yes")[0] == ["dropped", "0 B"]
    undone = store("undo")
    assert undone.exit_code == 1
    assert "tract undo --op NUMBER" in undone.stderr
    assert store("fsck").exit_code == 0


def test_gc_as_a_document(store: Run) -> None:
    """Hashes in full, sizes in bytes."""
    document = json.loads(store("gc", "--keep-days", "0", "--drop-pinned", "--yes", "--json").stdout)

    assert [len(one) for one in document["collected"]] == [64]
    assert (document["archived"], document["pinned"], document["blob_count"]) == ([], [], 1)
    assert document["size_after"] <= document["size_before"]
    assert (document["is_dry_run"], document["unfinished"]) == (False, "")


def test_gc_says_when_the_space_is_still_in_use(store: Run) -> None:
    """That is a warning: what was to be dropped is dropped."""
    store("config", "set", "busy_timeout_seconds", "0.05")
    with connected(".tract.db") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM blobs").fetchone()
        result = store("gc", "--keep-days", "0", "--yes")

    assert result.exit_code == 0
    assert "warning: The space was not given back yet" in result.stderr


def test_erase_prints_a_receipt(store: Run) -> None:
    """What is erased, what was made of it, what lies outside; then it is in no output any more."""
    looking = store("erase", "HEAD~1", "--reason", "leaked", "--dry-run")
    refused = store("erase", "HEAD~1", "--reason", "leaked")
    erasing = store("erase", "HEAD~1", "--reason", "leaked", "--yes")

    assert (refused.exit_code, refused.stdout) == (3, "")
    assert (looking.exit_code, erasing.exit_code) == (0, 0)
    assert looking.stdout == erasing.stdout
    assert "add `--include-derived`" in looking.stderr
    assert "name the commits in another `tract erase`" in erasing.stderr
    done = cells(erasing.stdout)
    assert [(row[0], row[2]) for row in done[:2]] == [("erased", ""), ("derived", "quote")]
    assert done[-1][0] == "outside"
    shown = store("show", "HEAD~1")
    assert "leaked" in shown.output + shown.stderr
    assert cells(store("compile", "--mark-erased").stdout)[0][1:] == ["user", "[erased]"]
    assert "4711" not in store("show", "HEAD~1").output


def test_erase_a_text_as_a_document(store: Run) -> None:
    """Everywhere; who and why are in it."""
    result = store("erase", "--text", "4711-tango", "--reason", "leaked", "--yes", "--json")
    document = json.loads(result.stdout)

    assert (len(document["commits"]), len(document["blobs"]), document["derived"]) == (2, 2, [])
    assert (document["reason"], document["actor"], document["unfinished"]) == ("leaked", "cli", "")
    assert "4711" not in store("log").stdout + store("compile").stdout
    again = json.loads(store("erase", "--text", "4711-tango", "--reason", "leaked", "--yes", "--json").stdout)
    assert (again["commits"], again["operation"]) == ([], None)


def test_erase_that_cannot_overwrite_old_pages_is_not_done(store: Run) -> None:
    """Exit code 5 and what to do; the same command finishes it."""
    store("config", "set", "busy_timeout_seconds", "0.05")
    with connected(".tract.db") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM blobs").fetchone()
        result = store("erase", "HEAD", "--reason", "leaked", "--yes")

    assert result.exit_code == 5
    assert "run the same command again" in result.stderr
    assert store("erase", "HEAD", "--reason", "leaked", "--yes").exit_code == 0


@pytest.mark.parametrize("arguments", [["--reason", "x"], ["HEAD", "--text", "tango", "--reason", "x"], ["HEAD"]])
def test_erase_needs_one_thing_to_erase_and_a_reason(store: Run, arguments: list[str]) -> None:
    """Anything else is a usage error."""
    assert store("erase", *arguments, "--yes").exit_code == 2


def test_a_terminal_is_asked(store: Run, tmp_path: Path) -> None:
    """With how much would be gone; a no changes nothing."""
    asked = on_terminal("gc", "--keep-days", "0", folder=tmp_path, keys=b"n\n")
    erased = on_terminal("erase", "HEAD", "--reason", "x", folder=tmp_path, keys=b"n\n")

    assert "This drops the content of 1 commit for good" in asked
    assert "This erases what 1 commit said for good. Go on?" in erased
    assert "Nothing was changed." in asked
    assert "4711" in store("show", "HEAD").stdout


def test_a_terminal_is_offered_what_was_made_of_it(store: Run, tmp_path: Path) -> None:
    """After a yes that goes as well, and the count says so; what is being done is shown meanwhile and cleared."""
    said = on_terminal("erase", "HEAD~1", "--reason", "x", folder=tmp_path, keys=b"y\ny\n")

    assert "What was made of it stays (quote 1). Erase that too?" in said
    assert "This erases what 2 commits said for good." in said
    for step in ("Looking where it is kept ...", "Erasing it and overwriting what is left ..."):
        assert f"{step}\r\x1b[K" in said
    assert "hint" not in said
    assert store("compile").stdout == ""


def test_only_a_terminal_that_can_clear_a_line_shows_steps(store: Run, tmp_path: Path) -> None:
    """Elsewhere stderr holds nothing but errors, warnings and hints."""
    shown = [on_terminal(*command, folder=tmp_path) for command in (["stats"], ["gc", "--dry-run"])]
    dumb = on_terminal("stats", folder=tmp_path, TERM="dumb")

    assert ["Counting ..." in shown[0], "Looking for what nothing reaches ..." in shown[1]] == [True, True]
    assert "Counting" not in dumb
    assert store("stats").stderr == ""


def test_stats(store: Run) -> None:
    """Lines of a name and a value, then the kinds; the same in a document."""
    said = lines(store, "stats")
    document = json.loads(store("stats", "--json").stdout)["stats"]

    values = {row[0]: row[1] for row in said if len(row) == 2}
    assert (values["commits"], values["unreachable"], values["branches"]) == ("3", "1", "1")
    assert [row[0] for row in said if len(row) == 4] == ["dialogue"]
    assert [row[:2] for row in said if len(row) == 3][:2] == [["1 d", "3"], ["7 d", "0"]]
    assert (document["commits"], document["unreachable_commits"]) == (3, 1)
    assert document["kinds"][0]["kind"] == "dialogue"
    assert document["ages"][0] == {"most_days": 1, "count": 3, "stored_bytes": document["stored_bytes"]}
    assert document["dedup_ratio"] == 1.0
    assert (values["cached replies"], document["cached_replies"], document["cached_reply_bytes"]) == ("0", 0, 0)
    assert document["last_at"] >= document["first_at"]
