"""G12 for sessions: a value of the wrong type for any argument is refused, not stumbled over."""

import inspect
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.test_wrong_types import _VALUES, _refusal, _shown
from tract import Session

_CALLS: dict[str, dict[str, Any]] = {
    "at": {"tract": "one", "when": "one:HEAD"},
    "create_tract": {"name": "new"},
    "get": {"name": "one"},
    "handoff": {"source": "one", "target": "two", "summary": "Half done."},
    "run_children": {"children": ["child"], "work": repr},
    "search": {"query": "hello"},
    "timeline": {},
}
_NO_ARGUMENTS = {"close", "open", "resume", "stats", "trees"}


def _cases() -> Iterator[tuple[str, str]]:
    for method in _CALLS:
        for name in inspect.signature(getattr(Session, method)).parameters:
            if name != "self":
                yield method, name


def test_every_public_method_is_tried() -> None:
    """A method added later must be added here."""
    public = {name for name, _ in inspect.getmembers(Session, inspect.isroutine) if not name.startswith("_")}

    assert public == _CALLS.keys() | _NO_ARGUMENTS


@pytest.mark.parametrize(("method", "argument"), list(_cases()))
def test_wrong_values_are_refused_by_name(tmp_path: Path, method: str, argument: str) -> None:
    """Each wrong value gives a TractError, or is taken as what it says."""
    found = []
    for number, value in enumerate(_VALUES):
        with Session.open(tmp_path / f"{number}.db", durability="off") as session:
            session.create_tract("one").user("Hello.")
            session.create_tract("two").spawn("work", name="child")
            error = _refusal(partial(getattr(session, method), **{**_CALLS[method], argument: value}))
            if error is not None:
                found.append(f"{_shown(value)}: {error!r:.80}")
            assert session.get("one").fsck() == []
    assert found == []


@pytest.mark.parametrize("argument", [name for name in inspect.signature(Session.open).parameters if name != "llm"])
def test_wrong_values_to_open_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    """So it is when a session is opened; a store that is there still opens."""
    monkeypatch.chdir(tmp_path)
    with Session.open("a.db") as session:
        session.create_tract("one").user("Hello.")
    found = []
    for value in _VALUES:
        arguments: dict[str, Any] = {"path": "a.db", argument: value}
        error = _refusal(lambda arguments=arguments: Session.open(**arguments).close())  # type: ignore[misc]
        if error is not None:
            found.append(f"{_shown(value)}: {error!r:.80}")
    assert found == []
    with Session.open("a.db") as session:
        assert len(session.get("one").log()) == 1
