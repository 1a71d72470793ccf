"""Shows that the wheel carries everything the package reads at run time."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.gates import source


@pytest.mark.slow
def test_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    """Each file below src/tract, code or data, is in the wheel, next to the licence and the command."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source.ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=110)
    (wheel,) = tmp_path.glob("tract_sdk-*.whl")
    expected = {
        path.relative_to(source.SRC).as_posix()
        for path in source.PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = next(name for name in names if name.endswith("entry_points.txt"))
        commands = archive.read(entry_points).decode()

    assert "tract/py.typed" in expected
    assert expected - names == set()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "tract = tract.cli.main:main" in commands
