"""Shows the commands that move through history: branches, tags, reset, undo, the operation log, looking back."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, on_terminal, program
from tract import Tract
from tract.cli._standing import remember
from tract.errors import InvalidInputError


@pytest.fixture
def store(run: Run) -> Run:
    """A store with two commits on `main`, the first tagged `v1`, and `idea` one commit ahead of the first."""
    with Tract.open(".tract.db", actor="ada") as t:
        first = t.user("one", message="first")
        t.tag("v1")
        t.user("two", message="second")
        t.branch("idea", at=first)
        t.user("three", message="third")
        t.switch("main")
    return run


def rows(run: Run, *arguments: str) -> list[list[str]]:
    """Return the cells of what a command that must succeed prints."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return [line.split("\t") for line in result.stdout.splitlines()]


def current(run: Run) -> str:
    """Return the branch a command stands on."""
    return str(json.loads(run("status", "--json").stdout)["branch"])


def test_branches_are_listed_with_how_far_they_are_apart(store: Run) -> None:
    """Name, head, ahead, behind, which is current, what it is for."""
    assert rows(store, "branch", "--describe", "a try", "idea")[0][:2] == ["described", "idea"]

    listed = rows(store, "branch")

    assert [[row[0], *row[2:]] for row in listed] == [["idea", "1", "1", "", "a try"], ["main", "0", "0", "*", ""]]


def test_a_branch_is_created_renamed_and_deleted(store: Run) -> None:
    """Creating does not switch; a branch others do not reach needs -D and a yes; undo brings it back."""
    rows(store, "branch", "new", "HEAD~1")
    assert current(store) == "main"
    rows(store, "branch", "-m", "new", "other")
    rows(store, "branch", "-d", "other")

    kept, unasked, dry = store("branch", "-d", "idea"), store("branch", "-D", "idea"), store("branch", "-Dn")
    looked = rows(store, "branch", "-D", "idea", "--dry-run")

    assert (kept.exit_code, unasked.exit_code, dry.exit_code) == (1, 3, 2)
    assert "tract branch -D NAME" in kept.stderr
    assert "--yes" in unasked.stderr
    assert looked[0][:2] == ["would delete", "idea"]
    assert rows(store, "branch", "-D", "idea", "--yes")[0][:2] == ["deleted", "idea"]
    assert [row[0] for row in rows(store, "branch")] == ["main"]
    rows(store, "undo")
    assert [row[0] for row in rows(store, "branch")] == ["idea", "main"]


def test_the_current_branch_is_meant_where_none_is_named(store: Run) -> None:
    """For a description and a new name; on a commit there is none, and a list says so."""
    assert rows(store, "branch", "--describe", "the talk")[0][1] == "main"
    assert rows(store, "branch", "-m", "trunk")[0][:2] == ["renamed", "trunk"]
    rows(store, "checkout", "v1")

    unnamed = store("branch", "-m", "x")

    assert unnamed.exit_code == 2
    assert "HEAD is on no branch" in unnamed.stderr
    assert [row[4] for row in rows(store, "branch")] == ["", ""]
    assert store("branch", "-d", "trnk").stderr.endswith("hint: Did you mean `trunk`?\n")
    assert "(detached)" in on_terminal("branch", folder=Path.cwd())


def test_several_branches_are_deleted_together_or_not_at_all(store: Run) -> None:
    """One that cannot go keeps the others; together they are one operation."""
    for name in ("a", "b"):
        rows(store, "branch", name)
    assert store("branch", "-d", "a", "idea").exit_code == 1
    assert "a" in [row[0] for row in rows(store, "branch")]

    rows(store, "branch", "-d", "a", "b")
    rows(store, "undo")

    assert [row[0] for row in rows(store, "branch")] == ["a", "b", "idea", "main"]


def test_switch_creates_and_goes_back(store: Run) -> None:
    """`-c` creates and stands there, `-` goes to the branch before, across commands."""
    assert rows(store, "switch", "-c", "new", "v1")[0][0] == "new"
    assert rows(store, "switch", "-")[0][0] == "main"
    assert rows(store, "switch", "-")[0][0] == "new"
    assert rows(store, "switch", "--orphan", "fresh") == [["fresh", ""]]
    assert [row[2:4] for row in rows(store, "branch")] == [["0", "0"]] * 3
    assert rows(store, "log") == []
    rows(store, "commit", "begin")
    assert len(rows(store, "log")) == 1


def test_checkout_stays_on_a_commit_and_goes_back(store: Run) -> None:
    """The next command stands there, reads, refuses to write, and `-` returns to the branch."""
    first = rows(store, "checkout", "v1")[0]

    assert first[0] == "detached"
    assert len(rows(store, "log")) == 1
    refused = store("commit", "more")
    assert refused.exit_code == 1
    assert "tract switch -c NAME" in refused.stderr
    assert dict(row[:2] for row in rows(store, "status"))["next"].startswith("Keep work with `tract switch -c")
    assert rows(store, "checkout", "-")[0][0] == "main"
    assert [path.name for path in Path().iterdir()] == [".tract.db"]
    rows(store, "checkout", "v1")
    assert rows(store, "switch", "-c", "kept")[0] == ["kept", first[1]]
    assert rows(store, "checkout", "idea")[0][0] == "idea"


def test_a_note_of_a_commit_that_is_gone_or_torn_is_passed_over(store: Run) -> None:
    """The command stands on the branch and says so."""
    note = Path(".tract.db-checkout")
    note.write_text(json.dumps({"default": "0" * 64}))
    gone = store("status")
    note.write_text("{")
    torn = store("status")

    assert (gone.exit_code, torn.exit_code) == (0, 0)
    assert "is gone" in gone.stderr
    assert "passed over" in torn.stderr


def test_a_store_on_a_server_keeps_no_commit_checked_out() -> None:
    """There is no file to note it beside; the error names the command to use instead."""
    with Tract.open() as t:
        t.checkout(t.user("one"))

        with pytest.raises(InvalidInputError, match="on a server") as caught:
            remember(t, "postgresql+psycopg://host/db")

    assert "tract switch -c" in str(caught.value.hint)


def test_there_is_nowhere_to_go_back_to(run: Run) -> None:
    """A tract that was never switched, and one whose other branch is gone."""
    run("init")
    rows(run, "commit", "one")
    never = run("switch", "-")
    rows(run, "switch", "-c", "new")
    rows(run, "branch", "-D", "main", "--yes")

    assert [result.exit_code for result in (never, run("checkout", "-"))] == [1, 1]


def test_tags(store: Run) -> None:
    """Create, list, delete, and undo of that."""
    rows(store, "tag", "v2")
    assert [row[0] for row in rows(store, "tag")] == ["v1", "v2"]
    rows(store, "tag", "-d", "v1")
    assert [[row[0], row[2]] for row in rows(store, "tag")] == [["v2", "second"]]
    rows(store, "undo")
    assert len(json.loads(store("tag", "--json").stdout)["tags"]) == 2


def test_reset(store: Run) -> None:
    """Soft keeps ORIG_HEAD; hard needs a yes, and says with --dry-run what it would take off."""
    tip = rows(store, "log")[0][0]
    assert rows(store, "reset", "v1")[0][3] == "1"
    assert rows(store, "reset", "ORIG_HEAD")[0][2] == tip

    refused, looked = store("reset", "--hard", "v1"), rows(store, "reset", "--hard", "v1", "--dry-run")

    assert (refused.exit_code, refused.stdout) == (3, "")
    assert looked[0][1] == rows(store, "log")[0][0] == tip
    rows(store, "reset", "--hard", "v1", "--yes")
    assert len(rows(store, "log")) == 1
    rows(store, "undo")
    assert rows(store, "log")[0][0] == tip


def test_a_terminal_is_asked(store: Run, tmp_path: Path) -> None:
    """On a terminal the question is shown; a no changes nothing."""
    asked = on_terminal("reset", "--hard", "v1", folder=tmp_path, keys=b"n\n")

    assert "This takes 1 commit off `main`. Go on? [y/N]" in asked
    assert "Nothing was changed." in asked
    assert len(rows(store, "log")) == 2
    assert "Go on?" in on_terminal("branch", "-D", "idea", folder=tmp_path, keys=b"y\n")
    assert [row[0] for row in rows(store, "branch")] == ["main"]


def test_undo_redo_and_the_operation_log(store: Run) -> None:
    """What was taken back is marked, by whom is said, and redo takes the mark away."""
    rows(store, "commit", "four")
    last = int(rows(store, "op", "log")[0][1])
    undone = rows(store, "undo", "-n", "2")
    assert [row[:2] for row in undone] == [["undone", str(last)], ["undone", str(last - 1)]]

    log = rows(store, "op", "log")

    assert [row[:3] for row in log[:3]] == [
        ["current", str(last + 1), "undo"],
        ["undone", str(last), "commit"],
        ["undone", str(last - 1), "switch"],
    ]
    assert (log[1][3], log[2][3]) == ("cli", "ada")
    assert log[2][5] == "HEAD:idea..main"
    shown = dict(row[:2] for row in rows(store, "op", "show", str(last)))
    assert shown["undone by"] == str(last + 1)
    assert [row[1] for row in rows(store, "redo")] == [str(last - 1)]
    document = json.loads(store("op", "log", "--json").stdout)["operations"]
    assert {one["number"]: one["undone_by"] for one in document[:4]} == {
        last + 2: None, last + 1: None, last: last + 1, last - 1: None
    }  # fmt: skip
    assert [row[2] for row in rows(store, "op", "log", "--ref", "v1")] == ["tag"]


def test_one_operation_is_undone_by_number(store: Run) -> None:
    """The tag goes, what came after stays; an operation others built on is refused with a command as the hint."""
    log = rows(store, "op", "log")
    number = next(row[1] for row in log if row[2] == "tag")
    first = [row[1] for row in log if row[2] == "commit"][-1]

    rows(store, "undo", "--op", number)
    refused = store("undo", "--op", first)

    assert rows(store, "tag") == []
    assert refused.exit_code == 1
    assert "hint: Undo the later ones first with `tract undo -n NUMBER`" in refused.stderr


def test_looking_back_with_at_op(store: Run) -> None:
    """Every read command shows the tract as it was; a write is a wrong command."""
    tagged = next(row[1] for row in rows(store, "op", "log") if row[2] == "tag")

    assert [row[6] for row in rows(store, "--at-op", tagged, "log")] == ["first"]
    assert [row[0] for row in rows(store, "--at-op", tagged, "branch")] == ["main"]
    assert dict(row[:2] for row in rows(store, "--at-op", tagged, "status"))["operation"] == tagged
    assert store("--at-op", tagged, "commit", "x").exit_code == 2
    assert "tract op log" in store("--at-op", "999", "log").stderr


def test_log_as_a_graph(store: Run) -> None:
    """Piped, each commit is one line of graph and cells; HEAD, a tag and the others have their own mark."""
    drawn = [row[:1] + row[2:] for row in rows(store, "log", "--graph", "--all")]
    own = [row[0] for row in rows(store, "log", "--graph", "--all", "--ascii")]

    assert sorted(own) == sorted(row[0].translate(str.maketrans("○◆│├─╯", "o*|+-'")) for row in drawn)
    assert [row[0] for row in drawn if len(row) == 1] == ["├─╯"]
    marks = {row[3]: (row[0].strip("│ "), row[1]) for row in drawn if len(row) > 1}
    assert marks["second"] == ("@", "HEAD,main")
    assert marks["third"] == ("○", "idea")
    assert marks["first"] == ("◆", "v1")
    assert rows(store, "log", "--graph", "-n", "1")[1] == ["~"]
    with Tract.open(".tract.db") as t:
        sizes = [info.context_tokens for info in t.log()]
    assert [row[3] for row in rows(store, "log", "--graph")] == [f"+{sizes[0] - sizes[1]}", f"+{sizes[1]}"]


def test_log_filters(store: Run) -> None:
    """By time, author, what the commit does, and a range; `--oneline` has names."""
    with Tract.open(".tract.db") as t:
        t.commit("five", author="Grace", message="fifth")
        t.edit("HEAD~1", "2", message="edited")

    assert [row[6] for row in rows(store, "log", "--author", "grace")] == ["fifth"]
    assert [row[6] for row in rows(store, "log", "--op", "edit")] == ["edited"]
    assert rows(store, "log", "--until", "2d") == []
    assert len(rows(store, "log", "--since", "yesterday")) == 4
    assert [row[6] for row in rows(store, "log", "idea..main")] == ["edited", "fifth", "second"]
    assert [row[1:] for row in rows(store, "log", "--oneline", "v1")] == [["v1", "first"]]
    assert [row[0] for row in rows(store, "log", "--graph", "--op", "edit")] == ["@", "~"]
    assert store("log", "--since", "soon").exit_code == 2


def test_log_on_a_terminal_has_two_lines_or_one(store: Run, tmp_path: Path) -> None:
    """The graph fills the width to the column, names the branches, and has its tokens at the right edge."""
    both = on_terminal("log", "--graph", "--all", folder=tmp_path, NO_COLOR="1").splitlines()
    short = on_terminal("log", "--graph", "--all", "--oneline", folder=tmp_path, NO_COLOR="1").splitlines()
    listed = on_terminal("log", "--oneline", folder=tmp_path, NO_COLOR="1").splitlines()

    assert (len(both), len(short), len(listed)) == (6, 4, 2)
    assert {len(line) for line in both[::2]} == {100}
    assert [line for line in short if "main*" in line and line.startswith("│ @")]
    assert short[2] == "├─╯"
    assert listed[0].endswith(" main* second")


def test_a_terminal_without_unicode_gets_ascii(store: Run, tmp_path: Path) -> None:
    """Where the output is not UTF-8, the graph is ASCII by itself."""
    result = program("log", "--graph", "--all", folder=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert result.returncode == 0
    assert b"+-'" in result.stdout


def test_diff(store: Run) -> None:
    """An edit against its target by default; a range; numbers; an exit code on demand."""
    rows(store, "commit", "--edit", "HEAD", "2")

    lines = store("diff").stdout.splitlines()

    assert lines[0].startswith("changed: message 1, user, ")
    assert lines[1:4] == ["@@ -1 +1 @@", "-two", "+2"]
    assert rows(store, "diff", "v1..HEAD", "--stat")[-1][:4] == ["total", "1", "0", "0"]
    assert [row[0] for row in rows(store, "diff", "idea", "main", "--stat")] == ["added", "removed", "total"]
    assert store("diff", "--exit-code").exit_code == 1
    assert store("diff", "HEAD", "HEAD", "--exit-code").exit_code == 0
    document = json.loads(store("diff", "--json").stdout)
    assert document["changes"][0]["lines"][1] == {"tag": "removed", "text": "-two"}


def test_blame(store: Run) -> None:
    """Each line has its commit, operation and actor."""
    rows(store, "commit", "--edit", "HEAD", "two\nand more")

    lines = rows(store, "blame")

    assert [(row[2], row[4], row[5], row[6]) for row in lines] == [
        ("ada", "user", "0:1", "one"),
        ("ada", "user", "1:1", "two"),
        ("cli", "user", "1:2", "and more"),
    ]
    assert json.loads(store("blame", "v1", "--json").stdout)["messages"][0]["lines"][0]["actor"] == "ada"


def test_find(store: Run) -> None:
    """Text, tag, metadata and generation config, alone and together."""
    with Tract.open(".tract.db") as t:
        t.assistant("Four", generation_config={"model": "m1", "temperature": 0.9}, metadata={"ticket": 7})
        t.assistant("Five", generation_config={"model": "m2", "temperature": 0.1}, metadata={"ticket": "7"})

    def found(*arguments: str) -> list[str]:
        return [row[6] for row in rows(store, "find", *arguments)]

    assert found("TWO") == ["second"]
    assert found("--tag", "v1") == ["first"]
    assert found("--metadata", "ticket=7") == ["Four"]
    assert found("--config", "temperature>0.5") == ["Four"]
    assert found("--config", "model in m1,m2") == ["Five", "Four"]
    assert found("--config", "temperature between 0,0.5", "--config", "model != m1") == ["Five"]
    assert found("five", "--config", 'model = "m2"', "-n", "1") == ["Five"]
    assert found("three") == []
    assert found("three", "--at", "idea") == ["third"]
    assert store("find", "--config", "warm").exit_code == 2
    assert store("find", "--metadata", "ticket").exit_code == 2


def test_search(store: Run) -> None:
    """Commit, tract, score, whether anything leads to it and a piece in one line; JSON says where the words are."""
    with Tract.open(".tract.db") as t:
        undone = t.user("a word\nthat was\tundone", message="fifth")
        t.undo()

    assert rows(store, "search", "THREE") == [
        [rows(store, "log", "idea")[0][0], "default", "0.868", "reachable", "three"]
    ]
    assert [row[1:] for row in rows(store, "search", '"word\nthat"')] == [
        ["default", "0.862", "unreachable", "a word that was undone"]
    ]
    assert [row[4] for row in rows(store, "search", "--", "o", "-two")] == ["a word that was undone", "one"]
    assert rows(store, "search", "three", "--scope", "ancestry") == []
    assert len(rows(store, "search", "three", "--at", "idea")) == 1
    assert len(rows(store, "search", "-n", "1", "--rebuild")) == 1
    assert len(rows(store, "--at-op", "2", "search")) == 1
    found = json.loads(store("search", "undone", "--json").stdout)["hits"]
    assert [(hit["commit"]["hash"], hit["matches"], hit["is_reachable"]) for hit in found] == [
        (undone.hash, [[16, 22]], False)
    ]
    assert store("search", "x", "--scope", "all").exit_code == 2


def test_search_marks_what_was_found_on_a_terminal(store: Run) -> None:
    """Two lines for each hit, the words in bold."""
    shown = on_terminal("--color", "always", "search", "hre", "role:user", folder=Path.cwd())

    assert "t\x1b[1mhre\x1b[0me" in shown
    assert "default" in shown


def test_bisect_runs_a_command(run: Run, tmp_path: Path) -> None:
    """The command gets each context on stdin; 0 is good, 125 skips, 1 is bad; the commit found is printed."""
    with Tract.open(".tract.db") as t:
        infos = [t.user(f"word {n}", message=f"commit {n}") for n in range(12)]
    test = tmp_path / "test.sh"
    test.write_text('input=$(cat)\nif echo "$input" | grep -q "word 7"; then echo broken; exit 1; fi\n')

    result = run("bisect", "run", "--good", infos[0].hash, "sh", str(test))
    whole = run("bisect", "run", "--json", "--good", infos[0].hash, "--bad", "HEAD", "sh", str(test))

    assert result.exit_code == 0
    assert result.stdout.split("\t")[3] == "commit 7\n"
    assert result.stderr.count("note: ") == json.loads(whole.stdout)["runs"] <= 6


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("exit 125", 1, "cannot be tested"),
        ("exit 128", 1, "exit code 128"),
        ("kill -9 $$", 1, "signal 9"),
        ("exit 1", 1, "fails at"),
    ],
)
def test_a_bisect_that_cannot_go_on(script: str, code: int, message: str, store: Run) -> None:
    """A command that cannot test the ends, aborts, dies, or calls the good commit bad ends the search."""
    result = store("bisect", "run", "--good", "v1", "sh", "-c", script)

    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_a_bisect_hidden_by_untestable_commits_names_the_candidates(run: Run) -> None:
    """Those it may be are printed, with exit code 1."""
    with Tract.open(".tract.db") as t:
        infos = [t.user(f"word {n}", message=f"commit {n}") for n in range(4)]
    script = f"case $TRACT_COMMIT in {infos[0].hash}) exit 0;; {infos[3].hash}) exit 1;; *) exit 125;; esac"

    result = run("bisect", "run", "--good", infos[0].hash, "sh", "-c", script)

    assert result.exit_code == 1
    assert [line.split("\t")[3] for line in result.stdout.splitlines()] == ["commit 1", "commit 2", "commit 3"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["branch", "-d"],
        ["branch", "a", "b", "c"],
        ["branch", "-m"],
        ["branch", "a", "--dry-run"],
        ["branch", "-m", "x", "--describe", "y"],
        ["branch", "--describe", "x", "a", "b"],
        ["switch", "main", "v1"],
        ["tag", "-d"],
        ["tag", "-d", "v1", "v1"],
        ["log", "--all", "v1"],
        ["undo", "-n", "1", "--op", "2"],
        ["bisect", "run", "true"],
    ],
)
def test_commands_that_make_no_sense_are_code_2(arguments: list[str], store: Run) -> None:
    """They change nothing and say what to give instead."""
    before = len(rows(store, "op", "log"))

    result = store(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert len(rows(store, "op", "log")) == before


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["switch", "nothing-like-it"], "tract branch"),
        (["tag", "-d", "nothing-like-it"], "tract tag"),
        (["op", "show", "99"], "tract op log"),
        (["redo"], "tract op log"),
        (["undo", "-n", "99"], "tract op log"),
        (["branch", "-D", "main", "--yes"], "tract switch NAME"),
    ],
)
def test_errors_hint_at_commands(arguments: list[str], hint: str, store: Run) -> None:
    """What is not there or cannot be is code 1, with the command that helps."""
    result = store(*arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert hint in result.stderr.partition("hint: ")[2]


def test_names_of_branches_and_tags_complete(store: Run, tmp_path: Path) -> None:
    """`switch` completes branches only, `tag -d` tags only, `reset` every revision."""

    def complete(words: str) -> set[str]:
        variables = {"_TRACT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        lines = program(folder=tmp_path, **variables).stdout.decode().splitlines()
        return {line.partition(",")[2] for line in lines if line}

    assert complete("tract switch ") == {"idea", "main"}
    assert complete("tract tag -d ") == {"v1"}
    assert {"HEAD", "idea", "main", "v1"} < complete("tract reset ")
