"""What tests show of files holds for databases: a part of them runs on PostgreSQL, `make test-postgres` runs all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PART = {
    "guarantees": ["tests/reliability/test_all_or_nothing.py", "-k", "batch or opening"],
    "verbs": [f"tests/operations/test_{name}.py" for name in ("undo", "cherry_pick")],
    "contexts": [f"tests/compile/test_{name}.py" for name in ("costs", "blame")],
    "agents": [f"tests/agent/test_{name}.py" for name in ("failing_steps", "behaviours")],
}


@pytest.mark.about_files  # it starts what else runs on PostgreSQL
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", PART)
def test_what_holds_for_files_holds_for_databases(part: str) -> None:
    """The same tests, each name of a file standing for a database: all pass, and none is skipped."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    options = ["-n", "0", "-q", "-p", "no:cacheprovider", "--store=postgresql", "--timeout=500"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *PART[part]],
        cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    last = done.stdout.splitlines()[-1]
    passed = re.search(r"(\d+) passed", last)
    assert passed is not None, last
    assert int(passed[1]) >= 4
    assert "skipped" not in last
