"""Prints the public surface of the package: every public name with its signature, one line each.

`make surface` writes it to tests/gates/public_surface.txt; a test compares, so that
changing the API is a line somebody reviews.
"""

import enum
import inspect
import re
import types
from collections.abc import Iterator

import pydantic

import tract

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def lines(module: types.ModuleType) -> list[str]:
    """Return the surface of *module*, sorted by name."""
    return [line for name in sorted(getattr(module, "__all__", ())) for line in _describe(name, getattr(module, name))]


def _describe(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"class {name}{_constructor(value)}"
        yield from _members(name, value)
    elif callable(value) and not isinstance(value, types.GenericAlias):
        yield f"def {name}{_signature(value)}"
    elif isinstance(value, str | int):
        # The value itself may change with every release (`__version__`); its type may not.
        yield f"{name}: {type(value).__name__}"
    else:
        yield f"{name} = {_ADDRESS.sub('', repr(value))}"


def _constructor(cls: type) -> str:
    if issubclass(cls, enum.Enum):
        return f"({', '.join(member.name for member in cls)})"
    if issubclass(cls, pydantic.BaseModel):
        # Names and not types: pydantic's spelling of a signature changes between its releases.
        fields = cls.model_fields.items()
        return f"({', '.join(name if field.is_required() else f'{name}=...' for name, field in fields)})"
    return _signature(cls)


def _members(owner: str, cls: type) -> Iterator[str]:
    found: dict[str, object] = {}
    for base in reversed(cls.__mro__):
        # Inherited names are listed where the base is ours: they are what the user can call.
        if base.__module__.partition(".")[0] == "tract":
            found |= {name: value for name, value in vars(base).items() if not name.startswith("_")}
    for name, value in sorted(found.items()):
        if isinstance(value, property):
            yield f"  {owner}.{name} -> {_returns(value.fget)}"
        elif isinstance(value, classmethod | staticmethod):
            yield f"  {type(value).__name__} {owner}.{name}{_signature(value.__func__)}"
        elif inspect.isfunction(value):
            yield f"  {owner}.{name}{_signature(value)}"


def _returns(getter: object) -> str:
    annotations = getattr(getter, "__annotations__", {})
    return inspect.formatannotation(annotations["return"]) if "return" in annotations else "?"


def _signature(value: object) -> str:
    if not callable(value):
        return ""
    try:
        return _ADDRESS.sub("", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return "(...)"


if __name__ == "__main__":
    print("\n".join(lines(tract)))
