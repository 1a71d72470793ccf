"""Answers what a commit costs by the tokenizer in force, whichever counted it when it was written."""

from __future__ import annotations

from dataclasses import replace

from tract.compile.compiler import size_of, states_of
from tract.history.info import UNCOUNTED
from tract.objects.commit import CommitInfo
from tract.store import Store


def counted(store: Store, info: CommitInfo) -> CommitInfo:
    """Return *info* with the counts of the tokenizer in force.

    Cost:
        Nothing if it is the one that counted the commit; else one fold of its history, then O(1).
    """
    if UNCOUNTED not in (info.tokens, info.context_tokens):
        return info
    state = states_of(store).get(bytes.fromhex(info.hash))
    tokens = 0 if state.head is None else state.head.tokens
    return replace(info, tokens=tokens, context_tokens=size_of(state))
