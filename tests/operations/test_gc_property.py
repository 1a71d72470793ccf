"""G9: whatever was done in several tracts, gc changes nothing that is reached or that undo could bring back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.operations.clock import DAY, Clock
from tract import Tract
from tract.errors import CommitCollectedError, IrreversibleError, NothingToUndoError, TractError

TRACTS = ("default", "other")
VERBS = [
    "user", "user", "user", "same", "edit", "pin", "skip", "branch", "switch", "reset_soft", "reset_hard", "undo",
    "undo", "redo", "tag", "untag", "delete", "merge", "squash", "borrow", "days", "gc",
]  # fmt: skip


class World:
    """Handles on two tracts of one file and a clock; knows by itself what gc may take."""

    def __init__(self, folder: Path, data: st.DataObject) -> None:
        self.draw = data.draw
        self.path = folder / "a.db"
        self.clock = Clock()
        self.handles = [Tract.open(self.path, tract=name, durability="off") for name in TRACTS]
        self.clock.on(*self.handles)
        self.count = 0
        self.ever: set[str] = set()
        self.gone: set[str] = set()
        self.known: dict[str, list[Any]] = {}

    def close(self) -> None:
        for t in self.handles:
            t.close()

    # --- what is known without gc ----------------------------------------------------------------------

    def refs(self) -> dict[tuple[str, str], str]:
        return {
            (name, ref): commit.hex()
            for name, t in zip(TRACTS, self.handles, strict=True)
            for ref, commit in t._store.refs().items()
        }

    def behind(self, commits: set[str]) -> set[str]:
        """Return what is reached from *commits*, commit by commit; a squash reaches what it was made of."""
        found: set[str] = set()
        waiting = list(commits)
        while waiting:
            commit = waiting.pop()
            if commit not in found:
                found.add(commit)
                info = self.handles[0].get(commit)
                waiting += info.parents
                squashed = info.metadata.get("squashed")
                waiting += [squashed["head"]] if squashed else []
        return found

    def window(self, days: float) -> set[str]:
        """Return what refs point to, or pointed to at any time in the last *days*."""
        since = self.clock.now - round(days * DAY)
        found = set(self.refs().values())
        for t in self.handles:
            for done in t.operations:
                if done.created_at.timestamp() * 1e6 >= since:
                    found |= {commit for ref, *both in done.changes if ref != "HEAD" for commit in both if commit}
        return found

    def look(self) -> None:
        """Remember what every tip says, as long as nothing of it is gone."""
        tips = set(self.refs().values())
        self.ever |= self.behind(tips)
        for tip in tips:
            if tip not in self.known:
                self.known[tip] = self.handles[0].compile(at=tip).to_dicts()

    # --- verbs -----------------------------------------------------------------------------------------

    def step(self) -> None:
        t = self.draw(st.sampled_from(self.handles))
        verb = self.draw(st.sampled_from(VERBS))
        if verb in {"gc", "days"}:
            getattr(self, verb)(t)
        else:
            try:
                getattr(self, verb)(t)
            except TractError:
                assert t.fsck() == []  # a branch that is gone, nothing to undo, a conflict: nothing was done
        self.look()

    def new(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def some(self, names: Any) -> Any:
        return self.draw(st.sampled_from(sorted(names) or [""]))

    def user(self, t: Tract) -> None:
        t.user(self.new())

    def same(self, t: Tract) -> None:
        t.user(self.draw(st.sampled_from(["yes", "no"])), message="note")

    def edit(self, t: Tract) -> None:
        t.edit(self.some(t.compile().commit_hashes), self.new())

    def pin(self, t: Tract) -> None:
        t.pin(self.some(t.compile().commit_hashes))

    def skip(self, t: Tract) -> None:
        t.skip(self.some(t.compile().commit_hashes))

    def branch(self, t: Tract) -> None:
        t.branch(self.new(), at=self.some([info.hash for info in t.log(9)]))

    def switch(self, t: Tract) -> None:
        t.switch(self.some(t.branches))

    def reset_soft(self, t: Tract) -> None:
        t.reset(self.some([info.hash for info in t.log(9)]))

    def reset_hard(self, t: Tract) -> None:
        t.reset(self.some([info.hash for info in t.log(9)]), mode="hard")

    def undo(self, t: Tract) -> None:
        t.undo()

    def redo(self, t: Tract) -> None:
        t.redo()

    def tag(self, t: Tract) -> None:
        t.tag(self.new(), at=self.some([info.hash for info in t.log(9)]))

    def untag(self, t: Tract) -> None:
        t.tags.delete(self.some(t.tags))

    def delete(self, t: Tract) -> None:
        t.branches.delete(self.some(t.branches), force=True)

    def merge(self, t: Tract) -> None:
        t.merge(self.some(t.branches), strategy="ours", delete_branch=self.draw(st.booleans()))

    def squash(self, t: Tract) -> None:
        t.merge(self.some(t.branches), strategy="squash", delete_branch=self.draw(st.booleans()))

    def borrow(self, t: Tract) -> None:
        t.branch(self.new(), at=self.some(self.refs().values()))

    def days(self, _: Tract) -> None:
        self.clock.pass_days(self.draw(st.sampled_from([1, 10, 40])))

    def gc(self, t: Tract) -> None:
        days = self.draw(st.sampled_from([0, 15, 30]))
        self.clock.pass_days(0.01)  # so that nothing lies on the very edge of the window
        # An earlier gc may have kept less than this one would.
        refs, kept = self.refs(), self.behind(self.window(days)) - self.gone

        result = t.gc(keep_days=days, keep_pinned=self.draw(st.booleans()))

        collected = set(result.collected)
        assert self.refs() == refs
        assert not collected & (kept | set(result.pinned))
        assert self.ever - kept - self.gone <= collected | set(result.pinned)
        self.gone |= collected | set(result.pinned)
        with Tract.open(self.path) as fresh:
            for commit in kept:
                self.says_what_it_said(fresh, commit)
            for commit in collected:
                assert fresh.get(commit).hash == commit
            for tip in (tip for tip in self.known if tip in kept):
                assert fresh.compile(at=tip).to_dicts() == self.known[tip]
            assert fresh.fsck() == []
        self.known = {tip: said for tip, said in self.known.items() if tip not in self.gone}

    def says_what_it_said(self, t: Tract, commit: str) -> None:
        info = t.get(commit)
        if info.op in {"append", "edit"} and info.content_type is not None:
            t.show(commit)

    def undo_all(self) -> None:
        """Take back everything in the window, back to the last gc that took something."""
        for t in self.handles:
            for _ in range(8):
                try:
                    t.undo()
                except (NothingToUndoError, IrreversibleError, CommitCollectedError):
                    break
                assert t.compile(verify=True).warnings == ()


# Shrinking takes minutes; the drawn verbs of a failure tell enough.
@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_gc_takes_exactly_what_nothing_can_bring_back(data: st.DataObject) -> None:
    """Against a brute-force walk of parents; refs, messages, tips and undo are as they were."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), data)
        try:
            for t in world.handles:
                world.user(t)
            for _ in range(data.draw(st.integers(1, 25), label="steps")):
                world.step()
            world.gc(world.handles[0])
            world.undo_all()
            assert world.handles[0].fsck() == []
        finally:
            world.close()
