"""Runs every example of the README and the docs, without a network; `test_cookbook.py` runs the cookbook.

The Python blocks of one page run in order and share their names, as a reader would type
them. A block that starts with ```` ```console test ```` is a terminal session: each `$ ` line has to
succeed and to print the lines below it, where `...` stands for anything.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tract
from tests.gates import source

PAGES = [source.ROOT / "README.md", *sorted((source.ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PYTHON = frozenset({"python", "py"})


def _blocks(text: str) -> list[tuple[int, str, str]]:
    """Return line, info string and code of each fenced block."""
    return [(text.count("\n", 0, match.start()) + 2, match[1].strip(), match[2]) for match in _BLOCK.finditer(text)]


def _is_api_there() -> bool:
    return hasattr(tract, "Tract")


def _run_python(page: Path) -> int:
    names: dict[str, object] = {"__name__": "__main__"}
    blocks = [(line, code) for line, info, code in _blocks(page.read_text(encoding="utf-8")) if info in _PYTHON]
    for line, code in blocks:
        # Empty lines in front make a traceback show the line of the page.
        compiled = compile("\n" * (line - 1) + code, str(page), "exec")
        if _is_api_there():
            exec(compiled, names)
    return len(blocks)


def _run_console(code: str, folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("TRACT_DB", None)
    for session in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, expected = session.partition("\n")
        result = subprocess.run(
            ["bash", "-euc", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, f"{command}: {result.stderr}"
        pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
        assert re.search(pattern, result.stdout, re.DOTALL), f"{command}: {result.stdout!r} is not {expected!r}"


@pytest.mark.parametrize("page", PAGES, ids=source.short)
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of each page run in order, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    _run_python(page)


@pytest.mark.parametrize("page", PAGES, ids=source.short)
def test_console_examples_run(page: Path, tmp_path: Path) -> None:
    """The marked terminal sessions of each page do and print what they say."""
    sessions = [code for _, info, code in _blocks(page.read_text(encoding="utf-8")) if info == "console test"]
    for code in sessions if importlib.util.find_spec("tract.cli") else []:
        _run_console(code, tmp_path)


def test_readme_has_a_python_example() -> None:
    """The first thing a visitor tries is one of the things that are run."""
    blocks = _blocks((source.ROOT / "README.md").read_text(encoding="utf-8"))

    assert any(info in _PYTHON and "Tract.open" in code for _, info, code in blocks)


def test_fences_are_ones_the_runner_knows() -> None:
    """No block hides from being run behind a label of its own."""
    known = {"python", "py", "console test", "sh", "text", "toml", "json", "sql", ""}
    found = {
        f"{source.short(page)}:{line}: {info}"
        for page in PAGES
        for line, info, _ in _blocks(page.read_text(encoding="utf-8"))
        if info not in known
    }

    assert found == set()


def test_links_lead_somewhere() -> None:
    """Every relative link of the pages points to a file of the repository."""
    found = [
        f"{source.short(page)}: {target}"
        for page in [*PAGES, *source.ROOT.glob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert found == []


def test_a_false_console_example_fails(tmp_path: Path) -> None:
    """A session whose output or exit code is not the one shown does not pass."""
    _run_console("$ echo one two\none ...\n$ true\n", tmp_path)

    with pytest.raises(AssertionError):
        _run_console("$ echo one\ntwo\n", tmp_path)
    with pytest.raises(AssertionError):
        _run_console("$ false\n", tmp_path)
