"""Shows that the wheel works where nothing else of this repository is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gates import source


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and an empty folder to work in."""

    packages: Path
    bin: Path
    folder: Path

    def run(self, command: str, *arguments: str) -> str:
        variables = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "TRACT_DB"}}
        result = subprocess.run(
            [self.bin / command, *arguments],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return an environment with the wheel, built from these sources.

    The dependencies are those already installed here, put on the path behind the environment's own packages, so the
    tests need no network; that they are all declared is what `tract doctor` looks at.
    """
    home = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(home), str(source.ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=110)
    (wheel,) = home.glob("*.whl")
    venv.create(home / "env", with_pip=False)
    paths = {"base": str(home / "env"), "platbase": str(home / "env")}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    install = [sys.executable, "-m", "pip", "--python", str(home / "env" / "bin" / "python"), "install", "-q"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True, timeout=60)
    # Only the folder, not its .pth files: the editable install of this repository stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = home / "elsewhere"
    folder.mkdir()
    return Installed(packages, home / "env" / "bin", folder)


@pytest.mark.slow
def test_an_installed_wheel_runs_the_demo(installed: Installed) -> None:
    """Built, installed in an empty environment and run from another folder, `tract demo` shows the main job."""
    where = installed.run("python", "-c", "import tract; print(tract.__file__)")

    assert Path(where.strip()).is_relative_to(installed.packages)
    assert "0 problems" in installed.run("tract", "demo")
    installed.run("tract", "init")
    assert (installed.folder / ".tract.db").stat().st_mode & 0o777 == 0o600
    assert "\tbad\t" not in installed.run("tract", "doctor")


@pytest.mark.slow
def test_the_quick_start_is_under_ten_lines_to_a_versioned_chat(installed: Installed) -> None:
    """What the README shows, from installing on, is under ten lines; they leave a chat with its history in a file."""
    readme = (source.ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Quick start")[2].partition("\n## ")[0]
    install, code = re.findall(r"```(?:sh|python)\n(.*?)```", section, re.DOTALL)
    lines = [line for line in (install + code).splitlines() if line.strip()]

    shown = installed.run("python", "-c", code)
    history = installed.run("tract", "--db", "chat.db", "log", "--json")

    assert len(lines) < 10
    assert install == "pip install .\n"
    assert "Porto, for the weather." in shown
    assert [commit["message"] for commit in json.loads(history)["commits"]] == [
        "Porto, for the weather.",
        "Where should I go in May?",
        "You plan trips. Be brief.",
    ]
