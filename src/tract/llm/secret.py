"""Keeps an API key out of everything that is shown, logged or stored."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from tract.errors import AuthenticationError, InvalidInputError
from tract.objects.secret import HIDDEN

_SHORTEST: Final = 8


class Secret:
    """A key that only `reveal` shows.

    Raises:
        AuthenticationError: It is empty or holds characters no HTTP header can.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        # Checked here: the HTTP library would quote the key in its own error. A line end often comes with a file.
        kept = value.strip() if isinstance(value, str) else ""
        if not kept or not kept.isascii() or not kept.isprintable():
            raise AuthenticationError("An API key is printable ASCII text.")
        self._value = kept

    def reveal(self) -> str:
        """Return the key, to send it and for nothing else."""
        return self._value

    def hide_in(self, text: str) -> str:
        """Return *text* with the key, should it be there, replaced."""
        # A placeholder such as `x`, which servers without keys are given, is no secret and may be any part of a word.
        return text.replace(self._value, HIDDEN) if len(self._value) >= _SHORTEST else text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __copy__(self) -> Secret:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise InvalidInputError("An API key cannot be pickled.", hint="Give the key again where it is needed.")
