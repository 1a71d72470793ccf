"""Answers which commits a search looks at: those of a tract, a branch, an ancestry or the whole store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from tract.history.ancestry import Place, Reach, contains, reach_all
from tract.history.lanes import lane_of, merged_of
from tract.objects.refs import BRANCH_PREFIX, TAG_PREFIX
from tract.storage import queries as q
from tract.storage import searching as f
from tract.store import Store

Scope: TypeAlias = Literal["tract", "branch", "ancestry", "store"]


class Where(NamedTuple):
    """Where to look: a scope, and for `ancestry` the commit whose history it is (`None` for HEAD)."""

    scope: Scope
    at: bytes | None = None


_Held: TypeAlias = tuple[int, dict[int, int]]


class Standing:
    """Where commits stand, as one snapshot sees it; asked as far as a search needs it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tracts: dict[str, int] | None = None
        self._reaches: dict[object, Reach] = {}

    @property
    def tracts(self) -> Mapping[str, int]:
        """Row id of every tract by its name."""
        if self._tracts is None:
            self._tracts = f.tracts(self._store.database)
        return self._tracts

    def looked_in(self, tracts: Iterable[str]) -> list[int]:
        """Return the row ids of those of *tracts* that exist."""
        return [self.tracts[name] for name in tracts if name in self.tracts]

    def ever(self, tract: int, ref: str | None = None) -> Reach:
        """Return what a tract's refs, or one, ever pointed to, and all behind it."""
        return self._reach(("ever", tract, ref), lambda: _places(self._held(tract, ref)))

    def behind(self, commit: bytes) -> Reach:
        """Return what lies behind a commit, itself included."""

        def places() -> list[Place]:
            tip = self._store.tip(commit)
            return [Place(tip.lane_id, tip.generation)]

        return self._reach(commit, places)

    def used(self, tract: int) -> Reach:
        """Return what a tract's branches and tags lead to."""
        return self._reach(("used", tract), lambda: [self._place(one) for one in set(self.refs(tract).values())])

    def refs(self, tract: int) -> dict[str, bytes]:
        """Return the commit of each branch and tag of a tract, by full name."""
        store = self._store
        found = store.refs() if tract == store.tract_id else dict(store.database.all(q.REFS, tract_id=tract))
        return {name: commit for name, commit in found.items() if name.startswith((BRANCH_PREFIX, TAG_PREFIX))}

    def tract_of(self, place: Place, looked_in: Iterable[int]) -> str:
        """Return the name of the tract a commit belongs to, this handle's if it does, `""` for none.

        Only tracts *looked_in* are asked.
        """
        own = self._store.tract_id
        ids = sorted(looked_in, key=lambda tract: (tract != own, tract))
        names = {tract: name for name, tract in self.tracts.items()}
        return next((names[tract] for tract in ids if contains(self.ever(tract), place)), "")

    def _place(self, commit: bytes) -> Place:
        tip = self._store.tip(commit)
        return Place(tip.lane_id, tip.generation)

    def _reach(self, key: object, tips: Callable[[], Iterable[Place]]) -> Reach:
        if key not in self._reaches:
            store = self._store
            self._reaches[key] = reach_all(
                tips(), lambda lane: lane_of(store, lane), lambda lane: merged_of(store, lane)
            )
        return self._reaches[key]

    def _held(self, tract: int, ref: str | None) -> dict[int, int]:
        """Return the highest commit of each lane refs pointed to; only operations since the last time are read."""
        store = self._store
        last = store.last_operation() if tract == store.tract_id else _NO_END
        if store.is_writing or store.at_operation is not None:
            held = f.held(store.database, f.Moves(tract, ref, 0, last))
            # What an open batch has done stands in no operation yet.
            now = {} if tract != store.tract_id else self.refs(tract)
            for name, commit in now.items():
                if ref in {None, name}:
                    place = self._place(commit)
                    held[place.lane] = max(held.get(place.lane, 0), place.generation)
            return held
        known: dict[tuple[int, str | None], _Held] = store.memo.setdefault("held", {})
        after, before = known.get((tract, ref), (0, {}))
        newest = store.database.one(q.LAST_OPERATION, tract_id=tract)
        last = 0 if newest is None or newest[0] is None else newest[0]
        if last > after:
            for lane, high in f.held(store.database, f.Moves(tract, ref, after, last)).items():
                before[lane] = max(before.get(lane, 0), high)
            known[tract, ref] = (last, before)
        return before


_NO_END = (1 << 62) - 1


def _places(held: Mapping[int, int]) -> list[Place]:
    return [Place(lane, generation) for lane, generation in held.items()]
