"""G12: a value of the wrong type for any argument of any method is refused, not stumbled over."""

import asyncio
import inspect
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.dump import dump
from tests.reliability.verbs import make_history
from tract import FreeformContent, Tract
from tract.errors import InvalidInputError, TractError
from tract.objects.content import ANNOTATION
from tract.testing import ScriptedLLM


def _model(messages: list[Any]) -> str:
    """Answer as a model would."""
    return f"I have read {len(messages)} messages."


# One call of each public method that works; every argument is then given values it cannot take.
_CALLS: dict[str, dict[str, Any]] = {
    "at_operation": {"number": 1},
    "achat": {"text": "Hello.", "llm": _model},
    "agenerate": {"llm": _model},
    "arun": {"prompt": "Hello.", "llm": _model},
    "astream": {"text": "Hello.", "llm": _model},
    "chat": {"text": "Hello.", "llm": _model},
    "configure_operations": {},
    "generate": {"llm": _model},
    "compress_plan": {"provider": "openai", "prices": {"input": 1.0}},
    "preview": {"provider": "openai"},
    "run": {"prompt": "Hello.", "llm": _model},
    "stream": {"text": "Hello.", "llm": _model},
    "annotate": {"target": "HEAD", "priority": "skip"},
    "apply": {"result": None},
    "as_tools": {},
    "assistant": {"text": "Hello."},
    "orchestrate": {"instructions": "Keep it small.", "llm": _model},
    "bisect": {"good": "HEAD~1", "bad": "HEAD", "test": len},
    "blame": {},
    "branch": {"name": "new"},
    "checkout": {"revision": "other"},
    "collapse": {"child": "worker", "content": "Done."},
    "commit_merge": {"result": None},
    "cherry_pick": {"commits": "other", "allow": "duplicate_content"},
    "commit": {"content": "Hello."},
    "compile": {},
    "compress": {"content": "S"},
    "configure": {},
    "diff": {},
    "edit": {"target": "HEAD", "content": "Changed."},
    "expand": {"commit": "HEAD"},
    "erase": {"commit": "HEAD", "reason": "a test"},
    "find": {},
    "gc": {},
    "get": {"commit": "HEAD"},
    "log": {},
    "merge": {"branch": "other"},
    "pin": {"target": "HEAD"},
    "query_by_config": {},
    "rebase": {"onto": "other"},
    "record_usage": {"usage": {"input_tokens": 1, "output_tokens": 1}},
    "redo": {},
    "reorder": {"commits": ["HEAD~2", "HEAD~5"], "allow": ["exchange_split", "instruction_moved"]},
    "reset": {"revision": "HEAD"},
    "register_content_type": {"name": "plan", "model": FreeformContent},
    "revert": {"commit": "HEAD"},
    "search": {"query": "Hello"},
    "show": {"commit": "HEAD"},
    "skip": {"target": "HEAD"},
    "spawn": {"purpose": "look it up"},
    "switch": {"name": "other"},
    "system": {"text": "Be kind."},
    "tag": {"name": "v1"},
    "tool_result": {"call_id": "call_1", "content": "none"},
    "undo": {},
    "unpin": {"target": "HEAD"},
    "unskip": {"target": "HEAD"},
    "user": {"text": "Hello."},
}
# What a caller's own function raises is the caller's: it comes out as it is.
_CALLED = {("bisect", "test"), ("chat", "llm")} | {
    (method, name) for method in ("run", "arun") for name in ("on_event", "should_pause")
}
_OPEN_ENDED = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
_NO_ARGUMENTS = {"abort_merge", "batch", "close", "fsck", "open", "status"}


class _Odd:
    """Something no argument expects."""


_VALUES: list[Any] = [
    None, 0, -1, 2**70, 1.5, float("nan"), True, "", "\ud800", "\0", b"bytes", [], [1], {}, {1: 2}, {"role": 5},
    _Odd(), _Odd, ..., (), {"a": _Odd()}, "x" * 300, ["\ud800"], [None], {"\ud800": 1}, {"type": "text"},
    [{"type": "image", "data": 5}], [{"id": 5, "name": None, "arguments": {}}], set(), lambda: 5, 10**5000,
]  # fmt: skip


def _cases() -> Iterator[tuple[str, str]]:
    for method, call in _CALLS.items():
        for name, parameter in inspect.signature(getattr(Tract, method)).parameters.items():
            if name != "self" and parameter.kind not in _OPEN_ENDED and (method, name) not in _CALLED:
                yield method, name
        assert call is not None


# The same for the collections: `t.branches`, `t.tags`, `t.proposals`, `t.operations`.
_COLLECTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "branches": {
        "create": {"name": "new"},
        "delete": {"name": "other", "force": True},
        "rename": {"name": "other", "new": "renamed"},
        "describe": {"name": "other", "description": "why"},
        "compare": {"left": "main", "right": "other"},
        "get": {"key": "other"},
        "__getitem__": {"name": "other"},
        "__contains__": {"name": "other"},
    },
    "tags": {
        "create": {"name": "v9"},
        "delete": {"name": "release"},
        "get": {"key": "release"},
        "__getitem__": {"name": "release"},
        "__contains__": {"name": "release"},
    },
    "proposals": {
        "approve": {"number": 1},
        "reject": {"number": 1},
        "edit": {"number": 1, "drafts": "Said."},
        "get": {"key": 1},
        "__getitem__": {"number": 1},
        "__contains__": {"number": 1},
    },
    "tools": {
        "add": {"function": _model},
        "remove": {"name": "x"},
        "definitions": {},
        "lookup": {},
        "sent_with": {"commit": "HEAD"},
        "get": {"key": "x"},
        "__getitem__": {"name": "x"},
        "__contains__": {"name": "x"},
    },
    "policies": {
        "add": {"policy": "auto_pin"},
        "remove": {"name": "auto_pin"},
        "change": {"name": "auto_pin"},
        "scan": {"name": "auto_pin"},
        "test": {"ref": "HEAD"},
        "on_ask": {"decide": None},
        "pause": {},
        "resume": {},
        "get": {"key": "auto_pin"},
        "__getitem__": {"name": "auto_pin"},
        "__contains__": {"name": "auto_pin"},
    },
    "children": {"get": {"key": "x"}, "__getitem__": {"name": "x"}, "__contains__": {"name": "x"}},
    "operations": {"for_ref": {"name": "main"}, "__getitem__": {"number": 1}},
}
_OF_EVERY_MAPPING = {"items", "keys", "values"}


def _collection_cases() -> Iterator[tuple[str, str, str]]:
    for collection, calls in _COLLECTIONS.items():
        for method, call in calls.items():
            for name in call if method == "get" else _arguments(collection, method):
                yield collection, method, name


def _arguments(collection: str, method: str) -> list[str]:
    with Tract.open() as t:
        parameters = inspect.signature(getattr(getattr(t, collection), method)).parameters
        return [name for name, parameter in parameters.items() if parameter.kind not in _OPEN_ENDED]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    make_history(path)
    return path


def test_every_public_method_is_tried() -> None:
    """A method added later must be added here."""
    public = {name for name, _ in inspect.getmembers(Tract, inspect.isroutine) if not name.startswith("_")}

    assert public == _CALLS.keys() | _NO_ARGUMENTS


@pytest.mark.parametrize("collection", _COLLECTIONS)
def test_every_public_method_of_a_collection_is_tried(collection: str) -> None:
    """A method added later must be added here."""
    with Tract.open() as t:
        found = inspect.getmembers(getattr(t, collection), inspect.isroutine)

    public = {name for name, _ in found if not name.startswith("_")} - _OF_EVERY_MAPPING
    assert public == {name for name in _COLLECTIONS[collection] if not name.startswith("_")}


@pytest.mark.parametrize(("collection", "method", "argument"), list(_collection_cases()))
def test_wrong_values_to_a_collection_are_refused_by_name(
    path: Path, collection: str, method: str, argument: str
) -> None:
    """As for the methods of a tract."""
    found = []
    for value in _VALUES:
        with Tract.open(path) as t:
            before = len(t.operations)
            call = getattr(getattr(t, collection), method)
            arguments = {**_COLLECTIONS[collection][method], argument: value}
            # Special methods and those of `Mapping` take their arguments by position.
            positional = method == "get" or method.startswith("__")
            error = _refusal(partial(call, *arguments.values()) if positional else partial(call, **arguments))
            if error is not None:
                last = traceback.extract_tb(error.__traceback__)[-1]
                found.append(f"{_shown(value)}: {error!r:.80} at {Path(last.filename).name}:{last.lineno}")
            t.compile()
            if len(t.operations) > before:
                t.undo()
    assert found == []


def _refusal(call: Callable[[], object]) -> BaseException | None:
    """Return an error that is not a clean refusal: no TractError, and no TypeError of the call itself."""
    try:
        result = call()
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except TractError as error:
        return error if not str(error) else None
    except Exception as error:  # noqa: BLE001 - whatever else comes is what is looked for
        return error
    return None


@pytest.mark.parametrize(("method", "argument"), list(_cases()))
def test_wrong_values_are_refused_by_name(path: Path, method: str, argument: str) -> None:
    """Each wrong value gives a TractError, or is taken as what it says; what is taken reads back."""
    with Tract.open(path) as t:
        t.switch("main")
        found = []
        for value in _VALUES:
            before = dump(path)["operations"]
            error = _refusal(partial(getattr(t, method), **{**_CALLS[method], argument: value}))
            if error is not None:
                last = traceback.extract_tb(error.__traceback__)[-1]
                found.append(f"{_shown(value)}: {error!r:.80} at {Path(last.filename).name}:{last.lineno}")
            if dump(path)["operations"] != before:
                t.switch("main")
                t.log(3)
                t.compile()
        assert found == []
        assert t.fsck() == []


@pytest.mark.parametrize(
    "argument", [name for name in inspect.signature(Tract.open).parameters if name not in {"path", "llm"}]
)
def test_wrong_values_to_open_are_refused(tmp_path: Path, argument: str) -> None:
    """Wrong arguments of `Tract.open` give a TractError too, and leave a store that opens."""
    make_history(tmp_path / "a.db")
    found = []
    for value in _VALUES:
        error = _refusal(partial(_open, tmp_path / "a.db", **{argument: value}))
        if error is not None:
            last = traceback.extract_tb(error.__traceback__)[-1]
            found.append(f"{_shown(value)}: {error!r:.80} at {Path(last.filename).name}:{last.lineno}")
    assert found == []
    with Tract.open(tmp_path / "a.db") as t:
        assert t.fsck() == []


def test_wrong_paths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does a path that is none."""
    monkeypatch.chdir(tmp_path)
    found = [
        f"{_shown(value)}: {error!r:.80}" for value in _VALUES if (error := _refusal(partial(_open, value))) is not None
    ]

    assert found == []


def _shown(value: object) -> str:
    return f"int of {value.bit_length()} bits" if isinstance(value, int) else ascii(value)[:40]


def _open(path: Any, **arguments: Any) -> None:
    Tract.open(path, **arguments).close()


def test_an_annotation_cannot_be_committed_as_a_content(path: Path) -> None:
    """Its content type is not for callers."""
    with Tract.open(path) as t, pytest.raises(TractError):
        t.commit({"content_type": ANNOTATION, "priority": "skip"})


@pytest.mark.parametrize("value", [5, {"a": 1}, ["small"]], ids=repr)
def test_a_model_that_is_no_text_where_one_is_configured(value: Any) -> None:
    """Looking ahead asks the settings of `chat`, which say so."""
    with Tract.open(llm=ScriptedLLM(["Hello."])) as t:
        t.user("Hello.")
        for look in (t.preview, t.compress_plan):
            with pytest.raises(InvalidInputError):
                look(model=value)


@pytest.mark.parametrize("value", ["1", 1.5, True, -1, 2, [1]], ids=repr)
def test_a_prefix_is_of_a_number_of_messages(value: Any) -> None:
    """It is an `InvalidInputError` for every other value."""
    with Tract.open() as t:
        t.user("Hello.")
        with pytest.raises(InvalidInputError):
            t.compile().prefix_hash(value)
