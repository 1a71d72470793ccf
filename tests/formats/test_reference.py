"""The reference page names every repair and every loss there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src/tract/formats").glob("*.py")))
PAGE = (ROOT / "docs/reference/formats.md").read_text(encoding="utf-8")

# The kinds that are a part's own type are not literals in the source.
KINDS = {*re.findall(r'\.(?:lose|repair)\(\s*"(\w+)"', SOURCE), "image", "file", "orphan_result", "duplicate_result"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_on_the_page(kind: str) -> None:
    """A reader finds each reported kind in the tables."""
    assert f"`{kind}`" in PAGE


def test_the_kinds_are_found_in_the_source() -> None:
    """The search above sees the reports, so that the test before can fail."""
    assert {"interrupted_result", "tool_id", "order", "position"} <= KINDS
