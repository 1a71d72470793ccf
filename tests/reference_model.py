"""A naive model of what a history says: order and content, in plain lists, with nothing cached.

Every question is answered from the root; tests compare `tract` with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Did:
    """One commit: what it did, to what, after which commit."""

    parent: str | None
    op: str
    text: str = ""
    targets: tuple[str, ...] = ()
    priority: str = "normal"


@dataclass
class Model:
    """Commits by hash, and where each branch points; `None` before its first commit."""

    commits: dict[str, Did] = field(default_factory=dict)
    branches: dict[str, str | None] = field(default_factory=lambda: {"main": None})

    def history(self, tip: str | None) -> list[str]:
        """Return the commits from the root to *tip*."""
        found: list[str] = []
        while tip is not None:
            found.insert(0, tip)
            tip = self.commits[tip].parent
        return found

    def switched_off(self, history: list[str]) -> set[str]:
        """Return the commits whose effect a revert in effect switched off."""
        off: set[str] = set()
        for commit in reversed(history):
            if self.commits[commit].op == "revert" and commit not in off:
                off.update(self.commits[commit].targets)
        return off

    def entries(self, tip: str | None) -> list[dict[str, str]]:
        """Return every place of the history of *tip*: what it shows, with which priority, and hidden by what."""
        history = self.history(tip)
        off = self.switched_off(history)
        places: list[dict[str, str]] = []
        for commit in history:
            did = self.commits[commit]
            acted = [place for place in places if place["commit"] in did.targets]
            if did.op in {"append", "compress"}:
                at = places.index(acted[0]) if did.op == "compress" else len(places)
                hidden = "off" if commit in off else ""
                new = {"commit": commit, "text": did.text, "priority": did.priority, "shown": commit, "hidden": hidden}
                places.insert(at, new)
            changed = {
                "edit": {"text": did.text, "shown": commit},
                "annotate": {"priority": did.priority},
                "compress": {"hidden": commit},
            }.get(did.op, {})
            for place in acted if commit not in off else ():
                place.update(changed)
        return places

    def visible(self, tip: str | None) -> list[dict[str, str]]:
        """Return the places that become messages."""
        return [place for place in self.entries(tip) if place["priority"] != "skip" and not place["hidden"]]

    def original(self, commit: str) -> str:
        """Return the commit an edit stands for; itself for any other."""
        return self.commits[commit].targets[0] if self.commits[commit].op == "edit" else commit
