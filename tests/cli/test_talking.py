"""`tract chat` and the models of operations in `tract config` and `tract status`."""

import json

import pytest

from tests.cli.conftest import Run
from tests.providers.fixtures import provider_server
from tests.providers.server import Provider
from tract import Tract

__all__ = ["provider_server"]


@pytest.fixture
def _configured(run: Run, provider_server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", provider_server.key)
    run("init")
    run("config", "set", "chat.provider", "anthropic")
    run("config", "set", "chat.base_url", provider_server.anthropic_url)
    run("config", "set", "chat.model", "claude")


@pytest.mark.usefixtures("_configured")
def test_chat_prints_the_reply_and_keeps_it(run: Run, provider_server: Provider) -> None:
    """With every character of it visible."""
    provider_server.script.say("Green\x1b[31m tea.\nBlack tea.")

    result = run("chat", "Which teas?")

    assert (result.exit_code, result.stdout) == (0, "Green\\x1b[31m tea.\nBlack tea.\n")
    assert [json.loads(run("--json", "log").stdout)["commits"][n]["origin"] for n in (0, 1)] == ["model", "user"]


@pytest.mark.usefixtures("_configured")
def test_chat_as_a_document(run: Run, provider_server: Provider) -> None:
    """Without text it answers what is committed; `-` reads the question."""
    provider_server.script.say("Green.")
    run("commit", "Which teas?")

    document = json.loads(run("chat", "--json", "--max-tokens", "50").stdout)
    from_stdin = run("chat", "-", stdin="And coffee?")

    assert (document["text"], document["finish_reason"]) == ("Green.", "stop")
    assert document["generation_config"]["max_tokens"] == 50
    assert document["usage"]["input_tokens"] > 0
    assert document["commit"]["sent"]["format"] == "anthropic"
    assert from_stdin.exit_code == 0


@pytest.mark.usefixtures("_configured")
def test_chat_that_fails_keeps_the_question_once(run: Run, provider_server: Provider) -> None:
    """One sentence, a hint and exit code 1."""
    provider_server.fail(status=400, message="no", times=2)

    first, second = run("chat", "Which teas?"), run("chat", "Which teas?")

    assert (first.exit_code, second.exit_code) == (1, 1)
    assert first.stderr.startswith("error: ")
    assert len(json.loads(run("--json", "log").stdout)["commits"]) == 1


def test_chat_without_a_model_says_how_to_name_one(run: Run) -> None:
    """Nothing is committed."""
    run("init")

    result = run("chat", "Which teas?")

    assert result.exit_code == 1
    assert "tract config set chat.provider" in result.stderr
    assert json.loads(run("--json", "log").stdout)["commits"] == []


def test_the_models_of_operations_are_settings(run: Run) -> None:
    """Set, listed with what they are, shown by `status` with where they come from, and taken back."""
    run("init")
    assert run("config", "set", "compress.model", "small").exit_code == 0
    run("config", "set", "compress.provider", "ollama")
    run("config", "set", "compress.temperature", "0.5")
    rows = dict(line.split("\t") for line in run("config", "list").stdout.splitlines())
    status = json.loads(run("--json", "status").stdout)["models"]

    assert (rows["compress.model"], rows["compress.temperature"], rows["chat.model"]) == ("small", "0.5", "null")
    assert status["compress"]["model"] == {"value": "small", "source": "operation"}
    assert status["chat"] == {}
    assert "model small (operation)" in run("status").stdout
    assert run("config", "set", "compress.model", "null").exit_code == 0
    assert run("config", "get", "compress.model").stdout == "null\n"
    assert run("config", "get", "compress.provider").stdout == "ollama\n"
    assert run("config", "set", "chat.temperature", "hot").exit_code == 2
    assert run("config", "set", "chat.llm", "x").exit_code == 2


def test_a_model_decides_a_merge_and_says_why(
    run: Run, provider_server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tract merge --strategy semantic` shows its reason and leaves with 3; `--continue` writes what it decided."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", provider_server.key)
    run("init")
    for name, value in (("provider", "anthropic"), ("base_url", provider_server.anthropic_url), ("model", "claude")):
        run("config", "set", f"merge.{name}", value)
    with Tract.open(".tract.db") as t:
        asked = t.user("Two days?")
        t.branch("idea")
        t.edit(asked, "Two days, please?")
        t.switch("main")
        t.edit(asked, "Three days?")
    answer = {"issue": f"both_edited:{asked.short_hash}", "action": "use", "content": "Three days, please?"}
    provider_server.script.say(json.dumps({**answer, "reason": "Both hold."}))

    waits = run("merge", "idea", "--strategy", "semantic")
    shown = json.loads(run("--json", "merge").stdout)["conflicts"][0]

    assert waits.exit_code == 3
    assert waits.stdout.splitlines()[-1] == "reason\t1\tBoth hold."
    assert (shown["decision"], shown["content"], shown["reason"]) == ("use", "Three days, please?", "Both hold.")
    assert run("merge", "--continue").exit_code == 0
    assert "Three days, please?" in run("compile").stdout
    provider_server.script.say("I would rather not.")
    run("undo")
    assert run("merge", "--abort").exit_code == 0
    refused = run("merge", "idea", "--strategy", "semantic")
    assert refused.exit_code == 1
    assert "error: The model's answer cannot be used" in refused.stderr


def test_a_model_writes_summaries_unless_told_not_to(
    run: Run, provider_server: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tract compress` asks the model configured for it; `--offline` and `--content` ask nobody."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", provider_server.key)
    run("init")
    for name, value in (("provider", "anthropic"), ("base_url", provider_server.anthropic_url), ("model", "claude")):
        run("config", "set", f"compress.{name}", value)
    for number in range(3):
        run("commit", f"Order {number}: " + "two boxes of green tea, to be sent on Monday. " * 5)
    provider_server.script.say("Three orders of green tea.")

    by_model = run("--json", "compress", "--instructions", "Be brief.")
    run("undo")
    offline, by_hand = (
        run("--json", "compress", "--offline", "--dry-run"),
        run("--json", "compress", "--content", "Tea."),
    )

    assert [json.loads(one.stdout)["summaries"][0]["summarizer"] for one in (by_model, offline, by_hand)] == [
        "model",
        "extractive",
        "manual",
    ]
    assert len(provider_server.requests) == 1
    assert "Be brief." in json.dumps(provider_server.requests[0].body)
