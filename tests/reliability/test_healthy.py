"""G6: what the public API wrote is never called damaged: no false alarm in any healthy history."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import CONFIGS, CONTENTS, CUSTOM, JSON, TEXT, register
from tract import Tract
from tract.errors import TractError

Verb = Callable[[Tract, Callable[[Any], Any]], object]


def _target(t: Tract, draw: Callable[[Any], Any]) -> str:
    commits = [info.hash for info in t.log(20)]
    return str(draw(st.sampled_from(commits)))


def _batch(t: Tract, draw: Callable[[Any], Any]) -> None:
    with t.batch():
        t.commit(draw(CONTENTS))
        t.pin(_target(t, draw))


_NUMBERS = st.integers(0, 4)
_VERBS: dict[str, Verb] = {
    "commit": lambda t, draw: t.commit(
        draw(CONTENTS | CUSTOM), message=draw(st.none() | TEXT), metadata={"m": draw(JSON)}
    ),
    "commit with config": lambda t, draw: t.commit(draw(CONTENTS), generation_config=draw(CONFIGS)),
    "edit": lambda t, draw: t.edit(_target(t, draw), draw(CONTENTS)),
    "annotate": lambda t, draw: t.annotate(
        [_target(t, draw), _target(t, draw)], draw(st.sampled_from(["skip", "normal", "pinned"])), reason=draw(TEXT)
    ),
    "batch": _batch,
    "branch": lambda t, draw: t.branch(f"b{draw(_NUMBERS)}", at=_target(t, draw)),
    "orphan": lambda t, draw: t.branch(f"o{draw(_NUMBERS)}", orphan=True),
    "switch": lambda t, draw: t.switch(draw(st.sampled_from(sorted(t.branches)))),
    "delete a branch": lambda t, draw: t.branches.delete(draw(st.sampled_from(sorted(t.branches))), force=True),
    "rename": lambda t, draw: t.branches.rename(draw(st.sampled_from(sorted(t.branches))), f"r{draw(_NUMBERS)}"),
    "describe": lambda t, draw: t.branches.describe(draw(st.sampled_from(sorted(t.branches))), draw(TEXT)),
    "tag": lambda t, draw: t.tag(f"v{draw(_NUMBERS)}", _target(t, draw)),
    "delete a tag": lambda t, draw: t.tags.delete(f"v{draw(_NUMBERS)}"),
    "reset": lambda t, draw: t.reset(_target(t, draw), draw(st.sampled_from(["soft", "hard"]))),
    "undo": lambda t, draw: t.undo(draw(st.integers(1, 3))),
    "redo": lambda t, draw: t.redo(draw(st.integers(1, 2))),
    "usage": lambda t, draw: t.record_usage({"input_tokens": draw(_NUMBERS), "output_tokens": 1}),
    "configure": lambda t, draw: t.configure(cached_states=1 + draw(_NUMBERS)),
}


@given(st.data())
def test_a_healthy_history_has_no_findings(data: st.DataObject) -> None:
    """Whatever was written, and whatever was refused, fsck of a fresh handle finds nothing and both folds agree."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with Tract.open(path, durability="off") as t:
            register(t)
            t.system("Begin.")
            for verb in data.draw(st.lists(st.sampled_from(sorted(_VERBS)), max_size=20)):
                _attempt(t, _VERBS[verb], data.draw)
                t.compile(verify=True)
        with Tract.open(path, read_only=True) as t:
            assert t.fsck() == []
            for branch in t.branches:
                if t.branches[branch].head:
                    t.compile(branch, verify=True)


def _attempt(t: Tract, verb: Verb, draw: Callable[[Any], Any]) -> None:
    try:
        if t.head is None:
            t.user("Begin again.")
        verb(t, draw)
    except TractError:
        # Refused, such as deleting the current branch; a refusal must leave a healthy store too.
        return
