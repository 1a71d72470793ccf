"""Answers what an orchestrator is told before it begins: the measured state of a context, as one JSON document.

Numbers come from the store; stored text is quoted as data, cut to its first words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tract.agent.policies.view import PolicyView
from tract.agent.questions import document
from tract.agent.toolkit.desk import Handle
from tract.agent.toolkit.words import one_line, short
from tract.compile.compiler import states_of
from tract.compile.fold import Entry
from tract.objects.decision import AutonomyLevel
from tract.operations.usage import known_usage
from tract.store import Store

_MOST_MESSAGES: Final = 40
_MOST_SEARCHED: Final = 20
"""How many of the last messages are looked at for a recorded usage."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """How a context stands.

    Attributes:
        context_tokens: What is sent now, by the tokenizer.
        limit_tokens: What the token budget leaves for it, or `None` without a budget.
        share: The part of the budget that is used, or `None`.
        messages: How many messages are sent.
        commits: How many commits its history has.
        branches: How many branches there are.
        oldest_seconds: Since the oldest message that is sent was committed, or `None`.
        pinned_tokens: Of the messages that are sent, what is pinned.
        skipped_tokens: What is left out by annotations.
        covered_tokens: What summaries stand for.
        open_proposals: The verb of each proposal that waits.
        cached_share: The part of the last recorded input that came from the provider's cache, or `None`.
    """

    context_tokens: int
    limit_tokens: int | None
    share: float | None
    messages: int
    commits: int
    branches: int
    oldest_seconds: float | None
    pinned_tokens: int
    skipped_tokens: int
    covered_tokens: int
    open_proposals: tuple[str, ...]
    cached_share: float | None


def assess(t: Handle, store: Store) -> Assessment:
    """Return how the context of HEAD stands.

    Cost:
        O(messages).
    """
    view, found = PolicyView(store), t.status()
    entries = view.entries
    visible = [one for one in entries if one.is_visible]
    head = store.head_hash()
    limit = found.limit_tokens
    oldest = min((one.placed.created_at for one in visible), default=None)
    return Assessment(
        context_tokens=found.context_tokens,
        limit_tokens=limit,
        share=round(found.context_tokens / limit, 3) if limit else None,
        messages=len(visible),
        commits=0 if head is None else len(states_of(store).get(head).events),
        branches=len(view.branches),
        oldest_seconds=None if oldest is None else max(0, view.now - oldest) / 1_000_000,
        pinned_tokens=_tokens([one for one in visible if one.priority == "pinned"]),
        skipped_tokens=_tokens([one for one in entries if one.priority == "skip" and not one.covers]),
        covered_tokens=_tokens([one for one in entries if one.covers]),
        open_proposals=view.open_proposals,
        cached_share=_cached(store, visible),
    )


def _tokens(entries: Sequence[Entry]) -> int:
    return sum(one.shown.tokens for one in entries)


def _cached(store: Store, visible: Sequence[Entry]) -> float | None:
    """Return what part of the input recorded last came from a cache."""
    for entry in reversed(visible[-_MOST_SEARCHED:]):
        usage = known_usage(store, store.tip(entry.placed.hash)) if entry.placed.origin == "model" else None
        if usage is not None and usage["input_tokens"] > 0:
            return float(round(usage["cache_read_tokens"] / usage["input_tokens"], 3))
    return None


def told(t: Handle, store: Store, why_now: str, *, instructions: str | None, level: AutonomyLevel) -> str:
    """Return the document an orchestrator's model is sent first."""
    visible = [one for one in PolicyView(store).entries if one.is_visible]
    branch = store.head.branch
    left = len(visible) - _MOST_MESSAGES
    fields: dict[str, Any] = {
        "why_now": why_now,
        "instructions": instructions or "Keep this context small, true and useful.",
        "may": level.value,
        "branch": None if branch is None else one_line(branch),
        "numbers": asdict(assess(t, store)),
        "messages": [_quoted(one) for one in visible[-_MOST_MESSAGES:]],
    }
    if left > 0:
        fields["older_messages"] = left
    return document(fields)


def _quoted(entry: Entry) -> dict[str, Any]:
    message = entry.shown.message
    assert message is not None
    said = " ".join(filter(None, [message.text, *[f"calls {call.name}" for call in message.tool_calls]]))
    fields: dict[str, Any] = {
        "commit": short(entry.placed.hash), "role": message.role, "origin": entry.shown.origin,
        "tokens": entry.shown.tokens, "text": one_line(said),
    }  # fmt: skip
    return {**fields, "pinned": True} if entry.priority == "pinned" else fields
