"""A process that commits and moves refs of a shared file at random: `python moving.py PATH NAME SEED COUNT`.

Prints one JSON document: the commits that returned, how many writes were made, and the codes of the errors.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable

from tract import Tract
from tract.errors import BranchNotFoundError, TractError


def writes(t: Tract, name: str, chance: random.Random) -> dict[str, Callable[[], object]]:
    """Return the verbs by name; branches and tags have few names, so that processes meet on them."""
    branch = f"b{chance.randrange(3)}"
    tag = f"t{chance.randrange(2)}"
    return {
        "commit": lambda: t.user(f"{name} {chance.random()}"),
        "again": lambda: t.assistant(f"{name} {chance.random()}"),
        "switch": lambda: t.switch(chance.choice([*t.branches, "main"])),
        "branch": lambda: t.branch(branch),
        "delete": lambda: t.branches.delete(branch, force=True),
        "rename": lambda: t.branches.rename(branch, f"b{chance.randrange(3)}"),
        "hard": lambda: t.reset("HEAD~1", mode="hard"),
        "soft": lambda: t.reset("HEAD~2"),
        "tag": lambda: t.tag(tag),
        "untag": lambda: t.tags.delete(tag),
        "undo": t.undo,
    }


def run(path: str, name: str, seed: int, count: int) -> dict[str, object]:
    """Do *count* random writes; open again when the branch is gone."""
    chance = random.Random(f"{seed} {name}")
    commits: list[str] = []
    errors: Counter[str] = Counter()
    t = Tract.open(path, durability="off", actor=name)
    for _ in range(count):
        verbs = writes(t, name, chance)
        verb = chance.choices(list(verbs), [4, 4, 2, 2, 1, 1, 2, 1, 1, 1, 1])[0]
        try:
            done = verbs[verb]()
        except TractError as error:
            errors[error.code] += 1
            if isinstance(error, BranchNotFoundError):  # perhaps the one it stood on: start where new handles start
                t.close()
                t = Tract.open(path, durability="off", actor=name)
        else:
            if verb in {"commit", "again"}:
                commits.append(done.hash)  # type: ignore[attr-defined]  # a CommitInfo
    t.close()
    return {"commits": commits, "errors": errors}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))  # noqa: T201
