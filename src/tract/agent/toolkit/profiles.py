"""Answers which profiles there are: how much the tools of a toolkit may do."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from tract.errors import InvalidInputError, shown

Profile: TypeAlias = Literal["read", "self", "supervisor", "admin"]

PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)
"""Each may what the one before it may, and more."""


def profile_of(value: object) -> Profile:
    """Return the profile called *value*.

    Raises:
        InvalidInputError: There is none.
    """
    if isinstance(value, str) and value in PROFILES:
        return value
    raise InvalidInputError(f"{shown(value)} is no profile.", hint=f"Profiles are {', '.join(PROFILES)}.")
