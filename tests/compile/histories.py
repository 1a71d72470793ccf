"""Makes tracts with any history of public writes, for property tests."""

from __future__ import annotations

import random
from typing import Any, TypeAlias

from hypothesis import strategies as st

from tract import Tract

Step: TypeAlias = tuple[str, int, str]
"""What to do, to which earlier message (counted around), and a text."""

_WORDS = ("alpha", "beta", "gamma", '{"b": 1, "a": [2]}', "ünïcode ß", "100%_", "")


def steps(min_size: int = 0, max_size: int = 14) -> st.SearchStrategy[list[Step]]:
    """Return lists of steps, to be done by `build`."""
    texts = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=4).map("\n".join)
    verbs = st.sampled_from(["user", "user", "assistant", "edit", "edit", "skip", "unskip", "pin", "same"])
    return st.lists(st.tuples(verbs, st.integers(0, 50), texts), min_size=min_size, max_size=max_size)


def build(t: Tract, todo: list[Step]) -> list[str]:
    """Do *todo*, each step one commit; return the hashes of the messages placed."""
    placed: list[str] = []
    for verb, number, text in todo:
        if verb in {"user", "assistant"} or not placed:
            settings: dict[str, Any] = {"generation_config": {"model": f"m{number % 3}", "temperature": number / 50}}
            said = t.user(text) if verb == "user" else t.assistant(text, **settings)
            placed.append(said.hash)
            continue
        target = placed[number % len(placed)]
        if verb == "edit":
            t.edit(target, text)
        elif verb == "same":
            t.edit(target, t.show(target))
        else:
            getattr(t, verb)(target, reason=text)
    return placed


def long_tract(count: int) -> Tract:
    """Return a tract of *count* messages."""
    t = Tract.open()
    words = random.Random(count)
    with t.batch():
        for number in range(count):
            t.user(f"message {number} {words.random()}")
    return t
