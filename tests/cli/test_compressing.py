"""Shows what compress, expand and proposals do on the command line, print and return."""

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run, on_terminal, program
from tests.cli.test_text import HOSTILE, _controls
from tract import Tract


def _texts(run: Run) -> list[str]:
    return [message["content"] for message in json.loads(run("compile", "--format", "openai").stdout)]


def _document(output: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(output)
    assert document["schema_version"] == 1
    return document


def _history(count: int = 3) -> list[str]:
    """Make a store with a rule and *count* messages; return their commits."""
    with Tract.open(".tract.db") as t:
        t.system("Rule.")
        return [t.user(f"Message {number} tells of order ORD-{number} at some length.").hash for number in range(count)]


def test_compress_covers_and_expand_and_revert_open_again(run: Run) -> None:
    """A line for each summary; expand lists what is behind it, with levels."""
    commits = _history()

    covered = run("compress", "--content", "Orders.")

    assert covered.exit_code == 0
    row = covered.stdout.rstrip("\n").split("\t")
    assert (row[0], row[2], row[5], row[6]) == ("covered", "3", "manual", "Orders.")
    assert _texts(run) == ["Rule.", "[summary] Orders."]
    levels = [line.split("\t") for line in run("expand", row[1]).stdout.splitlines()]
    assert [(line[0], line[2]) for line in levels] == [("0", "compress"), *[("1", "append")] * 3]
    expansion = _document(run("expand", row[1], "--json").stdout)["expansion"]
    assert [one["commit"] for one in expansion[1:]] == commits
    assert run("revert", row[1]).exit_code == 0
    assert len(_texts(run)) == 4


def test_compress_takes_what_the_api_takes(run: Run) -> None:
    """Ranges, targets, what must be kept and what is preserved; as a document."""
    commits = _history(6)

    result = run(
        "--json", "compress", "--start", commits[1], "--end", commits[4], "--preserve", commits[2],
        "--target", "80", "--must-match", r"ORD-\d", "--must-keep", "length",
    )  # fmt: skip

    document = _document(result.stdout)
    assert document["is_dry_run"] is False
    assert [len(one["covers"]) for one in document["summaries"]] == [1, 2]
    assert document["tokens_after"] <= 80
    assert "ORD-3" in document["summaries"][1]["text"]
    assert document["kept"] == [commits[2]]
    assert run("compress", commits[0], "--content", "-", stdin="First.").exit_code == 0
    assert _texts(run)[1] == "[summary] First."


def test_a_dry_run_shows_the_texts_and_writes_nothing(run: Run) -> None:
    """The same summary comes when it is done."""
    _history()

    planned = _document(run("compress", "--dry-run", "--json").stdout)

    assert planned["is_dry_run"] is True
    assert len(_texts(run)) == 4
    lines = run("compress", "--dry-run").stdout.splitlines()
    assert lines[0].startswith("would cover\t")
    assert lines[1:] == planned["summaries"][0]["text"].splitlines()
    assert _document(run("compress", "--json").stdout)["summaries"][0]["text"] == planned["summaries"][0]["text"]


def test_what_cannot_be_done_is_said(run: Run) -> None:
    """With the exit code of what it is, and a hint for the command line."""
    run("init")
    assert run("compress").exit_code == 1
    _history()
    long = run("compress", "--content", "word " * 90)
    assert (long.exit_code, long.stdout) == (1, "")
    assert "error: No usable summary: it has" in long.stderr
    assert "`tract compress --content TEXT`" in long.stderr
    assert run("compress", "--must-match", "(").exit_code == 2
    assert run("compress", "--content", "-", stdin=b"\xff").exit_code == 1
    assert run("expand", "nowhere").exit_code == 1
    assert len(_texts(run)) == 4


def test_proposals_are_listed_shown_edited_and_decided(run: Run) -> None:
    """Each step prints where it stands; a decided one is refused."""
    _history()
    proposed = run("compress", "--propose", "--content", "Orders.")
    assert proposed.exit_code == 0
    assert "tract proposals show 1" in proposed.stderr
    assert len(_texts(run)) == 4

    assert run("proposals").stdout.split("\t")[:4] == ["1", "open", "compress", "main"]
    assert run("proposals", "show", "1").stdout.splitlines()[1:] == ["Orders."]
    assert _document(run("proposals", "show", "1", "--json").stdout)["proposal"]["drafts"] == ["Orders."]
    assert run("proposals", "edit", "1").exit_code == 2
    assert run("proposals", "edit", "1", "--text", "Three orders.").exit_code == 0
    assert run("commit", "Later.").exit_code == 0
    approved = run("proposals", "approve", "1", "--json")
    assert _document(approved.stdout)["approved"] == 1
    assert _texts(run) == ["Rule.", "[summary] Three orders.", "Later."]
    assert run("proposals").stdout == ""
    assert run("proposals", "list", "--all").stdout.startswith("1\tapproved\t")
    again = run("proposals", "approve", "1")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "is approved" in again.stderr
    missing = run("proposals", "reject", "7")
    assert missing.exit_code == 1
    assert "tract proposals list --all" in missing.stderr


def test_a_stale_proposal_needs_a_decision(run: Run) -> None:
    """Exit code 3, and how to go on; rejected it is gone from the list."""
    commits = _history()
    run("compress", "--propose")
    run("commit", "--edit", commits[0], "Changed.")

    stale = run("proposals", "approve", "1")

    assert stale.exit_code == 3
    assert "tract proposals reject NUMBER" in stale.stderr
    assert run("proposals", "reject", "1").stdout.split("\t")[1] == "rejected"
    assert run("proposals").stdout == ""


def test_drafts_are_edited_in_the_editor(run: Run, tmp_path: Path) -> None:
    """Each in its part of one text; an editor that saves nothing changes nothing."""
    with Tract.open(".tract.db") as t:
        for number in range(4):
            t.user(f"Message {number} tells of order ORD-{number} at some length.")
            if number == 1:
                t.system("Rule.")
    program("compress", "--propose", "--content", "Orders one.", "--content", "Orders two.", folder=tmp_path)

    changed = on_terminal("proposals", "edit", "1", folder=tmp_path, EDITOR="sed -i s/Orders/Purchases/")

    assert "draft 2" in changed
    with Tract.open(".tract.db") as t:
        assert t.proposals[1].drafts == ("Purchases one.", "Purchases two.")
    assert "Nothing was changed." in on_terminal("proposals", "edit", "1", folder=tmp_path, EDITOR="true")
    assert "Summarizing group 2 (2 messages)" in on_terminal("compress", folder=tmp_path)


def test_stored_text_never_controls_the_terminal(run: Run, tmp_path: Path) -> None:
    """Hostile texts in messages and summaries are written out by every command."""
    with Tract.open(".tract.db") as t:
        for number, text in enumerate(HOSTILE):
            t.user(f"{number} {text} and some more words to leave out")
        t.compress(content="".join(HOSTILE)[:40], autonomy="collaborative")
    for command in (
        ["compress", "--dry-run"], ["proposals"], ["proposals", "show", "1"], ["proposals", "approve", "1"], ["expand"],
    ):  # fmt: skip
        piped = program(*command, folder=tmp_path)
        assert piped.returncode == 0, piped.stderr
        assert _controls(piped.stdout.decode()) == set()
