"""Answers how a script in the percent format is run as a notebook: cell by cell, by a real kernel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARK = re.compile(r"^# %%(?P<markdown> \[markdown\])?\n", re.MULTILINE)


def cells_of(script: Path) -> list[dict[str, Any]]:
    """Return the cells of *script*, in the shape of a notebook file."""
    begin, *parts = _MARK.split(script.read_text(encoding="utf-8"))
    assert not begin.strip(), f"{script} begins without a cell"
    return [_cell(body, is_markdown=mark is not None) for mark, body in zip(parts[::2], parts[1::2], strict=True)]


def _cell(body: str, *, is_markdown: bool) -> dict[str, Any]:
    if not is_markdown:
        return {"cell_type": "code", "metadata": {}, "source": body, "outputs": [], "execution_count": None}
    lines = body.strip().splitlines()
    assert all(line.startswith("#") for line in lines), f"text outside a comment: {body}"
    return {"cell_type": "markdown", "metadata": {}, "source": "\n".join(line[1:].strip() for line in lines)}


def run(script: Path, folder: Path, environment: Mapping[str, str]) -> str:
    """Run *script* as a notebook in *folder*, and return what its cells print.

    Raises:
        AssertionError: A cell fails.
    """
    notebook = folder / f"{script.stem}.ipynb"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    document = {"nbformat": 4, "nbformat_minor": 4, "metadata": kernel, "cells": cells_of(script)}
    notebook.write_text(json.dumps(document), encoding="utf-8")
    # In a process of its own: the kernel's client has threads and an event loop that outlive the test.
    options = ["-q", "--nbmake", "--overwrite", f"--rootdir={folder}", "-p", "no:cacheprovider", "-p", "no:xdist"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(notebook)],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    return "".join("".join(output.get("text", "")) for output in outputs)
