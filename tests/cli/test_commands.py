"""Shows what each command does, prints and returns."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, on_terminal, program
from tests.gates import source
from tract import Tract
from tract.importers import import_file

CONVERSATIONS = str(source.ROOT / "tests" / "data" / "airline-conversations.jsonl")


def _store(folder: Path, **config: Any) -> None:
    with Tract.open(folder / ".tract.db", config=config) as t:
        t.user("Hello")


def test_the_main_job_from_the_command_line(run: Run) -> None:
    """Init, commit from an argument, stdin and a file, edit, compile: each continues where the last one ended."""
    Path("reply.txt").write_text("Hi\n")
    assert run("init").output == ".tract.db\tdefault\n"
    assert run("commit", "--role", "system", "Be kind.").exit_code == 0
    assert run("commit", "-m", "greeting", "-", stdin="Hellö\n").exit_code == 0
    assert run("commit", "--role", "assistant", "--file", "reply.txt").exit_code == 0
    assert run("commit", "--edit", "HEAD~1", "Bye").exit_code == 0

    messages = json.loads(run("compile", "--format", "openai").stdout)

    assert messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Hi\n"},
    ]
    assert json.loads(run("compile", "--format", "openai_responses").stdout)["instructions"] == "Be kind."
    gemini = json.loads(run("compile", "--format", "gemini", "--json").stdout)
    assert [turn["role"] for turn in gemini["contents"]] == ["user", "model"]
    assert gemini["format"] == "gemini"
    log = [line.split("\t") for line in run("log").stdout.splitlines()]
    assert [(row[1], row[2], row[6][:8]) for row in log[1:]] == [
        ("append", "model", "Hi"),
        ("append", "user", "greeting"),
        ("append", "system", "Be kind."),
    ]
    assert log[0][1] == "edit"
    assert run("compile", "--at", "HEAD~1").stdout.splitlines()[1].endswith("\tuser\tHellö\\n")


@pytest.mark.parametrize(
    "command", [["log"], ["status"], ["show"], ["compile"], ["fsck"], ["doctor"], ["config", "list"]]
)
def test_read_commands_print_one_json_document(command: list[str], run: Run) -> None:
    """`--json` before or after the command gives the same document, with its version."""
    run("init")
    run("commit", "Hello")

    after, before = run(*command, "--json"), run("--json", *command)

    assert after.exit_code == 0
    assert json.loads(after.stdout)["schema_version"] == 1
    assert after.stdout == before.stdout


def test_status_shows_the_budget(run: Run) -> None:
    """Tokens and limit are rows when piped; a commit over the budget warns on stderr and is kept."""
    run("init")
    run("config", "set", "budget.limit_tokens", "20")
    run("commit", "Hello")

    over = run("commit", "word " * 50)
    rows = dict(line.split("\t")[:2] for line in run("status").stdout.splitlines())

    assert over.exit_code == 0
    assert "warning: The context holds" in over.stderr
    assert (rows["branch"], rows["limit"]) == ("main", "20")
    assert int(rows["tokens"]) > 50


def test_bare_tract_shows_help_or_status(run: Run) -> None:
    """Without a store there is help; with one, its status, also from a folder below."""
    assert run().output.startswith("Usage: tract")
    run("init")

    assert run().output == run("status").output
    below = Path("a/b")
    below.mkdir(parents=True)
    assert program("status", folder=below).stdout.startswith(b"tract\tdefault\n")


def test_the_store_is_named_by_option_before_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--db` wins over TRACT_DB, that over the folder; `--tract` names another context in it."""
    for name in ("a", "b"):
        run("--db", f"{name}.db", "init")
        run("--db", f"{name}.db", "commit", f"in {name}")
    monkeypatch.setenv("TRACT_DB", "a.db")
    run("--tract", "other", "init")

    assert "in b" in run("--db", "b.db", "log").stdout
    assert "in a" in run("log").stdout
    assert run("--tract", "other", "log").stdout == ""


def test_import_and_look_at_a_branch(run: Run) -> None:
    """Forty conversations become forty branches; log, show and compile take their names."""
    run("init")
    imported = run("import", CONVERSATIONS)

    assert len(imported.stdout.splitlines()) == 40
    assert len(run("log", "airline-35-3", "-n", "100").stdout.splitlines()) == 8
    assert len(json.loads(run("compile", "--at", "airline-35-3", "--format", "openai").stdout)) == 8
    again = run("import", CONVERSATIONS)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "error: A branch `airline-00-0` exists already." in again.stderr


def test_import_reads_stdin(run: Run) -> None:
    """`-` takes the file from a pipe."""
    run("init")

    result = run("import", "-", stdin='[{"role": "user", "content": "Hello"}]')

    assert result.stdout.split("\t")[:2] == ["main", "1"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["log"], 1, "No tract store"),
        (["init"], 0, ""),
        (["show", "zzzz"], 1, "No commit, branch or tag matches"),
        (["--tract", "x", "log"], 1, "No tract `x`"),
        (["lgo"], 2, "Did you mean `log`?"),
        (["log", "--limit", "-1"], 2, "-1"),
        (["commit"], 2, "Give the text"),
        (["commit", ""], 1, "nothing to commit"),
        (["commit", "--edit", "HEAD", "--role", "user", "x"], 2, "An edit keeps the role"),
        (["config", "set", "tokeniser", "x"], 2, "Did you mean `tokenizer`?"),
        (["config", "set", "budget.limit_tokens", "none"], 2, "budget"),
        (["config", "set", "default_branch", "a b"], 2, "not a valid name"),
        (["config", "get", "nope"], 2, "no setting `nope`"),
        (["import", "missing.json"], 1, "cannot be read"),
        (["compile", "--format", "cohere"], 2, "cohere"),
    ],
)
def test_errors_have_a_sentence_a_hint_and_a_code(arguments: list[str], code: int, message: str, run: Run) -> None:
    """Nothing but the error reaches stderr, nothing reaches stdout, and no Python shows."""
    if arguments not in (["log"], ["init"]):
        run("init")

    result = run(*arguments)

    assert result.exit_code == code
    assert message in result.stderr
    if code:
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert not {"`t.", "Tract.open", "Traceback"} & set(result.stderr.split())


def test_hints_name_commands_and_not_calls(run: Run) -> None:
    """What the library says in Python the command line says in commands."""
    run("init")

    assert "hint: List recent commits with `tract log`." in run("show", "beef").stderr


def test_a_damaged_store_is_exit_4(run: Run) -> None:
    """A flipped byte in a content is found by fsck and refused by compile, both with code 4."""
    run("init")
    run("commit", "The quick brown fox jumps over the lazy dog.")
    data = bytearray(Path(".tract.db").read_bytes())
    at = data.find(b"quick brown")
    assert at > 0
    data[at] ^= 1
    Path(".tract.db").write_bytes(data)

    fsck, compiled = run("fsck"), run("compile")

    assert (fsck.exit_code, compiled.exit_code) == (4, 4)
    assert fsck.stdout.startswith("blob-damaged\t")
    assert compiled.stdout == ""


def test_a_busy_store_is_exit_5(run: Run) -> None:
    """A writer that holds the store longer than the deadline is reported as such."""
    run("init")
    run("config", "set", "busy_timeout_seconds", "0.2")
    with Tract.open(".tract.db") as t, t.batch():
        t.user("holding on")
        result = run("commit", "too late")

    assert result.exit_code == 5
    assert result.stderr.startswith("error: The store stayed locked")


def test_doctor_reports_what_is_not_in_order(run: Run) -> None:
    """A store others may read and a file that is no store are bad, with exit 1."""
    run("init")
    assert run("doctor").exit_code == 0
    Path(".tract.db").chmod(0o644)
    Path("other.db").write_text("not a store")

    open_to_all, no_store = run("doctor"), run("--db", "other.db", "doctor")

    assert (open_to_all.exit_code, no_store.exit_code) == (1, 1)
    assert "permissions\tbad\t0644" in open_to_all.stdout
    assert "store\tbad\t" in no_store.stdout


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`tract log | head -1` ends quietly with 0."""
    with Tract.open(tmp_path / ".tract.db") as t:
        import_file(t, CONVERSATIONS)
    script = "import subprocess,sys; a=subprocess.Popen([sys.executable,'-m','tract','compile','--at','airline-00-0'],"
    script += "stdout=subprocess.PIPE,stderr=subprocess.PIPE); a.stdout.close(); e=a.stderr.read(); print(a.wait(), e)"
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert result.stdout == "0 b''\n"


@pytest.mark.parametrize(
    ("option", "variables", "is_coloured"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_when_piped(option: str, variables: dict[str, str], is_coloured: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """`--color` wins over NO_COLOR, that over FORCE_COLOR, that over the pipe; the columns stay."""
    _store(tmp_path)

    line = program("--color", option, "log", folder=tmp_path, **variables).stdout

    assert (b"\x1b[" in line) is is_coloured
    assert line.count(b"\t") == 6


def test_colour_on_a_terminal(tmp_path: Path) -> None:
    """A terminal gets colour, a header and the budget as a bar; NO_COLOR takes only the colour away."""
    _store(tmp_path, budget={"limit_tokens": 100})

    assert "\x1b[" in on_terminal("log", folder=tmp_path)
    plain = on_terminal("log", folder=tmp_path, NO_COLOR="1")
    assert "\x1b[" not in plain
    assert plain.split()[:3] == ["commit", "op", "origin"]
    assert "% of 100 tokens" in on_terminal("status", folder=tmp_path)


def test_demo_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """It ends with 0, says the store is whole and leaves no file."""
    result = program("demo", folder=tmp_path)

    assert result.returncode == 0
    assert b"0 problems" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, run: Run) -> None:
    """Each shell gets a script that asks `tract`."""
    assert "_TRACT_COMPLETE" in run("completion", shell).stdout


def test_names_complete(tmp_path: Path) -> None:
    """Commands, branches and settings complete; without a store there is nothing, and no error."""

    def complete(words: str) -> list[str]:
        variables = {"_TRACT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        result = program(folder=tmp_path, **variables)
        assert result.stderr == b""
        return [line.partition(",")[2] for line in result.stdout.decode().splitlines() if line]

    assert complete("tract show ma") == []
    _store(tmp_path)

    assert complete("tract show ma") == ["main"]
    assert complete("tract co") == ["collapse", "commit", "compile", "completion", "compress", "config"]
    assert complete("tract config get budget.l") == ["budget.limit_tokens"]


def test_a_group_alone_shows_its_help(run: Run) -> None:
    """`tract config` says what there is, as lines; the exit code says that nothing was done."""
    result = run("config")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: tract config")
    assert len(result.stderr.splitlines()) > 5


def test_compile_fits_a_budget_and_says_what_is_missing(run: Run) -> None:
    """On stderr, one line each, and in the document; stdout has what is left."""
    run("init")
    for number in range(6):
        run("commit", f"question {number}")

    fitted = run("compile", "--budget", "26")
    windowed = run("compile", "--budget", "26", "--strategy", "window", "--json")
    exceeded = run("compile", "--budget", "5")
    unlimited = run("compile", "--strategy", "newest")
    run("config", "set", "budget.limit_tokens", "26")
    of_the_tract = run("compile", "--strategy", "newest")

    assert [line.split("\t")[2] for line in fitted.stdout.splitlines()] == ["question 3", "question 4", "question 5"]
    warning, *notes = fitted.stderr.splitlines()
    assert warning == "warning: Left out 3 of 6 messages, 21 tokens, to fit 26 tokens (newest)."
    assert [note.split(" ", 4)[4] for note in notes] == ["user, 7 tokens (older)"] * 3
    document = json.loads(windowed.stdout)
    assert [one["tokens"] for one in document["left_out"]] == [7, 7, 7]
    assert len(document["messages"]) == 3
    assert (exceeded.exit_code, unlimited.exit_code) == (1, 1)
    assert "would hold 10 tokens; the budget is 5" in exceeded.stderr
    assert of_the_tract.stdout == fitted.stdout
