"""Makes every change of the public API a line in a diff."""

import types

import tract
from tests.gates import source, surface

SURFACE = source.ROOT / "tests" / "gates" / "public_surface.txt"


def test_public_surface_is_the_recorded_one() -> None:
    """The public names and signatures are those of the checked-in list; `make surface` writes it anew."""
    recorded = SURFACE.read_text(encoding="utf-8").splitlines()

    assert [line for line in recorded if line] == surface.lines(tract), "the public API changed; run `make surface`"


def test_public_names_are_sorted_and_exist() -> None:
    """`tract.__all__` is sorted, without repeats, and each of its names can be imported."""
    names = list(getattr(tract, "__all__", ()))

    assert names == sorted(set(names))
    assert [name for name in names if not hasattr(tract, name)] == []


def test_the_surface_shows_methods_and_signatures() -> None:
    """A renamed argument, a new method and a changed property all change the list."""

    class Sample:
        def __init__(self, path: str, *, create: bool = True) -> None: ...

        def log(self, limit: int = 20) -> None: ...

        @property
        def head(self) -> str:
            return ""

        def _hidden(self) -> None: ...

    Sample.__module__ = "tract.sample"
    module = types.ModuleType("sample")
    module.__dict__.update(Sample=Sample, __all__=["Sample"])

    assert surface.lines(module) == [
        "class Sample(path: str, *, create: bool = True) -> None",
        "  Sample.head -> str",
        "  Sample.log(self, limit: int = 20) -> None",
    ]
