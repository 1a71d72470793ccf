"""Shows what merge, rebase, cherry-pick, revert and reorder do on the command line, print and return."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, on_terminal
from tests.cli.test_text import HOSTILE, _controls
from tract import Tract
from tract.operations.merge import STRATEGIES


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
    """A reorder that splits an exchange leaves with 3 and a numbered line, and goes through with `--allow`."""
    asked, _, result = _exchange()

    refused = run("reorder", result, asked)

    assert refused.exit_code == 3
    assert refused.stdout.startswith("1\texchange_split\tundecided\tThe tool exchange of ")
    assert refused.stderr == (
        "note: 1 question undecided; nothing was written.\n"
        "hint: Add `--resolve N=use|skip|TEXT` for each, or `--allow exchange_split`.\n"
    )
    with Tract.open(".tract.db", read_only=True) as t:
        assert len(t.operations) == 5
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
    """A picked tool call brings its result; an edit without its target is a question, and leaves with 3."""
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
    assert refused.stdout.startswith("1\tmissing_target\tundecided\tThe edit ")
    document = _said(run("cherry-pick", "main~1", "main", "--json").stdout)
    assert len(document["commits"]) == len(document["mapping"]) == 2
    assert _texts(run)[-1] == "Thank you"


def test_what_is_asked_is_decided_with_resolve(run: Run) -> None:
    """Numbers stay while decisions are added; all decided, it is done; a text takes the place of what cannot act."""
    with Tract.open(".tract.db") as t:
        t.user("Root")
        t.branch("idea")
        t.user("Same")
        t.switch("main")
        same = t.user("Same")
        t.edit(t.user("Tea"), "Green tea")
        t.pin(same)
        t.unpin(same)

    waits = run("rebase", "idea")
    assert waits.exit_code == 3
    assert [line.split("\t")[:3] for line in waits.stdout.splitlines()] == [["1", "duplicate_content", "undecided"]]
    more = _said(run("--json", "rebase", "idea", "--resolve", "1=skip").stdout)
    assert (more["kind"], more["head"], more["mapping"]) == ("waiting", None, {})
    found = [(one["number"], one["kind"], one["decision"]) for one in more["issues"]]
    assert found == [(1, "duplicate_content", "skip"), (2, "missing_target", None), (3, "missing_target", None)]
    assert more["issues"][1]["commits"][1] == same.hash
    for wrong in ("4=use", "0=use", "use", "1"):
        refused = run("rebase", "idea", "--resolve", wrong)
        assert (refused.exit_code, refused.stdout) == (2, "")
    assert _texts(run) == ["Root", "Same", "Green tea"]

    told = [f"--resolve={one}" for one in ("1=skip", "2=skip", "3=-")]
    done = run("rebase", "idea", *told, stdin="Coffee")

    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("rebased\tmain\t")
    assert _texts(run) == ["Root", "Same", "Green tea", "Coffee"]
    run("undo")
    moot = run("rebase", "idea", *told[:2], "--resolve", "1=use", "--resolve", "3=skip")
    assert moot.exit_code == 0, moot.output
    assert _texts(run) == ["Root", "Same", "Same", "Green tea"]
    assert run("rebase", "idea", "--resolve", "1=use").stderr == "note: There was nothing to decide.\n"


def test_a_range_is_picked_oldest_first(run: Run) -> None:
    """`a..b` is what b has and a has not; one without commits is an error."""
    run("init")
    run("commit", "Root")
    run("switch", "-c", "idea")
    run("commit", "One")
    run("commit", "Two")
    run("switch", "main")

    picked = run("cherry-pick", "main..idea")

    assert [line.split("\t")[3] for line in picked.stdout.splitlines()] == ["One", "Two"]
    assert _texts(run) == ["Root", "One", "Two"]
    empty = run("cherry-pick", "idea..idea")
    assert (empty.exit_code, empty.stderr.split("\n")[0]) == (1, "error: The range 'idea..idea' holds no commits.")


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


def _diverge(ours: str = "A weekend?", theirs: str = "Two days, please.") -> None:
    """Make a store whose `main` and `idea` edited the same message, and each added one."""
    with Tract.open(".tract.db") as t:
        asked = t.user("Two days?")
        t.branch("idea")
        t.edit(asked, theirs)
        t.user("Theirs")
        t.switch("main")
        t.edit(asked, ours)
        t.user("Ours")


def test_a_merge_without_conflicts_is_one_line(run: Run) -> None:
    """Moving forward, a merge commit, and nothing to do; `--delete-branch` drops the branch."""
    run("init")
    run("commit", "Root")
    run("switch", "-c", "idea")
    run("commit", "Theirs")
    run("switch", "main")

    moved = run("merge", "idea")

    assert (moved.exit_code, moved.stdout.split("\t")[:3]) == (0, ["fast_forward", "main", "idea"])
    assert run("merge", "HEAD~1").stdout.startswith("up_to_date\tmain\tHEAD~1\t")
    run("undo")
    document = _said(run("merge", "idea", "--no-ff", "--delete-branch", "-m", "in", "--json").stdout)
    assert (document["kind"], document["undecided"], document["message"]) == ("merged", 0, "in")
    with Tract.open(".tract.db", read_only=True) as t:
        assert list(t.branches) == ["main"]
        assert t.get(document["commits"][0]).op == "merge"
    assert _texts(run) == ["Root", "Theirs"]


def test_a_conflict_waits_with_3_until_it_is_decided_and_continued(run: Run) -> None:
    """The conflict is a line with all three texts; status says what to type; a decision is kept by the store."""
    _diverge()

    waits = run("merge", "idea")

    assert waits.exit_code == 3
    row = waits.stdout.rstrip("\n").split("\t")
    assert [row[0], row[1], row[3]] == ["1", "both_edited", "undecided"]
    assert row[4:] == ["normal", "normal", "normal", "Two days?", "A weekend?", "Two days, please."]
    assert waits.stderr.startswith(
        "note: 1 conflict undecided; nothing was merged yet.\nhint: Decide with `tract merge"
    )
    assert run("merge").stdout == waits.stdout
    status = _said(run("status", "--json").stdout)
    assert status["merge"] == "merging idea into main: 0 of 1 conflict decided"
    assert "tract merge --continue" in status["next_step"]
    early = run("merge", "--continue")
    assert (early.exit_code, early.stdout) == (3, waits.stdout)
    decided = run("merge", "--resolve", "1=-", stdin="ours\n")
    assert decided.exit_code == 0
    assert decided.stdout.split("\t")[3] == "use"
    assert "`tract merge --continue`" in decided.stderr
    done = run("merge", "--continue")
    assert (done.exit_code, done.stdout.split("\t")[:3]) == (0, ["merged", "main", "idea"])
    assert _texts(run) == ["ours\n", "Ours", "Theirs"]


@pytest.mark.parametrize(
    ("how", "texts"),
    [
        ("ours", ["A weekend?", "Ours", "Theirs"]),
        ("theirs", ["Two days, please.", "Ours", "Theirs"]),
        ("skip", ["Ours", "Theirs"]),
        ("A week=end", ["A week=end", "Ours", "Theirs"]),
    ],
)
def test_each_decision_does_what_it_says(how: str, texts: list[str], run: Run) -> None:
    """`--resolve` and `--continue` go together, and a text may hold `=`."""
    _diverge()
    run("merge", "idea")

    done = run("--json", "merge", "--resolve", f"1={how}", "--continue")

    assert done.exit_code == 0, done.output
    (conflict,) = _said(done.stdout)["conflicts"]
    assert (conflict["number"], conflict["ours"]["text"], conflict["base"]["text"]) == (1, "A weekend?", "Two days?")
    assert conflict["decision"] == (how if how in {"ours", "theirs", "skip"} else "use")
    assert _texts(run) == texts


def test_abort_forgets_the_merge_and_undo_brings_it_back(run: Run) -> None:
    """After an abort nothing waits and the branch is as it was; a strategy needs no decision."""
    _diverge()
    run("merge", "idea")

    aborted = run("merge", "--abort")

    assert (aborted.exit_code, aborted.stdout) == (0, "aborted\tmain\tidea\n")
    nothing = run("merge", "--continue")
    assert nothing.exit_code == 1
    assert nothing.stderr == "error: No merge is in progress.\nhint: Begin one with `tract merge BRANCH`.\n"
    assert _texts(run) == ["A weekend?", "Ours"]
    run("undo")
    assert run("merge").stdout.startswith("1\tboth_edited\t")
    run("merge", "--abort")
    assert run("merge", "idea", "--strategy", "theirs").exit_code == 0
    assert _texts(run)[0] == "Two days, please."


@pytest.mark.parametrize(
    "arguments",
    [
        ("--resolve", "2=ours"),
        ("--resolve", "0=ours"),
        ("--resolve", "ours"),
        ("--abort", "--resolve", "1=ours"),
        ("idea", "--continue"),
        ("--no-ff",),
    ],
)
def test_what_cannot_be_meant_is_refused_with_2(arguments: tuple[str, ...], run: Run) -> None:
    """A wrong number, no number, and options that do not go together change nothing."""
    _diverge()
    run("merge", "idea")

    refused = run("merge", *arguments)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert run("merge").stdout.split("\t")[3] == "undecided"


def test_an_empty_text_is_refused_and_every_strategy_can_be_named(run: Run) -> None:
    """`N=` and an empty stdin would blank a message by accident; the command knows the strategies of the API."""
    _diverge()
    run("merge", "idea")

    for how in ("1=", "1=-"):
        refused = run("merge", "--resolve", how, "--continue")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.startswith("error: There is no text to use.\nhint: ")
    assert f"[{'|'.join(STRATEGIES)}]" in run("merge", "--help").stdout


def test_continuing_on_another_branch_says_where_to_go(run: Run) -> None:
    """The merge lands only on the branch it was begun on, and another one has to wait for it."""
    _diverge()
    run("merge", "idea", "-m", "in")
    run("switch", "-c", "other")

    refused = run("merge", "--resolve", "1=ours", "--continue")

    assert refused.exit_code == 3
    assert "error: The merge was begun on `main`, not on `other`.\n" in refused.stderr
    blocked = run("merge", "idea")
    assert blocked.exit_code == 3
    assert "hint: Look at it with `tract merge`" in blocked.stderr


def test_a_concern_waits_for_a_look(run: Run) -> None:
    """`semantic` shows what is odd and leaves with 3; `--continue` goes on in spite of it."""
    with Tract.open(".tract.db") as t:
        t.user("Root")
        t.branch("idea")
        t.user("Same")
        t.switch("main")
        t.user("Same")

    waits = run("merge", "idea", "--strategy", "semantic")

    assert waits.exit_code == 3
    row = waits.stdout.rstrip("\n").split("\t")
    assert (row[0], row[1], row[3]) == ("concern", "same_content", "Both sides added the same message.")
    assert run("merge", "--continue").exit_code == 0
    assert _texts(run) == ["Root", "Same", "Same"]


def test_conflicts_stand_side_by_side_and_hostile_text_is_inert(tmp_path: Path, run: Run) -> None:
    """On a terminal three columns fit the page, long and wide texts are wrapped whole; nothing stored is obeyed."""
    _diverge("宽" * 40 + " " + HOSTILE, "word " * 20 + "\n" + HOSTILE)

    piped, shown = run("merge", "idea"), on_terminal("--color", "never", "merge", folder=tmp_path)

    assert _controls(piped.output) == set()
    assert piped.stdout.count("\n") == 1
    assert _controls(shown) == set()
    lines = [line for line in shown.replace("\r\n", "\n").split("\n") if line.count(" | ") == 2]
    heads = [part.strip() for part in lines[0].split(" | ")]
    assert heads == ["base: normal", "ours: normal", "theirs: normal"]
    columns = [[part.strip() for part in line.split(" | ")] for line in lines[1:]]
    assert columns[0][0] == "Two days?"
    assert "".join(row[1] for row in columns).startswith("宽" * 40)
    assert sum(row[2].count("word") for row in columns) == 20
    assert "[bold]x[/bold]" in "".join(row[2] for row in columns)
