"""Answers which fields carry a key by their name: such a value is sent and used, and never kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

HIDDEN: Final = "***"
"""Stands where a key was."""

_NAME: Final = re.compile(r"(?:^|_)(?:api_?key|authorization|cookie|password|secret|token)$")


def without_secrets(value: Any) -> Any:
    """Return the JSON *value* with each text hidden that stands under the name of a key, such as `authorization`."""
    if isinstance(value, Mapping):
        return {name: _without(name, child) for name, child in value.items()}
    if isinstance(value, (list, tuple)):
        kept = [without_secrets(child) for child in value]
        return kept if isinstance(value, list) else tuple(kept)
    return value


def _without(name: object, child: Any) -> Any:
    is_secret = isinstance(child, str) and isinstance(name, str) and _NAME.search(name.lower().replace("-", "_"))
    return HIDDEN if is_secret else without_secrets(child)
