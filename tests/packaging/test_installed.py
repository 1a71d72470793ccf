"""Shows that the wheel works where nothing else of this repository is."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.gates import source


@pytest.mark.slow
def test_an_installed_wheel_runs_the_demo(tmp_path: Path) -> None:
    """Built, installed in an empty environment and run from another folder, `tract demo` shows the main job.

    The dependencies are those already installed here, put on the path behind the environment's own packages, so the
    test needs no network; that they are all declared is what `tract doctor` looks at.
    """
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source.ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=110)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    paths = {"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    install = [sys.executable, "-m", "pip", "--python", str(tmp_path / "env" / "bin" / "python"), "install", "-q"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True, timeout=60)
    # Only the folder, not its .pth files: the editable install of this repository stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    variables = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "TRACT_DB"}}

    def run(*command: str) -> str:
        result = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True, timeout=60
        )
        return result.stdout

    bin_ = tmp_path / "env" / "bin"
    where = run(str(bin_ / "python"), "-c", "import tract; print(tract.__file__)")

    assert Path(where.strip()).is_relative_to(packages)
    assert "0 problems" in run(str(bin_ / "tract"), "demo")
    run(str(bin_ / "tract"), "init")
    assert (tmp_path / ".tract.db").stat().st_mode & 0o777 == 0o600
    assert "\tbad\t" not in run(str(bin_ / "tract"), "doctor")
