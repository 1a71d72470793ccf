"""Finds commits by their full text: brings the index up to date, asks it, and tells what was found."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from tract.compile.counts import counted
from tract.errors import CorruptStoreError, InvalidInputError, shown
from tract.history.info import commit_info
from tract.history.reflog import require_logged
from tract.objects.commit import CommitInfo
from tract.search.find import Match, find
from tract.search.index import catch_up, rebuild
from tract.search.query import Query, parse
from tract.search.scope import Scope, Where
from tract.store import Store

_SCOPES: Final = get_args(Scope)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A commit that a search found.

    Attributes:
        commit: What is known of it.
        tract: Name of the tract it belongs to: this one if it does; `""` if no ref ever led to it.
        score: From 0 to 1: how well it answers the query, whatever else is stored.
        snippet: A piece of its text that shows most of what was looked for; `…` where it was cut.
        matches: Where in `snippet` that stands: start and end of each place, in order.
        is_reachable: Whether a branch or tag of its tract leads to it.
    """

    commit: CommitInfo
    tract: str
    score: float
    snippet: str = field(repr=False)
    matches: tuple[tuple[int, int], ...] = field(repr=False)
    is_reachable: bool

    def __repr__(self) -> str:
        where = self.tract if self.is_reachable else f"{self.tract}, unreachable"
        return f"<SearchHit {self.commit.short_hash} score={self.score:.3f} in {where}>"

    def _repr_html_(self) -> str:
        shown_text, at = "", 0
        for start, end in self.matches:
            shown_text += html.escape(self.snippet[at:start]) + f"<b>{html.escape(self.snippet[start:end])}</b>"
            at = end
        return f"<p><code>{self.commit.short_hash}</code> {shown_text}{html.escape(self.snippet[at:])}</p>"


def search(store: Store, query: str, where: Where, *, limit: int = 20, is_anew: bool = False) -> list[SearchHit]:
    """Return the *limit* best of the commits whose texts *query* finds.

    Args:
        store: The open store.
        query: Words, phrases and operators.
        where: Where to look.
        limit: How many at most.
        is_anew: Whether the index is made anew first.

    Raises:
        InvalidInputError: A query that is no text, or another scope or limit than there can be.
        CorruptObjectError: A content that was looked at is damaged.
        BusyError: The index was to be made anew, and others held the store past the deadline.

    Cost:
        O(what was committed since the last search) to index it; then O(commits that hold the rarest three
        letters of the query, and lanes of the scope). O(scope) for a query with no text or one Latin letter.
    """
    _check(query, where, limit)
    if where.scope != "store":
        require_logged(store)
    parsed = parse(query, store.clock())
    if is_anew:
        rebuild(store)
    try:
        return _found(store, parsed, where, limit)
    except CorruptStoreError:
        # The index is damaged, or more than that: without it that shows.
        if not store.database.read_only and not store.database.in_transaction:
            rebuild(store)
        return _found(store, parsed, where, limit, is_indexed=False)


def _found(store: Store, query: Query, where: Where, limit: int, *, is_indexed: bool = True) -> list[SearchHit]:
    if is_indexed:
        catch_up(store)
    with store.reading() as database:
        matches = find(store, database, query, where, limit=limit, is_indexed=is_indexed)
    return [_hit(store, match) for match in matches]


def _hit(store: Store, match: Match) -> SearchHit:
    info = counted(store, commit_info(store, match.commit))
    return SearchHit(info, match.tract, match.score, match.snippet, match.marks, match.is_reachable)


def _check(query: Any, where: Where, limit: Any) -> None:
    if not isinstance(query, str):
        raise InvalidInputError(f"A query is text, not {shown(query)}.", hint='Write `t.search("text")`.')
    if not isinstance(where.scope, str) or where.scope not in _SCOPES:
        raise InvalidInputError(
            f"`scope` is one of {', '.join(_SCOPES)}, not {shown(where.scope)}.",
            hint="Leave it out to search the tract.",
        )
    if where.at is not None and where.scope != "ancestry":
        raise InvalidInputError(
            "`at` names the commit of an ancestry.", hint="Write `t.search(..., scope='ancestry', at=...)`."
        )
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise InvalidInputError(f"`limit` is a number, at least 0, not {shown(limit)}.")
