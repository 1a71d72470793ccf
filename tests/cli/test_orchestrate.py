"""`tract orchestrate`: look first, go ahead, or ask before each change."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, on_terminal
from tests.providers.fixtures import provider_server
from tests.providers.server import Provider
from tract import Tract

__all__ = ["provider_server"]

DAY = "We want to see the old town, eat near the river and be in bed before ten, all of us, every day. " * 2
SUMMARY = "The old town, dinner near the river."
TIDY = {"name": "compress", "arguments": {"summary": SUMMARY, "why": "It is long."}}


@pytest.fixture
def _configured(run: Run, provider_server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", provider_server.key)
    run("init")
    run("config", "set", "orchestrate.provider", "anthropic")
    run("config", "set", "orchestrate.base_url", provider_server.anthropic_url)
    run("config", "set", "orchestrate.model", "claude")
    run("commit", "--role", "user", DAY)
    run("commit", "--role", "assistant", "Noted.")
    provider_server.script.call_tools([{"name": "status", "arguments": {}}, TIDY])
    provider_server.script.say("Tidied\x1b[31m up.")


def texts() -> list[str]:
    """Return what the context says."""
    with Tract.open(".tract.db", read_only=True) as t:
        return [message.text for message in t.compile().messages]


@pytest.mark.usefixtures("_configured")
def test_a_dry_run_only_says(run: Run) -> None:
    """One line for each call: step, outcome, call, operations, why; nothing is changed."""
    result = run("orchestrate", "--dry-run")

    lines = result.stdout.splitlines()
    assert (result.exit_code, lines[0]) == (0, "1\tlooked\tstatus()\t\t")
    assert lines[1] == f'1\tsaid\tcompress("summary": "{SUMMARY}")\t\tIt is long.'
    assert lines[2].startswith("finished: ")
    assert lines[3] == "Tidied\\x1b[31m up."
    assert texts()[0].strip() == DAY.strip()


@pytest.mark.usefixtures("_configured")
def test_auto_goes_ahead(run: Run, provider_server: Provider) -> None:
    """As a document, with the operations; the instructions reach the model."""
    result = run("orchestrate", "Keep the times.", "--auto", "--json", "--profile", "supervisor", "--steps", "5")

    document = json.loads(result.stdout)
    assert (document["state"], document["text"]) == ("finished", "Tidied\x1b[31m up.")
    assert [(one["step"], one["tool"], one["outcome"]) for one in document["calls"]] == [
        (1, "status", "looked"), (1, "compress", "done"),
    ]  # fmt: skip
    assert document["tokens_after"] < document["tokens_before"]
    assert texts() == [f"[summary] {SUMMARY}"]
    shown = json.loads(run("--json", "op", "show", str(document["calls"][1]["operations"][0])).stdout)
    assert "orchestrator" in json.dumps(shown)
    assert "Keep the times." in json.dumps(provider_server.requests[0].body)


@pytest.mark.usefixtures("_configured")
@pytest.mark.parametrize("keys", [b"y\n", b"n\nnot now\n"])
def test_on_a_terminal_it_asks(keys: bytes, tmp_path: Path) -> None:
    """Each call that changes something; after a no nothing is changed."""
    shown = on_terminal("orchestrate", folder=tmp_path, keys=keys)

    assert "step 1: compress" in shown
    assert "why: It is long." in shown
    assert ("rejected" in shown) == (keys[:1] == b"n")
    assert (texts() == [f"[summary] {SUMMARY}"]) == (keys[:1] == b"y")


@pytest.mark.usefixtures("_configured")
def test_where_nobody_can_be_asked_it_says_so(run: Run, provider_server: Provider) -> None:
    """And asks no model; both options at once are none."""
    refused, both = run("orchestrate"), run("orchestrate", "--auto", "--dry-run")

    assert (refused.exit_code, both.exit_code) == (3, 2)
    assert "`--auto`" in refused.stderr
    assert provider_server.requests == []


@pytest.mark.usefixtures("_configured")
def test_limits_and_other_models(run: Run, provider_server: Provider) -> None:
    """`--tokens` ends it before the model is asked; `--model` asks another."""
    assert "tokens: " in run("orchestrate", "--auto", "--tokens", "1").stdout
    assert provider_server.requests == []
    assert run("orchestrate", "--dry-run", "--model", "other").exit_code == 0
    assert "other" in json.dumps(provider_server.requests[0].body)


def test_without_a_model_it_says_what_to_do(run: Run) -> None:
    """One sentence and a hint."""
    run("init")
    result = run("orchestrate", "--dry-run")

    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "error: No model is configured for `orchestrate`.")
    assert "orchestrate" in result.stderr.splitlines()[1]
