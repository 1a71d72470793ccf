"""The root of the errors, and how a sentence shows a wrong value or the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any, ClassVar, Final

_HINT: Final = "hint: "


class TractError(Exception):
    """Base of every error this package raises.

    Attributes:
        code: Stable identifier for programs, equal for all errors of one class.
        message: One sentence for people.
        hint: What to do next, or `None`; a traceback shows it as well.
        reply: What a model had answered when the call failed, a `Reply`, or `None`: paid for and not committed.
    """

    code: ClassVar[str] = "error"
    usual_hint: ClassVar[str | None] = None
    """The hint where the raise has none of its own."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.usual_hint
        self.reply: Any = None

    @property
    def hint(self) -> str | None:
        """What to do next, or `None`."""
        return self._hint

    @hint.setter
    def hint(self, hint: str | None) -> None:
        # A note, so that whoever sees no more than the traceback is told as well.
        notes = [note for note in getattr(self, "__notes__", ()) if not note.startswith(_HINT)]
        self.__notes__ = [*notes, _HINT + hint] if hint else notes
        self._hint = hint

    def __str__(self) -> str:
        # KeyError would show repr(message); people get the sentence itself.
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew from its message alone, as exceptions are by default, a copy would lack the other arguments.
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[TractError], args: tuple[Any, ...]) -> TractError:
    """Return an error of this *kind* without its attributes: for a copy, or another process."""
    error = kind.__new__(kind)
    error.args = args
    return error


class NotFoundError(TractError, KeyError):
    """Something was named that does not exist."""

    code = "not_found"


class StateError(TractError):
    """The call is fine but not in the state this handle or branch is in."""

    code = "state"


def shown(value: object) -> str:
    """Return how a sentence shows a wrong value: text in ASCII and cut short, anything else by its type."""
    return ascii(value[:60]) if isinstance(value, str) else f"a value of type {type(value).__name__}"


def nearest(name: str, known: Collection[str], otherwise: str) -> str:
    """Return a hint that names what of *known* is like *name*, or *otherwise*."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean `{near[0]}`?" if near else otherwise
