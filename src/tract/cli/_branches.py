"""Answers how commits are listed beside their branch graph: labels, texts and tokens for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tract.cli._graph import Beside, Glyphs, glyphs, page, plain
from tract.cli._moment import age
from tract.cli._render import Block, Cell, Heading, Table, fit, is_ascii_only
from tract.history.graph import Row, draw

if TYPE_CHECKING:
    from tract.history.log import GraphRow
    from tract.porcelain.tract import Tract


class _Labels:
    """What to write beside a commit for the refs on it."""

    def __init__(self, t: Tract) -> None:
        self._current = t.current_branch
        self._tags = frozenset(t.tags)
        self.head = t.head

    def symbol(self, row: GraphRow) -> str:
        if row.commit.hash == self.head:
            return "@"
        return "◆" if self._tags.intersection(row.refs) else "○"

    def cells(self, row: GraphRow) -> list[Cell]:
        """Return each name and a space; the current branch first, marked `*`; `HEAD` only where detached."""
        names = sorted(row.refs, key=lambda name: (name not in {self._current, "HEAD"}, row.refs.index(name)))
        return [cell for name in names if (shown := self._name(name)) for cell in (shown, " ")]

    def _name(self, name: str) -> Cell | None:
        if name == "HEAD":
            return ("HEAD", "red") if self._current is None else None
        if name == self._current:
            return f"{name}*", "green"
        return name, "magenta" if name in self._tags else "cyan"


def graph_blocks(
    t: Tract, rows: Sequence[GraphRow], width: int | None, *, is_short: bool, is_ascii: bool
) -> list[Block]:
    """Return the graph of *rows*: lines for a terminal of *width* columns, else rows for programs."""
    is_ascii = is_ascii or is_ascii_only()
    labels = _Labels(t)
    deltas = token_deltas(t, rows)
    drawn = [
        glyphs(row, labels.symbol(one), is_cut=is_cut, is_ascii=is_ascii)
        for one, (row, is_cut) in zip(rows, _within(rows), strict=True)
    ]
    if width is None:
        return [Table([line for parts in zip(drawn, rows, deltas, strict=True) for line in _for_programs(*parts)])]
    now = datetime.now(UTC)
    texts = [_beside(labels, row, delta, None if is_short else now) for row, delta in zip(rows, deltas, strict=True)]
    lines = page(list(zip(drawn, texts, strict=True)), width, is_ascii=is_ascii)
    return [Heading(line) for line in lines]


def short_blocks(t: Tract, rows: Sequence[GraphRow], width: int | None, *, is_ascii: bool) -> list[Block]:
    """Return one line for each of *rows*: commit, names, what it says."""
    if width is None:
        return [Table([[(row.commit.short_hash, "yellow"), ",".join(row.refs), row.commit.message] for row in rows])]
    labels = _Labels(t)
    mark = "." if is_ascii or is_ascii_only() else "…"
    return [Heading(fit(_beside(labels, row, 0, None)[0].left, width, mark)) for row in rows]


def token_deltas(t: Tract, rows: Sequence[GraphRow]) -> list[int]:
    """Return by how many tokens each commit changed the context of its first parent."""
    sizes = {row.commit.hash: row.commit.context_tokens for row in rows}
    deltas = []
    for row in rows:
        before = 0
        if row.commit.parents:
            parent = row.commit.parents[0]
            if parent not in sizes:
                sizes[parent] = t.get(parent).context_tokens
            before = sizes[parent]
        deltas.append(row.commit.context_tokens - before)
    return deltas


def _within(rows: Sequence[GraphRow]) -> Iterator[tuple[Row[str], bool]]:
    """Yield the row of each commit, and whether some of its parents are not among *rows*.

    Lines to those would run to the end of the page, one column for each gap in a filtered log.
    """
    shown = {one.commit.hash for one in rows}
    parents = [[parent for parent in one.commit.parents if parent in shown] for one in rows]
    again = draw((one.commit.hash, kept) for one, kept in zip(rows, parents, strict=True))
    for one, kept, row in zip(rows, parents, again, strict=True):
        yield row, len(kept) < len(one.commit.parents)


def _for_programs(drawn: Glyphs, row: GraphRow, delta: int) -> Iterator[list[Cell]]:
    commit = row.commit
    first, *others = [plain(line) for line in drawn.lines]
    yield [first, (commit.short_hash, "yellow"), ",".join(row.refs), f"{delta:+}", commit.message]
    for line in others:
        yield [line]


def _beside(labels: _Labels, row: GraphRow, delta: int, now: datetime | None) -> list[Beside]:
    """Return the texts of one commit: one line, or two with *now*."""
    commit = row.commit
    name: list[Cell] = [(commit.short_hash, "yellow"), " ", *labels.cells(row)]
    right: list[Cell] = [(f"{delta:+,}", "green" if delta > 0 else "red" if delta < 0 else "dim")]
    if now is None:
        return [Beside([*name, commit.message], right)]
    facts: list[Cell] = [(f"{commit.op} {commit.origin} {age(commit.created_at, now)}", "dim")]
    if commit.author:
        facts = [f"{commit.author} ", *facts]
    return [Beside([*name, *facts], [*right, (f" = {commit.context_tokens:,}", "dim")]), Beside([commit.message])]
