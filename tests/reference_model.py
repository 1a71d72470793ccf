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

    def entries(self, tip: str | None) -> list[dict[str, str]]:
        """Return every place of the history of *tip*: what it shows and with which priority."""
        places: list[dict[str, str]] = []
        for commit in self.history(tip):
            did = self.commits[commit]
            if did.op == "append":
                places.append({"commit": commit, "text": did.text, "priority": did.priority, "shown": commit})
            for place in places:
                if place["commit"] in did.targets and did.op == "edit":
                    place.update(text=did.text, shown=commit)
                elif place["commit"] in did.targets:
                    place.update(priority=did.priority)
        return places

    def visible(self, tip: str | None) -> list[dict[str, str]]:
        """Return the places that become messages."""
        return [place for place in self.entries(tip) if place["priority"] != "skip"]

    def original(self, commit: str) -> str:
        """Return the commit an edit stands for; itself for any other."""
        return self.commits[commit].targets[0] if self.commits[commit].op == "edit" else commit
