"""Random histories of every kind of change, merged by a model that decides anything it may: valid, undone exactly."""

from __future__ import annotations

import json
import random

import pytest

from tests.agent.deciding import shown
from tests.agent.talking import require_valid
from tests.operations.merging import History, histories
from tract import Tract
from tract.errors import MergeConflictError
from tract.llm.protocol import Request
from tract.testing import ScriptedLLM

STEPS = [
    "append",
    "edit",
    "edit",
    "edit",
    "annotate",
    "annotate",
    "revert",
    "reorder",
    "compress",
    "switch",
    "switch",
    "switch",
]


def anything(chance: random.Random, said: list[str]) -> ScriptedLLM:
    """Return a model that chooses by chance among what it is offered; note what it writes."""

    def answer(request: Request) -> str:
        document = shown(request)
        if "issue" not in document:
            return '{"concerns": []}'
        action = chance.choice([name for name in document["actions"] if name != "abort"])
        content = f"written {len(said)}" if action == "use" else None
        said.extend([content] if content is not None else [])
        return json.dumps({"issue": document["issue"], "action": action, "content": content, "reason": "By chance."})

    return ScriptedLLM([answer] * 1_000)


def merge(history: History) -> None:
    """Let the model merge a branch at one of the levels that ask it."""
    t = history.t
    other = history.chance.choice(list(t.branches))
    before, count = (t._store.refs(), t.compile().to_dicts()), len(t.operations)
    result = t.merge(other, strategy="semantic", autonomy=history.chance.choice(["collaborative", "autonomous"]))
    if result.head is None:
        assert not result.unresolved
        t.apply(result)
    after = len(t.operations)
    require_valid(t)
    assert t.compile(verify=True).to_dicts() == t.compile().to_dicts()
    if after > count:
        t.undo(after - count)
        assert (t._store.refs(), t.compile().to_dicts()) == before
        t.redo(after - count)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_a_model_decides_the_context_is_whole(seed: int) -> None:
    """Each write it leads to can be undone; what it wrote says so."""
    said: list[str] = []
    with histories(seed) as history:
        llm = anything(history.chance, said)
        history.t.configure_operations(merge={"llm": llm})
        history.branch()
        history.branch()
        for _ in range(10):
            for _ in range(8):
                getattr(history, history.chance.choice(STEPS))()
            try:
                merge(history)
            except MergeConflictError as error:
                is_possible = error.reason != "impossible"  # of compressions that overlap
                assert not is_possible, str(error)  # noqa: PT017 - other merges go on
                if history.t.merge_in_progress is not None:
                    history.t.abort_merge()
            history.note()
        require_written(history.t, said)


def require_written(t: Tract, said: list[str]) -> None:
    """Assert that the texts shown that a model wrote are its own, and trusted as what they were made of."""
    context = t.compile()
    for message, provenance, config in zip(
        context.messages, context.provenance, context.generation_configs, strict=True
    ):
        if message.text in said:
            assert provenance.origin in {"user", "model", "developer"}
            assert (config or {}).get("model") == "scripted"
