"""A naive model of merging: plain lists folded from the root, three versions of each place compared.

Independent of `tract`: it is told which commits exist, and says what each tip shows, and what a
merge is to show and where its sides contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Did:
    """One commit."""

    parents: tuple[str, ...]
    op: str
    text: str = ""
    priority: str = "normal"
    targets: tuple[str, ...] = ()


@dataclass
class Place:
    """One place of the context."""

    commit: str
    text: str
    priority: str
    covers: frozenset[str] = frozenset()
    is_off: bool = False

    @property
    def is_visible(self) -> bool:
        return self.priority != "skip" and not self.covers and not self.is_off


class Clash(NamedTuple):
    """Where two sides contradict each other: `kind` and the commit of the place; no commit for an order."""

    kind: str
    commit: str


@dataclass
class Expected:
    """What a merge is to show: text, priority and cover of each place both sides know, their order, and clashes."""

    places: dict[str, tuple[str, str, frozenset[Any]]]
    order: list[str] | None
    clashes: set[Clash] = field(default_factory=set)


@dataclass
class Model:
    """Commits by hash."""

    commits: dict[str, Did] = field(default_factory=dict)

    def order(self, tip: str) -> list[str]:
        """Return the linear order of *tip*: its first parent's, what others add, itself."""
        found: dict[str, None] = {}
        for parent in self.commits[tip].parents:
            found |= dict.fromkeys(self.order(parent))
        return [*found, tip]

    def fold(self, tip: str) -> list[Place]:
        """Return every place of *tip*, in the order shown."""
        history = self.order(tip)
        off: set[str] = set()
        for commit in reversed(history):
            if self.commits[commit].op == "revert" and commit not in off:
                off.update(self.commits[commit].targets)
        places: list[Place] = []
        for commit in history:
            self._apply(places, commit, is_off=commit in off)
        return places

    def _apply(self, places: list[Place], commit: str, *, is_off: bool) -> None:
        did = self.commits[commit]
        acted = [place for place in places if place.commit in did.targets]
        if did.op == "append":
            places.append(Place(commit, did.text, did.priority))
        elif did.op == "compress":
            places.insert(places.index(acted[0]), Place(commit, did.text, did.priority, is_off=is_off))
            for place in acted:
                place.covers |= set() if is_off else {commit}
        elif is_off:
            return
        elif did.op == "edit":
            acted[0].text = did.text
        elif did.op == "annotate":
            for place in acted:
                place.priority = did.priority
        elif did.op == "reorder":
            where = [places.index(place) for place in acted]
            by_commit = {place.commit: place for place in acted}
            for index, target in zip(where, did.targets, strict=True):
                places[index] = by_commit[target]

    def visible(self, tip: str) -> list[str]:
        """Return the texts *tip* shows."""
        return [place.text for place in self.fold(tip) if place.is_visible]

    def bases(self, left: str, right: str) -> list[str]:
        """Return the best common ancestors."""
        common = set(self.order(left)) & set(self.order(right))
        return [one for one in common if not any(one != other and one in self.order(other) for other in common)]

    # --- what a merge is to show -------------------------------------------------------------------

    def merge(self, ours: str, theirs: str, prefer: str | None = None) -> Expected:
        """Return what merging *theirs* into *ours* is to show, clashes decided for the side *prefer*."""
        bases = [{place.commit: place for place in self.fold(base)} for base in self.bases(ours, theirs)]
        mine, other = ({place.commit: place for place in self.fold(side)} for side in (ours, theirs))
        expected = Expected({}, None)
        won: frozenset[Any] = frozenset()
        lost: frozenset[Any] = frozenset()
        for commit in mine.keys() & other.keys():
            old = [base[commit] for base in bases if commit in base]
            shown, kinds = self._compare(old, mine[commit], other[commit], prefer)
            expected.places[commit] = shown
            expected.clashes |= {Clash(kind, commit) for kind in kinds}
            if kinds & {"overlapping_compressions", "compressed_and_changed"}:
                won |= shown[2]
                lost |= (self.cover(mine[commit]) | self.cover(other[commit])) - shown[2]
        # Half a summary would tell what it does not cover: one that lost at a place is off everywhere,
        # one that won covers all it names.
        for commit, (text, priority, cover) in expected.places.items():
            whole = cover | {one for one in won if commit in one[0]}
            expected.places[commit] = (text, priority, whole - lost)
        if len(bases) == 1:
            self._merge_order(expected, [list(bases[0]), list(mine), list(other)], prefer)
        return expected

    def cover(self, place: Place) -> frozenset[Any]:
        """Return by what *place* is covered: equal compressions are alike."""
        return frozenset((frozenset(self.commits[one].targets), self.commits[one].text) for one in place.covers)

    def _compare(
        self, old: list[Place], mine: Place, other: Place, prefer: str | None
    ) -> tuple[tuple[str, str, frozenset[Any]], set[str]]:
        fields: list[Callable[[Place], Any]] = [lambda one: one.text, lambda one: one.priority, self.cover]
        came = [_came_from([get(base) for base in old], get(mine), get(other)) for get in fields]
        names = ("both_edited", "annotated_differently", "overlapping_compressions")
        kinds = {name for name, side in zip(names, came, strict=True) if side == "both"}
        text, priority, cover = came
        changed = {"ours": mine, "theirs": other}
        if {text, priority} == {"ours", "theirs"} and changed[priority].priority == "skip":
            kinds.add("edited_and_skipped")
        if cover in changed and {"ours": "theirs", "theirs": "ours"}[cover] in {text, priority}:
            kinds.add("compressed_and_changed")
        if prefer is not None:
            text, priority, cover = _preferred(kinds, came, prefer)
        sides = [changed.get(side, mine) for side in (text, priority, cover)]
        return (sides[0].text, sides[1].priority, self.cover(sides[2])), kinds

    @staticmethod
    def _merge_order(expected: Expected, orders: list[list[str]], prefer: str | None) -> None:
        common = set(orders[0])
        old, mine, other = ([one for one in order if one in common] for order in orders)
        side = _came_from([old], mine, other)
        expected.order = other if side == "theirs" else mine
        if side != "both":
            return
        moved = [{one for one, now in zip(old, new, strict=True) if one != now} for new in (mine, other)]
        if moved[0] & moved[1]:
            expected.clashes.add(Clash("reordered_differently", ""))
            expected.order = other if prefer == "theirs" else mine
        else:
            expected.order = [b if a == one else a for one, a, b in zip(old, mine, other, strict=True)]


def _came_from(bases: list[Any], mine: Any, other: Any) -> str:
    if mine == other:
        return "neither"
    if (mine in bases) == (other in bases):
        return "both"
    return "theirs" if mine in bases else "ours"


def _preferred(kinds: set[str], came: list[str], prefer: str) -> list[str]:
    decided = [prefer if side == "both" else side for side in came]
    if "edited_and_skipped" in kinds:
        decided[0] = decided[1] = prefer
    if "compressed_and_changed" in kinds:
        decided[2] = prefer
    return decided
