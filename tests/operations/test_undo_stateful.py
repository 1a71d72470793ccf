"""Any writes by two handles of one file: one operation each, undone and redone to the byte, and found again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tract import Tract
from tract.errors import BranchNotFoundError, InvalidInputError, NothingToUndoError, ProposalStaleError
from tract.objects.refs import HEAD
from tract.operations.configure import stored_config
from tract.storage import queries as q

HANDLES = 2
WRITES = [
    "user", "user", "assistant", "edit", "skip", "pin", "batch", "branch", "branch_aside", "switch", "tag", "untag",
    "delete", "rename", "describe", "reset_soft", "reset_hard", "configure", "record_usage", "compress", "propose",
    "decide",
]  # fmt: skip
STEPS = ["undo", "undo", "undo", "redo", "redo", "reopen", "detach"]
MAY_CHANGE_NOTHING = {"switch", "reset_soft", "reset_hard", "configure", "describe"}


def compiled(t: Tract, names: list[str]) -> dict[str, Any]:
    """Compile each of *names* by a fresh read."""
    found = {}
    for name in names:
        context = t.compile(at=name)
        found[name] = (context.to_dicts(), context.head, context.prefix_hash())
    return found


def state(t: Tract) -> dict[str, Any]:
    """Return all that undo has to put back: refs, HEAD, compiled messages, usage, descriptions, settings."""
    store = t._store
    start = store.one(q.REF, tract_id=store.tract_id, name=HEAD)
    names = list(t.branches)
    return {
        "refs": store.refs(),
        "start": None if start is None else start[1],
        "compiled": compiled(t, names),
        "counts": {name: (t.compile(at=name).token_count, t.compile(at=name).token_source) for name in names},
        "descriptions": {name: branch.description for name, branch in t.branches.items()},
        "settings": stored_config(store),
        "proposals": {number: (one.state, one.drafts) for number, one in t.proposals.items()},
    }


class World:
    """Two handles on one file, the state after each operation, and which states undo and redo lead to."""

    def __init__(self, folder: Path, data: st.DataObject) -> None:
        self.path = folder / "agent.db"
        self.draw = data.draw
        self.handles = [self.open() for _ in range(HANDLES)]
        self.now = state(self.handles[0])
        self.past: list[dict[str, Any]] = []
        self.future: list[dict[str, Any]] = []
        self.at: dict[int, dict[str, Any]] = {1: self.now}
        self.tips: dict[str, Any] = {}
        self.count = 0

    def open(self) -> Tract:
        return Tract.open(self.path, durability="off", config=None)

    def close(self) -> None:
        for handle in self.handles:
            handle.close()

    def some(self, names: Any) -> Any:
        listed = list(names)
        return self.draw(st.sampled_from(listed)) if listed else None

    def commits(self, t: Tract) -> list[str]:
        return [info.hash for info in t.log(limit=100, all_branches=True)]

    def new(self) -> str:
        self.count += 1
        return f"n{self.count}"

    # --- one step ----------------------------------------------------------------------------------

    def step(self, verb: str, handle: int) -> None:
        t = self.handles[handle]
        if verb in STEPS:
            if verb == "reopen":
                self.reopen(handle)
            else:
                getattr(self, verb)(t)
            return
        if self.is_lost(t):
            with pytest.raises(BranchNotFoundError):
                t.user("to nowhere")
            with pytest.raises(BranchNotFoundError):
                t.compile()
            assert state(t) == self.now
            t.switch(self.now["start"].removeprefix("heads/"))
        if t.current_branch is None:
            t.switch(self.now["start"].removeprefix("heads/"))
            self.record(t, may_change_nothing=True)
        getattr(self, verb)(t)
        self.record(t, may_change_nothing=verb in MAY_CHANGE_NOTHING)

    def is_lost(self, t: Tract) -> bool:
        branch = t.current_branch
        return branch is not None and branch not in t.branches and self.now["start"] != f"heads/{branch}"

    def record(self, t: Tract, *, may_change_nothing: bool) -> None:
        """One public write is one operation, which clears redo; a write that changes nothing is none."""
        after = state(t)
        if len(t.operations) == max(self.at) and may_change_nothing:
            assert after == self.now
            return
        assert len(t.operations) == max(self.at) + 1
        self.past.append(self.now)
        self.future.clear()
        self.keep(t, after)

    def keep(self, t: Tract, after: dict[str, Any]) -> None:
        self.now = self.at[len(t.operations)] = after
        self.tips |= {seen[1]: seen for seen in after["compiled"].values()}

    # --- undo, redo, reopen ------------------------------------------------------------------------

    def undo(self, t: Tract) -> None:
        self.back(t, self.past, self.future, t.undo)

    def redo(self, t: Tract) -> None:
        self.back(t, self.future, self.past, t.redo)

    def back(self, t: Tract, source: list[dict[str, Any]], target: list[dict[str, Any]], do: Any) -> None:
        steps = self.draw(st.integers(1, 3))
        if steps > len(source):
            with pytest.raises(NothingToUndoError):
                do(steps)
            assert len(t.operations) == max(self.at)
            return
        done = do(steps)
        assert len(done.operations) == steps
        after, expected = state(t), self.now
        for _ in range(steps):
            target.append(expected)
            expected = source.pop()
        assert after == expected
        assert len(t.operations) == max(self.at) + 1
        self.keep(t, after)
        assert t.current_branch is None or not self.is_lost(t)

    def reopen(self, handle: int) -> None:
        self.handles[handle].close()
        self.handles[handle] = self.open()
        assert f"heads/{self.handles[handle].current_branch}" == self.now["start"]

    def detach(self, t: Tract) -> None:
        commit = self.some(self.commits(t)) if not self.is_lost(t) else None
        if commit is not None and t.current_branch in t.branches:
            t.checkout(commit)

    # --- writes ------------------------------------------------------------------------------------

    def user(self, t: Tract) -> None:
        t.user(self.new())

    def assistant(self, t: Tract) -> None:
        t.assistant(self.new(), generation_config={"model": "m"})

    def edit(self, t: Tract) -> None:
        target = self.some(t.compile().commit_hashes)
        _ = t.user(self.new()) if target is None else t.edit(target, self.new())

    def skip(self, t: Tract) -> None:
        target = self.some(t.compile().commit_hashes)
        _ = t.user(self.new()) if target is None else t.skip(target)

    def pin(self, t: Tract) -> None:
        target = self.some(t.compile().commit_hashes)
        _ = t.user(self.new()) if target is None else t.pin(target)

    def compress(self, t: Tract, **options: Any) -> None:
        said = f"all {self.new()}"
        try:
            t.compress(summarizer=lambda _: said, **options)
        except InvalidInputError:
            t.user(f"{self.new()} and more words, so that there is something to leave out next time")

    def propose(self, t: Tract) -> None:
        self.compress(t, autonomy="collaborative")

    def decide(self, t: Tract) -> None:
        proposal = self.some(t.proposals.open)
        verb = self.draw(st.sampled_from(["approve", "reject", "edit"]))
        try:
            _ = t.user(self.new()) if proposal is None else getattr(proposal, verb)(*["by hand"] * (verb == "edit"))
        except ProposalStaleError:
            t.user(self.new())

    def batch(self, t: Tract) -> None:
        with t.batch():
            said = t.user(self.new())
            for verb in self.draw(st.lists(st.sampled_from(WRITES), max_size=3)):
                if verb not in {"batch", "edit", "skip", "pin"}:
                    getattr(self, verb)(t)
            if self.draw(st.booleans()) and t.head == said.hash:
                t.edit(said, self.new())

    def branch(self, t: Tract) -> None:
        commit = self.some(self.commits(t))
        _ = t.user(self.new()) if commit is None else t.branch(self.new(), at=commit)

    def branch_aside(self, t: Tract) -> None:
        commit = self.some(self.commits(t))
        _ = t.user(self.new()) if commit is None else t.branch(self.new(), at=commit, switch=False)

    def switch(self, t: Tract) -> None:
        name = self.some(t.branches)
        _ = t.user(self.new()) if name is None else t.switch(name)

    def tag(self, t: Tract) -> None:
        commit = self.some(self.commits(t))
        _ = t.user(self.new()) if commit is None else t.tag(self.new(), commit)

    def untag(self, t: Tract) -> None:
        name = self.some(t.tags)
        _ = t.user(self.new()) if name is None else t.tags.delete(name)

    def delete(self, t: Tract) -> None:
        name = self.some(name for name in t.branches if name != t.current_branch)
        _ = t.user(self.new()) if name is None else t.branches.delete(name, force=True)

    def rename(self, t: Tract) -> None:
        name = self.some(t.branches)
        _ = t.user(self.new()) if name is None else t.branches.rename(name, self.new())

    def describe(self, t: Tract) -> None:
        name = self.some(t.branches)
        _ = (
            t.user(self.new())
            if name is None
            else t.branches.describe(name, self.draw(st.sampled_from(["a", "b", ""])))
        )

    def reset_soft(self, t: Tract) -> None:
        commit = self.some(self.commits(t))
        _ = t.user(self.new()) if commit is None else t.reset(commit)

    def reset_hard(self, t: Tract) -> None:
        commit = self.some(self.commits(t))
        _ = t.user(self.new()) if commit is None else t.reset(commit, mode="hard")

    def configure(self, t: Tract) -> None:
        t.configure(max_content_bytes=self.draw(st.integers(1000, 1003)))

    def record_usage(self, t: Tract) -> None:
        if t.head is None:
            t.user(self.new())
        else:
            t.record_usage({"prompt_tokens": self.draw(st.integers(1, 9)), "completion_tokens": 1})


@contextmanager
def worlds(data: st.DataObject) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), data)
        try:
            yield world
        finally:
            world.close()


# Shrinking takes minutes; the drawn verbs of a failure tell enough.
@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_any_writes_are_undone_and_redone_and_every_moment_can_be_seen_again(data: st.DataObject) -> None:
    """Refs, messages, counts, descriptions and settings; then each `at_operation` and each old tip."""
    with worlds(data) as world:
        for _ in range(data.draw(st.integers(1, 14), label="steps")):
            verb = data.draw(st.sampled_from([*WRITES, *STEPS, *STEPS]), label="verb")
            world.step(verb, data.draw(st.integers(0, HANDLES - 1), label="handle"))
        with world.open() as t:
            for number, then in world.at.items():
                view = t.at_operation(number)
                assert view._store.refs() == then["refs"]
                assert f"heads/{view.current_branch}" == then["start"]
                assert compiled(view, list(view.branches)) == then["compiled"]
            for tip, seen in world.tips.items():
                assert compiled(t, [tip])[tip] == seen
            assert t.fsck() == []
