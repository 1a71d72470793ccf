"""Shows what merge, rebase, cherry-pick, revert and reorder do on the command line, print and return."""

import json
from typing import Any

from tests.cli.conftest import Run
from tract import Tract


def _texts(run: Run) -> list[str]:
    return [message["content"] for message in json.loads(run("compile", "--format", "openai").stdout)]


def _said(output: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(output)
    assert document["schema_version"] == 1
    return document


def _exchange() -> list[str]:
    """Make a store with a tool exchange on `main`; return the commits of question, call and result."""
    with Tract.open(".tract.db") as t:
        asked = t.user("Weather?")
        call = t.assistant(None, tool_calls=[{"id": "c1", "name": "weather", "arguments": "{}"}])
        result = t.tool_result("c1", "Sun")
        t.user("Thanks")
    return [asked.hash, call.hash, result.hash]


def test_revert_hides_a_message_and_a_second_revert_shows_it_again(run: Run) -> None:
    """The commit written is printed as in the log, and reverting it brings the message back."""
    run("init")
    run("commit", "Stay")
    run("commit", "Go")

    reverted = run("revert", "HEAD", "-m", "not this")

    assert reverted.exit_code == 0
    row = reverted.output.rstrip("\n").split("\t")
    assert (row[1], row[-1]) == ("annotate", "not this")
    assert _texts(run) == ["Stay"]
    document = _said(run("revert", "HEAD", "--json").stdout)
    assert document["commit"]["op"] == "revert"
    assert document["reverted"] == document["commit"]["targets"][0]
    assert _texts(run) == ["Stay", "Go"]


def test_reorder_says_what_would_break_and_needs_it_allowed(run: Run) -> None:
    """A reorder that splits an exchange leaves with 3, names the kind on stderr, and goes through with `--allow`."""
    asked, _, result = _exchange()

    refused = run("reorder", result, asked)

    assert (refused.exit_code, refused.stdout) == (3, "")
    assert "warning: exchange_split: The tool exchange of" in refused.stderr
    assert refused.stderr.endswith(
        "error: Nothing was written.\nhint: Do it all the same with `--allow exchange_split`.\n"
    )
    allowed = run("--json", "reorder", result, asked, "--allow", "exchange_split", "-m", "swapped")
    assert allowed.exit_code == 0
    document = _said(allowed.stdout)
    assert (document["commit"]["op"], document["commit"]["message"]) == ("reorder", "swapped")
    assert [one["kind"] for one in document["warnings"]] == ["exchange_split"]
    assert allowed.stderr.startswith("warning: exchange_split: ")


def test_reorder_moves_messages_only_among_their_places(run: Run) -> None:
    """The first and last message trade places, the one between them stays."""
    run("init")
    for text in ("One", "Two", "Three"):
        run("commit", text)

    assert run("reorder", "HEAD", "HEAD~2").exit_code == 0

    assert _texts(run) == ["Three", "Two", "One"]
    assert run("reorder").exit_code == 2
    assert run("reorder", "HEAD", "--allow", "anything").exit_code == 2


def test_cherry_pick_takes_results_along_and_prints_old_and_new(run: Run) -> None:
    """A picked tool call brings its result; an edit without its target is refused with 3 and a command to type."""
    _, call, result = _exchange()
    run("switch", "--orphan", "side")
    run("commit", "Hello")

    picked = run("cherry-pick", call)

    assert picked.exit_code == 0, picked.output
    rows = [line.split("\t") for line in picked.stdout.splitlines()]
    assert [row[:2] for row in rows] == [["copied", call[:8]], ["copied", result[:8]]]
    with Tract.open(".tract.db", read_only=True) as t:
        assert [row[2] for row in rows] == [info.short_hash for info in reversed(t.log(2))]
    run("switch", "main")
    run("commit", "--edit", "HEAD", "Thank you")
    run("switch", "side")
    refused = run("cherry-pick", "main")
    assert refused.exit_code == 3
    assert "hint: Name what it acts on as well: `tract cherry-pick TARGET REVISION`." in refused.stderr
    document = _said(run("cherry-pick", "main~1", "main", "--json").stdout)
    assert len(document["commits"]) == len(document["mapping"]) == 2
    assert _texts(run)[-1] == "Thank you"


def test_rebase_moves_the_branch_and_prints_what_became_of_each_commit(run: Run) -> None:
    """The commits of the branch follow those of ONTO; a second rebase has nothing to do; undo takes it back."""
    run("init")
    run("commit", "Root")
    run("switch", "-c", "idea")
    run("commit", "Mine")
    run("switch", "main")
    run("commit", "Theirs")
    run("switch", "idea")

    rebased = run("rebase", "main")

    assert rebased.exit_code == 0, rebased.output
    first, copied = (line.split("\t") for line in rebased.stdout.splitlines())
    assert first[:2] == ["rebased", "idea"]
    assert (copied[0], copied[2], copied[3]) == ("copied", first[2], "Mine")
    assert _texts(run) == ["Root", "Theirs", "Mine"]
    again = _said(run("--json", "rebase", "main").stdout)
    assert (again["kind"], again["branch"], again["mapping"]) == ("up_to_date", "idea", {})
    run("undo")
    assert _texts(run) == ["Root", "Mine"]
