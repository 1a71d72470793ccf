"""Answers whose compiled size no longer holds once contents went or came back; who asks for it counts again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import func, null, select, update

from tract.storage import queries as q
from tract.storage import schema as s
from tract.storage import sweeping as w
from tract.storage.checks import lanes
from tract.storage.database import Database, Query

_p = q.parameter

_END: Final = 1 << 62
"""Behind every generation."""

_USERS: Final = Query(
    select(s.commits.c.lane_id, func.min(s.commits.c.generation))
    .where(s.commits.c.blob_id == _p("blob"))
    .group_by(s.commits.c.lane_id)
)
_FORGET: Final = Query(
    update(s.commits)
    .where(
        s.commits.c.lane_id == _p("of_lane"), s.commits.c.generation >= _p("low"), s.commits.c.generation < _p("high")
    )
    .values(context_tokens=null())
)


def forget_sizes(database: Database, places: Iterable[w.Place], *, until: Iterable[w.Place] = ()) -> None:
    """Drop the compiled sizes of the commits at *places* and of all they can be reached from, but also from *until*.

    Cost:
        O(lanes, and commits concerned).
    """
    ends = _ahead(database, until)
    for lane, low in _ahead(database, places).items():
        database.execute(_FORGET, {"of_lane": lane, "low": low, "high": ends.get(lane, _END)})


def forget_sizes_with(database: Database, blob: int) -> None:
    """Drop every compiled size that counted, or did not count, this content or file.

    Cost:
        O(commits); with a file also O(bytes of all contents).
    """
    found = w.stored(database, id_=blob)
    naming: list[int] = []
    if found is not None and found.kind == "file":
        naming = [one for one, files in w.files_named(database).items() if found.hash in files]
    forget_sizes(database, [(row[0], row[1]) for one in (blob, *naming) for row in database.all(_USERS, blob=one)])


def _ahead(database: Database, places: Iterable[w.Place]) -> dict[int, int]:
    """Return the commits from which one of *places* can be reached: by lane, from which generation on."""
    found: dict[int, int] = {}
    for lane, generation in places:
        found[lane] = min(found.get(lane, generation), generation)
    merged = w.merged(database)
    # A parent's generation is lower than its child's, so the lanes a lane starts behind come before it.
    for lane, (start, *fork) in sorted(lanes(database).items(), key=lambda one: one[1][0]):
        parents = [*merged.get(lane, ()), *([] if None in fork else [(fork[0], fork[1])])]
        if any(parent in found and generation >= found[parent] for parent, generation in parents):
            found[lane] = start
    return found
