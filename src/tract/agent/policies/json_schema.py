"""Answers whether a JSON value fits a JSON schema, in words that quote the schema alone.

`jsonschema` does the work. It is imported when a schema is looked at for the first time, and never fetches what a
`$ref` names: only what the schema itself holds can be referred to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tract.errors import NotCanonicalError
from tract.objects.hashing import canonical_json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_MOST_PROBLEMS: Final = 5
_MOST_CHARACTERS: Final = 200
_MOST_BYTES: Final = 100_000


def refuse_schema(name: str, schema: Mapping[str, Any] | bool) -> None:  # noqa: FBT001 - a schema may be `True`
    """Refuse what is no JSON schema.

    Raises:
        ValueError: It is none, is too long, or refers to what it does not hold.
    """
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - few need it

    try:
        text = canonical_json(schema).decode()
    except NotCanonicalError as error:
        raise ValueError(f"the schema of `{name}` has no JSON form") from error
    if len(text) > _MOST_BYTES:
        raise ValueError(f"the schema of `{name}` has more than {_MOST_BYTES:,} characters")
    checker = _checker(text)
    try:
        checker.check_schema(json.loads(text))
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        raise ValueError(f"the schema of `{name}` is none, at `{where}`: {error.message[:_MOST_CHARACTERS]}") from error
    foreign = [target for target in _references(json.loads(text)) if not target.startswith("#")]
    if foreign:
        raise ValueError(f"the schema of `{name}` refers to {foreign[0]!r}, which it does not hold")


def problems(schema: Mapping[str, Any] | bool, value: object) -> list[str]:  # noqa: FBT001 - a schema may be `True`
    """Return what is wrong with *value* by *schema*: the first few, each by its place and the rule it breaks."""
    found: list[str] = []
    for error in _checker(canonical_json(schema).decode()).iter_errors(value):
        place = ".".join(str(step) for step in error.absolute_path) or "all of it"
        rule = json.dumps({str(error.validator): error.validator_value}, ensure_ascii=False)
        found.append(f"`{place}` breaks {rule[:_MOST_CHARACTERS]}")
        if len(found) == _MOST_PROBLEMS:
            break
    return found


def _references(schema: object) -> list[str]:
    if isinstance(schema, list):
        return [target for child in schema for target in _references(child)]
    if not isinstance(schema, dict):
        return []
    own = [target for key in ("$ref", "$dynamicRef") if isinstance(target := schema.get(key), str)]
    return own + [target for child in schema.values() for target in _references(child)]


@lru_cache(maxsize=256)
def _checker(text: str) -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - few need it
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    schema = json.loads(text)
    # With a registry of its own it fetches nothing.
    return validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
