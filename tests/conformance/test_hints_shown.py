"""An error's hint reaches whoever sees no more than a traceback."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable

import pytest

from tract import Tract
from tract.errors import (
    BranchNotFoundError,
    ConnectionLostError,
    DiskFullError,
    ErasedMeanwhileError,
    NoModelError,
    PolicyDeniedError,
    RefConflictError,
    SummaryError,
    ToolNotFoundError,
    TractError,
)


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


ERRORS = (
    NoModelError("No model."),
    RefConflictError("main", "aa", None),
    ErasedMeanwhileError("main", "aa"),
    SummaryError("it is empty", best="a text", commits=("aa",)),
    ConnectionLostError("a server"),
    DiskFullError("No room.", hint="Make room."),
    ToolNotFoundError("look"),
    PolicyDeniedError("rule", "before_commit", "It must not."),
)


@pytest.mark.parametrize("way", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_a_copy_says_what_the_error_says(error: TractError, way: Callable[[TractError], TractError]) -> None:
    """Errors travel between processes with all they say, whatever they were made of; the hint is shown once."""
    same = way(error)

    assert type(same) is type(error)
    assert (repr(same), vars(same), _last_lines(same)) == (repr(error), vars(error), _last_lines(error))
    assert len(_last_lines(same)) == 2
    assert repr(same) == f"{type(error).__name__}({error.message!r})"
