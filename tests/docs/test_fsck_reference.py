"""Shows that every finding of fsck is on its page, and nothing else."""

from __future__ import annotations

import ast
import re

from tests.gates import source


def test_every_finding_is_on_the_page() -> None:
    """The ids given to `Finding` in the source are those of the table."""
    tree = ast.parse((source.ROOT / "src/tract/operations/fsck.py").read_text(encoding="utf-8"))
    made = {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "Finding"
        and isinstance(call.args[0], ast.Constant)
    }

    page = (source.ROOT / "docs/reference/fsck.md").read_text(encoding="utf-8")

    assert made
    assert made == set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
