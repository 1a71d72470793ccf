"""Random histories on several handles of one file: what tract compiles is what a naive model says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.reference_model import Did, Model
from tract import CommitInfo, CompressResult, InstructionContent, ReasoningContent, Tract
from tract.errors import InvalidInputError
from tract.objects.content import SUMMARY_MARK

HANDLES = 3
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
LONG = "long enough, by and large, to leave some of it out"
VERBS = st.sampled_from(
    ["append", "append", "append", "edit", "annotate", "batch", "lost batch", "branch", "switch", "reopen", "detach",
     "compress", "compress", "revert"]
)  # fmt: skip
DEFAULT_PRIORITY = {"system": "pinned", "reasoning": "skip"}


class BrokenError(Exception):
    """What a batch raises to lose everything."""


class World:
    """Three handles on one file, the model beside them, and what was seen when each commit was the tip."""

    def __init__(self, folder: Path, data: st.DataObject) -> None:
        self.path = folder / "agent.db"
        self.draw = data.draw
        self.model = Model()
        self.start = "main"
        self.handles = [self.open() for _ in range(HANDLES)]
        self.standing = ["main"] * HANDLES
        self.seen: dict[str, tuple[list[Any], int, str]] = {}
        self.moments: list[tuple[str, datetime, str]] = []

    def open(self) -> Tract:
        return Tract.open(self.path, durability="off", config={"cached_states": 3})

    def close(self) -> None:
        for handle in self.handles:
            handle.close()

    def tip(self, handle: int) -> str | None:
        return self.model.branches[self.standing[handle]]

    # --- one verb each -----------------------------------------------------------------------------

    def append(self, handle: int, text: str | None = None) -> None:
        t, text = self.handles[handle], self.draw(TEXTS) if text is None else text
        kind = self.draw(st.sampled_from(["user", "assistant", "system", "reasoning"]))
        contents: dict[str, Any] = {
            "user": text,
            "assistant": {"content_type": "dialogue", "role": "assistant", "text": text},
            "system": InstructionContent(text=text),
            "reasoning": ReasoningContent(text=text),
        }
        info = t.commit(contents[kind])
        self.add(handle, info, Did(self.tip(handle), "append", text, priority=DEFAULT_PRIORITY.get(kind, "normal")))

    def edit(self, handle: int) -> None:
        target = self.target(handle)
        if target is None:
            return self.append(handle)
        original, text = self.model.original(target), self.draw(TEXTS)
        is_summary = self.model.commits[original].op == "compress"
        if is_summary and not text:
            return self.append(handle)  # a summary says something
        info = self.handles[handle].edit(target, text)
        shown = SUMMARY_MARK + text if is_summary else text
        return self.add(handle, info, Did(self.tip(handle), "edit", shown, (original,)))

    def annotate(self, handle: int) -> None:
        targets = [target for _ in range(self.draw(st.integers(1, 3))) if (target := self.target(handle))]
        if not targets:
            return self.append(handle)
        priority: Literal["skip", "normal", "pinned"] = self.draw(st.sampled_from(["skip", "normal", "pinned"]))
        info = self.handles[handle].annotate(targets, priority)
        originals = tuple(map(self.model.original, targets))
        return self.add(handle, info, Did(self.tip(handle), "annotate", targets=originals, priority=priority))

    def compress(self, handle: int) -> None:
        """Compress all, or some, once there is something to; each group becomes one commit after the other."""
        for _ in range(2):
            self.append(handle, LONG)
        t, tip = self.handles[handle], self.tip(handle)
        targets = [one for _ in range(4) if (one := self.target(handle))] if self.draw(st.booleans()) else None
        try:
            result = t.compress(targets, summarizer=lambda _: "s")
        except InvalidInputError:  # there is nothing, or too little
            return self.append(handle)
        assert isinstance(result, CompressResult)
        places = [place["commit"] for place in self.model.visible(tip)]
        for info in map(t.get, result.commits):
            covered = [places.index(target) for target in info.targets]
            assert covered == list(range(covered[0], covered[-1] + 1))
            did = Did(self.tip(handle), "compress", f"{SUMMARY_MARK}s", info.targets)
            self.add(handle, info, did)
        # They are one operation, so the branch moved once.
        self.moments[-len(result.commits) :] = self.moments[-1:]
        return None

    def revert(self, handle: int) -> None:
        """Revert a compression that no other one covers."""
        tip = self.tip(handle)
        shown = [place["commit"] for place in self.model.entries(tip) if not place["hidden"]]
        summaries = [commit for commit in shown if self.model.commits[commit].op == "compress"]
        if not summaries:
            return self.append(handle)
        target = self.draw(st.sampled_from(summaries))
        info = self.handles[handle].revert(target)
        return self.add(handle, info, Did(tip, "revert", targets=(target,)))

    def batch(self, handle: int) -> None:
        with self.handles[handle].batch():
            self.some(handle)

    def lost_batch(self, handle: int) -> None:
        before = (dict(self.model.commits), dict(self.model.branches), len(self.moments))
        try:
            with self.handles[handle].batch():
                self.some(handle)
                raise BrokenError  # noqa: TRY301  # the block is what is tested
        except BrokenError:
            self.model.commits, self.model.branches = before[0], before[1]
            del self.moments[before[2] :]

    def some(self, handle: int) -> None:
        start = len(self.moments)
        for _ in range(self.draw(st.integers(1, 3))):
            getattr(self, self.draw(st.sampled_from(["append", "edit", "annotate"])))(handle)
        # Inside a batch the branch moves once, at its end.
        self.moments[start:] = self.moments[-1:]

    def branch(self, handle: int) -> None:
        history = self.model.history(self.tip(handle))
        if not history:
            return self.append(handle)
        name, at = f"b{len(self.model.branches)}", self.draw(st.sampled_from(history))
        self.handles[handle].branch(name, at=at)
        self.model.branches[name] = at
        self.standing[handle] = self.start = name
        return None

    def switch(self, handle: int) -> None:
        there = [name for name, tip in self.model.branches.items() if tip is not None]
        if there:
            self.standing[handle] = self.start = self.handles[handle].switch(self.draw(st.sampled_from(there)))

    def reopen(self, handle: int) -> None:
        self.handles[handle].close()
        self.handles[handle] = self.open()
        self.standing[handle] = self.start

    def detach(self, handle: int) -> None:
        """Look at an earlier commit from a detached HEAD, and go back."""
        t, history = self.handles[handle], self.model.history(self.tip(handle))
        if history:
            at = self.draw(st.sampled_from(history))
            assert t.checkout(at) is None
            self.check_compiled(t.compile(), at)
            assert t.checkout("-") == self.standing[handle]
            self.start = self.standing[handle]

    # --- keeping and comparing ---------------------------------------------------------------------

    def target(self, handle: int) -> str | None:
        history = self.model.history(self.tip(handle))
        contents = [commit for commit in history if self.model.commits[commit].op not in {"annotate", "revert"}]
        return self.draw(st.sampled_from(contents)) if contents else None

    def add(self, handle: int, info: CommitInfo, did: Did) -> None:
        assert info.parents == (() if did.parent is None else (did.parent,))
        assert info.op == did.op
        self.model.commits[info.hash] = did
        self.model.branches[self.standing[handle]] = info.hash
        self.moments.append((self.standing[handle], info.created_at, info.hash))
        context = self.handles[handle].compile(at=info)
        assert context.token_count == info.context_tokens
        self.check_compiled(context, info.hash)

    def check(self, handle: int) -> None:
        """The tip, compiled in steps, in one fold, and by another handle, is what the model says."""
        t, tip = self.handles[handle], self.tip(handle)
        context = t.compile(verify=True)
        assert t.head == tip
        assert t.compile() == context
        self.check_compiled(context, tip)
        if tip is not None:
            self.seen[tip] = (context.to_dicts(), context.token_count, context.prefix_hash())
            assert t.status().context_tokens == t.get(tip).context_tokens == context.token_count

    def check_compiled(self, context: Any, tip: str | None) -> None:
        expected = self.model.visible(tip)
        assert [message.text for message in context.messages] == [place["text"] for place in expected]
        assert list(context.commit_hashes) == [place["commit"] for place in expected]
        assert [one.edited_by or one.commit for one in context.provenance] == [place["shown"] for place in expected]
        assert [one.priority for one in context.provenance] == [place["priority"] for place in expected]
        assert context.token_source == "tokenizer:o200k_base"

    def check_past(self, t: Tract) -> None:
        """Every commit that ever was a tip compiles to what it compiled to then."""
        for commit, seen in self.seen.items():
            if commit in self.model.commits:
                context = t.compile(at=commit)
                assert (context.to_dicts(), context.token_count, context.prefix_hash()) == seen
                assert t.get(commit).context_tokens == context.token_count

    def check_moments(self, t: Tract) -> None:
        """Where a branch pointed when a commit was made is that commit."""
        for branch, moment, commit in self.moments:
            t.switch(branch)
            assert t.compile(as_of=moment).head == commit


@contextmanager
def worlds(data: st.DataObject) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), data)
        try:
            yield world
        finally:
            world.close()


# Shrinking a history of several handles takes minutes; the drawn verbs of a failure tell enough.
@pytest.mark.slow
@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_any_history_on_several_handles_is_what_the_model_says(data: st.DataObject) -> None:
    """Order, content, counts and provenance, after every step; then again in every handle and in a fresh one."""
    with worlds(data) as world:
        for _ in range(data.draw(st.integers(1, 15), label="steps")):
            handle = data.draw(st.integers(0, HANDLES - 1), label="handle")
            getattr(world, data.draw(VERBS, label="verb").replace(" ", "_"))(handle)
            world.check(handle)
        for handle in range(HANDLES):
            world.check(handle)
            world.check_past(world.handles[handle])
        with world.open() as fresh:
            assert fresh.current_branch == world.start
            world.check_past(fresh)
            world.check_moments(fresh)
            assert fresh.fsck() == []
