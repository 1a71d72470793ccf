"""Answers how operations are written down: as JSON, as cells of a row, and whether they are in effect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tract.cli._moment import age
from tract.cli._render import Cell, Table, is_ascii_only, page_width
from tract.objects.refs import HEAD

if TYPE_CHECKING:
    from tract.cli._context import App
    from tract.objects.operation import OperationInfo
    from tract.operations.undo import UndoResult

_STEPS: Final = frozenset({"undo", "redo"})
HEADER: Final = ("", ">op", "verb", "actor", "when", "refs and arguments")


def with_effect(newest_first: Iterable[OperationInfo]) -> Iterator[tuple[OperationInfo, int | None]]:
    """Yield each operation with the number of the undo that took it back, `None` if it is in effect.

    The last undo or redo that names an operation decides; it comes after it, so first here.
    """
    decided: dict[int, int | None] = {}
    for done in newest_first:
        yield done, decided.get(done.number)
        if done.verb in _STEPS:
            for number in done.args["operations"]:
                decided.setdefault(number, done.number if done.verb == "undo" else None)


def operation_json(done: OperationInfo, undone_by: int | None) -> dict[str, Any]:
    """Return everything known of an operation, as JSON."""
    return {
        "number": done.number,
        "verb": done.verb,
        "args": dict(done.args),
        "actor": done.actor,
        "created_at": done.created_at.isoformat(),
        "changes": [{"ref": name, "from": old, "to": new} for name, old, new in done.changes],
        "undoes": done.undoes,
        "undone_by": undone_by,
    }


def operation_row(done: OperationInfo, undone_by: int | None, *, is_last: bool = False) -> list[Cell]:
    """Return one line of an operation log: under `HEADER` for people, with exact values for programs."""
    is_undone = undone_by is not None
    if page_width() is None:
        state = "undone" if is_undone else "current" if is_last else "done"
        when, moved = done.created_at.isoformat(timespec="seconds"), " ".join(moves(done))
        return [state, str(done.number), done.verb, done.actor, when, moved, _written(done)]
    mark = "@" if is_last else "x" if is_undone else "o"
    if not is_ascii_only():
        mark = {"x": "✗", "o": "○"}.get(mark, mark)
    dim = "dim" if is_undone else ""
    return [
        (mark, "red" if is_undone else "green" if is_last else ""),
        (str(done.number), dim or "cyan"),
        (done.verb, dim or "bold"),
        (done.actor, dim),
        (age(done.created_at, datetime.now(UTC)), "dim"),
        (" ".join([*([f"(undone by {undone_by})"] if is_undone else []), *moves(done), _told(done)]), dim),
    ]


def moves(done: OperationInfo) -> list[str]:
    """Return each ref an operation moved as `name:old..new`, short; `HEAD:main..idea` for a switch."""
    return [f"{_short(name)}:{_end(name, old)}..{_end(name, new)}" for name, old, new in done.changes]


def _short(name: str) -> str:
    return name.partition("/")[2] or name


def _end(name: str, value: str | None) -> str:
    if value is None:
        return ""
    return _short(value) if name == HEAD else value[:8]


def _written(done: OperationInfo) -> str:
    return json.dumps(dict(done.args), ensure_ascii=False, sort_keys=True) if done.args else ""


def _told(done: OperationInfo) -> str:
    """Return the arguments for people: `name=idea`; what a setting was is for `op show`."""
    said = {name: value for name, value in done.args.items() if name not in {"settings", "usage"}}
    return " ".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}" for name, value in said.items()
    )


def emit_steps(app: App, result: UndoResult) -> None:
    """Print what an undo or redo did."""
    undone_by = {"undo": 0, "redo": None}[result.verb]
    verb = {"undo": "undone", "redo": "redone"}[result.verb]
    rows: list[list[Cell]] = [
        [
            (verb, "red" if result.verb == "undo" else "green"),
            str(done.number),
            (done.verb, "bold"),
            done.actor,
            done.created_at.isoformat(timespec="seconds"),
            (" ".join(moves(done)), "yellow"),
        ]
        for done in result.operations
    ]
    documents = [operation_json(done, undone_by) for done in result.operations]
    for document in documents:
        # Which undo it was is the newest operation; the result does not say.
        del document["undone_by"]
    app.emit({"verb": result.verb, "head": result.head, "operations": documents}, [Table(rows)])
