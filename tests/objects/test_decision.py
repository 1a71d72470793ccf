"""Shows that levels of autonomy are ordered by how far they go, and that a resolution is checked."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tract.errors import InvalidInputError
from tract.objects.decision import AutonomyLevel, Resolution, autonomy_level, decided


def test_levels_are_ordered_by_how_far_they_go() -> None:
    """Not as text: `autonomous` is the highest, though it comes first in the alphabet."""
    levels = [AutonomyLevel.MANUAL, AutonomyLevel.COLLABORATIVE, AutonomyLevel.AUTONOMOUS]

    assert sorted([levels[2], levels[0], levels[1]]) == levels
    for lower, higher in pairwise(levels):
        assert lower < higher
        assert lower <= higher
        assert higher > lower
        assert higher >= lower
    assert min(AutonomyLevel.AUTONOMOUS, autonomy_level("manual")) == "manual"
    assert autonomy_level("manual") <= "collaborative"


@pytest.mark.parametrize("value", ["bold", "", 3, None])
def test_anything_else_is_no_level(value: object) -> None:
    """The error lists the levels there are."""
    with pytest.raises(InvalidInputError, match="no autonomy level") as caught:
        autonomy_level(value)

    assert caught.value.hint == "Levels are manual, collaborative, autonomous."


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": "perhaps"}, "'perhaps' is no action"),
        ({"action": None}, "no action"),
        ({"action": "ours", "content": "text"}, "Only a resolution"),
        ({"action": "skip", "reason": 3}, "`reason` is text"),
    ],
)
def test_a_resolution_that_means_nothing_is_refused(fields: dict[str, Any], message: str) -> None:
    """It is refused where it is made, not where it is used."""
    with pytest.raises(InvalidInputError, match=message):
        Resolution(**fields)


def test_a_resolution_does_not_show_its_content() -> None:
    """What is logged of it holds nothing of the conversation."""
    assert repr(Resolution("use", content="secret")) == "<Resolution use>"


def test_what_a_resolver_returns_is_checked() -> None:
    """A resolver that forgets to return anything is told so."""
    assert decided(lambda issue: Resolution("skip", reason=issue), "why").reason == "why"
    with pytest.raises(InvalidInputError, match="returned a `NoneType`"):
        decided(lambda _: None, "why")  # type: ignore[arg-type, return-value]
