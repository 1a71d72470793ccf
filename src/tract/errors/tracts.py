"""What can be wrong with the tracts of a store: one is missing, or there already."""

from __future__ import annotations

from collections.abc import Collection

from tract.errors.base import NotFoundError, StateError, nearest


class TractNotFoundError(NotFoundError):
    """The store holds no tract of this name and creating one was not allowed."""

    code = "tract_not_found"

    def __init__(self, name: str, known: Collection[str] = ()) -> None:
        super().__init__(
            f"No tract `{name}` in this store.",
            hint=nearest(name, known, "Create it with `Tract.open(path, tract=name)`."),
        )
        self.name = name


class TractExistsError(StateError):
    """The store holds a tract of this name already."""

    code = "tract_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A tract `{name}` exists already.",
            hint="Choose another name, or open it with `Tract.open(path, tract=name)`.",
        )
        self.name = name
