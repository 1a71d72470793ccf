"""Answers what a search has to find, by reading everything; remembers what was said where, and knows no index."""

import re
import unicodedata
from dataclasses import dataclass, field

from tract import CommitInfo


@dataclass(frozen=True)
class Line:
    """One commit with a content, as it was made."""

    info: CommitInfo
    role: str | None
    kind: str
    text: str

    @property
    def at(self) -> int:
        """When, in microseconds."""
        return round(self.info.created_at.timestamp() * 1_000_000)


@dataclass
class Told:
    """What one tract was told: which commits each branch holds now, and which it ever held."""

    branches: dict[str, list[str]] = field(default_factory=lambda: {"main": []})
    ever: dict[str, set[str]] = field(default_factory=lambda: {"main": set()})
    tags: dict[str, str] = field(default_factory=dict)
    current: str = "main"

    def all_ever(self) -> set[str]:
        """Return every commit any of its branches held."""
        return set().union(*self.ever.values())

    def used(self) -> set[str]:
        """Return what its branches and tags lead to."""
        return {one for history in self.branches.values() for one in history}


Item = tuple[bool, str, str]
"""Whether it must not be, the operator (`""` for a text) and the value."""


def written(items: list[Item]) -> str:
    """Return a query of *items*, which hold no quotes."""
    return " ".join(f'{"-" if no else ""}{f"{name}:" if name else ""}"{value}"' for no, name, value in items)


def same(text: str) -> str:
    """Return what texts are compared by."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def points(text: str, terms: list[str]) -> float:
    """Return the score of a text that holds all *terms*, by the formula that is published."""
    if not terms:
        return 0.0
    text, damping = same(text), 1.2 * (0.25 + 0.75 * len(same(text)) / 1000)
    counts = [text.count(term) + len(re.findall(rf"(?<!\w){re.escape(term)}(?!\w)", text)) for term in terms]
    return round(sum(count / (count + damping) for count in counts) / len(terms), 6)


class Scan:
    """Everything that was said in a store, read from the beginning at each question."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.tracts: dict[str, Told] = {}

    def find(self, items: list[Item], scope: str, tract: str) -> list[str]:
        """Return the hashes *items* ask for, best first."""
        tracts = [value for no, name, value in items if name == "tract" and not no]
        if tracts and scope in {"tract", "store"}:
            looked_in = [self.tracts[name] for name in tracts if name in self.tracts]
        else:
            looked_in = list(self.tracts.values()) if scope == "store" else [self.tracts[tract]]
        own = self.tracts[tract]
        inside = {
            "tract": set().union(*[told.all_ever() for told in looked_in]),
            "branch": own.ever[own.current],
            "ancestry": set(own.branches[own.current]),
            "store": set().union(*[told.all_ever() for told in looked_in]),
        }[scope]
        found = [line for hash_, line in self.lines.items() if hash_ in inside and self._fits(line, items, looked_in)]
        terms = list(dict.fromkeys(same(value) for no, name, value in items if not name and not no and value))
        found.sort(
            key=lambda line: (points(line.text, terms), line.at, line.info.generation, line.info.hash), reverse=True
        )
        return [line.info.hash for line in found]

    def _fits(self, line: Line, items: list[Item], looked_in: list[Told]) -> bool:
        wanted: dict[str, list[bool]] = {}
        for no, name, value in items:
            if not name and not value:
                continue
            holds = self._holds(line, name, value, looked_in)
            if no:
                if holds:
                    return False
            elif name in {"", "before", "after"}:
                if not holds:
                    return False
            else:
                wanted.setdefault(name, []).append(holds)
        return all(any(some) for some in wanted.values())

    def _holds(self, line: Line, name: str, value: str, looked_in: list[Told]) -> bool:
        hash_ = line.info.hash
        if name == "":
            return same(value) in same(line.text)
        if name == "role":
            return line.role == value
        if name == "type":
            return line.kind == value
        if name == "branch":
            return any(hash_ in told.branches.get(value, ()) for told in looked_in)
        if name == "tag":
            return any(told.tags.get(value) == hash_ for told in looked_in)
        if name == "tract":
            return value in self.tracts and hash_ in self.tracts[value].all_ever()
        moment = line.info.created_at.isoformat()
        return moment < value if name == "before" else moment >= value
