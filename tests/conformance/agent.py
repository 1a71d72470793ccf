"""One agent of the history tests: `python agent.py <url> <name> <seed> <first call> <calls> <start file>`.

It makes random calls on its own tract and on the shared one, each under an actor of its own, so that the operation
log says which call made which operation. Every call that ended is told as one line of JSON on standard output.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from tract import CommitInfo, CompressResult, Session, Tract
from tract.compile.safety import WARNING_KINDS
from tract.errors import BranchNotFoundError, RefConflictError, TractError

SHARED: Final = "shared"
Call = Callable[[Tract, random.Random, str], Iterable[CommitInfo | str]]
"""Makes one call; returns the commits it acknowledged."""


def own_name(agent: str) -> str:
    """Return the name of the tract that is the agent's own."""
    return f"{SHARED}/{agent}"


def _shown(t: Tract, chance: random.Random) -> str:
    """Return a commit that shows a message; HEAD where everything is skipped."""
    return chance.choice(t.compile().commit_hashes or ["HEAD"])


def _side(t: Tract, chance: random.Random) -> str:
    """Return a branch of few names, so that agents meet on them."""
    return chance.choice([name for name in t.branches if name != t.current_branch] or ["side-0"])


def _assistant(t: Tract, chance: random.Random, label: str) -> Iterable[CommitInfo]:
    return [t.assistant(f"assistant {label}", generation_config={"seed": chance.randrange(5)})]


def _exchange(t: Tract, chance: random.Random, label: str) -> Iterable[CommitInfo]:
    with t.batch():
        asked = t.assistant(tool_calls=[{"id": label, "name": "look", "arguments": "{}"}])
        return [asked, t.tool_result(label, f"result {label} {chance.random()}")]


def _edit(t: Tract, chance: random.Random, label: str) -> Iterable[CommitInfo]:
    return [t.edit(_shown(t, chance), {"role": "user", "content": f"edit {label}"})]


def _branch(t: Tract, chance: random.Random, label: str) -> Iterable[CommitInfo]:
    del label
    t.branch(f"side-{chance.randrange(3)}")
    return []


def _switch(t: Tract, chance: random.Random, label: str) -> Iterable[CommitInfo]:
    del label
    t.switch(chance.choice(["main", "main", _side(t, chance)]))
    return []


def _delete(t: Tract, chance: random.Random, label: str) -> Iterable[CommitInfo]:
    del label
    t.branches.delete(f"side-{chance.randrange(3)}", force=True)
    return []


def _merge(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del label
    return t.merge(_side(t, chance), strategy="theirs").commits


def _cherry_pick(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del label
    return t.cherry_pick(_side(t, chance), allow=WARNING_KINDS).commits


def _rebase(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del label
    t.rebase(_side(t, chance), allow=WARNING_KINDS)
    return []


def _reset(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del label
    t.reset(f"HEAD~{chance.randrange(1, 3)}", mode=chance.choice(["soft", "hard"]))
    return []


def _undo(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del chance, label
    t.undo()
    return []


def _redo(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del chance, label
    t.redo()
    return []


def _tag(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del label
    t.tag(f"tag-{chance.randrange(20)}", at=_shown(t, chance))
    return []


def _compress(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del chance
    result = t.compress(summarizer=lambda _: f"summary {label}")
    assert isinstance(result, CompressResult)
    return result.commits


def _configure(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del label
    t.configure(cached_states=chance.randrange(1, 99))
    return []


def _usage(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del label
    t.record_usage({"input_tokens": chance.randrange(99), "output_tokens": 1})
    return []


def _spawn(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    del chance
    child = t.spawn(f"do {label}")
    return [child.operations[1].args["commit"]]


def _collapse(t: Tract, chance: random.Random, label: str) -> Iterable[str]:
    child = chance.choice(list(t.children) or ["nobody"])
    return [t.collapse(child, content=f"collapse {label}").commit]  # type: ignore[union-attr]  # it is autonomous


CALLS: Final[dict[str, tuple[int, Call]]] = {
    "user": (14, lambda t, _, label: [t.user(f"user {label}")]),
    "assistant": (10, _assistant),
    "exchange": (6, _exchange),
    "edit": (6, _edit),
    "pin": (3, lambda t, chance, label: [t.pin(_shown(t, chance), reason=label)]),
    "skip": (3, lambda t, chance, _: [t.skip(_shown(t, chance))]),
    "revert": (3, lambda t, chance, _: [t.revert(_shown(t, chance))]),
    "branch": (3, _branch),
    "switch": (5, _switch),
    "delete": (1, _delete),
    "merge": (4, _merge),
    "cherry_pick": (3, _cherry_pick),
    "rebase": (1, _rebase),
    "reset": (2, _reset),
    "undo": (3, _undo),
    "redo": (2, _redo),
    "tag": (2, _tag),
    "compress": (1, _compress),
    "configure": (1, _configure),
    "usage": (3, _usage),
    "spawn": (1, _spawn),
    "collapse": (3, _collapse),
}
"""How often each is made, and how."""


def _act(t: Tract, verb: str, chance: random.Random, label: str) -> dict[str, Any]:
    """Make one call under *label* and return what came of it."""
    t._store.actor = label
    told: dict[str, Any] = {"label": label, "tract": t.name, "verb": verb, "commits": [], "error": None}
    told["began"] = time.monotonic_ns()
    try:
        made = CALLS[verb][1](t, chance, label)
        told["commits"] = [one.hash if isinstance(one, CommitInfo) else one for one in made]
    except TractError as error:
        told["error"], told["said"] = error.code, f"{error} {error.hint}"
        if isinstance(error, RefConflictError):
            told["actual"] = error.actual
        if isinstance(error, BranchNotFoundError):
            _stand_again(t)
    told["ended"] = time.monotonic_ns()
    return told


def _stand_again(t: Tract) -> None:
    """Leave a branch that somebody deleted."""
    try:
        _ = t.head
    except BranchNotFoundError:
        t._store.actor = "standing again"
        t.switch("main")


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main(url: str, name: str, chance: random.Random, calls: range, start: Path) -> None:
    """Open, say where the own tract stands, wait for the start, make the calls."""
    with Session.open(url, create=False, durability="normal") as session:
        own, shared = session.get(own_name(name)), session.get(SHARED)
        _say({"opened": own.name, "head": own.head, "messages": len(own.compile(verify=True).messages)})
        while not start.exists():
            time.sleep(0.002)
        weights = [weight for weight, _ in CALLS.values()]
        for number in calls:
            t = shared if chance.random() < 0.4 else own
            verb = chance.choices(list(CALLS), weights)[0]
            _say(_act(t, verb, chance, f"{name}:{number}"))


if __name__ == "__main__":
    main(
        sys.argv[1],
        sys.argv[2],
        random.Random(f"{sys.argv[3]} {sys.argv[2]} {sys.argv[4]}"),
        range(int(sys.argv[4]), int(sys.argv[5])),
        Path(sys.argv[6]),
    )
