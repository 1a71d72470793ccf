"""Answers how tracts of a store are written down: as JSON, and as rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tract.cli._moment import age
from tract.cli._render import Cell, page_width
from tract.objects.content import shorten

if TYPE_CHECKING:
    from tract.sessions.collapse import CollapseResult
    from tract.sessions.tracts import TractInfo

HEADER: Final = ("tract", "state", "parent", "mode", ">commits", ">tokens", "when", "purpose")
_STYLES: Final = {"ended": "green", "active": "cyan", "new": "dim"}


def tract_json(info: TractInfo) -> dict[str, Any]:
    """Return everything known of a tract, as JSON."""
    return {
        "name": info.name,
        "purpose": info.purpose,
        "parent": info.parent,
        "mode": info.mode,
        "spawn": info.spawn,
        "branch": info.branch,
        "head": info.head,
        "commits": info.commits,
        "tokens": info.tokens,
        "operations": info.operations,
        "created_at": info.created_at.isoformat(),
        "last_activity": info.last_activity.isoformat(),
        "state": info.state,
    }


def tract_row(info: TractInfo) -> list[Cell]:
    """Return one line about a tract: with exact times for programs."""
    then = info.last_activity
    when = then.isoformat(timespec="seconds") if page_width() is None else age(then, datetime.now(UTC))
    kin: list[Cell] = [(info.name, "bold"), (info.state, _STYLES[info.state]), info.parent or "", info.mode or ""]
    return [*kin, str(info.commits), str(info.tokens), (when, "dim"), shorten(info.purpose)]


def collapse_json(result: CollapseResult) -> dict[str, Any]:
    """Return what a collapse brought home, as JSON."""
    return {
        "commit": result.commit,
        "child": result.child,
        "head": result.head,
        "commits": list(result.commits),
        "text": result.text,
        "tokens_before": result.tokens_before,
        "tokens_after": result.tokens_after,
        "summarizer": result.summarizer,
    }


def collapse_row(result: CollapseResult) -> list[Cell]:
    """Return one line about a collapse."""
    facts: list[Cell] = [str(len(result.commits)), str(result.tokens_before), str(result.tokens_after)]
    first: list[Cell] = [("collapsed", "green"), (result.child, "bold"), (result.commit[:8], "yellow")]
    return [*first, *facts, result.summarizer, shorten(result.text)]


COLLAPSE_HEADER: Final = ("done", "child", "commit", ">commits", ">before", ">after", "by", "text")
