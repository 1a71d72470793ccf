"""Summarizers that answer nonsense, refuse, lie about types or raise: a typed error, and nothing has changed."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.dump import dump
from tract import Summary, SummaryRequest, Tract
from tract.errors import BusyError, InvalidContentError, SummaryError, TractError
from tract.operations.summary import SourceMessage


class _Odd:
    def __str__(self) -> str:
        return "a fine summary"


class _Text(str):
    __slots__ = ()


def _raise(error: BaseException) -> Callable[[SummaryRequest], str]:
    def raising(_: SummaryRequest) -> str:
        raise error

    return raising


def _answer(value: Any) -> Callable[[SummaryRequest], Any]:
    return lambda _: value


class _Lying(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)

    def __iter__(self) -> Any:
        raise OSError("gone")

    def __len__(self) -> int:
        return 1


ANSWERS: dict[str, Callable[[SummaryRequest], Any]] = {
    "empty": _answer(""),
    "spaces": _answer(" \n\t "),
    "none": _answer(None),
    "number": _answer(42),
    "not a number": _answer(float("nan")),
    "bytes": _answer(b"a summary"),
    "list": _answer(["a summary"]),
    "mapping": _answer({"summary": "a summary"}),
    "class": _answer(Summary),
    "object": _answer(_Odd()),
    "the request": lambda request: request,
    "a source": lambda request: request.messages[0],
    "an error": _answer(ValueError("no")),
    "ellipsis": _answer(...),
    "summary of nothing": _answer(Summary("")),
    "summary of None": _answer(Summary(None)),  # type: ignore[arg-type]
    "summary of bytes": _answer(Summary(b"x")),  # type: ignore[arg-type]
    "name of a wrong type": _answer(Summary("short", name=5)),  # type: ignore[arg-type]
    "settings of a wrong type": _answer(Summary("short", settings=5)),  # type: ignore[arg-type]
    "settings without a JSON form": _answer(Summary("short", settings={"a": _Odd()})),
    "settings with a number no JSON has": _answer(Summary("short", settings={"a": float("inf")})),
    "settings that cannot be read": _answer(Summary("short", settings=_Lying())),
    "settings a cycle deep": _answer(Summary("short", settings={"a": [[[[]]] * 3] * 3, "b": {1: 2}})),
    "refusal": _answer("I'm sorry, but I can't help with that."),
    "refusal, typographic": _answer("I\u2019m very sorry, I can\u2019t summarize this."),
    "refusal, plain": _answer("I cannot summarize this conversation."),
    "refusal, as a machine": _answer("As an AI language model, I do not summarize."),
    "refusal, unable": _answer("I am unable to comply."),
    "refusal, apology": _answer("I apologize, but no."),
    "refusal, unfortunately": _answer("Unfortunately, I can not."),
    "refusal, quoted": _answer('"Sorry, no."'),
    "longer than its sources": lambda request: "\n".join(one.text for one in request.messages) * 2,
    "megabytes": _answer("a b " * 2_000_000),
    "megabytes without a space": _answer("x" * 8_000_000),
    "a lone surrogate": _answer("half \ud800 a pair"),
    "raises": _raise(ValueError("bad")),
    "raises a lookup error": _raise(KeyError("text")),
    "raises a timeout": _raise(TimeoutError()),
    "raises recursion": _raise(RecursionError()),
    "raises ours": _raise(BusyError(1.0)),
    "raises a group": _raise(ExceptionGroup("many", [ValueError("one")])),
    "stops iterating": _raise(StopIteration()),
    "takes nothing": lambda: "short",  # type: ignore[dict-item, misc]
    "too long, then empty": lambda request: "word " * 900 if request.attempt == 1 else "",
    "empty, then a refusal": lambda request: "" if request.attempt == 1 else "I won't.",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "a.db"
    with Tract.open(path) as t:
        t.system("You are terse.")
        for number in range(6):
            t.user(f"Message {number} tells of the trip to Porto and of what it may cost.")
    return path


@pytest.mark.parametrize("autonomy", ["autonomous", "collaborative"])
@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_a_typed_error_and_changes_nothing(path: Path, name: str, autonomy: str) -> None:
    """Not a byte of the store, not the handle; and it does not take long."""
    before = dump(path)
    with Tract.open(path) as t:
        view = (t.head, t.compile().to_dicts(), len(t.operations))
        started = time.monotonic()
        with pytest.raises(TractError) as caught:
            t.compress(summarizer=ANSWERS[name], autonomy=autonomy)
        assert time.monotonic() - started < 5
        assert str(caught.value)
        assert (t.head, t.compile().to_dicts(), len(t.operations)) == view
        assert dump(path) == before


def test_there_are_forty_of_them() -> None:
    """The list is as long as promised."""
    assert len(ANSWERS) >= 40


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), CancelledError(), MemoryError()]
)
def test_what_ends_the_program_is_not_caught(path: Path, error: BaseException) -> None:
    """Ctrl-C in a summarizer, or no memory left, comes out as it is; nothing was written."""
    before = dump(path)
    with Tract.open(path) as t:
        with pytest.raises(type(error)):
            t.compress(summarizer=_raise(error))
        assert dump(path) == before
        t.compress(summarizer=lambda _: _Text("Trip to Porto."))
        assert t.compile().messages[1].text == "[summary] Trip to Porto."
        t.undo()


def test_a_text_that_begins_as_the_conversation_does_is_no_refusal() -> None:
    """A desk that says it is sorry may be quoted."""
    with Tract.open() as t:
        for _ in range(4):
            t.assistant("I'm sorry, I can't change that flight: its fare does not allow it, whatever the reason.")
        t.compress(summarizer=lambda _: "I'm sorry, I can't change that flight")
        assert len(t.compile().messages) == 1


def test_an_error_keeps_its_cause_and_says_what_it_was_for() -> None:
    """`__cause__` is what the summarizer raised; neither message nor `repr` shows content."""
    cause = ValueError("secret words")
    with Tract.open() as t:
        commits = [t.user(f"Secret words {number}, at a length that leaves room for less.").hash for number in range(3)]
        with pytest.raises(SummaryError) as caught:
            t.compress(summarizer=_raise(cause))
        assert caught.value.__cause__ is cause
        assert caught.value.commits == tuple(commits)
        assert "secret" not in (str(caught.value) + repr(SourceMessage("", "user", "Secret"))).lower()


def test_a_surrogate_is_named_as_what_it_is() -> None:
    """Text that is not Unicode is refused as any content is."""
    with Tract.open() as t:
        t.user("A message of some length, so that there is room for a summary of it.")
        with pytest.raises(InvalidContentError):
            t.compress(summarizer=_answer("\ud800"))
