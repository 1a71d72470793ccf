"""An error's hint reaches whoever sees no more than a traceback."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from tract import Tract
from tract.errors import BranchNotFoundError, ErasedMeanwhileError, NoModelError, TractError


def _last_lines(error: BaseException) -> list[str]:
    return "".join(traceback.format_exception_only(error)).splitlines()


def test_a_traceback_ends_with_the_hint() -> None:
    """The sentence comes first; `str` stays the sentence alone."""
    with Tract.open() as t:
        t.user("Hello.")
        with pytest.raises(BranchNotFoundError) as caught:
            t.switch("mains")

    assert _last_lines(caught.value) == [
        "tract.errors.BranchNotFoundError: No branch `mains`.",
        "hint: Did you mean `main`?",
    ]
    assert str(caught.value) == "No branch `mains`."


def test_an_error_without_a_hint_shows_none() -> None:
    """No empty line is added."""
    assert _last_lines(TractError("It went wrong.")) == ["tract.errors.base.TractError: It went wrong."]


def test_a_hint_given_later_takes_the_place_of_the_first() -> None:
    """Each error shows one; other notes stay."""
    error = ErasedMeanwhileError("main", None)
    error.add_note("Somebody was here.")
    error.hint = "Look again."

    assert sorted(_last_lines(error)[1:]) == ["Somebody was here.", "hint: Look again."]

    error.hint = None
    assert _last_lines(error)[1:] == ["Somebody was here."]


@pytest.mark.parametrize("way", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_a_copy_shows_the_hint_once(way: object) -> None:
    """Errors travel between processes with all they say."""
    assert callable(way)
    error = NoModelError("No model.")

    same = way(error)

    assert (same.hint, _last_lines(same)) == (error.hint, _last_lines(error))
    assert len(_last_lines(same)) == 2
