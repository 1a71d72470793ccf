"""Runs every file of the cookbook: as a script, as a notebook, and against each provider with a key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs import notebook
from tests.gates import source
from tests.providers.fixtures import provider_server
from tests.providers.server import Answer, Provider, Text
from tests.providers.server.script import echo
from tract.llm.providers import PROVIDERS

__all__ = ["provider_server"]

COOKBOOK = source.ROOT / "cookbook"
SCRIPTS = sorted(COOKBOOK.glob("*.py"))
NAMES = [
    "context_care",
    "conversation",
    "models_per_operation",
    "research_team",
    "streaming",
    "switch_provider",
    "tools",
]

# Said by the local provider, whatever the format: two tools are called, then one, then it talks.
TOOL_CALLS = {
    "tools": [
        [{"name": "find_order", "arguments": {"number": 1042}}, {"name": "find_order", "arguments": {"number": 9999}}],
        [{"name": "refund", "arguments": {"number": 1042, "reason": "broken"}}],
    ],
    "switch_provider": [
        [{"name": "weather", "arguments": {"city": "Rome"}}, {"name": "weather", "arguments": {"city": "Oslo"}}]
    ],
}

_NO_NETWORK = """
import sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        raise RuntimeError(f"{event}{arguments!r}: a script without a key went to the network")

sys.addaudithook(refuse)
"""


def _environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return the environment without any provider's variables, and with *variables*; the sources are these ones."""
    own = {name for provider in PROVIDERS.values() for name in (*provider.key_variables, *provider.url_variables)}
    kept = {name: value for name, value in os.environ.items() if name not in own | {"TRACT_DB"}}
    return {**kept, "TMPDIR": str(folder), "HOME": str(folder), "PYTHONPATH": str(source.SRC), **variables}


def _with_key(server: Provider, provider: str) -> dict[str, str]:
    known = PROVIDERS[provider]
    url = server.openai_url if provider == "openai" else server.url
    return {known.key_variables[0]: server.key, known.url_variables[0]: url}


def _run(script: Path, folder: Path, environment: dict[str, str]) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout


def _speak(server: Provider, script: Path) -> None:
    server.script.default = _answer
    for calls in TOOL_CALLS.get(script.stem, []):
        server.script.call_tools(calls)


def _answer(request: dict[str, Any]) -> Answer:
    """Decide what a merge asks, in whatever format; else say how many messages came."""
    issue = re.search(r"both_edited:[0-9a-f]+", json.dumps(request))
    if issue is None:
        return echo(request)
    decision = {"issue": issue[0], "action": "theirs", "content": None, "reason": "It is kinder."}
    return Answer((Text(json.dumps(decision)),))


def test_the_cookbook_is_complete_and_listed() -> None:
    """The promised stories are there, and its README names each file."""
    listed = (COOKBOOK / "README.md").read_text(encoding="utf-8")

    assert [script.stem for script in SCRIPTS] == NAMES
    assert [name for name in NAMES if f"({name}.py)" not in listed] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=source.short)
def test_each_runs_as_a_script_without_a_key(script: Path, tmp_path: Path) -> None:
    """`python cookbook/x.py` shows the history in an empty folder, twice the same way, and opens no connection."""
    (tmp_path / "sitecustomize.py").write_text(_NO_NETWORK)
    environment = _environment(tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{source.SRC}")

    shown = [_run(script, tmp_path, environment) for _ in range(2)]

    assert all(len(text.splitlines()) > 5 for text in shown)
    assert len({len(text.splitlines()) for text in shown}) == 1


def test_a_script_that_goes_to_the_network_is_noticed(tmp_path: Path) -> None:
    """The hook of the test above refuses a connection."""
    (tmp_path / "sitecustomize.py").write_text(_NO_NETWORK)
    script = tmp_path / "leaves.py"
    script.write_text("import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)")

    with pytest.raises(AssertionError, match="went to the network"):
        _run(script, tmp_path, _environment(tmp_path, PYTHONPATH=str(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=source.short)
def test_each_runs_as_a_notebook(script: Path, tmp_path: Path) -> None:
    """Cell after cell in a Jupyter kernel, each prints what the script prints."""
    shown = notebook.run(script, tmp_path, _environment(tmp_path))

    assert len(shown.splitlines()) == len(_run(script, tmp_path, _environment(tmp_path)).splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=source.short)
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_each_runs_with_a_key(script: Path, provider: str, provider_server: Provider, tmp_path: Path) -> None:
    """With one provider's key in the environment that provider is asked, and refuses nothing."""
    if (script.stem, provider) != ("switch_provider", "anthropic"):  # where it is only the second of two
        _speak(provider_server, script)

    shown = _run(script, tmp_path, _environment(tmp_path, **_with_key(provider_server, provider)))

    asked = provider_server.requests
    assert "Got " in shown  # what the server says where it has no script
    assert {request.status for request in asked} == {200}
    assert {request.vendor for request in asked} == {_vendor(provider_server, provider)}
    assert len(provider_server.script) == 0


def _vendor(server: Provider, provider: str) -> str:
    paths = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "gemini": "/v1beta/models/"}
    return next(request.vendor for request in server.requests if request.path.startswith(paths[provider]))


@pytest.mark.slow
@pytest.mark.parametrize("one", ["openai", "gemini"])
def test_a_conversation_moves_between_two_real_providers(one: str, provider_server: Provider, tmp_path: Path) -> None:
    """With both keys the story of the switch asks one provider, then the other, then the first again."""
    script = COOKBOOK / "switch_provider.py"
    _speak(provider_server, script)
    keys = {**_with_key(provider_server, one), **_with_key(provider_server, "anthropic")}

    _run(script, tmp_path, _environment(tmp_path, **keys))

    asked = [request.vendor for request in provider_server.requests]
    here, there = _vendor(provider_server, one), _vendor(provider_server, "anthropic")
    assert asked == [here, here, there, here]
    assert {request.status for request in provider_server.requests} == {200}


@pytest.mark.slow
def test_a_team_works_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """The story of the research team is the same there."""
    script = COOKBOOK / "research_team.py"

    shown = _run(script, tmp_path, _environment(tmp_path, TEAM_URL=postgres_url))

    assert len(shown.splitlines()) == len(_run(script, tmp_path, _environment(tmp_path)).splitlines())


def test_a_notebook_with_a_failing_cell_fails(tmp_path: Path) -> None:
    """An assertion that does not hold in a cell ends the notebook."""
    script = tmp_path / "wrong.py"
    script.write_text("# %% [markdown]\n# # Wrong\n\n# %%\nprint('so far')\n\n# %%\nassert 1 == 2\n")

    assert [cell["cell_type"] for cell in notebook.cells_of(script)] == ["markdown", "code", "code"]
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        notebook.run(script, tmp_path, _environment(tmp_path))
