"""Answers what a tract is like after any public verbs in any order: several handles, branches and tracts, real talk."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.formats.build import conversations
from tests.formats.every import NOTHING_TO_SEND, refused
from tests.operations.pending import keep_merge
from tract import CommitInfo, CompiledContext, Request, Resolution, TokenBudget, TokenBudgetWarning, ToolCall, Tract
from tract.errors import ModelError, TractError
from tract.testing import ScriptedLLM

ALLOW: Final = ["exchange_split", "reply_inverted", "instruction_moved", "target_changed", "duplicate_content"]
ODD: Final = ["", "", "", " 🙂\u2028", " <|endoftext|>", "\t\n ", " e\u0301", " " + "word " * 50]

WEIGHTS: Final[dict[str, float]] = {
    "user": 4, "system": 1, "real": 4, "exchange": 4, "edit": 4, "annotate": 4, "reorder": 4, "compress": 5,
    "decide_proposal": 2, "revert": 4, "merge": 5, "decide_merge": 3, "cherry_pick": 3, "rebase": 3, "branch": 3,
    "switch": 4, "detach": 0.5, "delete": 1, "rename": 0.5, "tag": 1, "reset": 2, "undo": 1, "redo": 1, "gc": 0.7,
    "erase": 0.7, "spawn": 0.4, "chat": 2, "run": 2, "stream": 1, "budget": 1, "fit": 1,
}  # fmt: skip

MEANWHILE: Final = ["user", "edit", "annotate", "exchange", "revert", "undo", "switch", "erase", "reorder"]
"""What another handle may do between what a verb reads and what it writes."""

SEVERAL: Final = frozenset({"real", "exchange", "user", "system", "chat", "run", "stream"})
"""Verbs that keep what was done before they fail, or make room for it."""

FOR_GOOD: Final = frozenset({"gc", "erase", "undo", "redo"})


def look(query: str = "") -> str:
    """Look something up."""
    if query == "nothing":
        raise LookupError(query)
    return f"found {query}"


class World:
    """Two handles on a tract and one on another, and everything that was acknowledged."""

    def __init__(self, path: Path, rnd: random.Random) -> None:
        self.rnd = rnd
        self.acknowledged: set[str] = set()
        self.removed: set[str] = set()
        self.done: list[tuple[str, str]] = []
        self._numbers = 0
        self._llm = ScriptedLLM()
        self.first = Tract.open(path, durability="off", llm=self._llm)
        self.handles = [self.first, Tract.open(path, durability="off", llm=self._llm), self._other(path)]

    def _other(self, path: Path) -> Tract:
        if self.rnd.random() < 0.5:
            return self.first.spawn("look around", name="other")
        return Tract.open(path, tract="other", durability="off", llm=self._llm)

    def close(self) -> None:
        for t in reversed(self.handles):
            t.close()

    # --- one step -------------------------------------------------------------------------------

    def step(self) -> None:
        """Do any verb on any handle, look at what it did, and perhaps take it back and do it again."""
        t = self.rnd.choice(self.handles)
        verb = self.rnd.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
        self._stand_somewhere(t)
        before, refs, count = seen(t), self._branches(t), len(t.operations)
        with self._meanwhile(t) as others:
            is_done = self.do(verb, t)
        self._stand_somewhere(t)
        assert_sendable(t.compile(verify=True))
        assert_counted(t)
        if not is_done and not others and verb not in SEVERAL:
            assert seen(t) == before, f"{verb} was refused, and changed what is shown"
        made = len(t.operations) - count
        if made > 0 and not FOR_GOOD & {verb, *others} and self.rnd.random() < 0.5:
            after = self._branches(t)
            t.undo(made)
            assert self._branches(t) == refs, f"undo of {verb}"
            if self.rnd.random() < 0.7:
                t.redo(made)
                assert self._branches(t) == after, f"redo of {verb}"

    def _branches(self, t: Tract) -> dict[str, Any]:
        """Return where each branch and tag is, and what it shows.

        Saying again what was erased or collected brings it back wherever it was, and no undo takes that away.
        """
        heads = {branch.name: branch.head for branch in t.branches.values()}
        shown = {} if self.removed else {name: seen(t, head) for name, head in heads.items() if head is not None}
        return {"heads": heads, "shown": shown, "tags": [(tag.name, tag.commit) for tag in t.tags.values()]}

    def do(self, verb: str, t: Tract) -> bool:
        """Do *verb*; return whether it was not refused."""
        try:
            getattr(self, f"_{verb}")(t)
        except TractError as error:
            self.done.append((verb, error.code))
            return False
        self.done.append((verb, "done"))
        return True

    def check(self) -> None:
        """Show that the store is whole, and that each commit says what it said unless it was removed."""
        assert self.first.fsck() == []
        for t in self.handles:
            self._stand_somewhere(t)
            assert_sendable(t.compile(verify=True))
            assert_counted(t)
        for commit in self.acknowledged - self.removed:
            self.first.show(commit)

    @contextmanager
    def _meanwhile(self, t: Tract) -> Iterator[list[str]]:
        """Sometimes let another handle do something while *t* is between reading and writing; yield what it did."""
        done: list[str] = []
        other, verb = self.rnd.choice(self.handles), self.rnd.choice(MEANWHILE)

        def interfere(_: str) -> None:
            if not done and not t._store.is_writing:
                done.append(verb)
                self.do(verb, other)

        t._store.on_pause = interfere if self.rnd.random() < 0.15 else None
        yield done
        t._store.on_pause = None

    def _stand_somewhere(self, t: Tract) -> None:
        """Others may have dropped the branch *t* stands on."""
        if t.current_branch is not None and t.branches and t.current_branch not in t.branches:
            t.switch(self.rnd.choice([*t.branches]))

    # --- what is chosen -------------------------------------------------------------------------

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _text(self) -> str:
        return f"text {self._number()}.{self.rnd.choice(ODD)}"

    def _chance(self, part: float) -> bool:
        return self.rnd.random() < part

    def _said(self, info: CommitInfo) -> CommitInfo:
        self.acknowledged.add(info.hash)
        return info

    def _commits(self, t: Tract, least: int = 1, most: int = 1) -> list[str]:
        """Return some commits: of what is shown as a rule, else any."""
        shown = [info.hash for info in t.log(50)] if self._chance(0.3) else [*t.compile().commit_hashes]
        return self.rnd.sample(shown, min(len(shown), self.rnd.randint(least, most)))

    def _other_branch(self, t: Tract) -> str:
        if self._chance(0.15):
            return "default:" if t.name != "default" else "other:"
        return self.rnd.choice([name for name in t.branches if name != t.current_branch] or ["main"])

    def _resolution(self, _: object) -> Resolution:
        return Resolution(self.rnd.choice(["ours", "theirs", "skip", "use", "use", "abort"]))

    def _terms(self) -> dict[str, Any]:
        resolver = self._resolution if self._chance(0.7) else None
        return {"resolver": resolver, "autonomy": self.rnd.choice([None, "manual", "autonomous"])}

    def _answer(self, _: Request) -> Any:
        number = self._number()
        calls = [ToolCall(f"m{number}_{k}", "look", self.rnd.choice(["{}", '{"query": "nothing"}', "{"])) for k in "ab"]
        return self.rnd.choice([f"reply {number}", f"reply {number}", calls, calls[:1], "", ModelError("It is away.")])

    # --- the verbs ------------------------------------------------------------------------------

    def _user(self, t: Tract) -> None:
        self._said(t.user(self._text()))

    def _system(self, t: Tract) -> None:
        self._said(t.system(self._text()))

    def _real(self, t: Tract) -> None:
        messages = self.rnd.choice(conversations())
        start = self.rnd.randrange(len(messages))
        part = messages[start : start + self.rnd.randint(1, 6)]
        if self._chance(0.3):
            with t.batch():
                made = [t.commit(message) for message in part]
            self.acknowledged.update(info.hash for info in made)
            return
        for message in part:
            self._said(t.commit(message))

    def _exchange(self, t: Tract) -> None:
        ids = [f"c{self._number()}" for _ in range(self.rnd.randint(1, 3))]
        text = self._text() if self._chance(0.5) else None
        self._said(t.assistant(text, tool_calls=[ToolCall(one, "look", "{}") for one in ids]))
        self.rnd.shuffle(ids)
        for one in ids:
            if self._chance(0.85):
                self._said(t.tool_result(one, self.rnd.choice(["", self._text()])))

    def _edit(self, t: Tract) -> None:
        for commit in self._commits(t):
            t.edit(commit, self._text())

    def _annotate(self, t: Tract) -> None:
        t.annotate(self._commits(t, most=3), self.rnd.choice(["skip", "normal", "normal", "pinned"]))

    def _reorder(self, t: Tract) -> None:
        t.reorder(self._commits(t, 2, 5), allow=ALLOW)

    def _compress(self, t: Tract) -> None:
        what: dict[str, Any] = {"commits": self._commits(t, most=4)} if self._chance(0.5) else {}
        bad = self.rnd.choice([None, None, None, "", "I cannot do that", "word " * 999])
        t.compress(
            **what,
            summarizer=lambda _: f"s{self._number()}" if bad is None else bad,
            autonomy=self.rnd.choice(["autonomous", "autonomous", "collaborative"]),
        )

    def _decide_proposal(self, t: Tract) -> None:
        for proposal in t.proposals.open[:1]:
            decide = self.rnd.choice([t.proposals.approve, t.proposals.approve, t.proposals.reject])
            if self._chance(0.2):
                t.proposals.edit(proposal.number, "ed.")
            else:
                decide(proposal.number)

    def _revert(self, t: Tract) -> None:
        t.revert(self.rnd.choice([info.hash for info in t.log(30)] or ["HEAD"]))

    def _merge(self, t: Tract) -> None:
        """Merge; without conflicts, what one side shows and the other does not hide is shown after, summaries aside.

        A summary may go where the other side opened one that says the same.
        """
        name = self._other_branch(t)
        sides = [Side(t, "HEAD"), Side(t, name)]
        strategy: Any = self.rnd.choice(["auto", "auto", "auto", "ours", "theirs", "squash", "semantic"])
        result = t.merge(name, strategy=strategy, no_ff=self._chance(0.3), **self._terms())
        # Others may have come in between.
        is_of_these = bool(result.commits) and t.get(result.commits[0]).parents == tuple(one.head for one in sides)
        if result.kind == "merged" and not result.conflicts and is_of_these:
            shown = set(t.compile().commit_hashes)
            for one, other in (sides, sides[::-1]):
                assert {commit for commit in one.shown if not other.hides(commit)} <= shown

    def _decide_merge(self, t: Tract) -> None:
        result = t.merge_in_progress
        if result is None:
            return
        for conflict in result.unresolved:
            action: Any = self.rnd.choice(["ours", "theirs", "skip", "use"])
            result.resolve(conflict, action, "used instead" if action == "use" else None)
        if self._chance(0.2):
            t.abort_merge()
        else:
            finish: Any = self.rnd.choice([t.commit_merge, t.commit_merge, partial(keep_merge, t)])
            finish(result)

    def _cherry_pick(self, t: Tract) -> None:
        name = self._other_branch(t)
        known = [info.hash for info in t.log(20, branch=name)]
        some = self.rnd.sample(known, min(len(known), self.rnd.randint(1, 4)))
        t.cherry_pick(f"HEAD..{name}" if self._chance(0.2) else some, allow=ALLOW, **self._terms())

    def _rebase(self, t: Tract) -> None:
        t.rebase(self._other_branch(t), allow=ALLOW, **self._terms())

    def _branch(self, t: Tract) -> None:
        at = self.rnd.choice([None, *[info.hash for info in t.log(30)]])
        t.branch(f"b{self._number()}", at=at, switch=self._chance(0.7))

    def _switch(self, t: Tract) -> None:
        t.switch(self.rnd.choice([*t.branches] or ["main"]))

    def _detach(self, t: Tract) -> None:
        t.checkout(self.rnd.choice(["HEAD", "HEAD~1", "-"]))

    def _delete(self, t: Tract) -> None:
        if len(t.branches) > 3:
            t.branches.delete(self._other_branch(t), force=True)

    def _rename(self, t: Tract) -> None:
        t.branches.rename(self._other_branch(t), f"r{self._number()}")

    def _tag(self, t: Tract) -> None:
        t.tag(f"t{self._number()}", at="HEAD")

    def _reset(self, t: Tract) -> None:
        t.reset(f"HEAD~{self.rnd.randint(0, 3)}", self.rnd.choice(["soft", "hard"]))

    def _undo(self, t: Tract) -> None:
        if self._chance(0.5):
            t.undo(self.rnd.randint(1, 3))
        else:
            t.undo(operation=max(1, len(t.operations) - self.rnd.randint(0, 6)))

    def _redo(self, t: Tract) -> None:
        t.redo()

    def _gc(self, t: Tract) -> None:
        days, archived = self.rnd.choice([0, 30]), self.rnd.choice([None, None, 0])
        result = t.gc(keep_days=days, archived_days=archived, keep_pinned=self._chance(0.5))
        self.removed.update(result.collected, result.archived)

    def _erase(self, t: Tract) -> None:
        for commit in self._commits(t):
            self.removed.update(t.erase(commit, reason="a test", include_derived=self._chance(0.5)).commits)

    def _spawn(self, t: Tract) -> None:
        child = t.spawn("look around", mode=self.rnd.choice(["fork", "snapshot"]))
        if len(self.handles) < 5:
            self.handles.append(child)

    def _ask(self, ask: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self._llm.add(*[self._answer] * 3)
        return ask(*arguments, on_conflict=self.rnd.choice(["raise", "after"]), **options)

    def _chat(self, t: Tract) -> None:
        self._said(self._ask(t.chat, self._text()).commit_info)

    def _run(self, t: Tract) -> None:
        self._ask(t.run, self.rnd.choice([None, self._text()]), tools=[look], max_turns=3)

    def _stream(self, t: Tract) -> None:
        stream = self._ask(t.stream, self._text(), keep_partial=self._chance(0.5))
        for _ in stream:
            if self._chance(0.2):
                break
        stream.close()

    def _budget(self, t: Tract) -> None:
        limit, how = self.rnd.choice([60, 200, 1000]), self.rnd.choice(["compress", "compress", "warn", "reject"])
        t.configure(budget=None if self._chance(0.6) else TokenBudget(limit_tokens=limit, on_exceed=how))

    def _fit(self, t: Tract) -> None:
        strategy: Any = self.rnd.choice(["newest", "window", "importance"])
        assert_sendable(t.compile(budget=self.rnd.choice([50, 200, 1000]), strategy=strategy))


class Side:
    """What one side of a merge shows and knows."""

    def __init__(self, t: Tract, revision: str) -> None:
        self.head = t.get(revision).hash
        known = t.log(1_000_000, branch=revision)
        summaries = {info.hash for info in known if info.op == "compress"}
        self.shown = [commit for commit in t.compile(at=revision).commit_hashes if commit not in summaries]
        self._known = {info.hash for info in known}

    def hides(self, commit: str) -> bool:
        """Tell whether this side has *commit* and does not show it."""
        return commit in self._known and commit not in self.shown


def seen(t: Tract, at: str | None = None) -> tuple[Any, ...]:
    """Return what is compiled."""
    context = t.compile(at=at, verify=True)
    return tuple(context.messages), tuple(context.commit_hashes)


def assert_sendable(context: CompiledContext) -> None:
    """Every provider takes *context*, and no message is in it twice; where nobody said anything there is nothing."""
    assert len(set(context.commit_hashes)) == len(context.commit_hashes)
    is_said = any(message.role == "user" and message.text.strip() for message in context.messages)
    assert [one for one in refused(context) if is_said or one.rule not in NOTHING_TO_SEND] == []


def assert_counted(t: Tract) -> None:
    """What is noted of the size of the context is what the messages cost."""
    assert t.status().context_tokens == t.compile(budget=1 << 40).token_count


def play(path: Path, rnd: random.Random, steps: int) -> list[tuple[str, str]]:
    """Do *steps* random verbs, checking after each; return what each came to."""
    world = World(path, rnd)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TokenBudgetWarning)
            for number in range(steps):
                world.step()
                if number % 10 == 9:
                    world.check()
        world.check()
        return world.done
    finally:
        world.close()
