"""Answers which store and tract a command works on, and hands commands their options and output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

import tract
from tract.cli import _render, _standing
from tract.cli._text import visible
from tract.errors import StoreNotFoundError, TractError

if TYPE_CHECKING:
    from tract.porcelain.session import Session
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
        at_operation: Look at the tract as it was after this operation, or `None`.
    """

    db: str | None = None
    tract: str = "default"
    color: str = "auto"
    is_json: bool = False
    at_operation: int | None = None

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
        """Open the tract for reading, where the command line stands."""
        t = tract.Tract.open(self.place(), tract=self.tract, create=False, read_only=True)
        try:
            if self.at_operation is not None:
                return t.at_operation(self.at_operation)
            _standing.stand(t, self.place())
        except BaseException:
            t.close()
            raise
        return t

    def write(self, actor: str = "cli") -> Tract:
        """Open the tract for writing, where the command line stands; *actor* is for the operation log."""
        if self.at_operation is not None:
            raise click.UsageError("With --at-op a tract can be looked at, not changed.")
        t = tract.Tract.open(self.place(), tract=self.tract, create=False, actor=actor)
        try:
            _standing.stand(t, self.place())
        except BaseException:
            t.close()
            raise
        return t

    def session(self, *, read_only: bool) -> Session:
        """Open all tracts of the store."""
        if self.at_operation is not None:
            raise click.UsageError("--at-op is for one tract; `tract at` shows several as they were.")
        return tract.Session.open(self.place(), create=False, read_only=read_only, actor="cli")

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


class StoredName(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """Text that names something in the tract; completes what is there.

    Args:
        name: What help calls it.
        candidates: Returns what it may be, read from the tract.
    """

    def __init__(self, name: str, candidates: Callable[[Tract], Iterable[CompletionItem]]) -> None:
        self.name = name
        self._candidates = candidates

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Return what *incomplete* may become; nothing if there is no store."""
        given = ctx.find_root().params
        app = App(db=given.get("db"), tract=given.get("tract") or "default", at_operation=given.get("at_operation"))
        try:
            with app.read() as t:
                return [item for item in self._candidates(t) if item.value.startswith(incomplete)]
        except TractError:
            return []


def _revisions(t: Tract) -> list[CompletionItem]:
    return [
        *[CompletionItem(name) for name in ("HEAD", *t.branches, *t.tags)],
        *[CompletionItem(info.short_hash, help=visible(info.message)) for info in t.log(20)],
    ]


def _branches(t: Tract) -> list[CompletionItem]:
    return [CompletionItem(name, help=visible(t.branches[name].description)) for name in t.branches]


def _children(t: Tract) -> list[CompletionItem]:
    return [CompletionItem(tree.info.name, help=visible(tree.info.purpose)) for tree in t.children.tree.children]


def _tags(t: Tract) -> list[CompletionItem]:
    return [CompletionItem(name) for name in t.tags]


REVISION: Final = StoredName("revision", _revisions)
"""A commit: completes branches, tags and recent commits."""

CHILD: Final = StoredName("child", _children)
BRANCH: Final = StoredName("branch", _branches)
TAG: Final = StoredName("tag", _tags)


class TractName(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """Name of a tract; completes those of the store."""

    name = "tract"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """Return what *incomplete* may become; nothing if there is no store."""
        try:
            with App(db=ctx.find_root().params.get("db")).session(read_only=True) as session:
                infos = list(session.tracts.values())
        except TractError:
            return []
        return [
            CompletionItem(info.name, help=visible(info.purpose)) for info in infos if info.name.startswith(incomplete)
        ]


TRACT: Final = TractName()
