"""Answers which store and tract a command works on, and hands commands their options and output."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

import tract
from tract.cli import _render
from tract.cli._text import visible
from tract.errors import StoreNotFoundError, TractError

if TYPE_CHECKING:
    from tract.porcelain.tract import Tract

STORE_NAME: Final = ".tract.db"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class App:
    """What the options before the command say.

    Attributes:
        db: Path or URL of the store, or `None` to look for one.
        tract: Name of the tract.
        color: `auto`, `always` or `never`.
        is_json: Print one JSON document.
    """

    db: str | None = None
    tract: str = "default"
    color: str = "auto"
    is_json: bool = False

    def find(self) -> str | None:
        """Return where the store is: as given, else `.tract.db` here or in a folder above; `None` if nowhere."""
        return self.db if self.db is not None else find_store(Path.cwd())

    def place(self) -> str:
        """Return where the store is.

        Raises:
            StoreNotFoundError: None was named, and none is here or above.
        """
        found = self.find()
        if found is None:
            raise StoreNotFoundError(STORE_NAME)
        return found

    def read(self) -> Tract:
        """Open the tract for reading."""
        return tract.Tract.open(self.place(), tract=self.tract, create=False, read_only=True)

    def write(self) -> Tract:
        """Open the tract for writing."""
        return tract.Tract.open(self.place(), tract=self.tract, create=False, actor="cli")

    def emit(self, document: Mapping[str, Any], blocks: Sequence[_render.Block], *, is_paged: bool = False) -> None:
        """Print a result: *document* with `--json`, else *blocks*."""
        if self.is_json:
            _render.print_document(document)
        else:
            _render.print_blocks(blocks, color=self.color, is_paged=is_paged)


def find_store(folder: Path) -> str | None:
    """Return the path of `.tract.db` in *folder* or the nearest one above it that has one."""
    for place in (folder, *folder.parents):
        file = place / STORE_NAME
        if file.is_file():
            return os.fspath(file)
    return None


def json_option(function: F) -> F:
    """Let a command take `--json` after its name as well as before it."""

    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
        if value and isinstance(context.obj, App):
            context.obj.is_json = True

    option = click.option(
        "--json", is_flag=True, expose_value=False, callback=remember, help="Print one JSON document."
    )
    return option(function)


class Revision(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """Text that names a commit; completes branches, tags and recent commits."""

    name = "revision"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Return what *incomplete* may become; nothing if there is no store."""
        given = ctx.find_root().params
        app = App(db=given.get("db"), tract=given.get("tract") or "default")
        try:
            with app.read() as t:
                return [item for item in _candidates(t) if item.value.startswith(incomplete)]
        except TractError:
            return []


def _candidates(t: Tract) -> list[CompletionItem]:
    return [
        *[CompletionItem(name) for name in ("HEAD", *t.branches, *t.tags)],
        *[CompletionItem(info.short_hash, help=visible(info.message)) for info in t.log(20)],
    ]


REVISION: Final = Revision()
