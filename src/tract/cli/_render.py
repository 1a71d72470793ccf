"""Answers how a result looks: JSON, lines for other programs, or a page for a terminal.

Which of the last two is decided by where stdout goes; whether there is colour, by `--color`, then
NO_COLOR, then FORCE_COLOR, then the terminal. The two do not depend on each other. Whatever is
printed passes `visible` first, and reaches rich as `Text`, never as markup.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import click

from tract.cli._text import visible, visible_json

SCHEMA_VERSION: Final = 1
"""Version of the `--json` documents; a field may be added, none changes its meaning."""

Cell: TypeAlias = str | tuple[str, str]
"""A text, or a text and its style: a colour, `bold` or `dim`."""

_BODY: Final = "\n\t"
_INDENT: Final = 4


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells: tab-separated lines for programs.

    Attributes:
        rows: One sequence of cells each.
        header: Names of the columns, for terminals only; `>` before a name aligns it right.
    """

    rows: Sequence[Sequence[Cell]]
    header: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """Text of several lines, such as a content."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that people need and programs do not; left out when piped."""

    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not cut and has no columns, such as one of a diff."""

    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Prose:
    """Text below a heading: indented, and for people wrapped between words; one line for programs."""

    cells: Sequence[Cell]


Block: TypeAlias = Table | Body | Heading | Line | Prose


def has_colour(choice: str, *, is_terminal: bool) -> bool:
    """Return whether to print colour: `--color` wins over NO_COLOR, that over FORCE_COLOR, that over the terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return os.environ["FORCE_COLOR"] not in {"0", "false"}
    return is_terminal and os.environ.get("TERM") != "dumb"


def page_width() -> int | None:
    """Return how many columns the terminal has, `None` if stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def is_ascii_only() -> bool:
    """Return whether stdout can show nothing beyond ASCII with certainty."""
    return "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()


def print_json(value: Any) -> None:
    """Print *value* as JSON, hidden characters as escapes."""
    click.echo(visible_json(json.dumps(value, ensure_ascii=False, indent=2)))


def print_document(document: Mapping[str, Any]) -> None:
    """Print the one document of `--json`."""
    print_json({"schema_version": SCHEMA_VERSION, **document})


def print_blocks(blocks: Sequence[Block], *, color: str, is_paged: bool = False) -> None:
    """Print *blocks* for whoever reads stdout.

    Args:
        blocks: What to print.
        color: `auto`, `always` or `never`.
        is_paged: Use a pager on a terminal, if they are longer than it.
    """
    is_terminal = sys.stdout.isatty()
    colour = has_colour(color, is_terminal=is_terminal)
    if not is_terminal:
        text = "".join(_plain(block, colour=colour) for block in blocks)
        click.echo(text, nl=False, color=colour)
        return
    text = _page(blocks, colour=colour)
    if is_paged and sys.stdin.isatty() and text.count("\n") >= shutil.get_terminal_size().lines:
        # As git does: quit if it fits, show colours, leave the text on the screen.
        os.environ.setdefault("LESS", "FRX")
        click.echo_via_pager(text, color=colour)
    else:
        click.echo(text, nl=False, color=colour)


# --- for programs --------------------------------------------------------------------------------


def _plain(block: Block, *, colour: bool) -> str:
    if isinstance(block, Heading):
        return ""
    if isinstance(block, Body):
        text = visible(block.text, keep=_BODY)
        return text if text.endswith("\n") else text + "\n"
    if isinstance(block, (Line, Prose)):
        return "".join(_styled(cell, colour=colour) for cell in block.cells) + "\n"
    return "".join("\t".join(_styled(cell, colour=colour) for cell in row) + "\n" for row in block.rows)


def _styled(cell: Cell, *, colour: bool) -> str:
    text, style = (cell, "") if isinstance(cell, str) else cell
    text = visible(text)
    if not colour or not style:
        return text
    if style in {"bold", "dim"}:
        return click.style(text, **{style: True})
    return click.style(text, fg=style)


# --- for people ----------------------------------------------------------------------------------


def _page(blocks: Sequence[Block], *, colour: bool) -> str:
    from rich.console import Console
    from rich.text import Text

    width = shutil.get_terminal_size().columns
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard" if colour else None,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        for block in blocks:
            if isinstance(block, Table):
                for line in _grid(block, width):
                    console.print(Text.assemble(*[_rich(cell) for cell in line]), soft_wrap=True)
            elif isinstance(block, (Heading, Line)):
                console.print(Text.assemble(*[_rich(cell) for cell in block.cells]), soft_wrap=True)
            elif isinstance(block, Prose):
                for row in Text.assemble(*[_rich(cell) for cell in block.cells]).wrap(console, max(1, width - _INDENT)):
                    console.print(Text(" " * _INDENT) + row, soft_wrap=True)
            else:
                console.print(Text(visible(block.text, keep=_BODY)), soft_wrap=True)
    return captured.get()


def _rich(cell: Cell) -> Any:
    from rich.text import Text

    text, style = (cell, "") if isinstance(cell, str) else cell
    return Text(visible(text), style=style)


def _grid(table: Table, width: int) -> Iterator[list[Cell]]:
    """Yield the lines of *table*, aligned; only the last column is cut, numbers and hashes are of no use when cut."""
    names = [name.removeprefix(">") for name in table.header]
    rows = [*([[(name, "dim") for name in names]] if names else []), *table.rows]
    count = max((len(row) for row in rows), default=0)
    widths = [max((columns([row[index]]) for row in rows if index < len(row)), default=0) for index in range(count)]
    is_right = [index < len(names) and table.header[index].startswith(">") for index in range(count)]
    for row in rows:
        line: list[Cell] = []
        for index, cell in enumerate(row):
            space = " " * (widths[index] - columns([cell]))
            before, after = (space, "") if is_right[index] else ("", space)
            is_last = index == len(row) - 1
            line += [before, cell] if is_last else [before, cell, after + "  "]
        yield fit(line, width)


def columns(cells: Sequence[Cell]) -> int:
    """Return how many columns of a terminal *cells* take."""
    from rich.cells import cell_len

    return sum(cell_len(visible(cell if isinstance(cell, str) else cell[0])) for cell in cells)


def fit(cells: Sequence[Cell], width: int, mark: str = "…") -> list[Cell]:
    """Return *cells* in at most *width* columns, with *mark* where they were cut."""
    from rich.cells import cell_len, set_cell_size

    if columns(cells) <= width:
        return list(cells)
    kept: list[Cell] = []
    room = width - 1
    for cell in cells:
        text, style = (cell, "") if isinstance(cell, str) else cell
        shown = visible(text)
        if cell_len(shown) > room:
            # Half a wide character would become a space.
            return [*kept, (set_cell_size(shown, room).rstrip(), style), mark] if room >= 0 else []
        kept.append((shown, style))
        room -= cell_len(shown)
    return [*kept, mark]
